"""Radiographs that look inverted are remarked on, once."""

import numpy as np
import pytest

from learning_sets import write_set
from rgbx.datasets.folders import import_folder
from rgbx.datasets.labelled import load_images, open_sets
from rgbx.datasets.polarity import inverted_warning, looks_inverted, says_inverted
from rgbx.samples import write_image


def radiograph(beam: float = 0.9, device: float = 0.3, noise: float = 0.02) -> np.ndarray:
    image = np.full((60, 80), beam) + np.random.default_rng(0).normal(0, noise, (60, 80))
    image[15:45, 20:60] *= device
    return image.clip(0, 1).astype(np.float32)


@pytest.mark.parametrize(
    ("image", "inverted"),
    [
        (radiograph(), False),
        (1 - radiograph(), True),
        (radiograph() * np.linspace(0.7, 1, 80, dtype=np.float32), False),
        (np.full((60, 80), 0.5, np.float32), False),
        (radiograph(device=1.0), False),
        (1 - radiograph()[:16, :16], False),
        (np.kron(1 - radiograph(), np.ones((20, 20), np.float32)), True),
    ],
    ids=["right", "inverted", "uneven", "constant", "nothing", "tiny", "large"],
)
def test_the_border_tells(image, inverted):
    assert looks_inverted(image) == inverted


def test_a_set_is_remarked_on_once(tmp_path, capsys):
    for label in ("A", "B"):
        for number in range(3):
            image = radiograph() if label == "A" else 1 - radiograph()
            write_image(tmp_path / "mine" / label / f"{number}.png", np.rint(65535 * image).astype(np.uint16))
    samples = import_folder(tmp_path / "mine", "xray", tmp_path / "set")
    assert capsys.readouterr().err.count("3 of 6 radiographs of") == 1
    load_images([samples], lambda image: image)
    assert capsys.readouterr().err.count("warning: 3 of 6 radiographs of") == 1


def test_right_sets_and_photographs_are_not(tmp_path, capsys):
    for modality in ("xray", "rgb"):
        load_images(open_sets([write_set(tmp_path / modality, modality)], modality), lambda image: image)
    assert "inverted" not in capsys.readouterr().err


def test_a_warning_is_known_again():
    assert says_inverted(["A has 8 bits", inverted_warning("B")])
    assert not says_inverted(["A has 8 bits"])

"""The look of images: numbers that a fault of the machine changes and another device does not."""

import math

import numpy as np
import pytest

from rgbx.modality import MODALITIES
from rgbx.trust.drift.looks import LOOKS, look_of


def _photograph(seed: int, warm: float = 1.0, light: float = 1.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((96, 96, 3), 60.0)
    image[30:66, 20:76] = rng.uniform(60, 220, 3)
    image = image * light * (warm, 1.0, 1 / warm) + rng.normal(0, 3, image.shape)
    return np.rint(image.clip(0, 255)).astype(np.uint8)


def _radiograph(seed: int, noise: float = 0.004, stripes: float = 0.0, slope: float = 0.0, power: float = 1.0):
    rng = np.random.default_rng(seed)
    density = np.zeros((96, 96))
    density[30:66, 20:76] = rng.uniform(0.3, 0.5)
    density[40:55, 30:60] = rng.uniform(1.9, 2.1)
    image = 0.85 * np.exp(-power * density) * (1 + noise * rng.standard_normal(density.shape))
    image *= 1 + stripes * np.random.default_rng(0).standard_normal(96) + np.linspace(-slope, slope, 96)[:, None]
    return image.clip(0, 1).astype(np.float32)


def _looks(make, count: int = 8, **fault: float) -> dict[str, np.ndarray]:
    modality = "rgb" if make is _photograph else "xray"
    found = [look_of(modality, make(seed, **fault)) for seed in range(count)]
    return {name: np.array([each[name] for each in found]) for name in LOOKS[modality]}


@pytest.mark.parametrize(
    ("make", "fault", "changes"),
    [
        (_photograph, {"warm": 1.1}, "warmth"),
        (_photograph, {"light": 0.8}, "brightness"),
        (_radiograph, {"noise": 0.006}, "noise"),
        (_radiograph, {"stripes": 0.005}, "stripes"),
        (_radiograph, {"slope": 0.03}, "shading"),
        (_radiograph, {"power": 1.2}, "density"),
    ],
)
def test_a_fault_changes_a_look_more_than_devices_do(make, fault, changes):
    usual, broken = _looks(make)[changes], _looks(make, **fault)[changes]
    assert broken.min() > usual.max() or broken.max() < usual.min()


def test_any_image_has_a_look():
    images = {
        "rgb": [np.zeros((16, 24, 3), np.uint8), np.full((300, 200, 3), 255, np.uint8)],
        "xray": [np.zeros((16, 24), np.float32), np.ones((300, 200), np.float32)],
    }
    for modality in MODALITIES:
        for image in images[modality]:
            look = look_of(modality, image)
            assert tuple(look) == LOOKS[modality]
            assert all(math.isfinite(value) for value in look.values())


@pytest.mark.parametrize("modality", MODALITIES)
def test_a_tiny_image_has_none_and_a_huge_one_is_looked_at_here_and_there(modality):
    make = _photograph if modality == "rgb" else _radiograph
    image = make(3)
    assert look_of(modality, image[:15]) == {}
    large = np.kron(image, np.ones((20, 20, 1)[: image.ndim], image.dtype))
    small, huge = look_of(modality, image), look_of(modality, large)
    assert huge.keys() == small.keys()
    for name in {"rgb": ("brightness", "warmth", "contrast"), "xray": ("open beam", "density")}[modality]:
        assert huge[name] == pytest.approx(small[name], rel=0.03, abs=0.01)

"""Where classes differ is measured: what holds for every unit counts, what sets single units apart does not."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from rgbx.datasets.labelled import LabelledImages
from rgbx.errors import ConfigError, RgbxError
from rgbx.modality import Modality
from rgbx.models.windows import Measured
from rgbx.samples import SampleSet
from rgbx.training import train_stream
from rgbx.training.places import differences, measured_places
from rgbx.training.settings import StreamTraining
from rgbx.training.stream_stage import check_places, with_places
from rgbx.view.ways import SHAPE, References
from tiny_training import tiny_sets, tiny_training

sets = pytest.fixture(scope="session")(tiny_sets)

SIZE = (160, 80)
SITES = {"A": (40, 20), "B": (40, 20), "C": (120, 60)}
"""(row, column) of what each class has and the others have not; B has less of what A has."""
MEASURED = {"stream.icam.window": "measured", "stream.icam.iterations": 3}


def images(classes: str = "ABC", units: int = 3, of_unit: int = 8, differ: bool = True) -> LabelledImages:
    """Noisy images of a shared board; each unit has a part of its own somewhere, each class something at its site."""
    rng = np.random.default_rng(0)
    board = np.repeat(np.repeat(rng.uniform(0.3, 0.5, (20, 10)), 8, 0), 8, 1)
    made, labels, names = [], [], []
    for label, name in enumerate(classes):
        for unit in range(units):
            askew = rng.integers(20, [130, 60])
            for _ in range(of_unit):
                image = board + rng.normal(0, 0.02, SIZE)
                image[askew[0] : askew[0] + 6, askew[1] : askew[1] + 6] += 0.3
                row, column = SITES[name]
                if differ:
                    image[row - 2 : row + 2, column - 2 : column + 2] += 0.15 if name == "B" else 0.3
                made.append((np.clip(image, 0, 1) * 65535).astype(np.uint16))
                labels.append(label)
                names.append(f"{name}{unit}")
    return LabelledImages("xray", tuple(classes), np.stack(made), np.array(labels), tuple(names))


def holds(place: tuple[float, float], fraction: float, site: tuple[int, int]) -> bool:
    return all(
        begin < at / size < begin + fraction for begin, at, size in zip(reversed(place), site, SIZE, strict=True)
    )


def test_each_pair_differs_at_its_sites_and_nowhere_else() -> None:
    found = differences(images())
    assert found.shape == (3, 20, 10)
    pairs = list(itertools.combinations("ABC", 2))
    for apart, pair in zip(found, pairs, strict=True):
        rows, columns = np.nonzero(apart)
        assert len(rows)
        sites = [SITES[name] for name in pair]
        far = [
            min(max(abs(row * 8 + 4 - site[0]), abs(column * 8 + 4 - site[1])) for site in sites)
            for row, column in zip(rows, columns, strict=True)
        ]
        assert max(far) <= 32, pair  # a cell sees a little more than itself


def test_windows_fall_on_what_differs_one_after_the_other() -> None:
    first, second = measured_places(images(), 0.3, 2)
    assert {holds(first, 0.3, SITES["A"]), holds(second, 0.3, SITES["A"])} == {True, False}
    assert {holds(first, 0.3, SITES["C"]), holds(second, 0.3, SITES["C"])} == {True, False}


def test_more_windows_than_places_see_the_last_one_again() -> None:
    places = measured_places(images("AB"), 0.9, 3)
    assert len(places) == 3
    assert all(holds(place, 0.9, SITES["A"]) for place in places)


def test_where_nothing_differs_there_is_no_place() -> None:
    with pytest.raises(RgbxError, match="No place was found"):
        measured_places(images("AB", differ=False), 0.3, 1)


def test_training_fills_in_the_places() -> None:
    config = tiny_training("xray", **MEASURED)
    filled = with_places(config, images()).stream.icam.window_options
    assert len(filled["places"]) == 2
    again = StreamTraining.model_validate_json(with_places(config, images()).model_dump_json())
    assert with_places(again, images("AB")) == again  # what is known stays
    assert with_places(tiny_training("xray"), images()) == tiny_training("xray")


@pytest.mark.parametrize(
    ("modality", "view"), [("rgb", "upright"), ("rgb", "none"), ("xray", "square"), ("xray", "none")]
)
def test_places_are_not_measured_where_devices_do_not_all_lie_the_same_way(
    modality: Modality, view: str, sets: dict[str, Path], tmp_path: Path
) -> None:
    config = tiny_training(modality, **MEASURED, **{"stream.transform.view": view})
    with pytest.raises(ConfigError, match=r"window=measured is for upright radiographs.*: set .*window=square"):
        train_stream(config, [SampleSet.open(sets[modality])], [], tmp_path / "run")
    assert not (tmp_path / "run").exists()  # nothing was begun


def test_upright_radiographs_have_to_lie_the_same_way_once_their_view_is_settled() -> None:
    config = tiny_training("xray", **MEASURED, **{"stream.transform.view": "upright"})
    check_places(config, settled=False)  # references are still to be found
    with pytest.raises(ConfigError, match="window=measured is for upright radiographs"):
        check_places(config, settled=True)
    references = References(np.zeros((2, *SHAPE), np.float32)).to_text()
    check_places(config.updated({"stream.transform.references": references}), settled=True)


@pytest.mark.parametrize(
    "change", [{"stream.icam.window_options": {"places": [(0.1, 0.2)] * 2}}, {"stream.icam.iterations": 1}]
)
def test_where_nothing_is_measured_any_view_will_do(change: dict[str, object]) -> None:
    check_places(tiny_training("rgb", **{**MEASURED, **change}), settled=True)


def test_a_measured_window_is_the_same_in_every_image() -> None:
    policy = Measured(0.25, [(0.1, 0.2), (0.5, 0.75)])
    cam = torch.rand(2, 3, 3)
    first = policy(cam, (32, 32), [])
    assert policy.outer(2) == 0
    assert first.tolist() == pytest.approx(np.array([[0.1, 0.2, 0.25]] * 2))
    assert policy(cam, (32, 32), [first]).tolist() == pytest.approx(np.array([[0.5, 0.75, 0.25]] * 2))

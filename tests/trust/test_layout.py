import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.evaluation.reliability import area_under_roc
from rgbx.trust.layout import CELL, SIDE, Layouts, even_out, layout_of

CANVAS = 256


def _device(design: int, absent: int | None = None) -> np.ndarray:
    """A housing of 100 × 200 with eight parts, whose places are the design's."""
    rng = np.random.default_rng(design)
    device = np.full((200, 100), 0.15, np.float32)
    device[3:-3, 3:-3] = 0.1
    for part in range(8):
        height, width = rng.integers(12, 50), rng.integers(12, 40)
        top, left, dark = rng.integers(5, 195 - height), rng.integers(5, 95 - width), rng.uniform(0.15, 0.6)
        if part != absent:
            device[top : top + height, left : left + width] += dark
    return device.clip(0, 1)


def _radiograph(device: np.ndarray, turn: float, scale: float = 0.95, mirrored: bool = False) -> np.ndarray:
    """The device somewhere on the belt, prepared."""
    rng = np.random.default_rng(int(turn * 10))
    image = device[:, ::-1] if mirrored else device
    middle = (image.shape[1] / 2, image.shape[0] / 2)
    place = cv2.getRotationMatrix2D(middle, turn, scale)
    place[:, 2] += CANVAS / 2 - np.array(middle) + rng.uniform(-5, 5, 2)
    canvas = cv2.warpAffine(image, place, (CANVAS, CANVAS), flags=cv2.INTER_AREA)
    return (65535 * (canvas + rng.normal(0, 0.003, canvas.shape)).clip(0, 1)).astype(np.uint16)


def _layouts(devices) -> np.ndarray:
    return np.stack([layout_of(each).ravel() for each in devices])


@pytest.fixture(scope="module")
def known() -> Layouts:
    """Three designs, ten radiographs each."""
    turns = np.random.default_rng(0).uniform(0, 360, 30)
    images = [_radiograph(_device(n % 3), turn, mirrored=n % 2 == 0) for n, turn in enumerate(turns)]
    return Layouts.fit(_layouts(images), np.arange(30) % 3)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 360), st.floats(0.7, 1.1), st.booleans(), st.integers(0, 2))
def test_a_known_device_is_near_its_class_however_it_lies(known, turn, scale, mirrored, design):
    (distances,) = known(_layouts([_radiograph(_device(design), turn, scale, mirrored)]))
    assert distances.argmin() == design
    assert distances[design] < 0.5 * np.delete(distances, design).min()


def test_another_design_is_far_from_all_and_an_absent_part_is_not(known):
    turns = np.random.default_rng(1).uniform(0, 360, 20)
    whole = known(_layouts([_radiograph(_device(n % 3), turn) for n, turn in enumerate(turns)])).min(1)
    other = known(_layouts([_radiograph(_device(10 + n), turn) for n, turn in enumerate(turns)])).min(1)
    absent = [_radiograph(_device(n % 3, absent=n % 8), turn) for n, turn in enumerate(turns)]
    assert other.min() > whole.max()
    lacking = known(_layouts(absent)).min(1)
    strange = np.arange(40) >= 20
    assert area_under_roc(np.concatenate([lacking, other]), strange, np.ones((1, 40)))[0] > 0.9


def test_cells_of_several_known_devices_may_account_for_one():
    """One known device lacks a part, another a second one: a device that lacks both is nearly known."""
    both = [_radiograph(_device(0, absent=part), 20) for part in (2, 5)]
    whole = [_radiograph(_device(0), turn) for turn in (10, 50)]
    neither = _device(0, absent=2) + _device(0, absent=5) - _device(0)
    new = _layouts([_radiograph(neither.clip(0, 1), 70)])
    labels = np.zeros(4, int)
    assert Layouts.fit(_layouts(both + whole), labels)(new) < 0.7 * Layouts.fit(_layouts(whole + whole), labels)(new)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("turn", [0, 33, 160, 275])
def test_it_shows_where_a_device_differs_from_the_known(known, turn, mirrored):
    added = _device(1)
    added[150:185, 10:40] = 0.9
    image = _radiograph(added, turn, mirrored=mirrored)
    nearest, places = known.anomaly_map(image)
    assert nearest == 1
    assert places.shape == image.shape
    part = _radiograph(np.where(added == _device(1), 0, 1).astype(np.float32), turn, mirrored=mirrored) > 30000
    outside = cv2.dilate(part.astype(np.uint8), np.ones((25, 25), np.uint8)) == 0
    assert places[part].mean() > 5 * places[outside].mean()
    assert places[part].mean() > 0.4


def test_what_is_kept_is_all_there_is(known):
    new = _layouts([_radiograph(_device(1), 33)])
    again = Layouts.of(known.tensors())
    np.testing.assert_allclose(again(new), known(new), atol=2e-3)  # kept in 16 bits
    assert known.known.shape == ((SIDE // CELL) ** 2, CELL**2, 30)


@pytest.mark.parametrize("level", [0, 65535])
def test_a_blank_image_has_a_layout_too(level):
    layout = layout_of(np.full((64, 64), level, np.uint16))
    assert layout.shape == (SIDE, SIDE)
    assert np.isfinite(layout).all()


@pytest.mark.filterwarnings("error")
def test_an_even_place_beside_a_lively_one_is_a_number() -> None:
    """Seen in a saturated radiograph of luggage: of a layout that is no number any device is like any other."""
    rng = np.random.default_rng(2123)
    root = np.full((SIDE, SIDE), rng.uniform(0.01, 1), np.float32)
    root[: int(rng.integers(1, 30))] = 0
    lively = root == 0
    root[lively] = rng.random((lively.any(1).sum(), SIDE)).astype(np.float32).ravel()
    assert np.isfinite(even_out(root)).all()

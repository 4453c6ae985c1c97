"""Scenes that a localiser learns beside one device alone."""

import cv2
import numpy as np
import pytest

from rgbx.training.scenes import Scenes, empty_place, staged

SIDE = 96
BELT, DEVICE = 40, 200
NONE = Scenes(empty=0, two_devices=0, hand=0)


def one_device(turn: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(cv2.boxPoints(((48, 48), (24, 60), turn))).astype(np.int32)], 255)
    photograph = np.full((SIDE, SIDE, 3), BELT, np.uint8)
    photograph[mask > 0] = DEVICE
    return photograph, mask


def batch(count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    photographs, masks = zip(*(one_device(20.0 * place) for place in range(count)), strict=True)
    return np.stack(photographs), np.stack(masks)


def belt() -> np.ndarray:
    return np.full((2, SIDE, SIDE, 3), BELT, np.uint8)


def test_an_empty_place_is_beside_the_device():
    photograph, mask = np.zeros((100, 200, 3), np.uint8), np.zeros((100, 200), np.uint8)
    mask[:, 110:] = 255
    photograph[mask > 0] = DEVICE
    place = empty_place(photograph, mask)
    assert not place.any()
    assert min(place.shape[:2]) > 90
    assert place.shape[0] == place.shape[1]


@pytest.mark.parametrize("free", (0, 6))
def test_a_device_that_fills_the_photograph_leaves_no_place(free):
    mask = np.full((100, 100), 255, np.uint8)
    mask[:free] = 0
    assert empty_place(np.zeros((100, 100, 3), np.uint8), mask) is None


def test_without_scenes_all_stays_as_it_is():
    photographs, masks = batch()
    shown, wanted = staged(photographs, masks, belt(), NONE, np.random.default_rng(0))
    assert (shown == photographs).all() and (wanted == masks).all()


@pytest.mark.parametrize("empty", (belt(), belt()[:0]), ids=("beside devices", "none known"))
def test_of_an_empty_place_nothing_is_wanted(empty):
    shown, wanted = staged(*batch(), empty, NONE.updated({"empty": 1.0}), np.random.default_rng(0))
    assert not wanted.any()
    assert (shown == BELT).all()


def test_of_two_devices_both_are_wanted_and_nothing_else():
    shown, wanted = staged(*batch(), belt(), NONE.updated({"two_devices": 1.0}), np.random.default_rng(0))
    for photograph, mask in zip(shown, wanted, strict=True):
        assert (photograph[mask == 255] == DEVICE).all()
        assert (photograph[mask == 0] == BELT).all()
        left, right = (np.count_nonzero(half) for half in np.array_split(mask, 2, axis=1))
        assert min(left, right) > 100


def test_of_a_device_that_is_held_all_is_wanted():
    photographs, masks = batch()
    shown, wanted = staged(photographs, masks, belt(), NONE.updated({"hand": 1.0}), np.random.default_rng(0))
    assert (wanted == masks).all()
    for before, after, mask in zip(photographs, shown, masks, strict=True):
        covered = (before != after).any(-1)
        assert covered[mask > 0].any()
        assert covered[[0, -1]].any() or covered[:, [0, -1]].any()  # fingers come in from outside
    assert (photographs == batch()[0]).all()

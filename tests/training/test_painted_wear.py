"""Wear is painted on photographs the same way for the same draw, and leaves alone what it is told to."""

import numpy as np
import pytest

from rgbx.training.wear import PaintedWear, wear

NONE = PaintedWear(scratches=0, cracks=0, label=0, dirt=0, glare=0, coarse=0)
PHOTOGRAPHS = np.random.default_rng(0).integers(40, 200, (3, 48, 24, 3)).astype(np.uint8)


def painted(config: PaintedWear, seed: int = 0) -> np.ndarray:
    return wear(PHOTOGRAPHS, config, np.random.default_rng(seed))


def test_with_every_share_zero_nothing_changes():
    np.testing.assert_array_equal(painted(NONE), PHOTOGRAPHS)


@pytest.mark.parametrize("name", ["scratches", "cracks", "label", "dirt", "glare", "coarse"])
def test_each_kind_changes_part_of_every_photograph(name):
    before = PHOTOGRAPHS.copy()
    worn = painted(NONE.updated({name: 1.0}))
    assert worn.shape == PHOTOGRAPHS.shape
    assert worn.dtype == np.uint8
    changed = (worn != PHOTOGRAPHS).any(-1).mean((1, 2))
    assert (changed > 0).all()
    if name in {"scratches", "cracks", "label"}:
        assert (changed < 0.9).all()
    np.testing.assert_array_equal(PHOTOGRAPHS, before)


def test_the_same_draw_paints_the_same_and_another_does_not():
    np.testing.assert_array_equal(painted(PaintedWear()), painted(PaintedWear()))
    assert (painted(PaintedWear()) != painted(PaintedWear(), seed=1)).any()

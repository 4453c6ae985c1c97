import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx_render.radiography.detector import Scatter, blurred


def slab(size=120, transmission=0.3):
    image = np.ones((size, size), np.float32)
    image[size // 4 : -size // 4, size // 4 : -size // 4] = transmission
    return image


BEAM = np.full((120, 120), 0.8, np.float32)


@given(st.floats(0.01, 2), st.floats(0.03, 1), st.floats(0.05, 0.95))
@settings(max_examples=30)
def test_scatter_over_primary_is_the_ratio_asked_for(ratio, width, transmission):
    through = slab(transmission=transmission)
    scatter = Scatter(ratio=ratio, width=width).image(through, BEAM)
    shadow = through < 0.99
    assert scatter[shadow].mean() / (BEAM * through)[shadow].mean() == pytest.approx(ratio, rel=1e-3)
    assert scatter.min() >= 0
    assert scatter.dtype == np.float32


def test_scatter_is_smooth_and_highest_over_the_unit():
    scatter = Scatter(ratio=0.3, width=0.1).image(slab(), BEAM)
    assert np.unravel_index(scatter.argmax(), scatter.shape) == pytest.approx((60, 60), abs=2)
    assert np.abs(np.diff(scatter, axis=0)).max() < 0.1 * scatter.max()
    assert scatter[0, 0] < 0.2 * scatter[60, 60]


def test_scatter_spreads_by_its_width():
    """What one small spot scatters has the standard deviation asked for."""
    spot = np.ones((128, 128), np.float32)
    spot[62:66, 62:66] = 0.4
    scatter = Scatter(ratio=0.5, width=0.08).image(spot, np.ones_like(spot))
    profile, at = scatter.sum(axis=0), np.arange(128) + 0.5
    assert np.sqrt((profile * (at - 64) ** 2).sum() / profile.sum()) == pytest.approx(0.08 * 128, rel=0.05)


def test_scatter_fogs_a_dark_part_more_than_a_light_one():
    through = slab(transmission=0.5)
    through[50:70, 50:70] = 0.01
    image = 0.8 * through + Scatter(ratio=0.4, width=0.2).image(through, BEAM)
    gain = image / (0.8 * through)
    assert gain[60, 60] > 10 * gain[40, 40] > 10


def test_nothing_scatters_in_air():
    air = np.ones((50, 50), np.float32)
    assert not Scatter(ratio=0.5, width=0.2).image(air, air).any()
    opaque = slab(50, transmission=0.0)
    assert np.isfinite(Scatter(ratio=0.5, width=0.2).image(opaque, air)).all()


def test_blur_keeps_the_sum_and_has_the_width_asked_for():
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    image = blurred(point, 1.5)
    assert image.sum() == pytest.approx(1, rel=1e-4)
    variance = (image.sum(axis=0) * (np.arange(41) - 20) ** 2).sum()
    assert variance == pytest.approx(1.5**2, rel=0.05)
    assert blurred(point, 0.0) is point
    assert np.allclose(blurred(np.full((9, 9), 0.7, np.float32), 3.0), 0.7), "an even image stays even up to its edges"

import numpy as np
import pytest

from rgbx.devices.scanning import scan_unit
from rgbx.devices.sp10 import make_unit
from rgbx.radiography.filters import Acceptance, CornerCount
from rgbx.radiography.randomisation import (
    FIXED_BACKGROUND,
    FIXED_PROJECTOR,
    ScanStatistics,
    XrayRandomisation,
    draw,
    render,
)
from rgbx.radiography.scans import prepare_scan
from rgbx.radiography.transfer import read_seeds
from rgbx.samples import generator


@pytest.fixture(scope="module")
def phone():
    return prepare_scan(scan_unit(make_unit("SP7", 1), spacing_mm=0.4))


def radiograph(phone, name, strength):
    config = XrayRandomisation(projector=FIXED_PROJECTOR, background=FIXED_BACKGROUND).updated(
        {
            "transfer.use": name,
            "transfer.guard": (0, 1),
            "transfer.jitter": {"strength": (strength, strength), "intensity": (1, 1), "point_intensity": (1, 1)},
        }
    )
    return render(draw(generator(0), config, ["a"], ScanStatistics.of([phone.description])), phone)


@pytest.mark.parametrize("name", read_seeds())
@pytest.mark.parametrize(("strength", "kept"), [(1.0, True), (0.02, False), (100.0, False)])
def test_well_exposed_renders_are_kept_faint_and_burnt_out_ones_not(phone, name, strength, kept):
    rendered = radiograph(phone, name, strength)
    assert Acceptance().accepts(rendered.noise_free, rendered.transmission) == kept


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_blank_images_have_no_corners(level):
    assert CornerCount().count(np.full((160, 160), level, np.float32)) == 0


def test_a_smooth_shadow_has_hardly_any_corners():
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    assert CornerCount().count(np.exp(-(x**2) - y**2).astype(np.float32)) <= 4


@pytest.mark.parametrize("size", [120, 240, 700])
def test_the_squares_of_a_chessboard_are_counted_at_any_size(size):
    squares = np.indices((10, 10)).sum(axis=0) % 2
    pixels = (np.arange(size) * 10) // size
    board = squares[np.ix_(pixels, pixels)].astype(np.float32)
    assert CornerCount().count(board) == pytest.approx(81, abs=8)

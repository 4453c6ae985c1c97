import subprocess
import sys

import numpy as np
import pytest
import torch

from rgbx.errors import ConfigError, InputError
from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.kinds import DEVICE_KINDS, make_kind
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.filters import Acceptance, CornerCount, Structure, SuperPointCount, count_edges
from rgbx_render.radiography.randomisation import (
    FIXED_OPEN_BEAM,
    FIXED_PROJECTOR,
    ScanStatistics,
    XrayRandomisation,
    clearest_structure,
    draw_radiograph,
    render_radiograph,
)
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.superpoint import SuperPoint
from rgbx_render.radiography.transfer import read_presets

DETECTORS = ("superpoint", "corners")


@pytest.fixture(scope="module")
def phone():
    return prepare_scan(scan_unit(SP10.make_unit("SP7", 1), spacing_mm=0.4))


def radiograph(phone, name, strength):
    config = XrayRandomisation(projector=FIXED_PROJECTOR, background=FIXED_OPEN_BEAM).updated(
        {
            "transfer.use": name,
            "transfer.guard": (0, 1),
            "transfer.jitter": {"strength": (strength, strength), "intensity": (1, 1), "point_intensity": (1, 1)},
        }
    )
    return render_radiograph(
        draw_radiograph(generator(0), config, ["a"], ScanStatistics.of([phone.description])), phone
    )


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("name", read_presets())
@pytest.mark.parametrize(("strength", "kept"), [(1.0, True), (0.02, False), (100.0, False)])
def test_well_exposed_renders_are_kept_faint_and_burnt_out_ones_not(phone, detector, name, strength, kept):
    rendered = radiograph(phone, name, strength)
    assert Acceptance(detector=detector).accepts(rendered.noise_free, rendered.transmission) == kept


@pytest.mark.parametrize("detector", DETECTORS)
@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_blank_images_have_no_keypoints(detector, level):
    assert Acceptance(detector=detector).keypoint_filter.count(np.full((160, 160), level, np.float32)) == 0


@pytest.mark.parametrize("size", [160, 299])
@pytest.mark.parametrize("variance", [100, 1000])
def test_pure_noise_is_rejected_although_it_has_corners(size, variance):
    noise = 0.5 + np.sqrt(variance) / 255 * np.random.default_rng(0).standard_normal((size, size))
    image, transmission = np.clip(noise, 0, 1).astype(np.float32), np.ones((size, size), np.float32)
    assert not Acceptance().accepts(image, transmission)
    assert SuperPointCount().count(image) < 20
    assert CornerCount().count(image) > 100


@pytest.mark.parametrize("count", [SuperPointCount().count, CornerCount().count])
def test_a_smooth_shadow_has_hardly_any_keypoints(count):
    y, x = np.mgrid[-1:1:200j, -1:1:200j]
    assert count(np.exp(-(x**2) - y**2).astype(np.float32)) <= 4


@pytest.mark.parametrize("count", [SuperPointCount().count, CornerCount().count])
@pytest.mark.parametrize("size", [120, 240, 700])
def test_the_squares_of_a_chessboard_are_counted_at_any_size(count, size):
    squares = np.indices((10, 10)).sum(axis=0) % 2
    pixels = (np.arange(size) * 10) // size
    board = squares[np.ix_(pixels, pixels)].astype(np.float32)
    assert count(board) == pytest.approx(81, abs=8)


def test_contrast_is_not_normalised():
    board = np.kron(np.indices((10, 10)).sum(axis=0) % 2, np.ones((24, 24))).astype(np.float32)
    assert SuperPointCount().count(0.5 + 0.01 * board) == 0


def test_a_lower_threshold_finds_more(phone):
    image = radiograph(phone, "soft", 1.0).noise_free
    counts = [SuperPointCount(threshold=threshold).count(image) for threshold in (0.5, 0.1, 0.02)]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_weights_of_the_users_own_are_used(tmp_path):
    image = np.zeros((160, 160), np.float32)
    network = SuperPoint((4, 4, 4, 4), 4)
    with torch.no_grad():
        network.convPb.weight.zero_()
        network.convPb.bias.fill_(-50)
        network.convPb.bias[27] = 0  # a keypoint in row 3, column 3 of every cell
    torch.save(network.state_dict(), tmp_path / "own.pth")
    own = Acceptance().updated({"superpoint.weights": str(tmp_path / "own.pth")})
    own.check()
    assert own.keypoint_filter.count(image) == 29**2  # of 30², those of the first row and column are too near the edge
    assert Acceptance().keypoint_filter.count(image) == 0


def test_faults_in_weights_and_settings_show_at_once(tmp_path):
    with pytest.raises(InputError, match=r"gone\.pth does not exist"):
        Acceptance(superpoint=SuperPointCount(weights=tmp_path / "gone.pth")).check()
    Acceptance(superpoint=SuperPointCount(weights=tmp_path / "gone.pth"), detector="corners").check()
    for change in ({"detector": "sift"}, {"superpoint.threshold": 0}, {"superpoint.size": 250}):
        with pytest.raises(ConfigError, match=next(iter(change))):
            Acceptance().updated(change)


def test_torch_is_imported_only_where_it_is_used():
    script = (
        "import sys, numpy as np, rgbx_render.radiography.radiographs\n"
        "from rgbx_render.radiography.filters import Acceptance\n"
        "Acceptance().check(); Acceptance(detector='corners').keypoint_filter.count(np.zeros((9, 9), np.float32))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.fixture(scope="module", params=["coin cell", "key fob"])
def device(request):
    """What has few corners, or none."""
    return prepare_scan(scan_unit(make_kind(request.param), 3 * DEVICE_KINDS[request.param][1]))


@pytest.mark.parametrize("name", read_presets())
@pytest.mark.parametrize(("strength", "kept"), [(1.0, True), (0.01, False), (300.0, False)])
def test_of_what_has_few_corners_the_share_counts_that_it_can_show(device, name, strength, kept):
    clearest = clearest_structure(XrayRandomisation(), "a", ScanStatistics.of([device.description]), device)
    assert clearest.keypoints < 100 < clearest.edges
    rendered = radiograph(device, name, strength)
    assert Acceptance().accepts(rendered.noise_free, rendered.transmission, lambda: clearest) == kept
    assert not Acceptance().accepts(rendered.noise_free, rendered.transmission)


@pytest.mark.parametrize("variance", [100, 1000, 5000])
def test_noise_and_blank_images_are_rejected_whatever_the_unit_shows(variance):
    noise = 0.5 + np.sqrt(variance) / 255 * np.random.default_rng(0).standard_normal((240, 240))
    for image in (np.clip(noise, 0, 1), np.full((240, 240), 0.5), np.ones((240, 240))):
        render = image.astype(np.float32)
        assert not Acceptance().accepts(render, render, lambda: Structure(0, 9000))


def test_a_unit_with_many_corners_is_held_to_the_papers_rule():
    squares = np.kron(np.indices((9, 9)).sum(axis=0) % 2, np.ones((20, 20))).astype(np.float32)  # 64 corners
    render = 0.3 + 0.6 * squares
    accept = Acceptance(detector="corners")
    assert accept.accepts(render, render, lambda: Structure(150, 1000))
    assert not accept.accepts(render, render, lambda: Structure(250, 1000))


def test_edges_are_counted_at_any_size_and_not_in_noise():
    y, x = np.mgrid[-1:1:300j, -1:1:300j]
    disc = (0.9 - 0.5 * (np.hypot(x, y) < 0.5)).astype(np.float32)
    counts = [count_edges(disc[::step, ::step]) for step in (1, 2)]
    assert counts[0] == pytest.approx(counts[1], rel=0.15)
    assert counts[0] > 2 * np.pi * 60
    noise = 0.05 * np.random.default_rng(0).standard_normal(disc.shape).astype(np.float32)
    assert count_edges(disc + noise) == pytest.approx(counts[0], rel=0.1)
    assert count_edges(0.5 + noise) < 0.15 * counts[0]
    assert count_edges(disc * 0.01) == 0

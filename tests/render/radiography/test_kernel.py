import numpy as np
import pytest
from exact_projection import exact_transmission
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from rgbx.errors import RgbxError
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.kernel import path_integrals, transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import ScanLevels, prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER, TransferFunction, draw_transfer, read_presets

LINEAR = TransferFunction(name="linear", points=((0.0, 0.0), (2000.0, 0.2)))
"""0.1 per mm at an intensity of 1000."""

FLAT_AND_EDGE_ON = [(0, 0, 0), (0, 180, 45), (90, 0, 0), (0, 90, 30), (88, 3, 10), (20, -15, 200)]


@pytest.fixture(scope="module")
def phone():
    return prepare_scan(scan_unit(SP10.make_unit("SP5", 1), spacing_mm=0.3))


def poses():
    rng = np.random.default_rng(5)
    any_way = [tuple(rng.uniform(-180, 180, 3)) for _ in range(20 - len(FLAT_AND_EDGE_ON))]
    return [
        Pose(rotation=rotation, translation=tuple(rng.uniform(-5, 5, 3))) for rotation in FLAT_AND_EDGE_ON + any_way
    ]


def error(got, expected):
    return float(np.sqrt(np.mean((got - expected) ** 2)))


@pytest.mark.slow
def test_transmission_is_exact_to_a_thousandth_in_twenty_poses(phone):
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(20, 20), pixel_size=9.5)
    seeds = list(read_presets().items())
    for number, pose in enumerate(poses()):
        name, seed = seeds[number % len(seeds)]
        transfer = draw_transfer(np.random.default_rng(0), name, seed, NO_JITTER, phone.description.levels)
        rays = projector.rays(pose)
        expected = exact_transmission(phone, transfer, rays)
        assert expected.min() < 0.9, "the unit is in the picture"
        assert error(transmission(phone, transfer, rays), expected) <= 1e-3, (name, pose)


@pytest.mark.slow
def test_one_step_a_slice_is_enough_where_rays_are_averaged(phone):
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(12, 12), pixel_size=10.5)
    for name, seed in read_presets().items():
        transfer = draw_transfer(np.random.default_rng(0), name, seed, NO_JITTER, phone.description.levels)
        rays = projector.rays(Pose(rotation=(15, -20, 70)))
        expected = exact_transmission(phone, transfer, rays, subsamples=2)
        assert error(transmission(phone, transfer, rays, subsamples=2, steps=1), expected) <= 1e-3, name


def test_the_bulge_between_slices_is_heeded():
    """Through a bent transfer function a field that curves between slices gives more, or less, than its ends tell."""
    field = 6000 * gaussian_filter(np.random.default_rng(0).normal(size=(24, 40, 40)), 1.2) + 3000
    scan = prepare_scan(Volume(field.clip(0, 60000).astype(np.uint16), (1.0, 1.0, 1.0)))
    bent = TransferFunction(name="bent", points=((2000, 0), (3000, 0.002), (3500, 0.05), (8000, 0.06)))
    projector = Projector(source_to_centre=200, source_to_detector=300, pixels=(24, 24), pixel_size=1.5)
    rays = projector.rays(Pose(rotation=(14, 9, 33)))
    assert error(transmission(scan, bent, rays, steps=1), exact_transmission(scan, bent, rays)) < 1e-3


def test_a_steep_transfer_function_is_integrated_not_sampled():
    """A ramp crossing a transfer function that acts in a narrow window only: sampling would miss or double it."""
    ramp = np.broadcast_to(np.linspace(0, 20000, 11)[:, None, None], (11, 9, 9)).astype(np.uint16)
    scan = prepare_scan(Volume(ramp, (1.0, 1.0, 1.0)))
    window = TransferFunction(name="window", points=((8900, 0), (9000, 0.5), (9100, 0)))
    projector = Projector(source_to_centre=1e5, source_to_detector=1.1e5, pixels=(1, 1), pixel_size=0.01)
    # Twice: up the ramp, 100 units of 2000 a mm wide at half height, and at the end down to the air of the margin.
    up, down = 0.5 * 100 / 2000, 0.5 * 100 / 20000
    assert path_integrals(scan, window, projector.rays(Pose()))[0, 0] == pytest.approx(up + down, rel=0.02)


@pytest.mark.parametrize("tilt", [0.0, 30.0, 60.0])
def test_a_slab_attenuates_by_thickness_over_cosine(tilt):
    slab = np.zeros((20, 200, 200), np.uint16)
    slab[5:15] = 1000
    scan = prepare_scan(Volume(slab, (0.5, 0.5, 0.4)))
    projector = Projector(source_to_centre=1e5, source_to_detector=1.1e5, pixels=(1, 1), pixel_size=0.1)
    rays = projector.rays(Pose(rotation=(tilt, 0, 0)))
    expected = 10 * 0.4 * 0.1 / np.cos(np.radians(tilt))
    assert path_integrals(scan, LINEAR, rays)[0, 0] == pytest.approx(expected, rel=2e-3)
    assert transmission(scan, LINEAR, rays)[0, 0] == pytest.approx(np.exp(-expected), rel=2e-3)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.957, 0.957, 1.5)])
@pytest.mark.parametrize("rotation", [(0, 0, 0), (90, 0, 0), (0, 90, 0), (37, -50, 110)])
def test_a_sphere_attenuates_by_its_chords(spacing, rotation):
    radius = 20 * spacing[0]
    half = np.array([int(radius / step) + 4 for step in spacing])
    x, y, z = (np.arange(-n, n + 1) * step for n, step in zip(half, spacing, strict=True))
    distance = np.sqrt(x**2 + y[:, None] ** 2 + z[:, None, None] ** 2)
    soft_edge = np.clip((radius - distance) / min(spacing) + 0.5, 0, 1)
    scan = prepare_scan(Volume((1000 * soft_edge).astype(np.int16), spacing))
    projector = Projector(source_to_centre=1e6, source_to_detector=1e6 + 100, pixels=(41, 41), pixel_size=radius / 20)
    centres = projector.rays(Pose()).pixel_centres()
    squared = centres[..., 0] ** 2 + centres[..., 1] ** 2
    inside = squared < (0.9 * radius) ** 2
    expected = 0.1 * 2 * np.sqrt(radius**2 - squared[inside])
    got = path_integrals(scan, LINEAR, projector.rays(Pose(rotation=rotation)))
    assert error(got[inside], expected) < 0.01 * expected.max()
    assert not got[squared > (1.15 * radius) ** 2].any()


def test_rays_that_miss_or_end_before_the_unit_meet_nothing():
    block = np.zeros((12, 12, 12), np.uint8)
    block[3:9, 3:9, 3:9] = 200
    scan = prepare_scan(Volume(block, (1.0, 1.0, 1.0)))
    projector = Projector(source_to_centre=100, source_to_detector=110, pixels=(8, 8), pixel_size=1.0)
    aside, above_source = Pose(translation=(50, 0, 0)), Pose(translation=(0, 0, 120))
    below_detector = Pose(translation=(0, 0, -50))
    for pose in (aside, above_source, below_detector):
        assert not path_integrals(scan, LINEAR, projector.rays(pose)).any()
    assert path_integrals(scan, LINEAR, projector.rays(Pose())).all()


def test_pixels_average_transmission_not_attenuation():
    """A pixel half covered by something opaque shows half the light."""
    block = np.zeros((8, 40, 40), np.uint16)
    block[2:6, 5:35, 5:35] = 60000
    scan = prepare_scan(Volume(block, (1.0, 1.0, 1.0)))
    opaque = TransferFunction(name="opaque", points=((29000, 0.0), (31000, 50.0)))
    projector = Projector(
        source_to_centre=1e6, source_to_detector=1e6 + 100, pixels=(2, 1), pixel_size=60.0, principal_point=(30.0, 0.0)
    )
    got = transmission(scan, opaque, projector.rays(Pose()), subsamples=60)
    assert got[0, 0] == pytest.approx(1.0)
    covered = 30 * 30 / 60**2
    assert got[0, 1] == pytest.approx(1 - covered, abs=0.01)


def test_a_scan_in_other_units_gives_the_same_image():
    """Transfer functions are anchored to the scan's own levels; Hounsfield-like int16 serves as well as uint16."""
    scan = scan_unit(SP10.make_unit("SP1", 1), spacing_mm=0.8)
    hounsfield = Volume((scan.values.astype(np.float32) * 0.3 - 1000).round().astype(np.int16), scan.spacing)
    rays = Projector(source_to_centre=300, source_to_detector=450, pixels=(32, 32), pixel_size=8.0).rays(Pose())
    images = []
    for volume in (scan, hounsfield):
        prepared = prepare_scan(volume)
        levels: ScanLevels = prepared.description.levels
        transfer = draw_transfer(np.random.default_rng(0), "hard", read_presets()["hard"], NO_JITTER, levels)
        images.append(transmission(prepared, transfer, rays))
    assert error(*images) < 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (37, 41)])
def test_images_of_any_size_are_the_same_for_any_number_of_threads(phone, shape):
    rows, columns = shape
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(columns, rows), pixel_size=4.0)
    rays = projector.rays(Pose(rotation=(12, 5, 40)))
    transfer = draw_transfer(
        np.random.default_rng(0), "soft", read_presets()["soft"], NO_JITTER, phone.description.levels
    )
    alone = path_integrals(phone, transfer, rays)
    assert alone.shape == shape
    assert alone.any()
    assert np.array_equal(path_integrals(phone, transfer, rays, threads=3), alone)


@settings(max_examples=30, deadline=None)
@given(
    rotation=st.tuples(*[st.floats(-180, 180)] * 3),
    source=st.floats(25, 60),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    seed=st.integers(0, 100),
)
def test_wide_cones_are_exact_where_rays_of_a_packet_run_along_different_axes(rotation, source, dtype, seed):
    blobs = gaussian_filter(np.random.default_rng(seed).random((14, 22, 18)), 2)
    values = np.pad((blobs - blobs.min()) / np.ptp(blobs), 4)
    scan = prepare_scan(Volume((200 * values).astype(dtype), (1.0, 0.8, 1.3)))
    transfer = TransferFunction(name="smooth", points=((10.0, 0.0), (120.0, 0.02), (220.0, 0.08)))
    projector = Projector(source_to_centre=source, source_to_detector=source + 20, pixels=(9, 9), pixel_size=9.0)
    rays = projector.rays(Pose(rotation=rotation))
    assert error(transmission(scan, transfer, rays, steps=4), exact_transmission(scan, transfer, rays)) < 2e-3


def test_a_scan_of_more_than_two_gibibytes_is_refused(monkeypatch):
    monkeypatch.setattr("rgbx_render.radiography.scans.LARGEST_BYTES", 1000)
    with pytest.raises(RgbxError, match="resample it to larger voxels"):
        prepare_scan(Volume(np.pad(np.full((12, 12, 12), 9, np.uint8), 3), (1.0, 1.0, 1.0)))

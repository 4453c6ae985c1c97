import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from rgbx.errors import ConfigError
from rgbx.geometry import rotation_matrix
from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.kernel import path_integrals, transmission
from rgbx_render.radiography.projector import Pose, Projector, Rays
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import TransferFunction

angles = st.floats(-180, 180)
lengths = st.floats(-40, 40)
projectors = st.builds(
    lambda distance, magnification, pixels, pixel_size, point: Projector(
        source_to_centre=distance,
        source_to_detector=distance * magnification,
        pixels=pixels,
        pixel_size=pixel_size,
        principal_point=point,
    ),
    st.floats(200, 1000),
    st.floats(1.0, 3.0),
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.floats(0.05, 3.0),
    st.tuples(lengths, lengths),
)
poses = st.builds(
    lambda rotation, translation: Pose(rotation=rotation, translation=translation),
    st.tuples(angles, angles, angles),
    st.tuples(lengths, lengths, lengths),
)


@given(projectors, poses, st.tuples(lengths, lengths, lengths))
def test_the_ray_of_the_pixel_that_a_point_appears_at_goes_through_the_point(projector, pose, point):
    x, y, z = rotation_matrix(pose.rotation) @ np.array(point) + pose.translation
    magnification = projector.source_to_detector / (projector.source_to_centre - z)
    columns, rows = projector.pixels
    column = (magnification * x + projector.principal_point[0]) / projector.pixel_size + columns / 2
    row = -(magnification * y + projector.principal_point[1]) / projector.pixel_size + rows / 2

    rays = projector.rays(pose)
    pixel = rays.corner + column * rays.across + row * rays.down
    along = (pixel - rays.source) / np.linalg.norm(pixel - rays.source)
    distance = np.linalg.norm(np.cross(np.array(point) - rays.source, along))
    assert distance < 1e-6


@given(projectors, poses)
def test_moving_the_unit_keeps_source_and_detector_rigid(projector, pose):
    """Whatever the pose, source and pixels keep their distances."""
    still, moved = projector.rays(Pose()), projector.rays(pose)
    assert np.allclose(
        np.linalg.norm(still.pixel_centres()[0, 0] - still.source),
        np.linalg.norm(moved.pixel_centres()[0, 0] - moved.source),
    )
    for step in ("across", "down"):
        assert np.linalg.norm(getattr(moved, step)) == pytest.approx(projector.pixel_size)
    assert np.dot(moved.across, moved.down) == pytest.approx(0, abs=1e-9)


def test_pixel_centres_lie_half_a_pixel_inside():
    projector = Projector(source_to_centre=100, source_to_detector=200, pixels=(4, 2), pixel_size=0.5)
    centres = projector.rays(Pose()).pixel_centres()
    assert centres.shape == (2, 4, 3)
    assert centres[0, 0].tolist() == [-0.75, 0.25, -100.0]
    assert centres[1, 3].tolist() == [0.75, -0.25, -100.0]


def test_a_detector_before_the_unit_is_refused():
    with pytest.raises(ConfigError, match="detector must be behind"):
        Projector(source_to_centre=100, source_to_detector=90, pixels=(4, 4), pixel_size=1)


@pytest.mark.parametrize(
    ("rotation", "row", "column"),
    [
        ((0, 0, 0), 0, 2),  # front up: the block at +x, +y is at the top right
        ((0, 180, 0), 0, 0),  # turned over about y: left and right change places
        ((0, 0, 90), 0, 0),  # turned anticlockwise
        ((180, 0, 0), 2, 2),  # turned over about x: top and bottom change places
    ],
)
def test_images_show_what_the_source_sees(rotation, row, column):
    values = np.full((6, 31, 31), 1000, np.uint16)
    values[2:4, 24:30, 24:30] = 60000
    scan = prepare_scan(Volume(np.pad(values, 2), (1.0, 1.0, 1.0)))
    projector = Projector(source_to_centre=1000, source_to_detector=1001, pixels=(3, 3), pixel_size=11)
    dense = TransferFunction(name="dense", points=((1000, 0), (60000, 1)))
    image = transmission(scan, dense, projector.rays(Pose(rotation=rotation)), subsamples=8)
    assert np.unravel_index(image.argmin(), image.shape) == (row, column)


def test_rays_are_no_more_than_two_voxels_apart():
    projector = Projector(source_to_centre=400, source_to_detector=800, pixels=(299, 299), pixel_size=1.2)
    for voxel_mm, rays in ((0.1, 3), (0.15, 2), (0.05, 6), (1.0, 2)):
        assert projector.subsamples_for(voxel_mm) == rays


@given(projectors, lengths, lengths)
def test_what_lies_in_the_central_plane_is_magnified_by_the_ratio_of_distances(projector, x, y):
    """Two rays that meet the central plane so far apart meet the detector ``magnification`` times as far apart."""
    rays = projector.rays(Pose())
    columns = (projector.magnification * x + projector.principal_point[0]) / projector.pixel_size
    rows = (projector.magnification * y + projector.principal_point[1]) / projector.pixel_size
    pixel = rays.corner + (projector.pixels[0] / 2 + columns) * rays.across
    pixel = pixel + (projector.pixels[1] / 2 - rows) * rays.down
    share = projector.source_to_centre / projector.source_to_detector
    assert rays.source + share * (pixel - rays.source) == pytest.approx([x, y, 0], abs=1e-6)


@given(projectors, poses, st.integers(-40, 40), st.integers(-40, 40))
def test_shifting_the_principal_point_by_whole_pixels_shifts_the_rays_by_as_many(projector, pose, right, up):
    x, y = projector.principal_point
    moved = projector.updated(
        {"principal_point": (x + right * projector.pixel_size, y + up * projector.pixel_size)}
    ).rays(pose)
    still = projector.rays(pose)
    assert moved.source == pytest.approx(still.source, abs=1e-9)
    assert moved.corner + right * moved.across - up * moved.down == pytest.approx(still.corner, abs=1e-6)


BLOCK = np.array((24.0, 30.0, 12.0))
"""Size of the box, mm, along x, y, z."""
SPACING = (0.5, 0.6, 0.4)


def block_scan():
    shape = np.rint(BLOCK / SPACING).astype(int)[::-1]
    return prepare_scan(Volume(np.pad(np.full(shape, 100, np.uint16), 6), SPACING))


BLOCK_SCAN = block_scan()
SOLID = TransferFunction(name="solid", points=((0, 0), (100, 1)))


@given(st.integers(-20, 20), st.integers(-20, 20), poses)
@example(-18, 4, Pose(rotation=(142.5, -36.5, -139.0), translation=(14.0, 0.0, 0.0)))
@settings(max_examples=20, deadline=None)
def test_shifting_the_principal_point_moves_the_image_by_exactly_so_many_pixels(right, up, pose):
    """Samples are dense here: how many a ray gets depends on its packet of 4 × 4 rays, and a shift changes packets."""
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(60, 50), pixel_size=1.5)
    still = path_integrals(BLOCK_SCAN, SOLID, projector.rays(pose), steps=8)
    shifted = projector.updated({"principal_point": (1.5 * right, 1.5 * up)})
    moved = path_integrals(BLOCK_SCAN, SOLID, shifted.rays(pose), steps=8)
    overlap = np.roll(still, (-up, right), axis=(0, 1))
    rows, columns = slice(max(0, -up), 50 - max(0, up)), slice(max(0, right), 60 + min(0, right))
    np.testing.assert_allclose(moved[rows, columns], overlap[rows, columns], rtol=1e-3, atol=1e-3)


@given(poses, st.sampled_from(["x", "y", "z"]), st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_turning_the_unit_and_its_pose_together_leaves_the_image_as_it_is(pose, axis, quarters):
    rng = np.random.default_rng(0)
    values = np.pad(rng.integers(0, 100, (7, 9, 8)).repeat(4, 0).repeat(4, 1).repeat(4, 2).astype(np.uint16), 6)
    plane = {"x": (1, 0), "y": (0, 2), "z": (2, 1)}[axis]  # array axes (z, y, x): from the second axis to the third
    turned = np.ascontiguousarray(np.rot90(values, quarters, plane))
    by = Rotation.from_euler(axis, 90 * quarters, degrees=True)
    rotation = (Rotation.from_matrix(rotation_matrix(pose.rotation)) * by.inv()).as_euler("xyz", degrees=True)
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(40, 40), pixel_size=2)
    first = path_integrals(prepare_scan(Volume(values, (1.0, 1.0, 1.0))), SOLID, projector.rays(pose), steps=8)
    pose_again = Pose(rotation=tuple(rotation.tolist()), translation=pose.translation)
    second = path_integrals(prepare_scan(Volume(turned, (1.0, 1.0, 1.0))), SOLID, projector.rays(pose_again), steps=8)
    assert np.sqrt(np.mean((first - second) ** 2)) < 2e-3 * max(1.0, first.max())


@given(poses, st.floats(-1, 1), st.floats(-1, 1))
@settings(max_examples=200, deadline=None)
def test_the_path_through_a_box_is_the_chord(pose, across, down):
    """For rays that keep off its edges, where interpolation rounds it."""
    projector = Projector(source_to_centre=300, source_to_detector=450, pixels=(1, 1), pixel_size=1)
    rays = projector.rays(pose.updated({"translation": (0.0, 0.0, 0.0)}))
    start = np.array([across, down, -across]) * 4  # a point within the box that the ray goes through
    end = rays.source + 2 * (start - rays.source)
    one = Rays(rays.source, end - 0.5 * rays.across - 0.5 * rays.down, rays.across, rays.down, (1, 1))
    direction = end - rays.source
    with np.errstate(divide="ignore", over="ignore"):
        faces = np.sort(np.stack([-BLOCK / 2 - rays.source, BLOCK / 2 - rays.source]) / direction, axis=0)
    enter, leave = faces[0].max(), faces[1].min()
    for at, axis in ((enter, faces[0].argmax()), (leave, faces[1].argmin())):
        place = np.abs(rays.source + at * direction)
        others = [other for other in range(3) if other != axis]
        assume(all(place[other] < BLOCK[other] / 2 - 1.5 for other in others))
    chord = (leave - enter) * np.linalg.norm(direction)
    assert path_integrals(BLOCK_SCAN, SOLID, one, steps=4)[0, 0] == pytest.approx(chord, rel=2e-3)

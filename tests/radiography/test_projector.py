import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from rgbx.devices.parts import rotation_matrix
from rgbx.devices.volume import Volume
from rgbx.radiography.kernel import transmission
from rgbx.radiography.projector import Pose, Projector
from rgbx.radiography.scans import prepare_scan
from rgbx.radiography.transfer import TransferFunction

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
    with pytest.raises(ValidationError, match="detector must be behind"):
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

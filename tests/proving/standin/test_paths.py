"""Path lengths against analytic solids and against points sampled along the ray."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx_proving.standin.paths import BeamGeometry, Solids, path_lengths
from rgbx_proving.units.parts import Ellipsoid, Part, Prism

SIZE = 24


def projector(source=(0.0, 0.0, 300.0), width_mm=40.0, detector_z=-200.0, size=SIZE) -> BeamGeometry:
    step = width_mm / size
    return BeamGeometry(
        source=np.array(source),
        origin=np.array([-step * (size - 1) / 2, step * (size - 1) / 2, detector_z]),
        column_step=np.array([step, 0.0, 0.0]),
        row_step=np.array([0.0, -step, 0.0]),
        shape=(size, size),
    )


def directions(aim: BeamGeometry) -> np.ndarray:
    rows, columns = np.mgrid[: aim.shape[0], : aim.shape[1]]
    ends = aim.origin + columns[..., None] * aim.column_step + rows[..., None] * aim.row_step
    rays = ends - aim.source
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def part(shape, position=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0), material="copper") -> Part:
    return Part(name="part", shape=shape, position=position, rotation=rotation, material=material)


def lengths(parts, materials=("copper",), aim=None) -> np.ndarray:
    return path_lengths(Solids.of(parts), materials, aim or projector())


def test_ray_through_a_slab_is_longer_by_its_slope():
    aim = projector()
    expected = 3.0 / np.abs(directions(aim)[..., 2])
    np.testing.assert_allclose(lengths([part(Prism(size=(500, 500, 3)))], aim=aim)[..., 0], expected, rtol=1e-6)


@pytest.mark.parametrize("radius", [2.0, 5.0])
def test_chord_of_a_sphere(radius):
    aim, centre = projector(), np.array([1.0, -2.0, 4.0])
    distance = np.linalg.norm(np.cross(directions(aim), centre - aim.source), axis=-1)
    expected = 2 * np.sqrt(np.maximum(radius**2 - distance**2, 0))
    ball = part(Ellipsoid(size=(2 * radius,) * 3), tuple(centre))
    np.testing.assert_allclose(lengths([ball], aim=aim)[..., 0], expected, atol=1e-5)


def test_cylinder_on_its_side():
    aim = projector()
    rod = part(Prism(size=(6, 6, 1000), radius=3), rotation=(90, 0, 0))  # its axis along y
    ray = directions(aim)
    across = np.hypot(ray[..., 0], ray[..., 2])
    distance = np.abs(ray[..., 0] * aim.source[2]) / across
    expected = 2 * np.sqrt(np.maximum(9 - distance**2, 0)) / across
    np.testing.assert_allclose(lengths([rod], aim=aim)[..., 0], expected, atol=1e-5)


def test_rays_along_the_axis_see_the_rounded_outline():
    far = projector(source=(0.0, 0.0, 1e7))
    seen = lengths([part(Prism(size=(20, 12, 2), radius=4))], aim=far)[..., 0]
    pixel = (40.0 / SIZE) ** 2
    fine = projector(source=(0.0, 0.0, 1e7), size=400)
    area = (lengths([part(Prism(size=(20, 12, 2), radius=4))], aim=fine)[..., 0] > 0).sum() * (40.0 / 400) ** 2
    assert set(np.round(np.unique(seen), 4)) == {0.0, 2.0}
    assert area == pytest.approx(20 * 12 - (4 - np.pi) * 16, rel=0.01)
    assert pixel * (seen > 0).sum() == pytest.approx(area, rel=0.1)


def test_exactly_vertical_ray_is_inside_or_outside_a_rounded_corner():
    aim = BeamGeometry(
        np.array([0.0, 0, 9]), np.array([0.0, 0, -9]), np.array([1.0, 0, 0]), np.array([0, -1.0, 0]), (1, 1)
    )
    inside = part(Prism(size=(4, 4, 2), radius=2), (1.3, 1.3, 0))
    outside = part(Prism(size=(4, 4, 2), radius=2), (1.5, 1.5, 0))
    assert lengths([inside], aim=aim)[0, 0, 0] == pytest.approx(2)
    assert lengths([outside], aim=aim)[0, 0, 0] == 0


def test_later_parts_displace_earlier_ones():
    frame = part(Prism(size=(500, 500, 10)), material="aluminium")
    hollow = part(Prism(size=(400, 400, 8)), material="air")
    chip = part(
        Prism(size=(300, 300, 6)), (0, 0, 3), material="silicon"
    )  # 4 mm in the hollow, 1 in the frame, 1 outside
    found = lengths([frame, hollow, chip], ("aluminium", "silicon"))[SIZE // 2, SIZE // 2]
    np.testing.assert_allclose(found, [1.0, 6.0], rtol=1e-4)
    swapped = lengths([chip, frame, hollow], ("aluminium", "silicon"))[SIZE // 2, SIZE // 2]
    np.testing.assert_allclose(swapped, [2.0, 1.0], rtol=1e-4)


def test_parts_that_touch_add_up_and_neither_counts_twice():
    halves = [part(Prism(size=(500, 500, 2)), (0, 0, z)) for z in (-1.0, 1.0)]
    whole = part(Prism(size=(500, 500, 4)))
    np.testing.assert_allclose(lengths(halves), lengths([whole]), rtol=1e-6)


def test_what_lies_behind_the_source_or_the_detector_is_not_seen():
    slab = Prism(size=(500, 500, 3))
    assert lengths([part(slab, (0, 0, 310)), part(slab, (0, 0, -210))]).max() == 0
    half_seen = lengths([part(slab, (0, 0, -200))])[SIZE // 2, SIZE // 2, 0]
    assert half_seen == pytest.approx(1.5, rel=1e-3)


def test_turning_and_shifting_solids_equals_moving_the_parts():
    from rgbx.geometry import rotation_matrix

    shape = Prism(size=(14, 6, 3), radius=2)
    moved = Solids.of([part(shape)]).moved(rotation_matrix((20, -35, 50)), np.array([2.0, -3.0, 5.0]))
    direct = lengths([part(shape, (2, -3, 5), (20, -35, 50))])
    np.testing.assert_allclose(path_lengths(moved, ("copper",), projector()), direct, atol=1e-6)


coordinate = st.floats(-8, 8)
angle = st.floats(-180, 180)
extent = st.floats(0.5, 12)


@st.composite
def any_part(draw):
    size = draw(st.tuples(extent, extent, extent))
    kind = draw(st.sampled_from(["box", "rounded", "ellipsoid"]))
    share = draw(st.floats(0, 1))
    shape = (
        Ellipsoid(size=size)
        if kind == "ellipsoid"
        else Prism(size=size, radius=share * min(size[:2]) / 2 if kind == "rounded" else 0)
    )
    position, rotation = draw(st.tuples(coordinate, coordinate, coordinate)), draw(st.tuples(angle, angle, angle))
    return part(shape, position, rotation, draw(st.sampled_from(["copper", "silicon", "air"])))


def inside(one: Part, points: np.ndarray) -> np.ndarray:
    """The definition of the shapes in rgbx_proving.units.parts, point by point."""
    local = np.abs((points - one.position) @ one.rotation_matrix())
    half = np.array(one.shape.size) / 2
    if isinstance(one.shape, Ellipsoid):
        return ((local / half) ** 2).sum(axis=-1) <= 1
    corner = np.maximum(local[..., :2] - half[:2] + one.shape.radius, 0)
    return (local <= half).all(axis=-1) & (np.hypot(*np.moveaxis(corner, -1, 0)) <= one.shape.radius + 1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(any_part(), min_size=1, max_size=6))
def test_any_heap_of_parts_agrees_with_points_along_the_ray(parts):
    aim = projector(size=6)
    along = np.linspace(250, 350, 10001)
    points = aim.source + directions(aim)[..., None, :] * along[:, None]
    owner = np.full(points.shape[:-1], -1)
    for number, one in enumerate(parts):
        owner[inside(one, points)] = number
    counted = [
        sum((owner == number).sum(axis=-1) for number, one in enumerate(parts) if one.material == material) * 0.01
        + np.zeros(aim.shape)
        for material in ("copper", "silicon")
    ]
    found = lengths(parts, ("copper", "silicon"), aim)
    np.testing.assert_allclose(found, np.stack(counted, axis=-1), atol=0.01 * (len(parts) + 1) * 2)

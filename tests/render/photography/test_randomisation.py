from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import ConfigError
from rgbx.geometry import rotation_matrix
from rgbx.samples import generator
from rgbx_render.photography.meshes import RenderMesh, Surface
from rgbx_render.photography.randomisation import RgbDraw, RgbRandomisation, draw_photograph, find_paints, place_camera

CORNERS = np.array([(x, y, z) for x in (-36, 36) for y in (-74, 74) for z in (-4, 4)], float)
MESH = RenderMesh(
    path=Path("unit.npz"),
    surfaces=(
        Surface(name="glass", colour=(0.2, 0.1, 0.1), metallic=0.0, roughness=0.05),
        Surface(name="screw", colour=(0.6, 0.6, 0.6), metallic=1.0, roughness=0.3),
    ),
    hull=CORNERS,
    centre=(0.0, 0.0, 0.0),
    areas=(0.97, 0.03),
)
CONFIG = RgbRandomisation()


def draw(seed: int, config: RgbRandomisation = CONFIG) -> RgbDraw:
    return draw_photograph(generator(seed), config, MESH)


def seen(view: RgbDraw) -> np.ndarray:
    """Where the corners of the device appear, in image widths across and image heights up from the image's centre."""
    points = CORNERS @ rotation_matrix(view.rotation).T
    local = (points - view.camera.position) @ rotation_matrix(view.camera.rotation)
    assert (local[:, 2] < 0).all(), "part of the device is behind the camera"
    focal = view.camera.focal_length / view.camera.sensor_width
    return (focal * local[:, :2] / -local[:, 2:] - np.array(view.camera.shift)) / (1, view.aspect)


@given(st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_the_device_is_where_it_was_drawn_in_a_square_picture(seed: int) -> None:
    drawn = draw(seed, CONFIG.updated({"camera.framed": 0.0}))
    image = seen(drawn)
    assert drawn.shape == (CONFIG.size, CONFIG.size)
    assert np.abs(image).max() <= 0.5
    low, high = CONFIG.camera.fill
    assert low - 1e-3 <= np.ptp(image, axis=0).max() <= high + 1e-3


@given(st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_a_framed_picture_is_the_device_upright_and_a_margin(seed: int) -> None:
    drawn = draw(seed, CONFIG.updated({"camera.framed": 1.0, "pose.free": 0.0}))
    height, width = drawn.shape
    assert height * width == pytest.approx(CONFIG.size**2, rel=0.02)
    assert height > width, "the device is twice as long as wide"
    image = seen(drawn) * (width, height)
    low, high = image.min(axis=0), image.max(axis=0)
    longer = (high - low).max()
    middle = np.array([width, height]) / 2
    left = np.concatenate([low + middle, middle - high]) / longer
    least, most = CONFIG.camera.frame_margin
    assert (left > least - 0.01).all()
    assert (left < most + 0.01).all()
    least_sides = cv2.minAreaRect(image.astype(np.float32))[1]
    assert np.prod(high - low) < 1.02 * np.prod(least_sides), "its rectangle lies along the picture's sides"
    square = draw(seed, CONFIG.updated({"camera.framed": 0.0, "pose.free": 0.0}))
    assert square.camera.position == drawn.camera.position


@given(st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_the_outline_holds_every_corner_and_no_more(seed: int) -> None:
    drawn = draw(seed)
    image = seen(drawn) * (1, -1) + 0.5
    outline = np.array(drawn.outline, np.float32)
    inside = [cv2.pointPolygonTest(outline, corner.astype(np.float32).tolist(), True) for corner in image]
    assert min(inside) > -0.005
    assert all(np.linalg.norm(image - corner, axis=1).min() < 1e-3 for corner in outline)


@given(st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_draws_stay_in_their_ranges(seed: int) -> None:
    drawn = draw(seed)
    assert CONFIG.lights.count[0] <= len(drawn.lights) <= CONFIG.lights.count[1]
    for lamp in drawn.lights:
        assert lamp.position[2] > 0
        assert CONFIG.lights.irradiance[0] * 0.999 <= lamp.irradiance <= CONFIG.lights.irradiance[1] * 1.001
    assert [look.surface for look in drawn.surfaces] == ["glass", "screw"]
    for look in drawn.surfaces:
        assert 0 <= look.metallic <= 1
        assert 0 < look.roughness <= 1
    assert drawn.surfaces[1].pattern is None, "a small surface took a pattern"
    points = CORNERS @ rotation_matrix(drawn.rotation).T
    assert drawn.background.height <= points[:, 2].min() + 1e-9
    assert drawn.camera.position[2] > drawn.background.height
    for colour in (drawn.background.colour, drawn.world.zenith, drawn.world.horizon):
        assert all(0 <= channel <= 1 for channel in colour)


@given(st.integers(0, 2**40))
@settings(max_examples=30, deadline=None)
def test_the_record_holds_all_of_it(seed: int) -> None:
    drawn = draw(seed)
    assert drawn == draw(seed)
    assert RgbDraw.model_validate_json(drawn.model_dump_json()) == drawn


def test_surfaces_of_one_paint_keep_one_colour() -> None:
    colours = [(0.8, 0.7, 0.6), (0.0, 0.0, 0.0), (0.78, 0.7, 0.6), (0.0, 0.001, 0.0), (0.2, 0.2, 0.2)]
    surfaces = [Surface(name=str(n), colour=colour, metallic=0.0, roughness=0.1) for n, colour in enumerate(colours)]
    assert find_paints(surfaces, 0.1) == [0, 1, 0, 1, 4]
    textured = [surface.updated({"texture": "a.png"}) for surface in surfaces]
    assert find_paints(textured, 0.1) == [0, 1, 2, 3, 4]
    mesh = replace(MESH, surfaces=tuple(surfaces), areas=(0.2,) * 5)
    config = CONFIG.updated({"materials": {"recolour": 1.0}})
    looks = [draw_photograph(generator(seed), config, mesh).surfaces for seed in range(20)]
    assert all(view[0].colour == view[2].colour and view[1].colour == view[3].colour for view in looks)
    assert 3 < sum(view[0].colour is None for view in looks) < 17
    assert any(view[0].colour != view[1].colour for view in looks)
    views = [draw_photograph(generator(seed), config, replace(mesh, surfaces=tuple(textured))) for seed in range(20)]
    assert all(look.colour is None for view in views for look in view.surfaces)
    assert max(abs(look.hue) for view in views for look in view.surfaces) > 0.3


def test_seeds_differ() -> None:
    assert len({draw(seed).model_dump_json() for seed in range(20)}) == 20


def test_flat_devices_show_front_and_back() -> None:
    config = CONFIG.updated({"pose": {"free": 0.0}})
    up = [rotation_matrix(draw(seed, config).rotation)[2, 2] for seed in range(60)]
    assert min(np.abs(up)) > np.cos(np.radians(config.pose.tilt[1] + 0.01))
    assert 15 < sum(value > 0 for value in up) < 45


def test_free_devices_point_everywhere() -> None:
    config = CONFIG.updated({"pose": {"free": 1.0}})
    up = np.array([rotation_matrix(draw(seed, config).rotation)[2] for seed in range(300)])
    # Uniform over the sphere: every coordinate has mean 0 and variance 1/3.
    np.testing.assert_allclose(up.mean(axis=0), 0, atol=0.12)
    np.testing.assert_allclose(up.var(axis=0), 1 / 3, atol=0.07)


@pytest.mark.parametrize("knob", ["background", "camera", "lights", "materials"])
def test_a_fixed_knob_holds_its_factor_still_and_no_other(knob: str) -> None:
    config = CONFIG.updated({knob: "fixed", "pose": {"free": 0.0, "tilt": (0.0, 0.0)}})
    drawn = [draw(seed, config) for seed in range(12)]
    intrinsics = {(view.camera.focal_length, view.camera.shift, view.camera.rotation[0]) for view in drawn}
    lights = {(len(view.lights), lamp.kind, lamp.temperature) for view in drawn for lamp in view.lights}
    backgrounds = {
        (view.background.pattern is None, view.background.roughness, len(view.distractors)) for view in drawn
    }
    looks = {
        (look.pattern is None, look.colour, look.hue, look.roughness) for view in drawn for look in view.surfaces[:1]
    }
    varied = {"camera": intrinsics, "lights": lights, "background": backgrounds, "materials": looks}
    assert len(varied.pop(knob)) == 1
    assert all(len(values) > 1 for values in varied.values())
    assert config.updated({knob: "random"}) == CONFIG.updated({"pose": {"free": 0.0, "tilt": (0.0, 0.0)}})


@given(
    st.tuples(st.floats(0, 60), st.just(0.0), st.floats(0, 360)),
    st.floats(0.4, 4),
    st.floats(0.2, 1),
    st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
    st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
)
@settings(max_examples=80, deadline=None)
def test_place_camera_frames_any_view(
    rotation: tuple[float, float, float],
    focal: float,
    fill: float,
    centre: tuple[float, float],
    shift: tuple[float, float],
) -> None:
    position = place_camera(CORNERS, rotation, focal, fill, centre, shift)
    local = (CORNERS - position) @ rotation_matrix(rotation)
    image = focal * local[:, :2] / -local[:, 2:] - np.array(shift)
    assert np.ptp(image, axis=0).max() == pytest.approx(fill, abs=1e-3)
    np.testing.assert_allclose((image.min(axis=0) + image.max(axis=0)) / 2, centre, atol=1e-3)


def test_ranges_are_checked() -> None:
    with pytest.raises(ConfigError, match="low end"):
        RgbRandomisation.model_validate({"camera": {"fill": (0.9, 0.5)}})
    with pytest.raises(ConfigError, match="range of counts"):
        RgbRandomisation.model_validate({"lights": {"count": (3, 1)}})
    with pytest.raises(ConfigError, match="'size'"):
        RgbRandomisation.model_validate({"size": 0})


@pytest.mark.parametrize("length", [5.0, 1000.0])
def test_no_lamp_is_nearer_than_the_device_is_long(length: float) -> None:
    mesh = replace(MESH, hull=CORNERS * length / 148)
    lamps = [lamp for seed in range(20) for lamp in draw_photograph(generator(seed), CONFIG, mesh).lights]
    assert min(np.linalg.norm(lamp.position) for lamp in lamps) >= max(length, CONFIG.lights.distance[0])

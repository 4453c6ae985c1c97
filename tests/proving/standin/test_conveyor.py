from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import ConfigError
from rgbx.geometry import rotation_matrix
from rgbx.samples import generator
from rgbx_proving.standin.conveyor import ConveyorConfig, ConveyorDraw, draw_view, retake_photograph, take_photographs
from rgbx_proving.standin.conveyor_camera import CameraConfig, ConveyorCamera, Shot, black_body
from rgbx_proving.standin.conveyor_surface import (
    PIXELS_PER_MM,
    Patch,
    Stroke,
    SurfaceConfig,
    WornSurface,
    draw_surface,
    paint_surface,
)
from rgbx_proving.units.part_mesh import build_mesh
from rgbx_proving.units.parts import Part, PartList, Prism, write_parts
from rgbx_proving.units.simulated import open_simulated
from rgbx_render.devices.library import Library
from rgbx_render.photography.meshes import RenderMesh, write_render_mesh

CONFIG = ConveyorConfig(size=40, samples=2)
NOTHING = WornSurface(strokes=(), patches=())


def phone(device_class: str, cracked: bool) -> PartList:
    parts = [
        Part(name="frame", shape=Prism(size=(70, 146, 7.6), radius=11), position=(0, 0, 0), material="aluminium",
             outside=True),
        Part(name="front-glass", shape=Prism(size=(68, 144, 0.4), radius=9), position=(0, 0, 3.9),
             material="soda_lime_glass", outside=True, colour="#0b0c0f"),
    ]  # fmt: skip
    if cracked:
        parts.append(
            Part(name="crack/front-00", shape=Prism(size=(60, 0.1, 0.4)), position=(0, 20, 3.9), material="air",
                 rotation=(0, 0, 90))
        )  # fmt: skip
    return PartList(device_class=device_class, unit=f"{device_class}-001", parts=tuple(parts))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder: Path = tmp_path_factory.mktemp("units")
    for device_class in ("A", "B"):
        write_parts(folder / device_class / f"{device_class}-001" / "parts.json", phone(device_class, True))
    return open_simulated(folder)


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> RenderMesh:
    return write_render_mesh(build_mesh(phone("A", False)), tmp_path_factory.mktemp("mesh") / "unit.npz")


@given(seed=st.integers(0, 2**40))
@settings(max_examples=60, deadline=None)
def test_units_lie_on_the_belt_inside_crop_and_sensor(mesh: RenderMesh, seed: int) -> None:
    draw = draw_view(generator(seed), CONFIG, mesh, NOTHING)
    points = mesh.hull @ rotation_matrix(draw.rotation).T + draw.position
    assert points[:, 2].min() == pytest.approx(0, abs=1e-9)
    image = draw.camera.project(points)
    assert (np.abs(image - draw.crop.centre) <= draw.crop.side / 2 + 1).all()
    assert (image >= 0).all()
    assert (image <= [draw.camera.width, draw.camera.height]).all()
    assert ConveyorDraw.model_validate_json(draw.model_dump_json()) == draw
    assert draw_view(generator(seed), CONFIG, mesh, NOTHING) == draw


def block(size: tuple[float, float, float]) -> PartList:
    part = Part(name="case", shape=Prism(size=size), position=(0, 0, 0), material="abs", outside=True)
    return PartList(device_class="A", unit="A-001", parts=(part,))


@pytest.mark.parametrize("size", [(5, 6, 3), (30, 40, 12), (80, 120, 50), (300, 340, 60)])
def test_a_device_of_any_size_is_whole_in_its_crop(size: tuple[float, float, float], tmp_path: Path) -> None:
    mesh = write_render_mesh(build_mesh(block(size)), tmp_path / "unit.npz")
    for seed in range(30):
        draw = draw_view(generator(seed), CONFIG, mesh, NOTHING)
        image = draw.camera.project(mesh.hull @ rotation_matrix(draw.rotation).T + draw.position)
        assert (np.abs(image - draw.crop.centre) <= draw.crop.side / 2 + 1).all()
        assert (image >= 0).all()
        assert (image <= [draw.camera.width, draw.camera.height]).all()


@pytest.mark.parametrize("size", [(900, 1900, 40), (60, 60, 600)])
def test_a_device_larger_than_the_picture_is_refused_unless_the_camera_hangs_higher(
    size: tuple[float, float, float], tmp_path: Path
) -> None:
    mesh = write_render_mesh(build_mesh(block(size)), tmp_path / "unit.npz")
    with pytest.raises(ConfigError, match=r"larger than what the camera sees: .*rgb\.camera\.mount_mm"):
        draw_view(generator(0), CONFIG, mesh, NOTHING)
    higher = CONFIG.updated({"camera.mount_mm": 4000})
    assert draw_view(generator(0), higher, mesh, NOTHING).crop.side > 20


class TestCamera:
    def test_field_of_view(self) -> None:
        camera = CameraConfig(tilt_degrees=0.0)
        half = camera.mount_mm  # 90°: half the width is as far as the belt is deep
        corners = np.array([[0, 0, 0], [half, 0, 0], [0, half * 720 / 1280, 0]])
        np.testing.assert_allclose(camera.project(corners), [[640, 360], [1280, 360], [640, 0]], atol=1e-9)

    def test_tilt_looks_up_the_image(self) -> None:
        camera = CameraConfig(tilt_degrees=5.0)
        foot = camera.project(np.array([[0.0, 0.0, 0.0]]))[0]
        ahead = camera.project(np.array([[0.0, camera.mount_mm * np.tan(np.radians(5)), 0.0]]))[0]
        assert foot[1] > 360
        np.testing.assert_allclose(ahead, [640, 360], atol=1e-9)

    @staticmethod
    def shot(**changes: object) -> Shot:
        plain = {"exposure_error": 0, "white_balance": (1, 1, 1), "motion": 0, "jpeg_quality": 95, "noise_seed": 1}
        return Shot.model_validate(plain | changes)

    def test_exposure_is_automatic(self) -> None:
        frame = np.random.default_rng(0).uniform(0.2, 1, (64, 64, 3)).astype(np.float32)
        dim, bright = (
            ConveyorCamera(CameraConfig()).expose(scale * frame, self.shot(), 32, generator(1)).mean()
            for scale in (0.01, 50)
        )
        assert dim == pytest.approx(bright, abs=1)
        assert 60 < dim < 160

    def test_motion_smears_along_the_belt_only(self) -> None:
        frame = np.full((65, 65, 3), 0.1, np.float32)
        frame[30:35, 30:35] = 1.0
        calm = CameraConfig(lens_blur=0.01, sharpening=0.0, full_well=1e6, read_noise=0.01)
        still, moving = (
            ConveyorCamera(calm).expose(frame, self.shot(motion=motion), 65, generator(1))[..., 1] > 100
            for motion in (0, 8)
        )
        assert still.any(axis=0).sum() < moving.any(axis=0).sum() <= still.any(axis=0).sum() + 9
        assert abs(int(still.any(axis=1).sum()) - int(moving.any(axis=1).sum())) <= 1

    def test_noise_is_shot_noise(self) -> None:
        """A grey of half of full well has the variance of its electrons, before tone and JPEG see it."""
        frame = np.full((128, 128, 3), 1.0, np.float32)
        noises = []
        for well in (2000.0, 8000.0):
            camera = ConveyorCamera(CameraConfig(lens_blur=0.01, sharpening=0.0, full_well=well, read_noise=0.01))
            picture = camera.expose(frame, self.shot(jpeg_quality=100), 128, generator(1)).astype(float)
            noises.append(picture[..., 1].std())
        assert noises[0] / noises[1] == pytest.approx(2.0, rel=0.15)

    @pytest.mark.parametrize(
        ("kelvin", "xy"), [(2856, (0.44757, 0.40745)), (5000, (0.3451, 0.3516)), (6500, (0.3135, 0.3237))]
    )
    def test_black_body_lies_on_the_planckian_locus(self, kelvin: float, xy: tuple[float, float]) -> None:
        to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        tristimulus = to_xyz @ black_body(kelvin)
        np.testing.assert_allclose(tristimulus[:2] / tristimulus.sum(), xy, atol=2e-3)


class TestSurface:
    def test_cracks_lie_where_the_parts_are_cut(self) -> None:
        surface = draw_surface(generator(3), SurfaceConfig(), phone("A", True), (70.0, 146.0))
        cracks = [
            stroke for stroke in surface.strokes if np.isclose(stroke.start[0], 0) and np.isclose(stroke.end[0], 0)
        ]
        assert len(cracks) == 1
        assert cracks[0].side == "front"
        assert sorted([cracks[0].start[1], cracks[0].end[1]]) == pytest.approx([-10, 50])

    def test_whole_glass_has_no_cracks(self) -> None:
        bare = SurfaceConfig(scratches=(0, 0), smudges=(0, 0), stains=(0, 0), sticker=0)
        assert draw_surface(generator(3), bare, phone("A", False), (70.0, 146.0)) == NOTHING
        assert draw_surface(generator(3), bare, phone("A", True), (70.0, 146.0)).strokes

    def test_a_stroke_is_painted_at_its_place(self) -> None:
        stroke = Stroke(side="back", start=(10, 30), end=(30, 30), width=0.5, strength=1.0)
        overlay = paint_surface(WornSurface(strokes=(stroke,), patches=()), (70.0, 140.0))
        rows, columns = np.nonzero(overlay.paint[1, ..., 3] > 128)
        assert not overlay.paint[0].any()
        assert rows.mean() == pytest.approx((70 - 30) * PIXELS_PER_MM, abs=1.5)
        assert columns.min() == pytest.approx((35 + 10) * PIXELS_PER_MM, abs=2)
        assert columns.max() == pytest.approx((35 + 30) * PIXELS_PER_MM, abs=2)

    def test_a_sticker_leaves_some_of_a_small_device_to_be_seen(self) -> None:
        always = SurfaceConfig(scratches=(0, 0), smudges=(0, 0), stains=(0, 0), sticker=1)
        for seed in range(20):
            (label,) = draw_surface(generator(seed), always, block((20, 30, 5)), (20.0, 30.0)).patches
            assert label.size[0] <= 12
            assert label.size[1] <= 18

    def test_a_sticker_covers_what_is_below(self) -> None:
        stain = Patch(side="back", kind="stain", centre=(0, 0), size=(4, 4), turn=0, colour=(0.2, 0.2, 0.1), strength=1)
        label = Patch(
            side="back", kind="sticker", centre=(0, 0), size=(30, 20), turn=0, colour=(0.9, 0.9, 0.9), strength=1
        )
        overlay = paint_surface(WornSurface(strokes=(), patches=(stain, label)), (70.0, 140.0))
        height, width = overlay.paint.shape[1:3]
        gap = overlay.paint[1, round(height / 2 + 0.3 * 10 * PIXELS_PER_MM), width // 2]  # between code and text
        assert gap.tolist()[3] == 255
        assert min(gap[:3]) > 200


@pytest.mark.slow  # that of the simulated machine is quick
@pytest.mark.blender
def test_same_bytes_with_other_workers_and_from_the_record(library: Library, tmp_path: Path) -> None:
    config = CONFIG.updated({"camera": {"width": 320, "height": 180}})
    one = take_photographs(library, tmp_path / "one", config, views_per_unit=2, workers=0)
    two = take_photographs(library, tmp_path / "two", config, views_per_unit=2, workers=2)
    assert [record.model_dump() for record in one] == [record.model_dump() for record in two]
    for record in one:
        assert one.path(record).read_bytes() == two.path(record).read_bytes()
    record = one.records[1]
    again = retake_photograph(record, library)
    assert np.array_equal(again[..., ::-1], cv2.imread(str(one.path(record))))
    assert again.shape == (40, 40, 3)
    assert 10 < again.mean() < 200

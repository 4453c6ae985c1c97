"""The simulated conveyor camera: test photographs of worn units on a belt, under the light of a hall.

A stand-in for photographs of a real line. It shares nothing with the RGB domain randomisation but the process that
runs Blender: scene, camera, surfaces, light and every parameter are its own.
"""

import tempfile
from pathlib import Path

import cv2
import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt
from scipy.spatial.transform import Rotation

from rgbx.config import Config, Range
from rgbx.errors import ConfigError
from rgbx.files import digest
from rgbx.geometry import Vector, rotation_matrix
from rgbx.processes import cores
from rgbx.samples import (
    RenderedSample,
    RenderJob,
    SampleKey,
    SampleRecord,
    SampleSet,
    generator,
    rendered_sample,
    sample_seed,
)
from rgbx_proving.standin.conveyor_camera import CameraConfig, ConveyorCamera, Crop, Shot, draw_shot
from rgbx_proving.standin.conveyor_surface import SurfaceConfig, WornSurface, draw_surface, paint_surface
from rgbx_proving.standin.views import take_views, unit_in_view
from rgbx_proving.units.part_mesh import build_mesh
from rgbx_proving.units.parts import PartList
from rgbx_proving.units.simulated import parts_of
from rgbx_render.devices.library import Library
from rgbx_render.photography.blender import Blender, find_blender, threads_of_each
from rgbx_render.photography.meshes import RenderMesh, write_render_mesh

_ORIGIN = "stand-in: simulated conveyor camera"
_SUFFIX = ".png"
_SCENE = Path(__file__).with_name("conveyor_scene.py")


class ConveyorConfig(Config):
    """The line: belt, light, camera, and what the units look like when they arrive."""

    size: int = Field(default=256, ge=16, le=4096)
    """Side of the images, pixels."""
    samples: PositiveInt = 2
    """Light paths a pixel; the denoiser makes them do."""
    camera: CameraConfig = CameraConfig()
    surface: SurfaceConfig = SurfaceConfig()

    face_down: float = Field(default=0.5, ge=0, le=1)
    """Share of units that lie on their display."""
    lean_degrees: PositiveFloat = 1.5
    """Standard deviation of how far a unit lies from flat (camera island, grit, bent frame)."""
    place_mm: tuple[float, float] = (170.0, 110.0)
    """How far from the middle of the picture units lie, along and across the belt."""
    belt_mm_s: Range = (180.0, 400.0)
    crop_margin: Range = (1.12, 1.35)
    """Side of the square cut round a unit, in lengths of its outline."""
    crop_error: float = Field(default=0.05, ge=0, le=0.5)
    """How far that square is off its outline's middle, at most, in lengths of it."""

    tube_watts: Range = (30.0, 45.0)
    """Radiant power of each tube of the row over the belt; some are dimmer with age."""
    tube_kelvin: Range = (3800.0, 5200.0)
    daylight_watts: Range = (0.0, 120.0)
    """What comes through the hall's windows, to one side."""
    daylight_kelvin: Range = (5500.0, 7500.0)
    dust: Range = (0.1, 0.9)
    """How dusty the belt is, 0..1."""


class Hall(Config):
    """Light of the moment."""

    tubes: tuple[float, ...]
    """Watts of each tube."""
    tube_kelvin: float
    tube_offset: Vector
    """mm that the row is off the middle of the belt."""
    daylight: float
    """Watts."""
    daylight_kelvin: float
    ambient: float
    """Radiance of walls and ceiling."""


class Belt(Config):
    """The piece of belt under the unit."""

    shade: float
    """Linear reflectance of the rubber."""
    dust: float
    offset: tuple[float, float]
    """Which piece it is, mm."""
    seam: float
    """Position of a seam along the belt, mm; out of the picture for most pieces."""


class ConveyorDraw(Config):
    """Everything drawn for one photograph."""

    size: int
    samples: int
    render_seed: int
    rotation: Vector
    """Of the unit, degrees about x, then y, then z."""
    position: Vector
    """Of its middle, mm; the belt is at z = 0."""
    camera: CameraConfig
    crop: Crop
    hall: Hall
    belt: Belt
    surface: WornSurface
    shot: Shot


def take_photographs(
    library: Library,
    out: Path,
    config: ConveyorConfig,
    *,
    views_per_unit: int,
    seed: int = 0,
    workers: int | None = None,
) -> SampleSet:
    """Photograph every unit of ``library`` on the line of ``config``: a set of 8-bit PNGs.

    For the rest see :func:`~rgbx_proving.standin.views.take_views`.

    Raises:
        MissingToolError: Blender is not there.
    """
    find_blender()
    return take_views(
        library,
        out,
        RenderJob(ConveyorPhotographer, (library, config, views_per_unit, seed, threads_of_each(workers))),
        modality="rgb",
        origin=_ORIGIN,
        config={"conveyor": config.model_dump(mode="json")},
        views_per_unit=views_per_unit,
        seed=seed,
        workers=workers,
        suffix=_SUFFIX,
        description="photographing",
    )


class ConveyorPhotographer:
    """Takes the photographs of a set one by one; one lives in each process and owns one Blender."""

    def __init__(self, library: Library, config: ConveyorConfig, views_per_unit: int, seed: int, threads: int) -> None:
        self.library, self.config, self.views_per_unit, self.seed = library, config, views_per_unit, seed
        self.config_digest = config.digest()
        self.studio = Studio(threads)

    def __call__(self, key: SampleKey) -> RenderedSample:
        parts = parts_of(unit_in_view(self.library, key, self.views_per_unit))
        seed = sample_seed(self.seed, key, self.config_digest)
        # A unit keeps its scratches from view to view.
        unit_seed = int(digest(str(self.seed), parts.device_class, parts.unit, self.config.surface.digest()), 16)
        draw = self.studio.draw(parts, self.config, generator(unit_seed), generator(seed))
        image = self.studio.photograph(parts, draw)
        return rendered_sample(key, _SUFFIX, image, unit=parts.unit, seed=seed, draw=draw)


class Studio:
    """A Blender with the conveyor's scene."""

    def __init__(self, threads: int = 1) -> None:
        self._blender = Blender(_SCENE, threads=threads)
        self._folder = tempfile.TemporaryDirectory(prefix="rgbx-conveyor-")
        self._meshes: dict[str, RenderMesh] = {}

    def mesh(self, parts: PartList) -> RenderMesh:
        """Return the outside of a unit, as Blender reads it."""
        key = digest(parts.model_dump_json())
        if key not in self._meshes:
            self._meshes[key] = write_render_mesh(build_mesh(parts), Path(self._folder.name) / f"{key}.npz")
        return self._meshes[key]

    def draw(
        self, parts: PartList, config: ConveyorConfig, of_unit: np.random.Generator, of_view: np.random.Generator
    ) -> ConveyorDraw:
        """Draw how a unit is worn, and how it comes by.

        Raises:
            ConfigError: the unit is larger than what the camera sees.
        """
        mesh = self.mesh(parts)
        return draw_view(of_view, config, mesh, draw_surface(of_unit, config.surface, parts, _face(mesh)))

    def photograph(self, parts: PartList, draw: ConveyorDraw) -> np.ndarray:
        """Take one photograph: the same pixels every time.

        Returns:
            (size, size, 3) uint8.
        """
        mesh = self.mesh(parts)
        face = _face(mesh)
        overlay = paint_surface(draw.surface, face)
        pictures = {}
        for name, picture in (("paint", overlay.paint), ("matt", overlay.matt)):
            for side, pixels in zip(("front", "back"), picture, strict=True):
                path = Path(self._folder.name) / f"{name}-{side}.png"
                colours = pixels[..., [2, 1, 0, 3]] if pixels.ndim == 3 else pixels
                cv2.imwrite(str(path), colours)
                pictures[f"{name}_{side}"] = str(path)
        job = {
            **draw.model_dump(mode="json", exclude={"surface", "shot"}),
            "focal": draw.camera.focal,
            "face": face,
            "overlay": pictures,
            "mesh_centre": mesh.centre,
            **mesh.job(),
        }
        frame = self._blender.render(job)
        return ConveyorCamera(draw.camera).expose(frame, draw.shot, draw.size, generator(draw.shot.noise_seed))

    def close(self) -> None:
        """End Blender and remove temporary files."""
        self._blender.close()
        self._folder.cleanup()


def draw_view(rng: np.random.Generator, config: ConveyorConfig, mesh: RenderMesh, surface: WornSurface) -> ConveyorDraw:
    """Draw how a unit comes by: where it lies, in what light, and how it is exposed and cut out.

    Raises:
        ConfigError: the unit is larger than what the camera sees.
    """
    yaw, down = rng.uniform(0, 360), rng.random() < config.face_down
    lean = Rotation.from_rotvec(np.radians(config.lean_degrees) * np.array([*rng.standard_normal(2), 0.0]))
    turned = lean * Rotation.from_euler("z", yaw, degrees=True)
    if down:
        turned = turned * Rotation.from_euler("y", 180, degrees=True)
    x_turn, y_turn, z_turn = (float(angle) for angle in turned.as_euler("xyz", degrees=True))
    rotation = (x_turn, y_turn, z_turn)
    points = mesh.hull @ rotation_matrix(rotation).T
    place = np.array([rng.uniform(-reach, reach) for reach in config.place_mm])
    position, outline = _in_view(config.camera, points, place)
    tube_kelvin = float(rng.uniform(*config.tube_kelvin))
    return ConveyorDraw(
        size=config.size,
        samples=config.samples,
        render_seed=int(rng.integers(2**31)),
        rotation=rotation,
        position=position,
        camera=config.camera,
        crop=_draw_crop(rng, config, outline),
        hall=Hall(
            tubes=tuple(float(rng.uniform(*config.tube_watts) * rng.choice([1, 1, 1, 0.6])) for _ in range(4)),
            tube_kelvin=tube_kelvin,
            tube_offset=(float(rng.uniform(-900, 900)), float(rng.uniform(-250, 250)), float(rng.uniform(-200, 200))),
            daylight=float(rng.uniform(*config.daylight_watts)),
            daylight_kelvin=float(rng.uniform(*config.daylight_kelvin)),
            ambient=float(rng.uniform(0.02, 0.12)),
        ),
        belt=Belt(
            shade=float(rng.uniform(0.012, 0.035)),
            dust=float(rng.uniform(*config.dust)),
            offset=(float(rng.uniform(-4000, 4000)), float(rng.uniform(-40, 40))),
            seam=float(rng.uniform(-2500, 2500)),
        ),
        surface=surface,
        shot=draw_shot(rng, config.camera, float(rng.uniform(*config.belt_mm_s)), tube_kelvin),
    )


def _in_view(camera: CameraConfig, points: np.ndarray, place: np.ndarray) -> tuple[Vector, np.ndarray]:
    """Return where a unit lies and its outline on the sensor; a large one lies nearer to the middle, where it is whole.

    Args:
        camera: over the belt.
        points: (N, 3) of its hull, turned as it lies.
        place: (2,) along and across the belt, mm.
    """
    lift = float(-points[:, 2].min())
    middle = np.array([0.0, camera.mount_mm * np.tan(np.radians(camera.tilt_degrees))])  # of the picture, on the belt
    if np.ptp(points[:, 2]) < 0.9 * camera.mount_mm:
        for share in np.linspace(1.0, 0.0, 11):
            along, across = share * place + (1 - share) * middle
            position = (float(along), float(across), lift)
            outline = camera.project(points + position)
            if (outline >= 0).all() and (outline <= [camera.width, camera.height]).all():
                return position, outline
    width, height, depth = np.ptp(points, axis=0)
    raise ConfigError(
        f"A unit of {width:.0f} × {height:.0f} × {depth:.0f} mm, as it lies, is larger than what the camera sees: "
        "raise it with --set rgb.camera.mount_mm=700 or more."
    )


def retake_photograph(record: SampleRecord, library: Library) -> np.ndarray:
    """Take the photograph of a record again.

    Args:
        record: whose draw says how the unit came by.
        library: the worn units that the set was made of.

    Returns:
        (size, size, 3) uint8, the same pixels as in the file.

    Raises:
        InputError: the library lacks the record's unit.
        MissingToolError: Blender is not there.
    """
    studio = Studio(cores())
    try:
        return studio.photograph(
            parts_of(library.unit(record.label, record.unit)), ConveyorDraw.model_validate(record.draw)
        )
    finally:
        studio.close()


def _draw_crop(rng: np.random.Generator, config: ConveyorConfig, outline: np.ndarray) -> Crop:
    low, high = outline.min(axis=0), outline.max(axis=0)
    length = float((high - low).max())
    x, y = (low + high) / 2 + length * rng.uniform(-config.crop_error, config.crop_error, 2)
    return Crop(centre=(float(x), float(y)), side=max(8, round(length * rng.uniform(*config.crop_margin))))


def _face(mesh: RenderMesh) -> tuple[float, float]:
    """Return the sides, in mm, of the rectangle about the unit frame's origin that holds the whole face."""
    reach = np.abs(mesh.hull[:, :2] + mesh.centre[:2]).max(axis=0)
    return (float(2 * reach[0]), float(2 * reach[1]))

"""What is drawn for one photograph, and from where: the RGB side of domain randomisation.

:class:`RgbRandomisation` says how wide to draw, :func:`draw_photograph` draws, :class:`RgbDraw` is all that was
drawn. The paper names colour, texture and the camera's intrinsic and extrinsic parameters (section III-A); lights,
background and exposure are varied as well, since a line's own are not known when the images are made.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import cv2
import numpy as np
from pydantic import AfterValidator, Field, PositiveInt
from scipy.spatial.transform import Rotation

from rgbx.config import Config, Range, words
from rgbx.geometry import Vector, rotation_matrix
from rgbx_render.photography.film import Film
from rgbx_render.photography.meshes import Colour, RenderMesh, Surface

Share = Annotated[float, Field(ge=0, le=1)]

Outline = tuple[tuple[float, float], ...]
MOST_ASPECT = 8.0
"""Of a picture's sides: longer devices are framed with room beside them."""
OUTLINE_TOLERANCE = 0.002
"""How far corners that are left out may stand out, in image widths."""


def _counts(ends: tuple[int, int]) -> tuple[int, int]:
    if not 0 <= ends[0] <= ends[1]:
        raise ValueError(f"{ends[0]}..{ends[1]} is no range of counts")
    return ends


Counts = Annotated[tuple[int, int], AfterValidator(_counts)]
"""(fewest, most), both possible, all equally likely."""

PatternKind = Literal["noise", "cells", "tiles", "stripes", "rings", "marble", "bricks", "checker"]
LAMP_DISTANCE = 2.0
"""In radii of the device (half its diagonal), from its centre."""
PATTERNS: tuple[PatternKind, ...] = ("noise", "cells", "tiles", "stripes", "rings", "marble", "bricks", "checker")
LampKind = Literal["point", "area", "sun"]
DistractorShape = Literal["cube", "cylinder", "cone", "sphere", "torus"]
DISTRACTORS: tuple[DistractorShape, ...] = ("cube", "cylinder", "cone", "sphere", "torus")


class PoseRanges(Config):
    """How the device lies."""

    free: Share = 0.05
    """Share of samples in any orientation at all; the others lie flat, at any yaw."""
    face_down: Share = 0.5
    """Share of the flat ones that show their back."""
    tilt: Range = (0.0, 12.0)
    """Degrees that a flat one leans, about any horizontal axis."""


class CameraRanges(Config):
    """Where the camera is and what it is like."""

    focal_length: Range = (18.0, 85.0)
    """mm; how far away the camera is follows from it and ``fill``."""
    sensor_width: Range = (24.0, 36.0)
    """mm."""
    principal_shift: Range = (-0.08, 0.08)
    """Offset of the principal point in x and in y, in image widths."""
    off_axis: Range = (0.0, 25.0)
    """Degrees between the line of sight and the vertical, towards any side."""
    fill: Range = (0.7, 0.97)
    """Longer side of the device's outline, in image widths."""
    off_centre: Share = 0.8
    """How much of the free margin the device's centre may use."""
    framed: Share = 0.0
    """Share of pictures that are the device's own rectangle, its long side up or down, with as many pixels as the
    square ones: what shows little of the surroundings shows more of the device. ``fill`` and ``off_centre`` still
    decide from where it is seen."""
    frame_margin: Range = (0.02, 0.15)
    """On each side of such a picture, as a fraction of the device's longer side."""


class LightRanges(Config):
    """What shines on the device."""

    count: Counts = (1, 4)
    kinds: tuple[LampKind, ...] = Field(default=("point", "area", "sun"), min_length=1)
    irradiance: Range = (0.3, 3.0)
    """W/m² of each lamp at the device, drawn evenly in its logarithm; exposure is metered, so ratios count."""
    distance: Range = (300.0, 1500.0)
    """mm from the device's centre; never nearer than its length."""
    elevation: Range = (20.0, 90.0)
    """Degrees above the background."""
    size: Range = (10.0, 600.0)
    """mm across."""
    temperature: Range = (2700.0, 9000.0)
    """Colour temperature, K."""
    ambient: Range = (0.1, 1.0)
    """Radiance of the surroundings, which glossy parts mirror."""


class BackgroundRanges(Config):
    """What the device lies on and what lies around it."""

    plain: Share = 0.3
    """Share of samples on one flat colour; the others lie on a pattern."""
    patterns: tuple[PatternKind, ...] = Field(default=PATTERNS, min_length=1)
    feature: Range = (3.0, 80.0)
    """Size of a pattern's features, mm, drawn evenly in its logarithm."""
    brightness: Range = (0.02, 0.85)
    """Largest channel of a background colour."""
    roughness: Range = (0.15, 1.0)
    metallic: Share = 0.15
    """Share of metal backgrounds."""
    gap: Range = (0.0, 60.0)
    """Distance between a device in free orientation and the background, mm."""
    distractors: Counts = (0, 3)
    """Other shapes beside the device."""
    distractor_size: Range = (8.0, 60.0)
    """mm."""


class MaterialRanges(Config):
    """How the surfaces depart from the mesh's own colours."""

    recolour: Share = 0.7
    """Share of samples in which each paint takes any colour at all, or keeps its own, with equal chance. A paint is
    what surfaces of about the same colour have in common: the units at hand come in a few of their class's colours
    only, but which of their parts have the same colour is what tells classes apart. Textures turn to any hue."""
    same_paint: Share = 0.1
    """Largest difference of any channel, as displayed, between surfaces of one paint."""
    texture: Share = 0.1
    """Share of samples whose largest surfaces take a pattern instead."""
    large: Share = 0.1
    """A surface with at least this share of the mesh's area counts as large."""
    hue: Range = (-0.03, 0.03)
    """Turns of the colour circle, drawn for each surface."""
    saturation: Range = (0.7, 1.3)
    value: Range = (0.8, 1.25)
    roughness: Range = (-0.2, 0.3)
    """Added to the surface's own."""
    metallic: Range = (-0.2, 0.1)
    """Added to the surface's own."""


class FilmRanges(Config):
    """What happens behind the lens."""

    exposure: Range = (-0.8, 0.8)
    """EV round what the meter says."""
    white_balance: Range = (0.88, 1.14)
    """Gain of red and of blue."""
    gamma: Range = (0.85, 1.2)
    blur: Range = (0.0, 0.9)
    """Pixels."""
    noise: Range = (0.0, 6.0)
    """On an 8-bit scale."""


FIXED_CAMERA = CameraRanges(
    focal_length=(50.0, 50.0),
    sensor_width=(36.0, 36.0),
    principal_shift=(0.0, 0.0),
    off_axis=(0.0, 0.0),
    fill=(0.85, 0.85),
    off_centre=0.0,
)
FIXED_LIGHTS = LightRanges(
    count=(2, 2),
    kinds=("area",),
    irradiance=(1.0, 1.0),
    distance=(800.0, 800.0),
    elevation=(60.0, 60.0),
    size=(300.0, 300.0),
    temperature=(5500.0, 5500.0),
    ambient=(0.4, 0.4),
)
FIXED_BACKGROUND = BackgroundRanges(
    plain=1.0, brightness=(0.4, 0.4), roughness=(0.8, 0.8), metallic=0.0, distractors=(0, 0)
)
FIXED_MATERIALS = MaterialRanges(
    hue=(0.0, 0.0),
    saturation=(1.0, 1.0),
    value=(1.0, 1.0),
    roughness=(0.0, 0.0),
    metallic=(0.0, 0.0),
    recolour=0.0,
    texture=0.0,
)


class RgbRandomisation(Config):
    """Everything that decides what the photographs of a set look like.

    ``camera``, ``lights``, ``background`` and ``materials`` may be a word: ``fixed``, for ablations, or ``random``.
    """

    size: Annotated[int, Field(ge=16, le=4096)] = 160
    """Side of the square images, pixels; framed ones (``camera.framed``) have as many."""
    samples: PositiveInt = 4
    """Light paths a pixel: time against grain."""
    pose: PoseRanges = PoseRanges()
    camera: Annotated[CameraRanges, words(fixed=FIXED_CAMERA, random=CameraRanges())] = CameraRanges()
    lights: Annotated[LightRanges, words(fixed=FIXED_LIGHTS, random=LightRanges())] = LightRanges()
    background: Annotated[BackgroundRanges, words(fixed=FIXED_BACKGROUND, random=BackgroundRanges())] = (
        BackgroundRanges()
    )
    materials: Annotated[MaterialRanges, words(fixed=FIXED_MATERIALS, random=MaterialRanges())] = MaterialRanges()
    film: FilmRanges = FilmRanges()


class Pattern(Config):
    """A procedural texture of two colours."""

    kind: PatternKind
    colours: tuple[Colour, Colour]
    feature: float
    """mm."""
    turn: float
    """Degrees."""
    offset: Vector
    """In features."""
    detail: float
    distortion: float


class Background(Config):
    """The plane below the device: its colour, or its pattern where that is not None."""

    height: float
    """mm below the device's centre; negative."""
    colour: Colour
    pattern: Pattern | None
    metallic: float
    roughness: float


class Camera(Config):
    """A pinhole camera that looks along its local −z, x to the right and y up in the image."""

    position: Vector
    """mm from the device's centre."""
    rotation: Vector
    """Degrees about x, then y, then z."""
    focal_length: float
    sensor_width: float
    """Of the picture's width."""
    shift: tuple[float, float]
    """Of the principal point, in widths of the picture, as Blender's."""


class Lamp(Config):
    """A lamp that points at the device."""

    kind: LampKind
    position: Vector
    irradiance: float
    size: float
    aspect: float
    """Of a rectangular lamp."""
    temperature: float


class World(Config):
    """Light from everywhere: a gradient from the horizon to the zenith."""

    horizon: Colour
    zenith: Colour
    strength: float


class Distractor(Config):
    """A shape beside the device."""

    shape: DistractorShape
    position: Vector
    rotation: Vector
    size: Vector
    colour: Colour
    metallic: float
    roughness: float


class Look(Config):
    """What one surface of the mesh looks like: a pattern, a colour, or its own colour shifted."""

    surface: str
    pattern: Pattern | None
    colour: Colour | None
    hue: float
    saturation: float
    value: float
    metallic: float
    roughness: float


class RgbDraw(Config):
    """Everything drawn for one photograph."""

    size: int
    """Side in pixels of a square of as many pixels."""
    aspect: float = 1.0
    """Height over width of the picture."""
    samples: int
    render_seed: int
    rotation: Vector
    """Of the device, degrees about x, then y, then z."""
    camera: Camera
    lights: tuple[Lamp, ...]
    world: World
    background: Background
    distractors: tuple[Distractor, ...]
    surfaces: tuple[Look, ...]
    """In the order of the mesh's surfaces."""
    film: Film
    outline: Outline = ()
    """Corners of the device's outline in the image, as if it had no dents; sets of earlier versions have none."""

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture, in pixels."""
        root = math.sqrt(self.aspect)
        return round(self.size * root), max(round(self.size / root), 1)


def draw_photograph(rng: np.random.Generator, config: RgbRandomisation, mesh: RenderMesh) -> RgbDraw:
    """Draw one photograph of a unit.

    Args:
        rng: from :func:`rgbx.samples.generator`; nothing else is random.
        config: how wide to draw.
        mesh: the unit's mesh; its hull decides how far away the camera stands.
    """
    rotation, free = _draw_rotation(rng, config.pose)
    points = mesh.hull @ rotation_matrix(rotation).T
    height = float(points[:, 2].min()) - (_uniform(rng, config.background.gap) if free else 0.0)
    render_seed, camera = _seed(rng), _draw_camera(rng, config.camera, points)
    lights = light_ranges(config.lights, float(np.linalg.norm(mesh.hull, axis=1).max()))
    drawn = RgbDraw(
        size=config.size,
        samples=config.samples,
        render_seed=render_seed,
        rotation=rotation,
        camera=camera,
        lights=tuple(_draw_lamp(rng, lights) for _ in range(_count(rng, lights.count))),
        world=World(
            horizon=_colour(rng, (0.4, 1.0), saturation=0.4),
            zenith=_colour(rng, (0.2, 1.0), saturation=0.4),
            strength=_uniform(rng, config.lights.ambient),
        ),
        background=_draw_background(rng, config.background, height),
        distractors=tuple(
            _draw_distractor(rng, config.background, points, height)
            for _ in range(_count(rng, config.background.distractors))
        ),
        surfaces=_draw_looks(rng, config, mesh),
        film=Film(
            exposure=_uniform(rng, config.film.exposure),
            white_balance=(_uniform(rng, config.film.white_balance), 1.0, _uniform(rng, config.film.white_balance)),
            gamma=_uniform(rng, config.film.gamma),
            blur=_uniform(rng, config.film.blur),
            noise=_uniform(rng, config.film.noise),
            noise_seed=_seed(rng),
        ),
        outline=outline_in_image(points, camera),
    )
    margins = rng.uniform(*config.camera.frame_margin, 4)
    if rng.random() >= config.camera.framed:
        return drawn
    camera, aspect = framed(camera, points, margins)
    outline = outline_in_image(points, camera, aspect)
    return drawn.model_copy(update={"camera": camera, "aspect": aspect, "outline": outline})


def framed(camera: Camera, points: np.ndarray, margins: np.ndarray) -> tuple[Camera, float]:
    """Return a camera at the same place whose picture is a device's rectangle, and that picture's height over width.

    It is rolled about its line of sight until the long side of the device is upright, and its sensor is cut to that.

    Args:
        camera: that looks at the device.
        points: (N, 3) corners of the device's hull as it is turned, mm from its centre.
        margins: left on the left, right, bottom and top, as fractions of the longer side of the rectangle.
    """
    (_, (first, second), turn) = cv2.minAreaRect(_on_sensor(points, camera).astype(np.float32))
    roll = Rotation.from_euler("z", turn + (90 if first > second else 0), degrees=True)
    turned = Rotation.from_matrix(rotation_matrix(camera.rotation)) * roll
    x, y, z = turned.as_euler("xyz", degrees=True)
    rolled = camera.updated({"rotation": (float(x), float(y), float(z))})
    seen = _on_sensor(points, rolled)
    low, high = seen.min(axis=0), seen.max(axis=0)
    longer = float((high - low).max())
    low, high = low - longer * margins[[0, 2]], high + longer * margins[[1, 3]]
    width, height = high - low
    aspect = float(np.clip(height / width, 1 / MOST_ASPECT, MOST_ASPECT))
    width = max(width, height / aspect)
    shift_x, shift_y = (low + high) / 2 / width
    cut = {"sensor_width": float(width), "shift": (float(shift_x), float(shift_y))}
    return rolled.updated(cut), aspect


def outline_in_image(points: np.ndarray, camera: Camera, aspect: float = 1.0) -> Outline:
    """Return the corners of the outline that a device's hull has in an image, (x, y) in 0..1 from its top left.

    Args:
        points: (N, 3) corners of the hull as it is turned, mm from the device's centre.
        camera: that looks at it; all points lie before it.
        aspect: height over width of the image.
    """
    across = _on_sensor(points, camera) / camera.sensor_width - np.asarray(camera.shift)
    image = np.column_stack([0.5 + across[:, 0], 0.5 - across[:, 1] / aspect]).astype(np.float32)
    corners = cv2.approxPolyDP(cv2.convexHull(image), OUTLINE_TOLERANCE, closed=True)[:, 0]
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in corners)


def _on_sensor(points: np.ndarray, camera: Camera) -> np.ndarray:
    """Return where (N, 3) points fall, (N, 2) mm from the principal point, x to the right and y up."""
    local = (points - np.asarray(camera.position)) @ rotation_matrix(camera.rotation)
    return camera.focal_length * local[:, :2] / -local[:, 2:]


def light_ranges(ranges: LightRanges, radius: float) -> LightRanges:
    """Return the lights of a device of a given radius, mm: none is nearer than :data:`LAMP_DISTANCE` radii.

    A nearer one would light a spot of the device, or stand between it and the camera.
    """
    nearest, farthest = ranges.distance
    nearest = max(nearest, LAMP_DISTANCE * radius)
    return ranges.updated({"distance": (nearest, max(nearest, farthest))})


def place_camera(
    points: np.ndarray,
    rotation: Vector,
    focal: float,
    fill: float,
    centre: tuple[float, float],
    shift: tuple[float, float],
) -> Vector:
    """Find where a camera of given direction must stand to frame ``points``.

    Args:
        points: (N, 3).
        rotation: the camera's, degrees about x, then y, then z; it looks along its local −z.
        focal: focal length over sensor width.
        fill: longer side of the outline in the image, in image widths.
        centre: of the outline in the image, in image widths from the image's centre, x right and y up.
        shift: of the principal point, as Blender's: the image moves by as much the other way.

    Returns:
        The position, in the units of ``points``.
    """
    axes = rotation_matrix(rotation)
    local = points @ axes
    aside = (local[:, :2].min(axis=0) + local[:, :2].max(axis=0)) / 2
    nearest = local[:, 2].max()
    extent = max(float(np.ptp(local[:, :2], axis=0).max()), 1e-9)
    distance = nearest + focal * extent / fill
    for _ in range(60):  # a fixed point: it settles to below a thousandth of a pixel in a dozen rounds
        image = focal * (local[:, :2] - aside) / (distance - local[:, 2:]) - np.asarray(shift)
        low, high = image.min(axis=0), image.max(axis=0)
        aside = aside + ((low + high) / 2 - np.asarray(centre)) * (distance - nearest) / focal
        distance = nearest + (distance - nearest) * float((high - low).max()) / fill
    x, y, z = axes @ np.array([aside[0], aside[1], distance])
    return (float(x), float(y), float(z))


def _draw_rotation(rng: np.random.Generator, ranges: PoseRanges) -> tuple[Vector, bool]:
    free = bool(rng.random() < ranges.free)
    down = bool(rng.random() < ranges.face_down)
    yaw, towards = rng.uniform(0, 360, 2)
    tilt = _uniform(rng, ranges.tilt)
    anything = rng.standard_normal(4)
    if free:
        turned = Rotation.from_quat(anything / np.linalg.norm(anything))
    else:
        lean = Rotation.from_rotvec(np.radians(tilt) * np.array([np.cos(towards), np.sin(towards), 0]))
        turned = lean * Rotation.from_euler("z", yaw, degrees=True)
        if down:
            turned = turned * Rotation.from_euler("y", 180, degrees=True)
    x, y, z = turned.as_euler("xyz", degrees=True)
    return (float(x), float(y), float(z)), free


def _draw_camera(rng: np.random.Generator, ranges: CameraRanges, points: np.ndarray) -> Camera:
    focal_length, sensor_width = _uniform(rng, ranges.focal_length), _uniform(rng, ranges.sensor_width)
    rotation = (_uniform(rng, ranges.off_axis), 0.0, float(rng.uniform(0, 360)))
    shift = (_uniform(rng, ranges.principal_shift), _uniform(rng, ranges.principal_shift))
    fill = _uniform(rng, ranges.fill)
    room = ranges.off_centre * max(1 - fill, 0) / 2
    centre = (_uniform(rng, (-room, room)), _uniform(rng, (-room, room)))
    return Camera(
        position=place_camera(points, rotation, focal_length / sensor_width, fill, centre, shift),
        rotation=rotation,
        focal_length=focal_length,
        sensor_width=sensor_width,
        shift=shift,
    )


def _draw_lamp(rng: np.random.Generator, ranges: LightRanges) -> Lamp:
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(_uniform(rng, ranges.elevation))
    distance = _uniform(rng, ranges.distance)
    return Lamp(
        kind=ranges.kinds[rng.integers(len(ranges.kinds))],
        position=(
            float(distance * np.cos(elevation) * np.cos(azimuth)),
            float(distance * np.cos(elevation) * np.sin(azimuth)),
            float(distance * np.sin(elevation)),
        ),
        irradiance=_log_uniform(rng, ranges.irradiance),
        size=_uniform(rng, ranges.size),
        aspect=_uniform(rng, (0.2, 1.0)),
        temperature=_uniform(rng, ranges.temperature),
    )


def _draw_background(rng: np.random.Generator, ranges: BackgroundRanges, height: float) -> Background:
    plain = bool(rng.random() < ranges.plain)
    metal = bool(rng.random() < ranges.metallic)
    pattern = _draw_pattern(rng, ranges, ranges.patterns)
    return Background(
        height=height,
        colour=_colour(rng, ranges.brightness),
        pattern=None if plain else pattern,
        metallic=1.0 if metal else 0.0,
        roughness=_uniform(rng, ranges.roughness),
    )


def _draw_pattern(rng: np.random.Generator, ranges: BackgroundRanges, kinds: tuple[PatternKind, ...]) -> Pattern:
    return Pattern(
        kind=kinds[rng.integers(len(kinds))],
        colours=(_colour(rng, ranges.brightness), _colour(rng, ranges.brightness)),
        feature=_log_uniform(rng, ranges.feature),
        turn=_uniform(rng, (0, 360)),
        offset=(_uniform(rng, (-50, 50)), _uniform(rng, (-50, 50)), _uniform(rng, (-50, 50))),
        detail=_uniform(rng, (0, 4)),
        distortion=_uniform(rng, (0, 2.5)),
    )


def _draw_distractor(
    rng: np.random.Generator, ranges: BackgroundRanges, points: np.ndarray, height: float
) -> Distractor:
    sizes = [_uniform(rng, ranges.distractor_size) for _ in range(3)]
    # Beside the device, never on it: outside the circle round its outline, save for where corners reach out.
    reach = float(np.linalg.norm(points[:, :2], axis=1).max()) * _uniform(rng, (0.75, 1.3)) + max(sizes) / 2
    azimuth = rng.uniform(0, 2 * np.pi)
    x, y = reach * np.cos(azimuth), reach * np.sin(azimuth)
    if _within(points[:, :2], np.array([x, y]), max(sizes) / np.sqrt(2)):
        x, y = 2 * x, 2 * y
    upright = bool(rng.random() < 0.5)
    tilts = (0.0, 0.0) if upright else (_uniform(rng, (0, 360)), _uniform(rng, (0, 360)))
    return Distractor(
        shape=DISTRACTORS[rng.integers(len(DISTRACTORS))],
        position=(float(x), float(y), height + sizes[2] / 2),
        rotation=(*tilts, _uniform(rng, (0, 360))),
        size=(sizes[0], sizes[1], sizes[2]),
        colour=_colour(rng, (0.05, 0.9)),
        metallic=1.0 if rng.random() < 0.3 else 0.0,
        roughness=_uniform(rng, (0.05, 0.9)),
    )


def _within(outline: np.ndarray, point: np.ndarray, margin: float) -> bool:
    """Whether ``point`` is nearer than ``margin`` to the box round ``outline``."""
    outside = np.maximum(np.maximum(outline.min(axis=0) - point, point - outline.max(axis=0)), 0)
    return bool(np.hypot(*outside) < margin)


def find_paints(surfaces: Sequence[Surface], tolerance: float) -> list[int]:
    """Return for each surface the index of the first one with about the same colour.

    A surface with a texture or colours at its vertices is a paint of its own.
    """
    displayed = [np.power(surface.colour, 1 / 2.2) for surface in surfaces]
    paints: list[int] = []
    for place, surface in enumerate(surfaces):
        alike = (
            other
            for other in range(place)
            if paints[other] == other
            and surface.plain
            and surfaces[other].plain
            and np.abs(displayed[other] - displayed[place]).max() <= tolerance
        )
        paints.append(next(alike, place))
    return paints


def _draw_looks(rng: np.random.Generator, config: RgbRandomisation, mesh: RenderMesh) -> tuple[Look, ...]:
    # Everything is drawn whether used or not, so that one setting does not shift what the others get.
    ranges = config.materials
    recolour, texture = bool(rng.random() < ranges.recolour), bool(rng.random() < ranges.texture)
    paints = find_paints(mesh.surfaces, ranges.same_paint)
    new = [(rng.random() < 0.5, _colour(rng, (0.0, 0.95)), _uniform(rng, (-0.5, 0.5))) for _ in paints]
    looks = []
    for surface, area, paint in zip(mesh.surfaces, mesh.areas, paints, strict=True):
        pattern = _draw_pattern(rng, config.background, config.background.patterns)
        own_hue = _uniform(rng, ranges.hue)
        repainted, colour, any_hue = new[paint]
        repainted = repainted and recolour
        looks.append(
            Look(
                surface=surface.name,
                pattern=pattern if area >= ranges.large and texture else None,
                colour=colour if repainted and surface.plain else None,
                hue=any_hue if repainted else own_hue,
                saturation=_uniform(rng, ranges.saturation),
                value=_uniform(rng, ranges.value),
                metallic=float(np.clip(surface.metallic + _uniform(rng, ranges.metallic), 0, 1)),
                roughness=float(np.clip(surface.roughness + _uniform(rng, ranges.roughness), 0.03, 1)),
            )
        )
    return tuple(looks)


def _uniform(rng: np.random.Generator, ends: Range) -> float:
    return float(rng.uniform(*ends))


def _log_uniform(rng: np.random.Generator, ends: Range) -> float:
    return float(np.exp(rng.uniform(*np.log(ends))))


def _count(rng: np.random.Generator, ends: Counts) -> int:
    return int(rng.integers(ends[0], ends[1] + 1))


def _seed(rng: np.random.Generator) -> int:
    return int(rng.integers(2**31))


def _colour(rng: np.random.Generator, brightness: Range, saturation: float = 1.0) -> Colour:
    """Draw a linear colour: any hue, its largest channel within ``brightness``."""
    hue, pale, value = rng.random(), saturation * rng.random(), rng.uniform(*brightness)
    ramp = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    red, green, blue = value * (1 - pale * (1 - ramp))
    return (float(red), float(green), float(blue))

"""What has happened to the outside of a unit that a camera sees: cracks, scratches, smudges, dirt, stickers.

Lines and patches are drawn once a unit (its views show the same ones) and painted onto two pictures, of the front
and of the back, which the scene lays over the unit's own materials.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from pydantic import Field

from rgbx.config import Config, Range
from rgbx_proving.units.parts import Part, PartList

Side = Literal["front", "back"]
SIDES: tuple[Side, Side] = ("front", "back")
Point = tuple[float, float]
PaintColour = tuple[float, float, float]

PIXELS_PER_MM = 3.0
CRACK_PREFIX = "crack/"
"""Names of the parts (of air) by which :mod:`rgbx_proving.standin.wear` cuts glass begin so."""


class SurfaceConfig(Config):
    """How much a unit's outside has seen."""

    scratches: Range = (0.0, 35.0)
    """Number on each side."""
    scratch_length: Range = (3.0, 45.0)
    """mm."""
    smudges: Range = (2.0, 12.0)
    """Fingerprints and wiped grease, number on each side."""
    stains: Range = (0.0, 8.0)
    """Specks of dirt, number on each side."""
    sticker: float = Field(default=0.1, ge=0, le=1)
    """Chance of a label on the back."""
    splinters: Range = (1.0, 3.0)
    """Hair cracks that branch off each line of cracked glass."""


class Stroke(Config):
    """A crack or a scratch."""

    side: Side
    start: Point
    """x, y in the unit frame, mm."""
    end: Point
    width: float
    """mm."""
    strength: float
    """Opacity, 0..1."""


class Patch(Config):
    """A smudge, a stain or a sticker: an ellipse or a rectangle."""

    side: Side
    kind: Literal["smudge", "stain", "sticker"]
    centre: Point
    size: Point
    """mm."""
    turn: float
    """Degrees."""
    colour: PaintColour
    """sRGB, 0..1."""
    strength: float


class WornSurface(Config):
    """All that lies over a unit's own materials."""

    strokes: tuple[Stroke, ...]
    patches: tuple[Patch, ...]


class Overlay(NamedTuple):
    """:class:`WornSurface` as pictures, each with the front in [0] and the back in [1], row 0 at the top (+y)."""

    paint: np.ndarray
    """(2, H, W, 4) uint8: sRGB and opacity."""
    matt: np.ndarray
    """(2, H, W) uint8: how far the finish is turned matt."""


def draw_surface(rng: np.random.Generator, config: SurfaceConfig, parts: PartList, size: Point) -> WornSurface:
    """Draw what has happened to a unit.

    Args:
        rng: of the unit.
        config: how much.
        parts: the worn unit; lines of cracked glass are among its parts.
        size: of the unit in x and y, mm.
    """
    strokes = [
        stroke for part in parts.parts if part.name.startswith(CRACK_PREFIX) for stroke in _crack(rng, config, part)
    ]
    patches: list[Patch] = []
    for side in SIDES:
        strokes += [_scratch(rng, config, side, size) for _ in range(_count(rng, config.scratches))]
        patches += [_smudge(rng, side, size) for _ in range(_count(rng, config.smudges))]
        patches += [_stain(rng, side, size) for _ in range(_count(rng, config.stains))]
    if rng.random() < config.sticker:
        patches.append(_sticker(rng, size))
    return WornSurface(strokes=tuple(strokes), patches=tuple(patches))


def paint_surface(surface: WornSurface, size: Point) -> Overlay:
    """Paint a surface of ``size`` (x, y in mm) with :data:`PIXELS_PER_MM`."""
    width, height = (max(8, round(extent * PIXELS_PER_MM)) for extent in size)
    paint = np.zeros((2, height, width, 4), np.float32)
    matt = np.zeros((2, height, width), np.float32)
    for patch in surface.patches:
        side = SIDES.index(patch.side)
        cover = patch.strength * _cover(patch, width, height)
        _lay(paint[side], cover * (0.05 if patch.kind == "smudge" else 1.0), patch.colour)
        matt[side] = np.maximum(matt[side], cover)
        if patch.kind == "sticker":
            _lay(paint[side], 0.9 * _print(patch, width, height), (0.08, 0.08, 0.09))
    for stroke in surface.strokes:
        side = SIDES.index(stroke.side)
        cover = stroke.strength * _line(stroke, width, height)
        _lay(paint[side], cover, (0.86, 0.88, 0.9))
        matt[side] = np.maximum(matt[side], cover)
    return Overlay(_as_bytes(paint), _as_bytes(matt))


def _crack(rng: np.random.Generator, config: SurfaceConfig, part: Part) -> list[Stroke]:
    """A cut of a few hundredths of a millimetre scatters light over some tenths, and hair cracks branch off."""
    middle = np.array(part.position)
    along = part.rotation_matrix()[:, 0] * part.shape.size[0] / 2
    side: Side = "front" if middle[2] > 0 else "back"
    start, end = (middle - along)[:2], (middle + along)[:2]
    strokes = [_stroke(side, start, end, 0.2 + 1.5 * part.shape.size[1], rng.uniform(0.55, 0.95))]
    for _ in range(_count(rng, config.splinters)):
        root = start + rng.random() * (end - start)
        heading = np.arctan2(*(end - start)[::-1]) + rng.choice([-1, 1]) * rng.uniform(0.3, 1.2)
        tip = root + rng.uniform(2, 14) * np.array([np.cos(heading), np.sin(heading)])
        strokes.append(_stroke(side, root, tip, 0.2, rng.uniform(0.25, 0.7)))
    return strokes


def _scratch(rng: np.random.Generator, config: SurfaceConfig, side: Side, size: Point) -> Stroke:
    start = _somewhere(rng, size)
    heading, length = rng.uniform(0, 2 * np.pi), rng.uniform(*config.scratch_length) * rng.random()
    end = start + length * np.array([np.cos(heading), np.sin(heading)])
    return _stroke(side, start, end, rng.uniform(0.08, 0.3), rng.uniform(0.08, 0.4))


def _smudge(rng: np.random.Generator, side: Side, size: Point) -> Patch:
    grey = rng.uniform(0.45, 0.75)
    return Patch(
        side=side, kind="smudge", centre=_point(_somewhere(rng, size)),
        size=(float(rng.uniform(8, 18)), float(rng.uniform(10, 50))), turn=float(rng.uniform(0, 360)),
        colour=(grey, grey, grey), strength=float(rng.uniform(0.08, 0.4)),
    )  # fmt: skip


def _stain(rng: np.random.Generator, side: Side, size: Point) -> Patch:
    shade = rng.uniform(0.12, 0.5)
    return Patch(
        side=side, kind="stain", centre=_point(_somewhere(rng, size)),
        size=(float(rng.uniform(0.6, 5)), float(rng.uniform(0.6, 5))), turn=float(rng.uniform(0, 360)),
        colour=(float(shade), float(0.87 * shade), float(0.68 * shade)), strength=float(rng.uniform(0.3, 0.9)),
    )  # fmt: skip


def _sticker(rng: np.random.Generator, size: Point) -> Patch:
    # On the lower two thirds of the back, where labels of collection points end up.
    x, y = _somewhere(rng, (0.5 * size[0], 0.5 * size[1]))
    white = rng.uniform(0.8, 0.95)
    # No larger than leaves some of a small device to be seen.
    width, height = (
        min(float(rng.uniform(*ends)), 0.6 * side) for ends, side in zip(((22, 42), (12, 26)), size, strict=True)
    )
    return Patch(
        side="back", kind="sticker", centre=(float(x), float(y - 0.15 * size[1])),
        size=(width, height), turn=float(rng.normal(0, 12)),
        colour=(float(white), float(white), float(white * rng.uniform(0.75, 1))), strength=1.0,
    )  # fmt: skip


def _stroke(side: Side, start: np.ndarray, end: np.ndarray, width: float, strength: float) -> Stroke:
    return Stroke(side=side, start=_point(start), end=_point(end), width=float(width), strength=float(strength))


def _somewhere(rng: np.random.Generator, size: Point) -> np.ndarray:
    return rng.uniform(-0.5, 0.5, 2) * size


def _point(values: Sequence[float] | np.ndarray) -> Point:
    return (float(values[0]), float(values[1]))


def _count(rng: np.random.Generator, ends: Range) -> int:
    return round(rng.uniform(*ends))


# --- Painting --------------------------------------------------------------------------------------------------------

_SUBPIXEL_BITS = 4


def _pixels(points: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return points in mm as OpenCV's fixed-point pixels."""
    flipped = points * (1, -1) * PIXELS_PER_MM + np.array([width, height]) / 2 - 0.5
    return np.rint(flipped * 2**_SUBPIXEL_BITS).astype(np.int32)


def _outline(patch: Patch, scale: float = 1.0) -> np.ndarray:
    if patch.kind == "sticker":
        unit = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], float)
    else:
        turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        unit = np.column_stack([np.cos(turns), np.sin(turns)])
    return _placed(patch, scale * unit)


def _placed(patch: Patch, unit: np.ndarray) -> np.ndarray:
    """Take points of the square −1..1 to where the patch lies, mm."""
    angle = np.radians(patch.turn)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (unit * np.array(patch.size) / 2) @ turn.T + patch.centre


def _cover(patch: Patch, width: int, height: int) -> np.ndarray:
    cover = _filled([_outline(patch)], width, height)
    if patch.kind != "sticker":  # the edges of grease and dirt fade
        cover = cv2.GaussianBlur(
            cover, (0, 0), (0.3 if patch.kind == "smudge" else 0.12) * min(patch.size) * PIXELS_PER_MM + 0.5
        )
    return cover


def _print(patch: Patch, width: int, height: int) -> np.ndarray:
    """A bar code and a line of text, as far as a camera can make them out."""
    edges = np.array([-0.80, -0.74, -0.70, -0.60, -0.55, -0.50, -0.42, -0.33, -0.28, -0.20, -0.12, -0.08, 0.02, 0.08,
                      0.13, 0.24, 0.30, 0.34, 0.42, 0.50, 0.56, 0.65, 0.70, 0.80])  # fmt: skip
    boxes = [(left, -0.2, right, 0.75) for left, right in zip(edges[::2], edges[1::2], strict=True)]
    boxes.append((-0.8, -0.65, 0.45, -0.42))
    corners = [np.array([(a, b), (c, b), (c, d), (a, d)]) for a, b, c, d in boxes]
    return _filled([_placed(patch, box) for box in corners], width, height)


def _filled(outlines: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    for outline in outlines:
        cv2.fillConvexPoly(canvas, _pixels(outline, width, height), 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255


def _line(stroke: Stroke, width: int, height: int) -> np.ndarray:
    canvas = np.zeros((height, width), np.uint8)
    thickness = max(1, round(stroke.width * PIXELS_PER_MM))
    start, end = (
        tuple(int(value) for value in _pixels(np.array(point), width, height)) for point in (stroke.start, stroke.end)
    )
    cv2.line(canvas, start, end, 255, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)
    return canvas.astype(np.float32) / 255 * min(1.0, stroke.width * PIXELS_PER_MM / thickness)


def _lay(paint: np.ndarray, cover: np.ndarray, colour: PaintColour) -> None:
    """Lay a colour over (H, W, 4), in place."""
    rows, columns = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if not rows.size:
        return
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]  # a scratch covers next to nothing
    paint, cover = paint[window], cover[window]
    touched = cover > 0
    below, above = paint[touched], cover[touched, None]
    under = below[:, 3:] * (1 - above)
    whole = np.maximum(under + above, 1e-6)
    paint[touched] = np.hstack([(below[:, :3] * under + np.array(colour) * above) / whole, under + above])


def _as_bytes(values: np.ndarray) -> np.ndarray:
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)

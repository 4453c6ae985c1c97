"""Exact lengths of rays in the parts of a unit, material by material: what Beer's law needs, with no mesh or grid.

A prism with rounded corners is, seen along its axis, the union of two rectangles and four discs; the union is convex,
so a ray is inside from the first entry to the last exit. Where parts overlap the later one displaces the earlier ones:
parts are laid onto the ray from the last to the first, and each counts only where nothing lies yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numba import njit

from rgbx_proving.units.parts import Ellipsoid, Part

AIR = "air"

Triple = tuple[float, float, float]


@dataclass(frozen=True)
class BeamGeometry:
    """A point source and a flat detector; lengths in mm, all in one frame with the solids."""

    source: np.ndarray
    """(3,) focal spot."""
    origin: np.ndarray
    """(3,) centre of the pixel in row 0 and column 0."""
    column_step: np.ndarray
    """(3,) from a pixel's centre to that of its neighbour in the next column."""
    row_step: np.ndarray
    """(3,) from a pixel's centre to that of its neighbour in the next row."""
    shape: tuple[int, int]
    """(rows, columns)."""

    def pixel_coordinates(self, points: np.ndarray) -> np.ndarray:
        """Project ``points`` (..., 3) onto the detector.

        Returns:
            (..., 2) column and row, fractional; NaN for points that are not in front of the source.
        """
        axes = np.column_stack([self.column_step, self.row_step, self.source - self.origin])
        column, row, towards_source = np.moveaxis(
            np.linalg.solve(axes, (points - self.origin)[..., None])[..., 0], -1, 0
        )
        # The detector has 0 along the third axis and the source 1: the ray through the point is stretched to reach 0.
        stretch = np.divide(1.0, 1.0 - towards_source, out=np.full(row.shape, np.nan), where=towards_source < 1.0)
        return np.stack([column * stretch, row * stretch], axis=-1)


@dataclass(frozen=True)
class Solids:
    """Convex solids in order of priority (later ones displace earlier ones), as arrays over P solids."""

    ellipsoid: np.ndarray
    """(P,) bool; the others are prisms with rounded corners."""
    half_sizes: np.ndarray
    """(P, 3) half extents along the local axes, mm."""
    radii: np.ndarray
    """(P,) corner radius in the local x-y plane, mm."""
    rotations: np.ndarray
    """(P, 3, 3) from local directions to the frame's."""
    centres: np.ndarray
    """(P, 3) mm."""
    materials: tuple[str, ...]
    """(P,) names."""

    @classmethod
    def of(cls, parts: Sequence[Part]) -> Self:
        """Return the solids of ``parts``, in their frame."""
        return cls(
            ellipsoid=np.array([isinstance(part.shape, Ellipsoid) for part in parts], bool),
            half_sizes=np.array([part.shape.size for part in parts], float).reshape(-1, 3) / 2,
            radii=np.array([getattr(part.shape, "radius", 0.0) for part in parts], float),
            rotations=np.array([part.rotation_matrix() for part in parts], float).reshape(-1, 3, 3),
            centres=np.array([part.position for part in parts], float).reshape(-1, 3),
            materials=tuple(part.material for part in parts),
        )

    def moved(self, rotation: np.ndarray, translation: np.ndarray) -> Self:
        """Return the solids turned by ``rotation`` (3, 3) about the origin and then shifted by ``translation`` (3,)."""
        return type(self)(
            self.ellipsoid,
            self.half_sizes,
            self.radii,
            rotation @ self.rotations,
            self.centres @ rotation.T + translation,
            self.materials,
        )

    def joined(self, others: "Solids") -> "Solids":
        """Return these solids and ``others``, which displace them."""
        return Solids(
            np.concatenate([self.ellipsoid, others.ellipsoid]),
            np.concatenate([self.half_sizes, others.half_sizes]),
            np.concatenate([self.radii, others.radii]),
            np.concatenate([self.rotations, others.rotations]),
            np.concatenate([self.centres, others.centres]),
            self.materials + others.materials,
        )

    def local(self, directions: np.ndarray) -> np.ndarray:
        """Return ``directions``, (3,) or (P, 3), as each solid sees them: (P, 3) along its own axes."""
        return np.einsum("pji,pj->pi", self.rotations, np.broadcast_to(directions, self.centres.shape))

    def corners(self) -> np.ndarray:
        """Return the corners (P, 8, 3) of each solid's box."""
        signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
        local = self.half_sizes[:, None] * signs
        return np.einsum("pij,pcj->pci", self.rotations, local) + self.centres[:, None]


def path_lengths(solids: Solids, materials: Sequence[str], projector: BeamGeometry) -> np.ndarray:
    """Return how far the ray to each pixel's centre runs in each material.

    Args:
        solids: what is between source and detector; what lies behind either is left out.
        materials: those wanted; a solid of any other (``"air"``) only displaces.
        projector: in the frame of the solids.

    Returns:
        (rows, columns, len(materials)) float32, mm.
    """
    index = {name: number for number, name in enumerate(materials)}
    lengths = np.zeros((*projector.shape, len(materials)), np.float32)
    towards_origin = projector.origin - projector.source
    rows, columns = (np.arange(count)[:, None] for count in projector.shape)
    rays = towards_origin + (columns * projector.column_step)[None] + (rows * projector.row_step)[:, None]
    _trace(
        solids.ellipsoid,
        solids.half_sizes,
        solids.radii,
        solids.local(projector.source - solids.centres),
        solids.local(towards_origin),
        solids.local(projector.column_step),
        solids.local(projector.row_step),
        np.array([index.get(name, -1) for name in solids.materials], np.int64),
        _pixel_boxes(solids, projector),
        np.linalg.norm(rays, axis=-1),
        lengths,
    )
    return lengths


def _pixel_boxes(solids: Solids, projector: BeamGeometry) -> np.ndarray:
    """Return (P, 4): first and last column, first and last row that a solid's shadow can touch."""
    rows, columns = projector.shape
    pixels = projector.pixel_coordinates(solids.corners())
    unbounded = np.isnan(pixels).any(axis=(1, 2))  # reaches behind the source
    pixels[unbounded] = 0.0
    boxes = np.stack(
        [
            np.ceil(pixels[..., 0].min(axis=1)).clip(0, columns),
            np.floor(pixels[..., 0].max(axis=1)).clip(-1, columns - 1),
            np.ceil(pixels[..., 1].min(axis=1)).clip(0, rows),
            np.floor(pixels[..., 1].max(axis=1)).clip(-1, rows - 1),
        ],
        axis=1,
    )
    boxes[unbounded] = (0, columns - 1, 0, rows - 1)
    return boxes.astype(np.int64)


@njit(cache=True)
def _slab(origin: float, direction: float, half: float, enter: float, leave: float) -> tuple[float, float]:
    """Clip [enter, leave] of ``origin + t * direction`` to |coordinate| <= half."""
    if direction == 0.0:
        return (enter, leave) if abs(origin) <= half else (1.0, 0.0)
    first, second = (-half - origin) / direction, (half - origin) / direction
    if first > second:
        first, second = second, first
    return max(enter, first), min(leave, second)


@njit(cache=True)
def _prism(o: Triple, d: Triple, half: Triple, radius: float, enter: float, leave: float) -> tuple[float, float]:
    """Interval of a ray in a prism with rounded corners; empty when the first value is above the second."""
    for axis in (2, 0, 1):
        enter, leave = _slab(o[axis], d[axis], half[axis], enter, leave)
        if enter > leave:
            return enter, leave
    if radius == 0.0:
        return enter, leave
    core_x, core_y = half[0] - radius, half[1] - radius
    first, last = np.inf, -np.inf
    start, end = _slab(o[0], d[0], core_x, enter, leave)
    if start <= end:
        first, last = start, end
    start, end = _slab(o[1], d[1], core_y, enter, leave)
    if start <= end:
        first, last = min(first, start), max(last, end)
    if first == enter and last == leave:
        return enter, leave
    a = d[0] * d[0] + d[1] * d[1]
    for side_x in (-1.0, 1.0):
        for side_y in (-1.0, 1.0):
            x, y = o[0] - side_x * core_x, o[1] - side_y * core_y
            if a == 0.0:  # along the axis: inside the disc all the way or never
                if x * x + y * y <= radius * radius:
                    return enter, leave
                continue
            b = x * d[0] + y * d[1]
            # (b² − a c) without the cancellation of two large squares: c is far from the source
            cross = x * d[1] - y * d[0]
            discriminant = a * radius * radius - cross * cross
            if discriminant > 0.0:
                root = np.sqrt(discriminant)
                start, end = max(enter, (-b - root) / a), min(leave, (-b + root) / a)
                if start <= end:
                    first, last = min(first, start), max(last, end)
    return first, last


@njit(cache=True)
def _ellipsoid(o: Triple, d: Triple, half: Triple, enter: float, leave: float) -> tuple[float, float]:
    """Interval of a ray in an ellipsoid; empty when the first value is above the second."""
    ox, oy, oz = o[0] / half[0], o[1] / half[1], o[2] / half[2]
    dx, dy, dz = d[0] / half[0], d[1] / half[1], d[2] / half[2]
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    cx, cy, cz = oy * dz - oz * dy, oz * dx - ox * dz, ox * dy - oy * dx
    discriminant = a - (cx * cx + cy * cy + cz * cz)
    if discriminant <= 0.0:
        return 1.0, 0.0
    root = np.sqrt(discriminant)
    return max(enter, (-b - root) / a), min(leave, (-b + root) / a)


@njit(cache=True)
def _lay(starts: np.ndarray, ends: np.ndarray, count: int, start: float, end: float) -> tuple[int, float]:
    """Add [start, end] to the ``count`` disjoint, sorted intervals; return their new count and the length it added."""
    low = 0
    while low < count and ends[low] < start:
        low += 1
    high = low
    added = end - start
    merged_start, merged_end = start, end
    while high < count and starts[high] <= end:
        added -= min(end, ends[high]) - max(start, starts[high])
        merged_start, merged_end = min(merged_start, starts[high]), max(merged_end, ends[high])
        high += 1
    shift = 1 - (high - low)
    if shift == 1:
        for position in range(count, low, -1):
            starts[position], ends[position] = starts[position - 1], ends[position - 1]
    elif shift < 0:
        for position in range(high, count):
            starts[position + shift], ends[position + shift] = starts[position], ends[position]
    starts[low], ends[low] = merged_start, merged_end
    return count + shift, added


@njit(cache=True)
def _triple(rows: np.ndarray, row: int) -> Triple:
    """Return a row of three numbers as a tuple: slices of arrays are counted references, which cost more than the
    geometry here."""
    return rows[row, 0], rows[row, 1], rows[row, 2]


@njit(cache=True, nogil=True)
def _trace(
    ellipsoid: np.ndarray,
    half_sizes: np.ndarray,
    radii: np.ndarray,
    local_source: np.ndarray,
    local_origin: np.ndarray,
    local_column_step: np.ndarray,
    local_row_step: np.ndarray,
    material: np.ndarray,
    boxes: np.ndarray,
    distances: np.ndarray,
    lengths: np.ndarray,
) -> None:
    rows, columns, _ = lengths.shape
    solids = len(radii)
    candidates = np.empty(solids, np.int64)
    starts, ends = np.empty(solids + 1), np.empty(solids + 1)
    for row in range(rows):
        in_row = 0
        for solid in range(solids - 1, -1, -1):
            if boxes[solid, 2] <= row <= boxes[solid, 3]:
                candidates[in_row] = solid
                in_row += 1
        for column in range(columns):
            laid = 0
            for candidate in range(in_row):
                solid = candidates[candidate]
                if column < boxes[solid, 0] or column > boxes[solid, 1]:
                    continue
                o, half = _triple(local_source, solid), _triple(half_sizes, solid)
                pixel, right, down = (
                    _triple(local_origin, solid),
                    _triple(local_column_step, solid),
                    _triple(local_row_step, solid),
                )
                d = (
                    pixel[0] + column * right[0] + row * down[0],
                    pixel[1] + column * right[1] + row * down[1],
                    pixel[2] + column * right[2] + row * down[2],
                )
                # Along the ray, 0 is the source and 1 the pixel.
                if ellipsoid[solid]:
                    start, end = _ellipsoid(o, d, half, 0.0, 1.0)
                else:
                    start, end = _prism(o, d, half, radii[solid], 0.0, 1.0)
                if start >= end:
                    continue
                laid, added = _lay(starts, ends, laid, start, end)
                if material[solid] >= 0:
                    lengths[row, column, material[solid]] += added * distances[row, column]

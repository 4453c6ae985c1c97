"""Edits of a scan: parts that moved, turned or are missing, a unit that is bent.

One scan that is edited at random shows more of what real units look like than many images of it as it is. Nothing is
known of a scan but its voxels, so parts are what thresholds and connectivity tell apart (:func:`find_parts`), once a
scan. :func:`draw_edits` draws, :func:`edited` is its deterministic twin; it copies the scan and touches the boxes of
the edited parts only, so every image can have edits of its own.
"""

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numba import njit
from pydantic import Field
from scipy.ndimage import find_objects, label, maximum_filter

from rgbx.config import Config, Range, within
from rgbx.files import atomic_path, read_json, write_json
from rgbx_render.radiography.scans import PreparedScan

EDIT_THRESHOLDS = (0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1)
"""Scan intensities at which parts are told apart, from air (0) to dense metal (1) and beyond."""
SMALLEST_MM3 = 20.0
"""Volume of the smallest part; what is smaller hardly shows."""
EDGE_MM = 2.0
"""Parts that are nearer to the edge of the scan's box belong to the case; nothing is moved past this edge either."""
LONGEST = 0.75
"""Longest side of a part as a share of the unit's; what is longer is a case, a frame or a display."""
SEARCH_VOXELS = 5_000_000
"""Parts are looked for on about so many voxels; a finer scan is thinned out first."""
MOST_PARTS = 255


@dataclass(frozen=True)
class Parts:
    """The separable parts of a prepared scan, from the largest to the smallest."""

    labels: np.ndarray
    """uint8, axes as ``scan.values`` but thinned out: voxel i of the scan belongs to ``labels[i // step]``; 0 is no
    part, n + 1 is part n."""
    step: int
    boxes: tuple[tuple[slice, slice, slice], ...]
    """Of each part, in indices of ``labels``."""

    @classmethod
    def of(cls, labels: np.ndarray, step: int) -> Self:
        """Make parts of their labels."""
        return cls(labels, step, tuple(find_objects(labels)))

    def __len__(self) -> int:
        return len(self.boxes)


class PartEdit(Config):
    """What happens to one part."""

    which: float
    """Its place in the scan's list of parts, from 0 (the largest) to 1 (the smallest)."""
    missing: bool
    """It is taken out; air is left. Else it is moved:"""
    shift: float
    """By so many mm,"""
    direction: float
    """in this direction in the plane of the unit's two longer sides, degrees,"""
    turn: float
    """and turned in that plane about its own centre, anticlockwise, until its corners have moved so many mm."""


class Bend(Config):
    """A unit bent about an axis in the plane of its two longer sides, as one that was sat on."""

    sag: float
    """How far the ends are from the middle, towards the unit's thin axis, mm."""
    direction: float
    """In which the unit curves, degrees in the plane of its two longer sides; 0 is along the first of these axes."""


class ScanEdits(Config):
    """All edits of one image's scan."""

    parts: tuple[PartEdit, ...]
    bend: Bend


class EditRandomisation(Config):
    """How scans are edited; never, unless ``probability`` says so."""

    probability: float = Field(default=0.0, ge=0, le=1)
    """Share of the draws whose scan is edited."""
    parts: Annotated[tuple[int, int], within(0, 50)] = (0, 3)
    """How many parts are edited; a part may be drawn twice."""
    missing: float = Field(default=0.3, ge=0, le=1)
    """Share of the edited parts that are taken out instead of moved."""
    shift: Annotated[Range, within(0)] = (0.0, 2.0)
    """How far parts move, mm; they stop at the case."""
    turn: Range = (-2.0, 2.0)
    """How far the corners of parts move as they turn, mm: so small parts turn further than large ones."""
    sag: Range = (-1.5, 1.5)
    """How much the unit is bent, mm."""


RANDOM_EDITS = EditRandomisation(probability=0.5)
"""What ``edits: random`` stands for."""


def draw_edits(rng: np.random.Generator, config: EditRandomisation) -> ScanEdits | None:
    """Draw the edits of one image's scan; None for a scan that stays as it is."""
    if config.probability == 0 or rng.uniform() >= config.probability:
        return None
    parts = tuple(
        PartEdit(
            which=rng.uniform(),
            missing=bool(rng.uniform() < config.missing),
            shift=rng.uniform(*config.shift),
            direction=rng.uniform(0, 360),
            turn=rng.uniform(*config.turn),
        )
        for _ in range(rng.integers(config.parts[0], config.parts[1], endpoint=True))
    )
    return ScanEdits(parts=parts, bend=Bend(sag=rng.uniform(*config.sag), direction=rng.uniform(0, 360)))


def find_parts(scan: PreparedScan) -> Parts:
    """Find what can be moved within a scan without a tear: dense things among less dense ones.

    From the lowest threshold to the highest, every connected component becomes a part that is neither too small nor
    too long and does not reach to the case, with a rim of one voxel where the scanner blurred it. Its inside is not
    looked at again.
    """
    description = scan.description
    step = max(1, math.ceil((scan.values.size / SEARCH_VOXELS) ** (1 / 3)))
    values = scan.values[::step, ::step, ::step]
    spacing = step * np.array([description.spacing[axis] for axis in description.axes])
    _, plane = _thin_and_plane(scan)
    longest = LONGEST * max(description.size_mm)
    edge = np.ceil(EDGE_MM / spacing)
    found: list[tuple[int, np.ndarray, tuple[slice, slice, slice]]] = []
    taken = np.zeros(values.shape, bool)
    levels = description.levels
    for threshold in EDIT_THRESHOLDS:
        intensity = levels.air + threshold * (levels.dense - levels.air)
        components, _ = label((values > (intensity - description.offset) / description.slope) & ~taken)
        volumes = np.bincount(components.ravel()) * spacing.prod()
        for number, box in enumerate(find_objects(components), start=1):
            size = spacing * [side.stop - side.start for side in box]
            inside = all(
                edge[axis] <= box[axis].start and box[axis].stop <= values.shape[axis] - edge[axis] for axis in plane
            )
            if volumes[number] < SMALLEST_MM3 or size.max() > longest or not inside:
                continue
            mask = components[box] == number
            taken[box] |= mask
            found.append((int(mask.sum()), mask, box))
    found.sort(key=lambda part: -part[0])
    labels = np.zeros(values.shape, np.uint8)
    for number, (_, mask, box) in enumerate(found[:MOST_PARTS], start=1):
        labels[box][mask] = number
    rims = maximum_filter(labels, 3)
    labels = np.where((labels == 0) & ~taken, rims, labels)
    return Parts.of(labels, step)


class PartsStore:
    """A folder of scans' parts, which may lie beside the scans; mapped into memory like them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = lru_cache(maxsize=None)(self._map)

    def __contains__(self, unit: str) -> bool:
        return self._step_path(unit).exists()

    def add(self, unit: str, parts: Parts) -> None:
        """Write the parts of a unit's scan."""
        with atomic_path(self._labels_path(unit)) as temporary:
            np.save(temporary, parts.labels)
        write_json(self._step_path(unit), parts.step)

    def read(self, unit: str) -> Parts:
        """Return the parts of a unit's scan."""
        return self._read(unit)

    def _map(self, unit: str) -> Parts:
        return Parts.of(np.load(self._labels_path(unit), mmap_mode="r"), read_json(self._step_path(unit)))

    def _labels_path(self, unit: str) -> Path:
        return self.folder / f"{unit}.parts.npy"

    def _step_path(self, unit: str) -> Path:
        return self.folder / f"{unit}.parts.json"


def edited(scan: PreparedScan, parts: Parts, edits: ScanEdits) -> PreparedScan:
    """Return a copy of a scan with its parts moved or missing, and bent.

    Args:
        scan: to edit, or any other on the same grid (an indicator of a material), whose air then takes the place of
            what is missing.
        parts: of the scan, from :func:`find_parts`.
        edits: what to do.
    """
    description = scan.description
    air = int(np.clip(round((description.levels.air - description.offset) / description.slope), 0, description.top))
    thin, plane = _thin_and_plane(scan)
    order = (*plane, thin)  # from here on, whatever the order in which they are stored
    spacing = np.array([description.spacing[description.axes[axis]] for axis in order])
    values = np.array(scan.values).transpose(order)
    for edit in edits.parts if len(parts) else ():
        number = min(int(edit.which * len(parts)), len(parts) - 1)
        _edit_part(values, scan.values.transpose(order), parts, number, order, spacing, edit, air)
    if edits.bend.sag:
        values = _bent(values, edits.bend, spacing, air)
    return replace(scan, values=np.ascontiguousarray(values.transpose(np.argsort(order))))


def _thin_and_plane(scan: PreparedScan) -> tuple[int, tuple[int, int]]:
    """Return the array axis along which the unit is thinnest, and the other two in the order x, y, z."""
    axes = scan.description.axes
    by_unit_axis = np.argsort(axes)
    thin = min(range(3), key=lambda axis: scan.description.size_mm[axes[axis]])
    first, second = (int(axis) for axis in by_unit_axis if axis != thin)
    return thin, (first, second)


def _edit_part(
    values: np.ndarray,
    original: np.ndarray,
    parts: Parts,
    number: int,
    order: tuple[int, int, int],
    spacing: np.ndarray,
    edit: PartEdit,
    air: int,
) -> None:
    """Take a part of ``original`` out of ``values`` and, unless it is missing, put it in elsewhere."""
    coarse = tuple(parts.boxes[number][axis] for axis in order)
    mask = parts.labels.transpose(order)[coarse] == number + 1
    for axis in range(3):
        mask = mask.repeat(parts.step, axis)
    start = parts.step * np.array([side.start for side in coarse])
    stop = np.minimum(start + mask.shape, values.shape)
    mask = mask[tuple(slice(length) for length in stop - start)]
    box = tuple(slice(first, last) for first, last in zip(start, stop, strict=True))
    values[box][mask] = air
    if edit.missing:
        return
    half = (stop - start)[:2] / 2 * spacing[:2]
    angle, towards = edit.turn / np.hypot(*half), np.radians(edit.direction)
    edge = np.ceil(EDGE_MM / spacing[:2])
    shift = edit.shift * np.array([np.cos(towards), np.sin(towards)]) / spacing[:2]
    shift = np.clip(shift, np.minimum(0, edge - start[:2]), np.maximum(0, values.shape[:2] - edge - stop[:2]))
    turned = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forward = turned * spacing[None, :2] / spacing[:2, None]
    centre = (mask.shape[:2] - np.ones(2)) / 2  # in indices of the part, as is what follows
    reach = np.abs(forward) @ (stop - start)[:2] / 2
    low = np.maximum(np.floor(centre + shift - reach), 1 - start[:2]).astype(int)
    high = np.minimum(np.ceil(centre + shift + reach) + 1, values.shape[:2] - start[:2] - 1).astype(int)
    target = tuple(slice(*ends) for ends in zip(start[:2] + low, start[:2] + high, strict=True))
    back = np.linalg.inv(forward)
    _put_in(values[(*target, box[2])], original[box], mask, back, back @ (low - centre - shift) + centre)


@njit(cache=True, nogil=True)
def _put_in(values: np.ndarray, part: np.ndarray, mask: np.ndarray, back: np.ndarray, offset: np.ndarray) -> None:
    """Write a part over ``values``, as seen at its indices ``back @ (i, j) + offset``.

    Both the part and the mask that says what belongs to it are interpolated, so its edge stays soft.
    """
    weights = np.empty(4)
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            x = back[0, 0] * i + back[0, 1] * j + offset[0]
            y = back[1, 0] * i + back[1, 1] * j + offset[1]
            x0, y0 = int(np.floor(x)), int(np.floor(y))
            if not (-1 <= x0 < part.shape[0] and -1 <= y0 < part.shape[1]):
                continue
            for corner in range(4):
                weights[corner] = (x - x0 if corner & 1 else 1 - x + x0) * (y - y0 if corner & 2 else 1 - y + y0)
            for k in range(values.shape[2]):
                weight, value = 0.0, 0.0
                for corner in range(4):
                    near_x, near_y = x0 + (corner & 1), y0 + (corner >> 1)
                    if 0 <= near_x < part.shape[0] and 0 <= near_y < part.shape[1] and mask[near_x, near_y, k]:
                        weight += weights[corner]
                        value += weights[corner] * part[near_x, near_y, k]
                if weight > 0:
                    values[i, j, k] = int((1 - weight) * values[i, j, k] + value + 0.5)


def _bent(values: np.ndarray, bend: Bend, spacing: np.ndarray, air: int) -> np.ndarray:
    """Move every column along the thin (last) axis by a parabola of its place; the array grows so that all stays in."""
    across, up = ((np.arange(values.shape[axis]) - (values.shape[axis] - 1) / 2) * spacing[axis] for axis in (0, 1))
    towards = np.radians(bend.direction)
    along = np.cos(towards) * across[:, None] + np.sin(towards) * up[None, :]
    rise = bend.sag * ((along / np.abs(along).max()) ** 2 - 0.5) / spacing[2]  # voxels, half up and half down
    room = math.ceil(abs(bend.sag) / 2 / spacing[2])
    out = np.empty((*values.shape[:2], values.shape[2] + 2 * room), values.dtype)
    _shift_columns(values, -room - rise, air, out)
    return out


@njit(cache=True, nogil=True)
def _shift_columns(values: np.ndarray, shift: np.ndarray, air: int, out: np.ndarray) -> None:
    """Set ``out[i, j, k]`` to ``values[i, j, k + shift[i, j]]``, linearly interpolated, air beyond the ends."""
    depth = values.shape[2]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            whole = int(np.floor(shift[i, j]))
            share = shift[i, j] - whole
            for k in range(out.shape[2]):
                at = k + whole
                low = values[i, j, at] if 0 <= at < depth else air
                high = values[i, j, at + 1] if 0 <= at + 1 < depth else air
                out[i, j, k] = int((1 - share) * low + share * high + 0.5)

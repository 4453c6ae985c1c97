"""Edits of a scan: parts that moved, turned or are missing, a unit that is bent.

One scan that is edited at random shows more of what real units look like than many images of it as it is. Nothing is
known of a scan but its voxels, so parts are what thresholds and connectivity tell apart (:func:`find_parts`), once a
scan. :func:`draw_edits` draws, :func:`edited` is its deterministic twin; it copies the scan and touches the boxes of
the edited parts only, so every image can have edits of its own.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from numba import njit
from pydantic import Field
from scipy.ndimage import find_objects, label, maximum_filter

from rgbx.config import Config, Range, within
from rgbx.radiography.scans import PreparedScan

THRESHOLDS = (0.1, 0.14, 0.2, 0.28, 0.4, 0.56, 0.8, 1.1)
"""Scan intensities at which parts are told apart, from air (0) to dense metal (1) and beyond."""
SMALLEST_MM3 = 20.0
"""Volume of the smallest part; what is smaller hardly shows."""
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
    """and turned about its own centre in that plane, degrees."""


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
    shift: Annotated[Range, within(0)] = (0.0, 3.0)
    """How far parts move, mm."""
    turn: Range = (-12.0, 12.0)
    """How far parts turn, degrees."""
    sag: Range = (-1.5, 1.5)
    """How much the unit is bent, mm."""


RANDOM_EDITS = EditRandomisation(probability=0.5)
"""What ``--edits random`` stands for."""


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

    From the lowest threshold to the highest, every connected component that is neither too small nor too long becomes
    a part, with a rim of one voxel where the scanner blurred it; its inside is not looked at again.
    """
    description = scan.description
    step = max(1, math.ceil((scan.values.size / SEARCH_VOXELS) ** (1 / 3)))
    values = scan.values[::step, ::step, ::step]
    spacing = step * np.array([description.spacing[axis] for axis in description.axes])
    longest = LONGEST * max(description.size_mm)
    found: list[tuple[int, np.ndarray, tuple[slice, slice, slice]]] = []
    taken = np.zeros(values.shape, bool)
    levels = description.levels
    for threshold in THRESHOLDS:
        intensity = levels.air + threshold * (levels.dense - levels.air)
        components, _ = label((values > (intensity - description.offset) / description.slope) & ~taken)
        volumes = np.bincount(components.ravel()) * spacing.prod()
        for number, box in enumerate(find_objects(components), start=1):
            size = spacing * [side.stop - side.start for side in box]
            if volumes[number] < SMALLEST_MM3 or size.max() > longest:
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
    return Parts(labels, step, tuple(box for box in find_objects(labels) if box is not None))


def edited(scan: PreparedScan, parts: Parts, edits: ScanEdits) -> PreparedScan:
    """Return a copy of a scan with its parts moved or missing, and bent.

    Args:
        scan: to edit, or any other on the same grid (an indicator of a material), whose air then takes the place of
            what is missing.
        parts: of the scan, from :func:`find_parts`.
        edits: what to do.
    """
    description = scan.description
    air = np.clip(round((description.levels.air - description.offset) / description.slope), 0, description.top)
    spacing = np.array([description.spacing[axis] for axis in description.axes])
    thin = int(np.argmin([description.size_mm[axis] for axis in description.axes]))
    plane = sorted((axis for axis in range(3) if axis != thin), key=lambda axis: description.axes[axis])
    values = np.array(scan.values)  # in memory, contiguous
    for edit in edits.parts if len(parts) else ():
        number = min(int(edit.which * len(parts)), len(parts) - 1)
        box = np.array([(side.start, side.stop) for side in parts.boxes[number]]) * parts.step
        box[:, 1] = np.minimum(box[:, 1], values.shape)
        _take_out(values, parts.labels, number + 1, parts.step, box, air)
        if not edit.missing:
            rotation, shift = np.eye(3), np.zeros(3)
            cosine, sine = np.cos(np.radians(edit.turn)), np.sin(np.radians(edit.turn))
            rotation[np.ix_(plane, plane)] = [[cosine, -sine], [sine, cosine]]
            towards = np.radians(edit.direction)
            shift[plane] = edit.shift * np.array([np.cos(towards), np.sin(towards)]) / spacing[plane]
            forward = rotation * spacing[None, :] / spacing[:, None]
            centre = (box.sum(axis=1) - 1) / 2
            reach = np.abs(forward) @ (box[:, 1] - box[:, 0]) / 2
            target = np.stack([np.floor(centre + shift - reach), np.ceil(centre + shift + reach) + 1], axis=1)
            target = np.clip(target.astype(int), 1, np.array(values.shape)[:, None] - 1)  # the outermost voxels are air
            back = np.linalg.inv(forward)
            _put_in(values, scan.values, parts.labels, number + 1, parts.step, target, back, centre - back @ (centre + shift))
    if edits.bend.sag:
        values = _bent(values, edits.bend, thin, plane, spacing, air)
    return replace(scan, values=values)


@njit(cache=True, nogil=True)
def _take_out(
    values: np.ndarray, labels: np.ndarray, number: int, step: int, box: np.ndarray, air: int
) -> None:
    """Put air where a part is; ``box`` (3, 2) holds it."""
    for i in range(box[0, 0], box[0, 1]):
        for j in range(box[1, 0], box[1, 1]):
            for k in range(box[2, 0], box[2, 1]):
                if labels[i // step, j // step, k // step] == number:
                    values[i, j, k] = air


@njit(cache=True, nogil=True)
def _put_in(
    values: np.ndarray,
    original: np.ndarray,
    labels: np.ndarray,
    number: int,
    step: int,
    box: np.ndarray,
    back: np.ndarray,
    offset: np.ndarray,
) -> None:
    """Write a part of ``original`` over ``values``, as seen at indices ``back @ index + offset``.

    Both the part and the mask that says what is part of it are interpolated trilinearly, so its edge stays soft.
    """
    near = np.empty(3, np.int64)
    share = np.empty(3)
    for i in range(box[0, 0], box[0, 1]):
        for j in range(box[1, 0], box[1, 1]):
            for k in range(box[2, 0], box[2, 1]):
                inside = True
                for axis in range(3):
                    at = back[axis, 0] * i + back[axis, 1] * j + back[axis, 2] * k + offset[axis]
                    near[axis] = int(np.floor(at))
                    share[axis] = at - near[axis]
                    inside &= 0 <= near[axis] < original.shape[axis] - 1
                if not inside:
                    continue
                weight, value = 0.0, 0.0
                for corner in range(8):
                    a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
                    x, y, z = near[0] + a, near[1] + b, near[2] + c
                    if labels[x // step, y // step, z // step] == number:
                        part = (
                            (share[0] if a else 1 - share[0])
                            * (share[1] if b else 1 - share[1])
                            * (share[2] if c else 1 - share[2])
                        )
                        weight += part
                        value += part * original[x, y, z]
                if weight > 0:
                    values[i, j, k] = int((1 - weight) * values[i, j, k] + value + 0.5)


def _bent(
    values: np.ndarray, bend: Bend, thin: int, plane: Sequence[int], spacing: np.ndarray, air: int
) -> np.ndarray:
    """Move every column along the thin axis by a parabola of its place; the array grows so that all stays in it."""
    places = [
        (np.arange(values.shape[axis]) - (values.shape[axis] - 1) / 2) * spacing[axis] for axis in plane
    ]
    towards = np.radians(bend.direction)
    along = np.add.outer(np.cos(towards) * places[0], np.sin(towards) * places[1])
    rise = bend.sag * ((along / np.abs(along).max()) ** 2 - 0.5) / spacing[thin]  # voxels, half up and half down
    room = math.ceil(abs(bend.sag) / 2 / spacing[thin])
    shape = list(values.shape)
    shape[thin] += 2 * room
    out = np.empty(shape, values.dtype)
    if plane[0] > plane[1]:
        rise = rise.T
    columns, bent_columns = np.moveaxis(values, thin, 2), np.moveaxis(out, thin, 2)
    _shift_columns(columns, np.ascontiguousarray(rise - room), air, bent_columns)
    return out


@njit(cache=True, nogil=True)
def _shift_columns(values: np.ndarray, rise: np.ndarray, air: int, out: np.ndarray) -> None:
    """Set ``out[i, j, k]`` to ``values[i, j, k + rise[i, j]]``, linearly interpolated, air beyond the ends."""
    depth = values.shape[2]
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            whole = int(np.floor(rise[i, j]))
            share = rise[i, j] - whole
            for k in range(out.shape[2]):
                at = k + whole
                low = values[i, j, at] if 0 <= at < depth else air
                high = values[i, j, at + 1] if 0 <= at + 1 < depth else air
                out[i, j, k] = int((1 - share) * low + share * high + 0.5)

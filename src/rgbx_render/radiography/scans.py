"""Scans made ready for projection: compact, cropped to the unit, laid out for the kernel, mapped from disk."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx.files import atomic_path, read_json, write_json
from rgbx.geometry import Vector
from rgbx_render.devices.extent import SOLID, UnitBox, find_extent, thinned
from rgbx_render.devices.volume import Volume

DENSE_PERCENTILE = 98.5
"""Of the unit's box."""
AIR_VOXELS = 2
"""Voxels of air put round the box: one for the field to end in, one that the kernel may read past it."""
LARGEST_BYTES = 2**31 - 1
"""Of a prepared scan; the kernel's lanes count bytes in 32 bits."""
LINES = 100
"""How many lines across a unit are summarised, about."""
INTENSITY_EDGES = np.geomspace(0.01, 10, 33)
"""Between classes of intensity, on the scale of :class:`ScanLevels`; what is below is air."""
INTENSITY_BINS = np.sqrt(INTENSITY_EDGES[1:] * INTENSITY_EDGES[:-1])
"""Their middles."""
LIGHTEST, LIGHTEST_TO_NOISE = 0.05, 5.0
"""A line with nothing above this, and above so many standard deviations of the noise in air, goes past the unit."""


class ScanLevels(Config):
    """The two intensities that transfer functions are anchored to; whatever the scanner's units."""

    air: float
    """Scan intensity of air: transfer functions' 0."""
    dense: float
    """Scan intensity of the densest metal parts: transfer functions' 1."""


class ScanDescription(Config):
    """What is needed to use a prepared scan, besides its voxels."""

    spacing: Vector
    """Distance between voxel centres along the unit's x, y, z, mm."""
    axes: tuple[int, int, int]
    """Which of the unit's axes (0 = x, 1 = y, 2 = z) each axis of the stored array is."""
    offset: float
    slope: float
    """Scan intensity = offset + slope * stored value."""
    top: int
    """Largest stored value."""
    levels: ScanLevels
    size_mm: Vector
    """Of the unit's bounding box along x, y, z."""
    contents: tuple[tuple[float, ...], ...]
    """How much of each of :data:`INTENSITY_BINS` lies along lines across the unit, mm: (lines, classes)."""

    @property
    def diagonal_mm(self) -> float:
        """Of the two longer sides."""
        return math.hypot(*sorted(self.size_mm)[1:])


@dataclass(frozen=True)
class PreparedScan:
    """A scan as the kernel wants it: two voxels of air all round, origin at the unit's centre.

    The field that is projected is the trilinear interpolation of ``values``. It ends in the air; outside there is
    nothing. Along the thinnest axis, which most rays run along, neighbours lie one short row apart in memory: a ray
    finds what it reads close together, and a packet of rays finds neighbours of other axes beside one another.
    """

    values: np.ndarray
    """uint8 or uint16, C-contiguous, axes in the order of ``description.axes``: longest, thinnest, the other."""
    description: ScanDescription

    def index_frame(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the (3, 3) matrix and (3,) offset that take unit coordinates in mm to indices into ``values``."""
        axes = list(self.description.axes)
        matrix = np.zeros((3, 3))
        matrix[range(3), axes] = 1 / np.array(self.description.spacing)[axes]
        return matrix, (np.array(self.values.shape) - 1) / 2


def prepare_scan(volume: Volume) -> PreparedScan:
    """Make a scan ready for projection.

    It is cropped to the box of what is not air, so that a unit is centred however it lay in the scanner, and stored
    in 16 bits (8 where the scan has 8).

    Raises:
        RgbxError: the unit's box is larger than the kernel can handle.
    """
    box, levels = find_unit(volume.values)
    return _laid_out(volume.values[box], volume.spacing, levels)


def prepare_labels(labels: Volume, scan: Volume) -> PreparedScan:
    """Make the material labels of a scan ready: uint8, on the grid that :func:`prepare_scan` puts the scan on.

    Their "intensity" is the label; 0 is air.
    """
    box, _ = find_unit(scan.values)
    return _laid_out(labels.values[box].astype(np.uint8), scan.spacing, ScanLevels(air=0, dense=1))


def _laid_out(cropped: np.ndarray, voxel_size: Vector, levels: ScanLevels) -> PreparedScan:
    values, offset, slope = _compact(cropped)
    air = np.clip(round((levels.air - offset) / slope), 0, np.iinfo(values.dtype).max)
    padded = np.pad(values, AIR_VOXELS, constant_values=values.dtype.type(air))
    if padded.nbytes > LARGEST_BYTES:
        raise RgbxError(
            f"A scan whose unit takes {padded.nbytes / 2**30:.1f} GiB is too large to project (at most 2 GiB): "
            "resample it to larger voxels."
        )
    thinnest, middle, longest = sorted(range(3), key=lambda axis: padded.shape[axis])
    numpy_axes = (longest, thinnest, middle)
    size = np.array(voxel_size) * np.array(values.shape[::-1])
    description = ScanDescription(
        spacing=voxel_size,
        axes=tuple(2 - axis for axis in numpy_axes),
        offset=offset,
        slope=slope,
        top=int(padded.max()),
        levels=levels,
        size_mm=tuple(size.tolist()),
        contents=_contents(padded, offset, slope, levels, voxel_size),
    )
    return PreparedScan(np.ascontiguousarray(padded.transpose(numpy_axes)), description)


def find_unit(values: np.ndarray) -> tuple[UnitBox, ScanLevels]:
    """Return the box of what is not air, with a small margin, and the scan's levels.

    Dense parts are measured within the box, so it does not matter how much air was scanned along with the unit.

    Raises:
        RgbxError: nothing is denser than air.
    """
    box, air, bright, _ = find_extent(values)
    boxed = values[box]
    dense = np.percentile(thinned(boxed), DENSE_PERCENTILE)
    if dense <= air + SOLID * (bright - air):  # a wire, or a frame: nearly all of its box is air
        dense = boxed.max()
    if dense <= air:
        raise RgbxError(
            "A scan in which nothing is denser than air cannot be projected: export it again with its original grey "
            "values."
        )
    return box, ScanLevels(air=air, dense=float(dense))


def _contents(
    values: np.ndarray, offset: float, slope: float, levels: ScanLevels, spacing: Vector
) -> tuple[tuple[float, ...], ...]:
    """Summarise what rays along the thinnest axis (z, y or x of ``values``) go through, on a grid of lines."""
    thinnest = int(np.argmin(values.shape))
    across = np.moveaxis(values, thinnest, 2)
    every = max(1, round(np.sqrt(across.shape[0] * across.shape[1] / LINES)))
    lines = across[every // 2 :: every, every // 2 :: every].reshape(-1, across.shape[2])
    intensities = (offset + slope * lines - levels.air) / (levels.dense - levels.air)
    counts = np.stack([np.histogram(line, INTENSITY_EDGES)[0] for line in intensities])
    in_air = intensities[intensities < LIGHTEST]
    noise = 1.4826 * np.median(np.abs(in_air - np.median(in_air)))
    through = (intensities > max(LIGHTEST, LIGHTEST_TO_NOISE * noise)).any(axis=1)
    through_unit = counts[through] * spacing[2 - thinnest]
    return tuple(tuple(line) for line in np.round(through_unit, 4).tolist())


class ScanStore:
    """A folder of prepared scans, mapped into memory so that processes share them and memory stays small."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = lru_cache(maxsize=None)(self._map)

    def __contains__(self, unit: str) -> bool:
        return self._description_path(unit).exists()

    def add(self, unit: str, scan: PreparedScan) -> None:
        """Write a scan; its description last, so that a scan is there whole or not at all."""
        with atomic_path(self.folder / f"{unit}.npy") as temporary:
            np.save(temporary, scan.values)
        write_json(self._description_path(unit), scan.description.model_dump(mode="json"))

    def describe(self, unit: str) -> ScanDescription:
        """Read what is known of a scan."""
        return ScanDescription.model_validate(read_json(self._description_path(unit)))

    def read(self, unit: str) -> PreparedScan:
        """Return a scan; its voxels are read from disk as they are used."""
        return self._read(unit)

    def _map(self, unit: str) -> PreparedScan:
        return PreparedScan(np.load(self.folder / f"{unit}.npy", mmap_mode="r"), self.describe(unit))

    def _description_path(self, unit: str) -> Path:
        return self.folder / f"{unit}.json"


def _compact(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Return values as uint8 or uint16, with the offset and slope that take them back to scan intensities."""
    if values.dtype in (np.uint8, np.uint16):
        return values, 0.0, 1.0
    low, high = float(values.min()), float(values.max())
    slope = (high - low) / 65535 or 1.0
    compact = np.empty(values.shape, np.uint16)
    for plane, out in zip(values, compact, strict=True):
        out[:] = np.rint((plane.astype(np.float64) - low) / slope)
    return compact, low, slope

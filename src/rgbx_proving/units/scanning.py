"""A CT scan of a unit, made from its parts as a scanner and its reconstruction would show them.

The scan's intensities are proportional to linear attenuation at one effective energy: ``SCALE`` a 1/cm, air 0.
What attenuates more than 65535 / ``SCALE`` = 16.4 /cm (tungsten, tantalum, gold) saturates, as in a real scan.
"""

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter1d

from rgbx.files import digest
from rgbx_proving.units.materials import MATERIALS, attenuation_table
from rgbx_proving.units.parts import PartList, Prism
from rgbx_render.devices.volume import Volume

EFFECTIVE_ENERGY_KEV = 100.0
"""Mean energy behind a phone or the like of a 160 kVp tube with 1 mm copper, roughly."""
SCALE = 4000.0
"""Scan intensity of an attenuation of 1/cm."""
NOISE = 120.0
"""Standard deviation of the reconstruction's noise, in scan intensity."""
BLUR_VOXELS = 0.5
"""Standard deviation of the reconstruction's point spread."""
MARGIN_MM = 1.0
"""Air round the unit."""
_SUPERSAMPLING = 3
"""Points along a voxel's x and y edge at which the material is looked up, for partial volume."""
LAYER_SAMPLING_MM = 0.06
"""Along z, where devices have thin layers, points are at most this far apart."""
LABELS = dict(enumerate((name for name in MATERIALS if name != "air"), start=1))
"""Number and name of each material in a label volume."""


def scan_unit(parts: PartList, spacing_mm: float, seed: int = 0) -> Volume:
    """Scan a unit.

    Args:
        parts: the unit.
        spacing_mm: edge of the cubic voxels.
        seed: of the noise.

    Returns:
        A uint16 volume centred on the unit frame's origin.
    """
    table = attenuation_table(EFFECTIVE_ENERGY_KEV)
    intensities = [min(65535.0, 10 * SCALE * table[part.material]) for part in parts.parts]
    factor_z = max(_SUPERSAMPLING, int(np.ceil(spacing_mm / LAYER_SAMPLING_MM)))
    values = _painted(parts, intensities, spacing_mm, _SUPERSAMPLING, factor_z)
    for axis in range(3):
        gaussian_filter1d(values, BLUR_VOXELS, axis=axis, output=values, mode="nearest")
    rng = np.random.default_rng(int(digest("scan", parts.device_class, parts.unit, str(seed)), 16))
    scan = np.empty(values.shape, np.uint16)
    for plane, out in zip(values, scan, strict=True):
        plane += NOISE * rng.standard_normal(plane.shape, np.float32)
        out[:] = np.clip(np.rint(plane), 0, 65535)
    return Volume(scan, (spacing_mm, spacing_mm, spacing_mm))


def label_unit(parts: PartList, spacing_mm: float) -> Volume:
    """Say what material is at the centre of each voxel of :func:`scan_unit`'s grid.

    Layers thinner than a voxel may lie between centres and so be missed.

    Returns:
        A uint8 volume of :data:`LABELS`; 0 is air.
    """
    numbers = {name: number for number, name in LABELS.items()}
    labels = [float(numbers.get(part.material, 0)) for part in parts.parts]
    values = _painted(parts, labels, spacing_mm, factor=1, factor_z=1)
    return Volume(values.astype(np.uint8), (spacing_mm, spacing_mm, spacing_mm))


def _painted(parts: PartList, values: list[float], spacing_mm: float, factor: int, factor_z: int) -> np.ndarray:
    """Return (nz, ny, nx) float32 with one value for each part, averaged over points within each voxel."""
    solids = _Solids(parts)
    extent = 2 * (solids.reach + MARGIN_MM)
    nx, ny, nz = (int(np.ceil(length / spacing_mm)) for length in extent)
    painted = np.empty((nz, ny, nx), np.float32)
    _paint(
        solids.rounded, solids.halves, solids.radii, solids.centres, solids.to_local, solids.boxes,
        np.array([*values, 0.0], np.float32), spacing_mm, factor, factor_z, painted,
    )  # fmt: skip
    return painted


class _Solids:
    """The parts as arrays, for the compiled painter."""

    def __init__(self, parts: PartList) -> None:
        self.rounded = np.array([isinstance(part.shape, Prism) for part in parts.parts])
        self.halves = np.array([part.shape.size for part in parts.parts]) / 2
        self.radii = np.array([part.shape.radius if isinstance(part.shape, Prism) else 0.0 for part in parts.parts])
        self.centres = np.array([part.position for part in parts.parts])
        to_unit = np.array([part.rotation_matrix() for part in parts.parts])
        self.to_local = np.ascontiguousarray(to_unit.transpose(0, 2, 1))
        boxes = np.einsum("nij,nj->ni", np.abs(to_unit), self.halves)
        self.boxes = np.stack([self.centres - boxes, self.centres + boxes], axis=1)
        solid = np.array([part.material != "air" for part in parts.parts])
        self.reach: np.ndarray = np.abs(self.boxes[solid]).max(axis=(0, 1))
        """Furthest that any solid gets from the origin along x, y, z."""


@njit(cache=True)
def _slab(origin: float, direction: float, half: float) -> tuple[float, float]:
    """Where a line is within ±half of one coordinate."""
    if abs(direction) < 1e-12:
        return (-np.inf, np.inf) if abs(origin) <= half else (np.inf, -np.inf)
    first, second = (-half - origin) / direction, (half - origin) / direction
    return min(first, second), max(first, second)


@njit(cache=True)
def _disc(ox: float, oy: float, dx: float, dy: float, radius: float) -> tuple[float, float]:
    """Where a line is within an infinite cylinder about the local z axis."""
    a, b, c = dx * dx + dy * dy, ox * dx + oy * dy, ox * ox + oy * oy - radius * radius
    if a < 1e-24:
        return (-np.inf, np.inf) if c <= 0 else (np.inf, -np.inf)
    discriminant = b * b - a * c
    if discriminant < 0:
        return np.inf, -np.inf
    root = np.sqrt(discriminant)
    return (-b - root) / a, (-b + root) / a


@njit(cache=True)
def _interval(
    rounded: bool, half: np.ndarray, radius: float, origin: np.ndarray, direction: np.ndarray
) -> tuple[float, float]:
    """Where the line ``origin + t direction`` (local coordinates) is within a part: (t0, t1), empty if t0 > t1.

    A rounded rectangle is the union of two rectangles and four discs; as it is convex, the line's intervals with
    these join without a gap.
    """
    if not rounded:
        ox, oy, oz = origin[0] / half[0], origin[1] / half[1], origin[2] / half[2]
        dx, dy, dz = direction[0] / half[0], direction[1] / half[1], direction[2] / half[2]
        a, b, c = dx * dx + dy * dy + dz * dz, ox * dx + oy * dy + oz * dz, ox * ox + oy * oy + oz * oz - 1
        discriminant = b * b - a * c
        if discriminant < 0:
            return np.inf, -np.inf
        root = np.sqrt(discriminant)
        return (-b - root) / a, (-b + root) / a
    bottom, top = _slab(origin[2], direction[2], half[2])
    start, end = np.inf, -np.inf
    for inset_x, inset_y in ((radius, 0.0), (0.0, radius)):
        x0, x1 = _slab(origin[0], direction[0], half[0] - inset_x)
        y0, y1 = _slab(origin[1], direction[1], half[1] - inset_y)
        t0, t1 = max(x0, y0), min(x1, y1)
        if t0 <= t1:
            start, end = min(start, t0), max(end, t1)
    if radius > 0:
        for side_x in (-1.0, 1.0):
            for side_y in (-1.0, 1.0):
                t0, t1 = _disc(
                    origin[0] - side_x * (half[0] - radius),
                    origin[1] - side_y * (half[1] - radius),
                    direction[0],
                    direction[1],
                    radius,
                )
                if t0 <= t1:
                    start, end = min(start, t0), max(end, t1)
    return max(start, bottom), min(end, top)


@njit(cache=True)
def _paint(
    rounded: np.ndarray,
    halves: np.ndarray,
    radii: np.ndarray,
    centres: np.ndarray,
    to_local: np.ndarray,
    boxes: np.ndarray,
    intensities: np.ndarray,
    spacing: float,
    factor: int,
    factor_z: int,
    values: np.ndarray,
) -> None:
    """Fill ``values`` (nz, ny, nx) with the mean intensity of the points of a finer grid.

    That has ``factor`` points a voxel along x and y and ``factor_z`` along z. One of its planes at a time holds the
    index of the part at each point; the parts are painted in order, each as runs along x. The last intensity is that
    of the air round the unit.
    """
    nz, ny, nx = values.shape
    step = spacing / factor
    left, bottom, back = -0.5 * nx * spacing + 0.5 * step, -0.5 * ny * spacing + 0.5 * step, -0.5 * nz * spacing
    air = len(intensities) - 1
    labels = np.empty((ny * factor, nx * factor), np.int16)
    origin, direction = np.empty(3), np.empty(3)
    share = 1.0 / (factor**2 * factor_z)
    for k in range(nz):
        values[k] = 0
        for fine in range(factor_z):
            z = back + (k + (fine + 0.5) / factor_z) * spacing
            labels[:] = air
            for part in range(len(rounded)):
                if z < boxes[part, 0, 2] or z > boxes[part, 1, 2]:
                    continue
                rotation = to_local[part]
                direction[:] = rotation[:, 0]
                first = max(0, int(np.ceil((boxes[part, 0, 1] - bottom) / step)))
                last = min(labels.shape[0] - 1, int(np.floor((boxes[part, 1, 1] - bottom) / step)))
                for j in range(first, last + 1):
                    y = bottom + j * step - centres[part, 1]
                    for axis in range(3):
                        origin[axis] = (
                            -rotation[axis, 0] * centres[part, 0]
                            + rotation[axis, 1] * y
                            + rotation[axis, 2] * (z - centres[part, 2])
                        )
                    t0, t1 = _interval(rounded[part], halves[part], radii[part], origin, direction)
                    if t0 <= t1:
                        i0 = max(0, int(np.ceil((t0 - left) / step)))
                        i1 = min(labels.shape[1] - 1, int(np.floor((t1 - left) / step)))
                        if i0 <= i1:
                            labels[j, i0 : i1 + 1] = part
            for j in range(labels.shape[0]):
                row = values[k, j // factor]
                for i in range(nx):
                    total = np.float32(0)
                    for fine_i in range(factor):
                        total += intensities[labels[j, i * factor + fine_i]]
                    row[i] += share * total

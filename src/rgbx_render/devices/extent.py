"""Where the unit is in its scan: what is air, what was never measured, and the box round all the rest."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy.ndimage import binary_dilation, binary_propagation, maximum_filter, minimum_filter, uniform_filter

from rgbx_render.devices.volume import Volume

SMOOTHING = 3
"""Edge in voxels of the cube that a scan is averaged over before unit and air are told apart; it takes away noise."""
AIR_PERCENTILE, BRIGHT_PERCENTILE = 0.5, 99.9
"""Of the smoothed scan."""
SOLID = 0.02
"""A voxel is part of the unit if it is this far up from air to the bright percentile."""
SOLID_VOXELS = 30
"""A slice is part of the unit's box if it has so many solid voxels; a speck does not count."""
BOX_MARGIN = 2
"""Voxels kept round the unit's box."""
PADDING_SHARE = (1e-3, 0.5)
"""Of a scan's voxels are padding, where there is any; where more hold one value, the air was cut away."""
APART = 0.005
"""Fewer of the other voxels than this share come nearer to padding than this share of the scan's range."""
DEVIATIONS = 4.0
"""Padding is further than this from the measured air beside it, and that air no further from the scan's lowest values;
in standard deviations of its noise."""

UnitBox = tuple[slice, slice, slice]


class Extent(NamedTuple):
    """Where the unit is in an array, and two of the scan's levels."""

    box: UnitBox
    """Of what is not air, with a small margin; (z, y, x)."""
    air: float
    """Scan intensity of air."""
    bright: float
    """Scan intensity that hardly anything is above."""
    fills: bool
    """Whether the unit reaches both ends of each axis."""


def find_extent(values: np.ndarray) -> Extent:
    """Find the unit in a (nz, ny, nx) array without padding."""
    smooth = uniform_filter(values, SMOOTHING, mode="nearest")
    air, bright = np.percentile(thinned(smooth), [AIR_PERCENTILE, BRIGHT_PERCENTILE])
    solid = smooth > air + SOLID * (bright - air)
    box, fills = [], True
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        enough = min(SOLID_VOXELS, solid.size // solid.shape[axis])
        inside = np.flatnonzero(np.count_nonzero(solid, axis=others) >= enough)
        first, last = (inside[0], inside[-1]) if len(inside) else (0, solid.shape[axis] - 1)
        box.append(slice(max(0, int(first) - BOX_MARGIN), min(int(last) + 1 + BOX_MARGIN, solid.shape[axis])))
        fills &= bool(len(inside)) and bool(first == 0 and last == solid.shape[axis] - 1)
    return Extent((box[0], box[1], box[2]), float(air), float(bright), fills)


def without_padding(volume: Volume) -> Volume:
    """Replace what was never measured by air: corners outside a round field of view, blank slices at the ends.

    Such voxels hold one constant (0, −1024, −3024 …), from a corner of the scan inwards. It is told from air by its
    neighbours: measured air has noise, is the least dense of all that was measured, and is another value. A constant
    that meets no noisy air (a background cut away, a scan without noise) is air itself.

    Returns:
        The volume, its ``padding`` saying what the constant was; the same object where there is none.
    """
    values = volume.values
    corners = values[:: len(values) - 1, :: values.shape[1] - 1, :: values.shape[2] - 1].ravel()
    sample = thinned(values).astype(np.float64)
    for constant in _repeated(corners):
        if not _stands_apart(constant, sample):
            continue
        equal = values == constant
        core = maximum_filter(minimum_filter(equal, 3, mode="nearest"), 3, mode="nearest")  # no single voxels
        outside = binary_propagation(core, np.ones((3, 3, 3)), mask=equal)
        beside = values[binary_dilation(outside, iterations=2) & ~equal]
        if not len(beside):
            continue
        air = float(np.median(beside))
        noise = 1.4826 * float(np.median(np.abs(beside - air)))
        lowest = np.percentile(thinned(values[~outside]), 1)
        if noise > 0 and abs(float(constant) - air) > DEVIATIONS * noise >= abs(air - lowest):
            cleaned = values.copy()
            cleaned[outside] = air
            return replace(volume, values=cleaned, padding=float(constant))
    return volume


def thinned(values: np.ndarray) -> np.ndarray:
    """Return a few million of the values, evenly spread: enough for percentiles."""
    return values.ravel()[:: values.size // 4_000_000 + 1]


def _stands_apart(constant: float, sample: np.ndarray) -> bool:
    """Say whether as many voxels hold a constant as padding does, and hardly any of the others nearly so."""
    rest = sample[sample != constant]
    if not PADDING_SHARE[0] <= 1 - len(rest) / len(sample) <= PADDING_SHARE[1]:
        return False
    low, high = np.percentile(rest, [1, 99.9])
    return bool(np.mean(np.abs(rest - constant) < APART * (high - low)) < APART)


def _repeated(values: np.ndarray) -> np.ndarray:
    found, counts = np.unique(values, return_counts=True)
    return found[counts > 1]

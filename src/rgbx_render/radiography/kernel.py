"""The projection kernel: attenuation integrated along cone-beam rays through a scan.

What is integrated is μ(v(s)): v the trilinear interpolation of the scan, μ the transfer function applied *after*
interpolation, so that a transfer function never costs a pass over the volume. A ray is sampled at the slices of the
array axis it runs along most (Joseph 1982), where trilinear interpolation needs four voxels instead of eight, and
at points between them, more on oblique rays, which cross more voxels a slice. Between two samples v is taken as
linear; the integral of the piecewise-linear μ over it is then exact, however steep μ is (pre-integration, Engel et
al. 2001): (M(v₁) − M(v₀)) / (v₁ − v₀) · Δs with M' = μ.

From one slice to the next v bulges from the line by s(1 − s)(g₀ − g₁), s in [0, 1], where g is how v rises along the
ray *within* each slice; the bulge's mean, (g₀ − g₁) / 6, times the mean slope of μ, (μ₁ − μ₀) / (v₁ − v₀), is added.
It halves the error of one sample a slice.

Rays go in packets of 4 × 4 neighbours, one a SIMD lane. μ and M are sums over the points of the transfer function,
μ(v) = Σ sₖ max(v − xₖ, 0), computed in registers; two neighbouring voxels are read at once.
"""

from threading import Thread

import numpy as np
from numba import njit

from rgbx_render.radiography.projector import Rays, pixel_means
from rgbx_render.radiography.scans import PreparedScan
from rgbx_render.radiography.simd import (
    LANES,
    absolute,
    any_lane,
    gather,
    highest,
    lane,
    lane_numbers,
    lowest,
    maximum,
    minimum,
    spread,
    square_root,
    to_floats,
    to_integers,
    where,
)
from rgbx_render.radiography.transfer import TransferFunction

EDGE = 4
"""Rays along each edge of a packet."""
TILE = 16
"""Rays along each edge of a tile; packets of a tile follow one another, so that its voxels stay in the cache."""
NEARLY_EQUAL = 1e-3
"""Samples closer than this share of the transfer function's width are too close for a quotient of differences."""


def path_integrals(
    scan: PreparedScan, transfer: TransferFunction, rays: Rays, steps: int = 2, threads: int = 1
) -> np.ndarray:
    """Integrate attenuation from the source to the centre of every pixel.

    Args:
        scan: what the rays go through; nothing is outside of it.
        transfer: scan intensity → attenuation per mm.
        rays: in the unit's frame, mm.
        steps: samples for each voxel that a ray crosses, about. With 2 the transmission of phones is right to
            1e-3 (RMSE) in any pose; 1 takes half the time and is as good for units that lie about flat, where
            ``subsamples`` average its errors.
        threads: to share the rows of the image between; the image is the same for any number.

    Returns:
        (rows, columns) float32, dimensionless: ∫ μ ds.
    """
    description = scan.description
    points, slopes = _ramps(transfer, description.offset, description.slope)
    indexed = rays.transformed(*scan.index_frame())
    spacing = np.array([description.spacing[axis] for axis in description.axes])
    geometry = np.stack([indexed.source, indexed.corner, indexed.across, indexed.down, spacing])
    image = np.empty(rays.shape, np.float32)

    def project(share: int) -> None:
        _project(scan.values, points, slopes, geometry, image, share, threads, steps)

    helpers = [Thread(target=project, args=(share,)) for share in range(1, threads)]
    for helper in helpers:
        helper.start()
    project(0)
    for helper in helpers:
        helper.join()
    return image


def transmission(
    scan: PreparedScan,
    transfer: TransferFunction,
    rays: Rays,
    subsamples: int = 1,
    steps: int = 2,
    threads: int = 1,
) -> np.ndarray:
    """Return the share of the radiation that reaches every pixel, ``exp(-∫ μ ds)`` (Beer–Lambert).

    Args:
        scan: what the rays go through; nothing is outside of it.
        transfer: scan intensity → attenuation per mm.
        rays: in the unit's frame, mm.
        subsamples: rays along each edge of a pixel; a pixel shows the mean transmission of subsamples² rays, as a
            detector integrates intensity over its area. Needed where neighbouring rays are voxels apart, see
            :meth:`~rgbx_render.radiography.projector.Projector.subsamples_for`.
        steps: samples for each voxel, see :func:`path_integrals`.
        threads: see :func:`path_integrals`.

    Returns:
        (rows, columns) float32 in [0, 1].
    """
    through = np.exp(-path_integrals(scan, transfer, rays.refined(subsamples), steps, threads))
    return through if subsamples == 1 else pixel_means(through, subsamples)


def _ramps(transfer: TransferFunction, offset: float, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the transfer function as a sum of ramps over stored values: μ(v) = Σ slopes · max(v − points, 0)."""
    intensity, attenuation = (np.array(side, float) for side in zip(*transfer.points, strict=True))
    points = (intensity - offset) / slope
    rise = np.diff(attenuation) / np.diff(points)
    return points.astype(np.float32), np.diff(rise, prepend=0.0, append=0.0).astype(np.float32)


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def _project(values, points, slopes, geometry, image, share, shares, steps):  # type: ignore[no-untyped-def]
    """Fill every ``shares``-th row of tiles of ``image``; geometry in voxels: source, corner, across, down; spacing."""
    source, corner, across, down, spacing = geometry
    rows, columns = image.shape
    numbers = lane_numbers()
    right, below = to_floats(numbers & (EDGE - 1)), to_floats(numbers >> 2)
    for tile_row in range(share * TILE, rows, shares * TILE):
        for tile_column in range(0, columns, TILE):
            for row in range(tile_row, min(tile_row + TILE, rows), EDGE):
                for column in range(tile_column, min(tile_column + TILE, columns), EDGE):
                    x, y = right + (column + 0.5), below + (row + 0.5)
                    along_0 = (corner[0] - source[0]) + x * across[0] + y * down[0]
                    along_1 = (corner[1] - source[1]) + x * across[1] + y * down[1]
                    along_2 = (corner[2] - source[2]) + x * across[2] + y * down[2]
                    size_0, size_1, size_2 = absolute(along_0), absolute(along_1), absolute(along_2)
                    runs_along_1 = (size_1 >= size_0) & (size_1 >= size_2)
                    runs_along_0 = (size_0 > size_1) & (size_0 >= size_2)
                    runs_along_2 = (size_2 > size_0) & (size_2 > size_1)
                    total = spread(0.0)
                    if any_lane(runs_along_1):
                        total += _integrate(
                            values, points, slopes, source, spacing, 1, along_1, along_0, along_2, runs_along_1, steps
                        )
                    if any_lane(runs_along_0):
                        total += _integrate(
                            values, points, slopes, source, spacing, 0, along_0, along_1, along_2, runs_along_0, steps
                        )
                    if any_lane(runs_along_2):
                        total += _integrate(
                            values, points, slopes, source, spacing, 2, along_2, along_0, along_1, runs_along_2, steps
                        )
                    for number in range(LANES):
                        i, j = row + number // EDGE, column + number % EDGE
                        if i < rows and j < columns:
                            image[i, j] = lane(total, number)


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def _integrate(values, points, slopes, source, spacing, a, along_a, along_b, along_c, chosen, steps):  # type: ignore[no-untyped-def]
    """Integrate along ``source + t along``, t in [0, 1], in the chosen lanes, whose rays run along axis a."""
    b, c = (1 if a == 0 else 0), (1 if a == 2 else 2)
    item = values.itemsize
    strides = (item * values.shape[1] * values.shape[2], item * values.shape[2], item)
    stride_a, stride_b, stride_c = np.int32(strides[a]), np.int32(strides[b]), np.int32(strides[c])
    slope_b = where(chosen, along_b / along_a, 0.0)
    slope_c = where(chosen, along_c / along_a, 0.0)

    # Slices are counted from the middle of the array, where rays meet the plane at (middle_b, middle_c).
    half = 0.5 * (values.shape[a] - 1)
    origin = source[a] - half
    middle_b, middle_c = source[b] - origin * slope_b, source[c] - origin * slope_c
    first = maximum(minimum(along_a, 0.0) + origin, 1.0 - half)
    last = minimum(maximum(along_a, 0.0) + origin, half - 1.0)
    first, last = _clip(first, last, middle_b, slope_b, values.shape[b])
    first, last = _clip(first, last, middle_c, slope_c, values.shape[c])
    chosen = chosen & (first < last)
    if not any_lane(chosen):
        return spread(0.0)

    steps = int(steps * (1 + highest(where(chosen, absolute(slope_b) + absolute(slope_c), 0.0))))  # a slice, from here
    start = int(np.floor((lowest(where(chosen, first, half)) + half) * steps))
    stop = int(np.ceil((highest(where(chosen, last, -half)) + half) * steps))
    close = NEARLY_EQUAL * (points[-1] - points[0])
    bulging = 1 / 3 if steps == 1 else 0.0  # twice the mean of s(1 - s), as the integrals below are doubled
    total = spread(0.0)
    last_value, last_rise = spread(0.0), spread(0.0)
    last_attenuation, last_antiderivative = spread(0.0), spread(0.0)
    last_inside = spread(0.0) > 0.0
    slice_a, between = start // steps, start % steps
    for step in range(start, stop + 1):
        position_a = step / steps - half
        # Lanes that are not inside read some voxel, which is not used.
        position_b = minimum(maximum(middle_b + position_a * slope_b, 1.0), values.shape[b] - 2.001)
        position_c = minimum(maximum(middle_c + position_a * slope_c, 1.0), values.shape[c] - 2.001)
        inside = chosen & (first <= position_a) & (last >= position_a)
        index_b, index_c = to_integers(position_b), to_integers(position_c)
        fraction_b, fraction_c = position_b - to_floats(index_b), position_c - to_floats(index_c)
        at = index_b * stride_b + index_c * stride_c + np.int32(slice_a * stride_a)
        value, rise_b, rise_c = _bilinear(values, at, stride_b, stride_c, fraction_b, fraction_c, a != 2)
        rise = rise_b * slope_b + rise_c * slope_c
        if between > 0:
            next_value, _, _ = _bilinear(values, at + stride_a, stride_b, stride_c, fraction_b, fraction_c, a != 2)
            value += (next_value - value) * (between / steps)
        attenuation, antiderivative = spread(0.0), spread(0.0)  # the latter doubled
        for point in range(len(points)):
            ramp = maximum(value - points[point], 0.0)
            scaled = ramp * slopes[point]
            attenuation += scaled
            antiderivative += scaled * ramp
        distance = value - last_value
        too_close = absolute(distance) <= close
        bulge = bulging * (last_rise - rise)
        doubled_mean = where(
            too_close,
            attenuation + last_attenuation,
            (antiderivative - last_antiderivative + bulge * (attenuation - last_attenuation))
            / where(too_close, 1.0, distance),
        )
        total += where(inside & last_inside, doubled_mean, 0.0)
        last_value, last_rise = value, rise
        last_attenuation, last_antiderivative = attenuation, antiderivative
        last_inside = inside
        between += 1
        if between == steps:
            slice_a, between = slice_a + 1, 0
    oblique_b, oblique_c = slope_b * spacing[b], slope_c * spacing[c]
    length = square_root(oblique_b * oblique_b + oblique_c * oblique_c + spacing[a] ** 2)
    return total * length * (0.5 / steps)


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def _clip(first, last, intercept, slope, size):  # type: ignore[no-untyped-def]
    """Shorten ranges of slices to where ``intercept + slope · slice`` is within an axis of ``size`` voxels.

    The outermost voxel is left out on both sides: it is there to be read, not to be seen.
    """
    steep = where(absolute(slope) > 1e-9, slope, 1e-9)
    one, other = (1.0 - intercept) / steep, (size - 2.001 - intercept) / steep
    return maximum(first, minimum(one, other)), minimum(last, maximum(one, other))


@njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
def _bilinear(values, at, stride_b, stride_c, fraction_b, fraction_c, adjacent):  # type: ignore[no-untyped-def]
    """Return the value within a slice, in squares of voxels whose first is ``at`` bytes from the start, and its slopes.

    ``adjacent``: voxels that are neighbours along c are so in memory; a read of 32 bits has both.
    """
    bits = np.int32(8 * values.itemsize)
    low = np.int32((1 << bits) - 1)
    near_word, far_word = gather(values, at), gather(values, at + stride_b)
    if adjacent:
        near_next_word, far_next_word = near_word >> bits, far_word >> bits
    else:
        near_next_word, far_next_word = gather(values, at + stride_c), gather(values, at + stride_b + stride_c)
    near, near_next = to_floats(near_word & low), to_floats(near_next_word & low)
    far, far_next = to_floats(far_word & low), to_floats(far_next_word & low)
    near_rise, far_rise = near_next - near, far_next - far
    near += fraction_c * near_rise
    far += fraction_c * far_rise
    rise_b, rise_c = far - near, near_rise + fraction_b * (far_rise - near_rise)
    return near + fraction_b * rise_b, rise_b, rise_c

"""The reference that the kernel is held against: the same integral, in double precision, cell by cell."""

import numpy as np
from numba import njit

from rgbx_render.radiography.projector import Rays
from rgbx_render.radiography.scans import PreparedScan
from rgbx_render.radiography.transfer import TransferFunction

PARTS = 4
"""Equal parts that each crossing of a voxel cell is cut into; in each a 5-point Gauss–Legendre rule."""
NODES, WEIGHTS = np.polynomial.legendre.leggauss(5)


def exact_transmission(scan: PreparedScan, transfer: TransferFunction, rays: Rays, subsamples: int = 1) -> np.ndarray:
    """Return exp(−∫ μ(v(s)) ds) per pixel, averaged over subsamples², for the trilinear field ``scan.values``."""
    description = scan.description
    matrix, offset = scan.index_frame()
    source = matrix @ rays.source + offset
    spacing = np.array([description.spacing[axis] for axis in description.axes])
    x, y = (np.array(side, float) for side in zip(*transfer.points, strict=True))
    stored = (x - description.offset) / description.slope
    rows, columns = rays.shape
    total = np.zeros(rays.shape)
    for sub in range(subsamples**2):
        i = np.arange(rows)[:, None, None] + (sub // subsamples + 0.5) / subsamples
        j = np.arange(columns)[None, :, None] + (sub % subsamples + 0.5) / subsamples
        pixels = rays.corner + j * rays.across + i * rays.down
        ends = pixels.reshape(-1, 3) @ matrix.T + offset
        total += np.exp(-_integrate(scan.values, stored, y, source, ends, spacing)).reshape(rays.shape)
    return total / subsamples**2


@njit(cache=True)
def _integrate(values, x, y, source, ends, spacing):
    integrals = np.zeros(len(ends))
    shape = np.array(values.shape)
    for ray in range(len(ends)):
        direction = ends[ray] - source
        start, stop = 0.0, 1.0
        for axis in range(3):
            if direction[axis] == 0:
                if not 0 <= source[axis] <= shape[axis] - 1:
                    stop = -1.0
                continue
            one, other = -source[axis] / direction[axis], (shape[axis] - 1 - source[axis]) / direction[axis]
            start, stop = max(start, min(one, other)), min(stop, max(one, other))
        if start >= stop:
            continue
        crossings = [start, stop]
        for axis in range(3):
            if direction[axis] == 0:
                continue
            near, far = source[axis] + start * direction[axis], source[axis] + stop * direction[axis]
            for plane in range(int(np.ceil(min(near, far))), int(np.floor(max(near, far))) + 1):
                t = (plane - source[axis]) / direction[axis]
                if start < t < stop:
                    crossings.append(t)
        t = np.sort(np.array(crossings))
        total = 0.0
        for cell in range(len(t) - 1):
            middle = source + 0.5 * (t[cell] + t[cell + 1]) * direction
            low = np.minimum(np.maximum(np.floor(middle).astype(np.int64), 0), shape - 2)
            width = (t[cell + 1] - t[cell]) / PARTS
            for part in range(PARTS):
                for node in range(len(NODES)):
                    at = t[cell] + width * (part + 0.5 + 0.5 * NODES[node])
                    f = source + at * direction - low
                    v = 0.0
                    for corner in range(8):
                        a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
                        weight = (f[0] if a else 1 - f[0]) * (f[1] if b else 1 - f[1]) * (f[2] if c else 1 - f[2])
                        v += weight * values[low[0] + a, low[1] + b, low[2] + c]
                    total += 0.5 * width * WEIGHTS[node] * np.interp(v, x, y)
        integrals[ray] = total * np.sqrt(np.sum((direction * spacing) ** 2))
    return integrals

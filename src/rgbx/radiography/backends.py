"""Who projects: the kernel of rgbx, or VTK, which the paper used. The same scan, rays and result for all.

Which one it was is part of a draw, because two backends agree to about a thousandth, not to the bit.
"""

from typing import Protocol

import numpy as np

from rgbx.radiography.kernel import transmission
from rgbx.radiography.projector import Rays
from rgbx.radiography.scans import PreparedScan
from rgbx.radiography.transfer import TransferFunction


class ProjectionBackend(Protocol):
    """Projects a scan; deterministic on one machine. Registered in :data:`rgbx.registry.BACKENDS` by what makes it."""

    def __call__(self, scan: PreparedScan, transfer: TransferFunction, rays: Rays, subsamples: int) -> np.ndarray:
        """Return transmission, (rows, columns) float32 in [0, 1], see :func:`rgbx.radiography.kernel.transmission`."""
        ...


def kernel() -> ProjectionBackend:
    """Return the kernel of rgbx."""
    return _project


def _project(scan: PreparedScan, transfer: TransferFunction, rays: Rays, subsamples: int) -> np.ndarray:
    return transmission(scan, transfer, rays, subsamples, steps=1 if subsamples > 1 else 2)

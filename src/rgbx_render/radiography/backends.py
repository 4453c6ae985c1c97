"""Who projects: the kernel of rgbx, or VTK, which the paper used. The same scan, rays and result for all.

Which one it was is part of a draw, because two backends agree to about a thousandth, not to the bit.
"""

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rgbx.registry import Registry

if TYPE_CHECKING:
    from rgbx_render.radiography.projector import Rays
    from rgbx_render.radiography.scans import PreparedScan
    from rgbx_render.radiography.transfer import TransferFunction

BACKENDS: Registry[Any] = Registry(
    "projection backend",
    "rgbx.backends",
    {
        "kernel": "rgbx_render.radiography.backends:kernel",
        "vtk": "rgbx_render.radiography.vtk_backend:renderer",
    },
)
"""Functions without arguments that return a :class:`ProjectionBackend`."""


class ProjectionBackend(Protocol):
    """Projects a scan; deterministic on one machine. Registered in :data:`BACKENDS` by what makes it."""

    def __call__(self, scan: "PreparedScan", transfer: "TransferFunction", rays: "Rays", subsamples: int) -> np.ndarray:
        """Return transmission, (rows, columns) float32 in [0, 1], as the kernel's ``transmission`` does."""
        ...


def kernel() -> ProjectionBackend:
    """Return the kernel of rgbx."""
    from rgbx_render.radiography.kernel import transmission  # compiled when it is imported

    def project(scan: "PreparedScan", transfer: "TransferFunction", rays: "Rays", subsamples: int) -> np.ndarray:
        return transmission(scan, transfer, rays, subsamples, steps=1 if subsamples > 1 else 2)

    return project

"""CT volumes: what a scan is once it has been read, whatever its file format."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rgbx.errors import InputError
from rgbx.geometry import Vector


@dataclass(frozen=True)
class Volume:
    """A scan on a regular grid, its frame's origin at the centre of the grid.

    Axes are those of the unit frame: index order (z, y, x), x and y in the plane
    of the device, z through its thickness, for scans of our own; as the file says for others.
    """

    values: np.ndarray
    """(nz, ny, nx) scan intensities of any real or integer type; a linear measure of attenuation."""
    spacing: Vector
    """Distance between voxel centres along x, y, z in mm."""
    padding: float | None = None
    """Value of the voxels that were never measured; they have become air. None where there were none."""

    @property
    def size_mm(self) -> Vector:
        """Extent along x, y, z in mm, from the outer face of the first voxel to that of the last."""
        nz, ny, nx = self.values.shape
        return nx * self.spacing[0], ny * self.spacing[1], nz * self.spacing[2]


def check_voxels(values: np.ndarray, name: Path | str) -> None:
    """Refuse an array that cannot be the voxels of a scan.

    Args:
        values: the array.
        name: what to call it in errors.

    Raises:
        InputError: it is not three-dimensional, not of real numbers, not finite, or the same all over.
    """
    if values.ndim != 3:
        raise InputError(name, f"has {values.ndim} axes", "give an array of three, (z, y, x)")
    if values.dtype.kind not in "iuf":
        raise InputError(name, f"holds {values.dtype} voxels", "export it with integer or float voxels")
    if min(values.shape) < 2:
        nz, ny, nx = values.shape
        raise InputError(name, f"has {nx} × {ny} × {nz} voxels and so no depth", "give a three-dimensional scan")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise InputError(name, "has voxels that are NaN or infinite", "replace them by the value of air")
    if values.min() == values.max():
        raise InputError(
            name, f"is empty: every voxel is {values.flat[0]}", "export it again with its original grey values"
        )

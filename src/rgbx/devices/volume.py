"""CT volumes: what a scan is once it has been read, whatever its file format."""

from dataclasses import dataclass

import numpy as np

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

    @property
    def size_mm(self) -> Vector:
        """Extent along x, y, z in mm, from the outer face of the first voxel to that of the last."""
        nz, ny, nx = self.values.shape
        return nx * self.spacing[0], ny * self.spacing[1], nz * self.spacing[2]

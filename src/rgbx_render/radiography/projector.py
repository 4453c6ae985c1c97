"""Where source, detector and unit are: the geometry of a cone-beam radiograph, in millimetres.

The projector's frame is right-handed; its origin is the point that a unit of the identity :class:`Pose` is centred
on. The source is above it on the +z axis, the flat detector below, square to that axis. Images show what the
source sees: columns run along +x, rows along −y. So a unit in the identity pose appears front side up, upright and
not mirrored. docs/pictures/projector.png draws all of it.
"""

import math
from dataclasses import dataclass

import numpy as np
from pydantic import PositiveFloat, PositiveInt, model_validator

from rgbx.config import Config
from rgbx.geometry import Vector, rotation_matrix

RAY_SPACING = 2.0
"""Voxels from ray to ray that still give a pixel's mean transmission to about 1e-3 (docs/results/radiographs.md)."""


class Pose(Config):
    """How a unit lies in the projector's frame: ``p_projector = R p_unit + translation``."""

    rotation: Vector = (0.0, 0.0, 0.0)
    """Degrees about the projector's x, then y, then z axis (``R = Rz Ry Rx``)."""
    translation: Vector = (0.0, 0.0, 0.0)
    """Of the unit's centre, mm."""


class Projector(Config):
    """An X-ray source and a flat detector."""

    source_to_centre: PositiveFloat
    """Distance from the source to the frame's origin, mm."""
    source_to_detector: PositiveFloat
    """Distance from the source to the detector's plane, mm; over ``source_to_centre`` it is the magnification."""
    pixels: tuple[PositiveInt, PositiveInt]
    """Columns and rows of the detector."""
    pixel_size: PositiveFloat
    """Edge of a (square) pixel on the detector, mm."""
    principal_point: tuple[float, float] = (0.0, 0.0)
    """Where the source's perpendicular meets the detector, from the detector's centre, along columns (+x) and
    against rows (+y), mm. It moves the detector, not the source."""

    @model_validator(mode="after")
    def _detector_is_behind(self) -> "Projector":
        if self.source_to_detector < self.source_to_centre:
            raise ValueError("the detector must be behind the unit: source_to_detector >= source_to_centre")
        return self

    @property
    def magnification(self) -> float:
        """How much larger than itself something at the frame's origin appears on the detector."""
        return self.source_to_detector / self.source_to_centre

    def subsamples_for(self, voxel_mm: float) -> int:
        """Return how many rays along each edge of a pixel keep a scan with voxels of ``voxel_mm`` from aliasing.

        Neighbouring rays are then at most two voxels apart at the frame's origin, and a pixel has four or more.
        """
        return max(2, math.ceil(self.pixel_size / self.magnification / (RAY_SPACING * voxel_mm)))

    def rays(self, pose: Pose) -> "Rays":
        """Return the rays from the source to every pixel, in the frame of a unit that lies in ``pose``."""
        columns, rows = self.pixels
        right, up = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0])
        source = np.array([0.0, 0.0, self.source_to_centre])
        below = np.array([0.0, 0.0, self.source_to_centre - self.source_to_detector])
        centre = below - self.principal_point[0] * right - self.principal_point[1] * up
        corner = centre + self.pixel_size * (-columns / 2 * right + rows / 2 * up)
        to_unit, shift = rotation_matrix(pose.rotation).T, np.array(pose.translation)
        return Rays(
            source=to_unit @ (source - shift),
            corner=to_unit @ (corner - shift),
            across=to_unit @ (self.pixel_size * right),
            down=to_unit @ (-self.pixel_size * up),
            shape=(rows, columns),
        )


@dataclass(frozen=True)
class Rays:
    """Straight rays from a point source to the pixels of a detector, in any one frame (here: the unit's, mm)."""

    source: np.ndarray
    """(3,) position."""
    corner: np.ndarray
    """(3,) outer corner of the pixel at row 0, column 0."""
    across: np.ndarray
    """(3,) step from a pixel to the next of its row."""
    down: np.ndarray
    """(3,) step from a pixel to the one of the next row."""
    shape: tuple[int, int]
    """Rows and columns."""

    def pixel_centres(self) -> np.ndarray:
        """Return the (rows, columns, 3) positions of the pixels' centres."""
        rows, columns = self.shape
        i, j = np.arange(rows)[:, None, None] + 0.5, np.arange(columns)[None, :, None] + 0.5
        return self.corner + j * self.across + i * self.down

    def refined(self, subsamples: int) -> "Rays":
        """Return subsamples² rays for each, spread evenly over its pixel; (rows, columns) times ``subsamples``."""
        rows, columns = self.shape
        return Rays(
            source=self.source,
            corner=self.corner,
            across=self.across / subsamples,
            down=self.down / subsamples,
            shape=(rows * subsamples, columns * subsamples),
        )

    def transformed(self, matrix: np.ndarray, offset: np.ndarray) -> "Rays":
        """Return the rays in another frame, ``p' = matrix @ p + offset``."""
        return Rays(
            source=matrix @ self.source + offset,
            corner=matrix @ self.corner + offset,
            across=matrix @ self.across,
            down=matrix @ self.down,
            shape=self.shape,
        )


def pixel_means(values: np.ndarray, subsamples: int) -> np.ndarray:
    """Average what :meth:`Rays.refined` rays gave over each pixel: (rows · n, columns · n) → (rows, columns)."""
    rows, columns = values.shape
    return values.reshape(rows // subsamples, subsamples, columns // subsamples, subsamples).mean(axis=(1, 3))

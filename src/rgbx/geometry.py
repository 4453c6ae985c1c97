"""Vectors and rotations in a unit's frame and in the frames of what looks at it."""

import numpy as np

Vector = tuple[float, float, float]


def rotation_matrix(degrees: Vector) -> np.ndarray:
    """Return ``Rz Ry Rx`` (3, 3) for rotations in degrees about x, then y, then z."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return about_z @ about_y @ about_x

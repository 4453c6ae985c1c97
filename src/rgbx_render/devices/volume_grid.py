"""The voxels of a scan as its file has them, and what brings them onto the axes of DICOM's patient frame (LPS)."""

import math
import os
from dataclasses import dataclass, field
from itertools import permutations, product
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rgbx.errors import InputError
from rgbx.geometry import Vector
from rgbx_render.devices.volume import Volume

SAME_DIRECTION = 1e-3
"""Directions that differ by less, and axes whose cosine is less, differ by the noise of the program that wrote them."""
SAME_LENGTH = 1e-3
"""The same for lengths, as a share of them."""
_LEAST_VOLUME = 0.3
"""Of the cell that three axes of length one span; a cube's is 1."""


@dataclass(frozen=True)
class Place:
    """Where a file says that its voxels lie."""

    spacing: Vector | None
    """Distance between voxel centres along x, y, z of the file, in mm; None where the file does not say it."""
    directions: np.ndarray = field(default_factory=lambda: np.eye(3))
    """(3, 3): the columns are the directions in LPS, of length one, in which the indices x, y, z grow."""
    no_spacing: str = "has no voxel size"
    """Why there is no spacing."""


Grid = tuple[np.ndarray, Place]
"""Values (nz, ny, nx), in the order of the file, and where they lie."""


def split_axes(axes: np.ndarray) -> tuple[Vector, np.ndarray]:
    """Return the lengths of the three columns of ``axes`` and, (3, 3), the columns at length one."""
    lengths = np.linalg.norm(axes, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (float(lengths[0]), float(lengths[1]), float(lengths[2])), axes / lengths


def check_fits_in_memory(path: Path, voxels: int) -> None:
    """Refuse a scan larger than half the machine's memory, before it is allocated."""
    if not hasattr(os, "sysconf"):
        return  # Windows does not say
    needed = 4 * voxels
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory / 2:
        raise InputError(
            path,
            f"has {voxels:,} voxels ({needed / 1e9:,.0f} GB to work on; this machine has {memory / 1e9:,.0f} GB)",
            "crop it to the device or halve its resolution, unless it is damaged",
        )


def check_directions(path: Path, directions: np.ndarray) -> None:
    """Refuse directions, (3, 3) in columns of length one, two of which are one, or nearly.

    Raises:
        InputError: they are.
    """
    if not np.isfinite(directions).all() or abs(np.linalg.det(directions)) < _LEAST_VOLUME:
        raise InputError(
            path,
            "has axes that do not span a space, or nearly do not",
            "correct the directions in its header, or export it again",
        )


def in_patient_frame(path: Path, values: np.ndarray, place: Place, categories: bool = False) -> Volume:
    """Bring a grid onto perpendicular axes that run along LPS as closely as they can, without mirroring it.

    A grid whose axes are perpendicular keeps its voxels: axes are permuted and flipped, its angle to LPS is dropped.
    A sheared one, such as that of a CT with a tilted gantry, is resampled; what lies outside becomes the lowest value.

    Args:
        path: to name in errors.
        values: (nz, ny, nx).
        place: of the values, with a spacing.
        categories: whether the values are labels, which must not be mixed.

    Raises:
        InputError: a spacing is not positive, or directions are no directions.
    """
    assert place.spacing is not None
    if not all(math.isfinite(step) and step > 0 for step in place.spacing):
        raise InputError(
            path,
            f"has a spacing of {' × '.join(f'{step:g}' for step in place.spacing)}, which must be positive numbers",
            "correct the spacing in its header",
        )
    check_directions(path, place.directions)
    directions, spacing = place.directions, place.spacing
    if np.abs(directions.T @ directions - np.eye(3)).max() > SAME_DIRECTION:
        values, spacing, directions = _resampled(path, values, place, categories)
    axes, signs = _nearest_axes(directions)
    values = values.transpose([2 - axis for axis in reversed(axes)])
    values = values[tuple(slice(None, None, sign) for sign in reversed(signs))]
    x, y, z = (float(spacing[axis]) for axis in axes)
    return Volume(np.ascontiguousarray(values), (x, y, z))


def _nearest_axes(directions: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return which index, and with which sign, runs along each of L, P and S; the outcome is right-handed."""
    best = -math.inf
    along: tuple[tuple[int, ...], tuple[int, ...]] = ((0, 1, 2), (1, 1, 1))
    for axes in permutations(range(3)):
        for signs in product((1, -1), repeat=3):
            chosen = directions[:, axes] * signs
            if np.linalg.det(chosen) > 0 and np.trace(chosen) > best + 1e-6:
                best, along = float(np.trace(chosen)), (axes, signs)
    return along


def _resampled(path: Path, values: np.ndarray, place: Place, categories: bool) -> tuple[np.ndarray, Vector, np.ndarray]:
    """Interpolate onto a grid whose x runs as before, whose y stays in the plane of x and y, and whose z is normal.

    So the slices of a tilted scan stay where they are, and only what is in them is moved.
    """
    assert place.spacing is not None
    directions, to_new = np.linalg.qr(place.directions * place.spacing)
    signs = np.sign(np.diag(to_new))
    directions, to_new = directions * signs, signs[:, None] * to_new
    steps = np.diag(to_new)
    counts = np.array(values.shape[::-1])
    corners = np.array(list(product(*((0, count - 1) for count in counts)))) @ to_new.T / steps
    first = corners.min(axis=0)
    size = np.ceil(corners.max(axis=0) - first - 1e-3).astype(int) + 1
    check_fits_in_memory(path, math.prod(size.tolist()))
    to_old = np.linalg.inv(to_new) * steps
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_old.ravel().tolist())
    transform.SetTranslation((to_old @ first).tolist())
    image = sitk.Resample(
        sitk.GetImageFromArray(np.ascontiguousarray(values)),
        size.tolist(),
        transform,
        sitk.sitkNearestNeighbor if categories else sitk.sitkLinear,
        (0.0, 0.0, 0.0),
        (1.0, 1.0, 1.0),
        np.eye(3).ravel().tolist(),
        0.0 if categories else float(values.min()),
    )
    return sitk.GetArrayFromImage(image), (float(steps[0]), float(steps[1]), float(steps[2])), directions

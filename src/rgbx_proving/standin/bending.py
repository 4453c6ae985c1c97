"""Bending a unit about an axis across it, as if it were a chain of rigid pieces with hinges close together."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from rgbx.geometry import Vector, rotation_matrix
from rgbx_proving.standin.paths import Solids
from rgbx_proving.units.parts import Ellipsoid, Part, Prism

HINGES = 6
"""Over which the bend is spread."""
HINGE_STEP_MM = 3.0
LONG_MM = 10.0
"""Parts that reach less far along y need no cut."""
INSET_MM = 0.0002
"""By which a block lies below the faces of the rounded piece it completes; flush faces would shade each other."""


def bent(parts: Sequence[Part], degrees: float, middle: float, depth: float) -> list[Part]:
    """Bend a unit.

    Long prisms with an axis along y are cut at the hinges; all other parts keep their shape and go with the piece of
    the chain that their centre lies on.

    Args:
        parts: the unit.
        degrees: between its two ends; positive lifts the ends towards the front.
        middle: y of the bend's middle in the unit frame, mm.
        depth: z of the hinges, mm.
    """
    hinges = _hinges(middle)
    chain = _chain(hinges, degrees / HINGES, depth)
    return [
        _carried(piece, *chain[int(np.searchsorted(hinges, piece.position[1]))])
        for part in parts
        for piece in _split(part, hinges)
    ]


def weak_spots(parts: Sequence[Part], candidates: np.ndarray) -> np.ndarray:
    """Return those of the ``candidates`` (y of a bend's middle) where the fewest long parts would have to be cut that
    cannot be: a unit bends where nothing stiff lies, and a charging coil would pierce the battery."""
    reach = [Solids.of([part]).corners()[0, :, 1] for part in parts]
    stiff = np.zeros(len(candidates), int)
    for index, middle in enumerate(candidates):
        hinges = _hinges(middle)
        stiff[index] = sum(
            ends.min() < hinges[-1]
            and ends.max() > hinges[0]
            and np.ptp(ends) > LONG_MM
            and len(_split(part, hinges)) == 1
            for part, ends in zip(parts, reach, strict=True)
        )
    return candidates[stiff == stiff.min()]


def _hinges(middle: float) -> np.ndarray:
    return middle + HINGE_STEP_MM * (np.arange(HINGES) - (HINGES - 1) / 2)


def vector(values: np.ndarray) -> Vector:
    """Return three numbers as part lists hold them."""
    return float(values[0]), float(values[1]), float(values[2])


def _chain(hinges: np.ndarray, degrees: float, z: float) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return rotation and translation of each piece of the chain, the middle one in place."""
    turn = rotation_matrix((degrees, 0.0, 0.0))
    pieces = [(np.eye(3), np.zeros(3))]
    for hinge in hinges:
        rotation, translation = pieces[-1]
        pivot = np.array([0.0, hinge, z])
        # Each piece turns about its hinge, which the pieces before have carried along.
        pieces.append((rotation @ turn, rotation @ (pivot - turn @ pivot) + translation))
    anchor, shift = pieces[len(pieces) // 2]
    return [(anchor.T @ rotation, anchor.T @ (translation - shift)) for rotation, translation in pieces]


def _carried(part: Part, rotation: np.ndarray, translation: np.ndarray) -> Part:
    return part.model_copy(
        update={
            "position": vector(rotation @ np.array(part.position) + translation),
            "rotation": euler_degrees(rotation @ part.rotation_matrix()),
        }
    )


def euler_degrees(rotation: np.ndarray) -> Vector:
    """Return the angles about x, then y, then z of a (3, 3) rotation: the inverse of ``rotation_matrix``."""
    if np.hypot(rotation[0, 0], rotation[1, 0]) < 1e-9:  # x has become ±z: turning about x and about z is the same
        about_x, about_z = 0.0, np.arctan2(-rotation[0, 1], rotation[1, 1])
    else:
        about_x, about_z = np.arctan2(rotation[2, 1], rotation[2, 2]), np.arctan2(rotation[1, 0], rotation[0, 0])
    about_y = np.arctan2(-rotation[2, 0], np.hypot(rotation[0, 0], rotation[1, 0]))
    return vector(np.degrees([about_x, about_y, about_z]))


def _split(part: Part, hinges: np.ndarray) -> list[Part]:
    """Cut a long prism with an axis along y at the hinges; the pieces together are the prism."""
    rotation = part.rotation_matrix()
    along = np.abs(rotation[1])
    axis = int(np.argmax(along))
    if isinstance(part.shape, Ellipsoid) or along[axis] < 0.999 or part.shape.size[axis] < LONG_MM:
        return [part]
    half, radius = part.shape.size[axis] / 2, part.shape.radius
    start, end = part.position[1] - half, part.position[1] + half
    # Rounded corners cannot be cut: the first and the last piece keep twice the radius.
    rounded = radius if axis < 2 else 0.0
    cuts = [float(cut) for cut in hinges if start + 2 * rounded < cut < end - 2 * rounded]
    if not cuts:
        return [part]
    ends = [start, *cuts, end]
    pieces = []
    for number, (low, high) in enumerate(pairwise(ends)):
        at_end = number in (0, len(ends) - 2)
        bounds = [(f"{part.name}:{number}", low, high, radius if at_end or axis == 2 else 0.0, 0.0)]
        if rounded and at_end:
            # Its inner corners are rounded as well: a block without any fills them.
            inner = (low + rounded, high) if number == 0 else (low, high - rounded)
            bounds.append((f"{part.name}:{number}-block", *inner, 0.0, INSET_MM))
        for name, first, last, corner, inset in bounds:
            size = [*part.shape.size[:2], part.shape.size[2] - 2 * inset]
            size[axis] = last - first
            offset = rotation[:, axis] * ((first + last) / 2 - part.position[1]) * np.sign(rotation[1, axis])
            pieces.append(
                part.model_copy(
                    update={
                        "name": name,
                        "shape": Prism(size=vector(np.array(size)), radius=corner),
                        "position": vector(np.array(part.position) + offset),
                    }
                )
            )
    return pieces

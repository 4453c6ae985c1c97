"""Bending a unit about an axis across it, as if it were a chain of rigid pieces with hinges close together."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from scipy.spatial.transform import Rotation

from rgbx.devices.parts import Ellipsoid, Part, Prism, Vector, rotation_matrix

HINGES = 6
"""Over which the bend is spread."""
HINGE_STEP_MM = 6.0
LONG_MM = 2 * HINGE_STEP_MM
"""Prisms that reach less far along y are not cut."""


def bent(parts: Sequence[Part], degrees: float, middle: float, depth: float) -> list[Part]:
    """Bend a unit.

    Long prisms are cut at the hinges; shorter parts and ellipsoids keep their shape and go with the piece of the chain
    that their centre lies on.

    Args:
        parts: the unit.
        degrees: between its two ends; positive lifts the ends towards the front.
        middle: y of the bend's middle in the unit frame, mm.
        depth: z of the hinges, mm.
    """
    hinges = middle + HINGE_STEP_MM * (np.arange(HINGES) - (HINGES - 1) / 2)
    chain = _chain(hinges, degrees / HINGES, depth)
    return [
        _carried(piece, *chain[int(np.searchsorted(hinges, piece.position[1]))])
        for part in parts
        for piece in _split(part, hinges)
    ]


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
    turned = Rotation.from_matrix(rotation @ part.rotation_matrix())
    return part.model_copy(
        update={
            "position": vector(rotation @ np.array(part.position) + translation),
            "rotation": vector(turned.as_euler("xyz", degrees=True)),
        }
    )


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
        if rounded and at_end:
            # Its inner corners are rounded as well: it reaches into the next piece, which fills them.
            low, high = (low, high + rounded) if number == 0 else (low - rounded, high)
        size = list(part.shape.size)
        size[axis] = high - low
        shape = Prism(size=vector(np.array(size)), radius=radius if at_end or axis == 2 else 0.0)
        position = np.array(part.position) + rotation[:, axis] * ((low + high) / 2 - part.position[1]) * np.sign(
            rotation[1, axis]
        )
        pieces.append(
            part.model_copy(update={"name": f"{part.name}:{number}", "shape": shape, "position": vector(position)})
        )
    return pieces

"""How far units depart from their drawing: every module is moved and turned a little as one, and parts of it in it.

A module is all parts whose names begin alike, up to the slash. What the outside is moulded or milled of stays where it
is. Which parts vary by themselves is known by their names and materials: components on a board are called
``board/front-…`` or ``board/back-…``, batteries ``battery…``, a pouch and the roll in it ``…/pouch`` and ``…/roll``.
"""

from typing import NamedTuple

import numpy as np

from rgbx.config import Config, Range
from rgbx.geometry import rotation_matrix
from rgbx_proving.units.parts import Part, Prism


class Tolerances(Config):
    """How well a family is made; all deviations are uniform."""

    shift_mm: float
    """Modules sit up to this far from their place along x and y,"""
    shift_z_mm: float
    """along z, unless they are outside,"""
    turn_degrees: float
    """turned by up to this much,"""
    component_shift_mm: float
    """and components on boards up to this far from theirs."""
    battery_shift_mm: float
    """Batteries are placed less well,"""
    battery_thickness: Range = (1.0, 1.0)
    """and pouches differ in thickness with charge and age."""
    solder_thickness: Range
    shifting_outside: tuple[str, ...]
    """Modules of the outside that are assembled or printed separately."""


def deviated(parts: list[Part], tolerances: Tolerances, rng: np.random.Generator) -> list[Part]:
    """Return parts as one unit has them.

    Args:
        parts: as drawn.
        tolerances: of their family.
        rng: of the unit.
    """
    deviations: dict[str, _Deviation] = {}
    made = []
    for part in parts:
        module, _, piece = part.name.partition("/")
        if not piece or (part.outside and module not in tolerances.shifting_outside):
            made.append(part)
            continue
        if module not in deviations:
            deviations[module] = _Deviation.draw(module, part, tolerances, rng)
        deviation = deviations[module]
        about_z = rotation_matrix((0.0, 0.0, deviation.turn))
        position = about_z @ (np.array(part.position) - deviation.pivot) + deviation.pivot + deviation.shift
        scale = np.ones(3)
        if module.startswith("board") and piece.startswith(("front", "back")) and "shield" not in piece:
            position[:2] += rng.uniform(-tolerances.component_shift_mm, tolerances.component_shift_mm, 2)
        if part.material in ("solder", "solder_balls"):
            scale[2] = rng.uniform(*tolerances.solder_thickness)
        elif piece in ("pouch", "roll"):
            # The roll lies along y, so its thickness is its local y.
            scale[2 if piece == "pouch" else 1] = deviation.thickness
        made.append(_moved(part, position, deviation.turn, scale))
    return made


class _Deviation(NamedTuple):
    """How one module of a unit departs from the drawing."""

    pivot: np.ndarray
    shift: np.ndarray
    turn: float
    thickness: float

    @classmethod
    def draw(cls, module: str, first: Part, tolerances: Tolerances, rng: np.random.Generator) -> "_Deviation":
        reach = tolerances.battery_shift_mm if module.startswith("battery") else tolerances.shift_mm
        across = 0.0 if first.outside else tolerances.shift_z_mm
        shift = rng.uniform(-1, 1, 3) * (reach, reach, across)
        turn = float(rng.uniform(-tolerances.turn_degrees, tolerances.turn_degrees))
        return cls(np.array(first.position), shift, turn, float(rng.uniform(*tolerances.battery_thickness)))


def _moved(part: Part, position: np.ndarray, turn: float, scale: np.ndarray) -> Part:
    """Return the part at ``position``, turned about z, its local extents scaled."""
    width, height, depth = (float(length) for length in scale * part.shape.size)
    shape: dict[str, object] = {"size": (width, height, depth)}
    if isinstance(part.shape, Prism):
        shape["radius"] = part.shape.radius * float(scale[:2].min())
    about_x, about_y, about_z = part.rotation
    x, y, z = (round(float(value), 4) for value in position)
    return part.model_copy(
        update={
            "shape": part.shape.model_copy(update=shape),
            "position": (x, y, z),
            "rotation": (about_x, about_y, round(about_z + turn, 4)),
        }
    )

"""SP10, the embedded benchmark: ten generations of one phone family, as units with manufacturing tolerance.

See docs/results/sp10.md for what differs between the classes, :mod:`rgbx_proving.sp10.designs` for the designs.
"""

from typing import NamedTuple

import numpy as np

from rgbx.files import digest
from rgbx.geometry import rotation_matrix
from rgbx_proving.sp10.designs import DESIGNS, Colourway, Design
from rgbx_proving.sp10.inside import build_inside
from rgbx_proving.sp10.shell import build_frame, build_skin
from rgbx_proving.units.parts import Part, PartList, Prism

CLASSES: tuple[str, ...] = tuple(DESIGNS)

SHIFT_MM = 0.15
"""Modules sit up to this far from their place along x and y,"""
SHIFT_Z_MM = 0.04
TURN_DEGREES = 0.4
"""turned by up to this much,"""
COMPONENT_SHIFT_MM = 0.06
"""and components on boards up to this far from theirs."""
BATTERY_SHIFT_MM = 0.3
"""Pouches are glued in, so they are placed less well,"""
BATTERY_THICKNESS = (0.97, 1.04)
"""and differ in thickness with charge and age."""
SOLDER_THICKNESS = (0.85, 1.15)
SHIFTING_OUTSIDE = ("logo", "lettering", "home button", "lens")
"""Modules of the outside that are assembled or printed separately."""


def make_unit(device_class: str, number: int, seed: int = 0) -> PartList:
    """Return one pristine unit of a class.

    Args:
        device_class: one of :data:`CLASSES`.
        number: 1-based number of the unit; with ``seed`` it decides the unit's colour and all deviations.
        seed: another seed gives other units of the same designs.

    Raises:
        KeyError: no such class.
    """
    design = DESIGNS[device_class]
    # Not `samples.generator`: samples come after devices in the flow of data.
    rng = np.random.default_rng(int(digest("SP10", device_class, str(number), str(seed)), 16))
    colourway = design.shell.palette[int(rng.integers(len(design.shell.palette)))]
    parts = _deviated(nominal_parts(design, colourway), rng)
    return PartList(device_class=device_class, unit=f"{device_class}-{number:03d}", parts=tuple(parts))


def nominal_parts(design: Design, colourway: Colourway) -> list[Part]:
    """Return the parts of a design exactly as drawn."""
    return [
        *build_frame(design.shell, colourway),
        *build_inside(design.inside, design.shell),
        *build_skin(design.shell, colourway),
    ]


def _deviated(parts: list[Part], rng: np.random.Generator) -> list[Part]:
    """Return the parts with every module moved and turned a little as one, and some of its parts in it."""
    deviations: dict[str, _Deviation] = {}
    deviated = []
    for part in parts:
        module, _, piece = part.name.partition("/")
        if not piece or (part.outside and module not in SHIFTING_OUTSIDE):
            deviated.append(part)
            continue
        if module not in deviations:
            deviations[module] = _Deviation.draw(module, part, rng)
        deviation = deviations[module]
        about_z = rotation_matrix((0.0, 0.0, deviation.turn))
        position = about_z @ (np.array(part.position) - deviation.pivot) + deviation.pivot + deviation.shift
        scale = np.ones(3)
        if module.startswith("board") and piece.startswith(("front", "back")) and "shield" not in piece:
            position[:2] += rng.uniform(-COMPONENT_SHIFT_MM, COMPONENT_SHIFT_MM, 2)
        if part.material in ("solder", "solder_balls"):
            scale[2] = rng.uniform(*SOLDER_THICKNESS)
        elif piece in ("pouch", "roll"):
            # The roll lies along y, so its thickness is its local y.
            scale[2 if piece == "pouch" else 1] = deviation.thickness
        deviated.append(_moved(part, position, deviation.turn, scale))
    return deviated


class _Deviation(NamedTuple):
    """How one module of a unit departs from the drawing."""

    pivot: np.ndarray
    shift: np.ndarray
    turn: float
    thickness: float

    @classmethod
    def draw(cls, module: str, first: Part, rng: np.random.Generator) -> "_Deviation":
        reach = BATTERY_SHIFT_MM if module.startswith("battery") else SHIFT_MM
        across = 0.0 if first.outside else SHIFT_Z_MM
        shift = rng.uniform(-1, 1, 3) * (reach, reach, across)
        turn = float(rng.uniform(-TURN_DEGREES, TURN_DEGREES))
        return cls(np.array(first.position), shift, turn, float(rng.uniform(*BATTERY_THICKNESS)))


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

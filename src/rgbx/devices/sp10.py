"""SP10, the embedded benchmark: ten generations of one phone family, as units with manufacturing tolerance.

See docs/sp10.md for what differs between the classes, :mod:`rgbx.devices.sp10_designs` for the designs.
"""

import numpy as np

from rgbx.devices.parts import Part, PartList, Vector, rotation_matrix
from rgbx.devices.sp10_designs import DESIGNS, Colourway, Design
from rgbx.devices.sp10_inside import build_inside
from rgbx.devices.sp10_shell import build_frame, build_skin
from rgbx.files import digest

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
    """Return the parts with every module of the inside moved and turned a little as one, and its parts in it."""
    modules: dict[str, tuple[np.ndarray, float, np.ndarray]] = {}
    deviated = []
    for part in parts:
        if part.outside or "/" not in part.name:
            deviated.append(part)
            continue
        module, _, piece = part.name.partition("/")
        if module not in modules:
            reach = BATTERY_SHIFT_MM if module.startswith("battery") else SHIFT_MM
            shift = rng.uniform(-1, 1, 3) * (reach, reach, SHIFT_Z_MM)
            modules[module] = (shift, float(rng.uniform(-TURN_DEGREES, TURN_DEGREES)), np.array(part.position))
        shift, turn, pivot = modules[module]
        about_z = rotation_matrix((0.0, 0.0, turn))
        position = about_z @ (np.array(part.position) - pivot) + pivot + shift
        scale = 1.0
        if module.startswith("board") and piece.startswith(("front", "back")) and "shield" not in piece:
            position[:2] += rng.uniform(-COMPONENT_SHIFT_MM, COMPONENT_SHIFT_MM, 2)
        if part.material in ("solder", "solder_balls"):
            scale = float(rng.uniform(*SOLDER_THICKNESS))
        if module.startswith("battery") and piece in ("pouch", "roll"):
            scale = float(rng.uniform(*BATTERY_THICKNESS)) if piece == "pouch" else 1.0
        deviated.append(_moved(part, position, turn, scale))
    return deviated


def _moved(part: Part, position: np.ndarray, turn: float, thickness: float) -> Part:
    """Return the part at ``position``, turned about z, its local z extent scaled."""
    size = (*part.shape.size[:2], part.shape.size[2] * thickness)
    about_x, about_y, about_z = part.rotation
    return part.model_copy(
        update={
            "shape": part.shape.model_copy(update={"size": size}),
            "position": _rounded(position),
            "rotation": (about_x, about_y, about_z + turn),
        }
    )


def _rounded(position: np.ndarray) -> Vector:
    """Return to a tenth of a micrometre, so that part lists stay short and equal on every machine."""
    x, y, z = (round(float(value), 4) for value in position)
    return x, y, z

"""Devices that are no phones, one of each kind: what a rule that shall hold for *any* device is checked on.

They are as plain as such devices are: a coin cell has a dozen parts, a bare board no shell. Sizes are typical ones.
"""

from collections.abc import Callable

import numpy as np

from rgbx_proving.units.parts import ALONG_Y, Ellipsoid, Part, PartList, disc, solid


def remote_control() -> list[Part]:
    """Return a plastic remote control: two AA cells, a one-sided board, a rubber mat of buttons."""
    parts = _plastic_case((46.0, 160.0, 20.0), 2.0, 10.0, "#232326")
    for number, x in enumerate((-8.0, 8.0)):
        parts += _round_cell(f"cell-{number}", 14.2, 48.0, (x, -45.0, -0.5))
        parts.append(solid(f"spring-{number}", (9.0, 2.5, 9.0), (x, -72.0, -0.5), "bracket", 4.5))
    parts.append(solid("board/laminate", (38.0, 95.0, 1.2), (0.0, 25.0, 5.0), "fr4", 2.0))
    parts.append(solid("board/chip", (7.5, 7.5, 1.2), (0.0, 35.0, 3.6), "moulded_chip"))
    parts.append(solid("board/chip pads", (8.5, 8.5, 0.15), (0.0, 35.0, 4.3), "solder"))
    parts += [
        solid(f"board/track-{number}", (30.0, 0.6, 0.1), (0.0, float(y), 5.7), "copper")
        for number, y in enumerate(np.linspace(-15, 62, 12))
    ]
    parts.append(disc("board/resonator", 4.0, 2.0, (10.0, 40.0, 3.4), "barium_titanate"))
    parts.append(disc("board/capacitor", 6.0, 9.0, (-10.0, 50.0, 0.0), "aluminium", rotation=ALONG_Y))
    parts.append(disc("lamp", 5.0, 8.0, (0.0, 76.0, 3.0), "epoxy", rotation=ALONG_Y))
    parts += [
        disc(f"button-{row}-{column}", 8.0, 1.2, (x, y, 10.2), "polycarbonate", True, "#8a8a90")
        for row, y in enumerate(np.linspace(-20, 65, 6).tolist())
        for column, x in enumerate((-12.0, 0.0, 12.0))
    ]
    return parts


def battery_cell() -> list[Part]:
    """Return a cylindrical lithium-ion cell, 18650: steel can, wound roll, cap."""
    return [
        disc("can", 18.3, 65.0, (0.0, 0.0, 0.0), "steel", True, "#3a6ea5", ALONG_Y),
        disc("inside", 17.8, 64.4, (0.0, 0.0, 0.0), "air", rotation=ALONG_Y),
        disc("roll", 17.4, 58.0, (0.0, -2.0, 0.0), "battery_cell", rotation=ALONG_Y),
        disc("mandrel", 3.0, 58.0, (0.0, -2.0, 0.0), "air", rotation=ALONG_Y),
        solid("tab", (4.0, 62.0, 0.15), (3.0, 0.0, 0.0), "copper"),
        disc("gasket", 17.0, 1.5, (0.0, 29.5, 0.0), "polyethylene", rotation=ALONG_Y),
        disc("cap", 13.0, 0.8, (0.0, 31.4, 0.0), "steel", rotation=ALONG_Y),
        disc("pole", 6.0, 1.6, (0.0, 32.6, 0.0), "steel", True, rotation=ALONG_Y),
    ]


def coin_cell() -> list[Part]:
    """Return a coin cell, CR2032."""
    return [
        disc("can", 20.0, 3.2, (0.0, 0.0, 0.0), "steel", True),
        disc("inside", 19.4, 2.7, (0.0, 0.0, 0.0), "air"),
        disc("cathode", 15.8, 1.5, (0.0, 0.0, -0.5), "lithium_cobalt_oxide"),
        disc("separator", 17.0, 0.1, (0.0, 0.0, 0.3), "polyethylene"),
        disc("anode", 15.5, 0.6, (0.0, 0.0, 0.7), "graphite"),
        disc("gasket", 19.4, 0.6, (0.0, 0.0, 1.2), "polyethylene"),
        disc("cap", 17.4, 0.25, (0.0, 0.0, 1.4), "steel", True),
    ]


def bare_board() -> list[Part]:
    """Return a populated circuit board without any shell."""
    rng = np.random.default_rng(8)
    parts = [solid("board/laminate", (80.0, 55.0, 1.6), (0.0, 0.0, 0.0), "circuit_board", 2.0, outside=True)]
    for row, y in enumerate(np.linspace(-20, 20, 5).tolist()):
        for column, x in enumerate(np.linspace(-32, 32, 7).tolist()):
            name, kind = f"component-{row}-{column}", int(rng.integers(4))
            w, h = rng.uniform(3.0, 8.0, 2).tolist()
            if kind == 0:
                parts.append(solid(f"{name}/pads", (w + 1, h + 1, 0.15), (x, y, 0.87), "solder", outside=True))
                parts.append(solid(f"{name}/chip", (w, h, 1.2), (x, y, 1.5), "moulded_chip", outside=True))
            elif kind == 1:
                parts.append(disc(f"{name}/can", min(w, h), 6.0, (x, y, 3.8), "aluminium", True))
            elif kind == 2:
                parts.append(solid(f"{name}/core", (w, w, 3.0), (x, y, 2.3), "ferrite", outside=True))
            else:
                parts += [
                    solid(
                        f"{name}/{piece}", (1.0, 1.8, 0.9), (x + 1.8 * piece, y, 1.25), "barium_titanate", outside=True
                    )
                    for piece in (-1, 0, 1)
                ]
    parts.append(solid("connector", (14.0, 9.0, 6.0), (30.0, -22.0, 3.8), "bracket", outside=True))
    return parts


def power_bank() -> list[Part]:
    """Return a power bank: two pouch cells that fill an aluminium shell, and a small board."""
    parts = [
        solid("shell/outer", (68.0, 138.0, 15.0), (0.0, 0.0, 0.0), "aluminium", 7.0, outside=True),
        solid("shell/inner", (66.0, 136.0, 13.0), (0.0, 0.0, 0.0), "air", 6.0),
    ]
    for number, z in enumerate((-3.0, 3.0)):
        parts.append(solid(f"cell-{number}/pouch", (62.0, 108.0, 5.6), (0.0, -10.0, z), "pouch_laminate", 2.0))
        parts.append(solid(f"cell-{number}/stack", (58.0, 101.0, 5.2), (0.0, -12.0, z), "battery_cell", 1.0))
        parts.append(solid(f"cell-{number}/plus", (8.0, 10.0, 0.2), (-15.0, 45.0, z), "aluminium"))
        parts.append(solid(f"cell-{number}/minus", (8.0, 10.0, 0.2), (15.0, 45.0, z), "copper"))
    parts.append(solid("board/laminate", (60.0, 12.0, 1.2), (0.0, 58.0, 0.0), "circuit_board", 1.0))
    for number, x in enumerate((-20.0, 0.0, 20.0)):
        parts.append(solid(f"port-{number}", (12.0, 10.0, 5.5), (x, 61.0, 3.2), "steel"))
        parts.append(solid(f"port-{number}/inside", (11.0, 10.2, 4.5), (x, 61.2, 3.2), "air"))
    parts.append(solid("board/inductor", (7.0, 7.0, 4.0), (-10.0, 56.0, -2.6), "ferrite"))
    parts += [
        solid(f"board/capacitor-{number}", (2.0, 1.2, 1.2), (float(x), 55.0, -1.2), "barium_titanate")
        for number, x in enumerate(np.linspace(-26, 26, 9))
    ]
    return parts


def key_fob() -> list[Part]:
    """Return a car key's fob: plastic, a coin cell, a board, a blade of steel folded in."""
    parts = _plastic_case((36.0, 76.0, 14.0), 1.6, 12.0, "#161618")
    parts += [
        part.model_copy(
            update={"name": f"cell/{part.name}", "outside": False, "position": (0.0, -16.0, -2.0 + part.position[2])}
        )
        for part in coin_cell()
    ]
    parts.append(solid("board/laminate", (30.0, 52.0, 0.8), (0.0, 4.0, 2.0), "circuit_board", 4.0))
    parts += [
        solid(f"board/chip-{number}", (w, h, 0.9), (x, y, 2.9), "moulded_chip")
        for number, (x, y, w, h) in enumerate(((-5.0, 12.0, 5.0, 5.0), (6.0, 18.0, 3.0, 4.0), (6.0, 6.0, 4.0, 3.0)))
    ]
    parts += [
        solid(f"switch-{number}", (6.0, 6.0, 2.0), (0.0, y, 4.0), "bracket")
        for number, y in enumerate((-12.0, 4.0, 20.0))
    ]
    parts.append(solid("transponder", (3.0, 11.0, 3.0), (11.0, -2.0, -1.5), "ferrite"))
    parts.append(solid("blade", (7.5, 58.0, 2.2), (-10.0, 2.0, -3.0), "nickel_silver"))
    parts.append(disc("pivot", 11.0, 9.0, (-10.0, 30.0, -1.0), "steel"))
    parts += [
        solid(
            f"button-{number}", (18.0, 10.0, 1.0), (0.0, y, 7.2), "polycarbonate", 3.0, outside=True, colour="#55565a"
        )
        for number, y in enumerate((-12.0, 4.0, 20.0))
    ]
    return parts


def hearing_aid() -> list[Part]:
    """Return a hearing aid worn behind the ear: a curved shell of 32 mm, a zinc-air cell, a receiver."""
    return [
        Part(name="shell", shape=Ellipsoid(size=(11.0, 32.0, 8.5)), position=(0.0, 0.0, 0.0), material="polycarbonate",
             outside=True, colour="#c9a889"),
        Part(name="inside", shape=Ellipsoid(size=(9.4, 30.0, 7.0)), position=(0.0, 0.0, 0.0), material="air"),
        disc("cell/can", 5.8, 3.5, (0.0, -9.0, 0.0), "steel"),
        disc("cell/zinc", 5.2, 2.8, (0.0, -9.0, 0.0), "nickel_silver"),
        solid("board", (5.0, 11.0, 0.4), (0.0, 1.0, 0.8), "circuit_board"),
        solid("board/chip", (3.0, 4.0, 0.7), (0.0, 2.0, 1.3), "moulded_chip"),
        solid("receiver", (2.8, 5.0, 2.0), (0.0, 9.0, -0.6), "steel"),
        solid("receiver/inside", (2.3, 4.5, 1.5), (0.0, 9.0, -0.6), "winding"),
        solid("microphone", (2.2, 2.8, 1.2), (0.0, 5.0, 2.0), "steel"),
        disc("coil", 1.2, 4.0, (-2.0, 3.0, -1.5), "winding", rotation=ALONG_Y),
    ]  # fmt: skip


DEVICE_KINDS: dict[str, tuple[Callable[[], list[Part]], float]] = {
    "remote control": (remote_control, 0.4),
    "battery cell": (battery_cell, 0.15),
    "coin cell": (coin_cell, 0.06),
    "bare board": (bare_board, 0.25),
    "power bank": (power_bank, 0.4),
    "key fob": (key_fob, 0.25),
    "hearing aid": (hearing_aid, 0.08),
}
"""By name: what makes the parts, and the edge of a scan's voxels in mm: some hundred across, as a scanner's settings
would give it."""


def make_kind(name: str) -> PartList:
    """Return one device of a kind.

    Raises:
        KeyError: there is no such kind.
    """
    make, _ = DEVICE_KINDS[name]
    return PartList(device_class=name, unit="1", parts=tuple(make()))


def _plastic_case(size: tuple[float, float, float], wall: float, radius: float, colour: str) -> list[Part]:
    width, height, depth = size
    hollow = (width - 2 * wall, height - 2 * wall, depth - 2 * wall)
    return [
        solid("case/outer", size, (0.0, 0.0, 0.0), "polycarbonate", radius, outside=True, colour=colour),
        solid("case/inner", hollow, (0.0, 0.0, 0.0), "air", max(radius - wall, 0.5)),
    ]


def _round_cell(name: str, diameter: float, length: float, position: tuple[float, float, float]) -> list[Part]:
    """Return an alkaline cell, lying along y."""
    x, y, z = position
    return [
        disc(f"{name}/can", diameter, length, position, "steel", rotation=ALONG_Y),
        disc(f"{name}/cathode", diameter - 0.6, length - 2, position, "ferrite", rotation=ALONG_Y),
        disc(f"{name}/anode", diameter - 5.0, length - 6, position, "graphite", rotation=ALONG_Y),
        disc(f"{name}/collector", 1.5, length - 12, (x, y - 2, z), "nickel_silver", rotation=ALONG_Y),
        disc(f"{name}/pole", 5.5, 1.5, (x, y + length / 2 + 0.7, z), "steel", rotation=ALONG_Y),
    ]

"""The outside of a remote control of RC6, from its shell design: case, keys, window, lid, print.

The case comes first in a part list (a stack of slices that follows its roundings, then the air in it), the inside
follows, the face and the back come last. What is printed lies 0.06 mm above what it covers, so that a renderer never
sees two surfaces in one place.
"""

import numpy as np

from rgbx_proving.rc6.designs import CaseColours, KeyBlock, RemoteShell
from rgbx_proving.units.parts import ALONG_Y, Part, disc, solid

CASE_MM = 1.8
"""Thickness of the walls."""
PRINT_MM = 0.06
"""Step from one printed layer to the next."""
PROUD_MM = 1.2
"""How far keys stand out of the face."""
FACE_EDGE = (1.5, 1.5)
"""How far the face's edge is rounded, inwards and in depth."""
GAP, GLOSS, WINDOW = "#060607", "#0b0b0d", "#1c0508"
POWER = "#a3262c"
FOUR = ("#b02a2f", "#2f7d3b", "#c9a227", "#2b559b")


def build_case(shell: RemoteShell, colours: CaseColours) -> list[Part]:
    """Return the case and the air in it."""
    outside, cavity = [], []
    width, height, depth = shell.size
    wall = depth / 2 - CASE_MM
    for number, (z0, z1, inset) in enumerate(_slices(shell)):
        size, radius = (width - 2 * inset, height - 2 * inset), shell.corner_radius - inset
        outside.append(
            solid(f"case/{number}", (*size, z1 - z0), (0, 0, (z0 + z1) / 2), "abs", max(radius, 0.5), outside=True,
                  colour=colours.body)
        )  # fmt: skip
        low, high = max(z0, -wall), min(z1, wall)
        if low < high:
            hollow = (size[0] - 2 * CASE_MM, size[1] - 2 * CASE_MM, high - low)
            cavity.append(
                solid(f"cavity-{number}", hollow, (0, 0, (low + high) / 2), "air", max(radius - CASE_MM, 0.5))
            )
    return [*outside, *cavity]


def _slices(shell: RemoteShell) -> list[tuple[float, float, float]]:
    """Return slices (z0, z1, inset) whose outline follows both roundings, the straight one first."""
    half = shell.size[2] / 2
    slices = [(-half + shell.belly[1], half - FACE_EDGE[1], 0.0)]
    for side, (inwards, deep), count in ((-1, shell.belly, 7), (1, FACE_EDGE, 3)):
        angles = np.radians(np.linspace(0, 90, count + 1))
        heights = half - deep + deep * np.sin(angles)
        insets = inwards * (1 - np.cos((angles[:-1] + angles[1:]) / 2))
        for low, high, inset in zip(heights[:-1], heights[1:], insets, strict=True):
            z0, z1 = sorted((side * float(low), side * float(high)))
            slices.append((z0, z1, float(inset)))
    return slices


def build_face(shell: RemoteShell, colours: CaseColours) -> list[Part]:
    """Return all that the case carries: panel, keys, window, print, lid and label."""
    face = shell.size[2] / 2
    parts = []
    if shell.panel is not None:
        area = shell.panel
        parts.append(_printed("panel", (area.width, area.height), (area.x, area.y), face, GLOSS, 6.0, "acrylic"))
    number = 0
    for block in shell.keys:
        for index, place in enumerate(block.grid.places()):
            number += 1
            parts += _key(f"keys/button-{number}", block, index, place, face, colours)
    parts += _pad(shell, colours, face)
    parts += _details(shell, colours, face)
    return [*parts, *_back(shell, colours)]


def _printed(
    name: str,
    size: tuple[float, float],
    place: tuple[float, float],
    surface: float,
    colour: str,
    radius: float = 0.0,
    material: str = "epoxy",
) -> Part:
    """Return a layer centred on the surface below it: half of it is sunk."""
    return solid(name, (*size, 2 * PRINT_MM), (*place, surface), material, radius, outside=True, colour=colour)


def _key(
    name: str, block: KeyBlock, index: int, place: tuple[float, float], face: float, colours: CaseColours
) -> list[Part]:
    """Return the hole in the face, the dark gap round the key, the rubber key and what is printed on it."""
    (width, height), top = block.size, face + PROUD_MM
    colour = {"keys": colours.keys, "power": POWER, "four": FOUR[index % 4]}[block.paint]
    gap = (width + 0.8, height + 0.8)
    depth = CASE_MM + PROUD_MM
    cap = (*place, top - depth / 2)
    return [
        solid(f"{name}/hole", (*gap, CASE_MM), (*place, face - CASE_MM / 2), "air", block.radius + 0.4, outside=True),
        _printed(f"{name}/gap", gap, place, face + PRINT_MM, GAP, block.radius + 0.4, "silicone"),
        solid(f"{name}/cap", (width, height, depth), cap, "silicone", block.radius, outside=True, colour=colour),
        *_legend(f"{name}/legend", block.legends[index % len(block.legends)], place, top, colour, colours.legend),
    ]


def _legend(name: str, kind: str, place: tuple[float, float], surface: float, below: str, colour: str) -> list[Part]:
    """Return a sign of 3 mm in strokes of 0.8 mm."""
    x, y = place
    across, along, stroke = (3.2, 0.8), (0.8, 3.2), 0.8
    strokes = {
        " ": (),
        "-": ((across, (x, y)),),
        "i": ((along, (x, y)),),
        "=": ((across, (x, y + stroke)), (across, (x, y - stroke))),
        "+": ((along, (x, y + 1.8)), (across, (x, y - 1.8))),
        ".": (((1.6, 1.6), (x, y)),),
        "o": (((3.4, 3.4), (x, y)),),
    }[kind]
    parts = [
        _printed(f"{name}-{number}", size, at, surface, colour, min(size) / 2)
        for number, (size, at) in enumerate(strokes)
    ]
    if kind == "o":  # a ring: the key's colour over its middle
        parts.append(_printed(f"{name}-middle", (1.8, 1.8), place, surface + PRINT_MM, below, 0.9))
    return parts


def _pad(shell: RemoteShell, colours: CaseColours, face: float) -> list[Part]:
    pad, name = shell.pad, "keys/button-pad"
    place, depth = (0.0, pad.y), CASE_MM + PROUD_MM
    ring_top, top = face + PROUD_MM, face + PROUD_MM + 0.3
    reach = (pad.diameter + pad.middle) / 4
    parts = [
        disc(f"{name}/hole", pad.diameter + 0.8, CASE_MM, (*place, face - CASE_MM / 2), "air", True),
        disc(f"{name}/gap", pad.diameter + 0.8, 2 * PRINT_MM, (*place, face + PRINT_MM), "silicone", True, GAP),
        disc(f"{name}/ring", pad.diameter, depth, (*place, ring_top - depth / 2), "silicone", True, colours.keys),
        disc(f"{name}/groove", pad.middle + 1.2, 2 * PRINT_MM, (*place, ring_top), "silicone", True, GAP),
        disc(f"{name}/middle", pad.middle, 1.0, (*place, top - 0.5), "silicone", True, colours.keys),
    ]
    for number, (dx, dy) in enumerate(((0, 1), (1, 0), (0, -1), (-1, 0))):
        at = (reach * dx, pad.y + reach * dy)
        parts += _legend(f"{name}/legend-{number}", pad.legend, at, ring_top, colours.keys, colours.legend)
    return parts


def _details(shell: RemoteShell, colours: CaseColours, face: float) -> list[Part]:
    """Return window, pilot lamp, microphone's hole and logo."""
    end = shell.size[1] / 2
    logo = shell.logo
    parts = [
        solid("window", (shell.window_width, 7.0, 5.0), (0.0, end + 0.3 - 2.5, face - 7.0), "acrylic", 3.0, ALONG_Y,
              outside=True, colour=WINDOW),
        _printed("logo/word", (logo.width, logo.height), (logo.x, logo.y), face + PRINT_MM, colours.legend,
                 logo.height / 2),
        _printed("logo/gap", (0.6 * logo.width, 0.3 * logo.height), (logo.x, logo.y), face + 2 * PRINT_MM,
                 colours.body, 0.15 * logo.height),
    ]  # fmt: skip
    if shell.indicator is not None:
        parts.append(disc("indicator", 2.2, 2.2, (*shell.indicator, face - 0.9), "acrylic", True, "#d8574a"))
    if shell.microphone is not None:
        parts.append(
            disc("microphone hole", 1.4, 2 * PRINT_MM, (*shell.microphone, face + PRINT_MM), "silicone", True, GAP)
        )
    return parts


def _back(shell: RemoteShell, colours: CaseColours) -> list[Part]:
    """Return the compartment's opening with its lid, and the type plate."""
    back = -shell.size[2] / 2
    lid, label = shell.lid, shell.label
    place, size = (lid.x, lid.y), (lid.width, lid.height)
    seam = (lid.width + 0.8, lid.height + 0.8)
    outer = back - 2 * PRINT_MM
    parts = [
        solid("opening", (*seam, CASE_MM), (*place, back + CASE_MM / 2), "air", 2.4, outside=True),
        _printed("seam", seam, place, back, GAP, 2.4, "abs"),
        solid("lid/plate", (*size, CASE_MM), (*place, outer + CASE_MM / 2), "abs", 2.0, outside=True,
              colour=colours.body),
    ]  # fmt: skip
    for number in range(shell.ridges):
        y = lid.y + lid.height / 2 - 5.0 - 1.6 * number
        parts.append(
            solid(f"lid/ridge-{number}", (0.45 * lid.width, 0.7, 0.5), (lid.x, y, outer - 0.1), "abs", outside=True,
                  colour=colours.body)
        )  # fmt: skip
    parts.append(
        _printed("label/paper", (label.width, label.height), (label.x, label.y), back, "#c9c9c4", 0.8, "polyethylene")
    )
    for number, (share, y) in enumerate(((0.8, 0.32), (0.55, 0.12), (0.7, -0.06), (0.35, -0.28))):
        at = (label.x - (0.8 - share) / 2 * label.width, label.y + y * label.height)
        parts.append(_printed(f"label/line-{number}", (share * label.width, 1.1), at, back - PRINT_MM, "#2c2c2e"))
    return parts

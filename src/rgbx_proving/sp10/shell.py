"""The outside of a phone of SP10, from its shell design: frame, glass, display, cameras, buttons, ports, logo.

The frame comes first in a part list (a stack of solids, then the air of the cavity), the inside follows, the skin
(glass, cameras, print) comes last, so that each displaces what it should. Skin lies at least 0.05 mm above what it
covers, so that a renderer never sees two surfaces in one place.
"""

import numpy as np

from rgbx_proving.sp10.designs import Colourway, Shell
from rgbx_proving.units.parts import Ellipsoid, Part, disc, solid

WALL_MM = 1.6
"""Thickness of the frame's sides."""
GLASS_MM = 0.75
ALUMINIUM_BACK_MM = 0.9
LAYER_MM = 0.06
"""Step from one printed or glued layer to the next."""
EDGE_RADIUS_MM = {"round": 2.4, "flat": 0.5}
BLACK = "#08080a"
LENS_GLASS = "#0d0d18"


def build_frame(shell: Shell, colourway: Colourway) -> list[Part]:
    """Return the frame and its cavity; with an aluminium back the frame is the back as well."""
    width, height, thickness = shell.size
    parts = []
    for index, (z0, z1, inset) in enumerate(_edge_profile(shell)):
        size = (width - 2 * inset, height - 2 * inset)
        slice_size = (*size, z1 - z0)
        centre = (0.0, 0.0, (z0 + z1) / 2)
        parts.append(
            solid(f"frame/{index}", slice_size, centre, shell.frame, shell.corner_radius - inset, outside=True,
                  colour=colourway.frame)
        )  # fmt: skip
        gap = _mixed(colourway.frame, "#ffffff" if _luminance(colourway.frame) < 0.5 else "#808084", 0.35)
        for number, (axis, place, breadth) in enumerate(_antenna_lines(shell)):
            across, along = size if axis == "x" else size[::-1]
            length = _chord(across, along, shell.corner_radius - inset, abs(place) + breadth / 2) + 2 * LAYER_MM
            long = (length, breadth) if axis == "x" else (breadth, length)
            position = (0.0, place, centre[2]) if axis == "x" else (place, 0.0, centre[2])
            line = (*long, z1 - z0 + 2 * LAYER_MM)
            parts.append(
                solid(f"antenna/{number}-{index}", line, position, "polycarbonate", outside=True, colour=gap)
            )  # fmt: skip
    back = -thickness / 2 + (ALUMINIUM_BACK_MM if shell.back == "aluminium" else GLASS_MM)
    front = thickness / 2 - GLASS_MM
    inner = (width - 2 * WALL_MM, height - 2 * WALL_MM, front - back)
    parts.append(solid("cavity", inner, (0, 0, (front + back) / 2), "air", shell.corner_radius - WALL_MM))
    parts += _buttons(shell, colourway)
    return parts


def build_skin(shell: Shell, colourway: Colourway) -> list[Part]:
    """Return all that covers the frame: glasses, display, home button or cut-out, cameras, ports, logo."""
    return [
        *_front(shell, colourway),
        *_back(shell, colourway),
        *_rear_cameras(shell, colourway),
        *_ports(shell),
    ]


def _edge_profile(shell: Shell) -> list[tuple[float, float, float]]:
    """Return slices (z0, z1, inset) whose outline follows the edge's rounding, main slice first."""
    top = shell.size[2] / 2 - 3 * LAYER_MM
    radius = EDGE_RADIUS_MM[shell.edge]
    angles = np.radians([0.0, 22.0, 38.0, 53.0, 68.0, 90.0] if shell.edge == "round" else [0.0, 50.0, 90.0])
    heights = top - radius + radius * np.sin(angles)
    insets = radius * (1 - np.cos((angles[:-1] + angles[1:]) / 2))
    slices = [(-heights[0], heights[0], 0.0)]
    for z0, z1, inset in zip(heights[:-1], heights[1:], insets, strict=True):
        slices += [(z0, z1, inset), (-z1, -z0, inset)]
    return [(float(z0), float(z1), float(inset)) for z0, z1, inset in slices]


def _antenna_lines(shell: Shell) -> list[tuple[str, float, float]]:
    """Return lines through the frame as (along axis, place on the other axis, breadth)."""
    width, height, _ = shell.size
    if shell.antenna == "bands":
        return [("x", height / 2 - 13.0, 1.4), ("x", -height / 2 + 13.0, 1.4)]
    if shell.antenna == "edge bands":
        return [("x", height / 2 - 6.0, 1.2), ("x", -height / 2 + 6.0, 1.2)]
    return [("x", height / 2 - 16.0, 1.0), ("x", -height / 2 + 16.0, 1.0), ("y", width / 2 - 15.0, 1.0)]


def _chord(across: float, along: float, radius: float, place: float) -> float:
    """Return how wide a rounded rectangle is at ``place`` from its middle, measured along its other axis."""
    into_corner = max(0.0, place - (along / 2 - radius))
    return across - 2 * (radius - np.sqrt(max(0.0, radius**2 - into_corner**2)))


def _buttons(shell: Shell, colourway: Colourway) -> list[Part]:
    width = shell.size[0]
    keys = [
        ("mute", -1, shell.volume_y + 16.0, 5.0),
        ("volume-up", -1, shell.volume_y, 10.0),
        ("volume-down", -1, shell.volume_y - 13.0, 10.0),
        ("power", 1, shell.power_y, 14.0 if shell.front.style != "home button" else 10.0),
    ]
    parts = []
    for name, side, y, length in keys:
        x = side * (width / 2 - 0.4)
        parts.append(
            solid(f"button/{name}", (2.8, length, 2.0), (x, y, 0), shell.frame, 1.2, (0, 90, 0), outside=True,
                  colour=_mixed(colourway.frame, "#000000", 0.12))
        )  # fmt: skip
        parts.append(solid(f"button/{name}-switch", (1.0, 3.0, 1.6), (side * (width / 2 - 2.6), y, 0.6), "steel"))
    return parts


def _front(shell: Shell, colourway: Colourway) -> list[Part]:
    width, height, thickness = shell.size
    surface = thickness / 2 - LAYER_MM
    inset = 1.3 if shell.edge == "round" else 1.0
    front = shell.front
    side, above, below = front.bezel
    glass = (width - 2 * inset, height - 2 * inset, GLASS_MM)
    parts = [
        solid("front glass", glass, (0, 0, surface - GLASS_MM / 2), "cover_glass", shell.corner_radius - inset,
              outside=True, colour=colourway.front)
    ]  # fmt: skip
    display_size = (width - 2 * side, height - above - below, 2 * LAYER_MM)
    radius = 0.0 if front.style == "home button" else shell.corner_radius - side
    parts.append(
        solid("display", display_size, (0, (below - above) / 2, surface), "cover_glass", radius, outside=True,
              colour="#2e313b")
    )  # fmt: skip
    surface += LAYER_MM
    # Layers are centred on the surface below: half of each is sunk in it.
    edge = height / 2 - above
    if front.style == "home button":
        middle = height / 2 - above / 2
        parts += _home_button(shell, colourway, surface)
        slot = (0.0, middle, surface)
    elif front.style == "notch":
        depth = 5.2
        parts.append(
            solid("notch", (front.cutout_width, depth + 2.0, 2 * LAYER_MM), (0, edge + 1.0 - depth / 2, surface),
                  "cover_glass", 2.2, outside=True, colour=BLACK)
        )  # fmt: skip
        middle = edge - depth / 2 + 0.4
        slot = (0.0, middle + 1.2, surface + LAYER_MM)
    else:
        middle = edge - 5.5
        parts.append(
            solid("pill", (front.cutout_width, 6.0, 2 * LAYER_MM), (0, middle, surface), "cover_glass", 3.0,
                  outside=True, colour=BLACK)
        )  # fmt: skip
        slot = (0.0, height / 2 - 2.1, surface)
    slot_height = 0.7 if front.style == "pill" else 1.4
    camera = (front.camera_x, middle, slot[2] if front.style != "pill" else surface + LAYER_MM)
    parts += [
        solid("earpiece", (front.earpiece_width, slot_height, 2 * LAYER_MM), slot, "polycarbonate", 0.7, outside=True,
              colour="#2c2d30"),
        disc("front camera", 3.0, 2 * LAYER_MM, camera, "cover_glass", outside=True, colour="#1c2030"),
        disc("front camera/pupil", 1.5, 2 * LAYER_MM, (*camera[:2], camera[2] + LAYER_MM), "cover_glass", outside=True,
             colour="#050508"),
    ]  # fmt: skip
    return parts


def _home_button(shell: Shell, colourway: Colourway, surface: float) -> list[Part]:
    y = -shell.size[1] / 2 + shell.front.bezel[2] / 2
    ring = colourway.frame if shell.front.button_ring else _mixed(colourway.front, "#808080", 0.25)
    return [
        disc("home button/ring", 11.2, 2 * LAYER_MM, (0, y, surface), "aluminium", outside=True, colour=ring),
        disc("home button/cap", 10.0 if shell.front.button_ring else 10.6, 2 * LAYER_MM, (0, y, surface + LAYER_MM),
             "cover_glass", outside=True, colour=colourway.front),
    ]  # fmt: skip


def _back(shell: Shell, colourway: Colourway) -> list[Part]:
    width, height, _ = shell.size
    parts = []
    surface = _back_surface(shell)
    if shell.back == "cover_glass":
        inset = 1.3 if shell.edge == "round" else 1.0
        glass = (width - 2 * inset, height - 2 * inset, GLASS_MM)
        parts.append(
            solid("back glass", glass, (0, 0, surface + GLASS_MM / 2), "cover_glass",
                  shell.corner_radius - inset, outside=True, colour=colourway.back)
        )  # fmt: skip
    parts += _logo(shell, colourway, surface)
    if shell.lettering:
        grey = _mixed(colourway.back, "#8a8a8a", 0.7)
        for line, (length, letter_height, y) in enumerate(((19.0, 2.2, -44.0), (30.0, 0.7, -48.0), (26.0, 0.7, -49.6))):
            parts.append(
                solid(f"lettering/{line}", (length, letter_height, 2 * LAYER_MM), (0, y, surface), "epoxy",
                      outside=True, colour=grey)
            )  # fmt: skip
    return parts


def _back_surface(shell: Shell) -> float:
    """Return z of the back: of the glass, or of the frame where that is the back."""
    return -shell.size[2] / 2 + (1 if shell.back == "cover_glass" else 3) * LAYER_MM


def _logo(shell: Shell, colourway: Colourway, surface: float) -> list[Part]:
    """Return the maker's mark, a ring with a bar; a metal one is an insert that goes into the back."""
    diameter, y = shell.logo_diameter, shell.logo_y
    metal = shell.logo_material != "epoxy"
    depth = 0.6 if metal else LAYER_MM
    dark = _luminance(colourway.back) < 0.35
    shiny = "#d8d8da" if metal else _mixed(colourway.back, "#ffffff" if dark else "#3a3a3c", 0.45)
    back = {"material": shell.back, "outside": True, "colour": colourway.back}
    outer = surface - LAYER_MM + depth / 2
    return [
        disc("logo/ring", diameter, depth, (0, y, outer), shell.logo_material, outside=True, colour=shiny),
        disc("logo/field", 0.62 * diameter, depth, (0, y, outer - LAYER_MM), **back),  # type: ignore[arg-type]
        solid("logo/gap", (0.2 * diameter, 0.4 * diameter, depth), (0, y + 0.38 * diameter, outer - LAYER_MM),
              **back),  # type: ignore[arg-type]
        solid("logo/bar", (0.13 * diameter, 0.55 * diameter, depth), (0, y + 0.36 * diameter, outer - 2 * LAYER_MM),
              shell.logo_material, 0.06 * diameter, outside=True, colour=shiny),
    ]  # fmt: skip


def _rear_cameras(shell: Shell, colourway: Colourway) -> list[Part]:
    surface = _back_surface(shell)
    parts = []
    if shell.island is not None:
        island = shell.island
        colour = {"back": _mixed(colourway.back, "#ffffff", 0.06), "frame": colourway.frame, "black": BLACK}
        metal = island.finish == "frame"
        area = island.area
        # Sunk into the back by half a millimetre, as the real one is.
        for step, (inset, rise) in enumerate(((0.0, island.height - 0.35), (0.35, island.height))):
            parts.append(
                solid(f"island/{step}", (area.width - 2 * inset, area.height - 2 * inset, rise + 0.5),
                      (area.x, area.y, surface - rise / 2 + 0.25), shell.frame if metal else "cover_glass",
                      island.radius - inset, outside=True, colour=colour[island.finish])
            )  # fmt: skip
        surface -= island.height
    proud = 0.45 if shell.island is not None and len(shell.lenses) > 1 and shell.island.radius > 6.9 else 0.3
    for number, lens in enumerate(shell.lenses, start=1):
        ring = _mixed(colourway.frame, "#101012", 0.25)
        z = surface - proud
        parts += [
            disc(f"lens/{number}-ring", lens.diameter + 1.4, 0.9 + proud, (lens.x, lens.y, z + (0.9 + proud) / 2),
                 "steel", outside=True, colour=ring),
            disc(f"lens/{number}-glass", lens.diameter, 0.5, (lens.x, lens.y, z + 0.25 - LAYER_MM), "sapphire",
                 outside=True, colour="#050507"),
            disc(f"lens/{number}-iris", 0.62 * lens.diameter, 0.2, (lens.x, lens.y, z + 0.1 - 2 * LAYER_MM),
                 "cover_glass", outside=True, colour=LENS_GLASS),
            disc(f"lens/{number}-pupil", 0.3 * lens.diameter, 0.2, (lens.x, lens.y, z + 0.1 - 3 * LAYER_MM),
                 "cover_glass", outside=True, colour="#2b2445"),
        ]  # fmt: skip
    x, y = shell.flash
    flash = 5.2 if shell.back == "cover_glass" else 4.4
    parts += [
        disc("flash", flash, 0.4, (x, y, surface + 0.2 - LAYER_MM), "acrylic", outside=True, colour="#e9e4d2"),
        disc("flash/led", 0.45 * flash, 0.4, (x, y, surface + 0.2 - 2 * LAYER_MM), "acrylic", outside=True,
             colour="#e8c94a"),
    ]  # fmt: skip
    if shell.depth_sensor is not None:
        x, y = shell.depth_sensor
        parts.append(
            disc("depth sensor", 6.0, 0.4, (x, y, surface + 0.2 - LAYER_MM), "cover_glass", outside=True, colour=BLACK)
        )
    hole = ((x + shell.lenses[0].x) / 2, shell.flash[1] - (0.0 if shell.island is None else 3.6))
    parts.append(
        disc("rear microphone", 1.1, 0.3, (*hole, surface + 0.15 - LAYER_MM), "polycarbonate", outside=True,
             colour=BLACK)
    )  # fmt: skip
    return parts


def _ports(shell: Shell) -> list[Part]:
    """Return openings in the lower edge and the SIM tray's seam, as dark plugs a little proud of the frame."""
    width, height, _ = shell.size
    y = -height / 2
    upright = (90.0, 0.0, 0.0)
    parts = [
        solid("port/connector", (8.8, 2.8, 0.5), (0, y + 0.25 - LAYER_MM, 0), "polycarbonate", 1.4, upright,
              outside=True, colour="#030303"),
        *(disc(f"port/screw-{side}", 1.5, 0.8, (6.6 * sign, y + 0.4 - LAYER_MM, 0), "steel", outside=True,
               rotation=upright) for side, sign in (("left", -1), ("right", 1))),
    ]  # fmt: skip
    left, right = shell.speaker_holes
    for side, count, sign in (("left", left, -1), ("right", right, 1)):
        for number in range(count):
            x = sign * (10.5 + 2.4 * number)
            parts.append(
                disc(f"port/hole-{side}-{number}", 1.3, 0.5, (x, y + 0.25 - LAYER_MM, 0), "polycarbonate",
                     outside=True, colour=BLACK, rotation=upright)
            )  # fmt: skip
    if shell.jack:
        parts.append(
            disc("port/jack", 4.2, 0.5, (-20.0, y + 0.25 - LAYER_MM, 0), "polycarbonate", outside=True,
                 colour="#030303", rotation=upright)
        )  # fmt: skip
    side, y = shell.sim_slot
    sign = 1 if side == "right" else -1
    parts += [
        solid("port/sim seam", (2.2, 14.0, 0.4), (sign * (width / 2 - 0.2 + LAYER_MM), y, 0), "polycarbonate", 1.1,
              (0, 90, 0), outside=True, colour="#4a4a4c"),
        Part(name="port/sim pinhole", shape=Ellipsoid(size=(0.9, 0.9, 0.9)), material="polycarbonate", outside=True,
             position=(sign * (width / 2 - 0.3), y - 9.0, 0.0), colour=BLACK),
    ]  # fmt: skip
    return parts


def _channels(colour: str) -> np.ndarray:
    return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])


def _luminance(colour: str) -> float:
    return float(_channels(colour) @ [0.299, 0.587, 0.114]) / 255


def _mixed(colour: str, other: str, share: float) -> str:
    """Return ``colour`` with a ``share`` of ``other``."""
    mixed = np.rint((1 - share) * _channels(colour) + share * _channels(other)).astype(int)
    return "#" + "".join(f"{channel:02x}" for channel in mixed)

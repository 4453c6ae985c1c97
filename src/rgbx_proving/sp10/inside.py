"""The inside of a phone of SP10, from its inside design: battery, boards, cameras, coil, motors, screws.

Heights are taken from the shell's thickness. From the front: glass, display, midplate, then the space that the
modules share, then the back. Modules are groups of parts: the first word of a part's name, up to the slash.
"""

from collections.abc import Iterator

import numpy as np

from rgbx_proving.families.design import Rectangle
from rgbx_proving.sp10.designs import Board, CameraModule, Cell, Coil, Haptic, Inside, Shell
from rgbx_proving.sp10.shell import ALUMINIUM_BACK_MM, GLASS_MM, WALL_MM
from rgbx_proving.units.parts import ALONG_Y, Part, disc, solid

DISPLAY_MM = 0.9
MIDPLATE_MM = {"aluminium": 0.4, "steel": 0.25}
BOARD_MM = 0.75


def build_inside(inside: Inside, shell: Shell) -> list[Part]:
    """Return everything between the display and the back."""
    width, height, thickness = shell.size
    back = -thickness / 2 + (ALUMINIUM_BACK_MM if shell.back == "aluminium" else GLASS_MM)
    display = thickness / 2 - GLASS_MM - DISPLAY_MM / 2
    plate = MIDPLATE_MM[inside.midplate]
    front = display - DISPLAY_MM / 2 - plate
    area = (width - 2 * WALL_MM - 0.6, height - 2 * WALL_MM - 0.6)
    corner = shell.corner_radius - WALL_MM - 0.3
    parts = [
        solid("display panel/oled", (*area, DISPLAY_MM), (0, 0, display), "oled", corner),
        solid("display panel/driver", (24.0, 2.2, 0.35), (0, -area[1] / 2 + 3.0, display - 0.2), "silicon"),
        solid("midplate/sheet", (area[0] - 1, area[1] - 1, plate), (0, 0, front + plate / 2), inside.midplate, corner),
        *(solid(f"midplate/window-{number}", (w, h, plate + 0.02), (x, y, front + plate / 2), "air", 2.0)
          for number, (x, y, w, h) in enumerate(
              ((0, area[1] / 2 - 9, area[0] - 14, 9), (-12, -area[1] / 2 + 9, 30, 8)))),
    ]  # fmt: skip
    middle = (back + front) / 2
    if inside.coil is not None:
        parts += _coil(inside.coil, back)
    base = back + (0.75 if inside.coil is not None else 0.15)
    for number, cell in enumerate(inside.cells, start=1):
        parts += _cell(f"battery-{number}", cell, base + cell.thickness / 2)
    parts += _boards(inside.board, back, front)
    parts += _flexes(inside.flexes, front)
    for number, camera in enumerate(inside.cameras, start=1):
        parts += _camera(f"camera-{number}", camera, back, front)
    parts += _haptic(inside.haptic, middle, front - back - 0.8)
    parts += _speaker("speaker", inside.speaker, middle, front - back - 0.6)
    parts += _speaker("upper speaker", inside.upper_speaker, middle + 0.5, 2.6)
    parts += _front_modules(inside, shell, front)
    parts += _connector(inside, shell, middle)
    parts += _sim_tray(inside.sim_tray, back + 1.0)
    if inside.home_button:
        parts += _home_sensor(shell, front)
    parts += _screws(inside, shell, front)
    return parts


def _cell(name: str, cell: Cell, z: float) -> list[Part]:
    """Return a pouch with its flat-wound jelly roll, tabs and protection circuit at the upper end."""
    area, thickness = cell.area, cell.thickness
    x, y = area.x, area.y
    roll = (area.width - 1.6, thickness - 0.25, area.height - 6.5)
    roll_y = y - 2.0
    top = y + area.height / 2
    parts = [
        solid(f"{name}/pouch", (area.width, area.height, thickness), (x, y, z), "pouch_laminate", 1.5),
        solid(f"{name}/roll", roll, (x, roll_y, z), "battery_cell", thickness / 2 - 0.15, ALONG_Y),
        # The foils' bare ends where the winding starts, and the last turn of aluminium.
        solid(f"{name}/start", (area.width - 9.0, roll[2], 0.1), (x - 1.0, roll_y, z), "copper"),
        solid(f"{name}/end", (2.2, roll[2], 0.12), (x + area.width / 2 - 6.0, roll_y, z + 0.3 * thickness), "copper"),
        solid(f"{name}/terrace", (area.width - 2.0, 3.4, 1.2), (x, top - 2.1, z), "epoxy"),
    ]
    for side, place, metal in (("plus", -0.18, "aluminium"), ("minus", 0.12, "copper")):
        parts.append(solid(f"{name}/tab-{side}", (4.0, 9.0, 0.25), (x + place * area.width, top - 5.0, z + 0.3), metal))
    circuit = min(26.0, area.width - 8.0)
    parts.append(solid(f"{name}/circuit", (circuit, 2.6, 0.6), (x, top - 2.0, z + 0.4), "circuit_board"))
    for number, place in enumerate(np.linspace(-0.42, 0.42, 7)):
        material, size = (("moulded_chip", (2.4, 1.6, 0.7)), ("barium_titanate", (0.9, 1.3, 0.6)))[number % 2]
        parts.append(solid(f"{name}/component-{number}", size, (x + place * circuit, top - 2.0, z + 1.0), material))
    return parts


def _boards(board: Board, back: float, front: float) -> list[Part]:
    rng = np.random.default_rng(board.layout)
    if not board.stacked:
        z = back + 0.45 * (front - back)
        return [
            *_board("board", board.outline, z),
            *_populate("board/front", board.outline, z + BOARD_MM / 2, 1, board.shields, rng),
            *_populate("board/back", board.outline, z - BOARD_MM / 2, -1, 1, rng),
        ]
    lower, upper = back + 1.0, front - 1.1
    parts = [*_board("board", board.outline, lower), *_board("board-2", board.outline[:1], upper)]
    # The ring of vias that joins the boards.
    area = board.outline[0]
    gap = upper - lower - BOARD_MM
    for side, (x, y, w, h) in enumerate(
        (
            (area.x - area.width / 2 + 0.8, area.y, 1.2, area.height - 2),
            (area.x + area.width / 2 - 0.8, area.y, 1.2, area.height - 2),
            (area.x, area.y - area.height / 2 + 0.8, area.width - 2, 1.2),
            (area.x, area.y + area.height / 2 - 0.8, area.width - 2, 1.2),
        )
    ):
        parts.append(solid(f"board/vias-{side}", (w, h, gap), (x, y, (lower + upper) / 2), "via_frame"))
    parts += _populate("board/front", board.outline, lower + BOARD_MM / 2, 1, 0, rng, height=0.7)
    parts += _populate("board-2/front", board.outline[:1], upper + BOARD_MM / 2, 1, board.shields, rng, height=0.6)
    parts += _populate("board/back", board.outline, lower - BOARD_MM / 2, -1, 1, rng, height=0.55)
    return parts


def _board(name: str, outline: tuple[Rectangle, ...], z: float) -> list[Part]:
    return [
        solid(
            f"{name}/laminate-{number}", (area.width, area.height, BOARD_MM), (area.x, area.y, z), "circuit_board", 1.0
        )
        for number, area in enumerate(outline)
    ]  # fmt: skip


def _populate(
    name: str,
    outline: tuple[Rectangle, ...],
    surface: float,
    side: int,
    shields: int,
    rng: np.random.Generator,
    height: float = 0.9,
) -> list[Part]:
    """Return the components on one face of a board (``side`` 1 front, -1 back), under some shield cans.

    Rectangles are cut in two again and again, like the placement of a real board; each piece holds one kind of
    component.
    """
    parts: list[Part] = []
    pieces = [piece for area in outline for piece in _cut(_shrunk(area, 0.8), rng, 340.0)]
    shielded = set(sorted(range(len(pieces)), key=lambda i: -_content(pieces[i]))[:shields])
    for index, piece in enumerate(pieces):
        prefix = f"{name}-{index}"
        if index in shielded:
            lid = height + 0.25
            size = (piece.width - 0.3, piece.height - 0.3)
            parts += [
                solid(f"{prefix}-shield", (*size, lid), (piece.x, piece.y, surface + side * lid / 2),
                      "nickel_silver", 0.6),
                solid(f"{prefix}-shield-air", (size[0] - 0.4, size[1] - 0.4, lid - 0.12),
                      (piece.x, piece.y, surface + side * (lid - 0.12) / 2), "air", 0.4),
            ]  # fmt: skip
        for number, cell in enumerate(_cut(_shrunk(piece, 0.45), rng, 72.0 if side > 0 else 120.0)):
            parts += _component(f"{prefix}-{number}", _shrunk(cell, 0.35), surface, side, height, rng)
    return parts


def _component(
    name: str, area: Rectangle, surface: float, side: int, height: float, rng: np.random.Generator
) -> list[Part]:
    def block(suffix: str, x: float, y: float, w: float, h: float, z0: float, z1: float, material: str) -> Part:
        return solid(f"{name}{suffix}", (w, h, z1 - z0), (x, y, surface + side * (z0 + z1) / 2), material)

    x, y, w, h = area.x, area.y, area.width, area.height
    kind = rng.choice(["ball grid", "chip", "passives", "inductor", "tantalum"], p=[0.3, 0.22, 0.26, 0.17, 0.05])
    if min(w, h) < 1.6 or (kind == "ball grid" and min(w, h) < 4.0):
        kind = "passives"
    if kind == "ball grid":
        w, h = min(w, 13.0), min(h, 13.0)
        parts = [
            block("-balls", x, y, w - 0.4, h - 0.4, 0.0, 0.2, "solder_balls"),
            block("-chip", x, y, w, h, 0.2, height, "moulded_chip"),
            block("-die", x, y, 0.6 * w, 0.6 * h, 0.25, 0.25 + 0.4 * (height - 0.2), "silicon"),
        ]
        pitch = 2.0
        for row, place in enumerate(np.arange(-h / 2 + 0.9, h / 2 - 0.6, pitch)):
            parts.append(block(f"-row-{row}", x, y + float(place), w - 1.0, 0.4, 0.0, 0.22, "solder"))
        return parts
    if kind == "chip":
        w, h = min(w, 6.5), min(h, 6.5)
        return [
            block("-pad", x, y, 0.6 * w, 0.6 * h, 0.0, 0.12, "solder"),
            block("-pins-1", x - w / 2 + 0.25, y, 0.4, 0.9 * h, 0.0, 0.12, "solder"),
            block("-pins-2", x + w / 2 - 0.25, y, 0.4, 0.9 * h, 0.0, 0.12, "solder"),
            block("-chip", x, y, w, h, 0.12, 0.85 * height, "moulded_chip"),
        ]
    if kind == "inductor":
        w = h = min(w, h, 3.2)
        return [
            block("-core", x, y, w, h, 0.05, height, "ferrite"),
            block("-turns", x, y, 0.7 * w, 0.7 * h, 0.2, height - 0.15, "winding"),
        ]
    if kind == "tantalum":
        return [block("-slug", x, y, min(w, 2.6), min(h, 1.6), 0.1, 0.8 * height, "tantalum")]
    # A row or two of ceramic capacitors.
    columns, rows = max(1, min(3, int(w / 1.7))), max(1, min(2, int(h / 2.2)))
    parts = []
    for column in range(columns):
        for row in range(rows):
            px = x + (column - (columns - 1) / 2) * 1.5
            py = y + (row - (rows - 1) / 2) * 2.0
            if rng.random() < 0.8:
                parts.append(block(f"-{column}{row}", px, py, 0.8, 1.4, 0.02, 0.6 * height, "barium_titanate"))
    return parts


def _cut(area: Rectangle, rng: np.random.Generator, largest: float) -> Iterator[Rectangle]:
    """Yield the pieces of ``area`` after cutting it, across its longer side, until none is above ``largest`` mm²."""
    share = float(rng.uniform(0.35, 0.65))
    if area.width * area.height <= largest * float(rng.uniform(0.5, 1.0)):
        yield area
        return
    if area.height > area.width:
        low = area.height * share
        bottom = area.y - area.height / 2
        yield from _cut(Rectangle(x=area.x, y=bottom + low / 2, width=area.width, height=low), rng, largest)
        rest = area.height - low
        yield from _cut(Rectangle(x=area.x, y=bottom + low + rest / 2, width=area.width, height=rest), rng, largest)
    else:
        low = area.width * share
        left = area.x - area.width / 2
        yield from _cut(Rectangle(x=left + low / 2, y=area.y, width=low, height=area.height), rng, largest)
        rest = area.width - low
        yield from _cut(Rectangle(x=left + low + rest / 2, y=area.y, width=rest, height=area.height), rng, largest)


def _shrunk(area: Rectangle, by: float) -> Rectangle:
    return Rectangle(x=area.x, y=area.y, width=max(0.6, area.width - 2 * by), height=max(0.6, area.height - 2 * by))


def _content(area: Rectangle) -> float:
    return area.width * area.height


def _camera(name: str, camera: CameraModule, back: float, front: float) -> list[Part]:
    x, y, size = camera.x, camera.y, camera.size
    depth = front - back - 0.3
    z = back + depth / 2
    barrel = 0.62 * size
    parts = [
        solid(f"{name}/can", (size, size, depth), (x, y, z), "steel", 1.0),
        solid(f"{name}/inner", (size - 0.5, size - 0.5, depth - 0.3), (x, y, z), "air", 0.8),
        solid(f"{name}/opening", (barrel + 0.6, barrel + 0.6, 0.6), (x, y, back), "air", (barrel + 0.6) / 2),
        solid(f"{name}/substrate", (size - 0.8, size - 0.8, 0.5), (x, y, front - 0.8), "circuit_board"),
        solid(f"{name}/sensor", (0.6 * size, 0.48 * size, 0.3), (x, y, front - 1.2), "silicon"),
        solid(f"{name}/filter", (0.65 * size, 0.55 * size, 0.25), (x, y, front - 1.6), "soda_lime_glass"),
        disc(f"{name}/coil", barrel + 1.0, 1.2, (x, y, z - 0.2), "winding"),
        disc(f"{name}/barrel", barrel, depth - 1.6, (x, y, back + (depth - 1.6) / 2 + 0.05), "polycarbonate"),
        disc(f"{name}/bore", barrel - 0.9, depth - 1.8, (x, y, back + (depth - 1.6) / 2), "air"),
    ]
    for number, (share, place) in enumerate(((0.88, 0.1), (0.6, 0.35), (0.75, 0.6), (0.88, 0.85))):
        parts.append(
            disc(
                f"{name}/element-{number}", share * barrel, 0.45, (x, y, back + 0.3 + place * (depth - 2.2)), "acrylic"
            )
        )
    offset = size / 2 - 1.0
    places = (
        ((-offset, 0), (offset, 0), (0, -offset), (0, offset)) if camera.stabilised else ((-offset, 0), (offset, 0))
    )
    for number, (dx, dy) in enumerate(places):
        extent = (1.1, 0.5 * size, 1.6) if dx else (0.5 * size, 1.1, 1.6)
        parts.append(solid(f"{name}/magnet-{number}", extent, (x + dx, y + dy, z), "ndfeb"))
    if camera.stabilised:
        corner = size / 2 - 1.1
        for number, (dx, dy) in enumerate(((-corner, -corner), (corner, -corner), (corner, corner), (-corner, corner))):
            parts.append(disc(f"{name}/spring-{number}", 1.0, depth - 1.2, (x + dx, y + dy, z), "copper"))
    parts.append(
        solid(f"{name}/connector", (5.0, 2.0, 0.9), (x - 1.0, y - size / 2 - 1.6, front - 1.2), "solder_balls")
    )
    return parts


def _coil(coil: Coil, back: float) -> list[Part]:
    """Return concentric turns on a ferrite sheet; a turn is a disc of copper, the gap inside it one of polymer."""
    x, y = coil.x, coil.y
    z = back + 0.25
    parts = [disc("coil/ferrite", coil.diameter + 3.0, 0.22, (x, y, back + 0.56), "ferrite")]
    pitch = 0.5 * (coil.diameter - 21.0) / coil.turns
    for turn in range(coil.turns):
        outer = coil.diameter - 2 * pitch * turn
        parts += [
            disc(f"coil/turn-{turn}", outer, 0.4, (x, y, z), "copper"),
            disc(f"coil/gap-{turn}", outer - 1.3 * pitch, 0.4, (x, y, z), "polyimide"),
        ]
    parts += [
        disc("coil/eye", 20.0, 0.5, (x, y, z), "air"),
        solid("coil/lead", (2.4, coil.diameter / 2 + 8.0, 0.2), (x + 6.0, y + coil.diameter / 4 + 4.0, back + 0.5),
              "copper"),
    ]  # fmt: skip
    radius = coil.diameter / 2 + 4.8
    for number in range(coil.magnets):
        angle = 360.0 * (number + 0.5) / coil.magnets
        if 255.0 < angle < 285.0:  # where the leads pass
            continue
        place = (
            x + radius * float(np.cos(np.radians(angle))),
            y + radius * float(np.sin(np.radians(angle))),
            back + 0.33,
        )
        length = 2 * np.pi * radius / coil.magnets - 0.45
        parts.append(solid(f"coil/magnet-{number}", (2.4, float(length), 0.55), place, "ndfeb", 0.0, (0, 0, angle)))
    if coil.magnets:
        parts.append(solid("coil/alignment magnet", (2.6, 7.5, 0.55), (x, y - radius - 7.0, back + 0.33), "ndfeb"))
    return parts


def _haptic(haptic: Haptic, z: float, depth: float) -> list[Part]:
    area = haptic.area
    x, y, w, h = area.x, area.y, area.width, area.height
    if haptic.kind == "coin motor":
        return [
            disc("haptic/case", w, 3.0, (x, y, z), "steel"),
            disc("haptic/inner", w - 0.6, 2.5, (x, y, z), "air"),
            disc("haptic/magnet", 0.75 * w, 0.7, (x, y, z + 0.8), "ndfeb"),
            solid("haptic/mass", (0.4 * w, 0.75 * w, 1.2), (x - 0.2 * w, y, z - 0.4), "tungsten_alloy", 0.19 * w),
            disc("haptic/shaft", 1.2, 2.5, (x, y, z), "steel"),
        ]
    parts = [
        solid("haptic/case", (w, h, depth), (x, y, z), "steel", 1.0),
        solid("haptic/inner", (w - 0.6, h - 0.6, depth - 0.5), (x, y, z), "air", 0.7),
        solid("haptic/mass", (0.62 * w, h - 2.0, depth - 1.4), (x, y, z), "tungsten_alloy", 0.6),
        solid("haptic/slot", (0.34 * w, h - 4.6, depth), (x, y, z), "air", 1.0),
        solid("haptic/coil", (0.3 * w, h - 5.4, depth - 1.8), (x, y, z), "winding", 1.2),
    ]
    for number, side in enumerate((-1, 1)):
        parts += [
            solid(f"haptic/magnet-{number}", (0.1 * w, h - 3.0, depth - 1.4), (x + side * 0.24 * w, y, z), "ndfeb"),
            solid(f"haptic/spring-{number}", (0.4, h - 1.6, depth - 1.6), (x + side * 0.4 * w, y, z), "steel",
                  rotation=(0, 0, 14.0 * side)),
            solid(f"haptic/ear-{number}", (3.4, 3.4, 0.6), (x + side * (w / 2 + 1.0), y + side * (h / 2 - 2.0), z),
                  "steel", 1.6),
        ]  # fmt: skip
    return parts


def _speaker(name: str, area: Rectangle, z: float, depth: float) -> list[Part]:
    x, y, w, h = area.x, area.y, area.width, area.height
    long = min(w - 4.0, 1.45 * h)
    return [
        solid(f"{name}/box", (w, h, depth), (x, y, z), "polycarbonate", 1.2),
        solid(f"{name}/volume", (w - 1.4, h - 1.4, depth - 1.2), (x, y, z), "air", 1.0),
        solid(f"{name}/yoke", (long, h - 2.4, 0.5), (x, y, z - depth / 2 + 0.9), "steel", 1.0),
        solid(f"{name}/magnet", (0.5 * long, 0.46 * h, 1.2), (x, y, z - depth / 2 + 1.7), "ndfeb", 0.6),
        solid(f"{name}/coil", (0.5 * long + 1.4, 0.46 * h + 1.4, 0.8), (x, y, z + 0.1), "winding", 0.8),
        solid(f"{name}/coil-inner", (0.5 * long + 0.6, 0.46 * h + 0.6, 0.8), (x, y, z + 0.1), "air", 0.5),
        *(solid(f"{name}/side magnet-{number}", size, (x + dx, y + dy, z - depth / 2 + 1.7), "ndfeb")
          for number, (size, dx, dy) in enumerate((
              ((0.6 * long, 0.08 * h, 1.2), 0.0, 0.36 * h), ((0.6 * long, 0.08 * h, 1.2), 0.0, -0.36 * h),
              ((0.07 * long, 0.5 * h, 1.2), 0.41 * long, 0.0), ((0.07 * long, 0.5 * h, 1.2), -0.41 * long, 0.0)))),
        solid(f"{name}/contact", (1.6, 3.0, 0.3), (x - w / 2 + 1.6, y, z + depth / 2 - 0.3), "copper"),
        solid(f"{name}/mesh", (0.5 * w, 1.0, 1.0), (x, y - h / 2 - 0.6, z), "steel"),
    ]  # fmt: skip


def _front_modules(inside: Inside, shell: Shell, front: float) -> list[Part]:
    y = shell.size[1] / 2 - (6.2 if shell.front.style != "home button" else 8.0)
    parts = []
    for number, (x, size) in enumerate(inside.front_modules, start=1):
        name = f"front module-{number}"
        z = front - 1.3
        parts += [
            solid(f"{name}/can", (size, size, 3.0), (x, y, z), "steel", 0.6),
            solid(f"{name}/inner", (size - 0.4, size - 0.4, 2.7), (x, y, z), "air", 0.5),
            solid(f"{name}/sensor", (0.55 * size, 0.5 * size, 0.3), (x, y, z - 1.1), "silicon"),
            solid(f"{name}/substrate", (size - 0.5, size - 0.5, 0.4), (x, y, z - 1.4), "circuit_board"),
            disc(f"{name}/lens", 0.6 * size, 1.6, (x, y, z + 0.4), "acrylic"),
            solid(f"{name}/tail", (2.2, 7.0, 0.3), (x, y - size / 2 - 3.0, z - 1.3), "flex"),
        ]
    xs = [x for x, _ in inside.front_modules]
    span = max(xs) - min(xs) + 8.0
    parts.append(
        solid("front module-1/bracket", (span, 1.6, 0.4), ((max(xs) + min(xs)) / 2, y - 4.6, front - 0.4), "steel")
    )
    return parts


def _connector(inside: Inside, shell: Shell, z: float) -> list[Part]:
    bottom = -shell.size[1] / 2 + WALL_MM
    y = bottom + 4.0
    parts = [
        solid("connector/shell", (10.4, 8.0, 3.2), (0, y, z), "steel", 0.8),
        solid("connector/mouth", (9.0, 7.6, 2.4), (0, y - 0.4, z), "air", 0.8),
        solid("connector/tongue", (7.2, 5.6, 0.8), (0, y, z), "polycarbonate"),
        *(solid(f"connector/contact-{number}", (0.35, 5.0, 0.9), ((number - 3.5) * 0.85, y, z), "copper")
          for number in range(8)),
        solid("connector/base", (12.0, 3.0, 0.9), (0, y + 5.2, z - 0.8), "circuit_board"),
        solid("connector/joints", (9.0, 1.0, 0.4), (0, y + 5.0, z - 0.2), "solder"),
    ]  # fmt: skip
    for number, x in enumerate((-8.0, 8.0)):
        parts += [
            disc(f"microphone-{number}/can", 3.4, 1.2, (x * 1.25, bottom + 2.4, z), "steel"),
            disc(f"microphone-{number}/inner", 2.9, 0.9, (x * 1.25, bottom + 2.4, z), "air"),
        ]
    if inside.jack:
        x, y = -20.0, bottom + 7.5
        parts += [
            solid("jack/body", (7.0, 14.0, 4.2), (x, y, z), "polycarbonate", 0.8),
            solid("jack/barrel", (4.2, 4.2, 14.2), (x, y, z), "steel", 2.1, ALONG_Y),
            solid("jack/bore", (3.5, 3.5, 14.4), (x, y, z), "air", 1.75, ALONG_Y),
            *(solid(f"jack/spring-{number}", (0.5, 3.0, 1.4), (x + side * 2.9, y + 3.2 * (number - 1), z), "copper")
              for number, side in enumerate((-1, 1, -1))),
        ]  # fmt: skip
    return parts


def _sim_tray(area: Rectangle, z: float) -> list[Part]:
    x, y, w, h = area.x, area.y, area.width, area.height
    return [
        solid("sim/cage", (w, h, 0.15), (x, y, z + 0.9), "steel"),
        solid("sim/tray", (w - 0.6, h - 1.0, 0.9), (x, y, z), "aluminium", 1.0),
        solid("sim/pocket", (0.7 * w, 0.64 * h, 0.92), (x, y, z), "air", 0.6),
        solid("sim/card", (0.68 * w, 0.62 * h, 0.7), (x, y, z), "polycarbonate", 0.6),
        solid("sim/chip", (0.3 * w, 0.22 * h, 0.25), (x, y, z), "silicon"),
        *(solid(f"sim/pad-{number}", (0.24 * w, 0.12 * h, 0.06), (x + (number % 2 - 0.5) * 0.36 * w,
                y + (number // 2 - 1) * 0.17 * h, z + 0.38), "copper") for number in range(6)),
    ]  # fmt: skip


def _home_sensor(shell: Shell, front: float) -> list[Part]:
    y = -shell.size[1] / 2 + shell.front.bezel[2] / 2
    return [
        disc("home sensor/well", 11.6, 1.6, (0, y, front + 0.6), "air"),
        disc("home sensor/ring", 11.2, 1.4, (0, y, front + 0.7), "steel"),
        disc("home sensor/die", 9.8, 0.9, (0, y, front + 0.9), "silicon"),
        solid("home sensor/bracket", (24.0, 5.0, 0.4), (0, y, front - 0.3), "steel", 1.0),
        solid("home sensor/chip", (4.0, 3.0, 0.8), (7.5, y, front - 0.9), "moulded_chip"),
        solid("home sensor/flex", (2.6, 22.0, 0.25), (-4.0, y + 12.0, front - 0.3), "flex"),
    ]


def _flexes(flexes: tuple[Rectangle, ...], front: float) -> list[Part]:
    """Return flat cables: polyimide and copper, with a stiffened connector at each end."""
    parts = []
    for number, area in enumerate(flexes, start=1):
        z = front - 0.35
        long = area.height > area.width
        parts.append(solid(f"flex-{number}/cable", (area.width, area.height, 0.25), (area.x, area.y, z), "flex", 0.4))
        for end, side in enumerate((-1, 1)):
            x = area.x + (0.0 if long else side * (area.width / 2 - 2.0))
            y = area.y + (side * (area.height / 2 - 2.0) if long else 0.0)
            size = (4.6, 2.6) if long else (2.6, 4.6)
            parts += [
                solid(f"flex-{number}/plug-{end}", (*size, 0.8), (x, y, z - 0.4), "solder_balls", 0.2),
                solid(f"flex-{number}/plate-{end}", (size[0] + 1, size[1] + 1, 0.2), (x, y, z + 0.15), "steel", 0.4),
            ]
    return parts


def _screws(inside: Inside, shell: Shell, front: float) -> list[Part]:
    """Return screws along the frame, on the boards and round the modules: head and thread each."""
    width, height, _ = shell.size
    rng = np.random.default_rng(inside.screw_seed)
    half = width / 2 - WALL_MM - 1.2
    places = [
        (side * half, y + float(rng.uniform(-3, 3)))
        for side in (-1, 1)
        for y in np.linspace(-height / 2 + 14, height / 2 - 14, inside.edge_screws)
    ]
    places += [(x, side * (height / 2 - WALL_MM - 1.6)) for x in (-14.0, 16.5) for side in (-1, 1)]
    for area in inside.board.outline:
        places += [(area.x - area.width / 2 + 1.5, area.y + side * (area.height / 2 - 1.5)) for side in (-1, 1)]
        places.append((area.x + area.width / 2 - 1.6, area.y + float(rng.uniform(-0.3, 0.3)) * area.height))
    for camera in inside.cameras:
        places.append((camera.x - camera.size / 2 - 1.4, camera.y + 0.3 * camera.size))
    speaker, haptic = inside.speaker, inside.haptic.area
    places += [(speaker.x + side * (speaker.width / 2 - 1.2), speaker.y + speaker.height / 2 - 1.2) for side in (-1, 1)]
    if inside.haptic.kind == "linear actuator":
        places += [
            (haptic.x + side * (haptic.width / 2 + 1.0), haptic.y + side * (haptic.height / 2 - 2.0))
            for side in (-1, 1)
        ]
    parts = []
    for number, (x, y) in enumerate(places, start=1):
        parts += [
            disc(f"screw-{number}/head", 1.9, 0.5, (x, y, front - 0.35), "steel"),
            disc(f"screw-{number}/thread", 1.2, 2.0, (x, y, front - 1.5), "steel"),
        ]
    return parts

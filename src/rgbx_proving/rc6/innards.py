"""The inside of a remote control of RC6, from its inside design: cells and springs, board, lamps, rubber mat, screws.

From the front: the case's wall, the rubber mat with the keys, the board, whose components are on its back, and the
cells. Modules are groups of parts: the first word of a part's name, up to the slash.
"""

import numpy as np

from rgbx_proving.families.design import Rectangle
from rgbx_proving.rc6.casing import CASE_MM
from rgbx_proving.rc6.designs import CellPlace, RemoteBoard, RemoteInside, RemoteShell
from rgbx_proving.units.parts import ALONG_Y, Part, disc, solid

AAA = (10.4, 43.3)
"""Diameter and length of a cell without its pole."""
MAT_MM, BOARD_THICKNESS_MM, COPPER_MM = 1.0, 1.0, 0.035


def build_innards(inside: RemoteInside, shell: RemoteShell) -> list[Part]:
    """Return everything within the case."""
    _, height, depth = shell.size
    front, back = depth / 2 - CASE_MM, -depth / 2 + CASE_MM
    board = front - MAT_MM - 1.0  # its face
    below = board - BOARD_THICKNESS_MM  # where its components hang
    end = height / 2 - CASE_MM
    parts = []
    for number, place in enumerate(inside.cells, start=1):
        parts += _cell_and_contacts(number, place, back + 0.2 + AAA[0] / 2)
    parts += _board(inside.board, board)
    parts += _components(inside, below)
    for number, x in enumerate(inside.lamps, start=1):
        parts += _lamp(f"lamp-{number}", x, end, depth / 2 - 7.0)
    parts += _mat(inside, shell, front)
    if inside.ballast is not None:
        area = inside.ballast
        parts.append(solid("ballast/plate", (area.width, area.height, 1.2), (area.x, area.y, back + 0.8), "steel", 2.0))
    for number, (x, y) in enumerate(inside.screws, start=1):
        parts += [
            disc(f"screw-{number}/head", 4.4, 1.5, (x, y, back + 0.8), "steel"),
            disc(f"screw-{number}/boss", 5.0, below - back - 1.6, (x, y, (below + back + 1.6) / 2), "abs"),
            disc(f"screw-{number}/thread", 2.0, 7.0, (x, y, back + 5.0), "steel"),
        ]
    return parts


def _cell_and_contacts(number: int, place: CellPlace, z: float) -> list[Part]:
    """Return a cell, the spring at its minus pole and the plate at its plus pole."""
    x, y, length = place.x, place.y, AAA[1]
    up = 1 if place.plus == "up" else -1
    parts = _alkaline_cell(f"battery-{number}", (x, y, z), up)
    plus, minus = y + up * (length / 2 + 1.2), y - up * (length / 2 + 0.4)
    parts.append(solid(f"contact-{number}/plate", (8.0, 0.4, 8.5), (x, plus, z), "steel"))
    for turn, breadth in enumerate((4.4, 5.4, 6.4, 7.4)):
        at = (x, minus - up * 0.6 * turn, z)
        parts += [
            disc(f"spring-{number}/turn-{turn}", breadth, 0.35, at, "steel", rotation=ALONG_Y),
            disc(f"spring-{number}/eye-{turn}", breadth - 1.5, 0.35, at, "air", rotation=ALONG_Y),
        ]
    parts.append(solid(f"spring-{number}/plate", (9.0, 0.35, 9.0), (x, minus - up * 2.2, z), "steel"))
    return parts


def _alkaline_cell(name: str, position: tuple[float, float, float], up: int) -> list[Part]:
    """Return a cell along y: can, cathode ring, zinc gel with its pin, seal, poles; ``up`` is -1 for plus downwards."""
    (diameter, length), (x, y, z) = AAA, position

    def round_part(what: str, breadth: float, extent: float, along: float, material: str) -> Part:
        return disc(f"{name}/{what}", breadth, extent, (x, y + up * along, z), material, rotation=ALONG_Y)

    return [
        round_part("can", diameter, length, 0.0, "steel"),
        round_part("cathode", diameter - 0.5, length - 2.0, 0.6, "manganese_dioxide"),
        round_part("anode", 0.6 * diameter, length - 5.0, 0.2, "zinc_gel"),
        round_part("pin", 1.3, length - 14.0, -5.0, "nickel_silver"),
        round_part("seal", diameter - 0.8, 1.6, 0.8 - length / 2 + 0.5, "polyethylene"),
        round_part("minus", 0.7 * diameter, 0.4, 0.2 - length / 2, "steel"),
        round_part("pole", 0.37 * diameter, 1.0, length / 2 + 0.4, "steel"),
    ]


def _board(board: RemoteBoard, face: float) -> list[Part]:
    """Return the laminate and the tracks on its back."""
    rng = np.random.default_rng(board.layout)
    middle = face - BOARD_THICKNESS_MM / 2
    parts = [
        solid(f"board/laminate-{number}", (area.width, area.height, BOARD_THICKNESS_MM), (area.x, area.y, middle),
              board.material, 1.5)
        for number, area in enumerate(board.outline)
    ]  # fmt: skip
    surface = face - BOARD_THICKNESS_MM - COPPER_MM / 2
    for number in range(board.tracks):
        area = board.outline[number % len(board.outline)]
        along = rng.random() < 0.6
        length = float(rng.uniform(0.25, 0.7)) * (area.height if along else area.width)
        breadth = float(rng.uniform(0.6, 1.6))
        size = (breadth, length) if along else (length, breadth)
        x, y = (
            float(middle_of + rng.uniform(-0.5, 0.5) * (extent - own - 2.0))
            for middle_of, extent, own in zip((area.x, area.y), (area.width, area.height), size, strict=True)
        )
        parts.append(solid(f"board/track-{number}", (*size, COPPER_MM), (x, y, surface), "copper"))
    return parts


def _components(inside: RemoteInside, surface: float) -> list[Part]:
    """Return what hangs from the board, drawn and placed."""
    board = inside.board
    parts = _chip(board.chip, board.package, surface)
    x, y = inside.clock_place
    if inside.clock == "crystal":
        parts += [
            solid("board/back-crystal", (10.0, 4.0, 3.4), (x, y, surface - 1.8), "steel", 2.0),
            solid("board/back-crystal-inner", (9.4, 3.4, 3.0), (x, y, surface - 1.8), "air", 1.7),
            solid("board/back-crystal-quartz", (7.0, 0.4, 2.4), (x, y, surface - 1.8), "silicon"),
        ]
    else:
        parts += [
            solid("board/back-resonator", (7.0, 3.0, 4.0), (x, y, surface - 2.1), "epoxy", 1.0),
            solid("board/back-resonator-plate", (5.5, 0.5, 2.6), (x, y, surface - 2.2), "barium_titanate"),
            solid("board/back-resonator-legs", (5.0, 0.4, 0.6), (x, y, surface - 0.3), "copper"),
        ]
    can = inside.capacitor
    parts += [
        disc("board/back-capacitor-can", can.width, can.height, (can.x, can.y, surface - can.width / 2 - 0.1),
             "aluminium", rotation=ALONG_Y),
        disc("board/back-capacitor-roll", can.width - 0.8, can.height - 1.4,
             (can.x, can.y, surface - can.width / 2 - 0.1), "pouch_laminate", rotation=ALONG_Y),
    ]  # fmt: skip
    parts += _passives(board, surface)
    if inside.radio is not None:
        area = inside.radio
        size, at = (area.width, area.height), (area.x, area.y)
        parts += [
            solid("board/back-radio-laminate", (*size, 0.8), (*at, surface - 0.4), "circuit_board", 0.5),
            solid("board/back-radio-shield", (area.width - 1.0, area.height - 4.0, 1.6), (area.x, area.y - 1.5,
                  surface - 1.6), "nickel_silver", 0.5),
            solid("board/back-radio-shield-air", (area.width - 1.4, area.height - 4.4, 1.4), (area.x, area.y - 1.5,
                  surface - 1.5), "air", 0.4),
            solid("board/back-radio-chip", (4.5, 4.5, 0.8), (area.x, area.y - 1.0, surface - 1.2), "moulded_chip"),
            solid("board/back-radio-aerial", (area.width - 2.0, 0.8, 0.1), (area.x, area.y + area.height / 2 - 1.2,
                  surface - 0.85), "copper"),
        ]  # fmt: skip
    if inside.buzzer is not None:
        area = inside.buzzer
        parts += [
            disc("buzzer/case", area.width, 3.4, (area.x, area.y, surface - 1.8), "polycarbonate"),
            disc("buzzer/room", area.width - 1.2, 2.4, (area.x, area.y, surface - 1.9), "air"),
            disc("buzzer/plate", area.width - 1.0, 0.25, (area.x, area.y, surface - 0.8), "nickel_silver"),
            disc("buzzer/ceramic", area.width - 4.0, 0.2, (area.x, area.y, surface - 1.0), "barium_titanate"),
        ]
    if inside.microphone is not None:
        x, y = inside.microphone
        parts += [
            disc("microphone/can", 4.0, 1.5, (x, y, surface - 0.8), "aluminium"),
            disc("microphone/inner", 3.4, 1.1, (x, y, surface - 0.8), "air"),
        ]
    return parts


def _chip(area: Rectangle, package: str, surface: float) -> list[Part]:
    x, y, w, h = area.x, area.y, area.width, area.height
    if package == "blob":  # a bare die on the board under a drop of resin
        return [
            disc("board/back-blob", w, 1.3, (x, y, surface - 0.65), "epoxy"),
            solid("board/back-die", (0.3 * w, 0.3 * h, 0.4), (x, y, surface - 0.25), "silicon"),
            *(solid(f"board/back-fan-{side}", size, (x + dx, y + dy, surface - 0.05), "copper")
              for side, (size, dx, dy) in enumerate((
                  ((0.5, 0.25 * h, 0.05), 0.18 * w, 0.28 * h), ((0.5, 0.25 * h, 0.05), -0.18 * w, 0.28 * h),
                  ((0.5, 0.25 * h, 0.05), 0.18 * w, -0.28 * h), ((0.5, 0.25 * h, 0.05), -0.18 * w, -0.28 * h)))),
        ]  # fmt: skip
    tall, pitch = (3.2, 2.54) if package == "through-hole" else (1.3, 1.27)
    pins = max(2, int((h - 0.6) / pitch))
    reach = 4.6 if package == "through-hole" else 1.5  # of legs, downwards from the chip's middle into the board
    parts = [
        solid("board/back-chip", (w, h, tall), (x, y, surface - tall / 2 - 0.15), "moulded_chip", 0.3),
        solid("board/back-frame", (0.45 * w, 0.4 * h, 0.15), (x, y, surface - tall / 2), "copper"),
    ]
    for side in (-1, 1):
        for pin in range(pins):
            at = (x + side * (w / 2 + 0.35), y + (pin - (pins - 1) / 2) * pitch, surface - reach / 2 + 0.9)
            parts.append(solid(f"board/back-pin-{side}-{pin}", (0.5, 0.5, reach - 0.9), at, "copper"))
            parts.append(solid(f"board/back-joint-{side}-{pin}", (1.2, 0.9, 0.2), (*at[:2], surface - 0.1), "solder"))
    return parts


def _passives(board: RemoteBoard, surface: float) -> list[Part]:
    rng = np.random.default_rng(board.layout + 1)
    area, parts = board.outline[0], []
    for number in range(board.passives):
        x = float(area.x + rng.uniform(-0.42, 0.42) * area.width)
        y = float(area.y + rng.uniform(-0.42, 0.42) * area.height)
        size = (2.0, 1.2, 0.6) if rng.random() < 0.5 else (1.2, 2.0, 0.6)
        material = str(rng.choice(["barium_titanate", "alumina"]))
        ends = 0.8 if size[0] > size[1] else 0.0
        parts.append(solid(f"board/back-{number}", size, (x, y, surface - 0.35), material))
        for side in (-1, 1):
            at = (x + side * ends, y + side * (0.8 - ends), surface - 0.2)
            parts.append(solid(f"board/back-{number}-end-{side}", (0.9, 0.9, 0.35), at, "solder"))
    return parts


def _lamp(name: str, x: float, end: float, z: float) -> list[Part]:
    """Return an infrared lamp that looks through the window: clear resin, the die in its cup, two legs."""
    return [
        disc(f"{name}/body", 5.0, 6.5, (x, end - 4.2, z), "epoxy", rotation=ALONG_Y),
        disc(f"{name}/collar", 5.8, 1.0, (x, end - 7.0, z), "epoxy", rotation=ALONG_Y),
        disc(f"{name}/cup", 1.8, 0.9, (x, end - 5.2, z), "copper", rotation=ALONG_Y),
        *(solid(f"{name}/leg-{number}", (0.5, 9.0, 0.5), (x + side * 1.27, end - 9.8, z), "steel")
          for number, side in enumerate((-1, 1))),
    ]  # fmt: skip


def _mat(inside: RemoteInside, shell: RemoteShell, front: float) -> list[Part]:
    """Return the sheet that all keys hang on, and under each key a pill of carbon."""
    places = [place for grid in inside.contacts for place in grid.places()]
    ys = [y for _, y in places]
    size = (shell.size[0] - 2 * CASE_MM - 5.0, max(ys) - min(ys) + 10.0)
    middle = (max(ys) + min(ys)) / 2
    parts = [solid("mat/sheet", (*size, MAT_MM), (0.0, middle, front - MAT_MM / 2), "silicone", 3.0)]
    for number, (x, y) in enumerate(places):
        parts.append(disc(f"mat/pill-{number}", 3.6, 0.5, (x, y, front - MAT_MM - 0.25), "graphite"))
    return parts

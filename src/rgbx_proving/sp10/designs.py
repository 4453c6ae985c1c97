"""What the ten generations of SP10 are, as data: a shell and an inside each.

Positions are in the unit frame (millimetres, seen from the front); what is at x > 0 is on the left of the back.
SP1 and SP2 share the shell; SP9 and SP10 share the inside. docs/results/sp10.md tabulates all differences, and was
written before any accuracy was measured; neither is tuned to results.
"""

from typing import Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.geometry import Vector
from rgbx_proving.families.design import Design, Piece, Rectangle


class Colourway(Piece):
    """A colour a class is sold in."""

    name: str
    frame: str
    back: str
    front: str
    """Of the print round the display."""

    def brief(self) -> str:
        """Return its name and colours."""
        return f"{self.name} {self.frame}" if self.frame == self.back else f"{self.name} {self.frame}/{self.back}"


class Lens(Piece):
    """A rear camera as seen from outside."""

    x: float
    y: float
    diameter: float

    def brief(self) -> str:
        """Return size and place."""
        return f"⌀{self.diameter:g} at ({self.x:g}, {self.y:g})"


class Island(Config):
    """The plateau that the rear cameras stand on."""

    area: Rectangle
    radius: float
    height: float
    finish: Literal["back", "frame", "black"]
    """Whose colour it takes."""


class Front(Config):
    """What the face shows: print, display and what interrupts it."""

    bezel: tuple[float, float, float]
    """Width of the print at the sides, top and bottom."""
    style: Literal["home button", "notch", "pill"]
    cutout_width: float = 0.0
    """Of the notch or pill."""
    button_ring: bool = False
    """Whether the home button has a bright ring."""
    earpiece_width: float
    camera_x: float
    """Front camera, right of the middle."""


class Shell(Config):
    """All that a camera can see."""

    size: Vector
    corner_radius: float
    edge: Literal["round", "flat"]
    frame: Literal["aluminium", "steel"]
    back: Literal["aluminium", "cover_glass"]
    palette: tuple[Colourway, ...]
    front: Front
    lenses: tuple[Lens, ...]
    island: Island | None = None
    flash: tuple[float, float]
    depth_sensor: tuple[float, float] | None = None
    logo_y: float
    logo_diameter: float
    logo_material: Literal["steel", "aluminium", "epoxy"]
    lettering: bool
    """Lines of small print on the lower back."""
    antenna: Literal["bands", "edge bands", "gaps"]
    sim_slot: tuple[Literal["left", "right"], float]
    """Side, seen from the front, and y."""
    volume_y: float
    power_y: float
    jack: bool
    speaker_holes: tuple[int, int]
    """Left and right of the connector."""


class Cell(Piece):
    """One pouch cell."""

    area: Rectangle
    thickness: float

    def brief(self) -> str:
        """Return size and place."""
        area = self.area
        return f"{area.width:g} × {area.height:g} × {self.thickness:g} at ({area.x:g}, {area.y:g})"


class Board(Config):
    """One logic board: an outline of overlapping rectangles, and where its components are drawn from."""

    outline: tuple[Rectangle, ...]
    layout: int
    """Seed of the placement of components: the circuit's design."""
    stacked: bool = False
    """Two boards, one above the other, joined by a ring of vias."""
    shields: int
    """Shield cans on the front face."""


class CameraModule(Config):
    """One rear camera as seen by X-rays."""

    x: float
    y: float
    size: float
    """Side of its square can."""
    stabilised: bool
    """With magnets and coils that move the lens or sensor sideways."""


class Coil(Piece):
    """The coil for wireless charging."""

    x: float
    y: float
    diameter: float
    turns: int = Field(ge=1)
    magnets: int = 0
    """Pieces of the ring of magnets round it."""

    def brief(self) -> str:
        """Return size, place and what it is made of."""
        return f"⌀{self.diameter:g} at ({self.x:g}, {self.y:g}), {self.turns} turns, {self.magnets} magnets"


class Haptic(Config):
    """What makes the phone vibrate."""

    kind: Literal["coin motor", "linear actuator"]
    area: Rectangle


class Inside(Config):
    """All that only X-rays can see."""

    cells: tuple[Cell, ...]
    board: Board
    cameras: tuple[CameraModule, ...]
    coil: Coil | None = None
    haptic: Haptic
    speaker: Rectangle
    upper_speaker: Rectangle
    front_modules: tuple[tuple[float, float], ...]
    """x and side length of the modules beside the earpiece."""
    home_button: bool
    jack: bool
    sim_tray: Rectangle
    midplate: Literal["aluminium", "steel"]
    flexes: tuple[Rectangle, ...]
    edge_screws: int
    """Along each long side."""
    screw_seed: int


class Phone(Design):
    """One generation."""

    shell: Shell
    inside: Inside


def _area(x: float, y: float, width: float, height: float) -> Rectangle:
    return Rectangle(x=x, y=y, width=width, height=height)


def _colour(name: str, frame: str, back: str, front: str = "#0a0a0c") -> Colourway:
    return Colourway(name=name, frame=frame, back=back, front=front)


_WHITE = "#eeeeec"

# --- SP1 and SP2: aluminium back, home button; the same shell, another inside.

_SHELL_1 = Shell(
    size=(69.0, 141.0, 7.3), corner_radius=9.5, edge="round", frame="aluminium", back="aluminium",
    palette=(
        _colour("silver", "#d4d5d7", "#d4d5d7", _WHITE),
        _colour("grey", "#6f7075", "#6f7075"),
        _colour("gold", "#dcc4a2", "#dcc4a2", _WHITE),
    ),
    front=Front(bezel=(4.2, 17.5, 17.5), style="home button", button_ring=True, earpiece_width=11.0, camera_x=-9.5),
    lenses=(Lens(x=25.0, y=61.0, diameter=7.2),), flash=(12.5, 61.0),
    logo_y=32.0, logo_diameter=11.5, logo_material="steel", lettering=True, antenna="bands",
    sim_slot=("right", 6.0), volume_y=28.0, power_y=36.0, jack=True, speaker_holes=(0, 6),
)  # fmt: skip
_INSIDE_1 = Inside(
    cells=(Cell(area=_area(-11.8, -3.0, 38.5, 93.0), thickness=3.3),),
    board=Board(outline=(_area(20.8, 3.0, 20.5, 90.0), _area(-3.0, 52.0, 30.0, 11.0)), layout=11, shields=4),
    cameras=(CameraModule(x=25.0, y=61.0, size=8.6, stabilised=False),),
    haptic=Haptic(kind="coin motor", area=_area(-22.5, 57.5, 10.0, 10.0)),
    speaker=_area(17.0, -58.5, 26.0, 12.5), upper_speaker=_area(2.0, 63.5, 13.0, 6.5),
    front_modules=((-9.5, 6.0), (11.5, 4.0)), home_button=True, jack=True,
    sim_tray=_area(26.6, 6.0, 13.5, 22.0), midplate="aluminium",
    flexes=(_area(9.3, -10.0, 2.4, 84.0), _area(-8.0, -55.0, 26.0, 3.0), _area(-30.6, 20.0, 1.6, 60.0)),
    edge_screws=5, screw_seed=1,
)  # fmt: skip
_INSIDE_2 = _INSIDE_1.updated({
    "cells": [Cell(area=_area(-11.8, 3.0, 38.5, 83.0), thickness=3.3)],
    "board": Board(outline=(_area(21.8, 6.0, 18.5, 84.0), _area(2.0, 52.5, 22.0, 10.0)), layout=11, shields=3),
    "haptic": Haptic(kind="linear actuator", area=_area(-13.5, -46.5, 34.0, 8.0)),
    "speaker": _area(18.5, -58.0, 23.0, 13.5),
    "flexes": [_area(9.6, -6.0, 2.4, 76.0), _area(-8.0, -55.0, 26.0, 3.0), _area(-30.6, 24.0, 1.6, 50.0)],
    "screw_seed": 2,
})  # fmt: skip

# --- SP3: no jack, larger camera, larger actuator.

_SHELL_3 = _SHELL_1.updated({
    "palette": [
        _colour("black", "#2a2b2e", "#2a2b2e"),
        _colour("silver", "#d4d5d7", "#d4d5d7", _WHITE),
        _colour("gold", "#dcc4a2", "#dcc4a2", _WHITE),
        _colour("rose", "#e0b8ac", "#e0b8ac", _WHITE),
    ],
    "front.button_ring": False, "front.earpiece_width": 13.0, "front.camera_x": -11.0,
    "lenses": [Lens(x=24.5, y=60.5, diameter=9.0)], "flash": (10.8, 60.5),
    "island": Island(area=_area(24.5, 60.5, 11.5, 11.5), radius=5.75, height=0.9, finish="frame"),
    "antenna": "edge bands", "jack": False, "speaker_holes": (6, 6),
})  # fmt: skip
_INSIDE_3 = _INSIDE_2.updated({
    "cells": [Cell(area=_area(-11.0, 3.5, 40.5, 83.0), thickness=3.3)],
    "board": Board(outline=(_area(22.6, 5.0, 17.2, 84.0), _area(3.0, 52.0, 24.0, 11.5)), layout=31, shields=4),
    "cameras": [CameraModule(x=24.5, y=60.5, size=11.0, stabilised=True)],
    "haptic": Haptic(kind="linear actuator", area=_area(-15.5, -49.0, 30.0, 11.5)),
    "upper_speaker": _area(2.0, 63.0, 17.0, 7.5), "front_modules": [(-11.0, 6.5), (14.0, 4.0)], "jack": False,
    "flexes": [_area(11.2, -6.0, 2.2, 76.0), _area(-6.0, -57.5, 24.0, 3.0), _area(-30.7, 24.0, 1.4, 50.0)],
    "screw_seed": 3,
})  # fmt: skip

# --- SP4: glass back and a charging coil.

_SHELL_4 = _SHELL_3.updated({
    "size": (69.0, 141.0, 7.4), "back": "cover_glass",
    "palette": [
        _colour("silver", "#d4d5d7", "#eae8e3", _WHITE),
        _colour("grey", "#55565a", "#323235"),
        _colour("gold", "#d9b79f", "#ead3bf", _WHITE),
        _colour("red", "#a3202b", "#a11524"),
    ],
    "front.bezel": (4.0, 16.0, 16.0), "front.camera_x": 10.5,
    "island": Island(area=_area(24.5, 60.5, 12.5, 12.5), radius=6.25, height=1.1, finish="frame"),
    "logo_y": 28.0, "lettering": False, "antenna": "gaps",
})  # fmt: skip
_INSIDE_4 = _INSIDE_3.updated({
    "cells": [Cell(area=_area(-11.0, 6.5, 40.0, 77.0), thickness=2.9)],
    "board": Board(outline=(_area(22.6, 8.0, 17.2, 78.0), _area(0.5, 52.0, 29.0, 11.5)), layout=31, shields=3),
    "coil": Coil(x=-2.0, y=-2.0, diameter=46.0, turns=9),
    "haptic": Haptic(kind="linear actuator", area=_area(-14.5, -46.0, 33.0, 10.0)),
    "front_modules": [(10.5, 6.5), (-12.0, 4.0)],
    "screw_seed": 4,
})  # fmt: skip

# --- SP5: all display with a notch, two cameras, steel frame, battery of two cells, stacked board.

_SHELL_5 = Shell(
    size=(70.9, 143.6, 7.7), corner_radius=11.5, edge="round", frame="steel", back="cover_glass",
    palette=(_colour("silver", "#d9d9da", "#ebebe7"), _colour("grey", "#4c4c4f", "#2b2c2e")),
    front=Front(bezel=(3.9, 3.9, 3.9), style="notch", cutout_width=34.5, earpiece_width=11.0, camera_x=9.5),
    lenses=(Lens(x=24.8, y=61.5, diameter=8.0), Lens(x=24.8, y=46.5, diameter=8.0)), flash=(24.8, 54.0),
    island=Island(area=_area(24.8, 54.0, 11.0, 27.0), radius=5.5, height=1.1, finish="black"),
    logo_y=30.0, logo_diameter=12.0, logo_material="aluminium", lettering=True, antenna="gaps",
    sim_slot=("right", -5.0), volume_y=26.0, power_y=27.0, jack=False, speaker_holes=(6, 6),
)  # fmt: skip
_INSIDE_5 = Inside(
    cells=(
        Cell(area=_area(-13.5, 7.5, 38.0, 61.0), thickness=3.4),
        Cell(area=_area(-0.8, -37.5, 63.5, 26.0), thickness=3.4),
    ),
    board=Board(
        outline=(_area(20.5, 8.5, 25.0, 62.0), _area(-12.5, 50.0, 38.0, 14.0)), layout=51, stacked=True, shields=3
    ),
    cameras=(
        CameraModule(x=24.8, y=61.5, size=10.2, stabilised=True),
        CameraModule(x=24.8, y=46.5, size=10.2, stabilised=True),
    ),
    coil=Coil(x=0.0, y=-2.0, diameter=47.0, turns=10),
    haptic=Haptic(kind="linear actuator", area=_area(-13.8, -58.0, 35.0, 10.5)),
    speaker=_area(19.0, -58.5, 26.0, 12.5), upper_speaker=_area(-1.0, 61.5, 16.0, 7.5),
    front_modules=((-13.0, 6.0), (9.5, 5.5), (-20.0, 4.5), (15.0, 4.0)), home_button=False, jack=False,
    sim_tray=_area(27.5, -5.0, 13.0, 20.0), midplate="steel",
    flexes=(_area(6.6, 10.0, 2.0, 60.0), _area(-6.0, -51.8, 34.0, 2.2), _area(-15.0, 42.5, 30.0, 4.0)),
    edge_screws=6, screw_seed=5,
)  # fmt: skip

# --- SP6: narrower notch, larger cameras further apart, other split of the battery.

_SHELL_6 = _SHELL_5.updated({
    "palette": [
        _colour("silver", "#d9d9da", "#ebebe7"),
        _colour("grey", "#4c4c4f", "#2b2c2e"),
        _colour("gold", "#d8b08c", "#ecd0b3"),
    ],
    "front.cutout_width": 29.0, "front.earpiece_width": 9.0, "front.camera_x": 7.5,
    "lenses": [Lens(x=24.3, y=61.5, diameter=9.3), Lens(x=24.3, y=44.5, diameter=9.3)], "flash": (24.3, 53.0),
    "island": Island(area=_area(24.3, 53.0, 12.6, 30.5), radius=6.3, height=1.2, finish="black"),
    "logo_y": 24.0, "lettering": False, "speaker_holes": (3, 6),
})  # fmt: skip
_INSIDE_6 = _INSIDE_5.updated({
    "cells": [
        Cell(area=_area(-13.5, 3.5, 38.0, 69.0), thickness=3.5),
        Cell(area=_area(-0.8, -41.0, 63.5, 19.0), thickness=3.5),
    ],
    "board": Board(
        outline=(_area(20.8, 1.5, 24.4, 64.0), _area(-10.0, 49.5, 43.0, 13.0)), layout=51, stacked=True, shields=4
    ),
    "cameras": [
        CameraModule(x=24.3, y=61.5, size=11.5, stabilised=True),
        CameraModule(x=24.3, y=44.5, size=10.2, stabilised=False),
    ],
    "coil": Coil(x=0.0, y=4.0, diameter=50.0, turns=11),
    "front_modules": [(-11.0, 6.0), (7.5, 5.5), (-17.5, 4.5), (13.0, 4.0)],
    "haptic": Haptic(kind="linear actuator", area=_area(-16.0, -58.0, 31.0, 11.5)),
    "flexes": [_area(6.8, 4.0, 2.0, 66.0), _area(-4.0, -51.8, 38.0, 2.2), _area(-13.0, 42.0, 34.0, 4.0)],
    "screw_seed": 6,
})  # fmt: skip

# --- SP7: flat aluminium frame, square island, ring of magnets.

_SHELL_7 = Shell(
    size=(71.5, 146.7, 7.6), corner_radius=11.5, edge="flat", frame="aluminium", back="cover_glass",
    palette=(
        _colour("black", "#35363a", "#1f2023"),
        _colour("white", "#d6d6d6", "#efefeb"),
        _colour("red", "#a3202b", "#ae1c28"),
        _colour("green", "#a9c2ac", "#cde3cf"),
        _colour("blue", "#24405e", "#1d3c5c"),
    ),
    front=Front(bezel=(3.2, 3.2, 3.2), style="notch", cutout_width=34.5, earpiece_width=11.0, camera_x=9.5),
    lenses=(Lens(x=25.2, y=63.6, diameter=9.6), Lens(x=25.2, y=49.4, diameter=9.6)), flash=(12.8, 56.5),
    island=Island(area=_area(19.6, 56.5, 26.0, 28.5), radius=7.0, height=1.0, finish="back"),
    logo_y=0.0, logo_diameter=12.5, logo_material="epoxy", lettering=False, antenna="gaps",
    sim_slot=("left", 42.0), volume_y=12.0, power_y=12.0, jack=False, speaker_holes=(4, 6),
)  # fmt: skip
_INSIDE_7 = Inside(
    cells=(Cell(area=_area(-11.2, -10.0, 43.0, 79.0), thickness=3.6),),
    board=Board(outline=(_area(22.8, -4.0, 21.0, 66.0), _area(-4.0, 42.5, 36.0, 21.0)), layout=71, shields=4),
    cameras=(
        CameraModule(x=25.2, y=63.6, size=11.0, stabilised=True),
        CameraModule(x=25.2, y=49.4, size=9.4, stabilised=False),
    ),
    coil=Coil(x=0.0, y=-1.0, diameter=43.0, turns=11, magnets=32),
    haptic=Haptic(kind="linear actuator", area=_area(-16.2, -59.5, 31.0, 11.0)),
    speaker=_area(19.0, -60.0, 26.0, 13.0), upper_speaker=_area(-2.0, 66.0, 17.0, 7.0),
    front_modules=((-14.0, 6.0), (9.5, 5.5), (-21.0, 4.5), (15.0, 4.0)), home_button=False, jack=False,
    sim_tray=_area(-28.0, 42.0, 11.0, 18.0), midplate="aluminium",
    flexes=(_area(11.4, -8.0, 2.0, 74.0), _area(-6.0, -52.2, 36.0, 2.2), _area(-12.0, 55.5, 26.0, 4.5)),
    edge_screws=6, screw_seed=7,
)  # fmt: skip

# --- SP8: lenses on a diagonal, narrower notch, larger battery.

_SHELL_8 = _SHELL_7.updated({
    "palette": [
        _colour("black", "#2d3138", "#1d232b"),
        _colour("white", "#e0dad0", "#f2ebe1"),
        _colour("red", "#a3202b", "#b01523"),
        _colour("blue", "#31597a", "#2c5676"),
        _colour("pink", "#dcbcb6", "#f2d8d3"),
    ],
    "front.cutout_width": 26.5, "front.camera_x": -8.5,
    "lenses": [Lens(x=25.6, y=49.6, diameter=10.8), Lens(x=12.8, y=62.6, diameter=10.8)], "flash": (25.6, 63.0),
    "island": Island(area=_area(19.2, 56.0, 27.5, 29.5), radius=7.5, height=1.2, finish="back"),
    "speaker_holes": (5, 5),
})  # fmt: skip
_INSIDE_8 = _INSIDE_7.updated({
    "cells": [Cell(area=_area(-11.0, -6.0, 44.0, 86.0), thickness=3.6)],
    "board": Board(outline=(_area(23.2, -1.0, 20.0, 70.0), _area(-8.0, 48.0, 28.0, 17.0)), layout=81, shields=3),
    "cameras": [
        CameraModule(x=25.6, y=49.6, size=11.0, stabilised=True),
        CameraModule(x=12.8, y=62.6, size=12.4, stabilised=True),
    ],
    "coil": Coil(x=0.0, y=-1.0, diameter=43.0, turns=11, magnets=36),
    "upper_speaker": _area(-21.0, 62.0, 16.0, 7.5), "front_modules": [(-8.5, 5.5), (2.0, 4.0), (-2.5, 4.5)],
    "haptic": Haptic(kind="linear actuator", area=_area(-19.0, -59.5, 26.0, 12.0)),
    "speaker": _area(17.0, -60.0, 30.0, 13.0),
    "flexes": [_area(12.1, -4.0, 1.8, 80.0), _area(-6.0, -52.2, 36.0, 2.2), _area(-14.0, 57.5, 24.0, 4.5)],
    "screw_seed": 8,
})  # fmt: skip

# --- SP9: three cameras and a depth sensor, steel frame, battery of two cells.

_SHELL_9 = _SHELL_8.updated({
    "frame": "steel",
    "palette": [
        _colour("graphite", "#4d4d50", "#4a4a4d"),
        _colour("silver", "#d9d9da", "#ececea"),
        _colour("gold", "#d8b98f", "#f1dfc6"),
        _colour("blue", "#8ea6bd", "#9db4ca"),
    ],
    "front.bezel": (2.9, 2.9, 2.9), "front.cutout_width": 22.0, "front.earpiece_width": 8.0,
    "front.camera_x": -6.5,
    "lenses": [
        Lens(x=24.6, y=62.2, diameter=11.6), Lens(x=24.6, y=47.0, diameter=11.6), Lens(x=10.8, y=54.6, diameter=11.6),
    ],
    "flash": (11.8, 64.6), "depth_sensor": (11.6, 44.8),
    "island": Island(area=_area(17.4, 54.6, 31.0, 32.0), radius=8.0, height=1.3, finish="back"),
    "speaker_holes": (5, 6),
})  # fmt: skip
_INSIDE_9 = _INSIDE_8.updated({
    "cells": [
        Cell(area=_area(-11.2, 0.5, 43.5, 65.0), thickness=3.6),
        Cell(area=_area(-1.5, -43.0, 63.0, 20.0), thickness=3.6),
    ],
    "board": Board(
        outline=(_area(22.8, 3.5, 20.6, 70.0), _area(-9.0, 46.0, 26.0, 20.0)), layout=91, stacked=True, shields=4
    ),
    "cameras": [
        CameraModule(x=24.6, y=62.2, size=12.0, stabilised=True),
        CameraModule(x=24.6, y=47.0, size=12.6, stabilised=True),
        CameraModule(x=10.8, y=54.6, size=11.0, stabilised=False),
    ],
    "midplate": "steel", "front_modules": [(-6.5, 5.5), (2.5, 4.0), (-1.8, 3.6)],
    "flexes": [_area(11.5, 2.0, 1.8, 66.0), _area(-6.0, -54.2, 36.0, 1.8), _area(-14.0, 59.0, 24.0, 4.0)],
    "screw_seed": 9,
})  # fmt: skip

# --- SP10: the inside of SP9 in another dress: a pill instead of the notch, black island, matte printed logo.

_SHELL_10 = _SHELL_9.updated({
    "palette": [
        _colour("graphite", "#39383a", "#3b3a3d"),
        _colour("silver", "#d9d9da", "#f0efec"),
        _colour("gold", "#d8b98f", "#f4e7d0"),
        _colour("purple", "#5a5266", "#5e566c"),
    ],
    "front.bezel": (2.6, 2.6, 2.6), "front.style": "pill", "front.cutout_width": 21.0,
    "island.finish": "black",
    "logo_y": -12.0, "logo_diameter": 10.0,
})  # fmt: skip

PHONES: dict[str, Phone] = {
    "SP1": Phone(shell=_SHELL_1, inside=_INSIDE_1),
    "SP2": Phone(shell=_SHELL_1, inside=_INSIDE_2),
    "SP3": Phone(shell=_SHELL_3, inside=_INSIDE_3),
    "SP4": Phone(shell=_SHELL_4, inside=_INSIDE_4),
    "SP5": Phone(shell=_SHELL_5, inside=_INSIDE_5),
    "SP6": Phone(shell=_SHELL_6, inside=_INSIDE_6),
    "SP7": Phone(shell=_SHELL_7, inside=_INSIDE_7),
    "SP8": Phone(shell=_SHELL_8, inside=_INSIDE_8),
    "SP9": Phone(shell=_SHELL_9, inside=_INSIDE_9),
    "SP10": Phone(shell=_SHELL_10, inside=_INSIDE_9),
}

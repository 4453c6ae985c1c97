"""What the six generations of RC6 are, as data: a shell and an inside each.

Positions are in the unit frame (millimetres, seen from the front). RC1 and RC2 share the shell; RC5 and RC6 share the
inside. docs/results/rc6.md tabulates all differences, and was written before any network was trained on the family;
neither is tuned to results.
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.geometry import Vector
from rgbx_proving.families.design import Design, Piece, Rectangle


class CaseColours(Piece):
    """Colours that a class is sold in."""

    name: str
    body: str
    keys: str
    legend: str
    """Of the print on keys and case."""

    def brief(self) -> str:
        """Return its name and colours."""
        return f"{self.name} {self.body}/{self.keys}/{self.legend}"


class ButtonGrid(Piece):
    """Places in rows and columns about a middle."""

    x: float
    y: float
    columns: int = Field(default=1, ge=1)
    rows: int = Field(default=1, ge=1)
    pitch: tuple[float, float] = (0.0, 0.0)
    """From column to column and from row to row."""

    def places(self) -> Iterator[tuple[float, float]]:
        """Yield them from the upper left, row by row."""
        for row in range(self.rows):
            for column in range(self.columns):
                yield (
                    self.x + (column - (self.columns - 1) / 2) * self.pitch[0],
                    self.y - (row - (self.rows - 1) / 2) * self.pitch[1],
                )

    def brief(self) -> str:
        """Return how many there are and where."""
        if self.columns * self.rows == 1:
            return f"({self.x:g}, {self.y:g})"
        pitch = f"{self.pitch[0]:g} × {self.pitch[1]:g}"
        return f"{self.columns} × {self.rows} about ({self.x:g}, {self.y:g}), pitch {pitch}"


class KeyBlock(Piece):
    """Keys of one size."""

    grid: ButtonGrid
    size: tuple[float, float]
    radius: float
    legends: str
    """What is printed on one after the other, again and again: ``-``, ``+``, ``i``, ``=``, ``o``, ``.`` or nothing."""
    paint: Literal["keys", "power", "four"] = "keys"
    """The colour of all keys, of a key to switch off, or red, green, yellow and blue in turn."""

    def brief(self) -> str:
        """Return what they are and where."""
        width, height = self.size
        return f"{self.paint} {width:g} × {height:g}, radius {self.radius:g}, '{self.legends}', at {self.grid.brief()}"


class ClickPad(Config):
    """A round key for four directions, with one in its middle."""

    y: float
    diameter: float
    middle: float
    """Diameter of the key in it."""
    legend: Literal[".", "-", "o"]


class RemoteShell(Config):
    """All that a camera can see."""

    size: Vector
    corner_radius: float
    belly: tuple[float, float]
    """How far the back's edge is rounded, inwards and in depth."""
    palette: tuple[CaseColours, ...]
    panel: Rectangle | None = None
    """A glossy black print on the face."""
    keys: tuple[KeyBlock, ...]
    pad: ClickPad
    window_width: float
    """Of the dark window in the upper end that infrared passes through."""
    indicator: tuple[float, float] | None = None
    """A pilot lamp."""
    microphone: tuple[float, float] | None = None
    """Its hole."""
    logo: Rectangle
    lid: Rectangle
    """Of the battery compartment, in the back."""
    ridges: int
    """On the lid, to push it by."""
    label: Rectangle
    """The type plate on the back."""


class CellPlace(Piece):
    """One AAA cell, along the remote control."""

    x: float
    y: float
    plus: Literal["up", "down"]

    def brief(self) -> str:
        """Return place and polarity."""
        return f"({self.x:g}, {self.y:g}) plus {self.plus}"


class RemoteBoard(Config):
    """The circuit board; what is printed and placed on it at random is drawn from ``layout``."""

    outline: tuple[Rectangle, ...]
    material: Literal["phenolic_board", "circuit_board"]
    layout: int
    tracks: int
    passives: int
    """Small resistors and capacitors."""
    chip: Rectangle
    package: Literal["through-hole", "flat", "blob"]


class RemoteInside(Config):
    """All that only X-rays can see."""

    cells: tuple[CellPlace, ...]
    board: RemoteBoard
    contacts: tuple[ButtonGrid, ...]
    """What keys press on."""
    lamps: tuple[float, ...]
    """x of each infrared lamp behind the window."""
    clock: Literal["ceramic resonator", "crystal"]
    clock_place: tuple[float, float]
    capacitor: Rectangle
    """An electrolytic one, lying."""
    radio: Rectangle | None = None
    """A module under a shield can."""
    buzzer: Rectangle | None = None
    microphone: tuple[float, float] | None = None
    ballast: Rectangle | None = None
    """A steel plate that makes it feel solid."""
    screws: tuple[tuple[float, float], ...]
    """Under the label and in the battery compartment, where no camera sees them."""


class Remote(Design):
    """One generation."""

    shell: RemoteShell
    inside: RemoteInside


def _area(x: float, y: float, width: float, height: float) -> Rectangle:
    return Rectangle(x=x, y=y, width=width, height=height)


def _grid(x: float, y: float, columns: int = 1, rows: int = 1, pitch: tuple[float, float] = (0.0, 0.0)) -> ButtonGrid:
    return ButtonGrid(x=x, y=y, columns=columns, rows=rows, pitch=pitch)


def _colours(name: str, body: str, keys: str, legend: str) -> CaseColours:
    return CaseColours(name=name, body=body, keys=keys, legend=legend)


def _round_pad(y: float, reach: float) -> tuple[ButtonGrid, ...]:
    """Return the contacts of a click pad: one in the middle, four round it."""
    return _grid(0, y), _grid(0, y, 2, 1, (2 * reach, 0)), _grid(0, y, 1, 2, (0, 2 * reach))


_BLACK = _colours("black", "#1c1c1e", "#3a3a3d", "#d6d6d2")
_WHITE = _colours("white", "#e4e3de", "#b4b3ad", "#3c3c3e")

# --- RC1 and RC2: figures, a click pad, two rockers; the same shell, another inside.

_SHELL_1 = RemoteShell(
    size=(46.0, 152.0, 21.0), corner_radius=10.0, belly=(7.0, 10.0),
    palette=(_BLACK, _colours("grey", "#6d6f73", "#2b2b2e", "#dcdcd8"), _WHITE),
    keys=(
        KeyBlock(grid=_grid(-13.0, 64.0), size=(8.0, 6.0), radius=3.0, legends="o", paint="power"),
        KeyBlock(grid=_grid(13.0, 64.0), size=(8.0, 6.0), radius=3.0, legends="="),
        KeyBlock(grid=_grid(0.0, 36.0, 3, 4, (13.0, 9.5)), size=(9.5, 6.0), radius=2.5, legends="i=+o-"),
        KeyBlock(grid=_grid(0.0, -43.0, 2, 1, (24.0, 0.0)), size=(9.0, 20.0), radius=4.5, legends="+"),
        KeyBlock(grid=_grid(0.0, -43.0, 1, 2, (0.0, 12.0)), size=(9.0, 6.5), radius=3.0, legends="o."),
    ),
    pad=ClickPad(y=-7.0, diameter=31.0, middle=11.0, legend="."),
    window_width=22.0, logo=_area(0.0, -66.5, 13.0, 2.2), lid=_area(0.0, -35.0, 29.0, 58.0), ridges=4,
    label=_area(0.0, 22.0, 26.0, 22.0),
)  # fmt: skip
_INSIDE_1 = RemoteInside(
    cells=(CellPlace(x=-5.7, y=-34.0, plus="up"), CellPlace(x=5.7, y=-34.0, plus="down")),
    board=RemoteBoard(
        outline=(_area(0.0, 1.0, 39.0, 139.0),), material="phenolic_board", layout=11, tracks=14, passives=7,
        chip=_area(-4.0, 34.0, 7.5, 23.0), package="through-hole",
    ),
    contacts=(
        _grid(-13.0, 64.0), _grid(13.0, 64.0), _grid(0.0, 36.0, 3, 4, (13.0, 9.5)), *_round_pad(-7.0, 11.0),
        _grid(0.0, -43.0, 2, 1, (24.0, 0.0)), _grid(0.0, -43.0, 1, 2, (0.0, 12.0)),
    ),
    lamps=(0.0,), clock="ceramic resonator", clock_place=(8.0, 24.0), capacitor=_area(11.0, 47.0, 6.3, 11.5),
    screws=((-9.0, 26.0), (9.0, 14.0), (0.0, -61.0)),
)  # fmt: skip
_INSIDE_2 = _INSIDE_1.updated({
    "cells": [CellPlace(x=-5.7, y=-36.0, plus="down"), CellPlace(x=5.7, y=-36.0, plus="up")],
    "board": RemoteBoard(
        outline=(_area(0.0, 22.0, 38.0, 94.0), _area(0.0, -46.0, 31.0, 42.0)), material="phenolic_board", layout=21,
        tracks=11, passives=9, chip=_area(3.0, 20.0, 13.0, 13.0), package="blob",
    ),
    "lamps": [-5.5, 5.5], "clock": "crystal", "clock_place": (-10.0, 26.0),
    "capacitor": _area(-9.0, 52.0, 5.0, 11.0), "screws": [(-9.0, 15.0), (9.0, 29.0)],
})  # fmt: skip

# --- RC3: fewer figures, four coloured keys, a glossy panel round the upper keys.

_SHELL_3 = _SHELL_1.updated({
    "palette": [
        _colours("black", "#212124", "#414145", "#d6d6d2"),
        _colours("grey", "#74767a", "#333336", "#e0e0dc"),
        _colours("white", "#e4e3de", "#c2c1bb", "#3c3c3e"),
        _colours("silver", "#a9abad", "#3d3d40", "#e8e8e4"),
    ],
    "panel": _area(0.0, 45.0, 41.0, 56.0),
    "keys": [
        KeyBlock(grid=_grid(-13.0, 65.0), size=(7.0, 7.0), radius=3.5, legends="o", paint="power"),
        KeyBlock(grid=_grid(7.0, 65.0, 2, 1, (12.0, 0.0)), size=(8.0, 5.5), radius=2.5, legends="=-"),
        KeyBlock(grid=_grid(0.0, -47.0, 3, 3, (13.0, 9.0)), size=(9.5, 6.0), radius=2.5, legends="i=+o-"),
        KeyBlock(grid=_grid(0.0, 1.5, 4, 1, (10.0, 0.0)), size=(7.5, 4.5), radius=2.0, legends=" ", paint="four"),
        KeyBlock(grid=_grid(0.0, -18.0, 2, 1, (24.0, 0.0)), size=(9.0, 20.0), radius=4.5, legends="+"),
        KeyBlock(grid=_grid(0.0, -18.0, 1, 2, (0.0, 12.0)), size=(9.0, 6.5), radius=3.0, legends="o."),
    ],
    "pad.y": 36.0, "pad.diameter": 33.0, "pad.legend": "-",
    "logo": _area(0.0, -67.0, 16.0, 2.6), "lid": _area(0.0, -33.0, 29.0, 64.0), "ridges": 3,
    "label": _area(0.0, 26.0, 28.0, 18.0),
})  # fmt: skip
_INSIDE_3 = _INSIDE_2.updated({
    "cells": [CellPlace(x=-6.2, y=-33.0, plus="down"), CellPlace(x=6.2, y=-33.0, plus="up")],
    "board": RemoteBoard(
        outline=(_area(0.0, 30.0, 39.0, 82.0), _area(0.0, -37.0, 37.0, 54.0)), material="phenolic_board", layout=31,
        tracks=13, passives=11, chip=_area(-5.0, 14.0, 10.5, 7.5), package="flat",
    ),
    "contacts": [
        _grid(-13.0, 65.0), _grid(7.0, 65.0, 2, 1, (12.0, 0.0)), _grid(0.0, -47.0, 3, 3, (13.0, 9.0)),
        _grid(0.0, 1.5, 4, 1, (10.0, 0.0)), *_round_pad(36.0, 12.0), _grid(0.0, -18.0, 2, 1, (24.0, 0.0)),
        _grid(0.0, -18.0, 1, 2, (0.0, 12.0)),
    ],
    "clock_place": (9.0, 16.0), "capacitor": _area(10.0, 54.0, 5.0, 11.0),
    "ballast": _area(0.0, 33.0, 22.0, 26.0), "screws": [(-12.5, 20.0), (12.5, 33.0)],
})  # fmt: skip

# --- RC4: no figures any more, four wide keys to start programmes with, a radio.

_SHELL_4 = _SHELL_3.updated({
    "size": (44.0, 148.0, 20.0), "corner_radius": 12.0,
    "palette": [
        _colours("black", "#1d1d20", "#38383c", "#cfcfcb"),
        _colours("white", "#e7e6e2", "#c4c3be", "#48484a"),
        _colours("grey", "#707276", "#303033", "#e0e0dc"),
    ],
    "panel": None,
    "keys": [
        KeyBlock(grid=_grid(0.0, 63.0), size=(8.0, 8.0), radius=4.0, legends="o", paint="power"),
        KeyBlock(grid=_grid(0.0, 12.0, 3, 1, (12.5, 0.0)), size=(9.0, 6.5), radius=3.2, legends="-o="),
        KeyBlock(grid=_grid(0.0, -7.0, 2, 1, (22.0, 0.0)), size=(9.0, 19.0), radius=4.5, legends="+"),
        KeyBlock(grid=_grid(0.0, -7.0), size=(8.0, 7.0), radius=3.5, legends="."),
        KeyBlock(grid=_grid(0.0, -34.0, 2, 2, (18.0, 10.5)), size=(15.5, 7.5), radius=3.5, legends="=-i+"),
    ],
    "pad.y": 38.0, "pad.diameter": 32.0, "pad.legend": ".", "pad.middle": 13.0,
    "window_width": 18.0, "indicator": (13.0, 63.0),
    "logo": _area(0.0, -58.0, 12.0, 4.0), "lid": _area(0.0, -31.0, 28.0, 60.0), "ridges": 5,
    "label": _area(0.0, 22.0, 24.0, 20.0),
})  # fmt: skip
_INSIDE_4 = _INSIDE_3.updated({
    "cells": [CellPlace(x=-5.6, y=-32.0, plus="up"), CellPlace(x=5.6, y=-32.0, plus="down")],
    "board": RemoteBoard(
        outline=(_area(0.0, 12.0, 36.0, 112.0),), material="circuit_board", layout=41, tracks=9, passives=14,
        chip=_area(6.0, 16.0, 7.0, 7.0), package="flat",
    ),
    "contacts": [
        _grid(0.0, 63.0), _grid(0.0, 12.0, 3, 1, (12.5, 0.0)), *_round_pad(38.0, 11.5),
        _grid(0.0, -7.0, 2, 1, (22.0, 0.0)), _grid(0.0, -7.0), _grid(0.0, -34.0, 2, 2, (18.0, 10.5)),
    ],
    "lamps": [0.0], "clock_place": (12.0, 25.0), "capacitor": _area(-10.0, 54.0, 5.0, 9.0),
    "radio": _area(-7.0, 22.0, 12.0, 16.0), "ballast": None, "screws": [(10.0, 30.5), (0.0, -58.5)],
})  # fmt: skip

# --- RC5: slimmer, cells one behind the other, a microphone, a buzzer to find it by.

_SHELL_5 = _SHELL_4.updated({
    "size": (41.0, 146.0, 19.0), "corner_radius": 14.0, "belly": (9.0, 10.0),
    "palette": [
        _colours("black", "#1f1f22", "#34343a", "#cfcfcb"),
        _colours("white", "#e9e8e4", "#d0cfca", "#55555a"),
        _colours("sand", "#c9bca6", "#8d836f", "#f2eee6"),
    ],
    "keys": [
        KeyBlock(grid=_grid(-10.0, 61.0), size=(8.0, 8.0), radius=4.0, legends="o", paint="power"),
        KeyBlock(grid=_grid(0.0, 3.0, 2, 3, (20.0, 12.0)), size=(9.5, 9.5), radius=4.75, legends="-o=.i+"),
        KeyBlock(grid=_grid(0.0, -35.0, 2, 2, (16.5, 10.0)), size=(14.0, 7.0), radius=3.5, legends="=i"),
    ],
    "pad.y": 37.0, "pad.diameter": 31.0,
    "window_width": 14.0, "indicator": None, "microphone": (0.0, 61.0),
    "logo": _area(0.0, -60.0, 11.0, 3.0), "lid": _area(0.0, -12.0, 17.0, 102.0), "ridges": 4,
    "label": _area(0.0, 52.0, 18.0, 14.0),
})  # fmt: skip
_INSIDE_5 = _INSIDE_4.updated({
    "cells": [CellPlace(x=0.0, y=-37.0, plus="up"), CellPlace(x=0.0, y=10.5, plus="up")],
    "board": RemoteBoard(
        outline=(_area(0.0, 14.0, 32.0, 108.0),), material="circuit_board", layout=51, tracks=10, passives=16,
        chip=_area(8.0, 42.0, 6.0, 6.0), package="flat",
    ),
    "contacts": [
        _grid(-10.0, 61.0), _grid(0.0, 3.0, 2, 3, (20.0, 12.0)), *_round_pad(37.0, 11.0),
        _grid(0.0, -35.0, 2, 2, (16.5, 10.0)),
    ],
    "clock_place": (10.0, 52.0), "capacitor": _area(10.0, 62.0, 5.0, 6.0),
    "radio": _area(-6.0, 46.0, 10.0, 13.0), "buzzer": _area(-11.5, -28.0, 10.0, 10.0), "microphone": (0.0, 61.0),
    "screws": [(1.5, 55.5), (6.0, 36.3)],
})  # fmt: skip

# --- RC6: the inside of RC5 in another dress: a glossy panel, other print, other colours.

_SHELL_6 = _SHELL_5.updated({
    "palette": [
        _colours("black", "#17171a", "#3d3d42", "#e2e2de"),
        _colours("white", "#efeeea", "#bdbcb7", "#3a3a3e"),
        _colours("slate", "#5a6470", "#343b44", "#e4e6e8"),
        _colours("sand", "#cdbfa8", "#a39780", "#f4f0e8"),
    ],
    "panel": _area(0.0, 38.5, 36.5, 59.0),
    "keys": [
        KeyBlock(grid=_grid(-10.0, 61.0), size=(8.0, 8.0), radius=4.0, legends="i", paint="power"),
        KeyBlock(grid=_grid(0.0, 3.0, 2, 3, (20.0, 12.0)), size=(9.5, 9.5), radius=4.75, legends="=+-i.o"),
        KeyBlock(grid=_grid(0.0, -35.0, 2, 2, (16.5, 10.0)), size=(14.0, 7.0), radius=3.5, legends=" ", paint="four"),
    ],
    "pad.legend": "-",
    "logo": _area(0.0, -19.0, 9.0, 2.4), "label": _area(0.0, 54.0, 14.0, 17.0),
})  # fmt: skip

REMOTES: dict[str, Remote] = {
    "RC1": Remote(shell=_SHELL_1, inside=_INSIDE_1),
    "RC2": Remote(shell=_SHELL_1, inside=_INSIDE_2),
    "RC3": Remote(shell=_SHELL_3, inside=_INSIDE_3),
    "RC4": Remote(shell=_SHELL_4, inside=_INSIDE_4),
    "RC5": Remote(shell=_SHELL_5, inside=_INSIDE_5),
    "RC6": Remote(shell=_SHELL_6, inside=_INSIDE_5),
}

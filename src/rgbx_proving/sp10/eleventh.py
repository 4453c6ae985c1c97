"""SP11: the generation after SP10's ten, for what happens when a new model appears. No benchmark has it.

Its shell and inside are of a kind with those of SP9 and SP10, and both are its own.
"""

from rgbx_proving.families.design import Rectangle
from rgbx_proving.families.family import Family
from rgbx_proving.sp10.designs import PHONES, Board, CameraModule, Cell, Coil, Colourway, Haptic, Lens, Phone
from rgbx_proving.sp10.family import SP10, build_phone


def _area(x: float, y: float, width: float, height: float) -> Rectangle:
    return Rectangle(x=x, y=y, width=width, height=height)


_SHELL = PHONES["SP10"].shell.updated({
    "size": (71.0, 146.2, 8.2), "corner_radius": 13.0,
    "palette": [
        Colourway(name="sand", frame="#b7ab99", back="#c3b9a8", front="#0a0a0c"),
        Colourway(name="white", frame="#d3d2cd", back="#f1f0ec", front="#0a0a0c"),
        Colourway(name="ink", frame="#3a4250", back="#3d4656", front="#0a0a0c"),
    ],
    "front.bezel": (1.9, 1.9, 1.9), "front.cutout_width": 18.0,
    "lenses": [
        Lens(x=24.0, y=62.0, diameter=13.2), Lens(x=24.0, y=45.6, diameter=13.2), Lens(x=8.8, y=53.8, diameter=13.2),
    ],
    "flash": (9.6, 64.8), "depth_sensor": (9.4, 42.8),
    "island.area": _area(16.6, 53.8, 33.4, 34.0), "island.radius": 9.5, "island.height": 1.6,
    "island.finish": "frame",
    "sim_slot": ("right", 38.0), "volume_y": 22.0, "speaker_holes": (3, 5),
})  # fmt: skip
_INSIDE = PHONES["SP10"].inside.updated({
    "cells": [
        Cell(area=_area(-2.0, -37.5, 61.0, 31.0), thickness=3.9),
        Cell(area=_area(-12.4, 8.0, 40.0, 58.0), thickness=3.9),
    ],
    "board": Board(
        outline=(_area(21.4, 9.0, 22.6, 56.0), _area(-12.0, 49.5, 30.0, 21.0)), layout=111, stacked=True, shields=3
    ),
    "cameras": [
        CameraModule(x=24.0, y=62.0, size=13.6, stabilised=True),
        CameraModule(x=24.0, y=45.6, size=12.2, stabilised=True),
        CameraModule(x=8.8, y=53.8, size=12.6, stabilised=True),
    ],
    "coil": Coil(x=0.0, y=3.0, diameter=46.0, turns=13, magnets=30),
    "haptic": Haptic(kind="linear actuator", area=_area(14.5, -59.0, 31.0, 9.5)),
    "speaker": _area(-17.0, -60.0, 27.0, 13.5), "upper_speaker": _area(-22.0, 65.0, 14.0, 6.5),
    "sim_tray": _area(27.0, 38.0, 11.0, 16.0),
    "flexes": [_area(8.6, 10.0, 2.4, 58.0), _area(-4.0, -20.5, 40.0, 2.2), _area(-30.5, 20.0, 1.6, 70.0)],
    "screw_seed": 11,
})  # fmt: skip

SP11 = Family(
    title="SP11",
    things="phones",
    designs={"SP11": Phone(shell=_SHELL, inside=_INSIDE)},
    build=build_phone,
    tolerances=SP10.tolerances,
)

"""A unit as a list of parts: the exact geometry behind its mesh, its CT scan and its test images.

Unit frame, in millimetres, origin at the centre of the shell: x across the width (right, seen from the
front), y along the height (up), z along the thickness, +z out of the front (display) side.

Where parts overlap, the later one in the list displaces the earlier ones. So a hollow frame is a solid of
aluminium followed by a smaller solid of air, and every shape stays convex.
"""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, PositiveFloat, model_validator

from rgbx.config import Config
from rgbx.errors import ConfigError, InputError
from rgbx.files import read_json, write_json
from rgbx.geometry import Vector, rotation_matrix

PARTS_FILE = "parts.json"
ALONG_Y: Vector = (90.0, 0.0, 0.0)
"""Rotation that lays a prism's local z axis along y; its local y then points to the front."""


class Prism(Config):
    """A rectangle with rounded corners, extruded along its local z axis.

    ``radius`` 0 gives a box; half the width of a square gives a cylinder.
    """

    kind: Literal["prism"] = "prism"
    size: tuple[PositiveFloat, PositiveFloat, PositiveFloat]
    """Extent along local x, y, z in mm."""
    radius: float = Field(default=0.0, ge=0.0)
    """Radius of the four corners in the local x-y plane, in mm; at most half the shorter side."""

    @model_validator(mode="after")
    def _radius_fits(self) -> "Prism":
        if self.radius > min(self.size[:2]) / 2 * (1 + 1e-9):
            raise ValueError(f"radius {self.radius} is above half the shorter side of {self.size[:2]}")
        return self


class Ellipsoid(Config):
    """An ellipsoid given by its three full extents in mm."""

    kind: Literal["ellipsoid"] = "ellipsoid"
    size: tuple[PositiveFloat, PositiveFloat, PositiveFloat]


Shape = Annotated[Prism | Ellipsoid, Field(discriminator="kind")]


class Part(Config):
    """One convex solid of one material."""

    name: str
    """What it is, unique in its unit, e.g. ``"battery"`` or ``"board/chip-07"``."""
    shape: Shape
    position: Vector
    """Centre in the unit frame, mm."""
    rotation: Vector = (0.0, 0.0, 0.0)
    """Degrees about x, then y, then z: ``p_unit = Rz Ry Rx p_local + position``."""
    material: str
    """A key of :data:`rgbx_proving.units.materials.MATERIALS`; ``"air"`` cuts a hole."""
    outside: bool = False
    """Visible from outside, so part of the mesh that cameras see."""
    colour: str | None = None
    """sRGB as ``#rrggbb`` where the material's own colour does not apply."""

    def rotation_matrix(self) -> np.ndarray:
        """Return the (3, 3) matrix that takes local directions to the unit frame."""
        return rotation_matrix(self.rotation)


def solid(
    name: str,
    size: tuple[float, float, float],
    position: tuple[float, float, float],
    material: str,
    radius: float = 0.0,
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0),
    outside: bool = False,
    colour: str | None = None,
) -> Part:
    """Return a prism as a part; a radius that is too large becomes the largest there is."""
    shape = Prism(size=size, radius=min(radius, min(size[:2]) / 2))
    return Part(
        name=name,
        shape=shape,
        position=position,
        rotation=rotation,
        material=material,
        outside=outside,
        colour=colour,
    )


def disc(
    name: str,
    diameter: float,
    height: float,
    position: tuple[float, float, float],
    material: str,
    outside: bool = False,
    colour: str | None = None,
    rotation: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> Part:
    """Return a cylinder about its local z axis as a part."""
    return solid(
        name, (diameter, diameter, height), position, material, diameter / 2, rotation, outside=outside, colour=colour
    )


class PartList(Config):
    """Everything that one physical unit is made of."""

    device_class: str
    unit: str
    parts: tuple[Part, ...]
    wear: tuple[str, ...] = ()
    """What has happened to the unit, in words, e.g. ``"battery missing"``; empty for a pristine one."""


def read_parts(path: Path) -> PartList:
    """Read ``parts.json``.

    Raises:
        InputError: the file is missing, is not JSON, or a part is not well formed.
    """
    try:
        return PartList.model_validate(read_json(path))
    except ConfigError as error:
        raise InputError(
            path, f"is no part list ({str(error).rstrip('.')})", "restore the file or make it again"
        ) from error


def write_parts(path: Path, parts: PartList) -> None:
    """Write ``parts.json``."""
    write_json(path, parts.model_dump(mode="json"))

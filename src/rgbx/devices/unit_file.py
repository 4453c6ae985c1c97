"""``unit.yaml``: what a user says about a unit's files that their formats cannot say themselves."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PositiveInt

from rgbx.config import Config, ConfigError, load_config
from rgbx.errors import InputError
from rgbx.geometry import Vector

UNIT_FILE = "unit.yaml"

Axis = Literal["x", "-x", "y", "-y", "z", "-z"]


def _three(value: Any) -> Any:
    return (value,) * 3 if isinstance(value, int | float) else value


PositiveFiniteFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class UnitFile(Config):
    """The keys of ``unit.yaml``: each is needed only where a format does not say it, and overrides it where it does."""

    voxel_size_mm: (
        Annotated[tuple[PositiveFiniteFloat, PositiveFiniteFloat, PositiveFiniteFloat], BeforeValidator(_three)] | None
    ) = None
    """Distance between voxel centres along x, y, z (columns, rows, slices); one number for all three."""
    shape: tuple[PositiveInt, PositiveInt, PositiveInt] | None = None
    """Voxels of a raw scan along x, y, z; x runs fastest in the file."""
    dtype: Literal["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"] | None = None
    """Number type of a raw scan."""
    byte_order: Literal["little", "big"] = "little"
    """Byte order of a raw scan."""
    materials: dict[Annotated[int, Field(ge=1, le=255)], str] = Field(default_factory=dict)
    """Names of the labels in ``labels.nrrd``; a label without one goes by its number."""
    mesh_unit: Literal["mm", "cm", "m", "inch"] | None = None
    """Unit of length of an STL, OBJ or PLY mesh."""
    scan_axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    """Which axes of the file are the unit's x (width), y (height) and z (thickness)."""
    mesh_axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    """The same for the mesh, e.g. ``[x, z, -y]`` for a mesh modelled with z up."""


def read_unit_file(folder: Path) -> UnitFile:
    """Read the ``unit.yaml`` of a unit's folder; all defaults when there is none.

    Raises:
        InputError: the file is not YAML, or one of its keys is unknown or out of range.
    """
    path = folder / UNIT_FILE
    if not path.exists():
        return UnitFile()
    try:
        unit_file = load_config(UnitFile, path)
    except ConfigError as error:
        raise InputError(path, f"cannot be used ({error})".replace(".)", ")"), "correct it") from error
    for key, axes in (("scan_axes", unit_file.scan_axes), ("mesh_axes", unit_file.mesh_axes)):
        if len({axis[-1] for axis in axes}) != 3:
            raise InputError(path, f"has '{key}: {list(axes)}'", "name each of x, y and z once")
    return unit_file


def signed_axes(axes: tuple[Axis, Axis, Axis]) -> tuple[tuple[int, int, int], Vector]:
    """Return the index (0 x, 1 y, 2 z) and the sign of the file's axis behind each axis of the unit."""
    first, second, third = (("xyz".index(axis[-1]), -1.0 if axis[0] == "-" else 1.0) for axis in axes)
    return (first[0], second[0], third[0]), (first[1], second[1], third[1])

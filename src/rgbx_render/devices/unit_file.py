"""``unit.yaml``: what a user says about a unit's files that their formats cannot say themselves.

``class.yaml`` and ``library.yaml`` say it of all units of a class or a library.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt

from rgbx.config import Config, ConfigError, read_yaml
from rgbx.errors import InputError
from rgbx.geometry import Vector
from rgbx_render.devices.length import length_in_mm

UNIT_FILE = "unit.yaml"
CLASS_FILE = "class.yaml"
"""Says the same of all units of a class, in the class's folder."""
LIBRARY_FILE = "library.yaml"
"""Says the same of all units of a library, in the library's folder."""

Axis = Literal["x", "-x", "y", "-y", "z", "-z"]


def _three(value: Any) -> Any:
    return (value,) * 3 if isinstance(value, int | float) else value


def _length(name: str) -> str:
    try:
        known = length_in_mm(name) is not None
    except ValueError:
        known = False
    if not known:
        raise ValueError(f"'{name}' is no unit of length that is known: write um, mm, cm, m or inch")
    return name


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
    mesh_unit: Annotated[str, AfterValidator(_length)] | None = None
    """Unit of length of a mesh: um, mm, cm, m, inch, or as
    :func:`~rgbx_render.devices.length.length_in_mm` knows it."""
    scan_axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    """Which axes of the file are the unit's x (width), y (height) and z (thickness)."""
    mesh_axes: tuple[Axis, Axis, Axis] = ("x", "y", "z")
    """The same for the mesh, e.g. ``[x, z, -y]`` for a mesh modelled with z up."""


def read_unit_file(folder: Path) -> UnitFile:
    """Read what is said of the unit in ``folder``: in its ``unit.yaml``, in ``class.yaml`` and in ``library.yaml``.

    The unit's goes before the class's, that before the library's, key by key, materials label by label. All defaults
    where there is none of them.

    Raises:
        InputError: a file is not YAML, is there under two names, or one of its keys is unknown or out of range.
    """
    said: dict[str, Any] = {}
    materials: dict[int, str] = {}
    for path in unit_files(folder):
        said_here = _read_one(path)
        materials |= said_here.materials
        said |= {key: getattr(said_here, key) for key in said_here.model_fields_set}
    return UnitFile(**{**said, "materials": materials})


def unit_files(folder: Path) -> list[Path]:
    """Return the files that say something of the unit in ``folder``, the library's first.

    Raises:
        InputError: one is there under two names, such as ``unit.yaml`` and ``unit.yml``.
    """
    class_folder = folder.absolute().parent
    places = ((class_folder.parent, LIBRARY_FILE), (class_folder, CLASS_FILE), (folder, UNIT_FILE))
    return [path for place, name in places for path in _named_like(place, name)]


def check_placed(folder: Path, name: str) -> None:
    """Refuse a file in ``folder`` that says something of units but is not called ``name``, as it would not be read.

    Raises:
        InputError: there is one.
    """
    for other in (UNIT_FILE, CLASS_FILE, LIBRARY_FILE):
        if other != name and (misplaced := _named_like(folder, other)):
            raise InputError(misplaced[0], "is not read in this folder", f"rename it to {name}, or move it")


def _named_like(folder: Path, name: str) -> list[Path]:
    try:
        entries = list(folder.iterdir())
    except OSError:
        return []  # a folder above the unit that may not be listed, or none
    stem = name.removesuffix(".yaml")
    found = sorted(entry for entry in entries if entry.name.lower() in (name, f"{stem}.yml"))
    if len(found) > 1:
        raise InputError(folder, f"has both {found[0].name} and {found[1].name}", "keep one of them")
    return found


def _read_one(path: Path) -> UnitFile:
    try:
        unit_file = UnitFile.model_validate(read_yaml(path))
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    except OSError as error:
        raise InputError(path, "cannot be read", "make it a text file") from error
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

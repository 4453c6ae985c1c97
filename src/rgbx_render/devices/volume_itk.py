"""Volumes in NRRD and MetaImage files: SimpleITK reads the voxels, their place is read from the text of the header.

SimpleITK fills in a spacing of 1 where a header has none, takes the absolute value of a negative one, and knows
neither units of length nor left-handed spaces.
"""

import math
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError
from rgbx_render.devices.length import length_in_mm, unknown_unit
from rgbx_render.devices.volume_grid import (
    SAME_LENGTH,
    Grid,
    Place,
    check_directions,
    check_fits_in_memory,
    split_axes,
)

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")

_TO_LPS = {
    "left-posterior-superior": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1),
    "scanner-xyz": (1, 1, 1),
    "3d-right-handed": (1, 1, 1),
}
"""What takes each space that a NRRD file can state to LPS; those without a patient are taken as they are."""
_SHORT = {"lps": "left-posterior-superior", "ras": "right-anterior-superior", "las": "left-anterior-superior"}

_stderr_aside = threading.Lock()


def read_itk_file(path: Path) -> Grid:
    """Read a NRRD or MetaImage file.

    Raises:
        InputError: the file is damaged, is no scalar volume, has an impossible geometry, or does not fit in memory.
    """
    nrrd = path.name.lower().endswith(NRRD_SUFFIXES)
    fields = _nrrd_fields(path) if nrrd else _meta_fields(path)
    # Before ITK does, which calls an impossible geometry damage.
    place = _place(path, fields, 3) if fields.get("dimension", fields.get("ndims")) == "3" else None
    if place is not None:
        check_directions(path, place.directions)
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    with readable_itk_errors(path):
        reader.ReadImageInformation()
    if reader.GetNumberOfComponents() != 1:
        raise InputError(
            path,
            f"holds {reader.GetNumberOfComponents()} values a voxel (a colour volume)",
            "export the scan's grey values",
        )
    size = reader.GetSize()
    if len(size) != 3 and not (len(size) == 4 and size[3] == 1):
        raise InputError(path, f"is {len(size)}-dimensional", "give a three-dimensional scan")
    check_fits_in_memory(path, math.prod(size))
    with readable_itk_errors(path):
        values = sitk.GetArrayFromImage(reader.Execute())
    return values.reshape(size[2::-1]), place or _place(path, fields, len(size))


def _place(path: Path, fields: dict[str, str], dimensions: int) -> Place:
    return _nrrd_place(path, fields) if "dimension" in fields else _meta_place(path, fields, dimensions)


@contextmanager
def readable_itk_errors(path: Path) -> Iterator[None]:
    """Turn what SimpleITK raises into one sentence, and keep it and its readers from writing to stderr.

    They write from C and C++, past ``sys.stderr``, so the file descriptor itself is turned aside, by one thread at a
    time.
    """
    with _stderr_aside:
        before = os.dup(2)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        except RuntimeError as error:
            if "spacing" in str(error).lower():
                raise InputError(
                    path, "has a spacing of zero or one that is no number", "correct the spacing in its header"
                ) from error
            raise InputError(path, DAMAGED, COPY_AGAIN) from error
        except MemoryError as error:
            raise InputError(path, "does not fit in memory", "crop it to the device or halve its resolution") from error
        finally:
            os.dup2(before, 2)
            os.close(before)
            os.close(nowhere)


def _nrrd_fields(path: Path) -> dict[str, str]:
    with path.open("rb") as content:
        if content.read(4) != b"NRRD":
            raise InputError(path, "is not a NRRD file", COPY_AGAIN)
    fields = _header_fields(path, re.compile(r"([^:=#]+):(?!=)\s*(.+)"))
    if "spacings" in fields:
        _check_positive(path, _numbers(path, "spacings", fields["spacings"])[:3])
    return fields


def _nrrd_place(path: Path, fields: dict[str, str]) -> Place:
    space = fields.get("space", "scanner-xyz").lower()
    space = _SHORT.get(space, space)
    if space not in _TO_LPS:
        raise InputError(
            path,
            f"lies in the space {fields['space']!r}, which does not say where the device's right and left are",
            "write 'space: left-posterior-superior' or another right-handed space",
        )
    if "space directions" in fields:
        if "spacings" in fields:
            raise InputError(path, "states both 'spacings' and 'space directions'", "keep one of them in its header")
        vectors = re.findall(r"\(([^)]*)\)|none", fields["space directions"])[:3]
        columns = [_numbers(path, "space directions", vector.replace(",", " ")) for vector in vectors]
        if [len(column) for column in columns] != [3, 3, 3]:
            raise InputError(
                path, f"has the space directions {fields['space directions']}", "give a vector of three for each axis"
            )
        axes = np.array(columns).T
        units = _units(path, fields.get("space units", ""))
    elif "spacings" in fields:
        if "space" in fields:
            raise InputError(
                path,
                "states a space, but not the directions of its axes in it",
                "write 'space directions' instead of 'spacings', or leave out 'space'",
            )
        spacings = _numbers(path, "spacings", fields["spacings"])[:3]
        axes = np.diag(spacings) if len(spacings) == 3 else np.full((3, 3), math.nan)
        units = _units(path, fields.get("units", fields.get("space units", "")))[:3]
    else:
        return Place(None)
    _check_positive(path, split_axes(axes)[0])
    try:
        scales = [length_in_mm(unit) for unit in units]
    except ValueError as error:
        return Place(None, split_axes(_to_lps(space) @ axes)[1], unknown_unit(str(error)))
    if len(scales) != 3:
        raise InputError(path, f"has {len(scales)} units of length for three axes", "give one for each axis")
    if None in scales:
        return Place(None, split_axes(_to_lps(space) @ axes)[1])
    # 'units' are those of the axes of the grid, 'space units' those of the space; along a diagonal it is the same.
    spacing, directions = split_axes(_to_lps(space) @ np.diag(np.array(scales, float)) @ axes)
    return Place(spacing, directions)


def _units(path: Path, text: str) -> list[str]:
    """Return the units of a NRRD header; mm where it has none."""
    units = re.findall(r'"([^"]*)"', text)
    if text and not units:
        raise InputError(path, f"has the units {text} without quotes", 'write them as "mm" "mm" "mm"')
    return units or ["mm"] * 3


def _to_lps(space: str) -> np.ndarray:
    return np.diag(_TO_LPS[space]).astype(float)


def _meta_fields(path: Path) -> dict[str, str]:
    fields = _header_fields(path, re.compile(r"(\w+)\s*=\s*(.+)"))
    if "ndims" not in fields:
        raise InputError(path, "is not a MetaImage file", COPY_AGAIN)
    if not re.fullmatch("[1-9]", fields["ndims"]):  # ITK would count to the end of time
        raise InputError(path, f"has 'NDims = {fields['ndims']}'", "correct its header")
    if (spacing := fields.get("elementspacing", fields.get("elementsize"))) is not None:
        _check_positive(path, _numbers(path, "ElementSpacing", spacing))
    return fields


def _meta_place(path: Path, fields: dict[str, str], dimensions: int) -> Place:
    matrix = next((fields[key] for key in ("transformmatrix", "rotation", "orientation") if key in fields), None)
    letters = fields.get("anatomicalorientation", "???").upper()
    directions = np.eye(3)
    if matrix is not None:
        numbers = _numbers(path, "TransformMatrix", matrix)
        if len(numbers) != dimensions**2:
            raise InputError(
                path, f"has a TransformMatrix of {len(numbers)} numbers", f"write {dimensions**2} into its header"
            )
        # Its rows are the directions of the axes.
        lengths, directions = split_axes(np.reshape(numbers, (dimensions, dimensions))[:3, :3].T)
        if any(abs(length - 1) > SAME_LENGTH for length in lengths):
            raise InputError(
                path,
                f"has a TransformMatrix whose vectors are {', '.join(f'{length:g}' for length in lengths)} long",
                "make them of length one and put the voxel size into ElementSpacing",
            )
    elif letters not in ("???", "RAI"):
        raise InputError(
            path,
            f"has the AnatomicalOrientation {letters}, but no TransformMatrix that says so",
            "add the TransformMatrix, or write 'AnatomicalOrientation = ???' if the axes are as they lie in the file",
        )
    spacing = fields.get("elementspacing", fields.get("elementsize"))
    if spacing is None:
        return Place(None, directions)
    steps = _numbers(path, "ElementSpacing", spacing)
    if len(steps) != dimensions:
        raise InputError(path, f"has a spacing of {spacing} for {dimensions} axes", "correct the spacing in its header")
    unit = fields.get("distanceunits", "mm")
    try:
        scale = length_in_mm(unit)
    except ValueError:
        return Place(None, directions, unknown_unit(unit))
    if scale is None and unit == "?":
        scale = 1.0  # MetaImage is in mm unless it says otherwise
    if scale is None:
        return Place(None, directions)
    return Place((steps[0] * scale, steps[1] * scale, steps[2] * scale), directions)


def _header_fields(path: Path, pattern: re.Pattern[str]) -> dict[str, str]:
    """Read the 'key: value' lines of a text header, up to an empty line or the one that ends a MetaImage header.

    Raises:
        InputError: one of them is there twice and says different things.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as lines:
        for _ in range(1000):
            line = lines.readline(10_000).decode("latin-1").rstrip("\r\n")
            found = pattern.fullmatch(line)
            if found:
                key, value = found[1].strip().lower(), found[2].strip()
                if fields.setdefault(key, value) != value:
                    raise InputError(path, f"says {found[1].strip()!r} twice", "keep one of the two in its header")
            if not line or line.startswith("ElementDataFile"):
                break
    return fields


def _numbers(path: Path, key: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError as error:
        raise InputError(path, f"has {key!r} of {text}, which are no numbers", "correct its header") from error


def _check_positive(path: Path, numbers: tuple[float, ...] | list[float]) -> None:
    if any(not math.isfinite(number) or number <= 0 for number in numbers):
        text = " ".join(f"{number:g}" for number in numbers)
        raise InputError(
            path, f"has a spacing of {text}, which must be positive numbers", "correct the spacing in its header"
        )

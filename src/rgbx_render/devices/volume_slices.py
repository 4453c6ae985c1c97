"""Volumes as a folder with an image a slice (TIFF, PNG or BMP), in the order that the numbers in their names give."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from rgbx.errors import InputError, damage_refused
from rgbx_render.devices.volume_grid import Grid, Place, check_fits_in_memory
from rgbx_render.devices.volume_tiff import TIFF_SUFFIXES, read_tiff_slice

SLICE_SUFFIXES = {"TIFF": TIFF_SUFFIXES, "PNG": (".png",), "BMP": (".bmp",)}
JPEG_SUFFIXES = (".jpg", ".jpeg", ".jp2")

_READINGS = (
    r"\d+",
    r"\d+(?:[.,]\d+)?",
    r"(?:(?<![^\W_])[-+])?\d+",
    r"(?:(?<![^\W_])[-+])?\d+(?:[.,]\d+)?",
)
"""What a number in a name may be: digits, with decimals, with a sign that follows no letter or digit, with both."""
_EVEN = 0.02
"""How far a step between two slices may be from the usual one, as a share of it."""


def read_slice_folder(folder: Path, kind: str) -> Grid:
    """Read a folder of slices; they say no voxel size.

    Args:
        folder: the folder.
        kind: of :data:`SLICE_SUFFIXES`.

    Raises:
        InputError: a slice is damaged, differs in shape or type, is missing from the numbering, or is coloured; or the
            names can be put in order in two ways.
    """
    paths = in_slice_order(folder, slices_in(folder, SLICE_SUFFIXES[kind]))
    read = read_tiff_slice if kind == "TIFF" else _read_png_or_bmp
    values, place = np.empty(0), Place(None)
    for index, path in enumerate(paths):
        plane, here = read(path)
        if index == 0:
            check_fits_in_memory(folder, plane.size * len(paths))
            values, place = np.empty((len(paths), *plane.shape), plane.dtype), here
        if not np.array_equal(here.directions, place.directions):
            raise InputError(path, f"has another orientation than {paths[0].name}", "keep only the slices of one scan")
        if (plane.shape, plane.dtype) != (values.shape[1:], values.dtype):
            raise InputError(
                path, f"differs in size or number type from {paths[0].name}", "keep only the slices of one scan"
            )
        values[index] = plane
    return values, place


def slices_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Return the files of a folder with one of these suffixes, but for hidden ones."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and path.name[0] != "." and path.is_file()
    )


def in_slice_order(folder: Path, paths: list[Path]) -> list[Path]:
    """Return slices in the order of the numbers in their names.

    The names must be of one pattern, and in every way to read numbers in them that gives an even sequence, the order
    must be the same.

    Raises:
        InputError: they are not, or there is no such way.
    """
    stems = {path: path.stem for path in paths}
    orders: dict[tuple[Path, ...], str] = {}
    problems: list[InputError] = []
    for reading in _READINGS:
        texts = {tuple(text.lower() for text in re.split(reading, stem)) for stem in stems.values()}
        if len(texts) > 1 or len(next(iter(texts))) < 2:
            continue
        numbers = [re.findall(reading, stem) for stem in stems.values()]
        try:
            orders.setdefault(_even_order(folder, paths, numbers), reading)
        except InputError as error:
            problems.append(error)
    if len(orders) > 1:
        first, second = (names[0].name for names in list(orders)[:2])
        raise InputError(
            folder,
            f"has slices whose names can be put in order in two ways (beginning with {first} or with {second})",
            "number them from 1 on, without signs or decimals",
        )
    if not orders:
        raise problems[0] if problems else _unlike_names(folder, paths)
    return list(next(iter(orders)))


def _even_order(folder: Path, paths: list[Path], numbers: list[list[str]]) -> tuple[Path, ...]:
    """Return the order in which one of the numbers grows in even steps, and no other falls.

    Raises:
        InputError: there is none.
    """
    table = np.array([[float(number.replace(",", ".")) for number in row] for row in numbers])
    decimals = max(len(re.sub(r"^[^.,]*[.,]?", "", number)) for row in numbers for number in row)
    varying = np.flatnonzero(np.ptp(table, axis=0) > 0)
    if not len(varying):
        raise InputError(folder, f"numbers {_twice(paths, table)} alike", "keep one of them")
    problems = []
    for column in varying[::-1]:
        order = np.argsort(table[:, column], kind="stable")
        counted = table[order, column]
        steps = np.diff(counted)
        usual = float(np.sort(steps)[(len(steps) - 1) // 2])
        if steps.min() <= 0:
            problems.append(
                InputError(folder, f"numbers {_twice(paths, table[:, [column]])} alike", "keep one of them")
            )
            continue
        off = np.abs(steps - usual)
        # Names are rounded, to a whole number or to the last decimal.
        rounding = 1.001 * 10.0**-decimals if usual > 1.5 * 10.0**-decimals else 0.0
        if off.max() > max(_EVEN * usual, rounding):
            gap = int(np.argmax(off))
            problems.append(
                InputError(
                    folder,
                    f"lacks the slices between {counted[gap]:g} and {counted[gap + 1]:g}"
                    if steps[gap] > usual
                    else f"has slices at uneven numbers ({counted[gap]:g} and {counted[gap + 1]:g})",
                    "copy all slices again",
                )
            )
            continue
        if (np.diff(table[order][:, varying], axis=0) < 0).any():
            problems.append(
                InputError(
                    folder,
                    "has slices with several numbers in their names that give several orders",
                    "name them by one number that counts them",
                )
            )
            continue
        return tuple(paths[index] for index in order)
    raise problems[0]


def _twice(paths: list[Path], keys: np.ndarray) -> str:
    order = np.lexsort(keys.T)
    for before, after in pairwise(order):
        if (keys[before] == keys[after]).all():
            return f"{paths[before].name} and {paths[after].name}"
    raise AssertionError("no two are alike")


def _unlike_names(folder: Path, paths: list[Path]) -> InputError:
    patterns = {re.sub(r"\d+", "#", path.stem.lower()): path.name for path in paths}
    if len(patterns) > 1:
        names = " and ".join(list(patterns.values())[:2])
        return InputError(folder, f"mixes slices named in several ways ({names})", "keep only the slices of one scan")
    return InputError(folder, "has slices without a number in their names", "number them from 1 on")


def _read_png_or_bmp(path: Path) -> Grid:
    with damage_refused(path), Image.open(path, formats=("PNG", "BMP")) as image:
        if image.mode == "P":
            raise InputError(path, "holds a slice of a colour palette", "export the scan's grey values")
        plane = np.asarray(image)
    if plane.ndim == 3:
        if plane.shape[2] not in (1, 3) or (plane != plane[..., :1]).any():
            raise InputError(path, "holds a coloured slice", "export the scan's grey values")
        plane = plane[..., 0]
    if plane.dtype == np.int32:  # of old versions of Pillow
        plane = plane.astype(np.uint16)
    return plane, Place(None)

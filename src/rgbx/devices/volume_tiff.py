"""Volumes as TIFF: one file with a page a slice, or a folder with a file a slice."""

import re
from pathlib import Path

import numpy as np
import tifffile

from rgbx.devices.volume_itk import GridData, check_fits_in_memory, length_in_mm
from rgbx.errors import InputError
from rgbx.geometry import Vector
from rgbx.names import natural_key
from rgbx.tiff import open_tiff

TIFF_SUFFIXES = (".tif", ".tiff")


def read_tiff_stack(path: Path) -> GridData:
    """Read a multi-page TIFF; the spacing comes from ImageJ or OME metadata where they name a unit of length.

    Raises:
        InputError: the file is damaged or holds no stack of grey slices.
    """
    with open_tiff(path) as tiff:
        series = list(tiff.series)
        first = series[0]
        if first.axes.endswith("S"):
            raise InputError(path, "holds colour slices", "export the scan's grey values")
        shape = first.shape
        if len(shape) == 2 and all((page.shape, page.dtype) == (shape, first.dtype) for page in series):
            shape = (len(series), *shape)  # written page by page, each as if it stood alone
        if len(shape) != 3 or shape[0] == 1:
            raise InputError(
                path, f"holds an image of shape {first.shape}, not a stack of slices", "give a page a slice of one scan"
            )
        check_fits_in_memory(path, int(np.prod(shape)))
        values = first.asarray() if len(first.shape) == 3 else np.stack([page.asarray() for page in series])
        return values, _spacing(tiff)


def read_tiff_folder(folder: Path) -> GridData:
    """Read a folder of single-page TIFF slices, in the natural order of their names; they say no voxel size.

    Raises:
        InputError: a slice is damaged, differs in shape or type, is missing from the numbering, or is coloured.
    """
    paths = sorted(
        (path for path in folder.iterdir() if path.suffix.lower() in TIFF_SUFFIXES and path.name[0] != "."),
        key=lambda path: natural_key(path.name),
    )
    if len(paths) < 2:
        raise InputError(folder, f"holds {len(paths)} TIFF slices", "put all slices of one scan into it")
    _check_numbering(folder, paths)
    slices: list[np.ndarray] = []
    for path in paths:
        with open_tiff(path) as tiff:
            plane = tiff.asarray()
        if plane.ndim != 2:
            raise InputError(path, f"has the shape {plane.shape}, not that of a grey slice", "export grey slices")
        if slices and (plane.shape, plane.dtype) != (slices[0].shape, slices[0].dtype):
            raise InputError(
                path, f"differs in size or number type from {paths[0].name}", "keep only the slices of one scan"
            )
        if not slices:
            check_fits_in_memory(folder, plane.size * len(paths))
        slices.append(plane)
    return np.stack(slices), None


def _check_numbering(folder: Path, paths: list[Path]) -> None:
    """Where the last number in the names counts the slices, none may be missing."""
    numbers = [re.findall(r"\d+", path.stem)[-1:] for path in paths]
    if not all(numbers):
        return
    counted = sorted(int(number[0]) for number in numbers)
    steps = np.diff(counted)
    if steps.min() > 0 and np.median(steps) == 1 and steps.max() > 1:
        gap = int(np.argmax(steps > 1))
        raise InputError(
            folder, f"lacks the slices between {counted[gap]} and {counted[gap + 1]}", "copy all slices again"
        )


def _spacing(tiff: tifffile.TiffFile) -> Vector | None:
    return _ome_spacing(tiff.ome_metadata) if tiff.ome_metadata else _imagej_spacing(tiff)


def _imagej_spacing(tiff: tifffile.TiffFile) -> Vector | None:
    """ImageJ keeps pixels per unit in the resolution tags, and the unit and the distance of slices in its text."""
    metadata = tiff.imagej_metadata or {}
    unit = length_in_mm(str(metadata.get("unit", "")).replace("\\u00B5", "µ"))
    page = tiff.pages.first
    resolutions = [page.tags.get(name) for name in ("XResolution", "YResolution")]
    if unit is None or "spacing" not in metadata or None in resolutions:
        return None
    pixels_a_unit = [tag.value[0] / tag.value[1] if tag.value[1] else 0.0 for tag in resolutions if tag is not None]
    distance = float(metadata["spacing"])
    if min(*pixels_a_unit, distance) <= 0:
        return None
    return unit / pixels_a_unit[0], unit / pixels_a_unit[1], unit * distance


def _ome_spacing(xml: str) -> Vector | None:
    """OME-XML names each voxel size and its unit, micrometres when it names none."""
    lengths = []
    for axis in "XYZ":
        size = re.search(rf'PhysicalSize{axis}="([^"]+)"', xml)
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', xml)
        scale = length_in_mm(unit[1]) if unit else 1e-3
        if size is None or scale is None:
            return None
        lengths.append(float(size[1]) * scale)
    return (lengths[0], lengths[1], lengths[2]) if min(lengths) > 0 else None

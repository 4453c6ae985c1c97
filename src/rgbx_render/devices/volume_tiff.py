"""Volumes as TIFF files with a page a slice."""

from dataclasses import replace
from pathlib import Path
from typing import cast
from xml.etree import ElementTree

import numpy as np
import tifffile

from rgbx.errors import InputError
from rgbx.tiff import RIGHT_AND_DOWN, open_tiff
from rgbx_render.devices.length import length_in_mm, unknown_unit
from rgbx_render.devices.volume_grid import Grid, Place, check_fits_in_memory

TIFF_SUFFIXES = (".tif", ".tiff")

_GREY = {int(tifffile.PHOTOMETRIC.MINISBLACK), int(tifffile.PHOTOMETRIC.MINISWHITE)}

_MOST_CHANNELS = 7
"""That ImageJ shows; programs that do not care write a stack of slices as more of them."""


def read_tiff_stack(path: Path) -> Grid:
    """Read a multi-page TIFF; the spacing comes from ImageJ or OME metadata where they name a unit of length.

    Pages that are marked as reduced images are left out. A stack whose zero is white is inverted; where its rows and
    columns run is what its Orientation says.

    Raises:
        InputError: the file is damaged or holds no stack of grey slices that are all alike.
    """
    with open_tiff(path) as tiff:
        pages = _full_pages(path, tiff)
        series = [each for each in tiff.series if not each.keyframe.is_reduced]
        shape = series[0].shape
        if len(series) > 1 and all(each.shape == pages[0].shape for each in series):
            shape = (len(series), *pages[0].shape)  # written page by page, each as if it stood alone
        elif len(series) > 1:
            shapes = " and ".join(dict.fromkeys(str(each.shape) for each in series))
            raise InputError(
                path, f"holds stacks of several shapes ({shapes})", "save one of them as a file of its own"
            )
        elif len(shape) == 3 and series[0].axes[0] == "C" and shape[0] <= _MOST_CHANNELS:
            raise InputError(path, f"holds {shape[0]} channels, not slices", "save one of them as a file of its own")
        if len(shape) != 3 or shape[0] == 1:
            raise InputError(
                path,
                f"holds an image of shape {series[0].shape}, not a stack of slices",
                "give a page a slice of one scan",
            )
        check_fits_in_memory(path, int(np.prod(shape)))
        values = series[0].asarray() if len(series) == 1 else np.stack([each.asarray() for each in series])
        place = _ome_place(tiff.ome_metadata) if tiff.ome_metadata else _imagej_place(tiff)
        return _dense_bright(path, pages[0], values), replace(place, directions=_directions(pages[0]))


def read_tiff_slice(path: Path) -> Grid:
    """Read the one page of a slice, (h, w), with zero black, and where its rows and columns run.

    Raises:
        InputError: the file is damaged or holds anything but one grey page.
    """
    with open_tiff(path) as tiff:
        pages = _full_pages(path, tiff)
        series = next(each for each in tiff.series if not each.keyframe.is_reduced)
        if len(pages) > 1 or len(series.shape) != 2:
            raise InputError(path, f"has {len(pages)} pages", "give a file a slice, or one file with all slices")
        values = _dense_bright(path, pages[0], pages[0].asarray())
        return values, Place(None, _directions(pages[0]))


def _full_pages(path: Path, tiff: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    """Return the pages that are no thumbnails; they must be of one kind."""
    everything = cast(list[tifffile.TiffPage], [tiff.pages.get(index) for index in range(len(tiff.pages))])
    pages = [page for page in everything if not page.is_reduced]
    if not pages:
        raise InputError(path, "holds nothing but reduced images", "export the full slices")
    first = pages[0]
    if first.photometric == tifffile.PHOTOMETRIC.PALETTE:
        raise InputError(path, "holds slices of a colour palette", "export the scan's grey values")
    if first.samplesperpixel != 1 or int(first.photometric) not in _GREY:
        raise InputError(path, "holds colour slices", "export the scan's grey values")
    for what, of in (
        ("sizes", lambda page: f"{page.imagewidth} × {page.imagelength}"),
        ("number types", lambda page: str(page.dtype)),
        ("photometric interpretations", lambda page: tifffile.PHOTOMETRIC(page.photometric).name),
        ("orientations", lambda page: str(page.tags.valueof("Orientation", 1))),
    ):
        kinds = list(dict.fromkeys(of(page) for page in pages))
        if len(kinds) > 1:
            raise InputError(
                path,
                f"holds pages of different {what} ({' and '.join(kinds[:2])})",
                "keep the slices of one scan, without thumbnails and labels",
            )
    return pages


def _directions(page: tifffile.TiffPage) -> np.ndarray:
    directions = np.eye(3)
    directions[:2, :2] = np.transpose(RIGHT_AND_DOWN.get(page.tags.valueof("Orientation"), RIGHT_AND_DOWN[1]))
    return directions


def _dense_bright(path: Path, page: tifffile.TiffPage, values: np.ndarray) -> np.ndarray:
    if page.photometric == tifffile.PHOTOMETRIC.MINISBLACK:
        return values
    if values.dtype.kind != "u":
        raise InputError(
            path, f"says that the zero of its {values.dtype} values is white", "export it with black as its zero"
        )
    return values.dtype.type(2**page.bitspersample - 1) - values


def _imagej_place(tiff: tifffile.TiffFile) -> Place:
    """ImageJ keeps pixels per unit in the resolution tags, and the units and the distance of slices in its text."""
    metadata = tiff.imagej_metadata or {}
    unit = str(metadata.get("unit", ""))
    lengths: list[float] = []
    for name in (unit, str(metadata.get("yunit", unit)), str(metadata.get("zunit", unit))):
        try:
            length = length_in_mm(name)
        except ValueError:
            return Place(None, no_spacing=unknown_unit(name))
        if length is None:
            return Place(None)
        lengths.append(length)
    resolutions = [tiff.pages.first.tags.valueof(name) for name in ("XResolution", "YResolution")]
    if "spacing" not in metadata or None in resolutions or 0 in [part for pair in resolutions for part in pair]:
        return Place(None)
    across, down = (denominator / numerator for numerator, denominator in resolutions)
    return Place((lengths[0] * across, lengths[1] * down, lengths[2] * float(metadata["spacing"])))


def _ome_place(xml: str) -> Place:
    """OME-XML names each voxel size and its unit, micrometres when it names none."""
    pixels = next(element for element in ElementTree.fromstring(xml).iter() if element.tag.endswith("}Pixels"))
    steps: list[float] = []
    for axis in "XYZ":
        size, unit = pixels.get(f"PhysicalSize{axis}"), pixels.get(f"PhysicalSize{axis}Unit", "µm")
        try:
            length = length_in_mm(unit)
        except ValueError:
            return Place(None, no_spacing=unknown_unit(unit))
        if size is None or length is None:
            return Place(None)
        steps.append(float(size) * length)
    return Place((steps[0], steps[1], steps[2]))

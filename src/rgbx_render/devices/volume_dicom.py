"""Volumes as DICOM: a series of a file a slice, or one file of several frames that each say where they lie.

pydicom reads the headers and the stored values. What is stored is masked to the bits that are used, rescaled slice by
slice, and what is padding becomes the lowest value that is none.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pydicom
from pydicom.encaps import generate_frames
from pydicom.uid import (
    JPEG2000,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    MediaStorageDirectoryStorage,
)

from rgbx.dicom import HEAD, begins_as_dicom, check_linear, read_dicom, stated, stored_range
from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused
from rgbx_render.devices.volume_grid import SAME_DIRECTION, SAME_LENGTH, Grid, Place, check_fits_in_memory, split_axes

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

_POSITION_TOLERANCE = 0.02
"""Of the distance between slices; scanners round positions to a few digits."""
_SHIFT_TOLERANCE = 0.25
"""How far, in pixels, a slice may lie beside the line through the first and the last."""
_TILT_TOLERANCE = 0.1
"""Degrees."""
_EXPORT_WITH_GEOMETRY = "export the scan again with its geometry, or as NRRD"

_FUNCTIONAL_GROUPS = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
}
"""In which each is said in a file of several frames."""

_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    JPEGBaseline8Bit: imagecodecs.jpeg8_decode,
    JPEGLossless: imagecodecs.jpegsof3_decode,
    JPEGLosslessSV1: imagecodecs.jpegsof3_decode,
    JPEGLSLossless: imagecodecs.jpegls_decode,
    JPEGLSNearLossless: imagecodecs.jpegls_decode,
    JPEG2000: imagecodecs.jpeg2k_decode,
    JPEG2000Lossless: imagecodecs.jpeg2k_decode,
}
"""Of compressed frames; pydicom itself reads uncompressed and run-length encoded ones."""


@dataclass(frozen=True)
class _Slice:
    """One slice of a series: a file, or a frame of one."""

    path: Path
    frame: int
    header: pydicom.Dataset
    position: np.ndarray
    """(3,) of the centre of its first pixel, mm in LPS."""
    directions: np.ndarray
    """(3, 2): along its rows and down its columns."""
    pixel_spacing: tuple[float, float]
    """Between columns and between rows, mm."""
    slope: float
    intercept: float


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM files do, with or without a preamble."""
    with path.open("rb") as content:
        return begins_as_dicom(content.read(HEAD))


def read_dicom_scan(path: Path) -> Grid:
    """Read a series, its slices in the order of their positions, with rescale slope and intercept applied.

    Args:
        path: a folder with the files of one series, or one file of several frames.

    Raises:
        InputError: a file is cut off; there are several series, missing or doubled slices, uneven distances, colour; or
            it is not said where slices lie.
    """
    slices = _slices_in(path)
    first = slices[0]
    series = {str(each.header.get("SeriesInstanceUID", "")) for each in slices}
    if len(series) > 1:
        raise InputError(
            path,
            f"mixes {len(series)} DICOM series",
            "keep the files of one scan and put others in units of their own",
        )
    for each in slices:
        for tag, differs in (
            ("Rows", each.header.Rows != first.header.Rows),
            ("Columns", each.header.Columns != first.header.Columns),
            ("PixelSpacing", not np.allclose(each.pixel_spacing, first.pixel_spacing, rtol=SAME_LENGTH)),
            ("ImageOrientationPatient", np.abs(each.directions - first.directions).max() > SAME_DIRECTION),
        ):
            if differs:
                raise InputError(
                    each.path,
                    f"has another {tag} than {first.path.name}",
                    "keep only the slices of one scan in the folder",
                )
    normal = np.cross(*first.directions.T)
    slices.sort(key=lambda each: float(normal @ each.position))
    step = _slice_step(path, slices, normal)
    length, _ = split_axes(step[:, None].repeat(3, axis=1))
    directions = np.column_stack([first.directions, step / length[0]])
    _check_tilt(path, first, directions)
    check_fits_in_memory(path, len(slices) * first.header.Rows * first.header.Columns)
    return _read_values(slices), Place((*first.pixel_spacing, length[0]), directions)


def _slices_in(path: Path) -> list[_Slice]:
    slices: list[_Slice] = []
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if not file.is_file() or file.name.startswith("."):
            continue
        if is_dicom(file):
            slices += _read_slices(file)
        elif file.suffix.lower() in DICOM_SUFFIXES:
            raise InputError(file, f"{DAMAGED} or is no DICOM", COPY_AGAIN)
    if len(slices) < 2:
        raise InputError(path, f"holds {len(slices)} DICOM slices", "put all slices of one scan into it")
    return slices


def _read_slices(path: Path) -> list[_Slice]:
    """Read the headers of a file's slices; none for a DICOMDIR."""
    header = read_dicom(path, header_only=True)
    with damage_refused(path):
        if header.file_meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
            return []
        if any(header.get(tag) is None for tag in ("Rows", "Columns", "BitsAllocated")):
            raise InputError(path, f"{DAMAGED} or holds no image", f"{COPY_AGAIN}, or remove it from the scan's folder")
        if header.get("SamplesPerPixel", 1) != 1 or "MONOCHROME" not in stated(header, "PhotometricInterpretation"):
            raise InputError(path, "holds a colour image", "export the scan's grey values")
        stored_range(path, header)
        check_linear(path, header)
        frames = int(header.get("NumberOfFrames") or 1)
        if "PerFrameFunctionalGroupsSequence" in header:
            return _enhanced_slices(path, header, frames)
        if frames > 1:
            raise InputError(
                path, "is a multi-frame DICOM that does not say where its frames lie", _EXPORT_WITH_GEOMETRY
            )
        return [_slice(path, 0, header, header.get)]


def _enhanced_slices(path: Path, header: pydicom.Dataset, frames: int) -> list[_Slice]:
    groups = header.PerFrameFunctionalGroupsSequence
    shared = (header.get("SharedFunctionalGroupsSequence") or [pydicom.Dataset()])[0]
    if len(groups) != frames:
        raise InputError(path, f"has {frames} frames, but says of {len(groups)} where they lie", _EXPORT_WITH_GEOMETRY)
    return [_slice(path, frame, header, _FrameTags(groups[frame], shared)) for frame in range(frames)]


class _FrameTags:
    """Looks up what is said of one frame, in its own functional groups or in those that all frames share."""

    def __init__(self, own: pydicom.Dataset, shared: pydicom.Dataset) -> None:
        self._groups = own, shared

    def __call__(self, tag: str, default: Any = None) -> Any:
        for group in self._groups:
            if items := group.get(_FUNCTIONAL_GROUPS[tag]):
                return items[0].get(tag, default)
        return default


def _slice(path: Path, frame: int, header: pydicom.Dataset, look_up: Callable[..., Any]) -> _Slice:
    numbers: dict[str, np.ndarray] = {}
    for tag, count in (("ImagePositionPatient", 3), ("ImageOrientationPatient", 6), ("PixelSpacing", 2)):
        value = look_up(tag)
        if value is None:
            instead = " (InstanceNumber and SliceLocation do not say where it lies)" if count == 3 else ""
            raise InputError(path, f"has no {tag}{instead}", _EXPORT_WITH_GEOMETRY)
        numbers[tag] = np.array(value, float)
        if numbers[tag].shape != (count,) or not np.isfinite(numbers[tag]).all():
            raise InputError(path, f"has the {tag} {value}, which are not {count} numbers", _EXPORT_WITH_GEOMETRY)
    row_spacing, column_spacing = numbers["PixelSpacing"].tolist()
    if min(row_spacing, column_spacing) <= 0:
        raise InputError(path, "has a spacing of zero or less", "correct the PixelSpacing of all slices")
    directions = numbers["ImageOrientationPatient"].reshape(2, 3).T
    if np.abs(directions.T @ directions - np.eye(2)).max() > 2 * SAME_DIRECTION:
        raise InputError(
            path,
            "has an ImageOrientationPatient that is not two perpendicular vectors of length one",
            _EXPORT_WITH_GEOMETRY,
        )
    slope, intercept = (
        float(default if (value := look_up(tag)) is None else value)
        for tag, default in (("RescaleSlope", 1), ("RescaleIntercept", 0))
    )
    if slope == 0 or not math.isfinite(slope) or not math.isfinite(intercept):
        raise InputError(path, f"has a RescaleSlope of {slope:g}", "export it again with its rescale")
    return _Slice(
        path,
        frame,
        header,
        numbers["ImagePositionPatient"],
        directions,
        (column_spacing, row_spacing),
        slope,
        intercept,
    )


def _slice_step(path: Path, slices: list[_Slice], normal: np.ndarray) -> np.ndarray:
    """Return the vector from one slice to the next; ``slices`` are in the order of their positions along ``normal``."""
    positions = np.array([each.position for each in slices])
    steps = np.diff(positions @ normal)
    usual = float(np.median(steps))
    for (before, after), step in zip(pairwise(slices), steps, strict=True):
        if step <= max(usual, 1e-6) * _POSITION_TOLERANCE:
            raise InputError(
                path,
                f"holds two slices at one position ({_name(before)} and {_name(after)})",
                "remove the doubled files",
            )
        missing = round(step / usual) - 1
        uneven = abs(step / usual - (missing + 1)) > _POSITION_TOLERANCE * (missing + 1)
        if missing > 0 and not uneven:
            raise InputError(
                path,
                f"lacks {missing} slices between {_name(before)} and {_name(after)}",
                "copy the whole series again",
            )
        if uneven:
            raise InputError(
                path,
                f"has uneven distances between slices ({step:.4g} mm after {_name(before)}, {usual:.4g} mm elsewhere)",
                "resample the scan to even ones before exporting it",
            )
    whole: np.ndarray = (positions[-1] - positions[0]) / (len(positions) - 1)
    shifts = positions - positions[0] - np.outer(np.arange(len(positions)), whole)
    beside = np.abs(shifts @ slices[0].directions / slices[0].pixel_spacing).max(axis=1)
    if beside.max() > _SHIFT_TOLERANCE:
        worst = slices[int(np.argmax(beside))]
        raise InputError(
            path,
            f"has slices that are shifted against each other ({_name(worst)} by {beside.max():.3g} pixels)",
            "resample the scan onto one grid before exporting it",
        )
    return whole


def _name(each: _Slice) -> str:
    return f"{each.path.name}, frame {each.frame + 1}" if each.header.get("NumberOfFrames") else each.path.name


def _check_tilt(path: Path, first: _Slice, directions: np.ndarray) -> None:
    """Refuse a tilted gantry that the positions of the slices know nothing of."""
    with damage_refused(first.path):
        tilt = abs(float(first.header.get("GantryDetectorTilt") or 0))
    if tilt > _TILT_TOLERANCE and np.abs(directions[:, :2].T @ directions[:, 2]).max() <= SAME_DIRECTION:
        raise InputError(
            path,
            f"has a GantryDetectorTilt of {tilt:g}°, but slices that lie straight above each other",
            "export it again without tilt, or remove GantryDetectorTilt if the slices were straightened",
        )


def _read_values(slices: list[_Slice]) -> np.ndarray:
    """Return (slices, rows, columns): integers where the rescale leaves them so, else float32."""
    ends = [_rescaled(np.array(stored_range(each.path, each.header), np.int64), each) for each in slices]
    whole = all(end.dtype.kind == "i" for end in ends)
    dtype: np.dtype = np.result_type(*(np.min_scalar_type(end) for end in np.unique(ends))) if whole else np.dtype("f4")
    shape = (len(slices), slices[0].header.Rows, slices[0].header.Columns)
    values, padding = np.empty(shape, dtype), np.zeros(shape, bool)
    places: dict[Path, list[tuple[int, _Slice]]] = {}
    for index, each in enumerate(slices):
        places.setdefault(each.path, []).append((index, each))
    for path, within in places.items():
        stored, is_padding = _read_stored(path)
        for index, each in within:
            values[index] = _rescaled(stored[each.frame], each)
            padding[index] = is_padding[each.frame]
    if padding.any() and not padding.all():
        values[padding] = values[~padding].min()
    return values


def _rescaled(stored: np.ndarray, each: _Slice) -> np.ndarray:
    if each.slope.is_integer() and each.intercept.is_integer():
        return stored.astype(np.int64) * int(each.slope) + int(each.intercept)
    return stored * each.slope + each.intercept


def _read_stored(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return a file's stored values, (frames, rows, columns), and which are padding.

    They are of the bits that are used, with their sign.
    """
    image = read_dicom(path)
    syntax = image.file_meta.TransferSyntaxUID
    with damage_refused(path):
        if decode := _DECODERS.get(syntax):
            frames = generate_frames(image.PixelData, number_of_frames=int(image.get("NumberOfFrames") or 1))
            pixels = np.stack([decode(frame) for frame in frames])
        else:
            try:
                pixels = image.pixel_array
            except (NotImplementedError, RuntimeError) as error:
                if not syntax.is_compressed:
                    raise
                raise InputError(path, f"is compressed as {syntax.name}", "export it uncompressed") from error
        if pixels.dtype.kind not in "iu":
            raise InputError(path, f"holds {pixels.dtype} values", "export it with integers, or as NRRD")
        lowest, highest = stored_range(path, image)
        wide = np.int32 if image.BitsAllocated <= 16 else np.int64
        stored = np.bitwise_and(pixels.reshape(-1, image.Rows, image.Columns).astype(wide), highest - lowest)
        stored[stored > highest] -= highest - lowest + 1
        return stored, _padding(image, stored, highest)


def _padding(image: pydicom.Dataset, stored: np.ndarray, highest: int) -> np.ndarray:
    """Say which stored values stand for nothing, such as the corners outside a round field of view."""
    ends = [image.get(tag) for tag in ("PixelPaddingValue", "PixelPaddingRangeLimit")]
    if ends[0] is None:
        return np.zeros(stored.shape, bool)
    allocated = 2 ** int(image.BitsAllocated)
    # Programs write the tag with the sign of the pixels or without it.
    padding = [
        int(end) - allocated if int(end) > highest and image.PixelRepresentation else int(end)
        for end in ends
        if end is not None
    ]
    return (stored >= min(padding)) & (stored <= max(padding))

"""Volumes as a folder with one DICOM series, a file a slice."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK as sitk
from pydicom.errors import InvalidDicomError

from rgbx.devices.volume_itk import GridData, canonical, check_fits_in_memory, readable_itk_errors
from rgbx.errors import COPY_AGAIN, DAMAGED, InputError

DICOM_SUFFIXES = (".dcm", ".dicom", ".ima")

_SAME_IN_ALL = ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient")
_POSITION_TOLERANCE = 0.02
"""Of the distance between slices; scanners round positions to a few digits."""


def is_dicom(path: Path) -> bool:
    """Say whether a file begins as DICOM files do."""
    with path.open("rb") as content:
        return content.read(132)[128:] == b"DICM"


def read_dicom_folder(folder: Path) -> GridData:
    """Read the one series in ``folder`` in canonical orientation, with its rescale slope and intercept applied.

    Raises:
        InputError: a file is cut off; there are several series, missing or doubled slices, uneven distances, colour.
    """
    slices = _read_headers(folder)
    first_path, first = slices[0]
    series = {str(header.get("SeriesInstanceUID", "")) for _, header in slices}
    if len(series) > 1:
        raise InputError(
            folder,
            f"mixes {len(series)} DICOM series",
            "keep the files of one scan and put others in units of their own",
        )
    for tag in _SAME_IN_ALL:
        for path, header in slices:
            if header.get(tag) is None:
                raise InputError(path, f"has no {tag}", "export the scan again with its geometry, or as NRRD")
            if header.get(tag) != first.get(tag):
                raise InputError(
                    path, f"has another {tag} than {first_path.name}", "keep only the slices of one scan in the folder"
                )
    across, down = np.reshape(np.array(first.ImageOrientationPatient, float), (2, 3))
    normal = np.cross(across, down)
    ordered = sorted(slices, key=lambda entry: float(normal @ np.array(entry[1].ImagePositionPatient, float)))
    distances = np.array([normal @ np.array(header.ImagePositionPatient, float) for _, header in ordered])
    spacing = _slice_distance(folder, [path for path, _ in ordered], distances)

    check_fits_in_memory(folder, len(ordered) * first.Rows * first.Columns)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path, _ in ordered])
    rescales = {(header.get("RescaleSlope", 1), header.get("RescaleIntercept", 0)) for _, header in ordered}
    if len(rescales) > 1:
        reader.SetOutputPixelType(sitk.sitkFloat32)  # else all slices take the type of the first
    with readable_itk_errors(folder):
        image = reader.Execute()
    row_spacing, column_spacing = (float(value) for value in first.PixelSpacing)
    if min(row_spacing, column_spacing) <= 0:
        raise InputError(first_path, "has a spacing of zero or less", "correct the PixelSpacing of all slices")
    image.SetSpacing((column_spacing, row_spacing, spacing))
    image.SetDirection(np.column_stack([across, down, normal]).ravel().tolist())
    return canonical(image)


def _read_headers(folder: Path) -> list[tuple[Path, pydicom.Dataset]]:
    slices = []
    for path in sorted(folder.iterdir()):
        if not path.is_file() or path.name.startswith("."):
            continue
        if not is_dicom(path):
            if path.suffix.lower() in DICOM_SUFFIXES:
                raise InputError(path, f"{DAMAGED} or is no DICOM", COPY_AGAIN)
            continue  # a read-me, a viewer's index
        header = _read_header(path)
        if header is not None:
            slices.append((path, header))
    if len(slices) < 2:
        raise InputError(folder, f"holds {len(slices)} DICOM slices", "put all slices of one scan into it")
    return slices


def _read_header(path: Path) -> pydicom.Dataset | None:
    """Read a slice's header and make sure that its pixels are all there; None for a DICOMDIR."""
    try:
        with path.open("rb") as content:
            header = pydicom.dcmread(content, stop_before_pixels=True)
            pixels_start = content.tell()
    except (InvalidDicomError, EOFError, AttributeError, ValueError, OSError) as error:
        raise InputError(path, DAMAGED, COPY_AGAIN) from error
    if header.file_meta.get("MediaStorageSOPClassUID") == "1.2.840.10008.1.3.10":
        return None
    if any(header.get(tag) is None for tag in ("Rows", "Columns", "BitsAllocated", "ImagePositionPatient")):
        if int(header.get("NumberOfFrames", 1)) > 1:
            raise InputError(path, "is a multi-frame DICOM", "export the scan as one file a slice, or as NRRD")
        raise InputError(path, f"{DAMAGED} or has no image with a position", COPY_AGAIN)
    if header.get("SamplesPerPixel", 1) != 1:
        raise InputError(path, "holds a colour image", "export the scan's grey values")
    promised = header.Rows * header.Columns * header.BitsAllocated // 8
    compressed = header.file_meta.TransferSyntaxUID.is_compressed
    if not compressed and path.stat().st_size - pixels_start < promised:
        raise InputError(path, DAMAGED, COPY_AGAIN)
    return header


def _slice_distance(folder: Path, paths: list[Path], positions: np.ndarray) -> float:
    steps = np.diff(positions)
    usual = float(np.median(steps))
    for (before, after), step in zip(pairwise(paths), steps, strict=True):
        if step <= max(usual, 1e-6) * _POSITION_TOLERANCE:
            raise InputError(
                folder,
                f"holds two slices at one position ({before.name} and {after.name})",
                "remove the doubled files",
            )
        missing = round(step / usual) - 1
        uneven = abs(step / usual - (missing + 1)) > _POSITION_TOLERANCE * (missing + 1)
        if missing > 0 and not uneven:
            raise InputError(
                folder, f"lacks {missing} slices between {before.name} and {after.name}", "copy the whole series again"
            )
        if uneven:
            raise InputError(
                folder,
                f"has uneven distances between slices ({step:.4g} mm after {before.name}, {usual:.4g} mm elsewhere)",
                "resample the scan to even ones before exporting it",
            )
    return float((positions[-1] - positions[0]) / (len(positions) - 1))

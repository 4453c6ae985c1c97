"""Reading CT volumes of any common format into a :class:`~rgbx_render.devices.volume.Volume`, and writing them.

Whatever is wrong with a file ends as one :class:`~rgbx.errors.InputError`, and nothing that a format does not say is
guessed: it stands in ``unit.yaml`` beside the scan (:mod:`rgbx_render.devices.unit_file`).
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rgbx.errors import InputError
from rgbx.files import atomic_path
from rgbx.names import printable
from rgbx_render.devices.extent import without_padding
from rgbx_render.devices.unit_file import UNIT_FILE, UnitFile, read_unit_file, signed_axes
from rgbx_render.devices.volume import Volume, check_voxels
from rgbx_render.devices.volume_dicom import DICOM_SUFFIXES, is_dicom, read_dicom_scan
from rgbx_render.devices.volume_grid import Grid, in_patient_frame
from rgbx_render.devices.volume_itk import META_SUFFIXES, NRRD_SUFFIXES, read_itk_file
from rgbx_render.devices.volume_nifti import NIFTI_SUFFIXES, read_nifti_file
from rgbx_render.devices.volume_raw import (
    NUMPY_SUFFIXES,
    RAW_SUFFIXES,
    VGI_SUFFIXES,
    read_numpy_file,
    read_raw_file,
    read_vgi_file,
)
from rgbx_render.devices.volume_slices import JPEG_SUFFIXES, SLICE_SUFFIXES, read_slice_folder, slices_in
from rgbx_render.devices.volume_tiff import TIFF_SUFFIXES, read_tiff_stack

ITK_SUFFIXES = (*NRRD_SUFFIXES, *META_SUFFIXES, *NIFTI_SUFFIXES)
SCAN_SUFFIXES = (*ITK_SUFFIXES, *TIFF_SUFFIXES, *VGI_SUFFIXES, *NUMPY_SUFFIXES, *RAW_SUFFIXES, *DICOM_SUFFIXES)

OTHER_SCANS = {
    ".vol": ("voxels without their header", "add the .vgi beside it, or name it scan.raw and say its shape and dtype"),
    ".rek": ("a scan of Fraunhofer's software", "export it there as TIFF slices or raw"),
    ".pca": ("the project of a phoenix scan", "copy the .vgi and .vol of its reconstruction"),
    ".pcr": ("the header of a phoenix scan", "copy the .vgi and .vol of its reconstruction"),
    ".vff": ("a scan in the format of SunVision", "save it as NRRD or TIFF, with ImageJ for example"),
    ".txm": ("a scan of Zeiss's software", "export it there as TIFF or DICOM"),
    ".txrm": ("the projections of a scan", "export the reconstructed scan as TIFF or DICOM"),
    ".xrm": ("a scan of Zeiss's software", "export it there as TIFF or DICOM"),
    ".hdr": ("an Analyze file, which does not say right from left", "save it as NIfTI (.nii) or NRRD"),
    ".img": ("an Analyze file, which does not say right from left", "save it as NIfTI (.nii) or NRRD"),
    ".isq": ("a scan of Scanco's software", "export it there as DICOM, or save it as NRRD with ITK"),
    ".vgl": ("a project of Volume Graphics", "export the scan from it as VGI and VOL, or as TIFF"),
    ".am": ("a scan of Amira or Avizo", "export it there as NRRD or TIFF"),
    ".mat": ("a file of MATLAB", "save the array there as NIfTI or TIFF"),
    ".h5": ("a HDF5 file, in which a scan may lie anywhere", "save the array as .npy"),
    ".hdf5": ("a HDF5 file, in which a scan may lie anywhere", "save the array as .npy"),
    ".nxs": ("a HDF5 file, in which a scan may lie anywhere", "save the array as .npy"),
    ".npz": ("an archive of NumPy arrays", "save the one array as .npy"),
    ".zip": ("an archive", "unpack it"),
}
"""Formats of scans that cannot be read, what they are, and the way out."""

SIZE_RANGE_MM = (5.0, 2000.0)
"""The largest extent of a device lies between these; outside, the unit of length is almost certainly wrong."""


def read_scan(path: Path) -> Volume:
    """Read a scan as :func:`read_volume` does, and make air of voxels that were never measured.

    Args:
        path: of the scan; :func:`~rgbx_render.devices.extent.without_padding` says what was not measured.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    return without_padding(read_volume(path))


def read_volume(path: Path, categories: bool = False) -> Volume:
    """Read a scan, or a label volume, as its file has it.

    Args:
        path: a file of :data:`SCAN_SUFFIXES`, or a folder with a DICOM series or with TIFF, PNG or BMP slices. What its
            format cannot say is read from ``unit.yaml`` beside it.
        categories: whether its values are labels, which are not mixed where a sheared grid has to be resampled.

    Returns:
        The scan with its axes along the unit's: those of the file, permuted and flipped to LPS where it states
        directions, then as ``scan_axes`` in ``unit.yaml`` says. An oblique grid is kept as it is, one whose axes are
        not perpendicular is resampled. Number type as in the file, except that float64 becomes float32.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "check the path of the scan")
    unit_file = read_unit_file(path.parent)
    try:
        _check_names(path)
        values, place = _read_grid(path, unit_file)
    except PermissionError as error:
        raise InputError(
            Path(error.filename or path), "may not be read", "give yourself the right to read it"
        ) from error
    if unit_file.voxel_size_mm is not None:
        place = replace(place, spacing=unit_file.voxel_size_mm)
    if place.spacing is None:
        raise InputError(path, place.no_spacing, f"add 'voxel_size_mm: [x, y, z]' to {path.parent / UNIT_FILE}")
    check_voxels(values, path)
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    volume = _along_unit_axes(in_patient_frame(path, values, place, categories), unit_file)
    check_size(path, max(volume.size_mm), f"correct its voxel size by 'voxel_size_mm' in {path.parent / UNIT_FILE}")
    return volume


def write_volume(path: Path, volume: Volume) -> None:
    """Write a scan as ``.nrrd`` or ``.mha``, compressed, whole or not at all.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    if path.suffix not in (".nrrd", ".mha"):
        raise InputError(path, "is no format that scans are written in", "name it .nrrd or .mha")
    image = sitk.GetImageFromArray(volume.values)
    image.SetSpacing(volume.spacing)
    image.SetOrigin([-(count - 1) / 2 * step for count, step in zip(image.GetSize(), volume.spacing, strict=True)])
    with atomic_path(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)


def is_scan_folder(folder: Path) -> bool:
    """Say whether a folder's files are slices of a scan."""
    kinds = _kinds_of_slices(folder)
    holds_folders = any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir())
    return bool(set(kinds) - {"PNG", "BMP"} if holds_folders else kinds)  # pictures may lie in a library


def other_scan(path: Path) -> InputError:
    """Return what a file of :data:`OTHER_SCANS` is, and the way out, as an error."""
    what, way_out = OTHER_SCANS[path.suffix.lower()]
    return InputError(path, f"is {what}, which cannot be read", way_out)


def scan_format(path: Path) -> str:
    """Return what the format of a scan is called."""
    if path.is_dir():
        kinds = _kinds_of_slices(path)
        return f"{kinds[0]} folder" if kinds and kinds[0] != "DICOM" else "DICOM"
    names = {
        NRRD_SUFFIXES: "NRRD",
        META_SUFFIXES: "MetaImage",
        NIFTI_SUFFIXES: "NIfTI",
        TIFF_SUFFIXES: "TIFF",
        VGI_SUFFIXES: "VGI",
        NUMPY_SUFFIXES: "NumPy",
        RAW_SUFFIXES: "raw",
        DICOM_SUFFIXES: "DICOM",
    }
    return next((name for suffixes, name in names.items() if path.name.lower().endswith(suffixes)), "unknown")


def _read_grid(path: Path, unit_file: UnitFile) -> Grid:
    if path.is_dir():
        return _read_folder(path)
    name = path.name.lower()
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "copy or export it again")
    if name.endswith((*NRRD_SUFFIXES, *META_SUFFIXES)):
        return read_itk_file(path)
    if name.endswith(NIFTI_SUFFIXES):
        return read_nifti_file(path, stated_axes="scan_axes" in unit_file.model_fields_set)
    if name.endswith(TIFF_SUFFIXES):
        return read_tiff_stack(path)
    if name.endswith(VGI_SUFFIXES):
        return read_vgi_file(path)
    if name.endswith(NUMPY_SUFFIXES):
        return read_numpy_file(path)
    if name.endswith(RAW_SUFFIXES):
        return read_raw_file(path, unit_file)
    if name.endswith(DICOM_SUFFIXES):
        return read_dicom_scan(path)
    if path.suffix.lower() in OTHER_SCANS:
        raise other_scan(path)
    raise InputError(path, "is no scan in a format that can be read", f"give one of {', '.join(SCAN_SUFFIXES)}")


def _check_names(path: Path) -> None:
    """Refuse names that are no UTF-8: ITK ends the whole process when it is given one."""
    for each in (path, *(path.iterdir() if path.is_dir() else ())):
        if printable(each) != str(each):
            raise InputError(each, "has a name that is no UTF-8", "rename it, or the folder of it that is named so")


def _read_folder(folder: Path) -> Grid:
    kinds = _kinds_of_slices(folder)
    if len(kinds) > 1:
        raise InputError(folder, f"holds {' and '.join(kinds)} slices", "keep those of one kind")
    if kinds and kinds[0] != "DICOM":
        return read_slice_folder(folder, kinds[0])
    if not kinds and slices_in(folder, JPEG_SUFFIXES):
        raise InputError(folder, "holds JPEG slices, which have lost grey values", "export the scan as TIFF or PNG")
    files = [entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith(".")]
    if not kinds and files and not any(entry.suffix.lower() in DICOM_SUFFIXES for entry in files):
        suffixes = ", ".join(sorted({entry.suffix.lower() or entry.name for entry in files})[:5])
        raise InputError(
            folder,
            f"holds no slices of a scan, but {suffixes}",
            "put DICOM, TIFF, PNG or BMP slices of one scan into it, or a single file beside it, as scan.nrrd say",
        )
    return read_dicom_scan(folder)


def _kinds_of_slices(folder: Path) -> list[str]:
    """Return of which kinds a folder has slices; a single image beside others, a picture of the scan say, is none."""
    images = {kind: len(slices_in(folder, suffixes)) for kind, suffixes in SLICE_SUFFIXES.items()}
    dicom = sum(_is_dicom_file(entry) for entry in folder.iterdir())
    counts = {"DICOM": dicom, **images}
    several = [kind for kind, count in counts.items() if count > 1]
    return several or [kind for kind, count in counts.items() if count]


def _is_dicom_file(path: Path) -> bool:
    return path.is_file() and not path.name.startswith(".") and is_dicom(path)


def _along_unit_axes(volume: Volume, unit_file: UnitFile) -> Volume:
    axes, signs = signed_axes(unit_file.scan_axes)
    values = volume.values.transpose([2 - axis for axis in reversed(axes)])
    values = values[tuple(slice(None, None, int(sign)) for sign in reversed(signs))]
    spacing = (volume.spacing[axes[0]], volume.spacing[axes[1]], volume.spacing[axes[2]])
    return Volume(np.ascontiguousarray(values), spacing)


def check_size(path: Path, largest_mm: float, remedy: str) -> None:
    """Refuse what is too small or too large to be a device.

    Raises:
        InputError: ``largest_mm`` is outside :data:`SIZE_RANGE_MM`.
    """
    if not SIZE_RANGE_MM[0] <= largest_mm <= SIZE_RANGE_MM[1]:
        raise InputError(path, f"is {largest_mm:.4g} mm long, so its unit of length is almost certainly wrong", remedy)

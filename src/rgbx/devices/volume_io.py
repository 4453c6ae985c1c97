"""Reading CT volumes of any common format into a :class:`~rgbx.devices.volume.Volume`, and writing them.

Whatever is wrong with a file ends as one :class:`~rgbx.errors.InputError`, and nothing that a format does not say is
guessed: it stands in ``unit.yaml`` beside the scan (:mod:`rgbx.devices.unit_file`).
"""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rgbx.devices.extent import without_padding
from rgbx.devices.unit_file import UNIT_FILE, UnitFile, read_unit_file, signed_axes
from rgbx.devices.volume import Volume, check_voxels
from rgbx.devices.volume_dicom import is_dicom, read_dicom_folder
from rgbx.devices.volume_itk import (
    META_SUFFIXES,
    NIFTI_SUFFIXES,
    NRRD_SUFFIXES,
    GridData,
    check_fits_in_memory,
    read_itk_file,
)
from rgbx.devices.volume_tiff import TIFF_SUFFIXES, read_tiff_folder, read_tiff_stack
from rgbx.errors import InputError
from rgbx.files import atomic_path
from rgbx.names import printable

ITK_SUFFIXES = (*NRRD_SUFFIXES, *META_SUFFIXES, *NIFTI_SUFFIXES)
RAW_SUFFIXES = (".raw",)
SCAN_SUFFIXES = (*ITK_SUFFIXES, *TIFF_SUFFIXES, *RAW_SUFFIXES)

SIZE_RANGE_MM = (5.0, 2000.0)
"""The largest extent of a device lies between these; outside, the unit of length is almost certainly wrong."""


def read_scan(path: Path) -> Volume:
    """Read a scan as :func:`read_volume` does, and make air of voxels that were never measured.

    Args:
        path: of the scan; :func:`~rgbx.devices.extent.without_padding` says what was not measured.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    return without_padding(read_volume(path))


def read_volume(path: Path) -> Volume:
    """Read a scan, or a label volume, as its file has it.

    Args:
        path: a file of :data:`SCAN_SUFFIXES`, or a folder with a DICOM series or with TIFF slices. What its format
            cannot say is read from ``unit.yaml`` beside it.

    Returns:
        The scan with its axes along the unit's: those of the file, permuted and flipped to LPS where it states
        directions (oblique grids are kept as they are), then as ``scan_axes`` in ``unit.yaml`` says. Number type as
        in the file, except that float64 becomes float32.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "check the path of the scan")
    unit_file = read_unit_file(path.parent)
    try:
        _check_names(path)
        values, spacing = _read_grid(path, unit_file)
    except PermissionError as error:
        raise InputError(
            Path(error.filename or path), "may not be read", "give yourself the right to read it"
        ) from error
    spacing = unit_file.voxel_size_mm or spacing
    if spacing is None:
        raise InputError(path, "has no voxel size", f"add 'voxel_size_mm: [x, y, z]' to {path.parent / UNIT_FILE}")
    if values.dtype == np.float64:
        values = values.astype(np.float32)
    volume = _along_unit_axes(Volume(values, spacing), unit_file)
    _check(path, volume)
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
    return any(path.suffix.lower() in TIFF_SUFFIXES or _is_dicom_file(path) for path in folder.iterdir())


def _read_grid(path: Path, unit_file: UnitFile) -> GridData:
    name = path.name.lower()
    if path.is_dir():
        entries = [entry for entry in path.iterdir() if entry.is_file()]
        if any(entry.suffix.lower() in TIFF_SUFFIXES for entry in entries):
            return read_tiff_folder(path)
        return read_dicom_folder(path)
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "copy or export it again")
    if name.endswith(ITK_SUFFIXES):
        return read_itk_file(path)
    if name.endswith(TIFF_SUFFIXES):
        return read_tiff_stack(path)
    if name.endswith(RAW_SUFFIXES):
        return _read_raw(path, unit_file)
    raise InputError(path, "is no scan in a format that can be read", f"give one of {', '.join(SCAN_SUFFIXES)}")


def _check_names(path: Path) -> None:
    """Refuse names that are no UTF-8: ITK ends the whole process when it is given one."""
    for each in (path, *(path.iterdir() if path.is_dir() else ())):
        if printable(each) != str(each):
            raise InputError(each, "has a name that is no UTF-8", "rename it, or the folder of it that is named so")


def _is_dicom_file(path: Path) -> bool:
    return path.is_file() and is_dicom(path)


def _read_raw(path: Path, unit_file: UnitFile) -> GridData:
    for key in ("shape", "dtype"):
        if getattr(unit_file, key) is None:
            raise InputError(path, f"does not say its {key}", f"add '{key}' to {path.parent / UNIT_FILE}")
    assert unit_file.shape is not None
    nx, ny, nz = unit_file.shape
    dtype = np.dtype(unit_file.dtype).newbyteorder("<" if unit_file.byte_order == "little" else ">")
    needed, found = nx * ny * nz * dtype.itemsize, path.stat().st_size
    if needed != found:
        raise InputError(
            path,
            f"has {found:,} bytes, but {nx} × {ny} × {nz} voxels of {unit_file.dtype} make {needed:,}",
            f"correct 'shape' and 'dtype' in {path.parent / UNIT_FILE}",
        )
    check_fits_in_memory(path, nx * ny * nz)
    values = np.fromfile(path, dtype).reshape(nz, ny, nx)
    return values.astype(dtype.newbyteorder("="), copy=False), None


def _along_unit_axes(volume: Volume, unit_file: UnitFile) -> Volume:
    axes, signs = signed_axes(unit_file.scan_axes)
    values = volume.values.transpose([2 - axis for axis in reversed(axes)])
    values = values[tuple(slice(None, None, int(sign)) for sign in reversed(signs))]
    spacing = (volume.spacing[axes[0]], volume.spacing[axes[1]], volume.spacing[axes[2]])
    return Volume(np.ascontiguousarray(values), spacing)


def _check(path: Path, volume: Volume) -> None:
    check_voxels(volume.values, path)
    check_size(path, max(volume.size_mm), f"correct its voxel size by 'voxel_size_mm' in {path.parent / UNIT_FILE}")


def check_size(path: Path, largest_mm: float, remedy: str) -> None:
    """Refuse what is too small or too large to be a device.

    Raises:
        InputError: ``largest_mm`` is outside :data:`SIZE_RANGE_MM`.
    """
    if not SIZE_RANGE_MM[0] <= largest_mm <= SIZE_RANGE_MM[1]:
        raise InputError(path, f"is {largest_mm:.4g} mm long, so its unit of length is almost certainly wrong", remedy)

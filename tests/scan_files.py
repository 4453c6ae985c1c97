"""Writers of scans in every format, by other means than those of rgbx, for the tests to read back."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk
import tifffile
import yaml
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

Spacing = tuple[float, float, float]


def phantom(dtype: str = "uint16") -> np.ndarray:
    """A block with a dense corner in air: no two axes or directions look alike. (nz, ny, nx)."""
    values = np.zeros((6, 14, 9), dtype)
    values[1:5, 2:12, 2:7] = 40
    values[1:2, 2:5, 2:4] = 120
    return values


def write_unit_file(folder: Path, **keys: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "unit.yaml").write_text(yaml.safe_dump(keys))


def itk_image(values: np.ndarray, spacing: Spacing) -> sitk.Image:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing(spacing)
    return image


def write_itk(path: Path, values: np.ndarray, spacing: Spacing) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(itk_image(values, spacing), str(path), useCompression=path.suffix != ".nii")
    return path


def _nrrd(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.nrrd", values, spacing)


def _nhdr(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.nhdr", values, spacing)


def _mha(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.mha", values, spacing)


def _mhd(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.mhd", values, spacing)


def _nifti(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.nii", values, spacing)


def _nifti_gz(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    return write_itk(folder / "scan.nii.gz", values, spacing)


def _tiff(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    write_unit_file(folder, voxel_size_mm=list(spacing))
    tifffile.imwrite(folder / "scan.tif", values, photometric="minisblack")
    return folder / "scan.tif"


def _imagej(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(
        folder / "scan.tif",
        values,
        imagej=True,
        resolution=(1000 / spacing[0] / 1000, 1000 / spacing[1] / 1000),
        metadata={"spacing": spacing[2], "unit": "mm", "axes": "ZYX"},
    )
    return folder / "scan.tif"


def _ome(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    sizes = {f"PhysicalSize{axis}": step * 1000 for axis, step in zip("XYZ", spacing, strict=True)}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "XYZ"}
    tifffile.imwrite(folder / "scan.tif", values, ome=True, metadata={"axes": "ZYX", **sizes, **units})
    return folder / "scan.tif"


def _tiff_folder(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    write_unit_file(folder, voxel_size_mm=list(spacing))
    (folder / "scan").mkdir()
    for number, plane in enumerate(values, start=8):  # past 9, so that names must be sorted as numbers
        tifffile.imwrite(folder / "scan" / f"slice{number}.tif", plane)
    return folder / "scan"


def _raw(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    nz, ny, nx = values.shape
    write_unit_file(folder, voxel_size_mm=list(spacing), shape=[nx, ny, nz], dtype=str(values.dtype), byte_order="big")
    values.astype(values.dtype.newbyteorder(">")).tofile(folder / "scan.raw")
    return folder / "scan.raw"


def _dicom(folder: Path, values: np.ndarray, spacing: Spacing) -> Path:
    write_dicom(folder / "dicom", values, spacing)
    return folder / "dicom"


WRITERS: dict[str, Callable[[Path, np.ndarray, Spacing], Path]] = {
    "nrrd": _nrrd,
    "nhdr": _nhdr,
    "mha": _mha,
    "mhd": _mhd,
    "nifti": _nifti,
    "nifti-gz": _nifti_gz,
    "tiff": _tiff,
    "imagej-tiff": _imagej,
    "ome-tiff": _ome,
    "tiff-folder": _tiff_folder,
    "raw": _raw,
    "dicom": _dicom,
}


def write_dicom(folder: Path, values: np.ndarray, spacing: Spacing, **changes: object) -> list[Path]:
    """Write a series, its files in scrambled order of name; ``changes`` are set in each header."""
    folder.mkdir(parents=True)
    series, study = generate_uid(), generate_uid()
    paths = []
    for index, plane in enumerate(values.astype(np.uint16)):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        header.SOPClassUID, header.SOPInstanceUID = CTImageStorage, header.file_meta.MediaStorageSOPInstanceUID
        header.SeriesInstanceUID, header.StudyInstanceUID, header.Modality = series, study, "CT"
        header.Rows, header.Columns = plane.shape
        header.PixelSpacing = [round(spacing[1], 10), round(spacing[0], 10)]
        header.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        header.ImagePositionPatient = [0, 0, round(index * spacing[2], 10)]
        header.InstanceNumber = index + 1
        header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
        header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 16, 15, 0
        header.PixelData = plane.tobytes()
        for tag, value in changes.items():
            setattr(header, tag, value)
        path = folder / f"{(index * 7) % len(values):03d}-{index}.dcm"
        header.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths

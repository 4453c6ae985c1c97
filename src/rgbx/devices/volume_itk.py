"""Volumes in files that carry their own geometry (NRRD, MetaImage, NIfTI), through SimpleITK.

SimpleITK fills in a spacing of 1 where a header has none, takes the absolute value of a negative one, and reads
cut-off NIfTI files as if they were whole; so the headers are checked here first.
"""

import gzip
import math
import os
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError
from rgbx.geometry import Vector

NRRD_SUFFIXES = (".nrrd", ".nhdr")
META_SUFFIXES = (".mha", ".mhd")
NIFTI_SUFFIXES = (".nii", ".nii.gz")

_MM = {"mm": 1.0, "millimeter": 1.0, "millimetre": 1.0, "um": 1e-3, "µm": 1e-3, "micron": 1e-3, "micrometer": 1e-3}
_MM |= {"nm": 1e-6, "cm": 10.0, "m": 1000.0, "meter": 1000.0, "in": 25.4, "inch": 25.4}

_stderr_aside = threading.Lock()

GridData = tuple[np.ndarray, Vector | None]
"""Values (nz, ny, nx) and spacing (x, y, z) in mm, None where the file does not say it."""


def length_in_mm(unit: str) -> float | None:
    """Return how many mm a unit of length is, None for one that is not known."""
    return _MM.get(unit.strip().strip('"').lower().replace("μ", "µ"))


def read_itk_file(path: Path) -> GridData:
    """Read a NRRD, MetaImage or NIfTI file in canonical orientation.

    Raises:
        InputError: the file is damaged, is no scalar volume, has an impossible spacing, or does not fit in memory.
    """
    name = path.name.lower()
    scale: float | None
    if name.endswith(NRRD_SUFFIXES):
        scale = _check_nrrd_header(path)
    elif name.endswith(META_SUFFIXES):
        scale = _check_meta_header(path)
    else:
        scale = 1.0
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
    check_fits_in_memory(path, math.prod(reader.GetSize()))
    if name.endswith(NIFTI_SUFFIXES):
        _check_nifti_length(path, reader)
    with readable_itk_errors(path):
        image = reader.Execute()
    if image.GetDimension() == 4 and image.GetSize()[3] == 1:
        image = image[:, :, :, 0]
    if image.GetDimension() != 3:
        raise InputError(path, f"is {image.GetDimension()}-dimensional", "give a three-dimensional scan")
    values, spacing = canonical(image)
    return values, None if scale is None else (spacing[0] * scale, spacing[1] * scale, spacing[2] * scale)


def canonical(image: sitk.Image) -> tuple[np.ndarray, Vector]:
    """Permute and flip the axes so that they run along LPS as closely as they can; oblique grids are not resampled.

    Returns:
        Values (nz, ny, nx) and spacing (x, y, z).
    """
    oriented = sitk.DICOMOrient(image, "LPS")
    x, y, z = oriented.GetSpacing()
    return sitk.GetArrayFromImage(oriented), (x, y, z)


def check_fits_in_memory(path: Path, voxels: int) -> None:
    """Refuse a scan larger than half the machine's memory, before it is allocated."""
    if not hasattr(os, "sysconf"):
        return  # Windows does not say
    needed = 4 * voxels
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed > memory / 2:
        raise InputError(
            path,
            f"has {voxels:,} voxels ({needed / 1e9:,.0f} GB to work on; this machine has {memory / 1e9:,.0f} GB)",
            "crop it to the device or halve its resolution, unless it is damaged",
        )


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


def _check_nrrd_header(path: Path) -> float | None:
    """Return how many mm the header's unit of length is; None where it has no spacing."""
    with path.open("rb") as content:
        if content.read(4) != b"NRRD":
            raise InputError(path, "is not a NRRD file", COPY_AGAIN)
    fields = _header_fields(path, re.compile(r"([^:=#]+):\s*(.+)"))
    if "spacings" in fields:
        _check_spacing(path, fields["spacings"])
    elif "space directions" in fields:
        vectors = re.findall(r"\(([^)]*)\)", fields["space directions"])
        lengths = [math.hypot(*(_number(part) for part in vector.split(","))) for vector in vectors]
        _check_spacing(path, " ".join(f"{length:g}" for length in lengths))
    else:
        return None
    units = {
        length_in_mm(unit) for unit in re.findall(r'"([^"]+)"', fields.get("space units", fields.get("units", "")))
    }
    if None in units or len(units) > 1:
        raise InputError(path, "has a unit of length that is not known", 'write \'space units: "mm" "mm" "mm"\'')
    return units.pop() if units else 1.0


def _check_meta_header(path: Path) -> float | None:
    """Return 1, as MetaImage is in mm; None where the header has no spacing."""
    fields = _header_fields(path, re.compile(r"(\w+)\s*=\s*(.+)"))
    if "ndims" not in fields:
        raise InputError(path, "is not a MetaImage file", COPY_AGAIN)
    spacing = fields.get("elementspacing", fields.get("elementsize"))
    if spacing is None:
        return None
    _check_spacing(path, spacing)
    return 1.0


def _header_fields(path: Path, pattern: re.Pattern[str]) -> dict[str, str]:
    """Read the 'key: value' lines of a text header, up to an empty line or the one that ends a MetaImage header."""
    fields = {}
    with path.open("rb") as lines:
        for _ in range(1000):
            line = lines.readline(10_000).decode("latin-1").rstrip("\r\n")
            found = pattern.fullmatch(line)
            if found:
                fields[found[1].strip().lower()] = found[2].strip()
            if not line or line.startswith("ElementDataFile"):
                break
    return fields


def _check_spacing(path: Path, text: str) -> None:
    numbers = [_number(word) for word in text.split()]
    if any(not math.isfinite(number) or number <= 0 for number in numbers):
        raise InputError(
            path, f"has a spacing of {text}, which must be positive numbers", "correct the spacing in its header"
        )


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _check_nifti_length(path: Path, reader: sitk.ImageFileReader) -> None:
    """Compare the file's length with what its header promises."""
    bits, offset = int(reader.GetMetaData("bitpix")), int(float(reader.GetMetaData("vox_offset")))
    promised = offset + math.prod(reader.GetSize()) * bits // 8
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as content:
                length = sum(len(block) for block in iter(lambda: content.read(1 << 20), b""))
        else:
            length = path.stat().st_size
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(path, DAMAGED, COPY_AGAIN) from error
    if length < promised:
        raise InputError(path, DAMAGED, COPY_AGAIN)

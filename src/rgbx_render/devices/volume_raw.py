"""Volumes that are bare voxels: raw ones, NumPy arrays, and those of Volume Graphics, whose header lies beside them."""

import re
from pathlib import Path

import numpy as np

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused
from rgbx_render.devices.length import length_in_mm, unknown_unit
from rgbx_render.devices.unit_file import UNIT_FILE, UnitFile
from rgbx_render.devices.volume_grid import SAME_DIRECTION, Grid, Place, check_fits_in_memory

RAW_SUFFIXES = (".raw",)
NUMPY_SUFFIXES = (".npy",)
VGI_SUFFIXES = (".vgi",)

_VGI_TYPES = {"unsigned integer": "u", "unsignedint": "u", "integer": "i", "signed integer": "i", "float": "f"}
_VGI_SAID_ONCE = {
    *(("file1", key) for key in ("size", "datatype", "bitsperelement", "name", "skipheader", "fileformat")),
    *(("geometry", key) for key in ("resolution", "unit", "scale", "mirror", "rotate", "rotation")),
    *(("representation", key) for key in ("mirror", "scale")),
}


def read_raw_file(path: Path, unit_file: UnitFile) -> Grid:
    """Read voxels of the shape and number type that ``unit.yaml`` says.

    Raises:
        InputError: it does not say them, or the file is not as long as they make it.
    """
    for key in ("shape", "dtype"):
        if getattr(unit_file, key) is None:
            raise InputError(path, f"does not say its {key}", f"add '{key}' to {path.parent / UNIT_FILE}")
    assert unit_file.shape is not None
    dtype = np.dtype(unit_file.dtype).newbyteorder("<" if unit_file.byte_order == "little" else ">")
    remedy = f"correct 'shape' and 'dtype' in {path.parent / UNIT_FILE}"
    return _voxels(path, unit_file.shape, dtype, 0, remedy), Place(None)


def read_numpy_file(path: Path) -> Grid:
    """Read an array (z, y, x) of a ``.npy`` file; nothing in it is run.

    Raises:
        InputError: the file is damaged or holds objects.
    """
    with damage_refused(path):
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
        if mapped.dtype.kind == "O":
            raise InputError(path, "holds objects, not numbers", "save the scan's grey values")
    if mapped.ndim != 3:
        raise InputError(path, f"has {mapped.ndim} axes", "save an array of three, (z, y, x)")
    check_fits_in_memory(path, mapped.size)
    half = mapped.dtype == np.float16
    return np.array(mapped, np.float32 if half else mapped.dtype.newbyteorder("="), order="C"), Place(None)


def read_vgi_file(path: Path) -> Grid:
    """Read the header and the voxels of a Volume Graphics scan (VGI and VOL).

    Raises:
        InputError: the header does not say what it must, or the file of voxels is missing or not as long as it says.
    """
    header = _vgi_header(path)
    _check_as_stored(path, header)
    said = {key: value for (section, key), value in header.items() if section == "file1"}
    if any(section == "file2" for section, _ in header):
        raise InputError(path, "has its voxels in several files", "export them as one")
    for key in ("size", "datatype", "bitsperelement", "name"):
        if key not in said:
            raise InputError(path, f"does not say '{key}' in its section [file1]", COPY_AGAIN)
    kind = _VGI_TYPES.get(said["datatype"].lower())
    size = _floats(path, "size", said["size"])
    bits = _floats(path, "bitsperelement", said["bitsperelement"])
    if kind is None or bits[0] not in (8, 16, 32, 64) or (kind == "f" and bits[0] < 32) or len(size) != 3:
        raise InputError(
            path,
            f"holds {' × '.join(said['size'].split())} voxels of {said['bitsperelement']}-bit {said['datatype']}",
            "export them as 8 or 16-bit unsigned integers or 32-bit floats",
        )
    if said.get("fileformat", "raw").lower() != "raw":
        raise InputError(path, f"has its voxels in a file of the format {said['fileformat']}", "export them as raw")
    voxels = path.parent / re.split(r"[/\\]", said["name"])[-1]
    if not voxels.exists():
        raise InputError(path, f"has its voxels in {voxels.name}, which is not there", "copy it beside the header")
    skip = int(_floats(path, "skipheader", said.get("skipheader", "0"))[0])
    shape = (int(size[0]), int(size[1]), int(size[2]))
    values = _voxels(voxels, shape, np.dtype(f"<{kind}{int(bits[0]) // 8}"), skip, COPY_AGAIN)
    resolution = header.get(("geometry", "resolution"))
    unit = header.get(("geometry", "unit"), "")
    if resolution is None:
        return values, Place(None)
    try:
        length = length_in_mm(unit)
    except ValueError:
        return values, Place(None, no_spacing=unknown_unit(unit))
    if length is None:
        return values, Place(None)
    steps = _floats(path, "resolution", resolution)
    if len(steps) != 3:
        raise InputError(path, f"has the resolution {resolution}", "give three numbers")
    return values, Place((steps[0] * length, steps[1] * length, steps[2] * length))


def _check_as_stored(path: Path, header: dict[tuple[str, str], str]) -> None:
    """Refuse voxels that the header mirrors, stretches or turns; where the volume lies in its scene does not matter."""
    for (section, key), said in header.items():
        if section not in ("representation", "geometry") or key not in ("mirror", "scale", "rotate", "rotation"):
            continue
        numbers = np.array(_floats(path, key, said))
        plain = np.full_like(numbers, key == "scale")
        if key.startswith("rotat") and numbers.any():
            plain = np.eye(3).ravel()
        if numbers.shape != plain.shape or not np.allclose(numbers, plain, 0, SAME_DIRECTION):
            raise InputError(
                path,
                f"states '{key} = {said}'",
                "export the scan as it is shown, or remove the line if the stored voxels lie as they should",
            )


def _vgi_header(path: Path) -> dict[tuple[str, str], str]:
    """Return the values of a header by section and key, in lower case.

    Raises:
        InputError: it is no header, or says something twice in different ways.
    """
    values: dict[tuple[str, str], str] = {}
    section = ""
    for line in path.read_bytes()[:1_000_000].decode("latin-1").splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line.strip("[]").lower()
        elif "=" in line:
            key, _, value = line.partition("=")
            place, value = (section, key.strip().lower()), value.strip()
            if values.setdefault(place, value) != value and place in _VGI_SAID_ONCE:
                raise InputError(path, f"says {key.strip()!r} of [{section}] twice", "export one volume only")
    if not any(section == "file1" for section, _ in values):
        raise InputError(path, f"{DAMAGED} or is no Volume Graphics header", COPY_AGAIN)
    return values


def _floats(path: Path, key: str, text: str) -> list[float]:
    try:
        return [float(word) for word in text.split()]
    except ValueError as error:
        raise InputError(path, f"has '{key} = {text}', which are no numbers", COPY_AGAIN) from error


def _voxels(path: Path, shape: tuple[int, int, int], dtype: np.dtype, skip: int, remedy: str) -> np.ndarray:
    nx, ny, nz = shape
    needed, found = nx * ny * nz * dtype.itemsize, path.stat().st_size - skip
    if needed != found:
        raise InputError(
            path, f"has {found:,} bytes, but {nx} × {ny} × {nz} voxels of {dtype.name} make {needed:,}", remedy
        )
    check_fits_in_memory(path, nx * ny * nz)
    values = np.fromfile(path, dtype, offset=skip).reshape(nz, ny, nx)
    return values.astype(dtype.newbyteorder("="), copy=False)

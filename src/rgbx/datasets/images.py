"""Reading the images that users give: radiographs and photographs, from files or arrays.

Radiographs stay linear and keep their depth: 16-bit values become float32 in 0..1, nothing is stretched to its own
minimum and maximum, and nothing is reduced to 8 bits. Photographs are 8-bit RGB.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import imagecodecs
import numpy as np
import tifffile
from PIL import ExifTags, Image

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused
from rgbx.modality import IMAGE_SUFFIXES
from rgbx.tiff import open_tiff

if TYPE_CHECKING:
    import pydicom

MAX_SIDE = 20_000
MAX_PIXELS = 200_000_000
MIN_SIDE = 16
MAX_FILE_BYTES = 2 * 2**30
SMALL_BYTES = 32 * 2**20
MAX_EXPANSION, MAX_JPEG_EXPANSION = 30, 100
"""Pixels of more than ``SMALL_BYTES`` are decoded only from a file no smaller than this fraction of them: what cameras
and detectors make has noise, which does not pack so well; a file made to fill the memory is a thousandth."""

TIFF_COMPRESSIONS = {
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.ADOBE_DEFLATE,
    tifffile.COMPRESSION.DEFLATE,
    tifffile.COMPRESSION.PACKBITS,
}
"""Those whose decoders give no more than the file says. JPEG in TIFF has dimensions of its own."""

_JPEG_SCAN, _JPEG_END = b"\xff\xda", b"\xff\xd9"

_ORIENTATIONS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.swapaxes(0, 1),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image, 2).swapaxes(0, 1),
    8: np.rot90,
}
"""What brings an image with this value of EXIF's Orientation upright."""


def read_radiograph(path: Path) -> np.ndarray:
    """Read a radiograph.

    Args:
        path: PNG or TIFF (16-bit, or 8-bit as it is; float TIFF in 0..1), JPEG (8-bit) or DICOM. A colour image is
            accepted when its channels are equal.

    Returns:
        (H, W) float32 in 0..1, proportional to the detected intensity: open beam bright. Integers are divided by the
        largest value of their type, in DICOM by that of the bits stored. DICOM that says its values fall
        with intensity (PixelIntensityRelationshipSign −1, a negative RescaleSlope or, where it has no such sign,
        MONOCHROME1) and TIFF whose zero is white are inverted.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    return as_radiograph(_decode(path), path)


def read_photograph(path: Path) -> np.ndarray:
    """Read a photograph.

    Args:
        path: PNG, JPEG or TIFF in colour.

    Returns:
        (H, W, 3) uint8 in RGB order, upright as its EXIF orientation says, without any alpha; 16-bit colour is
        rounded to 8 bits.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    pixels = _decode(path)
    if pixels.ndim == 3 and pixels.dtype == np.uint16 and not _is_grey(pixels):
        pixels = np.rint(pixels / 257.0).astype(np.uint8)
    return as_photograph(pixels, path)


def as_radiograph(image: np.ndarray, name: Path | str = "the radiograph") -> np.ndarray:
    """Check an array and bring it into the form that :func:`read_radiograph` returns.

    Args:
        image: (H, W), (H, W, 1), or (H, W, 3 or 4) with equal channels; uint8 (divided by 255), uint16 (divided by
            65535), or float, which must be in 0..1 already.
        name: what to call it in errors.

    Raises:
        InputError: another shape or type, values out of range or not finite, or a colour image.
    """
    _check_dimensions(name, image.shape)
    if image.ndim == 3:
        if not _is_grey(image):
            raise InputError(name, "is a colour photograph, not a radiograph", "pass it with --rgb")
        image = image[..., 0]
    if image.dtype in (np.uint8, np.uint16):
        scaled = image.astype(np.float32)
        scaled /= np.iinfo(image.dtype).max
        return scaled
    if image.dtype.kind != "f":
        raise InputError(name, f"holds {image.dtype} values", "save it with 16 bits (uint16)")
    if not np.isfinite(image).all():
        raise InputError(name, "has pixels that are NaN or infinite", "replace them by their neighbours")
    if image.min() < 0 or image.max() > 1:
        raise InputError(
            name,
            f"holds float values from {image.min():.4g} to {image.max():.4g}",
            "divide them by the detector's full scale, so that they lie in 0..1",
        )
    return image.astype(np.float32)


def as_photograph(image: np.ndarray, name: Path | str = "the photograph") -> np.ndarray:
    """Check an array and bring it into the form that :func:`read_photograph` returns.

    Args:
        image: (H, W, 3) uint8 in RGB order, or (H, W, 4) whose alpha is dropped.
        name: what to call it in errors.

    Raises:
        InputError: another shape or type.
    """
    _check_dimensions(name, image.shape)
    if image.ndim == 2 or image.shape[2] not in (3, 4) or (image.dtype == np.uint16 and _is_grey(image)):
        raise InputError(name, f"looks like a radiograph (grey, {image.dtype})", "pass it with --xray")
    if image.dtype != np.uint8:
        raise InputError(name, f"holds {image.dtype} values", "convert it to 8-bit RGB (uint8)")
    return np.ascontiguousarray(image[..., :3])


def _is_grey(image: np.ndarray) -> bool:
    return image.shape[2] in (1, 2) or bool(
        np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2])
    )


def _check_dimensions(name: Path | str, shape: tuple[int, ...]) -> None:
    if len(shape) not in (2, 3) or (len(shape) == 3 and not 1 <= shape[2] <= 4):
        raise InputError(name, f"has the shape {shape}, not that of one image", "give a single grey or RGB image")
    height, width = shape[:2]
    if max(height, width) > MAX_SIDE or height * width > MAX_PIXELS:
        raise InputError(
            name,
            f"is {width} × {height} pixels, above the limit of {MAX_SIDE} a side and {MAX_PIXELS // 10**6} million",
            "crop it to the device or reduce it",
        )
    if min(height, width) < MIN_SIDE:
        raise InputError(name, f"is only {width} × {height} pixels", f"give at least {MIN_SIDE} a side")


def _check_expansion(path: Path, pixel_bytes: int, largest: int = MAX_EXPANSION) -> None:
    if pixel_bytes > max(SMALL_BYTES, largest * path.stat().st_size):
        raise InputError(
            path,
            f"says that it holds {pixel_bytes / 1e6:,.0f} MB of pixels, which no image packs into so small a file",
            COPY_AGAIN,
        )


def is_image(path: Path) -> bool:
    """Say whether a file is to be read: by its suffix or, as DICOM often has none or numbers, by its first bytes."""
    if path.name.startswith(".") or not path.is_file():
        return False
    suffix = path.suffix.lower()
    return suffix in IMAGE_SUFFIXES or ((not suffix or suffix[1:].isdigit()) and _is_dicom(path))


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as content:
        return content.read(132)[128:] == b"DICM"


def _decode(path: Path) -> np.ndarray:
    """Return the pixels in their own depth, (H, W) or (H, W, C), upright; which decoder is told by the content."""
    kind = file_kind(path)
    with damage_refused(path):
        if kind == "dicom":
            return _decode_dicom(path)
        if kind == "tiff":
            return _decode_tiff(path)
        return _decode_png_or_jpeg(path, imagecodecs.png_decode if kind == "png" else imagecodecs.jpeg8_decode)


def file_kind(path: Path) -> Literal["dicom", "tiff", "png", "jpeg"]:
    """Return which format a file has by its content.

    Raises:
        InputError: it is missing, empty, far too large, or of no format that can be read.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "check the path of the image")
    if path.is_dir():
        raise InputError(path, "is a folder", "give a single image")
    try:
        with path.open("rb") as content:
            head = content.read(132)
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    if not head:
        raise InputError(path, "is empty", COPY_AGAIN)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InputError(path, f"is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB", "crop it to the device or reduce it")
    if head[128:] == b"DICM":
        return "dicom"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if head.startswith(b"\x89PNG"):
        return "png"
    if head.startswith(b"\xff\xd8"):
        return "jpeg"
    raise InputError(path, "is no image that can be read", "save it as PNG, JPEG, TIFF or DICOM")


def _decode_png_or_jpeg(path: Path, decoder: Callable[[bytes], np.ndarray]) -> np.ndarray:
    """Decode with imagecodecs, which keeps 16-bit colour and refuses cut-off files; Pillow reads the header."""
    content = path.read_bytes()
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as header:
            _check_dimensions(path, header.size[::-1])
            bytes_a_pixel = len(header.getbands()) * (2 if header.mode.startswith("I") else 1)
            largest = MAX_JPEG_EXPANSION if header.format == "JPEG" else MAX_EXPANSION
            _check_expansion(path, header.width * header.height * bytes_a_pixel, largest)
            orientation = _exif_orientation(header, content)
    except Image.DecompressionBombError as error:
        raise InputError(path, "has far too many pixels", "crop it to the device or reduce it") from error
    if decoder is imagecodecs.jpeg8_decode and content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
        raise InputError(path, DAMAGED, COPY_AGAIN)  # the decoder would fill the rest with grey
    pixels = decoder(content)
    if decoder is imagecodecs.jpeg8_decode and pixels.ndim == 3 and pixels.shape[2] == 4:
        raise InputError(path, "is in the colours of print (CMYK)", "save it as RGB")
    return _ORIENTATIONS.get(orientation, np.asarray)(pixels)


def _exif_orientation(header: Image.Image, content: bytes) -> int:
    """Return EXIF's Orientation; only where a PNG has EXIF, as Pillow decodes all of it to look behind the pixels."""
    if header.format == "PNG" and not any(mark in content for mark in (b"eXIf", b"Raw profile type")):
        return 1
    return header.getexif().get(ExifTags.Base.Orientation, 1)


def _decode_tiff(path: Path) -> np.ndarray:
    with open_tiff(path) as tiff:
        if len(tiff.pages) > 1 and len(tiff.series) == 1 and len(tiff.series[0].shape) > 2:
            raise InputError(path, f"holds {len(tiff.pages)} images", "save one of them as a file of its own")
        page = tiff.pages.first
        planar = page.axes.startswith("S")
        _check_dimensions(path, page.shape[1:] if planar else page.shape)
        if page.compression not in TIFF_COMPRESSIONS:
            raise InputError(path, "is compressed in a way that cannot be read", "save it uncompressed or with LZW")
        _check_expansion(path, max(page.nbytes, math.prod(page.chunks) * page.bitspersample // 8))
        pixels = page.asarray()
        zero_is_white = page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
        orientation = page.tags.valueof("Orientation", 1)
    if planar:
        pixels = np.moveaxis(pixels, 0, -1)
    if zero_is_white and pixels.dtype.kind == "u":
        pixels = np.iinfo(pixels.dtype).max - pixels
    return _ORIENTATIONS.get(orientation, np.asarray)(pixels)


def read_dicom(path: Path, header_only: bool = False) -> "pydicom.FileDataset":
    """Read a DICOM file, or all of it but the pixels.

    Raises:
        InputError: it is damaged, or deflated as a whole, which says nothing of how much there is to inflate.
    """
    import pydicom  # takes a quarter of a second, and few images are DICOM
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    with damage_refused(path):
        syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
        if syntax == DeflatedExplicitVRLittleEndian:
            raise InputError(path, "is compressed as a whole", "export it uncompressed")
        return pydicom.dcmread(path, stop_before_pixels=header_only)


def _decode_dicom(path: Path) -> np.ndarray:
    image = read_dicom(path)
    _check_dimensions(path, (int(image.Rows), int(image.Columns)))
    if int(image.get("NumberOfFrames") or 1) > 1:
        raise InputError(path, "holds several frames", "export one of them as a file of its own")
    if image.get("PixelIntensityRelationship") == "LOG":
        raise InputError(path, "holds logarithmic intensities", "export the detector's linear image")
    _check_expansion(path, int(image.Rows) * int(image.Columns) * int(image.BitsAllocated) // 8)
    try:
        pixels = image.pixel_array
    except Exception as error:
        if image.file_meta.TransferSyntaxUID.is_compressed:
            raise InputError(path, "is compressed in a way that cannot be read", "export it uncompressed") from error
        raise
    if pixels.ndim == 3:
        return pixels
    return _dicom_intensity(image, pixels)


def _dicom_intensity(image: "pydicom.Dataset", pixels: np.ndarray) -> np.ndarray:
    """Return float32 in 0..1 that grows with the detected intensity.

    A rescale maps the range of the stored bits onto another; as a share of that range it changes nothing but
    the direction, when its slope is negative.
    """
    bits = int(image.BitsStored)
    lowest = -(2 ** (bits - 1)) if image.PixelRepresentation else 0
    share = (pixels.astype(np.float32) - lowest) / (2**bits - 1)
    sign = image.get("PixelIntensityRelationshipSign")
    falls = int(sign) < 0 if sign is not None else image.PhotometricInterpretation == "MONOCHROME1"
    if falls != (float(image.get("RescaleSlope", 1) or 1) < 0):
        share = 1 - share
    return np.clip(share, 0, 1)

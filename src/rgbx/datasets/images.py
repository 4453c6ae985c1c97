"""Reading the images that users give: radiographs and photographs, from files or arrays.

Radiographs stay linear and keep their depth: 16-bit values become float32 in 0..1, nothing is stretched to its own
minimum and maximum, and nothing is reduced to 8 bits. Photographs are 8-bit RGB.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from PIL import ExifTags, Image

from rgbx.datasets.dicom import dicom_pixels
from rgbx.datasets.image_kind import DEVELOP, file_kind
from rgbx.datasets.jpeg import LOSSLESS, PROGRESSIVE, jpeg_parts
from rgbx.datasets.limits import MAX_JPEG_EXPANSION, check_dimensions, check_expansion
from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused
from rgbx.tiff import RIGHT_AND_DOWN, open_tiff

TIFF_COMPRESSIONS = {
    tifffile.COMPRESSION.NONE,
    tifffile.COMPRESSION.LZW,
    tifffile.COMPRESSION.ADOBE_DEFLATE,
    tifffile.COMPRESSION.DEFLATE,
    tifffile.COMPRESSION.PACKBITS,
}
"""Those whose decoders give no more than the file says. JPEG in TIFF has dimensions of its own."""

_PALETTE = tifffile.PHOTOMETRIC.PALETTE
_PHOTOMETRICS = {
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.RGB,
    _PALETTE,
}
_RAW = {tifffile.PHOTOMETRIC.CFA, tifffile.PHOTOMETRIC.LINEAR_RAW}

NOISE_MARGIN = 0.1
"""How far float radiographs may reach below 0 and above 1: flat-field correction makes the open beam 1 and leaves the
noise in it, a few percent where photons are few."""
STRAY = 1e-3
"""Share of pixels that may lie further out: hot and dead ones."""


def read_radiograph(path: Path) -> np.ndarray:
    """Read a radiograph.

    Args:
        path: PNG or TIFF (16-bit, or fewer as they are; float TIFF in 0..1), JPEG or DICOM. A colour image is accepted
            when its channels are equal, one with a palette when its colours are grey.

    Returns:
        (H, W) float32 in 0..1, proportional to the detected intensity: open beam bright. Integers are divided by the
        largest value of as many bits as the file says. DICOM that says its values fall with intensity
        (PixelIntensityRelationshipSign −1, a negative RescaleSlope or, where it has no such sign, MONOCHROME1) and
        TIFF whose zero is white are inverted. Floats are clipped, see :func:`as_radiograph`.

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
            65535), or float, which must be in 0..1 already; what noise makes of that, up to ``NOISE_MARGIN`` further
            out and a share of ``STRAY`` pixels anywhere, is clipped.
        name: what to call it in errors.

    Raises:
        InputError: another shape or type, values out of range or not finite, or a colour image.
    """
    check_dimensions(name, image.shape)
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
        if np.mean((image < -NOISE_MARGIN) | (image > 1 + NOISE_MARGIN)) > STRAY:
            raise InputError(
                name,
                f"holds float values from {image.min():.4g} to {image.max():.4g}",
                "divide them by the detector's full scale, so that they lie in 0..1",
            )
        image = image.clip(0, 1)
    return image.astype(np.float32)


def as_photograph(image: np.ndarray, name: Path | str = "the photograph") -> np.ndarray:
    """Check an array and bring it into the form that :func:`read_photograph` returns.

    Args:
        image: (H, W, 3) uint8 in RGB order, or (H, W, 4) whose alpha is dropped.
        name: what to call it in errors.

    Raises:
        InputError: another shape or type.
    """
    check_dimensions(name, image.shape)
    if image.ndim == 2 or image.shape[2] not in (3, 4) or (image.dtype == np.uint16 and _is_grey(image)):
        raise InputError(name, f"looks like a radiograph (grey, {image.dtype})", "pass it with --xray")
    if image.dtype != np.uint8:
        raise InputError(name, f"holds {image.dtype} values", "convert it to 8-bit RGB (uint8)")
    return np.ascontiguousarray(image[..., :3])


def _is_grey(image: np.ndarray) -> bool:
    return image.shape[2] in (1, 2) or bool(
        np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2])
    )


def _decode(path: Path) -> np.ndarray:
    """Return the pixels in their own depth, (H, W) or (H, W, C), upright; which decoder is told by the content."""
    kind = file_kind(path)
    with damage_refused(path):
        if kind == "dicom":
            return dicom_pixels(path)
        if kind == "tiff":
            return _decode_tiff(path)
        return _decode_png(path) if kind == "png" else _decode_jpeg(path)


def _decode_png(path: Path) -> np.ndarray:
    """Decode with imagecodecs, which keeps 16-bit colour and refuses cut-off files; Pillow reads the header.

    Palettes become their colours. Gamma and colour profiles are not applied: values are what was stored.
    """
    content = path.read_bytes()
    with _header(path, "PNG") as header:
        bytes_a_pixel = len(header.getbands()) * (2 if header.mode.startswith("I") else 1)
        check_expansion(path, header.width * header.height * bytes_a_pixel)
        # Only where there is EXIF, as Pillow decodes all pixels to look behind them.
        orientation = _orientation(header) if b"eXIf" in content or b"Raw profile type" in content else 1
    return _upright(imagecodecs.png_decode(content), orientation)


def _decode_jpeg(path: Path) -> np.ndarray:
    content = path.read_bytes()
    parts = jpeg_parts(content)
    if parts is None:
        raise InputError(path, DAMAGED, COPY_AGAIN)  # the decoder would fill the rest with grey
    if parts.components == 4:
        raise InputError(path, "is in the colours of print (CMYK)", "save it as RGB")
    if parts.bits != 8 or parts.coding > PROGRESSIVE:
        coding = f"a {parts.bits}-bit" if parts.bits != 8 else "an unusual"
        coding = "a lossless" if parts.coding == LOSSLESS else coding
        raise InputError(path, f"is {coding} JPEG", "save it as 16-bit PNG or TIFF")
    with _header(path, "JPEG") as header:
        check_expansion(path, header.width * header.height * parts.components, MAX_JPEG_EXPANSION)
        orientation = _orientation(header)
    return _upright(imagecodecs.jpeg8_decode(content[: parts.end]), orientation)


@contextmanager
def _header(path: Path, format: str) -> Iterator[Image.Image]:
    """Open an image to look at what it says before its pixels."""
    try:
        with Image.open(path, formats=(format,)) as header:
            check_dimensions(path, header.size[::-1])
            yield header
    except Image.DecompressionBombError as error:
        raise InputError(path, "has far too many pixels", "crop it to the device or reduce it") from error


def _orientation(header: Image.Image) -> object:
    """Return EXIF's Orientation; damaged EXIF says nothing, and does no harm to the pixels."""
    try:
        return header.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # of damaged EXIF Pillow raises nearly anything
        return None


def _upright(pixels: np.ndarray, orientation: object) -> np.ndarray:
    if not isinstance(orientation, int) or orientation not in RIGHT_AND_DOWN:
        return pixels
    columns, rows = RIGHT_AND_DOWN[orientation]
    if columns[0] == 0:
        pixels = pixels.swapaxes(0, 1)
    return pixels[:: columns[1] + rows[1], :: columns[0] + rows[0]]


def _decode_tiff(path: Path) -> np.ndarray:
    with open_tiff(path) as tiff:
        page = tiff.pages.first
        photometric = page.tags.valueof("PhotometricInterpretation")
        if photometric in _RAW or "DNGVersion" in page.tags or page.is_reduced:
            raise InputError(path, "is a camera's RAW file, or begins with a preview", DEVELOP)
        if len(tiff.pages) > 1 and len(tiff.series) == 1 and len(tiff.series[0].shape) > 2:
            raise InputError(path, f"holds {len(tiff.pages)} images", "save one of them as a file of its own")
        planar = page.axes.startswith("S")
        check_dimensions(path, page.shape[1:] if planar else page.shape)
        if page.compression not in TIFF_COMPRESSIONS:
            raise InputError(path, "is compressed in a way that cannot be read", "save it uncompressed or with LZW")
        if photometric not in _PHOTOMETRICS:
            raise InputError(path, "does not say that it is grey or RGB", "save it again as one of the two")
        check_expansion(path, max(page.nbytes, math.prod(page.chunks) * page.bitspersample // 8))
        pixels = page.asarray()
        bits, colours, orientation = page.bitspersample, page.colormap, page.tags.valueof("Orientation")
    if planar:
        pixels = np.moveaxis(pixels, 0, -1)
    if photometric == _PALETTE:
        pixels = _coloured(path, pixels, colours)
    elif pixels.dtype in (np.uint8, np.uint16):
        pixels = _filled_up(pixels, bits)
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        pixels = 1 - pixels if pixels.dtype.kind == "f" else np.invert(pixels)
    return _upright(pixels, orientation)


def _coloured(path: Path, indices: np.ndarray, colours: np.ndarray | None) -> np.ndarray:
    """Return the (H, W, 3) colours, uint8 or uint16, that a TIFF's palette has at (H, W) indices."""
    if colours is None or indices.max() >= colours.shape[1]:
        raise InputError(path, "lacks colours of its palette", "save it again as grey or RGB")
    table = np.asarray(colours).T
    if table.max() > 255:  # else of a program that writes 8 bits where the format has 16
        eight = (table // 256).astype(np.uint8)
        table = eight if np.array_equal(eight * np.uint16(257), table) else table
    return table.astype(np.uint8)[indices] if table.max() <= 255 else table[indices]


def _filled_up(pixels: np.ndarray, bits: int) -> np.ndarray:
    """Bring values of, say, 12 bits to the whole range of their type."""
    largest, most = np.iinfo(pixels.dtype).max, 2**bits - 1
    return pixels if most == largest else np.rint(pixels * np.float32(largest / most)).astype(pixels.dtype)

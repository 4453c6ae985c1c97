"""Which format an image has, by its content: what can be read, and by name what cannot, with the way out."""

from pathlib import Path
from typing import Literal

from rgbx.dicom import HEAD, begins_as_dicom
from rgbx.errors import COPY_AGAIN, InputError
from rgbx.modality import IMAGE_SUFFIXES

ImageKind = Literal["dicom", "tiff", "png", "jpeg"]

MAX_FILE_BYTES = 2 * 2**30

_SAVE_AS = "save it as PNG, JPEG, TIFF or DICOM"
DEVELOP = "develop it and save it as TIFF, PNG or JPEG"
_FRAME = "save one frame of it as PNG or JPEG"
_FOREIGN: tuple[tuple[bytes, str, str], ...] = (
    (b"BM", "is a BMP", "save it as PNG"),
    (b"GIF8", "is a GIF", "save it as PNG"),
    (b"\0\0\0\x0cjP  ", "is a JPEG 2000", _SAVE_AS),
    (b"\xff\x4f\xff\x51", "is a JPEG 2000", _SAVE_AS),
    (b"\0\0\0\x0cJXL ", "is a JPEG XL", "save it as JPEG or PNG"),
    (b"\xff\x0a", "is a JPEG XL", "save it as JPEG or PNG"),
    (b"II\xbc\x01", "is a JPEG XR", "save it as JPEG or PNG"),
    (b"FUJIFILM", "is a camera's RAW file", DEVELOP),
    (b"IIU\0", "is a camera's RAW file", DEVELOP),
    (b"IIRO", "is a camera's RAW file", DEVELOP),
    (b"IIRS", "is a camera's RAW file", DEVELOP),
    (b"MMOR", "is a camera's RAW file", DEVELOP),
    (b"II\x1a\0\0\0HEAPCCDR", "is a camera's RAW file", DEVELOP),
    (b"FOVb", "is a camera's RAW file", DEVELOP),
    (b"8BPS", "is a Photoshop file", "save it as TIFF or PNG"),
    (b"\x76\x2f\x31\x01", "is an OpenEXR", "save it as 16-bit TIFF or PNG"),
    (b"%PDF", "is a PDF", "export the image in it as PNG or TIFF"),
    (b"P5", "is a PGM", "save it as PNG or TIFF"),
    (b"P6", "is a PPM", "save it as PNG or TIFF"),
)
"""How files begin that hold images all the same, what they are, and the remedy."""

_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BRANDS: dict[bytes, tuple[str, str]] = {
    b"avif": ("is an AVIF", "save it as JPEG or PNG"),
    b"avis": ("is an AVIF", "save it as JPEG or PNG"),
    b"crx ": ("is a camera's RAW file", DEVELOP),
    **dict.fromkeys(_HEIC, ("is a HEIC", "save it as JPEG, or set the phone's camera to its most compatible format")),
}
"""Of files in the ISO base media format, which are videos otherwise."""


def is_image(path: Path) -> bool:
    """Say whether a file is to be read: by its suffix or, as DICOM often has none or numbers, by its first bytes."""
    if path.name.startswith(".") or not path.is_file():
        return False
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES or (suffix and not suffix[1:].isdecimal()):
        return suffix in IMAGE_SUFFIXES
    try:
        return begins_as_dicom(_head(path))
    except OSError:  # it may not be read, or is gone
        return False


def file_kind(path: Path) -> ImageKind:
    """Return which format a file has by its content.

    Raises:
        InputError: it is missing, empty, far too large, or of no format that can be read.
    """
    try:
        if not path.exists():
            raise InputError(path, "does not exist", "check the path of the image")
        if path.is_dir():
            raise InputError(path, "is a folder", "give a single image")
        head, size = _head(path), path.stat().st_size
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the drive that it is on") from error
    if not head:
        raise InputError(path, "is empty", COPY_AGAIN)
    if size > MAX_FILE_BYTES:
        raise InputError(path, f"is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB", "crop it to the device or reduce it")
    if begins_as_dicom(head):
        return "dicom"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        if head[8:10] == b"CR":  # Canon's, which begins with a small JPEG
            raise InputError(path, "is a camera's RAW file", DEVELOP)
        return "tiff"
    if head.startswith(b"\x89PNG"):
        return "png"
    if head.startswith(b"\xff\xd8"):
        return "jpeg"
    raise InputError(path, *_foreign(head))


def _head(path: Path) -> bytes:
    with path.open("rb") as content:
        return content.read(HEAD)


def _foreign(head: bytes) -> tuple[str, str]:
    """Return what a file is that cannot be read, and the remedy."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "is a WebP", "save it as JPEG or PNG"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], ("is a video", _FRAME))
    for beginning, what, remedy in _FOREIGN:
        if head.startswith(beginning):
            return what, remedy
    return "is no image that can be read", _SAVE_AS

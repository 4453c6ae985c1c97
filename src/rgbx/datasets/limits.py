"""How large an image may be, by what its file says, before anything of it is decoded."""

from pathlib import Path

from rgbx.errors import COPY_AGAIN, InputError

MAX_SIDE = 20_000
MAX_PIXELS = 200_000_000
MIN_SIDE = 16
SMALL_BYTES = 32 * 2**20
MAX_EXPANSION, MAX_JPEG_EXPANSION = 30, 100
"""Pixels of more than ``SMALL_BYTES`` are decoded only from a file no smaller than this fraction of them: what cameras
and detectors make has noise, which does not pack so well; a file made to fill the memory is a thousandth."""


def check_dimensions(name: Path | str, shape: tuple[int, ...]) -> None:
    """Refuse what has not the shape of one image, or is too large or too small.

    Raises:
        InputError: naming the size.
    """
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


def check_expansion(path: Path, pixel_bytes: int, largest: int = MAX_EXPANSION) -> None:
    """Refuse a file that says it holds far more pixels than can be packed into it.

    Raises:
        InputError: naming how much it says.
    """
    if pixel_bytes > max(SMALL_BYTES, largest * path.stat().st_size):
        raise InputError(
            path,
            f"says that it holds {pixel_bytes / 1e6:,.0f} MB of pixels, which no image packs into so small a file",
            COPY_AGAIN,
        )

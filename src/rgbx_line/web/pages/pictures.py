"""Images of parts as a browser can show them."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.modality import Modality
from rgbx_line.log.entry import Entry
from rgbx_line.web.pages.heat import drawn, shown_upright, shown_whole

PICTURE_SIDES = (160, 320, 720, 1600)
"""Pixels of the longer side that a picture can have; an image that is smaller stays as it is."""
PERCENTILES = (0.5, 99.5)
"""Of a radiograph's values, which become black and white."""
MOST_RAW_PIXELS = 6_000_000
"""Of a radiograph as it is sent for windowing; one that has more is reduced."""
KEPT_BYTES = 64 * 2**20
_QUALITY = 86
VERSION_LENGTH = 12
"""Of the hash of an entry, as addresses of pictures have it."""


@dataclass(frozen=True)
class WebPicture:
    """What is sent."""

    content: bytes
    media_type: str
    headers: dict[str, str]


class Gallery:
    """Makes pictures, one after the other, and keeps the last ones."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, WebPicture] = OrderedDict()
        self._bytes = 0
        # One thread: whoever opens a page of many images must not take all cores.
        self._maker = ThreadPoolExecutor(1, "pictures")

    async def get(self, name: str, make: Callable[[], WebPicture]) -> WebPicture:
        """Return the picture of a name, made if it is not kept."""
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        picture = await asyncio.get_running_loop().run_in_executor(self._maker, make)
        if name not in self._kept:
            self._kept[name] = picture
            self._bytes += len(picture.content)
        while self._bytes > KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1].content)
        return picture

    def close(self) -> None:
        """Make no more: whoever waits is told so."""
        self._maker.shutdown(wait=False, cancel_futures=True)


def picture_url(entry: Entry, modality: Modality, side: int, upright: bool = False) -> str:
    """Return the address of an image of an entry; another log's entry of the same number has another one.

    Args:
        entry: of the log.
        modality: of the image.
        side: one of :data:`PICTURE_SIDES`.
        upright: whether to show the device alone, upright, where the entry says where it is.
    """
    return f"/entries/{entry.number}/{modality}.jpg?side={side}{_query(upright)}&v={entry.hash[:VERSION_LENGTH]}"


def heat_url(entry: Entry, modality: Modality, iteration: int = 0, upright: bool = False) -> str:
    """Return the address of where a stream looked; see :func:`~rgbx_line.web.pages.heat.heat_picture`."""
    version = entry.hash[:VERSION_LENGTH]
    return f"/entries/{entry.number}/{modality}-heat.png?iteration={iteration}{_query(upright)}&v={version}"


def raw_url(entry: Entry) -> str:
    """Return the address of a radiograph with 16 bits a pixel."""
    return f"/entries/{entry.number}/xray.raw?v={entry.hash[:VERSION_LENGTH]}"


def as_jpeg(path: Path, modality: Modality, side: int) -> bytes:
    """Return the content of :func:`jpeg_picture`.

    Raises:
        InputError: the image cannot be used.
    """
    return jpeg_picture(path, modality, side).content


def jpeg_picture(path: Path, modality: Modality, side: int, looked: Mapping[str, Any] | None = None) -> WebPicture:
    """Return an image for a browser: a photograph, or a radiograph in 8 bits between two percentiles.

    Args:
        path: of the image.
        modality: of it.
        side: pixels of the longer side at most.
        looked: where the stream looked, to show the device alone, upright; all of the image when None.

    Raises:
        InputError: it cannot be used.
    """
    image = read_photograph(path) if modality == "rgb" else read_radiograph(path)
    height, width = image.shape[:2]
    if looked is not None:
        image = drawn(image, shown_upright(looked, side))
    elif max(height, width) > side:
        image = drawn(image, shown_whole((width, height), side))
    if modality == "rgb":
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    else:
        low, high = np.percentile(image, PERCENTILES)
        pixels = (255 * np.clip((image - low) / max(high - low, 1e-6), 0, 1)).round().astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return WebPicture(encoded.tobytes(), "image/jpeg", _full_size(width, height))


def raw_radiograph(path: Path) -> WebPicture:
    """Return a radiograph with 16 bits a pixel, the lower byte first, row by row; headers say its size and window.

    Raises:
        InputError: it cannot be used.
    """
    pixels = read_radiograph(path)
    height, width = pixels.shape
    factor = 1
    while height // factor * (width // factor) > MOST_RAW_PIXELS:
        factor += 1
    shown = pixels
    if factor > 1:
        shown = cv2.resize(pixels, (width // factor, height // factor), interpolation=cv2.INTER_AREA)
    low, high = np.percentile(shown, PERCENTILES)
    content = np.rint(65535 * shown).astype("<u2")
    headers = {
        "X-Width": str(content.shape[1]),
        "X-Height": str(content.shape[0]),
        **_full_size(width, height),
        "X-Low": f"{65535 * low:.0f}",
        "X-High": f"{65535 * high:.0f}",
    }
    return WebPicture(content.tobytes(), "application/octet-stream", headers)


def _full_size(width: int, height: int) -> dict[str, str]:
    """Return headers with the size that an image has in its file."""
    return {"X-Full-Width": str(width), "X-Full-Height": str(height)}


def _query(upright: bool) -> str:
    return "&upright=true" if upright else ""

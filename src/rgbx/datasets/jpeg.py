"""What a JPEG file says of itself before it is decoded, and where it ends."""

import re
from typing import NamedTuple

_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
"""What is not part of a scan's data: there, FF is followed by 0, by the number of a restart, or by another FF."""
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_WITHOUT_LENGTH = {0x01, _START}
BASELINE, EXTENDED, PROGRESSIVE, LOSSLESS = range(0xC0, 0xC4)
"""Kinds of coding, by the marker that begins a frame."""


class JpegParts(NamedTuple):
    """What was found in a file."""

    coding: int
    """``BASELINE`` and so on."""
    bits: int
    """Of a sample."""
    components: int
    end: int
    """Where the image ends in the file; what follows, such as the video of a motion photo, is no part of it."""


def jpeg_parts(content: bytes) -> JpegParts | None:
    """Go through a JPEG file marker by marker; None where it breaks off before its end."""
    coding = bits = components = 0
    scanned, place = False, 2
    while (found := _MARKER.search(content, place)) is not None:
        marker, place = found[1][0], found.end()
        if marker == _END:
            return JpegParts(coding, bits, components, place) if coding and scanned else None
        if marker in _WITHOUT_LENGTH:
            continue
        if marker in _FRAMES and place + 8 <= len(content):
            coding, bits, components = marker, content[place + 2], content[place + 7]
        scanned |= marker == _SCAN
        place += int.from_bytes(content[place : place + 2], "big")
    return None

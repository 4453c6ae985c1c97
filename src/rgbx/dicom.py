"""DICOM and DICONDE files, images and scans alike: opening them, and what their headers say of stored values."""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from rgbx.errors import InputError, damage_refused

if TYPE_CHECKING:
    import pydicom

HEAD = 132
"""Bytes at the beginning of a file that tell whether it is DICOM."""


def begins_as_dicom(head: bytes) -> bool:
    """Say whether a file begins with DICOM's preamble or, where that is missing, with a first element of its own.

    Args:
        head: its first :data:`HEAD` bytes, fewer if it has no more.
    """
    if head[128:] == b"DICM":
        return True
    if len(head) < HEAD or head[:2] not in (b"\x02\0", b"\x08\0") or head[3] != 0:
        return False
    explicit = head[4:6].isalpha() and head[4:6].isupper()  # the type of the value, in two letters
    return explicit or int.from_bytes(head[4:8], "little") <= HEAD  # else its length


def read_dicom(path: Path, header_only: bool = False) -> "pydicom.FileDataset":
    """Read a file, with its preamble or without, or all of it but the pixels; it says how its pixels are encoded.

    Raises:
        InputError: it is damaged, or deflated as a whole, which says nothing of how much there is to inflate.
    """
    import pydicom  # takes a quarter of a second, and few images are DICOM
    from pydicom.filereader import read_dataset, read_preamble
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

    with damage_refused(path):
        with path.open("rb") as content:
            read_preamble(content, force=True)
            meta = read_dataset(content, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
        if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            raise InputError(path, "is compressed as a whole", "export it uncompressed")
        image = pydicom.dcmread(path, stop_before_pixels=header_only, force=True)
        if "TransferSyntaxUID" not in image.file_meta:
            implicit, _ = image.original_encoding
            image.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        return image


def stated(header: "pydicom.Dataset", keyword: str) -> str:
    """Return what a header says of something, as text, also where it breaks the rules; empty where it says nothing."""
    try:
        value = header.get(keyword)
    except Exception:  # what pydicom raises of values that it cannot convert
        value = header.get_item(keyword).value
    return "" if value is None else str(value).strip()


def stated_number(header: "pydicom.Dataset", keyword: str) -> float | None:
    """Return a number of a header; None where it states none, or several, or what is no number."""
    try:
        number = float(stated(header, keyword))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def stored_range(path: Path, header: "pydicom.Dataset") -> tuple[int, int]:
    """Return the least and the largest value that the stored bits can hold.

    Raises:
        InputError: they are not the lowest bits of those allocated; programs read such pixels in different ways.
    """
    with damage_refused(path):
        bits, allocated = int(header.BitsStored), int(header.BitsAllocated)
        highest, signed = int(header.get("HighBit", bits - 1)), bool(header.get("PixelRepresentation"))
    if highest != bits - 1 or not 1 <= bits <= allocated:
        raise InputError(
            path,
            f"stores {bits} bits up to bit {highest} of {allocated}, which programs read in different ways",
            "export it with BitsStored and HighBit as its pixels are",
        )
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def check_linear(path: Path, header: "pydicom.Dataset") -> None:
    """Refuse values that are not proportional to what was measured.

    How they are to be shown (windows, VOI and presentation tables) changes nothing about the values themselves.

    Raises:
        InputError: they are logarithmic, processed for display, densities of a film or wanting a table (PS3.3,
            C.8.7.1.1.2, C.8.11.3.1.2 and C.11.1).
    """
    relationship, kind = stated(header, "PixelIntensityRelationship").upper(), stated(header, "RescaleType").upper()
    if relationship not in ("", "LIN"):
        meaning = _RELATIONSHIPS.get(relationship, "values that are not linear")
        raise InputError(path, f"holds {meaning} (PixelIntensityRelationship {relationship})", _EXPORT_LINEAR)
    if kind == "OD":
        raise InputError(path, "holds optical densities of a film (RescaleType OD)", _EXPORT_LINEAR)
    if header.get("ModalityLUTSequence"):
        raise InputError(path, "means what a table makes of its values (ModalityLUTSequence)", _EXPORT_LINEAR)


_RELATIONSHIPS = {"LOG": "logarithmic intensities", "DISP": "intensities processed for display"}
_EXPORT_LINEAR = "export the detector's linear image"

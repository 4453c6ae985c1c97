"""What a file says of how it was taken: when, with what tube settings, in how many bits, of which component."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image

from rgbx.config import Config
from rgbx.datasets.images import file_kind, read_dicom
from rgbx.errors import damage_refused
from rgbx.tiff import open_tiff

if TYPE_CHECKING:
    import pydicom

SHALLOW_BITS = 8
"""A radiograph of so few bits is read, but never without saying so."""


class Acquisition(Config):
    """What is known of one image; None where its file does not say it."""

    bits: int
    """Of a stored value: 8, 16 or, for floats, 32; in DICOM those that the detector used."""
    time: datetime | None = None
    """Aware; a file that names no time zone means this machine's."""
    tube_voltage_kv: float | None = None
    tube_current_ma: float | None = None
    component: str | None = None
    """DICONDE's Component ID Number, else its Component Name."""

    def warnings(self, name: Path | str = "the radiograph") -> tuple[str, ...]:
        """Say what is doubtful about it as a radiograph, a sentence each."""
        if self.bits > SHALLOW_BITS:
            return ()
        return (f"{name} has {self.bits} bits, too few for dense parts: export it with 16.",)


def acquisition_of(image: np.ndarray | Path | str) -> Acquisition:
    """Read what a file says besides its pixels; of an array only its depth is known.

    Raises:
        InputError: the file is missing, damaged or no image.
    """
    if isinstance(image, np.ndarray):
        return Acquisition(bits=8 * image.dtype.itemsize)
    path = Path(image)
    kind = file_kind(path)
    with damage_refused(path):
        if kind == "dicom":
            return _of_dicom(read_dicom(path, header_only=True))
        if kind == "tiff":
            with open_tiff(path) as tiff:
                page = tiff.pages.first
                return Acquisition(bits=page.bitspersample, time=_exif_time(page.tags.valueof("DateTime")))
        with Image.open(path, formats=("PNG", "JPEG")) as header:
            if kind == "png" and "exif" not in header.info:  # Pillow would decode the pixels to look behind them
                return Acquisition(bits=_png_bits(path))
            exif = header.getexif()
            time = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.DateTimeOriginal, exif.get(ExifTags.Base.DateTime))
            return Acquisition(bits=_png_bits(path) if kind == "png" else 8, time=_exif_time(time))


def time_taken(path: Path) -> datetime:
    """Return when an image was taken: its file's own time if that states one, else when it was last modified.

    Raises:
        InputError: as :func:`acquisition_of`.
    """
    return acquisition_of(path).time or datetime.fromtimestamp(path.stat().st_mtime).astimezone()


def _of_dicom(header: "pydicom.Dataset") -> Acquisition:
    component = str(header.get("PatientID") or "").strip() or str(header.get("PatientName") or "").strip()
    return Acquisition(
        bits=int(header.BitsStored),
        time=_dicom_time(header),
        tube_voltage_kv=_number(header.get("KVP")),
        tube_current_ma=_number(header.get("XRayTubeCurrent")),
        component=component or None,
    )


def _dicom_time(header: "pydicom.Dataset") -> datetime | None:
    """Return the acquisition's time, else the content's; a date without a time of day is none."""
    zone = str(header.get("TimezoneOffsetFromUTC") or "")
    stated = [str(header.get("AcquisitionDateTime") or "")]
    for name in ("Acquisition", "Content"):
        date, time = str(header.get(f"{name}Date") or ""), str(header.get(f"{name}Time") or "")
        stated.append(date + time if date and time else "")
    text = next(filter(None, stated), "").strip()
    try:
        return datetime.fromisoformat(f"{text[:8]}T{text[8:]}{'' if '+' in text or '-' in text else zone}").astimezone()
    except ValueError:
        return None


def _exif_time(text: object) -> datetime | None:
    try:
        return datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S").astimezone()
    except ValueError:
        return None


def _number(value: object) -> float | None:
    return None if value in (None, "") else float(str(value))


def _png_bits(path: Path) -> int:
    """Return the depth that a PNG's header names; a palette's or a bit's is that of what it is decoded to, 8."""
    with path.open("rb") as content:
        return max(8, content.read(25)[24])

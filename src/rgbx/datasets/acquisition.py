"""What a file says of how it was taken: when, with what tube settings, in how many bits, of which component."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import ExifTags, Image

from rgbx.config import Config
from rgbx.datasets.image_kind import file_kind
from rgbx.dicom import read_dicom, stated, stated_number
from rgbx.errors import damage_refused
from rgbx.names import printable
from rgbx.tiff import open_tiff

if TYPE_CHECKING:
    import pydicom
    import tifffile

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
        return (f"{printable(name)} has {self.bits} bits, too few for dense parts: export it with 16.",)


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
                return Acquisition(bits=page.bitspersample, time=_exif_time(_tiff_tags(page)))
        with Image.open(path, formats=("PNG", "JPEG")) as header:
            bits = _png_bits(path) if kind == "png" else 8
            if kind == "png" and "exif" not in header.info:  # Pillow would decode the pixels to look behind them
                return Acquisition(bits=bits)
            return Acquisition(bits=bits, time=_exif_time(_exif_tags(header)))


def time_taken(path: Path) -> datetime:
    """Return when an image was taken: its file's own time if that states one, else when it was last modified.

    Raises:
        InputError: as :func:`acquisition_of`.
    """
    return acquisition_of(path).time or datetime.fromtimestamp(path.stat().st_mtime).astimezone()


def _of_dicom(header: "pydicom.Dataset") -> Acquisition:
    component = stated(header, "PatientID") or stated(header, "PatientName")
    return Acquisition(
        bits=int(header.BitsStored),
        time=_dicom_time(header),
        tube_voltage_kv=stated_number(header, "KVP"),
        tube_current_ma=stated_number(header, "XRayTubeCurrent"),
        component=printable(component) or None,
    )


def _dicom_time(header: "pydicom.Dataset") -> datetime | None:
    """Return the acquisition's time, else the content's; a date without a time of day is none."""
    zone = stated(header, "TimezoneOffsetFromUTC")
    times = [stated(header, "AcquisitionDateTime")]
    for name in ("Acquisition", "Content"):
        date, time = stated(header, f"{name}Date"), stated(header, f"{name}Time")
        times.append(date + time if len(date) == 8 and time else "")
    return next(filter(None, (_dicom_moment(text, zone) for text in times)), None)


def _dicom_moment(text: str, zone: str) -> datetime | None:
    """Read ``YYYYMMDDHHMMSS.FFFFFF+HHMM``, of which all after the hour may be missing; ``zone`` is the file's."""
    has_own = "+" in text or "-" in text
    try:
        return _aware(datetime.fromisoformat(f"{text[:8]}T{text[8:]}"), "" if has_own else zone)
    except ValueError:
        return None


def _tiff_tags(page: "tifffile.TiffPage") -> dict[str, object]:
    """Return the tags of a TIFF, those of its EXIF too, by name."""
    exif = page.tags.valueof("ExifTag")
    return {**(exif if isinstance(exif, dict) else {}), "DateTime": page.tags.valueof("DateTime")}


def _exif_tags(header: Image.Image) -> dict[str, object]:
    """Return the tags of an image's EXIF by name; damaged EXIF says nothing."""
    try:
        exif = header.getexif()
        tags = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
    except Exception:  # of damaged EXIF Pillow raises nearly anything
        return {}
    return {ExifTags.TAGS[tag]: value for tag, value in tags.items() if tag in ExifTags.TAGS}


def _exif_time(tags: Mapping[str, object]) -> datetime | None:
    """Return when an image was taken, else digitised, else changed; each has its own fraction and time zone."""
    for kind, name in (("Original", "DateTimeOriginal"), ("Digitized", "DateTimeDigitized"), ("", "DateTime")):
        fraction = _text(tags, f"SubsecTime{kind}")
        try:
            moment = datetime.strptime(_text(tags, name), "%Y:%m:%d %H:%M:%S")
            if fraction.isascii() and fraction.isdecimal():
                moment += timedelta(seconds=float(f"0.{fraction}"))
            return _aware(moment, _text(tags, f"OffsetTime{kind}"))
        except ValueError:
            continue
    return None


def _text(tags: Mapping[str, object], name: str) -> str:
    return str(tags.get(name, "")).strip("\0 ")


def _aware(moment: datetime, zone: str) -> datetime:
    """Give a time its zone, unless it has one: as written (``+01:00``, ``+0100``), else this machine's.

    Raises:
        ValueError: this machine has no such time.
    """
    try:
        return moment.replace(tzinfo=moment.tzinfo or datetime.strptime(zone, "%z").tzinfo)
    except ValueError:  # no zone
        pass
    try:
        return moment.astimezone()
    except (OverflowError, OSError) as error:
        raise ValueError(moment) from error


def _png_bits(path: Path) -> int:
    """Return the depth that a PNG's header names; a palette's or a bit's is that of what it is decoded to, 8."""
    with path.open("rb") as content:
        return max(8, content.read(25)[24])

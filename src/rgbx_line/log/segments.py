"""The files of a log: segments, each named after the number of its first line, and how they are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from rgbx.errors import InputError
from rgbx_line.log.entry import DamagedLine, Entry, decode

SUFFIX = ".jsonl"
_DIGITS = 15
RESTORE = "stop the line, keep a copy of the folder, and restore this file from a backup"
"""What to do about a damaged log."""


@dataclass(frozen=True, order=True)
class Position:
    """A place between two lines of a log."""

    segment: int
    """Number of the first line of the segment that it is in."""
    offset: int = 0
    """Bytes from the segment's beginning."""


BEGINNING = Position(0)
"""Before all that a log holds."""


def segment_path(folder: Path, first: int) -> Path:
    """Return the file of the segment that begins with line number ``first``."""
    return folder / f"{first:0{_DIGITS}}{SUFFIX}"


def segment_numbers(folder: Path) -> list[int]:
    """Return the numbers that the segments in a folder begin with, in order."""
    return sorted(int(path.stem) for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit())


def read_entries(
    folder: Path, after: Position = BEGINNING, through: int | None = None
) -> Iterator[tuple[Entry, Position]]:
    """Read a log from a place on.

    Lines that are being written are left out: what a sink may deliver is on the disk, and ``through`` says how far.

    Args:
        folder: of the log.
        after: where to begin.
        through: number of the last entry to yield; all that are whole when None.

    Yields:
        Each entry, and the place behind it.

    Raises:
        InputError: a line is not as it was written.
    """
    for first in _segments_from(folder, after.segment):
        if through is not None and first > through:
            return
        path = segment_path(folder, first)
        try:
            file = path.open("rb")
        except FileNotFoundError:  # deleted for its age
            continue
        with file:
            offset = after.offset if first == after.segment else 0
            file.seek(offset)
            for line in _whole_lines(file):
                entry = decode_at(line, path, offset)
                if through is not None and entry.number > through:
                    return
                offset += len(line)
                yield entry, Position(first, offset)
                if entry.number == through:
                    return


def read_entry(folder: Path, place: Position) -> Entry | None:
    """Read the line of a log that begins at a place; None when its segment was deleted for its age.

    Raises:
        InputError: the line is not as it was written.
    """
    path = segment_path(folder, place.segment)
    try:
        with path.open("rb") as file:
            file.seek(place.offset)
            return decode_at(file.readline(), path, place.offset)
    except FileNotFoundError:
        return None


def decode_at(line: bytes, path: Path, offset: int) -> Entry:
    """Return what a line says that begins at byte ``offset`` of a segment.

    Raises:
        InputError: it is not as it was written.
    """
    try:
        return decode(line)
    except DamagedLine as error:
        raise InputError(path, f"is damaged at byte {offset}", RESTORE) from error


def _segments_from(folder: Path, segment: int) -> Iterator[int]:
    """Yield the numbers that a segment, which may not be there any more, and those after it begin with.

    The folder is listed only for those after it: who follows the end of a log, which may have thousands, needs none.
    """
    yield segment
    for first in segment_numbers(folder):
        if first > segment:
            yield first


def _whole_lines(file: BinaryIO) -> Iterator[bytes]:
    for line in file:
        if not line.endswith(b"\n"):
            return
        yield line

"""How far something that is made from a log has come: a sink, an index, an archive."""

from pathlib import Path

from rgbx.config import Config
from rgbx.errors import InputError
from rgbx.files import read_json, write_text
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import BEGINNING, Position, read_entries, segment_numbers


class _Kept(Config):
    number: int
    segment: int
    offset: int


class Cursor:
    """A place in a log that outlives its process.

    A cursor that was not saved before a crash stands a little before the truth: what it is for is done again, so that
    must do no harm.

    Args:
        path: of its file; the cursor stands at the beginning of the log when it is missing.

    Raises:
        InputError: the file is no cursor.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.number = 0
        """Of the last entry that is done with."""
        self.position: Position = BEGINNING
        if path.exists():
            try:
                kept = _Kept.model_validate(read_json(path))
            except ValueError as error:
                raise InputError(
                    path, "is no cursor", "delete it: all that the log holds is delivered again"
                ) from error
            self.number, self.position = kept.number, Position(kept.segment, kept.offset)

    def move(self, entry: Entry, position: Position) -> None:
        """Take an entry as done with.

        Args:
            entry: which one.
            position: the place behind it.
        """
        self.number, self.position = entry.number, position

    def save(self) -> None:
        """Keep the place.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        kept = _Kept(number=self.number, segment=self.position.segment, offset=self.position.offset)
        write_text(self.path, kept.model_dump_json() + "\n")


def begin_at_last(path: Path, log: Path, kind: str) -> None:
    """Make a cursor that is new stand before the last entry of a kind; one that is there stays where it is.

    Args:
        path: of its file.
        log: folder of the log, which no process writes meanwhile.
        kind: of the entry that is to be the first one after it; where there is none, it stands at the beginning.

    Raises:
        InputError: a line of the log is not as it was written.
        RgbxError: the disk is full or the folder cannot be written.
    """
    if path.exists():
        return
    cursor = Cursor(path)
    cursor.number, cursor.position = before_last(log, kind)
    cursor.save()


def before_last(log: Path, kind: str, through: int | None = None) -> tuple[int, Position]:
    """Find the last entry of a kind. Segments are read from the last one back, until one has such an entry.

    Args:
        log: folder of the log.
        kind: of the entry.
        through: number of the last entry to look at; all that are whole when None.

    Returns:
        The number of the entry before it and the place behind that one; the beginning where there is none.

    Raises:
        InputError: a line of the log is not as it was written.
    """
    for first in reversed(segment_numbers(log)):
        here = first - 1, Position(first)
        found = None
        for entry, behind in read_entries(log, here[1], through):
            if entry.kind == kind:
                found = here
            here = entry.number, behind
        if found is not None:
            return found
        through = first - 1 if through is None else min(through, first - 1)
    return 0, BEGINNING


def announced(folder: Path) -> int:
    """Return the number of the last entry that any cursor in a folder has passed: a log that lacks it was cut off.

    Raises:
        InputError: a file is no cursor.
    """
    return max((Cursor(path).number for path in folder.glob("*.json")), default=0)

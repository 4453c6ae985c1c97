"""What the log says of a part, found without reading all of the log.

A part's name leads to its lines by an index in SQLite, made from the log and brought up to date whenever it is asked.
It may be deleted at any time. Its rollback journal, not WAL, keeps it whole.
"""

import json
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rgbx_line.contract import RESULT
from rgbx_line.log.entry import Entry
from rgbx_line.log.index_file import index_errors, writing
from rgbx_line.log.segments import Position, decode_at, read_entry, segment_numbers, segment_path
from rgbx_line.settings import LineFolder

WAIT_S = 60.0
"""For another process that brings the index up to date: seconds."""
_TABLES = """
CREATE TABLE IF NOT EXISTS lines (
    part BLOB, number INTEGER, kind TEXT, segment INTEGER, offset INTEGER, PRIMARY KEY (part, number)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reached (oldest INTEGER, segment INTEGER, offset INTEGER, tail BLOB);
"""
_TAIL_BYTES = 67
"""The end of the last line that was taken in, with its hash: it tells whether the log is still the same."""
_LARGEST = 2**63 - 1
_NUMBER = re.compile(rb'\{"number":(\d+),')
_ABOUT_A_PART = re.compile(
    rb'\{"number":(\d+),"time":"[^"]*","kind":"([^"]*)","previous":"[^"]*","content":\{.*?'
    rb'"part_id":("(?:[^"\\]|\\.)*")'
)
"""Of a line, its number, kind and the first part that it names, as JSON has it; that it is about this part is checked
when it is read."""


def find_part(
    folder: LineFolder, part_id: str, limit: int, kind: str | None = RESULT, through: int | None = None
) -> list[Entry]:
    """Return what the log says of a part, the newest first.

    Args:
        folder: of the line.
        part_id: the part's name.
        limit: how many entries at most.
        kind: of the entries; of any kind when None.
        through: number of the last entry that may be told of; all when None.

    Raises:
        InputError: a line of the log is not as it was written, or the index cannot be written.
    """
    with PartIndex(folder) as index:
        index.update()
        return index.find(part_id, limit, kind, through)


def results_after(folder: LineFolder, after: int, through: int, limit: int) -> tuple[list[Entry], int]:
    """Return results by number, the oldest first, and the number of the last entry that was looked at.

    Args:
        folder: of the line.
        after: number of the last entry that the asker has.
        through: number of the last entry that may be told of.
        limit: how many results at most.

    Raises:
        InputError: a line of the log is not as it was written.
    """
    found: list[Entry] = []
    reached = max(after, 0)
    numbers = segment_numbers(folder.log)
    begin = max((first for first in numbers if first <= after + 1), default=0)
    for first in numbers:
        if first < begin or first > through:
            continue
        path = segment_path(folder.log, first)
        with path.open("rb") as file:
            offset = 0
            for line in file:
                place, offset = offset, offset + len(line)
                number = _NUMBER.match(line)
                if number is None or int(number[1]) <= after:
                    continue
                if int(number[1]) > through or len(found) == limit:
                    return found, reached
                entry = decode_at(line, path, place)
                reached = entry.number
                if entry.kind == RESULT:
                    found.append(entry)
    return found, reached


class PartIndex:
    """Where in the log the lines about each part are; several processes may use it at once.

    Args:
        folder: of the line.

    Raises:
        InputError: the index cannot be opened.
    """

    def __init__(self, folder: LineFolder) -> None:
        self._log = folder.log
        self.path = folder.folder / "parts.sqlite"
        with index_errors(self.path):
            self._database = _opened(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def find(self, part_id: str, limit: int, kind: str | None = RESULT, through: int | None = None) -> list[Entry]:
        """Return what :func:`find_part` does, of the log as it was at the last :meth:`update`."""
        with index_errors(self.path):
            places = self._database.execute(
                "SELECT segment, offset FROM lines WHERE part = ? AND kind = ifnull(?, kind) AND number <= ?"
                " ORDER BY number DESC LIMIT ?",
                (_as_json(part_id), kind, _LARGEST if through is None else through, limit),
            ).fetchall()
        found = []
        for segment, offset in places:
            entry = read_entry(self._log, Position(segment, offset))
            if entry is not None and entry.content.get("part_id") == part_id:
                found.append(entry)
        return found

    def parts(self, kind: str) -> list[str]:
        """Return the parts that the log has a line of a kind about, as of the last :meth:`update`."""
        with index_errors(self.path):
            found = self._database.execute("SELECT DISTINCT part FROM lines WHERE kind = ?", (kind,)).fetchall()
        return [json.loads(part) for (part,) in found]

    def update(self) -> None:
        """Take in what the log has more than the index, a segment at a time.

        Raises:
            InputError: the index cannot be written.
        """
        segments = segment_numbers(self._log)
        with index_errors(self.path):
            with writing(self._database):
                self._leave_out(segments)
            for segment in segments:
                if segment >= self._reached()[0]:
                    with writing(self._database):
                        self._take_in(segment)

    def _reached(self) -> tuple[int, int]:
        """Return the last segment that was looked at, and up to where."""
        return self._database.execute("SELECT segment, offset FROM reached").fetchone() or (0, 0)

    def _leave_out(self, segments: Sequence[int]) -> None:
        """Forget segments that are gone; forget all when the log is another one, such as one from a backup."""
        row = self._database.execute("SELECT oldest, segment, offset, tail FROM reached").fetchone()
        if row is None:
            return
        oldest, segment, offset, tail = row
        if not segments or not (segment < segments[0] or self._ends_with(tail, segment, offset)):
            self._database.execute("DELETE FROM lines")
            self._database.execute("DELETE FROM reached")
        elif oldest < segments[0]:
            self._database.execute("DELETE FROM lines WHERE segment < ?", (segments[0],))
            self._database.execute("UPDATE reached SET oldest = ?", (segments[0],))

    def _take_in(self, segment: int) -> None:
        last, offset = self._reached()
        if segment < last:  # another process was here in between
            return
        begin = offset if segment == last else 0
        place = begin
        rows = []
        with segment_path(self._log, segment).open("rb") as file:
            file.seek(begin)
            for line in file:
                if not line.endswith(b"\n"):  # being written
                    break
                if (found := _ABOUT_A_PART.match(line)) is not None:
                    rows.append((found[3], int(found[1]), found[2].decode(), segment, place))
                place += len(line)
                tail = line[-_TAIL_BYTES:]
        if place == begin:
            return
        self._database.executemany("INSERT OR REPLACE INTO lines VALUES (?, ?, ?, ?, ?)", sorted(rows))
        oldest = self._database.execute("SELECT oldest FROM reached").fetchone() or (segment,)
        self._database.execute("DELETE FROM reached")
        self._database.execute("INSERT INTO reached VALUES (?, ?, ?, ?)", (*oldest, segment, place, tail))

    def _ends_with(self, tail: bytes, segment: int, offset: int) -> bool:
        """Say whether a segment has, before an offset, what it had."""
        path = segment_path(self._log, segment)
        if not path.exists():
            return False
        with path.open("rb") as file:
            file.seek(offset - len(tail))
            return file.read(len(tail)) == tail


def _opened(path: Path) -> sqlite3.Connection:
    try:
        return _connected(path)
    except sqlite3.OperationalError:  # locked for long, or the disk is full
        raise
    except sqlite3.DatabaseError:  # damaged: it is made anew
        path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
        path.unlink()
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        database.execute("PRAGMA journal_mode = DELETE")
        database.executescript(_TABLES)
    except BaseException:
        database.close()
        raise
    return database


def _as_json(text: str) -> bytes:
    """Return a text as it stands in the log; one that is no UTF-8 stands nowhere in it."""
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "surrogatepass")

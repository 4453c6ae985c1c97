"""The writer of a log; there is one at a time."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from rgbx.errors import InputError, RgbxError
from rgbx.files import claim, readable_os_errors, sync_folder, write_bytes
from rgbx_line.log.entry import FIRST_PREVIOUS, DamagedLine, Entry, check_line, decode, encode, is_unfinished
from rgbx_line.log.segments import RESTORE, Position, segment_numbers, segment_path

SEGMENT_BYTES = 16 * 2**20
"""From this size on a segment is closed and the next one begun; opening a log reads no more than one."""
TORN_SUFFIX = ".torn"


class LineLog:
    """A log that is open for writing.

    Opening one takes as long however much it holds: the last segment alone is read. What a power cut left half written
    at its end was never announced to anybody; it is kept in a file beside the log, and an entry of the kind
    ``"recovered"`` says so.

    Args:
        folder: of the log; made when it is missing.
        announced: number of the last entry that anybody has been told of; the log must hold it.
        segment_bytes: size from which on a segment is closed.

    Raises:
        InputError: another process writes it, its last segment is damaged, or it lacks what was announced.
        RgbxError: the disk is full or the folder cannot be written.
    """

    def __init__(self, folder: Path, announced: int = 0, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self._segment_bytes = segment_bytes
        with readable_os_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = claim(folder, folder / ".lock", "line", "stop that one first")
        self.number = 0
        """Of the last entry on the disk."""
        self.hash = FIRST_PREVIOUS
        """Of the last entry on the disk."""
        self._segment = 0
        self._offset = 0
        self._file = -1
        self._broken = False
        torn = self._find_end()
        if self.number < announced:
            raise InputError(folder, f"ends at line {self.number}, but line {announced} was announced", RESTORE)
        if torn is not None:
            self.append([("recovered", {"bytes": torn.stat().st_size, "kept_in": torn.name})])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def position(self) -> Position:
        """The place behind the last entry."""
        return Position(self._segment, self._offset)

    def append(self, things: Sequence[tuple[str, Mapping[str, Any]]]) -> list[Entry]:
        """Write entries together and wait until the disk has them: only then may anybody be told.

        Args:
            things: kind and content of each.

        Returns:
            The entries, with their numbers and hashes.

        Raises:
            RgbxError: the disk is full or cannot be written; then none of them is in the log.
        """
        if self._broken:
            raise RgbxError(f"{self.folder} could not be written: start the line again when the disk is in order.")
        number, digest, now = self.number, self.hash, datetime.now(UTC)
        entries, lines = [], []
        for kind, content in things:
            number += 1
            entry, line = encode(Entry(number, now, kind, dict(content), digest))
            digest = entry.hash
            entries.append(entry)
            lines.append(line)
        if entries:
            self._write(b"".join(lines))
            self.number, self.hash = number, digest
        return entries

    def close(self) -> None:
        """Let another process write the log."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._lock.release()

    def _write(self, content: bytes) -> None:
        if self._file < 0 or self._offset >= self._segment_bytes:
            self._begin_segment()
        with readable_os_errors(segment_path(self.folder, self._segment)):
            try:
                _write_all(self._file, content)
                os.fsync(self._file)
            except BaseException:
                # What is half written must not stay: the next entry would be glued to it.
                self._broken = True
                with suppress(OSError):
                    os.ftruncate(self._file, self._offset)
                    self._broken = False
                raise
        self._offset += len(content)

    def _begin_segment(self) -> None:
        """Open the segment that the next entry goes to: the last one while it has room, else a new one."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self.number == 0 or self._offset >= self._segment_bytes:
            self._segment, self._offset = self.number + 1, 0
        path = segment_path(self.folder, self._segment)
        with readable_os_errors(path):
            self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o640)
            sync_folder(self.folder)

    def _find_end(self) -> Path | None:
        """Find the last entry; return the file that what was half written behind it is kept in, if anything was."""
        torn = None
        for first in reversed(segment_numbers(self.folder)):
            path = segment_path(self.folder, first)
            end, last = _whole_part(path)
            if end < path.stat().st_size:
                torn = path.with_suffix(TORN_SUFFIX)
                with path.open("rb+") as file:
                    file.seek(end)
                    write_bytes(torn, file.read())
                    file.truncate(end)
                    os.fsync(file.fileno())
            if last is not None:
                self.number, self.hash = last.number, last.hash
                self._segment, self._offset = first, end
                return torn
            path.unlink()  # a segment of which nothing was written whole
        return torn


def _whole_part(path: Path) -> tuple[int, Entry | None]:
    """Return how many bytes of a segment are whole lines, and the last of these.

    Raises:
        InputError: a line is damaged, and not as a power cut damages the last ones.
    """
    with path.open("rb") as file:
        lines = list(file)
    whole = [_is_whole(line) for line in lines]
    good = whole.index(False) if False in whole else len(lines)
    end = sum(map(len, lines[:good]))
    tail = lines[good:]
    # A disk without power leaves a line that breaks off, or zeros where a page was not written.
    torn = not any(whole[good:]) and (is_unfinished(tail[-1]) or b"\0" in b"".join(tail)) if tail else True
    if not torn:
        raise InputError(path, f"is damaged in line {good + 1}", RESTORE)
    return end, decode(lines[good - 1]) if good else None


def _is_whole(line: bytes) -> bool:
    try:
        check_line(line)
    except DamagedLine:
        return False
    return True


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]

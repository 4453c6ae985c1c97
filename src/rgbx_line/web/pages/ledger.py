"""Who changed what, and whether the log is as it was written: one walk through it, beside all else, that never ends.

It begins at the log's beginning each time the web process starts, and follows what inference announces.
"""

import re
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime

from rgbx_line.channel import Link
from rgbx_line.contract import AUDIT
from rgbx_line.log.entry import FIRST_PREVIOUS, DamagedLine, Entry, check_line, decode
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.log.verify import RETIRED
from rgbx_line.settings import LineFolder

STEP_S = 0.05
"""How long a step takes at most: others wait for the processor, too."""
MOST_KEPT = 100_000
MOST_FAULTS = 20
LISTED_KINDS = (AUDIT, "started", "stopped", "recovered", RETIRED)
"""Kinds of entries that say what people did, and what became of the line."""
_HEAD = re.compile(rb'\{"number":(\d+),"time":"[^"]*","kind":"([^"]*)","previous":"([0-9a-f]{64})"')


@dataclass(frozen=True)
class Deed:
    """Something that a person did, or that became of the line."""

    number: int
    """Of the log's entry."""
    time: datetime
    what: str
    who: str
    """Nobody when empty."""
    more: dict[str, object]


@dataclass(frozen=True)
class Chain:
    """How far the log was checked, and what came out."""

    first: int
    """Number of the first entry that there is; 0 before anything was read."""
    through: int
    """Number of the last one that was checked."""
    announced: int
    """Number of the last one that there is."""
    faults: tuple[str, ...]
    """What is wrong, a sentence each."""
    checked: datetime | None
    """When the last of them was."""


class Ledger:
    """What the page Audit shows.

    Args:
        folder: of the line.
        link: to inference.
    """

    def __init__(self, folder: LineFolder, link: Link) -> None:
        self._log = folder.log
        self._link = link
        self._busy = threading.Lock()
        self._forget()

    def deeds(self) -> list[Deed]:
        """Return what was found so far, the newest first."""
        return list(self._deeds)[::-1]

    def chain(self) -> Chain:
        """Return how far the log was checked."""
        announced = self._link.state.announced
        faults = list(self._faults)
        at_end = self._number >= announced
        if at_end and self._first > 1 and self._retired.get(self._first - 1) != self._begins_with:
            faults.append(f"The lines before number {self._first} are missing, and no entry says why.")
        return Chain(self._first, self._number, announced, tuple(faults), self._checked)

    def walk_on(self) -> None:
        """Go on for a short while; does nothing at the end.

        Raises:
            OSError: the log cannot be read.
        """
        with self._busy:
            announced = self._link.state.announced
            if announced == self._number:
                return
            if announced < self._number:  # the log is another one, such as one from a backup
                self._forget()
            try:
                self._walk(announced)
            except FileNotFoundError:  # the segment was deleted for its age meanwhile
                self._forget()

    def _forget(self) -> None:
        self._segment = self._offset = 0
        self._first = self._number = 0
        self._hash = FIRST_PREVIOUS
        self._broken = False
        self._begins_with = FIRST_PREVIOUS
        self._retired: dict[int, str] = {}
        """Of entries that say that old segments were deleted: up to which line, and the hash of that line."""
        self._deeds: deque[Deed] = deque(maxlen=MOST_KEPT)
        self._faults: list[str] = []
        self._checked: datetime | None = None

    def _walk(self, announced: int) -> None:
        end = time.monotonic() + STEP_S
        while self._number < announced and time.monotonic() < end:
            if not self._check_some(announced, end) and not self._to_next_segment():
                return

    def _check_some(self, announced: int, end: float) -> bool:
        """Check lines of the segment that the walk is in; say whether there were any."""
        if self._segment == 0:
            return False
        before = self._offset
        with segment_path(self._log, self._segment).open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._check(line)
                self._offset += len(line)
                if self._number >= announced or time.monotonic() > end:
                    break
        return self._offset > before

    def _to_next_segment(self) -> bool:
        later = [first for first in segment_numbers(self._log) if first > self._segment]
        if not later:
            return False
        self._segment, self._offset = later[0], 0
        return True

    def _check(self, line: bytes) -> None:
        head = _HEAD.match(line)
        try:
            digest = check_line(line)
        except DamagedLine:
            digest = ""
        if head is None or not digest:
            self._fault(f"The line after number {self._number} is not as it was written.")
            self._number, self._broken = self._number + 1, True
            return
        number, previous = int(head[1]), head[3].decode()
        if self._first == 0:
            self._first, self._begins_with = number, previous
        elif not self._broken and (number, previous) != (self._number + 1, self._hash):
            self._fault(f"Line {number} does not follow on the line before it.")
        self._number, self._hash, self._broken = number, digest, False
        self._checked = datetime.now(UTC)
        kind = head[2].decode()
        if kind in LISTED_KINDS:
            self._note(decode(line))

    def _note(self, entry: Entry) -> None:
        more = dict(entry.content)
        if entry.kind == RETIRED:
            self._retired[more["through"]] = more["hash"]
        what = str(more.pop("what", entry.kind)) if entry.kind == AUDIT else entry.kind
        self._deeds.append(Deed(entry.number, entry.time, what, str(more.pop("who", "")), more))

    def _fault(self, text: str) -> None:
        if len(self._faults) < MOST_FAULTS:
            self._faults.append(text)

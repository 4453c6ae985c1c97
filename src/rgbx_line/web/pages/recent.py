"""What the page Line shows, kept in memory: no request reads the log, however long it is.

It is filled from the log's end once, and then follows what inference announces.
"""

import threading
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import RESULT, PartResult, ReasonCode
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import Position, read_entries, segment_numbers
from rgbx_line.settings import LineFolder

SHOWN = 50
"""Parts that are listed."""
MINUTES = 60
"""That are counted."""
MOST_SEGMENTS = 8
"""Of the log's end that are read at first: more would make the start slow."""
ASIDE_NAME = "aside"


@dataclass(frozen=True)
class Answered:
    """A part that has its answer."""

    entry: Entry
    part: PartResult


@dataclass
class Minute:
    """What was answered in a minute."""

    bins: Counter[str] = field(default_factory=Counter)
    """By the bin's name; :data:`ASIDE_NAME` for those put aside."""
    reasons: Counter[str] = field(default_factory=Counter)
    late: int = 0
    latencies: list[float] = field(default_factory=list)
    """Milliseconds from the last image to the answer."""


@dataclass(frozen=True)
class LastHour:
    """Counts of the last hour, by minute."""

    begins: datetime
    """Of the first minute."""
    minutes: list[Minute]
    counted_from: datetime | None
    """Where a long log was not read as far back as an hour: what was counted from. Else None."""

    @cached_property
    def bins(self) -> Counter[str]:
        """Parts by bin, those put aside too."""
        return sum((minute.bins for minute in self.minutes), Counter())

    @cached_property
    def reasons(self) -> Counter[str]:
        """Parts put aside, by reason."""
        return sum((minute.reasons for minute in self.minutes), Counter())

    @cached_property
    def parts(self) -> int:
        """Parts that were answered."""
        return self.bins.total()

    @cached_property
    def late(self) -> int:
        """Parts that were answered at their deadline without an answer of the model."""
        return sum(minute.late for minute in self.minutes)


class Recent:
    """The last parts and the last hour.

    Args:
        folder: of the line.
        link: to inference.
    """

    def __init__(self, folder: LineFolder, link: Link) -> None:
        self._log = folder.log
        self._link = link
        self._position: Position | None = None
        self._reached = 0
        self._last: deque[Answered] = deque(maxlen=SHOWN)
        self._minutes: dict[int, Minute] = {}
        self._counted_from: datetime | None = None
        self._busy = threading.Lock()
        self.trouble = ""
        """Why what is shown may be old; nothing when it is not."""

    @property
    def last(self) -> list[Answered]:
        """The last parts, the newest first."""
        return list(self._last)[::-1]

    @property
    def version(self) -> int:
        """Another number as soon as something else is to be shown."""
        return 2 * (self._last[-1].entry.number if self._last else 0) + bool(self.trouble)

    def hour(self, now: datetime | None = None) -> LastHour:
        """Return what was answered in the last hour."""
        this = _minute(now or datetime.now(UTC))
        first = this - MINUTES + 1
        known = dict(self._minutes)
        begins = datetime.fromtimestamp(60 * first, UTC)
        limited = self._counted_from is not None and self._counted_from > begins
        return LastHour(
            begins,
            [known.get(first + place, Minute()) for place in range(MINUTES)],
            self._counted_from if limited else None,
        )

    def keep_up(self) -> None:
        """Take in what was announced since the last time; does nothing when nothing was.

        Raises:
            InputError: a line of the log is not as it was written.
        """
        with self._busy:
            announced = self._link.state.announced
            if announced == self._reached:
                return
            try:
                for entry in self._new(announced):
                    self._take(entry)
                self._reached = announced
                self.trouble = ""
            except (RgbxError, OSError) as error:
                self.trouble = str(error)
                raise

    def _new(self, announced: int) -> Iterator[Entry]:
        if self._position is None or announced < self._reached:  # the second: the log is another one
            self._last.clear()
            self._minutes.clear()
            self._position, self._counted_from = _beginning(self._log)
        for entry, position in read_entries(self._log, self._position, announced):
            self._position = position
            yield entry

    def _take(self, entry: Entry) -> None:
        if entry.kind != RESULT:
            return
        part = PartResult.model_validate(entry.content)
        self._last.append(Answered(entry, part))
        number = _minute(entry.time)
        minute = self._minutes.setdefault(number, Minute())
        minute.bins[part.bin or ASIDE_NAME] += 1
        if part.reason:
            minute.reasons[part.reason] += 1
        if part.reason_code is ReasonCode.LATE:
            minute.late += 1
        if part.latency_ms is not None:
            minute.latencies.append(part.latency_ms)
        for old in [each for each in self._minutes if each < number - MINUTES]:
            del self._minutes[old]


def _minute(time: datetime) -> int:
    return int(time.timestamp() // 60)


def _beginning(log: Path) -> tuple[Position, datetime | None]:
    """Return where in a log to begin: an hour and some parts before its end, or where too much would have to be read.

    The second is the time of the first entry there, where there are earlier ones.
    """
    segments = segment_numbers(log)[-MOST_SEGMENTS:]
    end: datetime | None = None
    parts = 0
    for first in reversed(segments):
        entries = [entry for entry, place in read_entries(log, Position(first)) if place.segment == first]
        if not entries:
            continue
        end = end or entries[-1].time
        parts += sum(entry.kind == RESULT for entry in entries)
        enough = parts >= SHOWN and (end - entries[0].time).total_seconds() > 60 * MINUTES
        if enough or first == segments[0]:
            return Position(first), entries[0].time if first > 1 else None
    return Position(segments[0] if segments else 0), None

"""Results on their way from the log to who waits for them: in order, at least once, after any outage."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Protocol

import structlog

from rgbx.errors import RgbxError
from rgbx_line.contract import LineState, PartResult
from rgbx_line.log import Entry, Position, read_entries
from rgbx_line.log.cursor import Cursor, before_last
from rgbx_line.log.segments import RESTORE
from rgbx_line.settings import LineFolder

MOST_AT_ONCE = 64
"""Entries that are read together."""
FEW = 8
"""So many entries are read at once; more in a thread, since the protocols' clients are not to wait for the disk."""
SAVE_EVERY_S = 1.0
"""How often a cursor that has moved is saved; what was delivered since is delivered again after a crash."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 3.0
"""Until a sink that failed is tried again; the pause doubles each time."""
_RESULT = "result"
_log = structlog.get_logger("rgbx.line.gateway")


class Sink(Protocol):
    """Where results go: a broker, registers, nodes. What it cannot do now it raises, by any error."""

    async def start(self) -> None:
        """Begin to serve, or to connect; called again when it raises."""

    async def stop(self) -> None:
        """Say goodbye and let go of everything; also of what ``start`` left half done."""

    def tell(self, state: LineState) -> None:
        """Take what the line says of itself; what it had answered by then has been delivered before."""

    async def deliver(self, entry: Entry, result: PartResult) -> None:
        """Hand over a result, and return when it has arrived; the same one may come again."""


@dataclass(frozen=True)
class Reading:
    """A line of the log as sinks need it."""

    entry: Entry
    behind: Position
    """Where it ends."""

    @cached_property
    def result(self) -> PartResult | None:
        """What it says, if it is a result."""
        return PartResult.model_validate(self.entry.content) if self.entry.kind == _RESULT else None


class Reader:
    """Reads the log for all sinks; what several of them ask for at once is read once.

    Args:
        folder: of the line.
    """

    def __init__(self, folder: LineFolder) -> None:
        self._log = folder.log
        self._asked: tuple[Position, int] | None = None
        self._found: list[Reading] = []

    async def read(self, cursor: Cursor, announced: int) -> list[Reading]:
        """Return what stands behind a cursor, and nothing that was not announced.

        Raises:
            InputError: a line of the log is not as it was written.
            RgbxError: the log lacks what was announced.
        """
        asked = cursor.position, announced
        if announced - cursor.number > FEW:
            found = await asyncio.to_thread(self._read, *asked)
        elif asked == self._asked:
            found = self._found
        else:
            found = self._read(*asked)
            self._asked, self._found = (asked if found else None), found  # what is missing may come
        if not found:
            raise RgbxError(f"{self._log} lacks line {cursor.number + 1}, which was announced: {RESTORE}.")
        return found

    def _read(self, after: Position, announced: int) -> list[Reading]:
        found = islice(read_entries(self._log, after, announced), MOST_AT_ONCE)
        return [Reading(entry, behind) for entry, behind in found]


class Feed:
    """What keeps one sink up to date; each has its own, so that one that is away does not hold up the others.

    A sink with a history, such as a broker, gets every result there ever was, from its cursor on. One without shows
    the last result alone, such as registers do; it begins with the last one that is in the log.

    Args:
        name: of the sink; its cursor's file is named after it.
        sink: not started yet.
        folder: of the line.
        reader: of its log.
        history: whether it gets every result.
    """

    def __init__(self, name: str, sink: Sink, folder: LineFolder, reader: Reader, history: bool) -> None:
        self.name = name
        self.problem: str | None = None
        """Why the sink gets nothing at the moment; None when it does."""
        self._sink = sink
        self._folder = folder.log
        self._reader = reader
        self._history = history
        self._cursor_path = folder.cursors / f"{name}.json"
        self._cursor: Cursor | None = None
        self._saved = 0
        self._saved_at = 0.0
        self._state = LineState()
        self._news = asyncio.Event()

    @property
    def lag(self) -> int:
        """Entries of the log that the sink is behind."""
        return max(0, self._state.announced - (self._cursor.number if self._cursor else 0))

    def tell(self, state: LineState) -> None:
        """Take what the line says of itself, which says how far the log may be read."""
        self._state = state
        self._news.set()

    async def run(self) -> None:
        """Keep the sink up to date until cancelled."""
        try:
            await self._insist(self._sink.start)
            # Asked, since Python 3.11's wait_for, in which libraries wait, may swallow the exception.
            while not _cancelled():
                if not self.lag:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._until_saving):
                            await self._news.wait()
                self._news.clear()
                await self._insist(self._bring_up_to_date)
        finally:
            try:
                if self._moved:
                    self._save()
            finally:
                await self._sink.stop()

    async def _insist(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something until it succeeds: whatever a sink's library raises, it is not to be the end of the others."""
        pause = FIRST_PAUSE_S
        while True:
            try:
                await work()
            except Exception as error:
                problem = str(error) or type(error).__name__
                if problem != self.problem:
                    _log.warning("sink failed, trying again", sink=self.name, problem=problem)
                self.problem = problem
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
            else:
                if self.problem is not None:
                    _log.info("sink works again", sink=self.name)
                self.problem = None
                return

    async def _bring_up_to_date(self) -> None:
        state = self._state
        try:
            if self._cursor is None and state.announced:
                self._cursor = await asyncio.to_thread(self._begin, state.announced)
            if self._cursor is not None and self._cursor.number < state.announced:
                await self._deliver(self._cursor, state.announced)
        finally:
            # Also when a result cannot be delivered: that the line is not ready has to be known all the more.
            self._sink.tell(state)
        if not self._until_saving:
            # In a thread, since a disk that is busy with the log takes its time to rename a file.
            await asyncio.to_thread(self._save)

    def _begin(self, announced: int) -> Cursor:
        cursor = Cursor(self._cursor_path)
        if not self._history:  # then it is never saved
            cursor.number, cursor.position = before_last(self._folder, _RESULT, announced)
        self._saved = cursor.number
        return cursor

    async def _deliver(self, cursor: Cursor, announced: int) -> None:
        for reading in await self._reader.read(cursor, announced):
            if reading.result is not None:
                await self._sink.deliver(reading.entry, reading.result)
            cursor.move(reading.entry, reading.behind)

    @property
    def _moved(self) -> bool:
        return self._history and self._cursor is not None and self._cursor.number != self._saved

    @property
    def _until_saving(self) -> float:
        """Seconds until the cursor is to be saved; most often that is between two results, and delays none."""
        since = time.monotonic() - self._saved_at
        return max(0.0, SAVE_EVERY_S - since) if self._moved else SAVE_EVERY_S

    def _save(self) -> None:
        if self._cursor is not None:
            self._cursor.save()
            self._saved, self._saved_at = self._cursor.number, time.monotonic()


def _cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0

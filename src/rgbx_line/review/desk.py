"""Where reviewers work: devices go out, opinions come in and are lines of the log before anybody is told."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from rgbx.errors import RgbxError
from rgbx_line.review.audited import index_path
from rgbx_line.review.device import ReviewDevice, reviewed_device
from rgbx_line.review.groups import unknown_groups
from rgbx_line.review.index import ReviewIndex, Vote
from rgbx_line.review.models import ModelKnowledge
from rgbx_line.review.queues import Handed, ReviewQueue
from rgbx_line.review.rates import ReviewedRate, false_sort_rate
from rgbx_line.review_mix import NO_KNOWN_CLASS, PASSED_ON, ReviewMix
from rgbx_line.settings import LineFolder

CATCH_UP = 2000
"""Entries of the log that a request waits for; more are left to who keeps the index up to date."""
BETWEEN_S = 0.02
"""For requests, between two times that so many are taken in."""
IN_A_GROUP = "group"
CHOSEN = "chosen"
"""Why a device was reviewed that no queue had handed out."""
MOST_DISPUTED = 50


class KeepsOpinions(Protocol):
    """Puts an opinion into the log."""

    def __call__(self, *, number: int, part_id: str, label: str | None, who: str, why: str) -> Awaitable[object]:
        """Return when the disk has it.

        Raises:
            RgbxError: it cannot be kept.
        """
        ...


class Disputed(NamedTuple):
    """A device that reviewers disagree about."""

    device: ReviewDevice
    votes: list[Vote]


class ReviewCounts(NamedTuple):
    """How far the review is."""

    mine: int
    """Devices that this reviewer has an opinion of."""
    settled: int
    """Of the window that the settings name, as all that follow."""
    skipped: int
    disputed: int
    drawn: int
    """At random."""
    drawn_open: int
    """Of these, not settled."""
    unknown: int
    """Unknown devices that wait."""
    false_sorts: ReviewedRate
    unread: int
    """Lines of the log that the index lacks: all else is of those before them."""


class ReviewDesk:
    """One for all reviewers of a line.

    Args:
        folder: of the line.
        mix: settings.
        knowledge: returns what the line's models know.
        keep: puts an opinion into the log.
        through: returns the number of the last entry that may be told of.
    """

    def __init__(
        self,
        folder: LineFolder,
        mix: ReviewMix,
        knowledge: Callable[[], ModelKnowledge],
        keep: KeepsOpinions,
        through: Callable[[], int],
    ) -> None:
        self.folder = folder
        self.mix = mix
        self._knowledge = knowledge
        self._keep = keep
        self._through = through
        self._queue = ReviewQueue(mix)
        self._taking_in = threading.Lock()
        self._far_behind = False

    def keep_up(self) -> None:
        """Bring the index up to date, however long it takes; requests need not wait for that."""
        with ReviewIndex(self.folder.log, index_path(self.folder), self.mix) as index:
            try:
                while self._take_in(index) == CATCH_UP:
                    self._far_behind = True
                    time.sleep(BETWEEN_S)
            finally:
                self._far_behind = False

    def labels(self) -> tuple[str, ...]:
        """Return the classes that a device may be labelled as."""
        return self._knowledge().classes(self.mix.classes)

    def next(self, who: str, count: int) -> list[ReviewDevice]:
        """Return the devices that a reviewer is to look at, the first one first; the others may be loaded meanwhile."""
        with self._index() as index:
            handed = self._queue.hand(index, who, count, self._through())
            found = (reviewed_device(index, self.folder, each.number) for each in handed)
            return [device for device in found if device is not None]

    def device(self, number: int) -> ReviewDevice:
        """Return one device.

        Raises:
            RgbxError: there is none.
        """
        with self._index() as index:
            device = reviewed_device(index, self.folder, number) if number <= self._through() else None
        if device is None:
            raise RgbxError(f"there is no result {number} in the log: go back to the review.")
        return device

    def devices(self, numbers: Sequence[int]) -> list[ReviewDevice]:
        """Return some devices; those that have gone from the log are left out."""
        with self._index() as index:
            found = (reviewed_device(index, self.folder, number) for number in numbers if number <= self._through())
            return [device for device in found if device is not None]

    def votes(self, number: int) -> list[Vote]:
        """Return what reviewers say of a device."""
        with self._index() as index:
            return index.votes(number)

    def groups(self) -> list[list[int]]:
        """Return unknown devices that are alike, by the numbers of their results, the largest group first."""
        with self._index() as index:
            return unknown_groups(index, self._through())

    def disputed(self) -> list[Disputed]:
        """Return the newest devices that reviewers disagree about, with who says what."""
        with self._index() as index:
            rows = index.rows(
                "SELECT number FROM results WHERE state != 'open' AND state = 'disputed' AND number <= :through"
                f" ORDER BY time DESC LIMIT {MOST_DISPUTED}",
                through=self._through(),
            )
            found = [(reviewed_device(index, self.folder, row["number"]), index.votes(row["number"])) for row in rows]
        return [Disputed(device, votes) for device, votes in found if device is not None]

    def counts(self, who: str) -> ReviewCounts:
        """Return how far the review is, and the rate of false sorts by it."""
        through = self._through()
        with self._index() as index:
            since = self._begin(index)
            states = {
                row["state"]: row["count"]
                for row in index.rows(
                    "SELECT state, count(*) AS count FROM results INDEXED BY by_state"
                    " WHERE state != 'open' AND time >= :since GROUP BY state",
                    since=since.timestamp(),
                )
            }
            (drawn,) = index.rows(
                "SELECT count(*) AS all_of_them, total(verdict IS NULL) AS open FROM results INDEXED BY by_draw"
                " WHERE draw < :share AND time >= :since AND number <= :through",
                share=self.mix.random_share,
                since=since.timestamp(),
                through=through,
            )
            (mine,) = index.rows("SELECT count(*) AS count FROM votes WHERE who = :who", who=who)
            (unknown,) = index.rows("SELECT count(*) AS count FROM results WHERE waiting AND reason = 'unknown'")
            rate = false_sort_rate(index, since, self._knowledge(), through)
            unread = _unread(index, through)
        return ReviewCounts(
            mine=mine["count"],
            settled=states.get("settled", 0),
            skipped=states.get("skipped", 0),
            disputed=states.get("disputed", 0),
            drawn=drawn["all_of_them"],
            drawn_open=int(drawn["open"]),
            unknown=unknown["count"],
            false_sorts=rate,
            unread=unread,
        )

    async def label(self, who: str, numbers: Sequence[int], label: str) -> None:
        """Keep what a reviewer says of a device, or of a group at once.

        Args:
            who: says so.
            numbers: of the devices' results.
            label: a class, ``"unknown"`` or ``"skip"``.

        Raises:
            RgbxError: there is no such device or class, a device of a group was drawn at random, which has to be looked
                at alone, or the log cannot be written.
        """
        allowed = (*self.labels(), NO_KNOWN_CLASS, PASSED_ON)
        if label not in allowed:
            raise RgbxError(f"there is no class '{label}': choose one of {', '.join(allowed)}.")
        parts = await asyncio.to_thread(self._parts, numbers)
        why = f"{IN_A_GROUP} {min(numbers)}" if len(numbers) > 1 else self._queue.why(who, numbers[0]) or CHOSEN
        for number, part in parts.items():
            await self._keep(number=number, part_id=part, label=label, who=who, why=why)

    async def undo(self, who: str) -> list[int]:
        """Take back a reviewer's last opinion that stands, or those of a group; nothing is deleted.

        Returns:
            Numbers of the devices, which are the reviewer's next ones; none where there is nothing to take back.

        Raises:
            RgbxError: the log cannot be written, or has not been read to its end.
        """
        votes = await asyncio.to_thread(self._last_votes, who)
        parts = {vote["result"]: vote["part"] for vote in votes}
        for number, part in parts.items():
            await self._keep(number=number, part_id=part, label=None, who=who, why="undo")
        if len(votes) == 1:
            self._queue.give_back(who, Handed(votes[0]["result"], votes[0]["why"]))
        return list(parts)

    def _last_votes(self, who: str) -> list[Any]:
        mine = "SELECT votes.*, part FROM votes JOIN results ON result = results.number WHERE who = :who"
        through = self._through()
        with self._index() as index:
            if _unread(index, through):
                raise RgbxError("the log is still being read, up to what you said last: try again in a minute.")
            last = index.rows(f"{mine} ORDER BY votes.number DESC LIMIT 1", who=who)
            if last and last[0]["why"].startswith(IN_A_GROUP):
                return index.rows(f"{mine} AND why = :why", who=who, why=last[0]["why"])
            return last

    def _parts(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the part of each result."""
        parts: dict[int, str] = {}
        with self._index() as index:
            for number in numbers:
                rows = index.rows("SELECT part, draw FROM results WHERE number = :number", number=number)
                if not rows or number > self._through():
                    raise RgbxError(f"there is no result {number} in the log: load the page again.")
                if len(numbers) > 1 and rows[0]["draw"] < self.mix.random_share:
                    raise RgbxError(
                        f"the part '{rows[0]['part']}' was drawn at random, and an error rate rests on it: look at it "
                        "alone."
                    )
                parts[number] = rows[0]["part"]
        return parts

    def _begin(self, index: ReviewIndex) -> datetime:
        """Return the beginning of the window that the settings name, back from the newest result."""
        (newest,) = index.rows("SELECT max(time) AS time FROM results")
        return datetime.fromtimestamp(newest["time"] or 0.0, UTC) - timedelta(days=self.mix.days)

    @contextmanager
    def _index(self) -> Iterator[ReviewIndex]:
        with ReviewIndex(self.folder.log, index_path(self.folder), self.mix) as index:
            if not self._far_behind:
                self._take_in(index)
            yield index

    def _take_in(self, index: ReviewIndex) -> int:
        with self._taking_in:  # who waits for SQLite's own lock is not the next to have it
            return index.update(CATCH_UP)


def _unread(index: ReviewIndex, through: int) -> int:
    """Return how many lines of the log the index lacks."""
    (reached,) = index.rows("SELECT ifnull(max(number), 0) AS number FROM reached")
    return max(0, through - int(reached["number"]))

"""Who looks at which device next: a mix of queues, and no device for two at once."""

import threading
import time
from collections.abc import Callable
from typing import NamedTuple

from rgbx_line.review.index import ReviewIndex
from rgbx_line.review_mix import QueueName, ReviewMix

HELD_S = 300.0
"""From a reviewer's last request on; then the devices that were handed out go to others."""
MOST_HELD = 20
_QUEUES: dict[QueueName, tuple[str, str, str]] = {
    "random": ("by_draw", "draw < :share", "draw"),
    "margin": ("by_margin", "bin IS NOT NULL AND margin IS NOT NULL", "margin"),
    "unknown": ("by_unknown", "reason = 'unknown'", "number DESC"),
    "aside": ("by_aside", "reason = 'low confidence' AND margin IS NOT NULL", "margin"),
    "disagree": ("by_disagree", "disagree", "bin IS NULL, number DESC"),
    "late": ("by_late", "late", "number DESC"),
}
"""Of each queue, the index that has it in order, which devices are in it, and in which order."""
_NOT_MINE = "NOT EXISTS (SELECT 1 FROM votes WHERE result = results.number AND who = :who)"


class Handed(NamedTuple):
    """A device that somebody is asked to look at."""

    number: int
    """Of its result's entry."""
    why: QueueName


class ReviewQueue:
    """Hands out devices; there is one for all who ask. It remembers in memory alone who has which.

    Args:
        mix: how often a device comes from which queue.
        now: seconds, of a clock that goes on evenly.
    """

    def __init__(self, mix: ReviewMix, now: Callable[[], float] = time.monotonic) -> None:
        self._mix = mix
        self._now = now
        self._weights: dict[QueueName, float] = {name: getattr(mix.weights, name) for name in _QUEUES}
        self._owed = dict.fromkeys(_QUEUES, 0.0)
        self._held: dict[str, tuple[float, list[Handed]]] = {}
        self._lock = threading.Lock()

    def hand(self, index: ReviewIndex, who: str, count: int, through: int) -> list[Handed]:
        """Return the next devices for a reviewer: those that were handed out and still wait, and more behind them.

        Args:
            index: up to date.
            who: asks.
            count: how many devices, 1 to 20.
            through: number of the last entry that may be told of.
        """
        with self._lock:
            self._let_go()
            mine = [each for each in self._held.get(who, (0.0, []))[1] if self._waits(index, each.number, who)]
            taken = self._taken_by_others(who)
            while len(mine) < min(count, MOST_HELD):
                found = self._one_more(index, who, {each.number for each in mine}, taken, through)
                if found is None:
                    break
                mine.append(found)
            self._held[who] = self._now(), mine
            return mine[:count]

    def why(self, who: str, number: int) -> QueueName | None:
        """Return which queue a device came from that was handed to a reviewer; None where it was not."""
        with self._lock:
            held = self._held.get(who, (0.0, []))[1]
            return next((each.why for each in held if each.number == number), None)

    def give_back(self, who: str, device: Handed) -> None:
        """Make a device the next one of a reviewer, who had it before."""
        with self._lock:
            held = [each for each in self._held.get(who, (0.0, []))[1] if each.number != device.number]
            self._held[who] = self._now(), [device, *held]

    def _one_more(self, index: ReviewIndex, who: str, mine: set[int], taken: set[int], through: int) -> Handed | None:
        """Take a device from the queue that is owed most, of those that have one."""
        total = sum(self._weights.values())
        for queue, weight in self._weights.items():
            self._owed[queue] += weight / total
        for queue in sorted(self._owed, key=lambda each: -self._owed[each]):
            if self._weights[queue] == 0:
                continue
            number = self._first(index, queue, who, mine, taken, through)
            if number is not None:
                self._owed[queue] -= 1
                return Handed(number, queue)
            self._owed[queue] = 0.0  # it is not owed what it does not have
        return None

    def _first(
        self, index: ReviewIndex, queue: QueueName, who: str, mine: set[int], taken: set[int], through: int
    ) -> int | None:
        by, where, order = _QUEUES[queue]
        question = (
            f"SELECT number, second FROM results INDEXED BY {by} WHERE waiting AND {where} AND number <= :through"
            f" AND {_NOT_MINE} ORDER BY {order} LIMIT {len(mine) + len(taken) + 1}"
        )
        values = {"who": who, "through": through, "share": self._mix.random_share}
        for row in index.rows(question, **values):
            both = row["second"] < self._mix.second_opinion
            if row["number"] not in mine and (both or row["number"] not in taken):
                return int(row["number"])
        return None

    def _waits(self, index: ReviewIndex, number: int, who: str) -> bool:
        question = f"SELECT 1 FROM results WHERE number = :number AND waiting AND {_NOT_MINE}"
        return bool(index.rows(question, number=number, who=who))

    def _taken_by_others(self, who: str) -> set[int]:
        return {each.number for other, (_, held) in self._held.items() if other != who for each in held}

    def _let_go(self) -> None:
        now = self._now()
        self._held = {who: held for who, held in self._held.items() if now - held[0] < HELD_S}

"""How strange a device is among those before it, as a p-value that stays exact however long the line runs.

Why the reference grows: p-values against a fixed set of scores are uniform on average over sets, but not given the one
that there is. Its error, about 1 / √n, stays, and bets find it in about n devices' time: an endless run against 400
fixed scores gives false alarms without end. A band of Dvoretzky, Kiefer and Wolfowitz about the fixed scores mends it,
but hides whatever is smaller than the band (0.06 with 400). Here every device joins those that later ones are compared
with, so p-values are independent and exactly uniform as long as devices come as before (Vovk et al., 2005). None must
be left out by its score: against those alone that were taken for known, each honest tail would look like drift.

Why by class: a class's devices are compared with that class's only. Classes may then come in any order and any mix,
such as a lorry full of one model, and p-values stay uniform.
"""

import bisect
import hashlib
import math
from collections.abc import Iterable, Sequence
from typing import Self

from rgbx.config import Config

LARGEST = 1e300
"""A score that is no number counts as this: the strangest."""


class KeptScores(Config):
    """Scores, rounded to three digits, and how often each occurred."""

    scores: tuple[float, ...] = ()
    """Ascending."""
    counts: tuple[int, ...] = ()


class GrowingReference:
    """Scores of the devices so far; memory is bounded, since three digits leave few hundred different ones."""

    def __init__(self, scores: Iterable[float] = ()) -> None:
        self._scores: list[float] = []
        self._counts: list[int] = []
        self.total = 0
        """Devices."""
        for score in scores:
            self.add(score)

    @classmethod
    def of(cls, kept: KeptScores) -> Self:
        """Return what :meth:`kept` gave."""
        found = cls()
        found._scores, found._counts = list(kept.scores), list(kept.counts)
        found.total = sum(kept.counts)
        return found

    def kept(self) -> KeptScores:
        """Return all that it needs."""
        return KeptScores(scores=tuple(self._scores), counts=tuple(self._counts))

    def p_value(self, score: float, tie: float) -> float:
        """Return the share of devices, the new one among them, that are at least as strange.

        Args:
            score: of the new device; the higher, the stranger.
            tie: how many of its equals count, above 0 up to 1, drawn uniformly.

        Returns:
            Above 0 up to 1; uniform if the new device comes as those before.
        """
        rounded = three_digits(score)
        place = bisect.bisect_left(self._scores, rounded)
        equal = place < len(self._scores) and self._scores[place] == rounded
        stranger = sum(self._counts[place + equal :])
        return (stranger + tie * (1 + (self._counts[place] if equal else 0))) / (self.total + 1)

    def add(self, score: float) -> None:
        """Take a device in."""
        rounded = three_digits(score)
        place = bisect.bisect_left(self._scores, rounded)
        if place < len(self._scores) and self._scores[place] == rounded:
            self._counts[place] += 1
        else:
            self._scores.insert(place, rounded)
            self._counts.insert(place, 1)
        self.total += 1


def three_digits(score: float) -> float:
    """Return a score to three significant digits; rounding loses a little power and no validity."""
    if math.isnan(score):
        return LARGEST
    return float(f"{min(max(score, -LARGEST), LARGEST):.2e}")


def tie_of(number: int, signal: str) -> float:
    """Return a number above 0 up to 1 that is drawn by an entry's number: the log alone fixes every p-value."""
    drawn = hashlib.sha256(f"{signal} {number}".encode()).digest()[:8]
    return (int.from_bytes(drawn, "big") + 1) / 2**64


def scores_by_label(scores: Sequence[float], labels: Sequence[str]) -> dict[str, list[float]]:
    """Return the scores of each class."""
    found: dict[str, list[float]] = {}
    for score, label in zip(scores, labels, strict=True):
        found.setdefault(label, []).append(score)
    return found

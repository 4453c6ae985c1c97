"""How often the line goes wrong, by the devices that were drawn at random, and how sure that is."""

from datetime import datetime
from typing import NamedTuple

from rgbx.trust.false_sorts import upper_bound
from rgbx_line.review.index import ReviewIndex
from rgbx_line.review.models import ModelKnowledge

SURE = 0.95
"""Of an interval."""


class ReviewedRate(NamedTuple):
    """A rate by a sample, part of which may be open."""

    drawn: int
    """Devices of the sample."""
    wrong: int
    open: int
    """Not settled: nobody has looked, it was skipped, or reviewers disagree."""
    low: float
    """Lower end of the 95 % interval (Clopper and Pearson) if all the open ones were right."""
    high: float
    """Upper end of the interval if all the open ones were wrong."""

    @property
    def least(self) -> float:
        """Share that is wrong if all the open ones are right; 0 without a device."""
        return self.wrong / self.drawn if self.drawn else 0.0

    @property
    def most(self) -> float:
        """Share that is wrong if all the open ones are wrong; 1 without a device."""
        return (self.wrong + self.open) / self.drawn if self.drawn else 1.0


def reviewed_rate(drawn: int, wrong: int, open: int) -> ReviewedRate:
    """Return what a sample says of a rate.

    Args:
        drawn: devices of the sample.
        wrong: those that were found wrong.
        open: those of which nothing is known.
    """
    tail = 1 - (1 - SURE) / 2
    low = 1 - upper_bound(drawn - wrong, drawn, tail) if drawn else 0.0
    return ReviewedRate(drawn, wrong, open, low, upper_bound(wrong + open, drawn, tail))


def false_sort_rate(index: ReviewIndex, since: datetime, knowledge: ModelKnowledge, through: int) -> ReviewedRate:
    """Return how many of the devices that went to a bin went to a wrong one, from some time on.

    Only those that were drawn at random count, and all of these do.

    Args:
        index: up to date.
        since: aware.
        knowledge: of the line's models.
        through: number of the last entry that may be told of.
    """
    drawn = wrong = open = 0
    for row in index.rows(_ALIKE, share=index.mix.random_share, since=since.timestamp(), through=through):
        drawn += row["count"]
        if row["verdict"] is None:
            open += row["count"]
        elif not knowledge.is_right(row["model"], row["bin"], row["verdict"]):
            wrong += row["count"]
    return reviewed_rate(drawn, wrong, open)


_ALIKE = (
    "SELECT model, bin, verdict, count(*) AS count FROM results INDEXED BY by_draw"
    " WHERE draw < :share AND time >= :since AND number <= :through AND bin IS NOT NULL GROUP BY model, bin, verdict"
)

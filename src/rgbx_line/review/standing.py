"""What several reviewers' opinions of one device come to."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from rgbx_line.review_mix import PASSED_ON


class ReviewState(StrEnum):
    """How far the review of a device is; all but ``settled`` are open, and count as open in every estimate."""

    OPEN = "open"
    """Nobody has looked."""
    SKIPPED = "skipped"
    """Whoever looked left it to somebody else."""
    DISPUTED = "disputed"
    """Reviewers disagree."""
    SETTLED = "settled"
    """One or more reviewers say the same."""


class Standing(NamedTuple):
    """What is known of a device by its reviewers."""

    state: ReviewState
    label: str | None
    """A class, or ``"unknown"``; None unless settled."""
    opinions: int
    """Reviewers who said something."""


def standing_of(votes: Mapping[str, str]) -> Standing:
    """Return what reviewers' last words come to.

    Args:
        votes: of each reviewer by name, but for those who took theirs back.
    """
    said = [label for label in votes.values() if label != PASSED_ON]
    if not said:
        return Standing(ReviewState.SKIPPED if votes else ReviewState.OPEN, None, 0)
    if len(set(said)) > 1:
        return Standing(ReviewState.DISPUTED, None, len(said))
    return Standing(ReviewState.SETTLED, said[0], len(said))

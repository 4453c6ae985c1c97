"""What the queues, the page and the estimates need to know of an entry of the log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rgbx_line.contract import ReasonCode, images_in, said_in
from rgbx_line.log.entry import Entry

_DIGITS = 13
"""Hex digits of a hash that make a number in 0..1: as many bits as a double holds, so any program gets the same one."""
_DISAGREE = "modalities disagree"


@dataclass(frozen=True)
class Said:
    """What a model says of a device."""

    label: str | None
    """Its class; None where there was nothing to look at."""
    bin: str | None
    """Where the bundle would send it; None when aside."""
    reason: str | None
    margin: float | None
    """Probability of the likeliest class less that of the second, 0..1."""
    unknown: float | None
    """0..1, the share of known devices that look less strange."""
    disagree: bool
    """Whether photograph and radiograph say different classes, each alone."""
    images: bool
    """Whether there is an image to look at."""


def what_was_said(content: Mapping[str, Any]) -> Said:
    """Return what a model says in the content of an entry about a part: a result, a late or a candidate's answer.

    Args:
        content: of the entry; the model's answer is under ``result``.
    """
    said = said_in(content)
    decision = said.get("decision") or {}
    streams = set((said.get("streams") or {}).values())
    return Said(
        label=said.get("label"),
        bin=decision.get("bin"),
        reason=decision.get("reason"),
        margin=_margin(said.get("probabilities") or {}),
        unknown=decision.get("unknown_score"),
        disagree=len(streams) > 1 or decision.get("reason") == _DISAGREE,
        images=bool(images_in(content)),
    )


def is_late(content: Mapping[str, Any]) -> bool:
    """Return whether a result says that the deadline was missed."""
    return bool(content["reason_code"] == ReasonCode.LATE)


def drawn_at(entry: Entry) -> float:
    """Return a number in 0..1 for a result, even over all results and the same for whoever reads the log.

    It is the hash of the entry's line, so nobody can know it before the answer is on the disk, or choose it, and what
    the device looks like has no part in it. Devices below a share are that share of all, drawn at random.
    """
    return _fraction(entry.hash[:_DIGITS])


def second_drawn_at(entry: Entry) -> float:
    """Return another such number, independent of :func:`drawn_at`: whether a second person shall look."""
    return _fraction(entry.hash[_DIGITS : 2 * _DIGITS])


def _margin(probabilities: Mapping[str, float]) -> float | None:
    first, second = sorted([*probabilities.values(), 0.0, 0.0], reverse=True)[:2]
    return first - second if len(probabilities) > 1 else None


def _fraction(digits: str) -> float:
    return int(digits, 16) / 16 ** len(digits)

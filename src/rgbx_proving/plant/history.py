"""A log as a line has it after weeks: results of parts that came before the simulation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from rgbx_line.contract import REASONS, RESULT, PartResult, ReasonCode
from rgbx_line.history import PartIndex
from rgbx_line.log.entry import FIRST_PREVIOUS, Entry, encode
from rgbx_line.log.line_log import SEGMENT_BYTES
from rgbx_line.log.segments import BEGINNING, Position, segment_path
from rgbx_line.settings import LineFolder

_CLASSES = tuple(f"class-{number:02d}" for number in range(10))
_REASONS = {223: "late", 61: "unknown", 37: "modalities disagree", 13: "low confidence"}
"""Every so many parts are put aside for this."""
_GOLDEN = 0.6180339887498949
"""Multiples of it fill 0..1 evenly."""


def write_earlier_results(
    folder: LineFolder, results: int, tell: Callable[[str], None], every: float = 1.0
) -> Position:
    """Write a log of so many results, each as long as a real one, and the index of its parts.

    Args:
        folder: of a line that has no log.
        results: how many.
        tell: told how it goes, a sentence at a time.
        every: seconds from one to the next; the last one is of now.

    Returns:
        The place behind the last of them.
    """
    folder.log.mkdir(parents=True, exist_ok=True)
    begin = datetime.now(UTC) - timedelta(seconds=results * every)
    number, digest, end = 0, FIRST_PREVIOUS, BEGINNING
    while number < results:
        first, size = number + 1, 0
        with segment_path(folder.log, first).open("xb") as file:
            while number < results and size < SEGMENT_BYTES:
                number += 1
                time = begin + timedelta(seconds=number * every)
                entry, line = encode(Entry(number, time, RESULT, earlier_result(number), digest))
                digest, size = entry.hash, size + file.write(line)
        end = Position(first, size)
    tell(f"{results} earlier results are in the log.")
    with PartIndex(folder) as index:
        index.update()
    return end


def earlier_result(number: int) -> dict[str, Any]:
    """Return the content of the log's entry with the answer for a part that came before the simulation."""
    name = f"H{number:07d}"
    label, other = _CLASSES[number % len(_CLASSES)], _CLASSES[(number + 3) % len(_CLASSES)]
    reason = next((reason for every, reason in _REASONS.items() if number % every == 0), None)
    images = {"rgb": f"/camera/{name}_rgb.png", "xray": f"/detector/{name}_xray.tiff"}
    sure = 0.5 + 0.49 * (number * _GOLDEN % 1.0)
    return PartResult(
        seq=number,
        part_id=name,
        bin=None if reason else label,
        bin_code=0 if reason else 1,
        reason=reason,
        reason_code=REASONS[reason] if reason else ReasonCode.NONE,
        model_number=1,
        images={} if reason == "late" else images,
        latency_ms=None if reason == "late" else 80.0 + 100.0 * sure,
        result=None if reason == "late" else {"ResultContent": [_said(label, other, sure, reason, images)]},
    ).model_dump(mode="json")


def _said(label: str, other: str, sure: float, reason: str | None, images: dict[str, str]) -> dict[str, Any]:
    def shares(first: str, second: str) -> dict[str, float]:
        left = 0.25 * (1 - sure) / (len(_CLASSES) - 2)
        return {each: sure if each == first else 0.75 * (1 - sure) if each == second else left for each in _CLASSES}

    seen = other if reason == "modalities disagree" else label
    return {
        "label": label,
        "probability": sure,
        "probabilities": shares(label, other),
        "decision": {
            "bin": None if reason else label,
            "reason": reason,
            "candidates": [label, other] if reason else [label],
            "unknown_score": 0.999 if reason == "unknown" else 0.31,
        },
        "streams": {"rgb": seen, "xray": label},
        "alone": {"rgb": shares(seen, label if seen == other else other), "xray": shares(label, other)},
        "images": images,
        "warnings": [],
        "errors": [],
        "model": "5f0c" * 16,
    }

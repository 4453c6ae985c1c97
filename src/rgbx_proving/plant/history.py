"""A log as a line has it after years: results of parts that came before the simulation."""

from collections.abc import Callable
from typing import Any

from rgbx_line.contract import RESULT, PartResult, ReasonCode
from rgbx_line.history import PartIndex
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.segments import Position
from rgbx_line.settings import LineFolder

WRITTEN_TOGETHER = 2000
_CLASSES = tuple(f"class-{number:02d}" for number in range(10))


def write_earlier_results(folder: LineFolder, results: int, tell: Callable[[str], None]) -> Position:
    """Write a log of so many results, each as long as a real one, and the index of its parts.

    Args:
        folder: of a line that has no log.
        results: how many.
        tell: told how it goes, a sentence at a time.

    Returns:
        The place behind the last of them.
    """
    with LineLog(folder.log) as log:
        for first in range(1, results + 1, WRITTEN_TOGETHER):
            numbers = range(first, min(first + WRITTEN_TOGETHER, results + 1))
            log.append([(RESULT, _result(number).model_dump(mode="json")) for number in numbers])
        tell(f"{results} earlier results are in the log.")
        end = log.position
    with PartIndex(folder) as index:
        index.update()
    return end


def _result(number: int) -> PartResult:
    name = f"H{number:07d}"
    label = _CLASSES[number % len(_CLASSES)]
    answer: dict[str, Any] = {
        "label": label,
        "probability": 0.97,
        "probabilities": {each: 0.97 if each == label else 0.0033 for each in _CLASSES},
    }
    content = {"device": name, "fused": answer, "rgb": answer, "xray": answer, "set": [label]}
    return PartResult(
        seq=number,
        part_id=name,
        bin=label,
        bin_code=1,
        reason=None,
        reason_code=ReasonCode.NONE,
        model_number=1,
        images={"rgb": f"/camera/{name}_rgb.png", "xray": f"/detector/{name}_xray.tiff"},
        latency_ms=100.0,
        result={"ResultContent": [content]},
    )

"""A line's log as it was written at times that a test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from rgbx_line.contract import AUDIT, REASONS, RESULT, REVIEW, STATE, FaultCode, PartResult, ReasonCode
from rgbx_line.log import Entry, LineLog
from rgbx_line.settings import LineFolder


class WrittenLog:
    """Writes what a line would have written."""

    def __init__(self, log: LineLog, clock: "_Clock") -> None:
        self.log = log
        self._clock = clock
        self._seq = 0

    def at(self, time: datetime, kind: str, content: dict[str, Any]) -> Entry:
        """Write an entry."""
        self._clock.time = time
        (entry,) = self.log.append([(kind, content)])
        return entry

    def result(
        self, time: datetime, label: str | None, bin: str | None, reason: str | None = None, model: int = 1
    ) -> Entry:
        """Write an answer: what the model took a device for, and where it went."""
        self._seq += 1
        decision = {"bin": bin, "reason": reason, "candidates": [], "unknown_score": None}
        said = {"label": label, "probabilities": {}, "decision": decision, "streams": {}, "images": {"rgb": "a.png"}}
        part = PartResult(
            seq=self._seq,
            part_id=f"P{self._seq}",
            bin=bin,
            bin_code=0 if bin is None else 1,
            reason=reason,
            reason_code=REASONS[reason] if reason else ReasonCode.NONE,
            model_number=model,
            images={"rgb": "a.png"},
            latency_ms=None if label is None else 100.0,
            result=None if label is None else {"ResultContent": [said]},
        )
        return self.at(time, RESULT, part.model_dump(mode="json"))

    def review(self, time: datetime, result: Entry, label: str | None, who: str = "Ada") -> None:
        """Write what a person says of a device."""
        content = {
            "number": result.number,
            "part_id": result.content["part_id"],
            "label": label,
            "who": who,
            "why": "random",
        }
        self.at(time, REVIEW, content)

    def state(self, time: datetime, fault: FaultCode | None) -> None:
        """Write how the line is; ready without a fault."""
        content = {"ready": fault is None, "fault": fault or 0, "fault_text": "", "at": time.isoformat()}
        self.at(time, STATE, content)

    def deed(self, time: datetime, what: str, who: str, **more: Any) -> None:
        """Write that a person changed something."""
        self.at(time, AUDIT, {"what": what, "who": who, **more})


class _Clock:
    time: datetime

    def now(self, _: object) -> datetime:
        return self.time


@contextmanager
def written_log(folder: LineFolder, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[WrittenLog]:
    """Write the log of a line."""
    clock = _Clock()
    monkeypatch.setattr("rgbx_line.log.line_log.datetime", clock)
    with LineLog(folder.log, **options) as log:
        yield WrittenLog(log, clock)

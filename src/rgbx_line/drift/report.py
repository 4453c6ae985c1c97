"""What the drift alarm says, in a file that the pages and figures are made from."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.files import read_json, readable_os_errors, write_json
from rgbx.trust.drift.config import DriftCause
from rgbx_line.settings import LineFolder

ALARMED, ACKNOWLEDGED = "drift alarm", "drift alarm acknowledged"
"""What entries of who changed what say of alarms: that one sounded, and that a person ended some."""


class StandingAlarm(Config):
    """An alarm that nobody has ended."""

    signal: str
    """Which one sounded (:data:`rgbx.trust.drift.monitor.SignalName`)."""
    cause: DriftCause
    """As far as can be told."""
    number: int
    """Of the entry at which it sounded."""
    since: int
    """Of the entry from which on devices look otherwise, as far as can be told."""
    since_part: str | None
    """The part of that entry, and its time; None when the log has it no more."""
    since_time: datetime | None
    devices: int
    """Since then."""
    strange: int
    """Of these, as strange as :attr:`DriftReport.usual` of them would be."""
    classes: tuple[str, ...]
    """That the strange ones are taken for, the class hit hardest first."""


class DriftReport(Config):
    """What the drift alarm says."""

    format: Literal[1] = 1
    number: int = 0
    """Of the last entry that it has read."""
    usual: float = 0.0
    """Share of devices that are strange while nothing has changed, at most."""
    levels: dict[str, float] = Field(default_factory=dict)
    """How far each signal is on the way to an alarm, 0 to 1; empty before the first answer of a calibrated model."""
    alarms: tuple[StandingAlarm, ...] = ()
    """The earliest first."""
    trouble: str = ""
    """Why it does not watch, a sentence; empty while it does."""


def write_drift(folder: LineFolder, report: DriftReport) -> None:
    """Keep what the drift alarm says for whoever asks.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    write_json(_path(folder), report.model_dump(mode="json"))


def forget_drift(folder: LineFolder) -> None:
    """Say no more of what the drift alarm said last, since nobody watches.

    Raises:
        RgbxError: the folder cannot be written.
    """
    with readable_os_errors(_path(folder)):
        _path(folder).unlink(missing_ok=True)


def read_drift(folder: LineFolder) -> DriftReport:
    """Return what the drift alarm said last.

    Raises:
        InputError: its file is damaged.
    """
    path = _path(folder)
    if not path.exists():
        return DriftReport()
    return build_record(DriftReport, read_json(path), path, "delete it: it is made again")


def _path(folder: LineFolder) -> Path:
    return folder.drift / "report.json"

"""Devices whose answers were checked by people, or are to be: what reports and promotions rest on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from rgbx_line.review.index import ReviewIndex
from rgbx_line.review.standing import ReviewState
from rgbx_line.review_mix import ReviewMix
from rgbx_line.settings import LineFolder


class ModelAnswer(NamedTuple):
    """What a model made of a device."""

    model: int
    label: str | None
    """None where it had nothing to look at, or not in time."""
    bin: str | None
    """None when aside. Of the active model, where the device went; of a candidate, the bin that its bundle names."""
    reason: str | None


class AuditedDevice(NamedTuple):
    """A device that somebody looked at, or that was drawn to be looked at."""

    number: int
    """Of its result's entry in the log."""
    part: str
    time: datetime
    drawn: bool
    """Whether it was drawn at random. Rates are estimated from these alone, and from all of them: see ``label``."""
    state: ReviewState
    label: str | None
    """What it is by its reviewers, a class or ``"unknown"``. None where that is open: nobody has looked, whoever looked
    skipped it, or they disagree. Such a device is not to be left out of an estimate, since the hard ones are left open:
    reckon it as right for one bound and as wrong for the other."""
    images: bool
    """Whether there was anything to look at; else it stays open."""
    active: ModelAnswer
    candidates: Mapping[int, ModelAnswer]
    """What each model that shadowed the active one made of it, by number."""


def audited(
    folder: LineFolder,
    since: datetime | None,
    until: datetime | None,
    mix: ReviewMix,
    through: int | None = None,
) -> list[AuditedDevice]:
    """Return every device of a period that was reviewed or drawn at random, in the order of the log.

    Args:
        folder: of the line.
        since: from when on, aware; from the beginning of the log when None.
        until: before when, aware; to its end when None.
        mix: settings of the review, which say what share was drawn.
        through: number of the last entry that may be told of; all when None.

    Raises:
        InputError: the log is damaged, or the index cannot be written.
    """
    with ReviewIndex(folder.log, index_path(folder), mix) as index:
        index.update()
        return audited_in(index, since, until, through)


def index_path(folder: LineFolder) -> Path:
    """Return where the index of a line is."""
    return folder.folder / "review.sqlite"


def audited_in(
    index: ReviewIndex, since: datetime | None, until: datetime | None, through: int | None = None
) -> list[AuditedDevice]:
    """Return what :func:`audited` does, of an index that is up to date."""
    period = {
        "since": since.timestamp() if since else 0.0,
        "until": until.timestamp() if until else _FOREVER,
        "through": through if through is not None else _LAST,
        "share": index.mix.random_share,
    }
    shadows: dict[int, dict[int, ModelAnswer]] = {}
    for row in index.rows(f"SELECT * FROM shadows WHERE result IN (SELECT number FROM ({_CHOSEN}))", **period):
        answer = ModelAnswer(row["model"], row["label"], row["bin"], row["reason"])
        shadows.setdefault(row["result"], {})[row["model"]] = answer
    return [
        AuditedDevice(
            number=row["number"],
            part=row["part"],
            time=datetime.fromtimestamp(row["time"], UTC),
            drawn=row["draw"] < index.mix.random_share,
            state=ReviewState(row["state"]),
            label=row["verdict"],
            images=bool(row["images"]),
            active=ModelAnswer(row["model"], row["label"], row["bin"], row["reason"]),
            candidates=shadows.get(row["number"], {}),
        )
        for row in index.rows(f"{_CHOSEN} ORDER BY number", **period)
    ]


_FOREVER = 1e18
_LAST = 2**63 - 1
_PERIOD = "time >= :since AND time < :until AND number <= :through"
_CHOSEN = (
    "SELECT * FROM results WHERE number IN ("
    f"SELECT number FROM results INDEXED BY by_draw WHERE draw < :share AND {_PERIOD}"
    f" UNION SELECT number FROM results INDEXED BY by_state WHERE state != 'open' AND {_PERIOD})"
)

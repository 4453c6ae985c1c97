"""How long the line was ready, and what kept it from being so, by what it noted of itself in the log."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from rgbx_line.contract import STATE, STATE_NOTED_EVERY_S, FaultCode
from rgbx_line.report.log_tables import LogTables, moment_of

READY, HALTED_BY_PERSON, STOPPED, STOPPING = "ready", "halted by a person", "stopped by a person", "stopping"
DOWN, NOT_RECORDED = "down", "not recorded"
"""Down is a line that was killed, or whose machine was off, until it was started again."""
FAULTS = {
    FaultCode.STARTING: "starting",
    FaultCode.LOG: "log could not be written",
    FaultCode.MODEL: "no model",
    FaultCode.SOURCE: "images could not be reached",
    FaultCode.HALTED: HALTED_BY_PERSON,
}
NOT_WANTED = frozenset({HALTED_BY_PERSON, STOPPED, STOPPING, NOT_RECORDED})
"""Conditions of times in which nobody wanted the line to be ready, or of which nothing is known."""
SILENCE = timedelta(seconds=2 * STATE_NOTED_EVERY_S)
"""After which a line that notes nothing was down."""


class Stretch(NamedTuple):
    """A time in which the line was in one condition."""

    since: datetime
    until: datetime
    what: str


def stretches(tables: LogTables, since: datetime, until: datetime) -> list[Stretch]:
    """Return what the line was from one time to another, without a gap.

    Args:
        tables: of the log.
        since: aware.
        until: aware, and not in the future.
    """
    found: list[Stretch] = []
    for begin, end, what in _all_stretches(tables, until):
        begin, end = max(begin, since), min(end, until)
        if begin >= end:
            continue
        if found and found[-1].what == what:
            found[-1] = Stretch(found[-1].since, end, what)
        else:
            found.append(Stretch(begin, end, what))
    return found


def seconds_by_condition(found: Iterable[Stretch]) -> dict[str, float]:
    """Return how long each condition lasted in all, in seconds, the longest first."""
    seconds: dict[str, float] = defaultdict(float)
    for since, until, what in found:
        seconds[what] += (until - since).total_seconds()
    return dict(sorted(seconds.items(), key=lambda pair: -pair[1]))


def availability(seconds: Mapping[str, float]) -> float | None:
    """Return the share of the time in which the line was to be ready that it was; None where it never was to be.

    Args:
        seconds: by condition.
    """
    wanted = sum(each for what, each in seconds.items() if what not in NOT_WANTED)
    return seconds.get(READY, 0.0) / wanted if wanted else None


def _all_stretches(tables: LogTables, until: datetime) -> Iterator[Stretch]:
    """Yield conditions from long ago to ``until`` or later, in order and without a gap."""
    rows = tables.rows(
        "SELECT * FROM (SELECT us, kind, content, lag(us, 1, us) OVER (ORDER BY number) AS before FROM lines) "
        f"WHERE kind IN ('{STATE}', 'started', 'stopped')"
    )
    at, what = datetime.min.replace(tzinfo=UTC), NOT_RECORDED
    for us, kind, content, before in rows:
        said = json.loads(content)
        # The clock may have been set back.
        time = max(at, datetime.fromisoformat(said["at"]) if kind == STATE else moment_of(us))
        alive = min(time, max(at, moment_of(before)))
        killed = kind == "started" and what not in (STOPPED, NOT_RECORDED)
        if killed or (time - alive > SILENCE and what != STOPPED):
            yield Stretch(at, alive, what)
            at, what = alive, NOT_RECORDED if what == NOT_RECORDED else DOWN
        yield Stretch(at, time, what)
        at, what = time, _condition(kind, said)
    ((last,),) = tables.rows("SELECT max_by(us, number) FROM lines")
    alive = at if last is None else max(at, moment_of(last))
    if last is not None and what != STOPPED and until - alive > SILENCE:
        yield Stretch(at, alive, what)
        at, what = alive, NOT_RECORDED if what == NOT_RECORDED else DOWN
    yield Stretch(at, max(at, until), what)


def _condition(kind: str, said: Mapping[str, Any]) -> str:
    if kind == "stopped":
        return STOPPED
    if kind == "started":
        return NOT_RECORDED  # until the line says how it is, a moment later
    if said["ready"]:
        return READY
    return FAULTS.get(FaultCode(said["fault"]), STOPPING)

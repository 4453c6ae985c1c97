"""Everything that a report of a period says, found in the log."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rgbx.config import Config
from rgbx.errors import InputError, RgbxError
from rgbx.names import natural_key
from rgbx_line.contract import AUDIT
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.models import ModelStore
from rgbx_line.report.audit_rates import AuditedRates, audited_rates
from rgbx_line.report.availability import availability, seconds_by_condition, stretches
from rgbx_line.report.log_tables import LogTables, microseconds_of, moment_of
from rgbx_line.report.period import Period, spans_of
from rgbx_line.review.audited import audited
from rgbx_line.review.models import StoreKnowledge
from rgbx_line.settings import DeviceClass, LineFolder, LineSettings

LOGIN_FAILED = "login failed"
"""What entries of who changed what say of that; they are counted, not listed."""
MOST_DEEDS = 1000
"""Lines of who changed what that are listed."""


class CountedDevices(Config):
    """Devices that the active model took for one class and sent to one place."""

    label: str | None
    """None where there was nothing to look at, or not in time."""
    bin: str | None
    """None when aside."""
    devices: int


class CountedReason(Config):
    """Devices that were put aside for one reason."""

    reason: str
    devices: int


class SpanCount(Config):
    """Devices in one of the stretches that the period's charts are divided into."""

    title: str
    since: datetime
    until: datetime
    sorted: int
    aside: int
    late: int
    """Of those aside, for which there was no answer in time."""


class ConditionTime(Config):
    """How long the line was in one condition."""

    what: str
    seconds: float


class ConditionStretch(Config):
    """When it was."""

    what: str
    since: datetime
    until: datetime


class BatteryMass(Config):
    """Batteries of one class, in the devices that went to a bin."""

    label: str
    chemistry: str | None
    """None where the settings say nothing of this class's battery."""
    devices: int
    battery_g: float | None
    kg: float | None


class ChemistryMass(Config):
    """Batteries of one chemistry."""

    chemistry: str
    devices: int
    kg: float


class ModelUse(Config):
    """A model that answered in the period."""

    number: int
    name: str | None
    """None where the store has it no more."""
    weights_sha256: str | None
    added: datetime | None
    who: str | None
    """Added it."""
    devices: int
    first: datetime
    last: datetime
    """Of its answers in the period."""


class LoggedDeed(Config):
    """Something that a person changed."""

    number: int
    """Of its line in the log."""
    time: datetime
    what: str
    who: str
    more: dict[str, Any]


class AnswerTimes(Config):
    """From the last image to the answer, in milliseconds."""

    median: float
    p99: float
    longest: float


class LogBounds(Config):
    """Which lines of the log a report is made of: each carries the hash of the one before."""

    first: int
    last: int
    last_hash: str


class LineReport(Config):
    """A line in a period; all times are in the zone that it is of."""

    place: str
    period: str
    since: datetime
    until: datetime
    """What the period is cut off at, where it is not over."""
    is_over: bool
    zone: str
    made: datetime
    complete: bool
    """Whether the log still has all of the period's lines."""
    bounds: LogBounds | None
    """None where the period has no line."""
    devices: int
    sorted: int
    late: int
    counts: tuple[CountedDevices, ...]
    reasons: tuple[CountedReason, ...]
    spans: tuple[SpanCount, ...]
    times: AnswerTimes | None
    bins_are_known: bool
    """Whether the line's store has a model that says which bin is right for what; else nothing counts as audited."""
    audited: AuditedRates
    availability: float | None
    conditions: tuple[ConditionTime, ...]
    stretches: tuple[ConditionStretch, ...]
    batteries: tuple[BatteryMass, ...]
    chemistries: tuple[ChemistryMass, ...]
    models: tuple[ModelUse, ...]
    active_before: int | None
    """Number of the model that was active when the period began, by the first answer in it; None without one."""
    deeds: tuple[LoggedDeed, ...]
    deeds_left_out: int
    failed_logins: int


def report_of(
    settings: LineSettings, period: Period, through: int | None = None, now: datetime | None = None
) -> LineReport:
    """Find in the log what a line did in a period.

    Args:
        settings: of the line.
        period: which one; what of it is still to come is left out.
        through: number of the last line of the log that may be told of; all when None.
        now: the time; the machine's when None.

    Raises:
        RgbxError: the period has not begun, or the log is missing or damaged.
    """
    now = now or datetime.now(UTC)
    if period.since >= now:
        raise RgbxError(f"the period {period.text()} has not begun: give an earlier one.")
    folder = LineFolder(settings.folder)
    if not folder.log.is_dir():
        raise InputError(folder.log, "does not exist", "run the line first, or correct 'folder' in its settings")
    cut = period._replace(until=min(period.until, now))
    knowledge = StoreKnowledge(folder.models)()
    classes = knowledge.classes()
    # Without a model nobody can say which bin is right: then nothing counts as audited.
    found = audited(folder, cut.since, cut.until, settings.review, through) if classes else []
    with LogTables(folder.log, cut.since, cut.until, through) as tables:
        counts = _counts(tables)
        labels = {each.label for each in counts if each.label is not None}
        bins = dict.fromkeys([*settings.bins, *sorted({each.bin for each in counts if each.bin}, key=natural_key)])
        conditions = stretches(tables, cut.since, cut.until)
        seconds = seconds_by_condition(conditions)
        batteries = _batteries(counts, settings.classes)
        models = _models(tables, ModelStore(folder.models), cut)
        deeds, failed = _deeds(tables, cut)
        reasons = tables.rows(
            "SELECT reason, count(*) FROM results WHERE bin IS NULL GROUP BY reason ORDER BY count(*) DESC, reason"
        )
        return LineReport(
            place="/".join(settings.place.model_dump().values()),
            period=period.text(),
            since=cut.local(cut.since),
            until=cut.local(cut.until),
            is_over=period.until <= now,
            zone=period.zone_name,
            made=cut.local(now),
            complete=_is_complete(folder, cut.since),
            bounds=_bounds(tables, cut),
            devices=sum(each.devices for each in counts),
            sorted=sum(each.devices for each in counts if each.bin is not None),
            late=sum(count for reason, count in reasons if reason == "late"),
            counts=counts,
            reasons=tuple(CountedReason(reason=reason or "none", devices=count) for reason, count in reasons),
            spans=tuple(_spans(tables, cut)),
            times=_times(tables),
            bins_are_known=bool(classes),
            audited=audited_rates(
                found,
                settings.review.random_share,
                knowledge.is_right,
                list(bins),
                sorted({*labels, *classes}, key=natural_key),
            ),
            availability=availability(seconds),
            conditions=tuple(ConditionTime(what=what, seconds=each) for what, each in seconds.items()),
            stretches=tuple(
                ConditionStretch(what=what, since=cut.local(since), until=cut.local(until))
                for since, until, what in conditions
            ),
            batteries=batteries,
            chemistries=_chemistries(batteries),
            models=models,
            active_before=_first_model(tables),
            deeds=deeds[:MOST_DEEDS],
            deeds_left_out=max(0, len(deeds) - MOST_DEEDS),
            failed_logins=failed,
        )


def _counts(tables: LogTables) -> tuple[CountedDevices, ...]:
    rows = tables.rows("SELECT label, bin, count(*) FROM results GROUP BY label, bin")
    found = [CountedDevices(label=label, bin=bin_name, devices=count) for label, bin_name, count in rows]
    return tuple(sorted(found, key=lambda each: (each.label is None, natural_key(each.label or ""), each.bin or "~")))


def _spans(tables: LogTables, period: Period) -> list[SpanCount]:
    spans = spans_of(period)
    rows = tables.rows(
        "SELECT place, count(bin), count(*) - count(bin), count(*) FILTER (WHERE reason = 'late') FROM results JOIN"
        " (SELECT unnest($places) AS place, unnest($begins) AS begins, unnest($ends) AS ends)"
        " ON us >= begins AND us < ends GROUP BY place",
        places=list(range(len(spans))),
        begins=[microseconds_of(span.since) for span in spans],
        ends=[microseconds_of(span.until) for span in spans],
    )
    counted = {place: found for place, *found in rows}
    return [
        SpanCount(
            title=span.title,
            since=period.local(span.since),
            until=period.local(span.until),
            **dict(zip(("sorted", "aside", "late"), counted.get(place, (0, 0, 0)), strict=True)),
        )
        for place, span in enumerate(spans)
    ]


def _times(tables: LogTables) -> AnswerTimes | None:
    ((median, p99, longest),) = tables.rows(
        "SELECT quantile_cont(latency_ms, 0.5), quantile_cont(latency_ms, 0.99), max(latency_ms) FROM results"
        " WHERE reason IS DISTINCT FROM 'late'"
    )
    return None if median is None else AnswerTimes(median=median, p99=p99, longest=longest)


def _bounds(tables: LogTables, period: Period) -> LogBounds | None:
    ((first, last, digest),) = tables.rows(
        "SELECT min(number), max(number), max_by(hash, number) FROM lines WHERE us >= $since AND us < $until",
        since=microseconds_of(period.since),
        until=microseconds_of(period.until),
    )
    return None if first is None else LogBounds(first=first, last=last, last_hash=digest)


def _is_complete(folder: LineFolder, since: datetime) -> bool:
    """Say whether no line of the period has been deleted for its age."""
    segments = segment_numbers(folder.log)
    if not segments or segments[0] == 1:
        return True
    with segment_path(folder.log, segments[0]).open("rb") as file:
        return datetime.fromisoformat(json.loads(file.readline())["time"]) <= since


def _batteries(counts: Sequence[CountedDevices], classes: Mapping[str, DeviceClass]) -> tuple[BatteryMass, ...]:
    devices: dict[str, int] = {}
    for each in counts:
        if each.label is not None and each.bin is not None:
            devices[each.label] = devices.get(each.label, 0) + each.devices
    found = []
    for label, count in devices.items():
        own = classes.get(label, DeviceClass())
        kg = None if own.battery_g is None else count * own.battery_g / 1e3
        mass = BatteryMass(label=label, chemistry=own.chemistry, devices=count, battery_g=own.battery_g, kg=kg)
        found.append(mass)
    return tuple(found)


def _chemistries(batteries: Sequence[BatteryMass]) -> tuple[ChemistryMass, ...]:
    found: dict[str, tuple[int, float]] = {}
    for each in batteries:
        if each.chemistry is not None and each.kg is not None:
            devices, kg = found.get(each.chemistry, (0, 0.0))
            found[each.chemistry] = devices + each.devices, kg + each.kg
    return tuple(
        ChemistryMass(chemistry=name, devices=devices, kg=kg)
        for name, (devices, kg) in sorted(found.items(), key=lambda pair: -pair[1][1])
    )


def _models(tables: LogTables, store: ModelStore, period: Period) -> tuple[ModelUse, ...]:
    known = store.models()
    rows = tables.rows("SELECT model, count(*), min(us), max(us) FROM results GROUP BY model ORDER BY min(number)")
    return tuple(
        ModelUse(
            number=number,
            name=known[number].name if number in known else None,
            weights_sha256=known[number].weights_sha256 if number in known else None,
            added=known[number].added if number in known else None,
            who=known[number].who if number in known else None,
            devices=count,
            first=period.local(moment_of(first)),
            last=period.local(moment_of(last)),
        )
        for number, count, first, last in rows
    )


def _first_model(tables: LogTables) -> int | None:
    ((number,),) = tables.rows("SELECT min_by(model, number) FROM results")
    return number


def _deeds(tables: LogTables, period: Period) -> tuple[tuple[LoggedDeed, ...], int]:
    """Return who changed what, and how often somebody gave a wrong password."""
    rows = tables.rows(
        "SELECT number, us, content FROM lines WHERE kind = $kind AND us >= $since AND us < $until ORDER BY number",
        kind=AUDIT,
        since=microseconds_of(period.since),
        until=microseconds_of(period.until),
    )
    deeds, failed = [], 0
    for number, us, content in rows:
        more = json.loads(content)
        what, who = more.pop("what"), more.pop("who")
        if what == LOGIN_FAILED:
            failed += 1
        else:
            deeds.append(LoggedDeed(number=number, time=period.local(moment_of(us)), what=what, who=who, more=more))
    return tuple(deeds), failed

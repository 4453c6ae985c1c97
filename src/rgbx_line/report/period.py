"""The period of a report, in one time zone, and the stretches that its charts are divided into."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from rgbx.errors import RgbxError

MOST_DAYS = 62
"""That are shown one by one; of a longer period weeks are, of more than a year months."""
MOST_WEEKS = 54
LONGEST_PERIOD = timedelta(days=20 * 366)


class Period(NamedTuple):
    """A stretch of time."""

    since: datetime
    """Aware; part of the period."""
    until: datetime
    """Aware; not part of it."""
    zone: tzinfo | None
    """That its days are of, and that all times are shown in; the machine's when None."""
    zone_name: str

    def local(self, moment: datetime) -> datetime:
        """Return a time as clocks show it in the period's zone."""
        return moment.astimezone(self.zone)

    def text(self) -> str:
        """Return it for people, its last moment included."""
        since, last = self.local(self.since), self.local(self.until)
        if since.time() == last.time() == time() and last > since:
            last -= timedelta(days=1)
            days = f"{since:%Y-%m-%d}" if since.date() == last.date() else f"{since:%Y-%m-%d} to {last:%Y-%m-%d}"
            return f"{days} ({self.zone_name})"
        return f"{since:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} ({self.zone_name})"


class Span(NamedTuple):
    """One of the stretches that a chart is divided into."""

    title: str
    since: datetime
    until: datetime


def read_period(since: str, until: str, zone: str | None = None) -> Period:
    """Return the period from one day, or moment, to another.

    Args:
        since: ``2026-03-01``, or ``2026-03-01T06:00``.
        until: likewise; a day is part of the period to its end, a moment is not.
        zone: name of the time zone, ``Europe/Berlin``; that of the machine when None.

    Raises:
        RgbxError: a text is none of these, or the period ends before it begins.
    """
    here = _zone(zone)
    begin, end = _moment(since, here, 0), _moment(until, here, 1)
    if end <= begin:
        raise RgbxError(f"a period from {since} until {until} has no end after its beginning: give a later one.")
    if end - begin > LONGEST_PERIOD:
        raise RgbxError(f"a period from {since} until {until} is too long: give one of 20 years at most.")
    name = zone or f"local time of the machine, UTC{begin.astimezone(here):%z}"
    return Period(begin, end, here, name)


def spans_of(period: Period) -> list[Span]:
    """Return hours of up to two days, days, weeks or months: few enough for a chart."""
    days = (period.until - period.since) / timedelta(days=1)
    if days <= 2:
        return _hours(period)
    first = period.local(period.since).date()
    if days <= MOST_DAYS:
        begins, form = _days(first, period, 1), "%d %b"
    elif days <= 7 * MOST_WEEKS:
        begins, form = _days(first - timedelta(days=first.weekday()), period, 7), "%d %b"
    else:
        begins, form = _months(first, period), "%b %Y"
    edges = [period.since, *(_midnight(day, period.zone) for day in begins[1:]), period.until]
    return [
        Span(f"{day:{form}}", since, until)
        for day, since, until in zip(begins, edges[:-1], edges[1:], strict=True)
        if until > since
    ]


def _hours(period: Period) -> list[Span]:
    """Return the hours of a clock; that are counted on in UTC, since an hour may come twice in a night."""
    begin = period.since.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    begins = []
    while begin < period.until:
        begins.append(begin)
        begin += timedelta(hours=1)
    return [
        Span(f"{period.local(hour):%H:%M}", max(hour, period.since), min(hour + timedelta(hours=1), period.until))
        for hour in begins
    ]


def _days(first: date, period: Period, step: int) -> list[date]:
    begins = [first]
    while _midnight(begins[-1] + timedelta(days=step), period.zone) < period.until:
        begins.append(begins[-1] + timedelta(days=step))
    return begins


def _months(first: date, period: Period) -> list[date]:
    begins = [first.replace(day=1)]
    while _midnight(following := (begins[-1] + timedelta(days=32)).replace(day=1), period.zone) < period.until:
        begins.append(following)
    return begins


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return _aware(datetime.combine(day, time()), zone)


def _aware(local: datetime, zone: tzinfo | None) -> datetime:
    """Return the moment at which clocks show a time; the first of two where they are set back."""
    return local.astimezone() if zone is None else local.replace(tzinfo=zone)


def _moment(text: str, zone: tzinfo | None, end_of_day: int) -> datetime:
    try:
        if len(text) == len("2026-03-01"):
            return _midnight(date.fromisoformat(text) + timedelta(days=end_of_day), zone).astimezone(UTC)
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else _aware(moment, zone)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise RgbxError(f"'{text}' is no day: write it as 2026-03-01, or as 2026-03-01T06:00.") from error


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise RgbxError(f"there is no time zone '{name}': write it as Europe/Berlin, or leave it out.") from error

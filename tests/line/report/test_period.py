"""Periods are of whole days in one time zone, also on nights in which clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import RgbxError
from rgbx_line.report.period import MOST_DAYS, read_period, spans_of

BERLIN = "Europe/Berlin"


def test_a_last_day_is_part_of_a_period_to_its_end():
    period = read_period("2026-03-01", "2026-03-31", BERLIN)
    assert period.since == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert period.until == datetime(2026, 3, 31, 22, tzinfo=UTC)  # clocks were put forward
    assert period.text() == "2026-03-01 to 2026-03-31 (Europe/Berlin)"
    assert read_period("2026-03-01", "2026-03-01", "UTC").text() == "2026-03-01 (UTC)"


def test_moments_are_as_they_are_said():
    period = read_period("2026-03-01T06:00", "2026-03-01T14:00+00:00", BERLIN)
    assert period.until - period.since == timedelta(hours=9)
    assert period.text() == "2026-03-01 06:00 to 2026-03-01 15:00 (Europe/Berlin)"


def test_without_a_zone_days_are_the_machines():
    period = read_period("2026-03-01", "2026-03-02")
    assert period.since == datetime(2026, 3, 1).astimezone()
    assert "local time of the machine" in period.text()


@pytest.mark.parametrize(
    ("since", "until", "zone", "said"),
    [
        ("2026-02-30", "2026-03-01", None, "'2026-02-30' is no day"),
        ("1.3.2026", "2026-03-01", None, "no day"),
        ("2026-03-02", "2026-03-01", None, "no end after its beginning"),
        ("0001-01-01T00:00", "2026-03-01", None, "no day|too long"),
        ("1990-01-01", "2026-03-01", None, "too long"),
        ("2026-03-01", "9999-12-31", None, "no day"),
        ("2026-03-01", "2026-03-02", "Europe/Nowhere", "no time zone"),
        ("2026-03-01", "2026-03-02", "../../etc/passwd", "no time zone"),
    ],
)
def test_what_is_no_period_is_refused(since, until, zone, said):
    with pytest.raises(RgbxError, match=said):
        read_period(since, until, zone)


@pytest.mark.parametrize(
    ("since", "until", "count", "first"),
    [
        ("2026-03-28", "2026-03-29", 47, "00:00"),  # an hour was left out
        ("2026-10-25", "2026-10-25", 25, "00:00"),  # and one came twice
        ("2026-03-01", "2026-03-31", 31, "01 Mar"),
        ("2026-01-01", "2026-06-30", 27, "29 Dec"),
        ("2025-01-01", "2026-12-31", 24, "Jan 2025"),
    ],
)
def test_spans_are_few_and_have_the_names_of_their_beginnings(since, until, count, first):
    spans = spans_of(read_period(since, until, BERLIN))
    assert (len(spans), spans[0].title) == (count, first)


moments = st.datetimes(datetime(2024, 1, 1), datetime(2027, 1, 1)).map(lambda time: time.replace(microsecond=0))


@given(
    first=moments,
    length=st.timedeltas(timedelta(seconds=1), timedelta(days=900)),
    zone=st.sampled_from([BERLIN, "UTC", None]),
)
def test_spans_fill_a_period_without_gap_or_overlap(first, length, zone):
    period = read_period(first.isoformat(), (first + length).isoformat(), zone)
    spans = spans_of(period)
    assert spans[0].since == period.since
    assert spans[-1].until == period.until
    assert all(before.until == after.since for before, after in pairwise(spans))
    assert all(span.since < span.until for span in spans)
    assert len(spans) <= MOST_DAYS + 1

"""How long a line was ready is found from what it noted, whatever it ended by."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgbx_line.contract import FaultCode
from rgbx_line.report.availability import (
    DOWN,
    FAULTS,
    HALTED_BY_PERSON,
    NOT_RECORDED,
    READY,
    STOPPED,
    STOPPING,
    availability,
    seconds_by_condition,
    stretches,
)
from rgbx_line.report.log_tables import LogTables
from rgbx_line.settings import LineFolder
from written_log import WrittenLog, written_log

DAY = datetime(2026, 3, 2, tzinfo=UTC)
END = DAY + timedelta(days=1)


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


@pytest.fixture
def folder(tmp_path) -> LineFolder:
    return LineFolder(tmp_path)


def seen(folder: LineFolder, since: datetime = DAY, until: datetime = END) -> list[tuple[float, float, str]]:
    """Return stretches in hours of the day."""
    with LogTables(folder.log, since, until) as tables:
        found = stretches(tables, since, until)
    return [((begin - DAY) / timedelta(hours=1), (end - DAY) / timedelta(hours=1), what) for begin, end, what in found]


def run_from(log: WrittenLog, begin: float, end: float) -> None:
    """Be ready and say so, as a line does, up to a moment at which it is killed or stopped."""
    log.at(at(begin), "started", {"model": 1, "who": "root"})
    time = begin
    while time < end:
        log.state(at(time), None)
        time += 0.08


def test_a_day_of_all_kinds(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        log.at(at(6), "started", {"model": 1, "who": "root"})
        log.state(at(6), FaultCode.STARTING)
        log.state(at(6.1), None)
        for tenth in range(62, 80):
            log.result(at(tenth / 10), "SP1", "phones")
        log.state(at(8), FaultCode.SOURCE)
        log.state(at(8.1), None)
        log.state(at(8.2), FaultCode.HALTED)
        for tenth in range(83, 90):
            log.state(at(tenth / 10), FaultCode.HALTED)
        log.state(at(9), None)
        log.state(at(9.1), FaultCode.NONE)
        log.at(at(9.1), "stopped", {})
    day = seen(folder)
    assert day == [
        (0.0, 6.0, NOT_RECORDED),
        (6.0, 6.1, "starting"),
        (6.1, 8.0, READY),
        (8.0, 8.1, "images could not be reached"),
        (8.1, 8.2, READY),
        (8.2, 9.0, HALTED_BY_PERSON),
        (9.0, 9.1, READY),
        (9.1, 24.0, STOPPED),
    ]
    with LogTables(folder.log, DAY, END) as tables:
        seconds = seconds_by_condition(stretches(tables, DAY, END))
    assert availability(seconds) == pytest.approx(2.1 / 2.3)


def test_a_line_that_was_killed_was_down_from_its_last_sign_of_life_on(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        run_from(log, 6, 7)
        log.result(at(7), "SP1", "phones")
        run_from(log, 9, 10)
        log.at(at(10), "stopped", {})
    assert seen(folder, at(6)) == [(6.0, 7.0, READY), (7.0, 9.0, DOWN), (9.0, 10.0, READY), (10.0, 24.0, STOPPED)]


def test_a_line_that_notes_nothing_any_more_is_down(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        run_from(log, 6, 7)
        log.result(at(7), "SP1", "phones")
    assert seen(folder, at(6)) == [(6.0, 7.0, READY), (7.0, 24.0, DOWN)]
    assert seen(folder, at(6), at(7.1)) == [(6.0, 7.1, READY)]  # it may just be quiet


def test_a_machine_that_slept_was_down_and_a_crash_after_a_stop_is_none(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        run_from(log, 6, 7)
        log.result(at(7), "SP1", "phones")
        log.state(at(12), None)
        log.at(at(12), "stopped", {})
        log.at(at(20), "started", {"model": 1, "who": "root"})
        log.state(at(20), None)
        log.at(at(20.1), "stopped", {})
    assert seen(folder, at(6)) == [
        (6.0, 7.0, READY),
        (7.0, 12.0, DOWN),
        (12.0, 20.0, STOPPED),
        (20.0, 20.1, READY),
        (20.1, 24.0, STOPPED),
    ]


def test_a_log_without_states_says_that_nothing_is_recorded(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        log.at(at(6), "started", {"model": 1, "who": "root"})
        log.result(at(7), "SP1", "phones")
        log.at(at(8), "stopped", {})
        log.at(at(9), "started", {"model": 1, "who": "root"})
    assert seen(folder) == [(0.0, 8.0, NOT_RECORDED), (8.0, 9.0, STOPPED), (9.0, 24.0, NOT_RECORDED)]
    assert availability({STOPPED: 60.0, NOT_RECORDED: 10.0}) is None


def test_what_was_before_a_period_is_known_from_before(folder, monkeypatch):
    with written_log(folder, monkeypatch) as log:
        log.at(at(-5), "started", {"model": 1, "who": "root"})
        for hour in range(-50, 240):
            log.state(at(hour / 10), None)
    assert seen(folder, DAY, at(12)) == [(0.0, 12.0, READY)]


def test_a_log_of_nothing_has_nothing(folder):
    folder.log.mkdir()
    assert seen(folder) == [(0.0, 24.0, NOT_RECORDED)]


def test_every_fault_has_words():
    assert set(FAULTS) == set(FaultCode) - {FaultCode.NONE}
    assert STOPPING not in FAULTS.values()


steps = st.lists(
    st.tuples(
        st.sampled_from(["started", "stopped", "result", None, *FaultCode]),
        st.floats(-1.5, 9.0),  # hours; the clock may go back
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_whatever_happens_the_conditions_fill_the_period(tmp_path_factory, monkeypatch, steps):
    folder = LineFolder(tmp_path_factory.mktemp("line"))
    with written_log(folder, monkeypatch) as log:
        hour = 0.0
        for what, later in steps:
            hour += later
            if what == "result":
                log.result(at(hour), "SP1", "phones")
            elif isinstance(what, str):
                log.at(at(hour), what, {"who": "root"})
            else:
                log.state(at(hour), what)
    found = seen(folder)
    assert found[0][0] == 0.0
    assert found[-1][1] == 24.0
    assert all(before[1] == after[0] for before, after in pairwise(found))
    assert all(begin < end for begin, end, _ in found)

"""The drift alarm reads a line's answers in order: the log alone says what it says."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from drift_line import DriftLine, drift_line
from fake_inference import FakeInference, run, until
from rgbx.errors import InputError
from rgbx.trust.drift.config import DriftConfig
from rgbx_line.channel import Link
from rgbx_line.contract import AUDIT
from rgbx_line.drift.report import ALARMED, DriftReport, forget_drift, read_drift
from rgbx_line.drift.watch import NOTE_AGAIN_S, DriftWatch, keep_watching
from rgbx_line.settings import LineSettings

CONFIG = DriftConfig(devices_a_day=100, tolerance=1.0)
FAULT = {"rgb warmth": -4.0}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DriftLine]:
    """A line whose light changes after 300 devices; nobody writes on it any more."""
    with drift_line(tmp_path_factory.mktemp("faulty")) as line:
        line.answers(300)
        line.answers(60, **FAULT)
        yield line


@pytest.fixture
def line(tmp_path: Path) -> Iterator[DriftLine]:
    with drift_line(tmp_path) as line:
        yield line


def read(line: DriftLine, watch: DriftWatch | None = None, config: DriftConfig = CONFIG) -> DriftWatch:
    """Read all that a line has written."""
    watch = watch or DriftWatch(line.folder, config, 0)
    while watch.number < line.log.number:
        watch.read_on(line.log.number)
    return watch


def test_a_change_of_light_is_said_to_be_the_cameras(faulty: DriftLine) -> None:
    (alarm,) = read(faulty).report().alarms
    assert (alarm.signal, alarm.cause) == ("rgb warmth", "camera")
    assert 300 < alarm.number <= 320
    assert 295 < alarm.since <= 305
    assert alarm.since_part == f"P{alarm.since}"
    assert alarm.since_time is not None
    assert alarm.strange > 0.8 * alarm.devices
    assert set(alarm.classes) == set("ABC")


@pytest.mark.parametrize("stops", [(100, 250), (250, 305, 330)])
def test_a_restart_changes_nothing(faulty: DriftLine, stops: tuple[int, ...]) -> None:
    """It may be killed after it kept its state, and after some that it had not kept."""
    forget(faulty)
    for place, stop in enumerate(stops):
        watch = DriftWatch(faulty.folder, CONFIG, 0)
        watch.read_on(stop)
        if place % 2 == 0:
            watch.keep(0.0)
    again = read(faulty).report()
    forget(faulty)
    assert again == read(faulty).report()
    assert again.alarms


def forget(line: DriftLine) -> None:
    (line.folder.drift / "state.json").unlink(missing_ok=True)


def test_it_begins_behind_what_the_log_held_before(line: DriftLine) -> None:
    line.answers(10, rgb=100.0)
    watch = DriftWatch(line.folder, CONFIG, 10)
    line.answers(5)
    read(line, watch)
    assert watch.number == 15
    assert max(watch.report().levels.values()) < 0.5


def test_a_candidates_answers_are_none_of_its_business(line: DriftLine) -> None:
    line.answers(50)
    before = read(line).report()
    line.shadow(50)
    after = read(line).report()
    assert after == before.updated({"number": 100})


def test_another_model_begins_anew(line: DriftLine) -> None:
    line.answers(300)
    line.answers(30, **FAULT)
    watch = read(line)
    assert watch.report().alarms
    line.answers(1, model=2)
    read(line, watch)
    assert not watch.report().alarms
    line.answers(200, model=2, xray=6.0)
    (alarm, *_) = read(line, watch).report().alarms
    assert alarm.cause == "X-ray tube or detector"


def test_a_model_that_is_not_calibrated_is_not_watched(line: DriftLine) -> None:
    line.answers(5, model=3)
    watch = read(line)
    watch.keep(0.0)
    assert "Model 3 is not calibrated" in read_drift(line.folder).trouble
    line.answers(5, model=1)
    assert not read(line, DriftWatch(line.folder, CONFIG, 0)).report().trouble


def test_a_part_that_nobody_looked_at_is_passed_over(line: DriftLine) -> None:
    line.answers(5)
    content = {**line.answers(1)[0].content, "result": None, "model_number": 2}
    line.log.append([("result", content)])
    watch = read(line)
    assert watch.report().levels
    assert not watch.trouble


@pytest.mark.parametrize("anew", [True, False])
def test_a_person_ends_an_alarm(line: DriftLine, anew: bool) -> None:
    """What is right from now on is learnt; what was to be mended, and was not, sounds again."""
    line.answers(300)
    line.answers(30, **FAULT)
    watch = read(line)
    (alarm,) = watch.report().alarms
    line.acknowledge({alarm.signal: alarm.number + 1, "xray noise": alarm.number}, anew)
    assert read(line, watch).report().alarms, "it is another alarm that was ended"
    line.acknowledge({alarm.signal: alarm.number}, anew)
    assert not read(line, watch).report().alarms
    line.answers(60, **FAULT)
    assert bool(read(line, watch).report().alarms) is not anew


def test_an_alarm_is_noted_until_the_log_holds_it(line: DriftLine) -> None:
    line.answers(300)
    line.answers(30, **FAULT)
    watch = read(line)
    (alarm,) = watch.unnoted(0.0)
    assert not watch.unnoted(NOTE_AGAIN_S - 1)
    assert watch.unnoted(NOTE_AGAIN_S) == [alarm]
    watch.keep(0.0)
    again = DriftWatch(line.folder, CONFIG, 0)
    assert again.unnoted(0.0) == [alarm]
    line.log.append([(AUDIT, {"what": ALARMED, "who": "the line", "signal": alarm.signal, "at": alarm.number})])
    for each in (watch, again):
        assert not read(line, each).unnoted(1e9)


def test_other_settings_keep_what_was_learnt_where_they_can(line: DriftLine) -> None:
    line.answers(300)
    watch = read(line)
    watch.keep(0.0)
    line.answers(30, **FAULT)
    rarely = read(line, config=CONFIG.updated({"false_alarms_a_year": 0.01}))
    assert rarely.report().alarms, "it knows what was usual"
    assert not read(line, config=CONFIG.updated({"reference": "line"})).report().alarms, "it began anew"
    blind = read(line, config=CONFIG.updated({"looks": False}))
    assert set(blind.report().levels) == {"rgb", "xray", "rgbx"}


def test_the_log_of_a_backup_is_another_one(line: DriftLine) -> None:
    line.answers(20)
    watch = read(line)
    watch.read_on(7)
    assert (watch.number, watch.report().levels) == (7, {})
    assert read(line, watch).report().levels


def test_a_damaged_state_is_said(line: DriftLine) -> None:
    line.folder.drift.mkdir()
    (line.folder.drift / "state.json").write_text("{}")
    with pytest.raises(InputError, match="delete it: the drift alarm then begins anew"):
        DriftWatch(line.folder, CONFIG, 0)


def test_what_was_said_last_is_told_until_nobody_watches(line: DriftLine) -> None:
    assert read_drift(line.folder) == DriftReport()
    line.answers(3)
    watch = read(line)
    watch.keep(0.0)
    assert read_drift(line.folder) == watch.report()
    forget_drift(line.folder)
    assert read_drift(line.folder) == DriftReport()


def test_a_running_watch_notes_its_alarm_and_reports_it(tmp_path: Path) -> None:
    """Before it began there was nothing; a damaged line of the log is trouble that it says."""
    with drift_line(tmp_path) as made:
        made.log.close()

        async def test() -> None:
            drift = {"devices_a_day": 1, "false_alarms_a_year": 0.0365, "tolerance": 1.0}
            given = LineSettings.model_validate(
                {"folder": tmp_path, "bundle": tmp_path / "one", "bins": {"A": 1}, "drift": drift}
            )
            async with FakeInference(tmp_path) as inference, Link(inference.folder.socket) as link:
                line = DriftLine(inference.folder, inference.log)
                line.answers(1)
                inference.tell()
                task = asyncio.create_task(keep_watching(given, link))
                await until(lambda: read_drift(line.folder).number == 1)
                line.answers(200)
                line.answers(30, **FAULT)
                inference.tell()
                await until(lambda: bool(inference.asked), 15.0)
                do, content = inference.asked[0]
                assert (do, content["what"], content["signal"]) == ("audit", ALARMED, "rgb warmth")
                assert content["who"]
                await until(lambda: bool(read_drift(line.folder).alarms))
                task.cancel()

        run(test())


def test_without_a_drift_alarm_nothing_is_said(line: DriftLine) -> None:
    line.answers(3)
    read(line).keep(0.0)

    async def test() -> None:
        given = LineSettings.model_validate(
            {"folder": line.folder.folder, "bundle": "one", "bins": {"A": 1}, "drift": None}
        )
        await keep_watching(given, Link(line.folder.socket))

    run(test())
    assert read_drift(line.folder) == DriftReport()

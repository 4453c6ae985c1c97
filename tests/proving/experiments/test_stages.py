import multiprocessing
import os
import threading

import pytest
from rich.console import Console

from rgbx_proving.experiments.stages import Stages


@pytest.fixture
def stages(tmp_path):
    return Stages(tmp_path, Console(quiet=True))


def test_a_finished_stage_is_not_run_again_and_keeps_its_time(stages, tmp_path):
    with stages.stage("first", "does something") as pending:
        assert pending
    spent = stages.seconds

    again = Stages(tmp_path, Console(quiet=True))
    with again.stage("first", "does something") as pending:
        assert not pending
    assert again.seconds == spent


def test_a_failed_stage_is_run_again(stages, tmp_path):
    with pytest.raises(RuntimeError), stages.stage("first", "fails"):
        raise RuntimeError

    with Stages(tmp_path, Console(quiet=True)).stage("first", "fails") as pending:
        assert pending


def test_what_another_run_finished_is_known_at_once(stages, tmp_path):
    other = Stages(tmp_path, Console(quiet=True))
    with stages.stage("models/mine", "mine"), other.stage("models/theirs", "theirs"):
        pass
    assert stages.is_done("models/theirs")
    assert other.is_done("models/mine")
    assert list(stages.seconds) == ["models/theirs", "models/mine"]


def test_a_stage_that_another_run_is_at_is_waited_for(stages, tmp_path):
    found = []

    def wait() -> None:
        with Stages(tmp_path, Console(quiet=True)).stage("set", "made by the other") as pending:
            found.append(pending)

    waiting = threading.Thread(target=wait)
    with stages.stage("set", "rendering"):
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
    waiting.join()
    assert found == [False]


def test_jobs_that_other_runs_are_at_come_last(stages, tmp_path, monkeypatch):
    other, made = Stages(tmp_path, Console(quiet=True)), []
    theirs = other.stage("first", "theirs")
    theirs.__enter__()
    monkeypatch.setattr("time.sleep", lambda _: theirs.__exit__(None, None, None))

    def job(name: str) -> str:
        with stages.stage(name, "mine") as pending:
            made.append((name, pending))
        return name.upper()

    results = stages.share({name: lambda name=name: job(name) for name in ("first", "second", "third")})
    assert made == [("second", True), ("third", True), ("first", False)]
    assert list(results.items()) == [("first", "FIRST"), ("second", "SECOND"), ("third", "THIRD")]


def test_a_job_that_fails_stops_the_others(stages):
    def fail() -> None:
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        stages.share({"one": fail, "another": lambda: pytest.fail("went on")})


def _take_and_die(folder) -> None:
    stages = Stages(folder, Console(quiet=True))
    stages.stage("set", "killed").__enter__()
    os._exit(1)


def test_what_a_killed_run_was_at_is_free_again(stages, tmp_path):
    killed = multiprocessing.get_context("spawn").Process(target=_take_and_die, args=(tmp_path,))
    killed.start()
    killed.join()
    assert killed.exitcode == 1
    with stages.stage("set", "once more") as pending:
        assert pending

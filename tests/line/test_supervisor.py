"""The line's processes: started, watched, started again, stopped; with a real (untrained) model."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_inference import part_result
from rgbx_line.contract import RESULT
from rgbx_line.log import LineLog
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.verify import verify
from rgbx_line.settings import LineFolder, LineSettings
from rgbx_line.supervisor import Supervisor, core_shares, notify_system
from running_line import RunningLine
from tiny_bundle import write_exported_bundle


@pytest.fixture
def line(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    write_exported_bundle(tmp_path / "model", tmp_path_factory)
    for name in ("camera", "detector"):
        (tmp_path / name).mkdir()
    running = RunningLine(tmp_path, images={"rgb": "camera", "xray": "detector", "pairing": {"settle": 0.0}})
    yield running
    running.end()


def test_what_is_killed_comes_back_and_no_part_is_lost_or_answered_twice(line: RunningLine) -> None:
    line.start()
    line.take("P1")
    line.wait_for(lambda: len(line.results()) == 1)

    os.kill(line.status()["inference"]["pid"], signal.SIGKILL)
    line.take("P2")
    line.wait_for(lambda: len(line.results()) == 2)
    assert line.status()["inference"]["restarts"] == 1

    assert line.process is not None
    line.process.kill()  # the supervisor, and all others with it
    line.process.wait()
    line.take("P3")
    line.start()
    line.wait_for(lambda: len(line.results()) == 3)

    os.kill(line.status()["inference"]["pid"], signal.SIGSTOP)  # it hangs
    line.wait_for(lambda: line.status()["inference"]["restarts"] == 1)
    line.take("P4")
    line.wait_for(lambda: len(line.results()) == 4)

    line.wait_for(lambda: not any(line.folder.glob("camera/*")))  # answered files are tidied up
    assert line.stop() == 0
    assert [(each.seq, each.part_id) for each in line.results()] == [(n, f"P{n}") for n in range(1, 5)]
    assert {each.reason for each in line.results()} <= {"no bin", "late"}
    assert verify(line.paths.log, line.paths.cursors).faults == ()


def test_a_second_line_in_the_same_folder_is_refused(line: RunningLine) -> None:
    line.start()
    line.wait_for(lambda: line.status().get("inference", {}).get("alive"))
    command = [sys.executable, "-m", "rgbx", "line", "run", str(line.file)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode != 0
    assert "is being written by another supervisor" in ran.stderr


def test_a_job_runs_beside_the_line_and_its_end_is_kept(line: RunningLine) -> None:
    command = [
        sys.executable,
        "-m",
        "rgbx",
        "line",
        "job",
        "add",
        str(line.file),
        "--who",
        "Ada",
        "--",
        "sets",
        "--help",
    ]
    assert subprocess.run(command, timeout=60, check=False).returncode == 0
    line.start()
    job = line.paths.jobs / "000001.json"
    line.wait_for(lambda: json.loads(job.read_text())["ended"])
    assert json.loads(job.read_text())["code"] == 0
    assert "Usage" in (line.paths.jobs / "000001.log").read_text()


def test_a_job_ends_with_the_process_that_runs_it() -> None:
    """Else it would go on beside its own second run."""
    job = "import time; print('begun', flush=True); time.sleep(60)"
    parent = (
        "import os, subprocess, sys; from functools import partial; from rgbx_line.lifeline import die_with\n"
        f"job = subprocess.Popen([sys.executable, '-c', {job!r}], preexec_fn=partial(die_with, os.getpid()))\n"
        "print(job.pid, flush=True); job.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        assert running.stdout.readline() == "begun\n"
        running.kill()
    end = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize(("history", "number"), [("new", 2), ("all", None)])
def test_a_broker_that_is_new_gets_the_last_result_first_unless_it_is_to_have_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, history: str, number: int | None
) -> None:
    folder = LineFolder(tmp_path)
    with LineLog(folder.log) as log:
        log.append([(RESULT, part_result(seq).model_dump(mode="json")) for seq in (1, 2, 3)])
        log.append([("audit", {"what": "halted", "who": "Ada"})])

    async def nothing(*_: object) -> None:
        pass

    monkeypatch.setattr(Supervisor, "_keep_running", nothing)
    settings = LineSettings.model_validate(
        {"folder": tmp_path, "bundle": tmp_path / "model", "bins": {}, "mqtt": {"history": history}}
    )

    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        await Supervisor(settings, tmp_path / "line.yaml").run(stop)

    asyncio.run(run())
    path = folder.cursors / "mqtt.json"
    assert (Cursor(path).number if path.exists() else None) == number


@pytest.mark.parametrize(
    ("asked", "available", "shares"),
    [
        ((), [0, 1], ({0}, {1})),
        ((), [3], ({3}, {3})),
        ((), [0, 1, 2, 3], ({0, 1, 2}, {3})),
        ((0, 1), [0, 1, 2, 3], ({0, 1}, {2, 3})),
        ((0, 1), [0, 1], ({0, 1}, {0, 1})),
    ],
)
def test_inference_has_cores_of_its_own_where_there_are_two(asked, available, shares) -> None:
    assert core_shares(asked, available) == shares


def test_the_system_is_told_as_systemd_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "n"))
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        notify_system("WATCHDOG=1")
        assert listening.recv(100) == b"WATCHDOG=1"
    notify_system("WATCHDOG=1")  # nobody listens any more
    monkeypatch.delenv("NOTIFY_SOCKET")
    notify_system("WATCHDOG=1")

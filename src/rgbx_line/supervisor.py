"""The process that starts the others, notices when one dies or hangs, and tells the system that all is well."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from rgbx.files import claim, write_json
from rgbx.processes import cores
from rgbx_line.channel import Link
from rgbx_line.contract import RESULT
from rgbx_line.log.cursor import begin_at_last
from rgbx_line.outlook import read_outlook
from rgbx_line.settings import LineFolder, LineSettings

BEAT_EVERY_S = 1.0
"""How often a process gives a sign of life."""
LEAVES_WITHIN_S = 9.0
"""After which a process that was asked to stop is killed."""
DRIVER = "driver:"
"""What the name of a driver's process begins with; the driver's own follows."""
PAUSES_S = (0.1, 1.0, 2.0, 5.0)
"""Before a process that died is started again: the first time, the second time, …; one that lives a minute is new."""
LIVES_S = 60.0
_log = structlog.get_logger("rgbx.line")


@dataclass
class Child:
    """One of the line's processes."""

    name: str
    niceness: int
    cores: frozenset[int]
    process: asyncio.subprocess.Process | None = None
    started: float = 0.0
    since: datetime | None = None
    beat: float = 0.0
    """When it last gave a sign of life."""
    restarts: int = 0
    failures: int = 0
    """In a row."""
    task: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def alive(self) -> bool:
        """Whether it runs, as far as is known."""
        return self.process is not None and self.process.returncode is None


class Supervisor:
    """Runs a line's processes until it is stopped.

    Args:
        settings: of the line.
        file: that they were read from, for the processes to read them again.
    """

    def __init__(self, settings: LineSettings, file: Path) -> None:
        self._settings = settings
        self._file = file
        self._folder = LineFolder(settings.folder)
        own, others = core_shares(settings.inference_cores, sorted(os.sched_getaffinity(0))[: cores()])
        self._children = [Child("inference", 0, own)]
        if settings.mqtt or settings.modbus or settings.opcua:
            self._children.append(Child("gateway", 0, others))
        if settings.web:
            self._children.append(Child("web", 10, others))  # pages wait for the line, not the line for pages
        self._children += [Child(f"{DRIVER}{driver.name}", 0, others) for driver in settings.drivers]
        self._children.append(Child("jobs", 19, others))

    async def run(self, stop: asyncio.Event) -> None:
        """Start all processes and keep them running until ``stop`` is set; then stop them.

        Raises:
            InputError: another supervisor runs this line, or its log is damaged.
        """
        self._settings.folder.mkdir(parents=True, exist_ok=True)
        lock = claim(self._settings.folder, self._settings.folder / ".lock", "supervisor", "stop that one first")
        if self._settings.mqtt is not None and self._settings.mqtt.history == "new":
            begin_at_last(self._folder.cursors / "mqtt.json", self._folder.log, RESULT)
        async with Link(self._folder.socket) as link:
            for child in self._children:
                child.task = asyncio.create_task(self._keep_running(child))
            told = False
            while not stop.is_set():
                self._kill_hung()
                self._write_status()
                well = all(child.alive for child in self._children)
                if well and link.state.ready and not told:
                    notify_system("READY=1")
                    told = True
                if well:
                    notify_system("WATCHDOG=1")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), BEAT_EVERY_S)
            notify_system("STOPPING=1")
            await self._stop_all()
            self._write_status()
        lock.release()

    async def _keep_running(self, child: Child) -> None:
        while True:
            await self._start(child)
            assert child.process is not None
            await child.process.wait()
            lived = time.monotonic() - child.started
            child.failures = 1 if lived > LIVES_S else child.failures + 1
            child.restarts += 1
            _log.error("process ended", process=child.name, code=child.process.returncode, lived_s=round(lived, 1))
            await asyncio.sleep(PAUSES_S[min(child.failures, len(PAUSES_S)) - 1])

    async def _start(self, child: Child) -> None:
        beats, gives = os.pipe()
        own = ",".join(map(str, sorted(child.cores)))
        what = [child.name, str(self._file), str(gives), str(os.getpid()), str(child.niceness), own]
        command = [sys.executable, "-m", "rgbx_line.child", *what]
        try:
            child.process = await asyncio.create_subprocess_exec(*command, pass_fds=(gives,), start_new_session=True)
        finally:
            os.close(gives)
        child.started = child.beat = time.monotonic()
        child.since = datetime.now(UTC)
        _log.info("process started", process=child.name, pid=child.process.pid)
        asyncio.get_running_loop().add_reader(beats, self._hear, child, beats)

    def _hear(self, child: Child, beats: int) -> None:
        if os.read(beats, 4096):
            child.beat = time.monotonic()
        else:  # its end is closed: it is gone
            asyncio.get_running_loop().remove_reader(beats)
            os.close(beats)

    def _kill_hung(self) -> None:
        for child in self._children:
            if child.alive and time.monotonic() - child.beat > self._settings.restart_within / 2:
                _log.error("process hangs", process=child.name)
                _signal(child, signal.SIGKILL)

    async def _stop_all(self) -> None:
        """Ask the processes to stop, inference last, so that its last answers can still be delivered."""
        end = time.monotonic() + LEAVES_WITHIN_S
        for child in self._children:
            if child.task is not None:
                child.task.cancel()
        first, *rest = self._children
        _signal(first, signal.SIGTERM)
        await _ended([first], end)
        for child in rest:
            _signal(child, signal.SIGTERM)
        await _ended(rest, end + 1.0)
        for child in self._children:
            _signal(child, signal.SIGKILL)

    def _write_status(self) -> None:
        processes = {
            child.name: {
                "pid": child.process.pid if child.process is not None else None,
                "alive": child.alive,
                "restarts": child.restarts,
                "since": child.since.isoformat() if child.since is not None else None,
            }
            for child in self._children
        }
        with contextlib.suppress(Exception):  # a full disk is inference's to report, and no reason to fall
            outlook = read_outlook(self._folder)
            going = [] if outlook is None else outlook.sentences()
            write_json(self._folder.status, {"supervisor": os.getpid(), "processes": processes, "going": going})


def core_shares(inference: Sequence[int], available: Sequence[int]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the cores for inference, and those for all else.

    Args:
        inference: as the settings say; all but the last when empty.
        available: to this process.
    """
    own = frozenset(inference) or frozenset(available[:-1]) or frozenset(available)
    return own, frozenset(available) - own or frozenset(available)


def notify_system(text: str) -> None:
    """Tell systemd, if it started this process, how the line is (``sd_notify``)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel,
        contextlib.suppress(OSError),
    ):
        channel.sendto(text.encode(), f"\0{address[1:]}" if address.startswith("@") else address)


def _signal(child: Child, number: signal.Signals) -> None:
    if child.process is not None and child.alive:
        with contextlib.suppress(ProcessLookupError):
            child.process.send_signal(number)


async def _ended(children: Sequence[Child], end: float) -> None:
    waiting = [child.process.wait() for child in children if child.process is not None]
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*waiting), max(0.1, end - time.monotonic()))

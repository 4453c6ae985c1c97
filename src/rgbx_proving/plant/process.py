"""What the twin runs beside itself: a line's supervisor, as systemd runs it, and a broker of its own."""

import asyncio
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from rgbx.files import write_text

STARTS_AGAIN_AFTER_S = 0.5
"""``RestartSec`` of the unit file that is shipped is of this order."""
STOPS_AFTER_S = 20.0


class KeptProcess:
    """A command that is started again whenever it ends.

    Args:
        command: to run.
        output: file that takes what it says.
        environment: what it has beside this process's own.
    """

    def __init__(self, command: Sequence[str], output: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._output = output
        self._environment = {**os.environ, **(environment or {})}
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._wanted = asyncio.Event()
        self.starts = 0
        """How often it was started."""

    @classmethod
    def line(cls, settings: Path, output: Path, environment: Mapping[str, str] | None = None) -> "KeptProcess":
        """Return what runs a line.

        Args:
            settings: its file.
            output: file that takes what it says.
            environment: what it has beside this process's own.
        """
        return cls([sys.executable, "-m", "rgbx", "line", "run", str(settings)], output, environment)

    def start(self) -> None:
        """Keep it running from now on."""
        self._wanted.set()
        self._task = asyncio.create_task(self._keep())

    def kill(self) -> None:
        """Kill it as a crash would."""
        self._signal(signal.SIGKILL)

    def take_away(self) -> None:
        """End it and do not start it again until told to."""
        self._wanted.clear()
        self._signal(signal.SIGTERM)

    def bring_back(self) -> None:
        """Start it again."""
        self._wanted.set()

    async def stop(self) -> float:
        """Ask it to stop, for good; return the seconds that it took. It is killed when they are too many."""
        start = time.monotonic()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._process is not None and self._process.returncode is None:
            self._signal(signal.SIGTERM)
            try:
                async with asyncio.timeout(STOPS_AFTER_S):
                    await self._process.wait()
            except TimeoutError:
                self._signal(signal.SIGKILL)
                await self._process.wait()
        return time.monotonic() - start

    async def _keep(self) -> None:
        while True:
            await self._wanted.wait()
            with self._output.open("ab") as output:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command, stdout=output, stderr=output, env=self._environment, start_new_session=True
                )
            self.starts += 1
            await self._process.wait()
            await asyncio.sleep(STARTS_AGAIN_AFTER_S)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)


def broker_process(port: int, folder: Path, output: Path) -> KeptProcess | None:
    """Return a broker that keeps what it holds over a restart; None where ``mosquitto`` is not installed.

    Args:
        port: to listen on, of this machine alone.
        folder: for its file and what it holds.
        output: file that takes what it says.
    """
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "listener": f"{port} 127.0.0.1",
        "allow_anonymous": "true",
        "persistence": "true",
        "persistence_location": f"{folder}/",
        "set_tcp_nodelay": "true",
        "max_queued_messages": "0",
        "user": "root",  # only looked at by a broker that root starts, which else could not write here
    }
    file = folder / "mosquitto.conf"
    write_text(file, "".join(f"{name} {value}\n" for name, value in settings.items()))
    return KeptProcess([program, "-c", str(file)], output)

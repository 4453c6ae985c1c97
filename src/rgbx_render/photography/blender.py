"""Blender as a separate process: found, started, fed with jobs, restarted, and never imported.

Blender is GPL and its Python module wants a Python and a NumPy of its own; so :class:`Blender` runs ``worker.py`` in
it and talks to it in JSON lines. A frame that crashes or hangs costs that frame's time only: it is tried once
more in a fresh process and then reported as :class:`FrameError`.
"""

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np

from rgbx.errors import MissingToolError
from rgbx.processes import cores
from rgbx.samples import LostSample

VARIABLE = "RGBX_BLENDER"
WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = Path(".venv-blender/bin/python")
X_LIBRARIES = ("libxi6", "libxxf86vm1", "libxfixes3", "libxrender1", "libxkbcommon0", "libsm6", "libgl1")
"""Debian packages that Blender loads even where there is no display."""
LOG_TAIL = 4000


class FrameError(LostSample):
    """One frame could not be rendered, twice; others can."""


class _ProcessError(Exception):
    """The Blender process died, hung, or answered something that is no answer."""


def find_blender() -> tuple[str, ...]:
    """Return the command that runs ``worker.py`` in Blender, without its arguments.

    Looked for in this order: the environment variable ``RGBX_BLENDER`` (a Python that has ``bpy``, or a Blender
    executable), ``.venv-blender`` in the current folder or beside the running Python's environment, and
    ``blender`` on the PATH.

    Raises:
        MissingToolError: there is none, or ``RGBX_BLENDER`` names no program.
    """
    named = os.environ.get(VARIABLE)
    if named:
        program = shutil.which(named)
        if program is None:
            raise MissingToolError(
                f"{VARIABLE} names '{named}', which is no program: set it to a Python that has bpy or to a "
                "Blender executable."
            )
        return _command(program)
    for folder in (Path.cwd(), Path(sys.prefix).parent):
        if os.access(folder / ENVIRONMENT, os.X_OK):
            return _command(str(folder / ENVIRONMENT))
    program = shutil.which("blender")
    if program is None:
        raise MissingToolError(
            "Blender was not found, and photographs are rendered with it: run 'python3.11 -m venv .venv-blender && "
            f'.venv-blender/bin/pip install "bpy>=4.5,<5.1" "numpy<2"\', or set {VARIABLE} to a Blender executable.'
        )
    return _command(program)


def _command(program: str) -> tuple[str, ...]:
    if Path(program).name.startswith("python"):
        return (program, str(WORKER))
    return (program, "--background", "--factory-startup", "--python-exit-code", "1", "--python", str(WORKER), "--")


def threads_of_each(workers: int | None) -> int:
    """Return how many render threads each of ``workers`` Blender processes gets, so that all cores have work."""
    return max(1, cores() // max(1, cores() if workers is None else workers))


class Blender:
    """One Blender process that renders the jobs of one scene script.

    Args:
        scene: the scene script; see ``worker.py`` for what it provides.
        threads: render threads; they change the speed, never the image.
        frame_seconds: a frame that takes longer is given up.
        start_seconds: how long Blender may take to start.
        frames_per_process: the process is replaced after this many, since the renderer's memory grows.

    Use it as a context manager, or :meth:`close` it. The process starts with the first frame and ends with its owner at
    the latest.
    """

    def __init__(
        self,
        scene: Path,
        *,
        threads: int = 1,
        frame_seconds: float = 300.0,
        start_seconds: float = 120.0,
        frames_per_process: int = 400,
    ) -> None:
        self._arguments = (*find_blender(), str(scene), str(threads))
        self._frame_seconds = frame_seconds
        self._start_seconds = start_seconds
        self._frames_per_process = frames_per_process
        self._process: _Process | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="rgbx-blender-")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process and remove its temporary files."""
        self._stop()
        self._folder.cleanup()

    def render(self, job: Mapping[str, Any]) -> np.ndarray:
        """Render one job.

        Args:
            job: what the scene script needs, as JSON.

        Returns:
            Linear light, float32 (H, W, 3), top row first.

        Raises:
            FrameError: it failed twice, the second time in a fresh process.
            MissingToolError: Blender cannot start.
        """
        frame = Path(self._folder.name) / "frame.npy"
        line = json.dumps({**job, "frame": str(frame)}, allow_nan=False)
        try:
            self._render(line)
        except _ProcessError:
            self._stop()
            try:
                self._render(line)
            except _ProcessError as error:
                self._stop()
                raise FrameError(f"Blender could not render a frame, twice: {error}") from error
        return np.load(frame)

    def _render(self, line: str) -> None:
        if self._process is not None and self._process.frames >= self._frames_per_process:
            self._stop()
        if self._process is None:
            self._process = _Process(self._arguments, Path(self._folder.name) / "log.txt", self._start_seconds)
            self._end = weakref.finalize(self, self._process.end)
        self._process.render(line, self._frame_seconds)

    def _stop(self) -> None:
        if self._process is not None:
            self._end()
            self._process = None


class _Process:
    """A running ``worker.py``: what it answers is read by a thread, so that waiting for it can time out."""

    def __init__(self, arguments: tuple[str, ...], log: Path, start_seconds: float) -> None:
        self.frames = 0
        self._log = log
        self._program = arguments[0]
        try:
            with log.open("wb") as chatter:
                self._popen = subprocess.Popen(
                    arguments,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=chatter,
                    env=_environment(),
                    start_new_session=True,  # so that end() also ends what a wrapper script has started
                )
        except OSError as error:
            raise MissingToolError(
                f"{self._program} cannot be run ({error.strerror}): set {VARIABLE} to a Python that has bpy or to a "
                "Blender executable."
            ) from error
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self._await_start(start_seconds)
        except BaseException:
            self.end()
            raise

    def render(self, line: str, seconds: float) -> None:
        assert self._popen.stdin is not None
        try:
            self._popen.stdin.write(line.encode() + b"\n")
            self._popen.stdin.flush()
        except OSError as error:
            raise _ProcessError(self._obituary()) from error
        answer = _parse(self._next(seconds))
        if answer is None:
            raise _ProcessError("it answered something that is no answer")
        if "done" not in answer:
            raise _ProcessError(str(answer.get("error", answer)).strip().splitlines()[-1])
        self.frames += 1

    def end(self) -> None:
        """Kill it: it keeps nothing that is worth an orderly end."""
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(self._popen.pid, signal.SIGKILL)
        else:  # Windows
            self._popen.kill()
        self._popen.wait()
        for stream in (self._popen.stdin, self._popen.stdout):
            if stream is not None:
                with suppress(OSError):  # what was still buffered for a dead process
                    stream.close()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        with suppress(ValueError):  # closed by end()
            for line in self._popen.stdout:
                self._lines.put(line)
        self._lines.put(None)

    def _next(self, seconds: float) -> bytes:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            raise _ProcessError(f"it took longer than {seconds:g} s") from None
        if line is None:
            raise _ProcessError(self._obituary())
        return line

    def _await_start(self, seconds: float) -> None:
        # A Blender executable greets on stdout before the worker takes it over, so other lines may come first.
        try:
            while True:
                answer = _parse(self._next(seconds))
                if answer is not None and "ready" in answer:
                    return
                if answer is not None and "unusable" in answer:
                    raise MissingToolError(_why_unusable(self._program, str(answer["unusable"])))
        except _ProcessError as error:
            raise MissingToolError(
                f"{self._program} does not start as Blender ({error}): set {VARIABLE} to a Python that has bpy or to a "
                "Blender executable."
            ) from error

    def _obituary(self) -> str:
        code = self._popen.wait()
        lines = self._log.read_bytes()[-LOG_TAIL:].decode(errors="replace").strip().splitlines()
        said = f", and its last words were '{lines[-1].strip()}'" if lines else ""
        return f"it ended with code {code}{said}"


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(line)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def _why_unusable(program: str, reason: str) -> str:
    if ".so" in reason:
        return (
            f"Blender cannot start ({reason}): install the libraries it wants with 'apt-get install -y "
            f"{' '.join(X_LIBRARIES)}' (as root)."
        )
    return f'{program} cannot import Blender ({reason}): run \'{program} -m pip install "bpy>=4.5,<5.1" "numpy<2"\'.'


def _environment() -> dict[str, str]:
    """Return this process's environment less what would lead Blender's Python to our packages."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}

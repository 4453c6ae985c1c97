"""Stages of a long experiment: each is done once, timed, and left out when the experiment goes on after a stop.

Several runs may share a folder, say one for each GPU: what one is at, no other begins.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout
from pydantic import Field
from rich.console import Console
from rich.markup import escape

from rgbx.config import Config
from rgbx.files import read_json, write_json

LOOK_AGAIN_S = 5.0
"""After how long to look whether another run has finished."""
Made = TypeVar("Made")


class MadeElsewhere(Exception):
    """Another run is at a stage."""


class _State(Config):
    """What ``stages.json`` holds."""

    done: tuple[str, ...] = ()
    seconds: dict[str, float] = Field(default_factory=dict)
    """In the order they were first run."""


class Stages:
    """Runs named stages in order and remembers in ``stages.json`` which are done and how long each took.

    A stage that was stopped half-way keeps the seconds it had spent; what it left on disk is its own to resume.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._folder = folder
        self._console = console
        self._waits = True

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, in the order they were first run."""
        return {name: round(spent, 1) for name, spent in self._state().seconds.items()}

    def is_done(self, name: str) -> bool:
        """Return whether a stage was finished, by this run or another."""
        return name in self._state().done

    @contextmanager
    def stage(self, name: str, purpose: str) -> Iterator[bool]:
        """Time the block as the stage ``name``; yields whether there is anything to do.

        Args:
            name: short and stable, the key in ``seconds``.
            purpose: what it does, printed as a heading.

        Raises:
            MadeElsewhere: another run is at it, and there are other jobs to do (:meth:`share`); else it is waited for.
        """
        with self._claimed(name):
            pending = not self.is_done(name)
            note = "" if pending else " [dim](done before)[/]"
            self._console.print(f"[bold cyan]{escape(name)}[/]  {escape(purpose)}{note}")
            start, finished = time.monotonic(), False
            try:
                yield pending
                finished = True
            finally:
                if pending:
                    self._record(name, time.monotonic() - start, finished)

    def share(self, jobs: Mapping[str, Callable[[], Made]]) -> dict[str, Made]:
        """Run jobs made of stages and return their results; what other runs are at is left to them and comes last.

        A job is begun again where it met such a stage, so what it does between stages should be cheap.

        Args:
            jobs: by what they are for, printed as a heading.
        """
        results: dict[str, Made] = {}
        begun: set[str] = set()
        while len(results) < len(jobs):
            before = len(results)
            for purpose, job in jobs.items():
                if purpose in results:
                    continue
                if purpose not in begun:
                    self._console.print(f"[bold]{escape(purpose)}[/]", highlight=False)
                    begun.add(purpose)
                with suppress(MadeElsewhere), self._not_waiting():
                    results[purpose] = job()
            if len(results) == before:
                time.sleep(LOOK_AGAIN_S)
        return {purpose: results[purpose] for purpose in jobs}

    @contextmanager
    def _not_waiting(self) -> Iterator[None]:
        self._waits = False
        try:
            yield
        finally:
            self._waits = True

    @contextmanager
    def _claimed(self, name: str) -> Iterator[None]:
        lock = self._lock(name)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not self._waits:
                raise MadeElsewhere(name) from None
            self._console.print(f"[bold cyan]{escape(name)}[/]  [dim]another run is at it, waiting[/]")
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _record(self, name: str, spent: float, finished: bool) -> None:
        with self._lock("stages"):
            state = self._state()
            done = (*state.done, name) if finished else state.done
            seconds = {**state.seconds, name: state.seconds.get(name, 0.0) + spent}
            write_json(self._file, _State(done=done, seconds=seconds).model_dump(mode="json"))

    def _state(self) -> _State:
        return _State.model_validate(read_json(self._file)) if self._file.exists() else _State()

    def _lock(self, name: str) -> FileLock:
        folder = self._folder / ".locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name.replace('/', '-')}.lock")

    @property
    def _file(self) -> Path:
        return self._folder / "stages.json"

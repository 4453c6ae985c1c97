"""Stages of a long experiment: each is done once, timed, and left out when the experiment goes on after a stop."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from rgbx.files import read_json, write_json


class Stages:
    """Runs named stages in order and remembers in ``stages.json`` which are done and how long each took.

    A stage that was stopped half-way keeps the seconds it had spent; what it left on disk is its own to resume.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self._file = folder / "stages.json"
        self._console = console
        state = read_json(self._file) if self._file.exists() else {"done": [], "seconds": {}}
        self._done: list[str] = state["done"]
        self._seconds: dict[str, float] = state["seconds"]

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each stage so far, in the order they were first run."""
        return {name: round(spent, 1) for name, spent in self._seconds.items()}

    def is_done(self, name: str) -> bool:
        """Return whether a stage was finished."""
        return name in self._done

    @contextmanager
    def stage(self, name: str, purpose: str) -> Iterator[bool]:
        """Time the block as the stage ``name``; yields whether there is anything to do.

        Args:
            name: short and stable, the key in ``seconds``.
            purpose: what it does, printed as a heading.
        """
        pending = name not in self._done
        note = "" if pending else " [dim](done before)[/]"
        self._console.print(f"[bold cyan]{escape(name)}[/]  {escape(purpose)}{note}")
        start = time.monotonic()
        try:
            yield pending
            if pending:
                self._done.append(name)
        finally:
            if pending:
                self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - start
                write_json(self._file, {"done": self._done, "seconds": self._seconds})

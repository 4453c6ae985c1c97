"""Progress of long work: a bar with an estimate on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

Item = TypeVar("Item")

LOG_EVERY_SECONDS = 30.0


def track(items: Iterable[Item], description: str, *, total: int, completed: int = 0) -> Iterator[Item]:
    """Yield ``items`` while showing how many of ``total`` are done, ``completed`` of them beforehand."""
    console = Console(file=sys.stderr)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console) as progress:
            task = progress.add_task(description, total=total, completed=completed)
            for item in items:
                yield item
                progress.advance(task)
    else:
        yield from _logged(items, description, total, completed)


def _logged(items: Iterable[Item], description: str, total: int, completed: int) -> Iterator[Item]:
    start = last = time.monotonic()
    done = completed
    for item in items:
        yield item
        done += 1
        now = time.monotonic()
        if now - last >= LOG_EVERY_SECONDS or done == total:
            left = (now - start) / (done - completed) * (total - done)
            print(f"{description}: {done}/{total}, {now - start:.0f} s, about {left:.0f} s left", file=sys.stderr)
            last = now

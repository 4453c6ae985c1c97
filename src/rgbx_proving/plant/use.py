"""How much memory and how many descriptors a line's processes hold while it runs."""

import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from rgbx_line.settings import LineFolder
from rgbx_proving.plant.faults import running_processes

MEASURE_EVERY_S = 5.0
_MEGABYTE = 2**20


class Use(NamedTuple):
    """What one process holds at one time."""

    pid: int
    memory_mb: float
    descriptors: int


class Growth(NamedTuple):
    """The means of the second and of the last fifth of a process's time."""

    memory_mb: tuple[float, float]
    descriptors: tuple[float, float]


async def measure_use(folder: LineFolder, used: dict[str, list[Use]]) -> None:
    """Measure again and again until cancelled.

    Args:
        folder: of the line.
        used: takes what is measured, by process.
    """
    while True:
        for name, pid in running_processes(folder).items():
            with suppress(OSError):  # it has ended since
                used.setdefault(name, []).append(_use_of(pid))
        await asyncio.sleep(MEASURE_EVERY_S)


def growth(used: Sequence[Use]) -> Growth | None:
    """Return how much more a process holds in the end; None where it ran too shortly, or was started again."""
    if len(used) < 5 or len({each.pid for each in used}) > 1:
        return None
    fifth = len(used) // 5
    spans = used[fifth : 2 * fifth], used[-fifth:]
    memory, descriptors = (
        tuple(round(sum(each[column] for each in span) / fifth, 1) for span in spans) for column in (1, 2)
    )
    return Growth((memory[0], memory[1]), (descriptors[0], descriptors[1]))


def _use_of(pid: int) -> Use:
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    memory = pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE
    return Use(pid, round(memory, 1), sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir()))

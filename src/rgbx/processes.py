"""Work shared between processes or threads of this machine."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import TypeVar

_NO_QUOTA = 1e6
"""Cores."""

Job = TypeVar("Job")
Done = TypeVar("Done")


def cores() -> int:
    """Return how many cores this process may use: fewer than the machine has under ``taskset`` or in a container."""
    return max(1, min(_bound_to(), int(cpu_quota())))


def _bound_to() -> int:
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; heeds PYTHON_CPU_COUNT too
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def cpu_quota(root: Path = Path("/")) -> float:
    """Return how many cores' time Linux's control groups grant this process; as good as endless without a limit.

    A container may compute on any core, but when all its threads together have used up their share of a tenth of a
    second, all of them stand still until the next.

    Args:
        root: of the file system that ``proc`` and ``sys`` lie in.
    """
    granted = [_NO_QUOTA]
    groups = [line.split(":", 2) for line in _read(root / "proc/self/cgroup").splitlines() if line]
    for _, controllers, place in groups:
        if controllers and "cpu" not in controllers.split(","):
            continue
        mount = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        inner = mount / place.strip("/")
        for folder in (inner, *inner.parents):  # within a container, only the mount itself may be there
            limit, period = _limit(folder)
            if limit > 0 < period:
                granted.append(limit / period)
            if folder == mount:
                break
    return min(granted)


def _limit(folder: Path) -> tuple[float, float]:
    """Return the time granted in a period, in µs, by version 2 or 1 of control groups; -1 where there is no limit."""
    said = _read(folder / "cpu.max").split() or [
        *_read(folder / "cpu.cfs_quota_us").split(),
        *_read(folder / "cpu.cfs_period_us").split(),
    ]
    return (float(said[0]), float(said[1])) if len(said) == 2 and said[0] != "max" else (-1, -1)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def in_processes(work: Callable[[Job], Done], jobs: Sequence[Job], workers: int | None = None) -> Iterator[Done]:
    """Do every job once, in any order, and yield what each returns.

    Args:
        work: a function of a module (it must be picklable); so must be jobs and results.
        jobs: what to do.
        workers: processes; as many as there are cores when None, 0 works in this one.

    Raises:
        Exception: the first that ``work`` raises; what has not begun by then is never done.
    """
    if workers == 0:
        yield from map(work, jobs)
    elif jobs:
        with ProcessPoolExecutor(workers or cores(), multiprocessing.get_context("spawn")) as pool:
            try:
                for future in as_completed([pool.submit(work, job) for job in jobs]):
                    yield future.result()
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


def in_threads(work: Callable[[Job], Done], jobs: Sequence[Job]) -> list[Done]:
    """Do every job once, as many at a time as there are cores, and return what they return in the order of the jobs.

    Worth it for work that lets go of Python's lock: decoding, OpenCV, NumPy on large arrays, a runtime.

    Raises:
        Exception: what ``work`` raises for the first job that fails.
    """
    if len(jobs) < 2:
        return [work(job) for job in jobs]
    with ThreadPoolExecutor(min(len(jobs), cores())) as pool:
        return list(pool.map(work, jobs))

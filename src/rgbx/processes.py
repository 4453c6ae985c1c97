"""Work shared between processes or threads of this machine."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from typing import TypeVar

Job = TypeVar("Job")
Done = TypeVar("Done")


def cores() -> int:
    """Return how many cores this process may use: fewer than the machine has under ``taskset`` or in a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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

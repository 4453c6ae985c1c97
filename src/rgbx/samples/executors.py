"""Where samples are rendered: in this process, over a pool of processes, or on a Ray cluster.

Whichever it is, rendered images come back to the process that runs the set, which alone writes images and records.
So a worker, or a machine, that is lost in mid-work leaves nothing behind, and nodes need no disk in common.
"""

import multiprocessing
import os
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.sharedctypes import Synchronized

from rgbx.errors import ConfigError
from rgbx.processes import cores
from rgbx.samples.jobs import Executor, LostSample, RenderedSample, Renderer, RenderJob, attempt
from rgbx.samples.seeds import SampleKey


def choose_executor(workers: int | None = None, ray: str | None = None) -> Executor:
    """Return where to render.

    Args:
        workers: processes on this machine; as many as there are cores when None, 0 renders in this one.
        ray: ``"local"``, or the address of a Ray cluster, to render with Ray.

    Raises:
        ConfigError: workers are given along with the address of a cluster, which has its own.
        MissingToolError: Ray is not installed.
    """
    if ray is not None:
        from rgbx.samples.ray_cluster import RayCluster

        if ray != "local" and workers is not None:
            raise ConfigError("--workers counts processes on this machine, not in a Ray cluster: leave it out.")
        return RayCluster(ray, max(1, cores() if workers is None else workers))
    return InProcess() if workers == 0 else Pool(workers or cores())


class InProcess:
    """Renders in this process."""

    def run(self, job: RenderJob, keys: Sequence[SampleKey]) -> Generator[RenderedSample | LostSample, None, None]:
        """See :class:`Executor`."""
        renderer = job.renderer()
        for key in keys:
            yield attempt(renderer, key)


class Pool:
    """Renders over processes of this machine, each on cores of its own."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, job: RenderJob, keys: Sequence[SampleKey]) -> Generator[RenderedSample | LostSample, None, None]:
        """See :class:`Executor`."""
        context = multiprocessing.get_context("spawn")
        queue = iter(keys)
        started = context.Value("i", 0)
        with ProcessPoolExecutor(self.workers, context, _start_worker, (started, self.workers, job)) as pool:
            try:
                waiting = [pool.submit(_render, key) for key in islice(queue, 4 * self.workers)]
                while waiting:
                    done = wait(waiting, return_when=FIRST_COMPLETED).done
                    for future in [future for future in waiting if future in done]:  # in order, for the first error
                        waiting.remove(future)
                        yield future.result()
                        waiting += [pool.submit(_render, key) for key in islice(queue, 1)]
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise


_renderer: Renderer
"""Of this worker process."""


def _start_worker(started: Synchronized, workers: int, job: RenderJob) -> None:
    global _renderer
    with started.get_lock():
        number = started.value
        started.value += 1
    _keep_to_own_cores(number, workers)
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _renderer = job.renderer()


def _keep_to_own_cores(worker: int, workers: int) -> None:
    """Share the cores out: a program started by one worker (Blender spins while it waits) must not slow another."""
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, own[worker % len(own) :: workers])


def _end_with_parent() -> None:
    """End this process when the one that started it was killed, which would leave it waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_any([parent.sentinel])
    os._exit(1)


def _render(key: SampleKey) -> RenderedSample | LostSample:
    return attempt(_renderer, key)

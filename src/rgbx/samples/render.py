"""Rendering a set over several processes, with progress, resume and the same bytes for any number of them."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import islice
from multiprocessing.connection import wait as wait_for_any
from multiprocessing.sharedctypes import Synchronized
from typing import Any, Protocol

from rgbx.errors import RgbxError
from rgbx.progress import track
from rgbx.samples.record import SampleRecord
from rgbx.samples.seeds import SampleKey
from rgbx.samples.sets import SampleSet


class Renderer(Protocol):
    """Renders one sample into the set's folder (image first, whole) and returns its record."""

    def __call__(self, key: SampleKey) -> SampleRecord: ...


class LostSample(RgbxError):
    """One sample could not be rendered; the others still can, and this one may be tried again."""


_renderer: Renderer


def render_samples(
    samples: SampleSet,
    keys: Sequence[SampleKey],
    make_renderer: Callable[..., Renderer],
    arguments: tuple[Any, ...] = (),
    *,
    suffix: str = ".png",
    workers: int | None = None,
    description: str = "rendering",
) -> None:
    """Render every sample of ``keys`` that ``samples`` lacks, then finish the set.

    Args:
        samples: the set, from :meth:`SampleSet.create`.
        keys: all samples the finished set shall have.
        make_renderer: called once in each worker process with ``arguments``; must be importable (picklable).
        arguments: what ``make_renderer`` needs; sent to each worker once.
        suffix: of the image files.
        workers: processes; the number of cores when None; 0 renders in this process.
        description: shown beside the progress bar.

    Raises:
        RgbxError: some samples were lost (:class:`LostSample`); all others are there, and the set is not finished.
    """
    missing = samples.missing(keys, suffix)
    done = len(keys) - len(missing)
    if missing:
        if workers == 0:
            renderer = make_renderer(*arguments)
            results: Iterable[SampleRecord | LostSample] = (_attempt(renderer, key) for key in missing)
        else:
            results = _render_in_pool(missing, make_renderer, arguments, workers or os.cpu_count() or 1)
        lost: list[LostSample] = []
        for result in track(results, description, total=len(keys), completed=done):
            if isinstance(result, LostSample):
                lost.append(result)
            else:
                samples.add(result)
        if lost:
            raise RgbxError(
                f"{len(lost)} of {len(keys)} samples could not be rendered (the first: {lost[0]}): run the same "
                "command again, it tries only these."
            )
    samples.finish()


def _render_in_pool(
    keys: Sequence[SampleKey], make_renderer: Callable[..., Renderer], arguments: tuple[Any, ...], workers: int
) -> Iterable[SampleRecord | LostSample]:
    context = multiprocessing.get_context("spawn")
    queue = iter(keys)
    started = context.Value("i", 0)
    with ProcessPoolExecutor(workers, context, _start_worker, (started, workers, make_renderer, arguments)) as pool:
        try:
            waiting = [pool.submit(_render, key) for key in islice(queue, 4 * workers)]
            while waiting:
                done = wait(waiting, return_when=FIRST_COMPLETED).done
                for future in [future for future in waiting if future in done]:  # in order, for the first error
                    waiting.remove(future)
                    yield future.result()
                    waiting += [pool.submit(_render, key) for key in islice(queue, 1)]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker(
    started: Synchronized, workers: int, make_renderer: Callable[..., Renderer], arguments: tuple[Any, ...]
) -> None:
    global _renderer
    with started.get_lock():
        number = started.value
        started.value += 1
    _keep_to_own_cores(number, workers)
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _renderer = make_renderer(*arguments)


def _keep_to_own_cores(worker: int, workers: int) -> None:
    """Share the cores out: a program started by one worker (Blender spins while it waits) must not slow another."""
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[worker % len(cores) :: workers])


def _end_with_parent() -> None:
    """End this process when the one that started it was killed, which would leave it waiting for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_any([parent.sentinel])
    os._exit(1)


def _render(key: SampleKey) -> SampleRecord | LostSample:
    return _attempt(_renderer, key)


def _attempt(renderer: Renderer, key: SampleKey) -> SampleRecord | LostSample:
    try:
        return renderer(key)
    except LostSample as error:
        return LostSample(f"{key.stem}: {str(error).rstrip('.')}")

"""Rendering a set over several processes, with progress, resume and the same bytes for any number of them."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from typing import Any, Protocol

from rgbx.progress import track
from rgbx.samples.record import SampleRecord
from rgbx.samples.seeds import SampleKey
from rgbx.samples.sets import SampleSet


class Renderer(Protocol):
    """Renders one sample into the set's folder (image first, whole) and returns its record."""

    def __call__(self, key: SampleKey) -> SampleRecord: ...


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
    """
    missing = samples.missing(keys, suffix)
    done = len(keys) - len(missing)
    if missing:
        if workers == 0:
            records: Iterable[SampleRecord] = map(make_renderer(*arguments), missing)
        else:
            records = _render_in_pool(missing, make_renderer, arguments, workers or os.cpu_count() or 1)
        for record in track(records, description, total=len(keys), completed=done):
            samples.add(record)
    samples.finish()


def _render_in_pool(
    keys: Sequence[SampleKey], make_renderer: Callable[..., Renderer], arguments: tuple[Any, ...], workers: int
) -> Iterable[SampleRecord]:
    context = multiprocessing.get_context("spawn")
    queue = iter(keys)
    with ProcessPoolExecutor(workers, context, _start_worker, (make_renderer, arguments)) as pool:
        try:
            waiting: set[Future[SampleRecord]] = {pool.submit(_render, key) for key in islice(queue, 4 * workers)}
            while waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield future.result()
                    waiting |= {pool.submit(_render, key) for key in islice(queue, 1)}
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _start_worker(make_renderer: Callable[..., Renderer], arguments: tuple[Any, ...]) -> None:
    global _renderer
    os.environ.setdefault("NUMBA_NUM_THREADS", "1")
    _renderer = make_renderer(*arguments)


def _render(key: SampleKey) -> SampleRecord:
    return _renderer(key)

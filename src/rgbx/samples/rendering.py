"""Rendering a set, or a shard of it, with progress, resume and the same bytes wherever its samples are rendered."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx.files import write_bytes
from rgbx.pictures import encode_image
from rgbx.progress import track
from rgbx.samples.executors import choose_executor
from rgbx.samples.jobs import Executor, LostSample, RenderedSample, RenderJob
from rgbx.samples.overview import write_overview
from rgbx.samples.record import SampleRecord, SetHeader
from rgbx.samples.seeds import SampleKey
from rgbx.samples.sets import SampleSet
from rgbx.samples.shards import WHOLE, Shard

_INPUTS = ".inputs-"
"""Begins the names of folders in a set that hold what its renderers read; each shard has its own."""


def render_set(
    out: Path,
    header: SetHeader,
    keys: Sequence[SampleKey],
    prepare: Callable[[Path], RenderJob],
    *,
    suffix: str,
    description: str,
    workers: int | None = None,
    shard: Shard = WHOLE,
    ray: str | None = None,
) -> SampleSet | None:
    """Render a set with its ``overview.png``, or go on with one that was interrupted.

    Args:
        out: folder of the set.
        header: what the set is.
        keys: all samples it shall have.
        prepare: given a folder, puts there what the renderers read and is not there yet, and returns the job. The
            folder outlives a run that was interrupted, and goes when the shard is complete.
        suffix: of the image files.
        description: shown beside the progress bar.
        workers: processes, see :func:`choose_executor`.
        shard: which part of the set to render.
        ray: address of a Ray cluster to render on, or ``"local"``, see :func:`choose_executor`.

    Returns:
        The set; None while other shards of it are missing.

    Raises:
        InputError: ``out`` holds something else, or no cluster answers.
        RgbxError: single samples were lost; the others are there.
    """
    executor = choose_executor(workers, ray)
    samples = SampleSet.create(out, header, shard)
    inputs = out / f"{_INPUTS}{header.digest()}{shard.suffix}"
    if samples.missing(keys, suffix):
        complete = render_samples(samples, keys, prepare(inputs), executor, suffix=suffix, description=description)
    else:
        complete = samples.finish()
    # Once the set is complete nobody needs any, nor what runs left that were killed.
    for folder in out.glob(f"{_INPUTS}*") if complete else [inputs]:
        shutil.rmtree(folder, ignore_errors=True)
    if not complete:
        return None
    write_overview(samples)
    return samples


def render_samples(
    samples: SampleSet,
    keys: Sequence[SampleKey],
    job: RenderJob,
    executor: Executor,
    *,
    suffix: str = ".png",
    description: str = "rendering",
) -> bool:
    """Render every sample of ``keys`` that ``samples`` lacks, then finish the shard and, if it was the last, the set.

    Args:
        samples: the set, or a shard of it, from :meth:`SampleSet.create`.
        keys: all samples the finished set shall have.
        job: what renders them.
        executor: where, from :func:`choose_executor`.
        suffix: of the image files.
        description: shown beside the progress bar.

    Returns:
        Whether the set is complete: False while other shards are missing.

    Raises:
        RgbxError: some samples were lost (:class:`LostSample`); all others are there, and the set is not finished.
    """
    total = sum(samples.shard.has(key.number) for key in keys)
    missing = samples.missing(keys, suffix)
    lost: list[LostSample] = []
    if missing:
        with closing(executor.run(job, missing)) as results:
            for result in track(results, description, total=total, completed=total - len(missing)):
                if isinstance(result, LostSample):
                    lost.append(result)
                else:
                    write_bytes(samples.path(result.record), result.image)
                    samples.add(result.record)
    if lost:
        raise RgbxError(
            f"{len(lost)} of {total} samples could not be rendered (the first: {lost[0]}): run the same "
            "command again, it tries only these."
        )
    return samples.finish()


def rendered_sample(
    key: SampleKey,
    suffix: str,
    image: np.ndarray,
    *,
    unit: str,
    seed: int,
    draw: Config,
    rejected: Sequence[str] = (),
) -> RenderedSample:
    """Return an image that was rendered for ``key``, encoded, with the record of how it came about.

    Args:
        key: which sample of the set it is.
        suffix: ``.png`` or ``.tiff``.
        image: see :func:`encode_image`.
        unit: that it shows.
        seed: of the sample.
        draw: everything drawn for it.
        rejected: the tries that a filter had rejected before, in a word for each.
    """
    record = SampleRecord(
        file_name=f"{key.stem}{suffix}",
        label=key.label,
        unit=unit,
        seed=seed,
        attempt=len(rejected),
        rejected=tuple(rejected),
        draw=draw.model_dump(mode="json"),
    )
    return RenderedSample(record, encode_image(suffix, image))

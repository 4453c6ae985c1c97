"""Rendering a set, or a shard of it, with progress, resume and the same bytes wherever its samples are rendered."""

from collections.abc import Sequence
from contextlib import closing

from rgbx.errors import RgbxError
from rgbx.files import write_bytes
from rgbx.progress import track
from rgbx.samples.jobs import Executor, LostSample, RenderJob
from rgbx.samples.seeds import SampleKey
from rgbx.samples.sets import SampleSet


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

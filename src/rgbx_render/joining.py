"""Joining the shards of a set, with what belongs beside its images."""

from collections.abc import Sequence
from pathlib import Path

from rgbx.samples import SampleSet
from rgbx.samples.join import join
from rgbx.samples.overview import write_overview


def join_sets(parts: Sequence[Path], out: Path) -> SampleSet:
    """Join shards into one set, the same, byte for byte, as one that was rendered whole.

    Beside the images it writes ``overview.png``, and ``summary.json`` for radiographs.

    Args:
        parts: folders that hold one or more complete shards each, which together are all there are.
        out: folder of the set; must not be there yet.

    Raises:
        InputError: a part is no part of this set, or a shard or an image is missing or there twice.
    """
    samples = join(parts, out)
    if samples.header.modality == "xray":
        from rgbx_render.radiography.radiographs import write_summary  # photographs are joined where nothing renders

        write_summary(samples)
    write_overview(samples)
    return samples

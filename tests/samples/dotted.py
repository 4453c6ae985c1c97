"""The simplest renderer there is, for tests of what goes on round one; importable by worker processes."""

from pathlib import Path

import numpy as np

from rgbx.config import Config
from rgbx.samples import RenderedSample, RenderJob, SampleKey, SetHeader, generator, rendered_sample, sample_seed

HEADER = SetHeader(
    modality="xray",
    origin="synthetic: dots",
    seed=0,
    classes=("A", "B"),
    config={"size": 8, "dots": True, "images_per_class": 5},
    source="0",
    version="0",
)
KEYS = [SampleKey(label, number) for number in range(5) for label in ("A", "B")]


class DotRenderer:
    """Renders white noise."""

    def __call__(self, key: SampleKey) -> RenderedSample:
        seed = sample_seed(0, key, "dots")
        noise = generator(seed).integers(0, 65536, (8, 8), np.uint16)
        return rendered_sample(key, ".png", noise, unit=f"{key.label}-1", seed=seed, draw=Config())


DOTS = RenderJob(DotRenderer)


def contents(folder: Path) -> dict[str, bytes]:
    """Return all files of a folder, by their path within it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

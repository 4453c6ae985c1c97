"""The simplest renderer there is, for tests of what goes on round one; importable by worker processes."""

from pathlib import Path

import numpy as np

from rgbx.samples import SampleKey, SampleRecord, SetHeader, generator, sample_seed, write_image

HEADER = SetHeader(
    modality="xray",
    origin="synthetic: dots",
    seed=0,
    classes=("A", "B"),
    config={"size": 8, "dots": True},
    source="0",
    version="0",
)
KEYS = [SampleKey(label, number) for number in range(5) for label in ("A", "B")]


class DotRenderer:
    """Writes white noise."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def __call__(self, key: SampleKey) -> SampleRecord:
        seed = sample_seed(0, key, "dots")
        name = f"{key.stem}.png"
        write_image(self.out / name, generator(seed).integers(0, 65536, (8, 8), np.uint16))
        return SampleRecord(file_name=name, label=key.label, unit=f"{key.label}-1", seed=seed, draw={})

"""Small sets of drawn images that tell classes apart by where a bright square sits: enough to learn from."""

from pathlib import Path

import numpy as np

from rgbx.modality import Modality
from rgbx.samples import SampleKey, SampleRecord, SampleSet, SetHeader, generator, write_image

CLASSES = ("A", "B", "C")


def write_set(
    folder: Path,
    modality: Modality,
    *,
    per_class: int = 8,
    units: int = 2,
    classes: tuple[str, ...] = CLASSES,
    size: int = 48,
    seed: int = 0,
) -> Path:
    """Write a finished set; unit u of class c is named ``c-u``."""
    header = SetHeader(
        modality=modality, origin="drawn by a test", seed=seed, classes=classes, config={}, source="0", version="0"
    )
    samples = SampleSet.create(folder, header)
    for number, name in enumerate(classes):
        for index in range(per_class):
            rng = generator(seed + 1000 * number, index)
            key = SampleKey(name, index)
            image = _image(number, modality, size, rng)
            write_image(folder / f"{key.stem}.png", image)
            record = SampleRecord(
                file_name=f"{key.stem}.png", label=name, unit=f"{name}-{index % units}", seed=index, draw={}
            )
            samples.add(record)
    samples.finish()
    return folder


def _image(number: int, modality: Modality, size: int, rng: np.random.Generator) -> np.ndarray:
    image = np.full((size, size), 0.9) + rng.normal(0, 0.02, (size, size))
    image[size // 4 : -size // 4, size // 6 : -size // 6] *= 0.5
    step = size // 6
    left = size // 6 + 1 + number * step + int(rng.integers(0, 2))
    image[size // 3 : size // 3 + step, left : left + step] *= 0.2
    image = image.clip(0, 1)
    if modality == "xray":
        return np.rint(image * 60000).astype(np.uint16)
    return np.rint(image[..., None] * [255, 250, 245]).astype(np.uint8)

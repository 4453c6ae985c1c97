"""A small data set in the layout of CUB-200-2011."""

from pathlib import Path

import numpy as np
from PIL import Image

BIRDS = {
    "001.Black_footed_Albatross": ("Black_Footed_Albatross_0001_796111", "Black_Footed_Albatross_0002_55"),
    "002.Laysan_Albatross": ("Laysan_Albatross_0001_545", "Laysan_Albatross_0002_1027"),
}


def write_birds(root: Path, copies: int = 1) -> Path:
    """Write four birds, or each of them several times; the last image of each copy is grey, as some real ones are."""
    rng, lines = np.random.default_rng(0), {}
    names = [
        (label, f"{label}/{bird}{f'_{copy}' * (copy > 0)}.jpg")
        for copy in range(copies)
        for label, birds in BIRDS.items()
        for bird in birds
    ]
    for number, (_, name) in enumerate(names, start=1):
        path = root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 255, (40, 30 + number, 3), np.uint8)
        Image.fromarray(pixels[..., 0] if number % 4 == 0 else pixels).save(path)
    labels = list(BIRDS)
    lines["images.txt"] = [f"{number} {name}" for number, (_, name) in enumerate(names, start=1)]
    lines["classes.txt"] = [f"{number} {label}" for number, label in enumerate(labels, start=1)]
    lines["image_class_labels.txt"] = [
        f"{number} {labels.index(label) + 1}" for number, (label, _) in enumerate(names, start=1)
    ]
    lines["train_test_split.txt"] = [f"{number} {int(number % 4 in (0, 1))}" for number in range(1, len(names) + 1)]
    lines["bounding_boxes.txt"] = [f"{number} {number}.0 2.0 20.0 30.0" for number in range(1, len(names) + 1)]
    for name, content in lines.items():
        (root / name).write_text("\n".join(content) + "\n")
    return root

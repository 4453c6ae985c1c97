"""Training on a processor: our step against a plain fp32 loop, what loading costs, what cached features save.

    python benchmarks/training.py [--quick] [--backbone inception_v3 --size 299]

prints one JSON object as its last line. The plain loop is the usual tutorial's: the same network, optimiser and images,
float32, torch's own memory layout, a data loader that prepares images one by one. It has no augmentation, so ours is
timed beside the step. Times are medians over steps.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset

from rgbx.datasets.labelled import LabelledImages
from rgbx.modality import MODALITIES
from rgbx.models.backbones import create_backbone
from rgbx.models.icam import ICam
from rgbx.models.network import FusionHead
from rgbx.models.processor import denormals_flushed, keep_freed_memory, pick_processor, spare_depthwise
from rgbx.models.stream_config import BackboneConfig, ICamConfig
from rgbx.training import FusionTraining
from rgbx.training.augmentation import AugmentConfig, augment, batch_generator
from rgbx.training.batches import training_batches
from rgbx.training.fusion_stage import encode_features, train_head
from rgbx.view.transform import as_input

BATCH = 16
CLASSES = 10


class OneByOne(Dataset):
    """The plain loop's images: each made a float tensor of three channels when it is asked for."""

    def __init__(self, images: LabelledImages) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, int]:
        grey = torch.from_numpy(self._images.images[place].astype(np.float32) / 65535)
        return grey.expand(3, -1, -1).clone(), int(self._images.labels[place])


def radiographs(count: int, size: int) -> LabelledImages:
    """Return noise that looks like prepared radiographs to a clock."""
    rng = np.random.default_rng(0)
    labels = np.arange(count) % CLASSES
    pixels = rng.integers(0, 65536, (count, size, size), np.uint16)
    return LabelledImages("xray", tuple(map(str, range(CLASSES))), pixels, labels, tuple(map(str, range(count))))


def our_steps(images: LabelledImages, backbone: str, size: int) -> Callable[[], tuple[float, float]]:
    """Return a step of ours; it returns seconds for loading, and in all, augmentation left out as the peer has none."""
    device = pick_processor()
    network = ICam(create_backbone(BackboneConfig(name=backbone, weights="none")), CLASSES, _one_look(size))
    optimizer = torch.optim.AdamW(network.train().parameters(), 1e-3, fused=True)
    spare_depthwise(network, device)
    batches = _endless(lambda: training_batches(images, BATCH, seed=0, epoch=0))

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        _, pixels, labels = next(batches)
        loaded = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=device.precision == "bf16-mixed"):
            loss = F.cross_entropy(network(pixels).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loaded - start, time.perf_counter() - start

    return step


def plain_steps(images: LabelledImages, backbone: str) -> Callable[[], tuple[float, float]]:
    """Return a step of the plain loop, timed likewise."""
    extractor = create_backbone(BackboneConfig(name=backbone, weights="none"))
    with torch.no_grad():
        channels = extractor.eval().forward_features(torch.zeros(1, 3, 96, 96)).shape[1]
    network = nn.Sequential(_Features(extractor), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, CLASSES))
    optimizer = torch.optim.AdamW(network.train().parameters(), 1e-3)
    batches = _endless(lambda: DataLoader(OneByOne(images), BATCH, shuffle=True, drop_last=True))

    def step() -> tuple[float, float]:
        start = time.perf_counter()
        pixels, labels = next(batches)
        loaded = time.perf_counter()
        loss = F.cross_entropy(network(pixels), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loaded - start, time.perf_counter() - start

    return step


class _Features(nn.Module):
    def __init__(self, backbone: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.backbone.forward_features(images)  # type: ignore[operator]


def compare_steps(backbone: str, size: int, steps: int) -> dict[str, float]:
    """Time both loops: the plain one first, before this process is told to keep freed memory."""
    images = radiographs(4 * BATCH, size)
    plain = _timed(plain_steps(images, backbone), steps)
    augmentation = _augmentation_seconds(images, steps)
    keep_freed_memory()
    with denormals_flushed():
        ours = _timed(our_steps(images, backbone, size), steps)
    return {
        "plain_ms_per_image": 1000 * plain[1] / BATCH,
        "ours_ms_per_image": 1000 * ours[1] / BATCH,
        "times_faster": plain[1] / ours[1],
        "augmentation_ms_per_image": 1000 * augmentation / BATCH,
        "loading_share": ours[0] / (ours[1] + augmentation),
        "plain_loading_share": plain[0] / plain[1],
    }


def compare_fusion(images_per_class: int, size: int) -> dict[str, float]:
    """Time an epoch of fast fusion on cached features, and one that computes them anew; both give the same features."""
    images = radiographs(CLASSES * images_per_class, size)
    stream = ICam(create_backbone(BackboneConfig(weights="none")), CLASSES, _one_look(size).updated({"iterations": 2}))
    start = time.perf_counter()
    features = encode_features(stream.eval(), images, AugmentConfig(), views=1, seed=0)
    encoding = time.perf_counter() - start
    labels = torch.from_numpy(images.labels)
    both = dict.fromkeys(MODALITIES, features)
    head = FusionHead(dict.fromkeys(MODALITIES, stream.classifier))
    config = FusionTraining(epochs=5)
    start = time.perf_counter()
    train_head(head, both, dict.fromkeys(MODALITIES, labels), config)
    epoch = (time.perf_counter() - start) / config.epochs
    anew = 2 * encoding + epoch  # both streams
    return {"cached_epoch_s": epoch, "recomputed_epoch_s": anew, "times_faster": anew / epoch}


def _one_look(size: int) -> ICamConfig:
    return ICamConfig(input_size=size, iterations=1)


def _augmentation_seconds(images: LabelledImages, steps: int) -> float:
    pixels = torch.from_numpy(as_input(images.images[:BATCH]))
    return _timed(lambda: _seconds(lambda: augment(pixels, AugmentConfig(), batch_generator(0, 0, 0))), steps)[1]


def _seconds(work: Callable[[], object]) -> tuple[float, float]:
    start = time.perf_counter()
    work()
    return 0.0, time.perf_counter() - start


def _timed(step: Callable[[], tuple[float, float]], steps: int) -> np.ndarray:
    step()
    return np.median([step() for _ in range(steps)], axis=0)


def _endless(loader: Callable[[], DataLoader]) -> Iterator:
    while True:
        yield from loader()


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--size", type=int, default=128, help="side of the images, pixels")
    parser.add_argument("--quick", action="store_true", help="few steps, to see that it runs")
    options = parser.parse_args()
    steps, per_class = (2, 2) if options.quick else (20, 30)
    result = {
        "processor": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "bf16": pick_processor().precision == "bf16-mixed",
        "backbone": options.backbone,
        "size": options.size,
        "step": compare_steps(options.backbone, options.size, steps),
        "fast_fusion": compare_fusion(per_class, options.size),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

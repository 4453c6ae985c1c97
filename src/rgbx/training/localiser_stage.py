"""Before stage one, for photographs: train the localiser on the outlines that rendered ones come with."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import safetensors.torch
import torch
import torch.nn.functional as F

from rgbx.datasets.images import read_photograph
from rgbx.files import write_bytes
from rgbx.models.bundle import load_bundle
from rgbx.models.localiser import Localiser
from rgbx.models.processor import pick_processor
from rgbx.processes import in_threads
from rgbx.progress import track
from rgbx.samples import SampleSet, generator
from rgbx.training.augmentation import AugmentConfig, augment
from rgbx.training.scenes import empty_place, staged
from rgbx.training.settings import LocaliserTraining
from rgbx.view.find import LOCATED_SIZE
from rgbx.view.transform import whole_view

LOCALISER_FILE = "localiser.safetensors"
_LOOKS = AugmentConfig(
    rotation=(0.0, 0.0),
    half_turn=0.0,
    scale=(1.0, 1.0),
    shift=(0.0, 0.0),
    gamma=(0.6, 1.6),
    contrast=(0.6, 1.3),
    brightness=(-0.15, 0.15),
    colour_gain=(0.7, 1.3),
    hue=(-180.0, 180.0),
    saturation=(0.0, 1.3),
    noise=(0.0, 0.06),
    blur=0.3,
    cutout=0.3,
)
"""How a photograph may look otherwise, its outline being the same."""
_SCALE = (0.5, 1.3)
_FINE = 16
"""Steps a pixel, in which corners of outlines are drawn."""


def outlined(sets: Sequence[SampleSet]) -> bool:
    """Whether the photographs of some set say where the device is."""
    return any(record.draw.get("outline") for samples in sets for record in samples)


def train_localiser(config: LocaliserTraining, sets: Sequence[SampleSet], out: Path) -> Localiser:
    """Train a localiser and write it to ``out``, or read the one that was written there.

    Args:
        config: how.
        sets: photographs, of which some records say where the device is (``outline``).
        out: the run's folder.

    Returns:
        It, on the CPU, in evaluation mode.

    Raises:
        InputError: a photograph cannot be read.
    """
    path = out / LOCALISER_FILE
    if path.exists():
        return _read(path)
    torch.manual_seed(config.seed)
    localiser = Localiser()
    _fit(localiser, _load(sets, config), config)
    write_bytes(path, safetensors.torch.save(localiser.state_dict()))
    return localiser


def read_localiser(run: Path) -> Localiser | None:
    """Return the localiser of a stream's run or bundle, on the CPU, in evaluation mode; None if it has none.

    Raises:
        InputError: it is neither.
    """
    path = run / LOCALISER_FILE
    if path.exists():  # the run may still be at its stream
        return _read(path)
    streams = load_bundle(run).network.streams
    return streams["rgb"].localiser if "rgb" in streams else None  # type: ignore[return-value]


def _read(path: Path) -> Localiser:
    localiser = Localiser()
    localiser.load_state_dict(safetensors.torch.load_file(path))
    return localiser.eval()


class _Outlined(NamedTuple):
    photographs: np.ndarray
    """(N, S, S, 3) uint8"""
    masks: np.ndarray
    """(N, S, S) uint8, 255 where the device is."""
    empty: np.ndarray
    """(E, S, S, 3) uint8, places beside devices."""


def _load(sets: Sequence[SampleSet], config: LocaliserTraining) -> _Outlined:
    items = [
        (samples.path(record), record.draw["outline"])
        for samples in sets
        for record in samples
        if record.draw.get("outline")
    ]
    chosen = [items[place] for place in generator(config.seed).permutation(len(items))[: config.images]]

    def load(item: tuple[Path, Sequence[Sequence[float]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        photograph = read_photograph(item[0])
        sides = np.array(photograph.shape[1::-1])
        beside = empty_place(photograph, _filled(np.array(item[1]) * sides, (int(sides[1]), int(sides[0]))))
        in_square = (np.array(item[1]) - 0.5) * sides / sides.max() + 0.5  # as whole_view pads it
        mask = _filled(in_square * LOCATED_SIZE, (LOCATED_SIZE, LOCATED_SIZE))
        empty = None if beside is None else whole_view(beside, LOCATED_SIZE)
        return whole_view(photograph, LOCATED_SIZE), mask, empty

    photographs, masks, empty = zip(*in_threads(load, chosen), strict=True)
    places = [each for each in empty if each is not None]
    none = np.zeros((0, LOCATED_SIZE, LOCATED_SIZE, 3), np.uint8)
    return _Outlined(np.stack(photographs), np.stack(masks), np.stack(places) if places else none)


def _filled(corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a mask of an outline whose (N, 2) corners are in pixels, the first pixel's left edge being 0."""
    mask = np.zeros(shape, np.uint8)
    cv2.fillPoly(mask, [np.rint((corners - 0.5) * _FINE).astype(np.int32)], 255, cv2.LINE_AA, int(math.log2(_FINE)))
    return mask


def _fit(localiser: Localiser, known: _Outlined, config: LocaliserTraining) -> None:
    processor = pick_processor()
    localiser.to(processor.torch).train()
    draw, rng = torch.Generator().manual_seed(config.seed), generator(config.seed)
    optimizer = torch.optim.AdamW(localiser.parameters(), config.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.2
    )
    bf16 = processor.precision == "bf16-mixed"
    for _ in track(range(config.steps), "training the localiser", total=config.steps):
        chosen = rng.integers(len(known.photographs), size=config.batch_size)
        shown = staged(known.photographs[chosen], known.masks[chosen], known.empty, config.scenes, rng)
        images, wanted = (torch.from_numpy(each).to(processor.torch).float() / 255 for each in shown)
        images, wanted = _moved_about(images.movedim(-1, 1), wanted[:, None], draw)
        with torch.autocast(processor.torch.type, torch.bfloat16, enabled=bf16):
            logits = localiser.logits(augment(images, _LOOKS, draw))
        optimizer.zero_grad()
        _loss(logits.float(), wanted[:, 0]).backward()
        optimizer.step()
        schedule.step()
    localiser.cpu().eval()


def _moved_about(images: torch.Tensor, masks: torch.Tensor, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, mirror, scale and shift photographs and masks alike; the device may be cut by the border."""
    count = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=draw) * (high - low) + low

    angle, scale, mirror = uniform(-math.pi, math.pi), uniform(*_SCALE), torch.where(uniform(0, 1) < 0.5, 1.0, -1.0)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    shift_x, shift_y = uniform(-0.35, 0.35), uniform(-0.35, 0.35)
    rows = [
        torch.stack([cosine * mirror, -sine * mirror, shift_x], 1),
        torch.stack([sine, cosine, shift_y], 1),
    ]
    grid = F.affine_grid(torch.stack(rows, 1), list(images.shape), align_corners=False).to(images.device)
    moved, there = (F.grid_sample(each, grid, align_corners=False) for each in (images, masks))
    outside = (grid.abs() > 1).any(-1)[:, None]
    border = torch.cat([images[:, :, 0], images[:, :, -1], images[:, :, :, 0], images[:, :, :, -1]], 2)
    return torch.where(outside, border.median(2).values[:, :, None, None], moved), there


def _loss(logits: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of the pixels, and what overlaps of the whole (Dice), so that small devices count as much."""
    probability = torch.sigmoid(logits)
    overlap = 2 * (probability * wanted).sum((1, 2)) + 1
    whole = probability.sum((1, 2)) + wanted.sum((1, 2)) + 1
    return F.binary_cross_entropy_with_logits(logits, wanted) + (1 - overlap / whole).mean()

"""Before stage one, for photographs: train the localiser on the outlines that rendered ones come with."""

import math
from collections.abc import Sequence
from pathlib import Path

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
_ABSENT = 0.08
"""Share of photographs from which the device is moved out: it must be able to say that there is none."""
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
    photographs, masks = _load(sets, config)
    _fit(localiser, photographs, masks, config)
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


def _load(sets: Sequence[SampleSet], config: LocaliserTraining) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (N, 3, S, S) photographs and (N, 1, S, S) masks, uint8."""
    items = [
        (samples.path(record), record.draw["outline"])
        for samples in sets
        for record in samples
        if record.draw.get("outline")
    ]
    chosen = [items[place] for place in generator(config.seed).permutation(len(items))[: config.images]]

    def load(item: tuple[Path, Sequence[Sequence[float]]]) -> tuple[np.ndarray, np.ndarray]:
        photograph = read_photograph(item[0])
        sides = np.array(photograph.shape[1::-1])
        in_square = (np.array(item[1]) - 0.5) * sides / sides.max() + 0.5  # as whole_view pads it
        photograph = whole_view(photograph, LOCATED_SIZE)
        corners = np.rint((in_square * LOCATED_SIZE - 0.5) * _FINE).astype(np.int32)
        mask = np.zeros((LOCATED_SIZE, LOCATED_SIZE), np.uint8)
        cv2.fillPoly(mask, [corners], 255, cv2.LINE_AA, int(math.log2(_FINE)))
        return photograph.transpose(2, 0, 1), mask[None]

    photographs, masks = zip(*in_threads(load, chosen), strict=True)
    return torch.from_numpy(np.stack(photographs)), torch.from_numpy(np.stack(masks))


def _fit(localiser: Localiser, photographs: torch.Tensor, masks: torch.Tensor, config: LocaliserTraining) -> None:
    processor = pick_processor()
    localiser.to(processor.torch).train()
    draw = torch.Generator().manual_seed(config.seed)
    optimizer = torch.optim.AdamW(localiser.parameters(), config.learning_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, config.learning_rate, total_steps=config.steps, pct_start=0.2
    )
    bf16 = processor.precision == "bf16-mixed"
    for _ in track(range(config.steps), "training the localiser", total=config.steps):
        chosen = torch.randint(len(photographs), (config.batch_size,), generator=draw)
        images, wanted = (each[chosen].to(processor.torch).float() / 255 for each in (photographs, masks))
        images, wanted = _moved_about(images, wanted, draw)
        with torch.autocast(processor.torch.type, torch.bfloat16, enabled=bf16):
            logits = localiser.logits(augment(images, _LOOKS, draw))
        optimizer.zero_grad()
        _loss(logits.float(), wanted[:, 0]).backward()
        optimizer.step()
        schedule.step()
    localiser.cpu().eval()


def _moved_about(images: torch.Tensor, masks: torch.Tensor, draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn, mirror, scale and shift photographs and masks alike; the device may be cut by the border, or leave."""
    count = len(images)

    def uniform(low: float, high: float) -> torch.Tensor:
        return torch.rand(count, generator=draw) * (high - low) + low

    angle, scale, mirror = uniform(-math.pi, math.pi), uniform(*_SCALE), torch.where(uniform(0, 1) < 0.5, 1.0, -1.0)
    away = torch.where(uniform(0, 1) < _ABSENT, 2.5, 0.0)
    towards = uniform(-math.pi, math.pi)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    shift_x, shift_y = (
        uniform(-0.35, 0.35) + away * torch.cos(towards),
        uniform(-0.35, 0.35) + away * torch.sin(towards),
    )
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

"""Batches in an order that depends on (seed, epoch) alone."""

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from rgbx.datasets.labelled import LabelledImages
from rgbx.samples import generator


class Batches(Dataset[tuple[int, torch.Tensor, torch.Tensor]]):
    """Whole batches of labelled images, as (batch number, images, labels) straight from the arrays."""

    def __init__(self, images: LabelledImages, order: np.ndarray, batch_size: int) -> None:
        self._images = images
        self._chunks = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        chosen = self._chunks[number]
        return number, torch.from_numpy(self._images.images[chosen]), torch.from_numpy(self._images.labels[chosen])


def training_batches(images: LabelledImages, batch_size: int, seed: int, epoch: int) -> DataLoader:
    """Return an epoch's batches, all of one size: the incomplete last one is left out (batch norm needs many)."""
    order = generator(seed, epoch).permutation(len(images))
    whole = max(len(order) // batch_size * batch_size, min(batch_size, len(order)))
    return _loader(Batches(images, order[:whole], batch_size))


def evaluation_batches(images: LabelledImages, batch_size: int) -> DataLoader:
    """Return all images in order."""
    return _loader(Batches(images, np.arange(len(images)), batch_size))


def to_unit_range(images: torch.Tensor) -> torch.Tensor:
    """Return (B, C, S, S) float32 in [0, 1] of (B, S, S) uint16 or (B, S, S, 3) uint8 images."""
    if images.ndim == 3:
        return images.to(torch.float32)[:, None] / 65535
    return images.permute(0, 3, 1, 2).to(torch.float32) / 255


def _loader(batches: Batches) -> DataLoader:
    return DataLoader(batches, batch_size=None, shuffle=False, num_workers=0)

"""Batches in an order that depends on (seed, epoch) alone."""

from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from rgbx.datasets.labelled import LabelledImages
from rgbx.errors import ConfigError
from rgbx.files import digest
from rgbx.samples import generator
from rgbx.training.wear import PaintedWear, wear
from rgbx.view.transform import as_input


class BatchShare(NamedTuple):
    """Which part of each batch this process works on, of all that train together."""

    rank: int = 0
    of: int = 1


WHOLE_BATCH = BatchShare()


class Worn(NamedTuple):
    """What is painted on photographs, another way for each batch of each epoch."""

    config: PaintedWear
    seed: int
    epoch: int


class Batches(Dataset[tuple[int, torch.Tensor, torch.Tensor]]):
    """Whole batches of labelled images, or a share of each, as (batch number, inputs, labels).

    Inputs are what :func:`rgbx.view.transform.as_input` makes of the images.
    """

    def __init__(
        self,
        images: LabelledImages,
        order: np.ndarray,
        batch_size: int,
        share: BatchShare = WHOLE_BATCH,
        worn: Worn | None = None,
    ) -> None:
        self._images = images
        self._worn = worn
        self._rank = share.rank
        starts = range(0, len(order), batch_size)
        self._chunks = [order[start : start + batch_size][share.rank :: share.of] for start in starts]

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, number: int) -> tuple[int, torch.Tensor, torch.Tensor]:
        chosen = self._chunks[number]
        return (
            number,
            torch.from_numpy(as_input(self._seen(number, chosen))),
            torch.from_numpy(self._images.labels[chosen]),
        )

    def _seen(self, number: int, chosen: np.ndarray) -> np.ndarray:
        images = self._images.images[chosen]
        if self._worn is None:
            return images
        config, seed, epoch = self._worn
        drawn = int(digest("wear", str(seed), str(epoch), str(number), str(self._rank)), 16)
        return wear(images, config, generator(drawn))


def training_batches(
    images: LabelledImages,
    batch_size: int,
    seed: int,
    epoch: int,
    share: BatchShare = WHOLE_BATCH,
    worn: PaintedWear | None = None,
) -> DataLoader:
    """Return an epoch's batches, all of one size: the incomplete last one is left out (batch norm needs many).

    Raises:
        ConfigError: a batch cannot be shared evenly.
    """
    if batch_size % share.of:
        raise ConfigError(f"batches of {batch_size} cannot be shared by {share.of} processes: change 'batch_size'.")
    order = generator(seed, epoch).permutation(len(images))
    whole = max(len(order) // batch_size * batch_size, min(batch_size, len(order)))
    painted = None if worn is None else Worn(worn, seed, epoch)
    return _loader(Batches(images, order[:whole], batch_size, share, painted))


def evaluation_batches(images: LabelledImages, batch_size: int) -> DataLoader:
    """Return all images in order."""
    return _loader(Batches(images, np.arange(len(images)), batch_size))


def _loader(batches: Batches) -> DataLoader:
    return DataLoader(batches, batch_size=None, shuffle=False, num_workers=0)

"""What losses in training are computed from."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch

from rgbx.models.icam import ICam, ICamOutput


class Step(NamedTuple):
    """One batch of B images on its way through a stream in training."""

    stream: ICam
    images: torch.Tensor
    """(B, 1 or 3, H, W) in 0..1, augmented."""
    output: ICamOutput
    labels: torch.Tensor
    """(B,)"""
    generator: torch.Generator
    """Of the batch, on the CPU; the same for the same seed, epoch and batch."""
    cross_entropy: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    """Of (B, C) logits and (B,) labels, with the label smoothing of the training."""


class ExtraLoss(Protocol):
    """A loss beside those of the logits; registered in :data:`rgbx.registry.LOSSES`."""

    def __call__(self, step: Step) -> torch.Tensor:
        """Return the loss, a scalar that gradients flow through."""
        ...

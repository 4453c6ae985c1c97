"""Where the device is in a photograph: a small U-Net, since a background of any kind has no rule to go by."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from rgbx.view.find import Localise
from rgbx.view.transform import as_input

WIDTHS = (16, 32, 64, 96)
"""Channels at a half, a quarter, an eighth and a sixteenth of the photograph's side."""


class Localiser(nn.Module):
    """Says of each pixel of a small photograph how likely it shows the device.

    A third of a million weights (U-Net, Ronneberger et al., 2015), trained on the outlines that rendered photographs
    come with.
    """

    def __init__(self) -> None:
        super().__init__()
        inputs = (3, *WIDTHS[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_convolution(before, width, 2), _convolution(width, width))
            for before, width in zip(inputs, WIDTHS, strict=True)
        )
        self.up = nn.ModuleList(
            _convolution(deep + width, width) for deep, width in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True)
        )
        self.last = nn.Conv2d(WIDTHS[0], 1, 3, padding=1)

    def forward(self, photographs: torch.Tensor) -> torch.Tensor:
        """Return (B, S, S) probabilities.

        Args:
            photographs: (B, 3, S, S) in 0..1, S a multiple of 16; it is trained at 96.
        """
        return torch.sigmoid(self.logits(photographs))

    def logits(self, photographs: torch.Tensor) -> torch.Tensor:
        """Return what :meth:`forward` does before the sigmoid."""
        maps, kept = photographs - 0.5, []
        for stage in self.down:
            maps = stage(maps)
            kept.append(maps)
        for stage, finer in zip(self.up, kept[-2::-1], strict=True):
            maps = stage(torch.cat([_twice(maps), finer], 1))
        return _twice(self.last(maps))[:, 0]


def _twice(maps: torch.Tensor) -> torch.Tensor:
    return F.interpolate(maps, scale_factor=2.0, mode="bilinear", align_corners=False)


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
    )


def in_torch(localiser: Localiser) -> Localise:
    """Return what finds devices by a localiser, on the processor that it is on."""
    localiser.eval()

    def localise(photograph: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            device = localiser.last.weight.device
            return localiser(torch.from_numpy(as_input(photograph[None])).to(device))[0].cpu().numpy()

    return localise

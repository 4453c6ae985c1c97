"""Training with the attention itself: hide what it found (WS-DAN), or ask what it is worth (CAL)."""

import torch

from rgbx.models.icam import upsample

DROP_THRESHOLD = (0.2, 0.5)
"""Between a map's minimum, 0, and its maximum, 1: what is hotter is hidden; drawn for each image."""


def hide_hottest(images: torch.Tensor, cams: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Fill the hottest parts of images with the images' means (attention drop; Hu et al., 2019).

    Args:
        images: (B, C, S, S).
        cams: (B, h, w), their class activation maps.
        generator: of the thresholds.
    """
    heat = upsample(cams.detach(), images.shape[-1])
    low, high = heat.amin((1, 2), keepdim=True), heat.amax((1, 2), keepdim=True)
    share = torch.rand(len(images), generator=generator).to(images.device)
    threshold = DROP_THRESHOLD[0] + share * (DROP_THRESHOLD[1] - DROP_THRESHOLD[0])
    hidden = heat > low + threshold[:, None, None] * (high - low)
    return torch.where(hidden[:, None], images.mean((2, 3), keepdim=True), images)


def windows_elsewhere(windows: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return (B, 3) windows as large as the given ones, anywhere in the image (counterfactual attention; Rao et al.,
    2021)."""
    side = windows[:, 2:]
    place = torch.rand(len(windows), 2, generator=generator).to(windows.device)
    return torch.cat([place * (1 - side), side], 1)

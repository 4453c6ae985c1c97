"""Window policies other than the paper's."""

from collections.abc import Sequence

import torch

from rgbx.models.windows import ImageShape, WindowPolicy, upsample, window_round_maximum


class Box(WindowPolicy):
    """The smallest square round all that is hotter than a threshold, no smaller than ``fraction``.

    Args:
        fraction: side of the smallest window, as a fraction of the image's.
        threshold: between each map's minimum, 0, and its maximum, 1.
    """

    def __init__(self, fraction: float, threshold: float = 0.5) -> None:
        super().__init__(fraction)
        self.threshold = threshold

    def forward(self, cam: torch.Tensor, shape: ImageShape, seen: Sequence[torch.Tensor]) -> torch.Tensor:  # noqa: ARG002
        return box_round_hottest(upsample(cam, shape), self.threshold, self.fraction)


class Peaks(WindowPolicy):
    """Squares of the whole image, round the first map's highest peaks in turn."""

    def outer(self, iteration: int) -> int:  # noqa: ARG002
        """Return 0: every iteration sees a part of the whole image."""
        return 0

    def forward(self, cam: torch.Tensor, shape: ImageShape, seen: Sequence[torch.Tensor]) -> torch.Tensor:
        heat = upsample(cam, shape) if seen else cam
        for window in seen:
            heat = hide_window(heat, window)
        return window_round_maximum(heat, self.fraction)


def hide_window(heat: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Set (B, H, W) maps to their minimum within (B, 3) windows, so that the next peak lies elsewhere."""
    across, down = (
        (centres >= window[:, axis, None]) & (centres <= (window[:, axis] + window[:, 2])[:, None])
        for axis, centres in enumerate(_centres(heat))
    )
    hidden = down[:, :, None] & across[:, None, :]
    return torch.where(hidden, heat.amin((1, 2), keepdim=True), heat)


def box_round_hottest(heat: torch.Tensor, threshold: float, least: float) -> torch.Tensor:
    """Return the smallest (B, 3) square windows, pushed inside, round all that is hotter than a threshold.

    Args:
        heat: (B, H, W), from :func:`~rgbx.models.windows.upsample`.
        threshold: between each map's minimum, 0, and its maximum, 1.
        least: side of the smallest window, as a fraction of the image's.
    """
    low, high = heat.amin((1, 2), keepdim=True), heat.amax((1, 2), keepdim=True)
    hot = heat >= low + threshold * (high - low)
    ends = []
    for reached, places in zip((hot.any(1), hot.any(2)), _centres(heat), strict=True):  # columns, rows
        half = 0.5 / len(places)
        low_end = torch.where(reached, places, 1.0).amin(1) - half
        ends.append(torch.stack([low_end, torch.where(reached, places, 0.0).amax(1) + half], 1))
    start, end = torch.stack(ends, 2).unbind(1)
    side = (end - start).amax(1, keepdim=True).clamp(least, 1.0)
    corner = ((start + end - side) / 2).clamp_min(0.0).minimum(1.0 - side)
    return torch.cat([corner, side], 1)


def _centres(heat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where the pixels of (B, H, W) maps have their centres, (W,) across and (H,) down, in 0..1."""
    height, width = heat.shape[-2:]
    across, down = (
        (torch.arange(pixels, device=heat.device, dtype=heat.dtype) + 0.5) / pixels for pixels in (width, height)
    )
    return across, down

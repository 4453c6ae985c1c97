"""Window policies: which part of an image the next iteration sees (paper, section III-B).

Windows are (left, top, side) in 0..1 of the image that they lie in, and have its proportions: of a square image they
are squares.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

ImageShape = tuple[int, int]
"""(height, width) of an image, in pixels."""


class WindowPolicy(nn.Module):
    """Base of window policies; another one subclasses it and is registered in :data:`rgbx.registry.WINDOWS`.

    Whatever it computes has to export: no branch on a tensor's value. It may have parameters that are trained; what a
    setting ``window_options`` holds becomes its keyword arguments.

    Args:
        fraction: sides of the window as a fraction of the image's.
    """

    def __init__(self, fraction: float) -> None:
        super().__init__()
        self.fraction = fraction

    def outer(self, iteration: int) -> int:
        """Return the iteration whose image an ``iteration`` (0-based, above 0) sees a part of: the one before."""
        return iteration - 1

    def forward(self, cam: torch.Tensor, shape: ImageShape, seen: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return the (B, 3) windows within the images that the maps are of.

        Args:
            cam: (B, h, w) activation maps of the :meth:`outer` iteration.
            shape: (height, width) of its images, in pixels.
            seen: (B, 3) windows of the iterations between that one and the next.
        """
        raise NotImplementedError


class Square(WindowPolicy):
    """The square of a fixed fraction round the map's maximum, pushed inside, as in the paper."""

    def forward(self, cam: torch.Tensor, shape: ImageShape, seen: Sequence[torch.Tensor]) -> torch.Tensor:  # noqa: ARG002
        return window_round_maximum(cam, self.fraction)  # a bilinear stretch has its maximum where the map has it


class Measured(WindowPolicy):
    """Fixed parts of the whole image, one for each iteration: where the classes were found to differ.

    For devices that all lie the same way. Training finds the places (:mod:`rgbx.training.places`).

    Args:
        fraction: sides of the windows as a fraction of the image's.
        places: (left, top) of each, in 0..1.
    """

    def __init__(self, fraction: float, places: Sequence[tuple[float, float]] = ()) -> None:
        super().__init__(fraction)
        self.places = places

    def outer(self, iteration: int) -> int:  # noqa: ARG002
        """Return 0: every iteration sees a part of the whole image."""
        return 0

    def forward(self, cam: torch.Tensor, shape: ImageShape, seen: Sequence[torch.Tensor]) -> torch.Tensor:  # noqa: ARG002
        window = torch.tensor([*self.places[len(seen)], self.fraction], dtype=cam.dtype, device=cam.device)
        return window.expand(len(cam), 3)


def window_round_maximum(heat: torch.Tensor, fraction: float) -> torch.Tensor:
    """Return the (B, 3) square windows (left, top, side in 0..1) round each map's maximum, pushed inside.

    Args:
        heat: (B, h, w), a map or what :func:`upsample` makes of it.
        fraction: side of the window as a fraction of the image's.
    """
    height, width = heat.shape[-2:]
    peak = heat.flatten(1).argmax(1)
    row = torch.div(peak, width, rounding_mode="floor")
    column = peak - row * width
    centre = torch.stack([(column + 0.5) / width, (row + 0.5) / height], 1).to(heat.dtype)
    corner = (centre - fraction / 2).clamp(0.0, 1.0 - fraction)
    return torch.cat([corner, torch.full_like(corner[:, :1], fraction)], 1)


def upsample(cam: torch.Tensor, shape: ImageShape) -> torch.Tensor:
    """Stretch (B, h, w) maps bilinearly to (B, *shape), as the paper does."""
    return F.interpolate(cam[:, None], size=shape, mode="bilinear", align_corners=False)[:, 0]


def compose(outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Return ``inner`` windows, given within ``outer`` ones, in the coordinates of the outer ones' image."""
    return torch.cat([outer[:, :2] + inner[:, :2] * outer[:, 2:], outer[:, 2:] * inner[:, 2:]], 1)


def averaged(image: torch.Tensor, step: float) -> torch.Tensor:
    """Return (B, C, H, W) images smoothed so that none of their pixels is passed over by samples ``step`` pixels apart.

    A bilinear sample is the mean of two pixels each way, at most; what lies between samples farther apart would be seen
    or not by chance.
    """
    width = max(math.floor((step - 1) / 2), 0) * 2 + 1
    return image if width == 1 else box_mean(image, width)


def box_mean(image: torch.Tensor, width: int) -> torch.Tensor:
    """Return the mean of the ``width`` × ``width`` pixels round each of (B, C, H, W) images, ``width`` odd and over 1.

    Beyond the border an image goes on as it ends. Sums along one axis and then the other take a quarter of the time of
    ``avg_pool2d`` on a CPU.
    """
    margin = width // 2
    image = F.pad(image, (margin, margin, margin, margin), mode="replicate")
    for axis in (-1, -2):
        pixels = image.shape[axis] - 2 * margin
        total = image.narrow(axis, 0, pixels) + image.narrow(axis, 1, pixels)
        for place in range(2, width):
            total.add_(image.narrow(axis, place, pixels))
        image = total
    return image.div_(width**2)


def sample_window(image: torch.Tensor, window: torch.Tensor, shape: ImageShape) -> torch.Tensor:
    """Resize the (B, 3) windows of (B, C, H, W) images bilinearly to (B, C, *shape).

    The grid is base × side + corner, as ``affine_grid`` would give it but in operators that every export knows, and
    with the coordinates of a row in one long dimension, which runtimes compute several times as fast as pairs.
    """
    width = shape[1]
    down, across = (
        (torch.arange(pixels, device=image.device, dtype=window.dtype) * 2 + 1) / pixels for pixels in shape
    )
    base = torch.stack([across.expand(shape), down[:, None].expand(shape)], -1).flatten(1)
    corner = (2 * window[:, :2] - 1).repeat(1, width)
    grid = (base * window[:, 2:, None] + corner[:, None]).unflatten(2, (width, 2))
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)

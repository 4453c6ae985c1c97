"""Augmentation in training: whole batches at once, on the device, the same for the same seed, epoch and batch."""

import math
from typing import Self

import torch
import torch.nn.functional as F
from pydantic import Field

from rgbx.config import Config, Range
from rgbx.files import digest
from rgbx.models.windows import box_mean
from rgbx.view.transform import TransformConfig

ANY_ROTATION: Range = (-180.0, 180.0)
UPRIGHT_ROTATION: Range = (-6.0, 6.0)
"""Devices are not found to the degree."""


class AugmentConfig(Config):
    """How far each prepared image is changed before the network sees it; ranges are drawn for each image."""

    flip: bool = False
    """Mirror half of the images: right for radiographs (a device seen from behind), wrong for photographs
    (no mirrored device exists)."""
    rotation: Range | None = None
    """In the image plane, degrees. When None, any angle; a few degrees where images are set upright, and then
    radiographs are neither half-turned nor mirrored."""
    half_turn: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of images turned by 180° besides."""
    scale: Range = (0.85, 1.15)
    shift: Range = (-0.05, 0.05)
    """Of the centre in both directions, as a fraction of the side."""
    gamma: Range = (0.7, 1.4)
    contrast: Range = (0.8, 1.2)
    """Factor about the image's mean."""
    brightness: Range = (-0.1, 0.1)
    """Added; the image's range is 0..1."""
    colour_gain: Range = (1.0, 1.0)
    """Factor of each colour channel by itself: white balance."""
    hue: Range = (0.0, 0.0)
    """Turn of all colours about the grey axis, degrees: photographs only."""
    saturation: Range = (1.0, 1.0)
    """Factor of all colours' distance from grey; 0 leaves a grey image: photographs only."""
    noise: Range = (0.0, 0.05)
    """Standard deviation of white noise."""
    blur: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of images blurred: a mean of 3 × 3 pixels twice."""
    cutout: float = Field(default=0.3, ge=0.0, le=1.0)
    """Share of images that lose a part: worn devices lack parts."""
    cutout_side: Range = (0.1, 0.3)
    """As a fraction of the image's sides."""

    def for_view(self, view: TransformConfig) -> Self:
        """Return it with what depends on how images are prepared, where ``rotation`` leaves that open.

        Radiographs that all lie the same way need neither half turns nor mirroring.
        """
        if self.rotation is not None:
            return self
        if view.view != "upright":
            return self.updated({"rotation": ANY_ROTATION})
        changes: dict[str, object] = {"rotation": UPRIGHT_ROTATION}
        return self.updated({**changes, "half_turn": 0.0, "flip": False} if view.references else changes)


def batch_generator(seed: int, epoch: int, batch: int, rank: int = 0) -> torch.Generator:
    """Return the random generator of one batch of one epoch, on the CPU, so that devices agree on all but the noise.

    Processes that share a batch, told apart by ``rank``, draw their own.
    """
    others = (str(rank),) if rank else ()
    return torch.Generator().manual_seed(int(digest(str(seed), str(epoch), str(batch), *others), 16) >> 1)


def augment(images: torch.Tensor, config: AugmentConfig, generator: torch.Generator) -> torch.Tensor:
    """Return (B, C, H, W) float32 images in [0, 1], each changed in its own way."""
    with torch.autocast(images.device.type, enabled=False):  # bf16 has too few digits for grey levels
        return _augmented(images, config, generator)


def _augmented(images: torch.Tensor, config: AugmentConfig, generator: torch.Generator) -> torch.Tensor:
    count = images.shape[0]
    device = images.device

    def draw(ends: tuple[float, float], *shape: int) -> torch.Tensor:
        return (torch.rand(count, *shape, generator=generator) * (ends[1] - ends[0]) + ends[0]).to(device)

    def chance(share: float) -> torch.Tensor:
        return (torch.rand(count, generator=generator) < share).to(device)

    turn = draw(config.rotation or ANY_ROTATION) + 180.0 * chance(config.half_turn)
    images = _warped(images, turn, draw(config.scale), draw(config.shift, 2), chance(0.5 * config.flip))
    blurred = chance(config.blur)
    images[blurred] = box_mean(box_mean(images[blurred], 3), 3)
    if images.shape[1] == 3:
        images = _recoloured(images, draw(config.hue), draw(config.saturation))
    images.clamp_(1e-4, 1.0).pow_(draw(config.gamma)[:, None, None, None])
    mean = images.mean((1, 2, 3), keepdim=True)
    gain = draw(config.contrast)[:, None, None, None] * draw(config.colour_gain, images.shape[1])[:, :, None, None]
    offset = mean * (gain.div(gain.mean(1, keepdim=True)) - gain) + draw(config.brightness)[:, None, None, None]
    images.mul_(gain).add_(offset)
    images.add_(_white_noise(images, generator).mul_(draw(config.noise)[:, None, None, None]))
    images = _cut_out(images, draw((0.0, 1.0), 2), draw(config.cutout_side), chance(config.cutout))
    return images.clamp_(0.0, 1.0)


def _warped(
    images: torch.Tensor, degrees: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, flipped: torch.Tensor
) -> torch.Tensor:
    """Rotate, scale, shift and mirror; what comes in from outside continues the border.

    The grid is that of ``affine_grid``, which takes two to three times as long on a CPU, longer than sampling.
    """
    angle = degrees * (math.pi / 180)
    mirror = 1.0 - 2.0 * flipped.to(images.dtype)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    aspect = images.shape[-2] / images.shape[-1]  # the grid's units are half a width and half a height
    down, across = ((torch.arange(n, device=images.device) * 2 + 1) / n - 1 for n in images.shape[-2:])
    along_rows = torch.stack([cosine * mirror, sine / aspect], 1)[:, None] * across[:, None]
    along_columns = torch.stack([-sine * mirror * aspect, cosine], 1)[:, None] * down[:, None] + shift[:, None] * 2
    grid = along_rows[:, None] + along_columns[:, :, None]
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _white_noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return a number for each pixel, drawn where the images are: on a CPU that takes longer than a step on a GPU."""
    if images.device.type == "cpu":
        return torch.randn(images.shape, generator=generator)
    there = torch.Generator(images.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return torch.randn(images.shape, device=images.device, generator=there)


def _recoloured(images: torch.Tensor, degrees: torch.Tensor, saturation: torch.Tensor) -> torch.Tensor:
    """Turn colours about the grey axis (Rodrigues' formula) and stretch their distance from it."""
    angle = (degrees * (math.pi / 180))[:, None, None]
    grey = torch.full((3, 3), 1 / 3, device=images.device)
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]], device=images.device) / math.sqrt(3)
    turned = torch.cos(angle) * (torch.eye(3, device=images.device) - grey) + torch.sin(angle) * across
    matrix = grey + saturation[:, None, None] * turned
    return torch.bmm(matrix, images.flatten(2)).view_as(images)


def _cut_out(images: torch.Tensor, centre: torch.Tensor, side: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Fill a part of each chosen image, of the image's proportions, with the image's mean."""
    down, across = (
        ((torch.arange(pixels, device=images.device) + 0.5) / pixels - centre[:, axis, None]).abs() < side[:, None] / 2
        for pixels, axis in zip(images.shape[-2:], (1, 0), strict=True)
    )
    hole = (down[:, :, None] & across[:, None, :])[:, None] & chosen[:, None, None, None]
    return torch.where(hole, images.mean((2, 3), keepdim=True), images)

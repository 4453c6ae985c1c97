"""Iterative class activation mapping (paper, section III-B): look, find what mattered, look closer, combine.

For an image the extractor E gives a feature map; the classifier's weights turn it into the class activation map
of the predicted class (Eq. 1); the square round its maximum is the next iteration's image. The feature maps of
all iterations are aggregated and classified (Eq. 2). The loop has no hooks and no branch on a tensor's value, so
that it exports as one graph.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rgbx.models.backbones import feature_channels, frozen_modules
from rgbx.models.batch_norm import (
    copy_first_statistics,
    load_first_statistics,
    select_iteration,
    split_statistics,
)
from rgbx.models.stream_config import ICamConfig

FIRST_WEIGHT = 0.9
"""Weight of the first iteration in the weighted mean when the others join it after a warm-up."""


class ICamOutput(NamedTuple):
    """All that a pass yields, for a batch of B images, n iterations, C classes and K feature channels."""

    logits: torch.Tensor
    """(B, C), of the aggregated features."""
    features: torch.Tensor
    """(B, n, K), each iteration's feature map averaged over space."""
    iteration_logits: torch.Tensor
    """(B, n, C), the classifier on each iteration alone."""
    cams: torch.Tensor
    """(B, n, h, w), class activation maps, unnormalised."""
    windows: torch.Tensor
    """(B, n, 3): left, top and side, in 0..1 of the source image, of what each iteration saw."""


class Looks(NamedTuple):
    """What the loop has seen and found so far, an entry for each iteration."""

    images: tuple[torch.Tensor, ...] = ()
    """(B, 1 or 3, H, H), what the extractor saw."""
    windows: tuple[torch.Tensor, ...] = ()
    """(B, 3), as in :class:`ICamOutput`."""
    features: tuple[torch.Tensor, ...] = ()
    """(B, K), pooled."""
    cams: tuple[torch.Tensor, ...] = ()
    """(B, h, w)."""


class ICam(nn.Module):
    """One modality's network ("stream").

    Args:
        backbone: a timm network; used through ``forward_features`` and its ``default_cfg`` (mean, std).
        classes: number of device classes.
        config: the loop.
        frozen_stages: how many of the backbone's stages never move.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, backbone: nn.Module, classes: int, config: ICamConfig, frozen_stages: int = 0) -> None:
        super().__init__()
        self.config = config
        channels = feature_channels(backbone)
        defaults: dict = backbone.default_cfg  # type: ignore[assignment]
        self.register_buffer("mean", torch.tensor(defaults["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(defaults["std"]).view(1, 3, 1, 1), persistent=False)
        self._frozen = frozen_modules(backbone, frozen_stages)
        for module in self._frozen:
            module.requires_grad_(False)
        if config.batch_norm == "per_iteration" and config.iterations > 1:
            split_statistics(backbone, config.iterations)
            self._frozen = frozen_modules(backbone, frozen_stages)
        self.backbone = backbone.to(memory_format=torch.channels_last)
        self.aggregation = nn.Parameter(
            torch.zeros(config.iterations), requires_grad=config.aggregator == "weighted_mean" and config.iterations > 1
        )
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(channels, classes)

    def train(self, mode: bool = True) -> "ICam":
        super().train(mode)
        for module in self._frozen:
            module.eval()
        if self.config.batch_norm == "frozen":
            for module in self.backbone.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def forward(
        self,
        source: torch.Tensor,
        label: torch.Tensor | None = None,
        iterations: int | None = None,
    ) -> ICamOutput:
        """Classify a batch.

        Args:
            source: (B, 1 or 3, S, S) in [0, 1], prepared images.
            label: (B,) class whose activation map guides the crops; each iteration's predicted class when None.
            iterations: run only so many (training's warm-up); all when None.
        """
        looks = Looks()
        for _ in range(iterations or self.config.iterations):
            looks = self.look_closer(source, looks, label)
        stacked = torch.stack(looks.features, 1)
        return ICamOutput(
            logits=self.classify(stacked),
            features=stacked,
            iteration_logits=self.classifier(self.dropout(stacked)),
            cams=torch.stack(looks.cams, 1),
            windows=torch.stack(looks.windows, 1),
        )

    def look_closer(self, source: torch.Tensor, looks: Looks, label: torch.Tensor | None = None) -> Looks:
        """Return ``looks`` with one more iteration: of the whole image if it is the first.

        Args:
            source, label: as in :meth:`forward`.
            looks: of the iterations before; of ``images`` only the one that this iteration looks at a part of is read.
        """
        iteration = len(looks.features)
        if iteration == 0:
            window = torch.tensor([0.0, 0.0, 1.0], device=source.device).expand(source.shape[0], 3)
            whole = source.shape[-1] == self.config.input_size  # nothing to resize
            image = source if whole else sample_window(source, window, self.config.input_size)
        else:
            outer = self.config.outer(iteration)
            local = self._next_window(looks.cams[outer], looks.windows[outer + 1 :])
            window = compose(looks.windows[outer], local)
            image = self._crop(source, looks.images[outer], window, local)
        maps = self.look(image, iteration)
        pooled = maps.mean((2, 3))
        chosen = self.classifier(pooled).argmax(1) if label is None else label
        cam = self._activation_map(maps.detach(), chosen)
        return Looks(*((*past, new) for past, new in zip(looks, (image, window, pooled, cam), strict=True)))

    def reset_classes(self, classes: int) -> None:
        """Start a new classifier, of ``classes`` classes, on what the extractor has learnt."""
        self.classifier = nn.Linear(self.classifier.in_features, classes, device=self.classifier.weight.device)

    def look(self, image: torch.Tensor, iteration: int) -> torch.Tensor:
        """Return the feature maps of what an ``iteration`` (0-based) sees, with its own statistics of batch norm."""
        select_iteration(self.backbone, iteration)
        return self.extract(image)

    def extract(self, image: torch.Tensor) -> torch.Tensor:
        """Return E's (B, K, h, w) feature maps of (B, 1 or 3, H, W) images in [0, 1]."""
        normalised = (image - self.mean) / self.std  # a grey image becomes three equal channels here
        return self.backbone.forward_features(normalised.contiguous(memory_format=torch.channels_last)).float()  # type: ignore[operator]

    def aggregate(self, features: torch.Tensor) -> torch.Tensor:
        """FA (Eq. 2): combine (B, n, K) pooled features into (B, K).

        Pooling is linear, so aggregating pooled features equals pooling the aggregated map.
        """
        if self.config.aggregator == "sum":
            return features.sum(1)
        if self.config.aggregator == "mean":
            return features.mean(1)
        weights = torch.softmax(self.aggregation[: features.shape[1]], 0)
        return (features * weights[:, None]).sum(1)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """C(FA(features)): (B, n, K) pooled features to (B, C) logits."""
        return self.classifier(self.dropout(self.aggregate(features)))

    def end_warm_up(self) -> None:
        """Let the later iterations join a network that has learnt with the first alone.

        They start from the statistics that the first has gathered, and with little weight in the weighted mean: what
        they see is new to the network, and they have to earn more.
        """
        copy_first_statistics(self.backbone)
        if self.aggregation.requires_grad:
            with torch.no_grad():
                self.aggregation.zero_()
                self.aggregation[0] = math.log(FIRST_WEIGHT / (1 - FIRST_WEIGHT) * (len(self.aggregation) - 1))

    def start_from(self, other: "ICam", rows: Sequence[tuple[int, int]]) -> None:
        """Take over what another network with the same backbone has learnt.

        Where the two differ in iterations or statistics, all iterations start from the other's first, as after a
        warm-up.

        Args:
            other: trained.
            rows: (own class, its class) for each class that both know; the others start as they are.

        Raises:
            RuntimeError: the backbones differ.
        """
        shape = (self.config.iterations, self.config.batch_norm)
        if shape == (other.config.iterations, other.config.batch_norm):
            self.backbone.load_state_dict(other.backbone.state_dict())
            self.aggregation.data.copy_(other.aggregation)
        else:
            load_first_statistics(self.backbone, other.backbone)
            self.end_warm_up()
        with torch.no_grad():
            for own, its in rows:
                self.classifier.weight[own] = other.classifier.weight[its]
                self.classifier.bias[own] = other.classifier.bias[its]

    def _activation_map(self, maps: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        weights = self.classifier.weight.detach()
        return class_activation_map(
            maps, weights.relu() if self.config.activation_map == "layercam" else weights, chosen
        )

    def _next_window(self, cam: torch.Tensor, seen: Sequence[torch.Tensor]) -> torch.Tensor:
        """Return where to look next within a map's image, in 0..1 of it; not again where windows ``seen`` lie."""
        config = self.config
        if config.window == "square" and not seen:  # a bilinear stretch has its maximum where the map has it
            return window_round_maximum(cam, config.crop_fraction)
        heat = upsample(cam, config.input_size)
        for window in seen:
            heat = hide_window(heat, window)
        if config.window == "box":
            return box_round_hottest(heat, config.box_threshold, config.crop_fraction)
        return window_round_maximum(heat, config.crop_fraction)

    def _crop(
        self, source: torch.Tensor, outer: torch.Tensor, window: torch.Tensor, local: torch.Tensor
    ) -> torch.Tensor:
        """Return a window of the source, or the same one (``local``) of the image in which it was found."""
        if self.config.crop_source == "source":
            return sample_window(source, window, self.config.input_size)
        return sample_window(outer, local, self.config.input_size)


def class_activation_map(maps: torch.Tensor, weights: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Eq. 1: the (B, h, w) sum over k of W[c, k] F[:, k], for each image's class c.

    Args:
        maps: (B, K, h, w) feature maps F.
        weights: (C, K) classifier weights W.
        chosen: (B,) class indices c.
    """
    return (weights[chosen][:, :, None, None] * maps).sum(1)


def upsample(cam: torch.Tensor, size: int) -> torch.Tensor:
    """Stretch (B, h, w) maps bilinearly to (B, size, size), as the paper does."""
    return F.interpolate(cam[:, None], size=(size, size), mode="bilinear", align_corners=False)[:, 0]


def hide_window(heat: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """Set (B, S, S) maps to their minimum within (B, 3) windows, so that the next peak lies elsewhere."""
    centres = _centres(heat)
    inside = (centres >= window[:, :2, None]) & (centres <= window[:, :2, None] + window[:, 2:, None])
    hidden = inside[:, 1, :, None] & inside[:, 0, None, :]
    return torch.where(hidden, heat.amin((1, 2), keepdim=True), heat)


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


def box_round_hottest(heat: torch.Tensor, threshold: float, least: float) -> torch.Tensor:
    """Return the smallest (B, 3) square windows, pushed inside, round all that is hotter than a threshold.

    Args:
        heat: (B, S, S), from :func:`upsample`.
        threshold: between each map's minimum, 0, and its maximum, 1.
        least: side of the smallest window, as a fraction of the image's.
    """
    low, high = heat.amin((1, 2), keepdim=True), heat.amax((1, 2), keepdim=True)
    hot = heat >= low + threshold * (high - low)
    reached = torch.stack([hot.any(1), hot.any(2)], 1)  # columns, rows
    places, half = _centres(heat), 0.5 / heat.shape[-1]
    start = torch.where(reached, places, 1.0).amin(2) - half
    end = torch.where(reached, places, 0.0).amax(2) + half
    side = (end - start).amax(1, keepdim=True).clamp(least, 1.0)
    corner = ((start + end - side) / 2).clamp_min(0.0).minimum(1.0 - side)
    return torch.cat([corner, side], 1)


def compose(outer: torch.Tensor, inner: torch.Tensor) -> torch.Tensor:
    """Return ``inner`` windows, given within ``outer`` ones, in the coordinates of the outer ones' image."""
    return torch.cat([outer[:, :2] + inner[:, :2] * outer[:, 2:], outer[:, 2:] * inner[:, 2:]], 1)


def _centres(heat: torch.Tensor) -> torch.Tensor:
    """Return where the pixels of (B, S, S) maps have their centres, (S,) in 0..1, horizontally and vertically."""
    return (torch.arange(heat.shape[-1], device=heat.device, dtype=heat.dtype) + 0.5) / heat.shape[-1]


def sample_window(image: torch.Tensor, window: torch.Tensor, size: int) -> torch.Tensor:
    """Resize the (B, 3) windows of (B, C, H, W) images bilinearly to (B, C, size, size).

    The grid is base × side + corner, as ``affine_grid`` would give it but in operators that every export knows, and
    with the coordinates of a row in one long dimension, which runtimes compute several times as fast as pairs.
    """
    centres = (torch.arange(size, device=image.device, dtype=window.dtype) * 2 + 1) / size
    base = torch.stack([centres.expand(size, size), centres[:, None].expand(size, size)], -1).flatten(1)
    corner = (2 * window[:, :2] - 1).repeat(1, size)
    grid = (base * window[:, 2:, None] + corner[:, None]).unflatten(2, (size, 2))
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=False)

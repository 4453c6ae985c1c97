"""Iterative class activation mapping (paper, section III-B): look, find what mattered, look closer, combine.

For an image the extractor E gives a feature map; the classifier's weights turn it into the class activation map
of the predicted class (Eq. 1); the window that it points to is the next iteration's image. The feature maps of
all iterations are aggregated and classified (Eq. 2). The loop has no hooks and no branch on a tensor's value, so
that it exports as one graph.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
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
from rgbx.models.windows import ImageShape, averaged, compose, sample_window
from rgbx.registry import ACTIVATION_MAPS, AGGREGATORS, WINDOWS


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
    crops: tuple[torch.Tensor, ...]
    """n images (B, 1 or 3, H, W) in 0..1: what each iteration saw."""


class Iterations(NamedTuple):
    """What the loop has seen and found so far, an entry for each iteration."""

    crops: tuple[torch.Tensor, ...] = ()
    """(B, 1 or 3, H, W), what the extractor saw."""
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
        input_shape: (height, width) of what the extractor sees, in pixels; the square of ``input_size`` when None.
        localiser: what found the device in the photographs that are given; no part of the loop, kept with it.
    """

    mean: torch.Tensor
    std: torch.Tensor
    localiser: nn.Module | None

    def __init__(
        self,
        backbone: nn.Module,
        classes: int,
        config: ICamConfig,
        frozen_stages: int = 0,
        input_shape: ImageShape | None = None,
        localiser: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        self.input_shape = input_shape or (config.input_size, config.input_size)
        channels = feature_channels(backbone)
        defaults: dict = backbone.default_cfg  # type: ignore[assignment]
        self.register_buffer("mean", torch.tensor(defaults["mean"]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(defaults["std"]).view(1, 3, 1, 1), persistent=False)
        self.localiser = localiser
        own = config.extractors == "own"
        if config.batch_norm == "per_iteration" and config.iterations > 1 and not own:
            split_statistics(backbone, config.iterations)
        self.backbone = backbone.to(memory_format=torch.channels_last)
        self.closer = nn.ModuleList(copy.deepcopy(self.backbone) for _ in range(1, config.iterations) if own)
        """The extractors of the later iterations, where each has its own."""
        self._frozen = [module for each in self.extractors for module in frozen_modules(each, frozen_stages)]
        self._frozen += [localiser] if localiser is not None else []
        for module in self._frozen:
            module.requires_grad_(False)
        self.next_window = WINDOWS[config.window](config.crop_fraction, **config.window_options)
        self.activation_map = ACTIVATION_MAPS[config.activation_map]
        self.aggregator = AGGREGATORS[config.aggregator](config.iterations)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(channels, classes)

    @property
    def extractors(self) -> list[nn.Module]:
        """E, or that of each iteration where they have their own."""
        return [self.backbone, *self.closer]

    def train(self, mode: bool = True) -> "ICam":
        super().train(mode)
        for module in self._frozen:
            module.eval()
        if self.config.batch_norm == "frozen":
            for extractor in self.extractors:
                for module in extractor.modules():
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
            source: (B, 1 or 3, H, W) in [0, 1], prepared images.
            label: (B,) class whose activation map guides the crops; each iteration's predicted class when None.
            iterations: run only so many (training's warm-up); all when None.
        """
        past = Iterations()
        for _ in range(iterations or self.config.iterations):
            past = self.iterate(source, past, label)
        stacked = torch.stack(past.features, 1)
        return ICamOutput(
            logits=self.classify(stacked),
            features=stacked,
            iteration_logits=self.classifier(self.dropout(stacked)),
            cams=torch.stack(past.cams, 1),
            windows=torch.stack(past.windows, 1),
            crops=past.crops,
        )

    def iterate(self, source: torch.Tensor, past: Iterations, label: torch.Tensor | None = None) -> Iterations:
        """Return ``past`` with one more iteration: of the whole image if it is the first.

        Args:
            source, label: as in :meth:`forward`.
            past: the iterations before.
        """
        iteration = len(past.features)
        if iteration == 0:
            window = torch.tensor([0.0, 0.0, 1.0], device=source.device).expand(source.shape[0], 3)
            whole = tuple(source.shape[-2:]) == self.input_shape  # nothing to resize
            image = source if whole else sample_window(self._averaged(source, 0), window, self.input_shape)
        else:
            outer = self.next_window.outer(iteration)
            local = self.next_window(past.cams[outer], self.input_shape, past.windows[outer + 1 :])
            window = compose(past.windows[outer], local)
            image = self._crop(source, past.crops[outer], window, local, iteration)
        maps = self.feature_maps(image, iteration)
        pooled = maps.mean((2, 3))
        chosen = self.classifier(pooled).argmax(1) if label is None else label
        cam = self.activation_map(maps.detach(), self.classifier.weight.detach(), chosen)
        return Iterations(*((*before, new) for before, new in zip(past, (image, window, pooled, cam), strict=True)))

    def reset_classes(self, classes: int) -> None:
        """Start a new classifier, of ``classes`` classes, on what the extractor has learnt."""
        self.classifier = nn.Linear(self.classifier.in_features, classes, device=self.classifier.weight.device)

    def feature_maps(self, image: torch.Tensor, iteration: int) -> torch.Tensor:
        """Return E's (B, K, h, w) feature maps of what an ``iteration`` (0-based) sees: by its own batch norm, or E.

        Args:
            image: (B, 1 or 3, H, W) in [0, 1].
            iteration: that sees it.
        """
        extractor = self.closer[iteration - 1] if self.closer and iteration else self.backbone
        select_iteration(extractor, iteration)
        normalised = (image - self.mean) / self.std  # a grey image becomes three equal channels here
        return extractor.forward_features(normalised.contiguous(memory_format=torch.channels_last)).float()  # type: ignore[operator]

    def aggregate(self, features: torch.Tensor) -> torch.Tensor:
        """FA (Eq. 2): combine (B, n, K) pooled features into (B, K)."""
        return self.aggregator(features)

    def classify(self, features: torch.Tensor) -> torch.Tensor:
        """C(FA(features)): (B, n, K) pooled features to (B, C) logits."""
        return self.classifier(self.dropout(self.aggregate(features)))

    def end_warm_up(self) -> None:
        """Let the later iterations join a network that has learnt with the first alone.

        They start from the statistics that the first has gathered, unless their extractors are their own, and with
        little weight in the weighted mean: what they see is new to the network, and they have to earn more.
        """
        copy_first_statistics(self.backbone)
        self.aggregator.favour_first()

    def start_from(self, other: "ICam", rows: Sequence[tuple[int, int]]) -> None:
        """Take over what another network with the same backbone has learnt.

        Where the two differ in iterations, statistics, aggregator or extractors, all iterations start from the other's
        first, as after a warm-up; those with extractors of their own start from the initial weights.

        Args:
            other: trained.
            rows: (own class, its class) for each class that both know; the others start as they are.

        Raises:
            RuntimeError: the backbones differ.
        """
        alike = all(
            getattr(self.config, name) == getattr(other.config, name)
            for name in ("iterations", "batch_norm", "aggregator", "extractors")
        )
        if alike:
            self.backbone.load_state_dict(other.backbone.state_dict())
            self.closer.load_state_dict(other.closer.state_dict())
            self.aggregator.load_state_dict(other.aggregator.state_dict())
        else:
            load_first_statistics(self.backbone, other.backbone)
            self.end_warm_up()
        with torch.no_grad():
            for own, its in rows:
                self.classifier.weight[own] = other.classifier.weight[its]
                self.classifier.bias[own] = other.classifier.bias[its]

    def _averaged(self, source: torch.Tensor, iteration: int) -> torch.Tensor:
        """Return the source, smoothed if an iteration sees a third of its pixels or fewer each way."""
        if not self.config.averaged:
            return source
        side = 1.0
        while iteration > 0:
            side, iteration = side * self.next_window.fraction, self.next_window.outer(iteration)
        steps = (side * have / seen for have, seen in zip(source.shape[-2:], self.input_shape, strict=True))
        return averaged(source, min(steps))

    def _crop(
        self, source: torch.Tensor, outer: torch.Tensor, window: torch.Tensor, local: torch.Tensor, iteration: int
    ) -> torch.Tensor:
        """Return a window of the source, or the same one (``local``) of the image in which it was found."""
        if self.config.crop_source == "source":
            return sample_window(self._averaged(source, iteration), window, self.input_shape)
        return sample_window(outer, local, self.input_shape)


def class_activation_map(maps: torch.Tensor, weights: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
    """Eq. 1: the (B, h, w) sum over k of W[c, k] F[:, k], for each image's class c.

    Args:
        maps: (B, K, h, w) feature maps F.
        weights: (C, K) classifier weights W.
        chosen: (B,) class indices c.
    """
    return (weights[chosen][:, :, None, None] * maps).sum(1)

"""What a network is: its configurations, as bundles keep them. Nothing here needs torch."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from rgbx.config import Config
from rgbx.modality import Modality
from rgbx.registry import ACTIVATION_MAPS, AGGREGATORS, WINDOWS
from rgbx.view.transform import TransformConfig

Preset = Literal["small", "paper"]
BatchNormMode = Literal["shared", "per_iteration", "frozen"]
Extractors = Literal["shared", "own"]
Precision = Literal["f32", "bf16", "int8"]
"""``f32``: as the network was trained. ``bf16``: float32 cut to 16 bits where the processor has instructions for it.
``int8``: a graph exported for it."""

DEFAULT = "tf_efficientnet_lite0"
"""The network whose ImageNet weights come with rgbx."""


class BackboneConfig(Config):
    """Which network extracts features and what it starts from."""

    name: str = DEFAULT
    """Any convolutional network of timm, e.g. ``"inception_v3"`` (the paper's), ``"resnet101"``."""
    weights: str = "embedded"
    """``embedded`` (tf_efficientnet_lite0 to 2), ``imagenet`` (timm's hub), ``none``, or a file's path."""
    frozen_stages: int = Field(default=0, ge=0)
    """How many of timm's stages, counted from the input, keep their initial weights and statistics."""


class ICamConfig(Config):
    """The loop around the extractor."""

    input_size: int = Field(default=128, ge=16)
    """Side of the images that the extractor sees, in pixels; upright ones have as many pixels as the square."""
    iterations: int = Field(default=3, ge=1, le=8)
    """n; 1 is the extractor with global average pooling and a classifier, nothing else."""
    activation_map: Annotated[str, AfterValidator(ACTIVATION_MAPS.check)] = "cam"
    """``cam``: Eq. 1; or another entry of :data:`rgbx.registry.ACTIVATION_MAPS`."""
    window: Annotated[str, AfterValidator(WINDOWS.check)] = "square"
    """``square``: of ``crop_fraction``, round the map's maximum, as in the paper. ``measured``: of ``crop_fraction``,
    where training finds that the classes differ, for devices that all lie the same way. Or another entry of
    :data:`rgbx.registry.WINDOWS`."""
    window_options: dict[str, Any] = Field(default_factory=dict)
    """What the window policy takes besides, e.g. ``{"threshold": 0.5}`` of ``box``, or the ``places`` of
    ``measured``, which training fills in."""
    crop_fraction: float = Field(default=0.5, gt=0.0, le=1.0)
    """Side of the next image as a fraction of this one's."""
    crop_source: Literal["input", "source"] = "source"
    """``input``: crop from what the network just saw, as the paper does. ``source``: the same window from the
    full-resolution image, which shows detail that the input has lost."""
    averaged: bool = True
    """Smooth the source where the network sees a third of its pixels or fewer each way, so that it passes over none;
    bundles of earlier versions do not."""
    aggregator: Annotated[str, AfterValidator(AGGREGATORS.check)] = "weighted_mean"
    """``weighted_mean``, ``mean``, ``sum``, or another entry of :data:`rgbx.registry.AGGREGATORS`."""
    batch_norm: BatchNormMode = "per_iteration"
    """Statistics of batch norm: one running mean for all iterations (the paper), one for each, or the initial
    weights' own throughout."""
    extractors: Extractors = "shared"
    """``shared``: one network for all iterations, as in the paper. ``own``: one for each, all from the same initial
    weights, as detail looks another way from near by; then each has its own statistics."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """On the aggregated features, in training."""


class StreamConfig(Config):
    """Everything that says how a stream computes its logits, but not how it was trained."""

    modality: Modality
    transform: TransformConfig = TransformConfig()
    backbone: BackboneConfig = BackboneConfig()
    icam: ICamConfig = ICamConfig()

    @property
    def input_shape(self) -> tuple[int, int]:
        """(height, width) of what the extractor sees, in pixels."""
        return self.transform.shape(self.icam.input_size)

    @property
    def localises(self) -> bool:
        """Whether the stream has a localiser, which finds the device in a photograph."""
        return self.modality == "rgb" and self.transform.view == "upright"


def stream_preset(modality: Modality, preset: Preset) -> StreamConfig:
    """Return the paper's network, or one that trains on two cores in minutes."""
    if preset == "paper":
        return StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=299, view="none" if modality == "rgb" else "square", margin=0.1),
            backbone=BackboneConfig(name="inception_v3", weights="imagenet"),
            icam=ICamConfig(input_size=299, crop_source="input", batch_norm="shared"),
        )
    # What tells shells apart is small, so photographs are looked at more closely; radiographs look less like what the
    # first stages were trained on, so those go on learning (docs/results/training.md).
    return StreamConfig(
        modality=modality,
        transform=TransformConfig(source_size=192),
        backbone=BackboneConfig(frozen_stages=3 if modality == "rgb" else 0),
        icam=ICamConfig(input_size=192 if modality == "rgb" else 128, iterations=1),
    )

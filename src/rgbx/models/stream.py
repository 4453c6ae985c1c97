"""A stream: one modality's network with the transform in front of it."""

from typing import Literal

from rgbx.config import Config
from rgbx.models.backbones import BackboneConfig, create_backbone
from rgbx.models.icam import ICam, ICamConfig
from rgbx.models.transforms import TransformConfig
from rgbx.samples.record import Modality

Preset = Literal["small", "paper"]


class StreamConfig(Config):
    """Everything that says how a stream computes its logits, but not how it was trained."""

    modality: Modality
    transform: TransformConfig = TransformConfig()
    backbone: BackboneConfig = BackboneConfig()
    icam: ICamConfig = ICamConfig()


def stream_preset(modality: Modality, preset: Preset) -> StreamConfig:
    """Return the paper's network, or one that trains on two cores in minutes."""
    if preset == "paper":
        return StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=299),
            backbone=BackboneConfig(name="inception_v3", weights="imagenet"),
            icam=ICamConfig(input_size=299, crop_source="input", batch_norm="shared"),
        )
    # What tells shells apart is small, so photographs are looked at more closely; radiographs look less like what the
    # first stages were trained on, so those go on learning (docs/training.md).
    return StreamConfig(
        modality=modality,
        transform=TransformConfig(source_size=192),
        backbone=BackboneConfig(frozen_stages=3 if modality == "rgb" else 0),
        icam=ICamConfig(input_size=192 if modality == "rgb" else 128, iterations=2),
    )


def build_stream(config: StreamConfig, classes: int, *, trained: bool = False) -> ICam:
    """Build a stream's network with its initial weights (none if ``trained`` ones are to be loaded anyway).

    Raises:
        RgbxError: the backbone or its weights cannot be had.
    """
    backbone = config.backbone.updated({"weights": "none"}) if trained else config.backbone
    return ICam(create_backbone(backbone), classes, config.icam, config.backbone.frozen_stages)

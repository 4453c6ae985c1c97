"""A bundle of both modalities that no training has touched: right in form, not in its answers."""

from pathlib import Path

import torch

from rgbx.models import bundle
from rgbx.models.config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.models.fusion import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.transforms import TransformConfig

CLASSES = ("A", "B", "C")


def write_untrained_bundle(folder: Path) -> Path:
    torch.manual_seed(0)
    configs = {
        modality: StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=64),
            backbone=BackboneConfig(name="test_resnet", weights="none"),
            icam=ICamConfig(input_size=64),
        )
        for modality in ("rgb", "xray")
    }
    network = RgbXNetwork({name: build_stream(config, 3) for name, config in configs.items()}, fused=True)
    bundle.save(folder, network, CLASSES, configs, training={}, sources={}, metrics={})
    return folder

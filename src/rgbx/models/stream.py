"""Build a stream's network from its configuration."""

from rgbx.models.backbones import create_backbone
from rgbx.models.icam import ICam
from rgbx.models.localiser import Localiser
from rgbx.models.stream_config import StreamConfig


def build_stream(config: StreamConfig, classes: int, *, trained: bool = False) -> ICam:
    """Build a stream's network with its initial weights (none if ``trained`` ones are to be loaded anyway).

    Raises:
        RgbxError: the backbone or its weights cannot be had.
    """
    backbone = config.backbone.updated({"weights": "none"}) if trained else config.backbone
    localiser = Localiser() if config.localises else None
    return ICam(
        create_backbone(backbone), classes, config.icam, config.backbone.frozen_stages, config.input_shape, localiser
    )

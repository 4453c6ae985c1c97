"""What a bundle holds as torch knows it: its streams and the head that fuses them."""

import copy
from collections.abc import Mapping

import torch
from torch import nn

from rgbx.modality import MODALITIES, Modality
from rgbx.models.fusion import Fusion, Linear
from rgbx.models.icam import ICam


class FusionHead(nn.Module):
    """C_R, C_X and FS on the streams' aggregated features.

    C_R and C_X start as copies of the streams' classifiers, which stay as they are and go on guiding the crops: so
    the features are constants while this head trains. FS starts as the sum of both class vectors (a product of
    experts) and learns from there how far to trust which stream for which class.

    Args:
        classifiers: the streams' classifiers by modality.
    """

    def __init__(self, classifiers: Mapping[Modality, nn.Linear]) -> None:
        super().__init__()
        self.classifiers = nn.ModuleDict({modality: copy.deepcopy(classifiers[modality]) for modality in MODALITIES})
        classes = classifiers[MODALITIES[0]].out_features
        self.fusion = nn.Linear(len(MODALITIES) * classes, classes)
        with torch.no_grad():
            self.fusion.weight.copy_(torch.eye(classes).repeat(1, len(MODALITIES)))
            self.fusion.bias.zero_()

    def scale(self, factor: float) -> None:
        """Multiply FS's answer, which makes it more or less sure, but no other."""
        with torch.no_grad():
            self.fusion.weight.mul_(factor)
            self.fusion.bias.mul_(factor)

    def forward(self, features: Mapping[Modality, torch.Tensor], kept: torch.Tensor | None = None) -> torch.Tensor:
        """Return (B, C) logits for (B, K) aggregated features of both modalities, see :class:`Fusion`."""
        classifiers = {modality: _weights(self.classifiers[modality]) for modality in MODALITIES}
        return Fusion(classifiers, _weights(self.fusion))(features, kept)


def _weights(layer: nn.Module) -> Linear:
    return Linear(layer.weight, layer.bias)


class RgbXNetwork(nn.Module):
    """What a bundle holds: one stream, or two with their fusion."""

    def __init__(self, streams: Mapping[Modality, ICam], *, fused: bool) -> None:
        super().__init__()
        self.streams = nn.ModuleDict(dict(streams.items()))
        self.fusion = (
            FusionHead({modality: stream.classifier for modality, stream in streams.items()}) if fused else None
        )

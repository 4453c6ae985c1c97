"""Fusion (paper, section III-B, Eq. 4): two streams' class vectors, concatenated, through one more layer.

What it computes stands here once, for arrays of NumPy and tensors of torch alike.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import safetensors

from rgbx.modality import MODALITIES, Modality
from rgbx.models.header import WEIGHTS


class Linear(NamedTuple):
    """A layer."""

    weight: Any
    """(outputs, inputs)"""
    bias: Any
    """(outputs,)"""

    def __call__(self, inputs: Any) -> Any:
        """Return (…, outputs) of (…, inputs)."""
        return inputs @ self.weight.T + self.bias


class Fusion(NamedTuple):
    """C_R, C_X and FS."""

    classifiers: Mapping[Modality, Linear]
    fusion: Linear
    """FS, of the class vectors one after the other."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the fusion of a bundle whose digest has been checked, as NumPy arrays."""
        with safetensors.safe_open(folder / WEIGHTS, framework="numpy") as tensors:

            def layer(name: str) -> Linear:
                return Linear(*(tensors.get_tensor(f"fusion.{name}.{part}") for part in ("weight", "bias")))

            return cls({modality: layer(f"classifiers.{modality}") for modality in MODALITIES}, layer("fusion"))

    @classmethod
    def adding_up(cls, classifiers: Mapping[Modality, Linear], bias: Any) -> Self:
        """Return a fusion that adds up its class vectors, and (C,) ``bias``; NumPy arrays."""
        return cls(classifiers, Linear(np.tile(np.eye(len(bias)), len(MODALITIES)), bias))

    def block(self, place: int) -> Any:
        """Return (C, C): how the class vector of a modality, by its place, counts for each class."""
        classes = len(self.fusion.bias)
        return self.fusion.weight[:, place * classes : (place + 1) * classes]

    def added_up(self) -> Self:
        """Return a fusion that says the same and only adds up: its class vectors take in how they are weighed."""
        weighed = {
            modality: Linear(*(self.block(place) @ part for part in self.classifiers[modality]))
            for place, modality in enumerate(MODALITIES)
        }
        return self.adding_up(weighed, self.fusion.bias)

    def __call__(self, features: Mapping[Modality, Any], kept: Any = None) -> Any:
        """Return (…, C) logits of (…, K) aggregated features of both modalities.

        Args:
            features: by modality.
            kept: (…, 2) factors of the class vectors, RGB's and X-ray's; 0 silences one (modality dropout).
        """
        logits = self.fusion.bias
        for place, modality in enumerate(MODALITIES):
            vector = self.classifiers[modality](features[modality])
            if kept is not None:
                vector = vector * kept[..., place, None]
            logits = logits + vector @ self.block(place).T
        return logits

"""C_R, C_X and FS (Eq. 4) on what both streams found: two small matrices, the same for every runtime."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import safetensors.numpy

from rgbx.modality import Modality
from rgbx.models.header import WEIGHTS


class Linear(NamedTuple):
    """A layer."""

    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


class Fusion(NamedTuple):
    """What :class:`rgbx.models.fusion.FusionHead` computes."""

    rgb: Linear
    xray: Linear
    fusion: Linear

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the fusion of a bundle whose digest has been checked."""
        with safetensors.safe_open(folder / WEIGHTS, framework="numpy") as tensors:

            def layer(name: str) -> Linear:
                weight, bias = (tensors.get_tensor(f"fusion.{name}.{part}") for part in ("weight", "bias"))
                return Linear(weight, bias)

            return cls(layer("classifiers.rgb"), layer("classifiers.xray"), layer("fusion"))

    def __call__(self, features: Mapping[Modality, np.ndarray]) -> np.ndarray:
        """Return (C,) logits of (K,) features of both modalities."""
        return self.fusion(np.concatenate([self.rgb(features["rgb"]), self.xray(features["xray"])]))

"""Out-of-distribution scores other than the default."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np

from rgbx.trust.ood import Mahalanobis, OodScore, squared_distances, unit_length

NEIGHBOUR = 5
"""k of the k-th nearest known device."""


@dataclass(frozen=True)
class NearestNeighbours:
    """Squared distance from the k-th nearest known device of each class (Sun et al., 2022)."""

    reads: ClassVar[Literal["features", "layouts"]] = "features"

    known: np.ndarray
    """(N, K), unit-length features."""
    labels: np.ndarray
    """(N,)"""
    neighbour: np.ndarray
    """(): k"""

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray) -> Self:
        """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
        return cls(unit_length(features), labels, np.array(min(NEIGHBOUR, int(np.bincount(labels).min()))))

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        squared, place = squared_distances(unit_length(evidence), self.known), self.neighbour.item() - 1
        nearest = [
            np.partition(squared[:, self.labels == label], place, axis=1)[:, place]
            for label in range(int(self.labels.max()) + 1)
        ]
        return np.stack(nearest, 1)

    def tensors(self) -> dict[str, np.ndarray]:
        return dict(vars(self))

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        return cls(**tensors)


def energy(logits: np.ndarray) -> np.ndarray:
    """Return (n,) energies of (n, C) logits (Liu et al., 2020)."""
    return -np.logaddexp.reduce(logits, axis=1)


MAHALANOBIS = OodScore({"rgb": Mahalanobis, "xray": Mahalanobis})
NEIGHBOURS = OodScore({"rgb": NearestNeighbours, "xray": NearestNeighbours})
ENERGY = OodScore({}, energy)

"""How strange a device is: its distance from the known devices of each class, in what a stream's network sees.

Distances of both modalities are added class by class before the nearest class is taken. So a device whose inside is one
class's and whose shell is another's is strange, though each image alone is not.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from rgbx.trust.config import TrustConfig

SHRINKAGE = 0.05
"""Of a covariance towards a sphere: few devices say little of a direction's scatter."""
NEIGHBOUR = 5


class Distances(Protocol):
    """A way to measure distances from classes."""

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return (n, C) distances of (n, K) features from each class; about 1 for a device of the class."""

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that it needs, by name."""


class Projection(NamedTuple):
    """Unit-length features along the directions in which known devices differ most."""

    centre: np.ndarray
    """(K,)"""
    axes: np.ndarray
    """(D, K)"""

    @classmethod
    def fit(cls, features: np.ndarray, dimensions: int) -> Self:
        """Find the ``dimensions`` principal axes, or as many as there are, of (n, K) features."""
        unit = _unit_length(features)
        centre = unit.mean(0)
        axes = np.linalg.svd(unit - centre, full_matrices=False)[2][:dimensions]
        return cls(centre, axes)

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return (n, D) of (n, K) features."""
        return (_unit_length(features) - self.centre) @ self.axes.T


class Mahalanobis(NamedTuple):
    """Squared distance from each class's mean, by the scatter within classes (Lee et al., 2018)."""

    projection: Projection
    means: np.ndarray
    """(C, D)"""
    precision: np.ndarray
    """(D, D)"""

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, dimensions: int) -> Self:
        """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
        projection = Projection.fit(features, dimensions)
        points = projection(features)
        means = np.stack([points[labels == label].mean(0) for label in range(labels.max() + 1)])
        scatter = points - means[labels]
        covariance = scatter.T @ scatter / len(points)
        ridge = SHRINKAGE * np.trace(covariance) / len(covariance)
        shrunk = (1 - SHRINKAGE) * covariance + ridge * np.eye(len(covariance))
        raw = cls(projection, means, np.linalg.inv(shrunk))
        return raw._replace(precision=raw.precision / _typical(raw(features), labels))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        offset = self.projection(features)[:, None] - self.means
        return np.einsum("ncd,de,nce->nc", offset, self.precision, offset)

    def tensors(self) -> dict[str, np.ndarray]:
        return {**self.projection._asdict(), "means": self.means, "precision": self.precision}

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        return cls(Projection(tensors["centre"], tensors["axes"]), tensors["means"], tensors["precision"])


class NearestNeighbours(NamedTuple):
    """Squared distance from the k-th nearest known device of each class (Sun et al., 2022)."""

    projection: Projection
    known: np.ndarray
    """(N, D)"""
    labels: np.ndarray
    """(N,)"""
    neighbour: int
    """k"""
    typical: np.ndarray
    """(): distance that counts as 1."""

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, dimensions: int) -> Self:
        """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
        projection = Projection.fit(features, dimensions)
        neighbour = min(NEIGHBOUR, int(np.bincount(labels).min()))
        raw = cls(projection, projection(features), labels, neighbour, np.ones(()))
        return raw._replace(typical=np.array(_typical(raw(features), labels)))

    def __call__(self, features: np.ndarray) -> np.ndarray:
        points = self.projection(features)
        squared = (points**2).sum(1)[:, None] + (self.known**2).sum(1) - 2 * points @ self.known.T
        nearest = [
            np.partition(squared[:, self.labels == label], self.neighbour - 1, axis=1)[:, self.neighbour - 1]
            for label in range(int(self.labels.max()) + 1)
        ]
        return np.stack(nearest, 1).clip(0) / self.typical

    def tensors(self) -> dict[str, np.ndarray]:
        arrays = {"known": self.known, "labels": self.labels, "typical": self.typical}
        return {**self.projection._asdict(), **arrays, "neighbour": np.array(self.neighbour)}

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        projection = Projection(tensors["centre"], tensors["axes"])
        return cls(projection, tensors["known"], tensors["labels"], int(tensors["neighbour"]), tensors["typical"])


def fit_distances(config: TrustConfig, features: np.ndarray, labels: np.ndarray) -> Distances:
    """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
    kind = NearestNeighbours if config.novelty == "neighbours" else Mahalanobis
    return kind.fit(features, labels, config.dimensions)


def novelty(logits: np.ndarray, distances: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n,) scores that grow with strangeness.

    Args:
        logits: (n, C), of the channel.
        distances: (n, C) of each modality shown; without any, the score is the logits' energy (Liu et al., 2020).
    """
    return np.sum(distances, axis=0).min(1) if len(distances) else -np.logaddexp.reduce(logits, axis=1)


def _unit_length(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def _typical(distances: np.ndarray, labels: np.ndarray) -> float:
    """Return the median distance from the own class."""
    return max(float(np.median(distances[np.arange(len(labels)), labels])), 1e-12)

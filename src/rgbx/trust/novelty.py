"""How strange a device is: its distance from the known devices of each class, in what a stream's network sees, or in
the radiograph itself.

Distances of both modalities, each as the surprise that it would be in a device of the class, are added class by class
before the nearest class is taken. So a device whose inside is one class's and whose shell is another's is strange,
though each image alone is not.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol, Self

import numpy as np

from rgbx.samples.record import Modality
from rgbx.trust.config import NoveltyScore, TrustConfig
from rgbx.trust.layout import Layouts

SHRINKAGE = 0.05
"""Of a covariance towards a sphere: few devices say little of a direction's scatter."""
NEIGHBOUR = 5
SURVIVAL = np.array([1.0, 0.5, 0.2, 0.1, 0.05])
"""Shares of a class's devices at which the surprise of a distance is looked up; what is farther than the last share is
taken to thin out exponentially."""


class Shown(NamedTuple):
    """What there is to judge the novelty of n images by."""

    features: np.ndarray
    """(n, K), of the stream."""
    layouts: np.ndarray | None = None
    """(n, 48, 48), of radiographs (:func:`rgbx.trust.layout.layout_of`)."""

    def chosen(self, which: np.ndarray | slice) -> "Shown":
        """Return some of the images."""
        return Shown(self.features[which], None if self.layouts is None else self.layouts[which])

    @classmethod
    def joined(cls, parts: Sequence["Shown"]) -> "Shown":
        """Return several images, all of one modality, as one."""
        layouts = [part.layouts for part in parts if part.layouts is not None]
        return cls(np.concatenate([part.features for part in parts]), np.concatenate(layouts) if layouts else None)


class Distances(Protocol):
    """A way to measure distances from classes."""

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """Return (n, C) distances from each class of what :func:`evidence` gave of n images."""

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
        return cls(projection, means, np.linalg.inv(shrunk))

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        offset = self.projection(evidence)[:, None] - self.means
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

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, dimensions: int) -> Self:
        """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
        projection = Projection.fit(features, dimensions)
        neighbour = min(NEIGHBOUR, int(np.bincount(labels).min()))
        return cls(projection, projection(features), labels, neighbour)

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        points = self.projection(evidence)
        squared = (points**2).sum(1)[:, None] + (self.known**2).sum(1) - 2 * points @ self.known.T
        nearest = [
            np.partition(squared[:, self.labels == label], self.neighbour - 1, axis=1)[:, self.neighbour - 1]
            for label in range(int(self.labels.max()) + 1)
        ]
        return np.stack(nearest, 1).clip(0)

    def tensors(self) -> dict[str, np.ndarray]:
        arrays = {"known": self.known, "labels": self.labels, "neighbour": np.array(self.neighbour)}
        return {**self.projection._asdict(), **arrays}

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        projection = Projection(tensors["centre"], tensors["axes"])
        return cls(projection, tensors["known"], tensors["labels"], int(tensors["neighbour"]))


class Surprise(NamedTuple):
    """−log of the share of a class's devices that are as far from it: a common measure of unlike distances."""

    distances: np.ndarray
    """(5,) that the shares ``SURVIVAL`` of the devices exceed."""
    excess: np.ndarray
    """(): mean of what is beyond the last of them."""

    @classmethod
    def fit(cls, distances: np.ndarray) -> Self:
        """Fit (n,) distances of devices from their own class, none of which the class was fitted to."""
        at = np.quantile(distances, 1 - SURVIVAL)
        beyond = distances[distances > at[-1]] - at[-1]
        mean = float(beyond.mean()) if len(beyond) else 0.0
        return cls(at, np.array(max(mean, float(at[-1] - at[0]) / 100, 1e-12)))

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Return the surprise, 0 or more, of distances of any shape."""
        within = np.interp(distances, self.distances, -np.log(SURVIVAL))
        return within + np.maximum(distances - self.distances[-1], 0) / self.excess


class Surprises(NamedTuple):
    """How surprising an image would be in each class."""

    distances: Distances
    scale: Surprise

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """Return (n, C), 0 or more, of what :func:`evidence` gave of n images."""
        return self.scale(self.distances(evidence))

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that it needs, by name."""
        return {f"distances.{name}": array for name, array in self.distances.tensors().items()} | {
            f"scale.{name}": array for name, array in self.scale._asdict().items()
        }

    @classmethod
    def of(cls, score: NoveltyScore, modality: Modality, tensors: Mapping[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave of a modality's images."""
        parts: dict[str, dict[str, np.ndarray]] = {"distances": {}, "scale": {}}
        for name, array in tensors.items():
            kind, part = name.split(".")
            parts[kind][part] = array
        return cls(_KINDS[_looked_at(score, modality)].of(parts["distances"]), Surprise(**parts["scale"]))


def fit_distances(config: TrustConfig, modality: Modality, evidence: np.ndarray, labels: np.ndarray) -> Distances:
    """Fit what :func:`evidence` gave of known devices with (n,) labels, at least one of each class."""
    kind = _KINDS[_looked_at(config.novelty, modality)]
    return kind.fit(evidence, labels) if issubclass(kind, Layouts) else kind.fit(evidence, labels, config.dimensions)


def evidence(score: NoveltyScore, modality: Modality, shown: Shown) -> np.ndarray:
    """Return what a score looks at of n images: (n, K) features or (n, 48 · 48) layouts."""
    if _looked_at(score, modality) != "layout":
        return shown.features
    assert shown.layouts is not None, "every radiograph has one"
    return shown.layouts.reshape(len(shown.layouts), -1)


def _looked_at(score: NoveltyScore, modality: Modality) -> NoveltyScore:
    """Return the score of a modality alone: a photograph has no layout that light and glare would leave."""
    return "mahalanobis" if score == "layout" and modality == "rgb" else score


_KINDS: Mapping[str, type[Mahalanobis] | type[NearestNeighbours] | type[Layouts]] = {
    "mahalanobis": Mahalanobis,
    "neighbours": NearestNeighbours,
    "layout": Layouts,
}


def novelty(logits: np.ndarray, surprises: Sequence[np.ndarray]) -> np.ndarray:
    """Return (n,) scores that grow with strangeness.

    Args:
        logits: (n, C), of the channel.
        surprises: (n, C) of each modality shown; without any, the score is the logits' energy (Liu et al., 2020).
    """
    return np.sum(surprises, axis=0).min(1) if len(surprises) else -np.logaddexp.reduce(logits, axis=1)


def _unit_length(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)

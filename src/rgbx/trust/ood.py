"""Out-of-distribution scores: how far a device is from the known devices of every class, in what a stream's network
sees, or in the radiograph itself.

Of the distances of both modalities, each on the scale of how rare it would be among devices of the class, the greater
one counts, class by class, before the nearest class is taken. So a device whose inside is one class's and whose shell
is another's stands out, though each image alone does not, and a modality that cannot tell does not drown the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, Protocol, Self

import numpy as np

from rgbx.modality import Modality
from rgbx.trust.layout import Layouts

SHRINKAGE = 0.2
"""Of a covariance towards a sphere: few devices say little of a direction's scatter, and what they say of it makes them
look nearer than others."""
OF_ALL = 5
"""Devices' worth of the median distance of all classes in that of each."""
SURVIVAL = np.array([1.0, 0.5, 0.2, 0.1, 0.05])
"""Shares of a class's devices at which the scale of a distance is looked up; what is farther than the last share is
taken to thin out exponentially."""


class Shown(NamedTuple):
    """What there is to judge n images by."""

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

    reads: ClassVar[Literal["features", "layouts"]]
    """What of the images it is given."""

    @classmethod
    def fit(cls, evidence: np.ndarray, labels: np.ndarray) -> Self:
        """Fit (n, D) features or layouts of known devices with (n,) labels, at least one of each class."""
        ...

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """Return (n, C) distances from each class of (n, D) features or layouts."""
        ...

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that it needs, by name."""
        ...

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        ...


class OodScore(NamedTuple):
    """A way to tell unknown devices; registered in :data:`rgbx.registry.OOD_SCORES`."""

    distances: Mapping[Modality, type[Distances]]
    """How to measure an image of each modality; empty for a score of the logits alone."""
    of_logits: Callable[[np.ndarray], np.ndarray] | None = None
    """(n,) scores of the channel's (n, C) logits, where nothing is measured."""

    def __call__(self, logits: np.ndarray, rarities: Sequence[np.ndarray]) -> np.ndarray:
        """Return (n,) scores; the higher, the less a device is like any that is known.

        Args:
            logits: (n, C), of the channel.
            rarities: (n, C) of each modality shown, from an :class:`OodScorer`.
        """
        if self.of_logits is not None:
            return self.of_logits(logits)
        return np.max(rarities, axis=0).min(1)


@dataclass(frozen=True)
class Mahalanobis:
    """Squared distance from each class's mean, by the scatter within classes (Lee et al., 2018).

    No direction is left out: where known devices hardly differ, any difference says that a device is another.
    """

    reads: ClassVar[Literal["features", "layouts"]] = "features"

    means: np.ndarray
    """(C, K), of unit-length features."""
    axes: np.ndarray
    """(D, K): directions in which devices of a class differ, as long as what they take off the squared distance."""
    along: np.ndarray
    """(C, D): the means along the axes, so that they are not projected anew for each image."""
    least: np.ndarray
    """(): variance in all other directions."""

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray) -> Self:
        """Fit (n, K) features of known devices with (n,) labels, at least one of each class."""
        points = unit_length(features)
        means = np.stack([points[labels == label].mean(0) for label in range(labels.max() + 1)])
        deviations, directions = np.linalg.svd(points - means[labels], full_matrices=False)[1:]
        variances = deviations**2 / len(points)
        least = max(SHRINKAGE * float(variances.sum()) / points.shape[1], 1e-12)
        kept = (1 - SHRINKAGE) * variances
        taken_off = kept / (least * (kept + least))  # 1 / least - 1 / (kept + least)
        axes = np.sqrt(taken_off)[:, None] * directions
        return cls(means, axes, means @ axes.T, np.array(least))

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        points = unit_length(evidence)
        return squared_distances(points, self.means) / self.least - squared_distances(points @ self.axes.T, self.along)

    def tensors(self) -> dict[str, np.ndarray]:
        return dict(vars(self))

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        return cls(**tensors)


class TailScale(NamedTuple):
    """−log of the share of known devices that are as far from their own class: a common measure of unlike distances."""

    typical: np.ndarray
    """(C,): how far devices usually are from their own class. Some classes vary more than others, so distances are
    divided by it."""
    distances: np.ndarray
    """(5,) that the shares ``SURVIVAL`` of the devices exceed, divided so."""
    excess: np.ndarray
    """(): mean of what is beyond the last of them."""

    @classmethod
    def fit(cls, distances: np.ndarray, labels: np.ndarray) -> Self:
        """Fit distances of devices from their own class, none of which the class was fitted to.

        Args:
            distances: (n,)
            labels: (n,), every class among them. The fewer devices of a class, the more its median is drawn to that of
                all.
        """
        count = np.bincount(labels)
        medians = np.array([np.median(distances[labels == label]) for label in range(len(count))])
        drawn = (count * medians + OF_ALL * np.median(distances)) / (count + OF_ALL)
        typical = np.maximum(drawn, 1e-12)
        relative = distances / typical[labels]
        at = np.quantile(relative, 1 - SURVIVAL)
        beyond = relative[relative > at[-1]] - at[-1]
        mean = float(beyond.mean()) if len(beyond) else 0.0
        return cls(typical, at, np.array(max(mean, float(at[-1] - at[0]) / 100, 1e-12)))

    def __call__(self, distances: np.ndarray) -> np.ndarray:
        """Return it, 0 or more, of (n, C) distances."""
        relative = distances / self.typical
        within = np.interp(relative, self.distances, -np.log(SURVIVAL))
        return within + np.maximum(relative - self.distances[-1], 0) / self.excess


class OodScorer(NamedTuple):
    """How rare an image would be in each class."""

    distances: Distances
    scale: TailScale

    def __call__(self, shown: Shown) -> np.ndarray:
        """Return (n, C), 0 or more: −log of the share of a class's devices that are as far from it as the image is."""
        return self.scale(self.distances(evidence(type(self.distances), shown)))

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that it needs, by name."""
        return {f"distances.{name}": array for name, array in self.distances.tensors().items()} | {
            f"scale.{name}": array for name, array in self.scale._asdict().items()
        }

    @classmethod
    def of(cls, kind: type[Distances], tensors: Mapping[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        parts: dict[str, dict[str, np.ndarray]] = {"distances": {}, "scale": {}}
        for name, array in tensors.items():
            part, of = name.split(".")
            parts[part][of] = array
        return cls(kind.of(parts["distances"]), TailScale(**parts["scale"]))


def evidence(kind: type[Distances], shown: Shown) -> np.ndarray:
    """Return what a kind of distances looks at of n images: (n, K) features or (n, 48 · 48) layouts."""
    if kind.reads == "features":
        return shown.features
    assert shown.layouts is not None, "every radiograph has one"
    return shown.layouts.reshape(len(shown.layouts), -1)


def unit_length(features: np.ndarray) -> np.ndarray:
    """Return (n, K) features, each with a length of 1."""
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def squared_distances(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (n, m) squared distances of (n, D) points from (m, D) others."""
    return ((points**2).sum(1)[:, None] + (others**2).sum(1) - 2 * points @ others.T).clip(0)


LAYOUT = OodScore({"rgb": Mahalanobis, "xray": Layouts})
"""The default. A photograph has no layout that light and glare would leave, so it is judged by its features."""

"""A calibration when a class comes or goes: what of it still holds is kept, the rest is guessed with caution.

There are no images of the new class on the line. So it is provisional until it is fitted anew.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rgbx.modality import Channel, Modality
from rgbx.training.class_head import HeldOutLogits
from rgbx.trust.calibration import Calibrated, ChannelCalibration
from rgbx.trust.conformal import conformal_threshold
from rgbx.trust.layout import Layouts
from rgbx.trust.ood import Distances, Mahalanobis, OodScorer, Shown, TailScale, evidence, unit_length
from rgbx.trust.probabilities import probabilities
from rgbx.trust.risk import cheapest_bins
from rgbx.trust.sorting import Sorting
from rgbx.trust.temperature import fit_temperature


class RenderedImages(NamedTuple):
    """n rendered images of one modality, of old classes and the new one."""

    shown: Shown
    labels: np.ndarray
    """(n,) class indices, the new class last."""
    units: tuple[str, ...]
    """The unit that each shows."""


def can_change_classes(calibrated: Calibrated) -> bool:
    """Return whether the out-of-distribution score of a calibration can be told of a class without images of a line."""
    kinds = [type(scorer.distances) for scorer in calibrated.scorers.values()]
    return bool(kinds) and all(kind in (Mahalanobis, Layouts) for kind in kinds)


def calibration_with_class(
    calibrated: Calibrated,
    answers: Mapping[Channel, HeldOutLogits],
    images: Mapping[Modality, RenderedImages],
    own_bin: str,
) -> Calibrated:
    """Return a calibration that knows one class more, of a kind that :func:`can_change_classes`.

    - A device of an old class can only look less unknown than before. So the limit of unknown devices stays as the line
      set it, and so does that of risk.
    - Of the temperature and the candidates' limits those before and those of held-out images are compared, and the more
      cautious count.

    Args:
        calibrated: of the bundle before; fitted to images of a line.
        answers: of each channel, on images that the heads were not fitted to.
        images: rendered ones of each modality, of every class.
        own_bin: where devices of the new class go; a new bin or one that there is.
    """
    sorting = _with_row(calibrated.sorting, own_bin)
    scorers = {modality: _with_class(each, images[modality]) for modality, each in calibrated.scorers.items()}
    channels = {channel: _cautious(each, answers[channel], calibrated) for channel, each in calibrated.channels.items()}
    return calibrated._replace(sorting=sorting, scorers=scorers, channels=channels, provisional=True)


def calibration_without_class(calibrated: Calibrated, place: int) -> Calibrated:
    """Return a calibration that knows one class less, of a kind that :func:`can_change_classes`.

    The temperature stays; what is left of the probabilities is shared by fewer classes, so the true class is missing
    among the candidates no oftener than before.

    Args:
        calibrated: of the bundle before.
        place: index of the class that goes.
    """
    costs = np.delete(calibrated.sorting.matrix, place, 0)
    used = np.flatnonzero(np.delete(calibrated.sorting.right, place, 0).any(0))
    bins = tuple(calibrated.sorting.bins[number] for number in used)
    sorting = Sorting(bins=bins, costs=tuple(map(tuple, costs[:, used].tolist())))
    scorers = {modality: _without_class(each, place) for modality, each in calibrated.scorers.items()}
    channels = {channel: _unproven(each) for channel, each in calibrated.channels.items()}
    return calibrated._replace(sorting=sorting, scorers=scorers, channels=channels, provisional=True)


def sorted_shares(calibrated: Calibrated, channel: Channel, answers: HeldOutLogits) -> tuple[float, float]:
    """Return which shares of the newest class's images go to the right bin and to a wrong one, were none unknown.

    Args:
        calibrated: knows the class.
        channel: that the answers are of.
        answers: on rendered images, held out.
    """
    limits, sorting = calibrated.channels[channel], calibrated.sorting
    label = answers.logits.shape[1] - 1
    sure = probabilities(answers.logits[answers.truth == label], limits.temperature)
    bins, risks = cheapest_bins(sure, sorting.matrix)
    is_sorted, right = risks <= limits.risk_limit, sorting.right[label, bins]
    return float((is_sorted & right).mean()), float((is_sorted & ~right).mean())


def _with_row(sorting: Sorting, own_bin: str) -> Sorting:
    """Give a new class its bin: 0 for that, 1 for every other; 1 for every other class in a new bin."""
    costs = sorting.matrix
    bins = sorting.bins
    if own_bin not in bins:
        bins = (*bins, own_bin)
        costs = np.column_stack([costs, np.maximum(costs.max(1), 1.0)])
    row = np.array([float(name != own_bin) for name in bins])
    return Sorting(bins=bins, costs=tuple(map(tuple, np.vstack([costs, row]).tolist())))


def _with_class(scorer: OodScorer, images: RenderedImages) -> OodScorer:
    """Tell a scorer about a class; how far its devices usually are from it is guessed from rendered images.

    They are taken to be as far from rendered images as these are from each other, or as devices of old classes are from
    each other if that is more, times what rendered images of old classes are farther from the line's than these.
    """
    distances, scale = scorer
    label = len(scale.typical)
    seen = evidence(type(distances), images.shown)
    is_new = images.labels == label
    labels = images.labels[~is_new]
    farther = distances(seen[~is_new])[np.arange(len(labels)), labels] / scale.typical[labels]
    own = _own_distances(distances, seen[is_new], [unit for unit, new in zip(images.units, is_new, strict=True) if new])
    typical = max(np.median(own), np.median(scale.typical)) * max(1.0, float(np.median(farther)))
    longer = TailScale(np.append(scale.typical, typical), scale.distances, scale.excess)
    return OodScorer(_distances_with(distances, seen[is_new], label), longer)


def _own_distances(distances: Distances, seen: np.ndarray, units: list[str]) -> np.ndarray:
    """Return how far images of a new class are from others of it, of other units where there are two."""
    groups = np.unique(units, return_inverse=True)[1]
    half = (groups if groups.max() > 0 else np.arange(len(units))) % 2
    found = np.empty(len(seen))
    for number in (0, 1):
        others = _distances_with(distances, seen[half != number], _classes(distances))
        found[half == number] = others(seen[half == number])[:, -1]
    return found


def _classes(distances: Distances) -> int:
    if isinstance(distances, Mahalanobis):
        return len(distances.means)
    assert isinstance(distances, Layouts)
    return int(distances.labels.max()) + 1


def _distances_with(distances: Distances, seen: np.ndarray, label: int) -> Distances:
    if isinstance(distances, Mahalanobis):
        mean = unit_length(seen).mean(0, keepdims=True)
        means = np.concatenate([distances.means, mean])
        return Mahalanobis(means, distances.axes, means @ distances.axes.T, distances.least)
    assert isinstance(distances, Layouts)
    new = Layouts.fit(seen, np.zeros(len(seen), np.int64))
    labels = np.concatenate([distances.labels, np.full(len(new.labels), label)])
    return Layouts(np.concatenate([distances.known, new.known], 2), labels)


def _without_class(scorer: OodScorer, place: int) -> OodScorer:
    distances, scale = scorer
    shorter = TailScale(np.delete(scale.typical, place), scale.distances, scale.excess)
    if isinstance(distances, Mahalanobis):
        means = np.delete(distances.means, place, 0)
        return OodScorer(Mahalanobis(means, distances.axes, means @ distances.axes.T, distances.least), shorter)
    assert isinstance(distances, Layouts)
    kept = distances.labels != place
    labels = distances.labels[kept]
    return OodScorer(Layouts(distances.known[:, :, kept], labels - (labels > place)), shorter)


def _cautious(before: ChannelCalibration, answers: HeldOutLogits, calibrated: Calibrated) -> ChannelCalibration:
    config = calibrated.config
    temperature = max(before.temperature, fit_temperature(answers.logits, answers.truth))
    sure = probabilities(answers.logits, temperature)
    candidate, agreement = (
        conformal_threshold(sure, answers.truth, miss) for miss in (config.miss, config.disagreement)
    )
    return _unproven(before).updated(
        {
            "temperature": temperature,
            "candidate_threshold": min(before.candidate_threshold, candidate),
            "agreement_threshold": min(before.agreement_threshold, agreement),
        }
    )


def _unproven(before: ChannelCalibration) -> ChannelCalibration:
    """Return a channel's limits without what was promised of them."""
    return before.updated({"supported": False, "false_sorts": 0, "sorted": 0, "bound": 1.0})

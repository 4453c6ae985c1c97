"""Heads that know one class more, by what a bundle remembers of the line that it was calibrated on.

A new class is known from rendered images alone. How images of a line differ from rendered ones is seen of the old
classes, each of which differs in its own way. A linear discriminant that takes these ways for scatter within a class
looks past them. What it says is added to what the trained heads say; for those, the new class is what they take it for.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from rgbx.datasets.partners import draw_partners
from rgbx.modality import MODALITIES, Channel, Modality
from rgbx.models.fusion import Fusion, Linear
from rgbx.models.memory import LineImages, Remembered
from rgbx.samples import generator
from rgbx.training.class_head import (
    MOST_FOLDS,
    MOST_TAKEN,
    PAIRINGS,
    FittedClass,
    Folds,
    Heads,
    HeldOutLogits,
    fusion_block,
)

SCATTER_SHRINKAGE = 0.1
"""Of the scatter within classes towards a sphere."""
LEAST_CLASSES = 3
"""Of a line, that show how its images differ from rendered ones."""


class _Shown(NamedTuple):
    """Images of one modality, or pairs, as several heads judge them."""

    features: dict[Modality, np.ndarray]
    labels: np.ndarray
    folds: np.ndarray


class _Trained(NamedTuple):
    """A channel of the bundle before, its head as one layer of each modality."""

    layers: dict[Modality, Linear]
    """(C, K); what they say is added up."""

    def __call__(self, features: Mapping[Modality, np.ndarray]) -> np.ndarray:
        said: np.ndarray = sum(layer(features[modality]) for modality, layer in self.layers.items())
        return said


def enough_of_line(line: Mapping[Modality, LineImages], modalities: Sequence[Modality]) -> bool:
    """Return whether a bundle has seen so many classes on a line, in every modality, that they show its ways."""
    return all(m in line and len(set(line[m].labels.tolist())) >= LEAST_CLASSES for m in modalities)


def fit_class_on_line(
    images: Mapping[Modality, Remembered],
    line: Mapping[Modality, LineImages],
    before: Heads,
    folds: Folds,
    seed: int = 0,
) -> FittedClass:
    """Fit heads to a new class, and see what they say of units held out.

    What is held out are rendered images of the new class, and images of old classes on the line.

    Args:
        images: of all classes, the new one last, by modality.
        line: of old classes; of some is enough (:func:`enough_of_line`).
        before: the heads of a trained bundle.
        folds: of ``images``.
        seed: of pairing photographs with radiographs.
    """
    modalities = list(images)
    of_line = _line_folds(line)
    heads = _discriminants(images, line)
    without_images = [
        _discriminants(images, line, {m: each != number for m, each in folds.of_images.items()})
        for number in range(folds.number)
    ]
    without_line = [
        _discriminants(images, {m: line[m].chosen(of_line[m] != number) for m in line})
        for number in range(1 + max(int(each.max()) for each in of_line.values()))
    ]
    seen = sorted(set.intersection(*(set(each.labels.tolist()) for each in line.values())))
    without_class = {
        label: _discriminants(images, {m: line[m].chosen(line[m].labels != label) for m in line}) for label in seen
    }
    channels: list[tuple[Channel, list[Modality]]] = [(m, [m]) for m in modalities]
    if before.fusion is not None:
        channels.append(("rgbx", modalities))
    found: dict[Channel, _Channel] = {}
    for channel, parts in channels:
        trained = _trained(before, channel)
        rendered = _shown({m: images[m] for m in parts}, {m: folds.of_images[m] for m in parts}, seed)
        on_line = _shown({m: line[m] for m in parts}, {m: of_line[m] for m in parts}, seed)
        found[channel] = _fit_channel(trained, heads, without_images, without_line, without_class, rendered, on_line)
    classifiers = {m: found[m].head[m] for m in modalities}
    fusion = None if before.fusion is None else _fusion(found["rgbx"].head)
    return FittedClass(
        Heads(classifiers, fusion),
        {channel: each.held_out for channel, each in found.items()},
        {channel: each.rehearsed for channel, each in found.items()},
    )


class _Channel(NamedTuple):
    head: dict[Modality, Linear]
    """(C + 1, K); what they say is added up."""
    held_out: HeldOutLogits
    rehearsed: float


def _fit_channel(
    trained: _Trained,
    heads: Mapping[Modality, Linear],
    without_images: Sequence[Mapping[Modality, Linear]],
    without_line: Sequence[Mapping[Modality, Linear]],
    without_class: Mapping[int, Mapping[Modality, Linear]],
    rendered: _Shown,
    on_line: _Shown,
) -> _Channel:
    label = int(rendered.labels.max())
    is_new = rendered.labels == label
    anchor = softmax(trained({m: each[is_new] for m, each in rendered.features.items()}), axis=1).mean(0)
    counts = _counts({m: heads[m](each) for m, each in rendered.features.items()}, rendered.labels)

    def joined(told: Mapping[Modality, Linear]) -> dict[Modality, Linear]:
        return {m: _added(layer, anchor, told[m], counts[m]) for m, layer in trained.layers.items()}

    def said(told: Mapping[Modality, Linear], shown: _Shown, which: np.ndarray) -> np.ndarray:
        return _Trained(joined(told))({m: each[which] for m, each in shown.features.items()})

    def limit(logits: np.ndarray, truth: np.ndarray, place: int) -> float:
        others = np.delete(np.arange(label + 1), place)
        right = others[logits[:, others].argmax(1)] == truth
        margins = (logits[:, place] - logits[:, others].max(1))[right]
        return max(float(np.quantile(margins, 1 - MOST_TAKEN)) if len(margins) else 0.0, 0.0)

    everything = np.ones(len(on_line.labels), bool)
    offset = -limit(said(heads, on_line, everything), on_line.labels, label)
    of_new = np.empty((int(is_new.sum()), label + 1))
    for number, told in enumerate(without_images):
        of_new[rendered.folds[is_new] == number] = said(told, rendered, is_new & (rendered.folds == number))
    of_old = np.empty((len(on_line.labels), label + 1))
    for number, told in enumerate(without_line):
        of_old[on_line.folds == number] = said(told, on_line, on_line.folds == number)
    told_right = []
    for place, told in without_class.items():
        logits = said(told, on_line, everything)
        logits[:, label] += offset
        own = on_line.labels == place
        lowered = logits[own]
        lowered[:, place] -= limit(logits[~own], on_line.labels[~own], place)
        told_right.append(float((lowered.argmax(1) == place).mean()))
    logits = np.concatenate([of_old, of_new])
    logits[:, label] += offset
    shown = {m: np.concatenate([on_line.features[m], each[is_new]]) for m, each in rendered.features.items()}
    # Images that a discriminant was fitted to are told without fail, so they do not say how sure it may be.
    sure = _spread(trained(on_line.features)) / max(_spread(of_old[:, :label]), 1e-12)
    head = {m: Linear(sure * weight, sure * bias) for m, (weight, bias) in joined(heads).items()}
    first = next(iter(head))
    head[first].bias[label] += sure * offset
    return _Channel(
        head,
        HeldOutLogits(sure * logits, np.append(on_line.labels, rendered.labels[is_new]), trained(shown)),
        float(np.mean(told_right)),
    )


def _spread(logits: np.ndarray) -> float:
    """Return how far apart the (n, C) logits of an image usually are."""
    return float(np.sqrt(((logits - logits.mean(1, keepdims=True)) ** 2).mean()))


def discriminant(features: np.ndarray, labels: np.ndarray, line: LineImages) -> Linear:
    """Return the linear discriminant of classes that count alike; as they differ on a line, they scatter.

    Args:
        features: (n, K), of rendered images.
        labels: (n,) class indices; each of C classes occurs.
        line: of some of these classes.

    Returns:
        (C, K); its logits add up to 0.
    """
    features = features.astype(np.float64)
    means = np.stack([features[labels == label].mean(0) for label in range(labels.max() + 1)])
    weights = 1.0 / (np.bincount(labels)[labels] * len(means))
    apart = features - means[labels]
    scatter = (1 - SCATTER_SHRINKAGE) * (apart * weights[:, None]).T @ apart
    ways = np.stack(
        [line.features[line.labels == label].mean(0) - means[label] for label in np.unique(line.labels)]
    ).astype(np.float64)
    ways -= ways.mean(0)
    scatter += ways.T @ ways / len(ways)
    scatter[np.diag_indices_from(scatter)] += max(
        SCATTER_SHRINKAGE / (1 - SCATTER_SHRINKAGE) * np.trace(scatter) / len(scatter), 1e-12
    )
    weight = np.linalg.solve(scatter, means.T).T
    bias = -0.5 * (weight * means).sum(1)
    return Linear(weight - weight.mean(0), bias - bias.mean())


def _discriminants(
    images: Mapping[Modality, Remembered],
    line: Mapping[Modality, LineImages],
    kept: Mapping[Modality, np.ndarray] | None = None,
) -> dict[Modality, Linear]:
    """Return the discriminant of each modality, of the (n,) images that are kept; of all when None."""
    which = kept or {modality: np.ones(len(each.labels), bool) for modality, each in images.items()}
    return {m: discriminant(images[m].features[each], images[m].labels[each], line[m]) for m, each in which.items()}


def _counts(told: Mapping[Modality, np.ndarray], truth: np.ndarray) -> dict[Modality, float]:
    """Return how much the discriminant of each modality counts: as makes images, or pairs, likeliest."""
    weights = 1.0 / np.bincount(truth)[truth]  # each class counts alike
    weights /= weights.sum()
    places = np.arange(len(truth))

    def unlikely(counts: np.ndarray) -> tuple[float, np.ndarray]:
        logits = sum(count * each for count, each in zip(counts, told.values(), strict=True))
        wrong = softmax(logits, axis=1)
        wrong[places, truth] -= 1.0
        slope = [float(weights @ (wrong * each).sum(1)) for each in told.values()]
        return float(weights @ (logsumexp(logits, axis=1) - logits[places, truth])), np.array(slope)

    start = np.full(len(told), 0.1)
    found = minimize(unlikely, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(told))
    return dict(zip(told, found.x.tolist(), strict=True))


def _trained(before: Heads, channel: Channel) -> _Trained:
    if channel != "rgbx":
        return _Trained({channel: before.classifiers[channel]})
    fusion = before.fusion
    assert fusion is not None
    layers = {}
    for place, modality in enumerate(MODALITIES):
        block, (weight, bias) = fusion_block(fusion, place), fusion.classifiers[modality]
        layers[modality] = Linear(block @ weight, block @ bias + fusion.fusion.bias / len(MODALITIES))
    return _Trained(layers)


def _added(trained: Linear, anchor: np.ndarray, told: Linear, count: float) -> Linear:
    """Return a trained head, whose new class is what it is taken for, with what a discriminant tells."""
    weight, bias = (np.concatenate([part, (anchor @ part)[None]]) for part in trained)
    return Linear(weight + count * told.weight, bias + count * told.bias)


def _fusion(head: Mapping[Modality, Linear]) -> Fusion:
    """Return a fusion that adds up class vectors."""
    classes = len(head[MODALITIES[0]].bias)
    return Fusion(head, Linear(np.tile(np.eye(classes), len(MODALITIES)), np.zeros(classes)))


def _line_folds(line: Mapping[Modality, LineImages]) -> dict[Modality, np.ndarray]:
    """Deal the units of each class to folds, the same in every modality; at least 2, MOST_FOLDS at most.

    Classes begin with different folds: where each has a single unit, some classes are left when others are held out.
    """
    labels = sorted({int(label) for each in line.values() for label in each.labels})
    units = {label: sorted({unit for each in line.values() for unit in each.units_of(label)}) for label in labels}
    number = min(MOST_FOLDS, max(2, *(len(of_class) for of_class in units.values())))
    fold = {
        (label, unit): (first + turn) % number
        for first, label in enumerate(labels)
        for turn, unit in enumerate(units[label])
    }
    return {
        modality: np.array([fold[int(label), unit] for label, unit in zip(each.labels, each.units, strict=True)])
        for modality, each in line.items()
    }


def _shown(
    images: Mapping[Modality, Remembered | LineImages], folds: Mapping[Modality, np.ndarray], seed: int
) -> _Shown:
    """Return images of a modality, or of each photograph several pairs with radiographs of its class and fold."""
    if len(images) == 1:
        ((modality, each),) = images.items()
        return _Shown({modality: each.features}, each.labels, folds[modality])
    number = 1 + max(int(each.max()) for each in folds.values())
    photos, radiographs = (images[m].labels * number + folds[m] for m in MODALITIES)
    both = np.flatnonzero(np.isin(photos, radiographs))
    partners = np.concatenate([draw_partners(photos[both], radiographs, generator(seed, n)) for n in range(PAIRINGS)])
    places = {"rgb": np.tile(both, PAIRINGS), "xray": partners}
    features = {m: images[m].features[places[m]] for m in MODALITIES}
    return _Shown(features, images["rgb"].labels[places["rgb"]], folds["rgb"][places["rgb"]])

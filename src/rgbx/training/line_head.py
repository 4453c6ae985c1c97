"""Heads that know one class more, by what a bundle remembers of the line that it was calibrated on.

A new class is known from rendered images alone. How images of a line differ from rendered ones is seen of the old
classes, each of which differs in its own way. A linear discriminant that takes these ways for scatter within a class
looks past them. What it says is added to what the trained heads say; for those, the new class is what they take it for.
"""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from rgbx.modality import MODALITIES, Channel, Modality
from rgbx.models.fusion import Fusion, Linear
from rgbx.models.memory import LineImages, Remembered
from rgbx.training.class_head import (
    MOST_FOLDS,
    MOST_TAKEN,
    FittedClass,
    Folds,
    Heads,
    HeldOutLogits,
    balanced,
    pair_images,
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

    def chosen(self, which: np.ndarray) -> "_Shown":
        """Return some of them; ``which`` is (n,) bool."""
        return _Shown({m: each[which] for m, each in self.features.items()}, self.labels[which], self.folds[which])


class _Head(NamedTuple):
    """What a channel decides by: a layer of each modality."""

    layers: dict[Modality, Linear]
    """What they say is added up."""

    def __call__(self, features: Mapping[Modality, np.ndarray]) -> np.ndarray:
        said: np.ndarray = sum(layer(features[modality]) for modality, layer in self.layers.items())
        return said


class _Discriminants(NamedTuple):
    """Discriminants of each modality, and what they say without some of what they were fitted to."""

    of_all: dict[Modality, Linear]
    without_images: list[dict[Modality, Linear]]
    """Without the rendered images of each fold."""
    without_line: list[dict[Modality, Linear]]
    """Without the line's images of each fold."""
    without_class: dict[int, dict[Modality, Linear]]
    """Without the line's images of each class that all modalities have seen there."""


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
    of_line = _line_folds(line)
    told = _fit_discriminants(images, line, folds, of_line)
    channels: list[tuple[Channel, list[Modality]]] = [(modality, [modality]) for modality in images]
    if before.fusion is not None:
        channels.append(("rgbx", list(images)))
    found: dict[Channel, _Channel] = {}
    for channel, parts in channels:
        rendered = _shown({m: images[m] for m in parts}, {m: folds.of_images[m] for m in parts}, seed)
        on_line = _shown({m: line[m] for m in parts}, {m: of_line[m] for m in parts}, seed)
        found[channel] = _fit_channel(_trained(before, channel), told, rendered, on_line)
    classifiers = {modality: found[modality].head.layers[modality] for modality in images}
    fusion = None
    if before.fusion is not None:
        layers = found["rgbx"].head.layers
        fusion = Fusion.adding_up(layers, np.zeros_like(layers[MODALITIES[0]].bias))
    return FittedClass(
        Heads(classifiers, fusion),
        {channel: each.held_out for channel, each in found.items()},
        {channel: each.rehearsed for channel, each in found.items()},
    )


class _Channel(NamedTuple):
    head: _Head
    held_out: HeldOutLogits
    rehearsed: float


def _fit_channel(trained: _Head, told: _Discriminants, rendered: _Shown, on_line: _Shown) -> _Channel:
    label = int(rendered.labels.max())
    new = rendered.chosen(rendered.labels == label)
    anchor = softmax(trained(new.features), axis=1).mean(0)
    counts = _counts({m: told.of_all[m](each) for m, each in rendered.features.items()}, rendered.labels)

    def joined(discriminants: Mapping[Modality, Linear]) -> _Head:
        return _Head({m: _added(layer, anchor, discriminants[m], counts[m]) for m, layer in trained.layers.items()})

    def held_out(parts: Sequence[Mapping[Modality, Linear]], shown: _Shown) -> np.ndarray:
        said = np.empty((len(shown.labels), label + 1))
        for number, discriminants in enumerate(parts):
            within = shown.folds == number
            said[within] = joined(discriminants)(shown.chosen(within).features)
        return said

    head = joined(told.of_all)
    before = trained(on_line.features)
    offset = np.zeros(label + 1)
    offset[label] = -_limit(head(on_line.features), before, on_line.labels, label)
    of_old, of_new = held_out(told.without_line, on_line), held_out(told.without_images, new)
    # Images that a discriminant was fitted to are told without fail, so they do not say how sure it may be.
    sure = _spread(before) / max(_spread(of_old[:, :label]), 1e-12)
    layers = {m: Linear(sure * weight, sure * bias) for m, (weight, bias) in head.layers.items()}
    first = next(iter(layers))
    layers[first] = layers[first]._replace(bias=layers[first].bias + sure * offset)
    return _Channel(
        _Head(layers),
        HeldOutLogits(
            sure * (np.concatenate([of_old, of_new]) + offset),
            np.append(on_line.labels, new.labels),
            np.concatenate([before, trained(new.features)]),
        ),
        float(
            np.mean(
                [
                    _found_again(joined(discriminants)(on_line.features) + offset, before, on_line.labels, place)
                    for place, discriminants in told.without_class.items()
                ]
            )
        ),
    )


def _limit(logits: np.ndarray, before: np.ndarray, truth: np.ndarray, place: int) -> float:
    """Return how far a class has to be ahead of all others, at least, so that these lose nothing by it; 0 or more.

    Where the other classes lose already without it, hardly any image that is told right may go to it.

    Args:
        logits: (n, C), of images of the other classes.
        before: (n, C) or (n, C - 1), what the heads before said of them, which may not have known the class.
        truth: (n,), classes.
        place: of the class.
    """
    others = np.delete(np.arange(logits.shape[1]), place)
    right = others[logits[:, others].argmax(1)] == truth
    margins = np.sort((logits[:, place] - logits[:, others].max(1))[right])
    known = others[others < before.shape[1]]
    wanted = int((known[before[:, known].argmax(1)] == truth).sum())
    if wanted > len(margins):
        wanted = math.ceil((1 - MOST_TAKEN) * len(margins))
    return max(float(margins[wanted - 1]), 0.0) if wanted else 0.0


def _found_again(logits: np.ndarray, before: np.ndarray, truth: np.ndarray, place: int) -> float:
    """Return the share of a class's images that are found, once it has a limit by all others."""
    own = truth == place
    lowered = logits[own]
    lowered[:, place] -= _limit(logits[~own], before[~own], truth[~own], place)
    return float((lowered.argmax(1) == place).mean())


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
    apart = features - means[labels]
    scatter = (1 - SCATTER_SHRINKAGE) * (apart * balanced(labels)[:, None]).T @ apart
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


def _fit_discriminants(
    images: Mapping[Modality, Remembered],
    line: Mapping[Modality, LineImages],
    folds: Folds,
    of_line: Mapping[Modality, np.ndarray],
) -> _Discriminants:
    every = {m: np.ones(len(each.labels), bool) for m, each in images.items()}

    def fitted(
        kept: Mapping[Modality, np.ndarray] = every,
        seen: Mapping[Modality, LineImages] = line,
    ) -> dict[Modality, Linear]:
        return {m: discriminant(each.features[kept[m]], each.labels[kept[m]], seen[m]) for m, each in images.items()}

    classes = sorted(set.intersection(*(set(each.labels.tolist()) for each in line.values())))
    line_folds = 1 + max(int(each.max()) for each in of_line.values())
    return _Discriminants(
        fitted(),
        [fitted(kept={m: each != number for m, each in folds.of_images.items()}) for number in range(folds.number)],
        [
            fitted(seen={m: each.chosen(of_line[m] != number) for m, each in line.items()})
            for number in range(line_folds)
        ],
        {label: fitted(seen={m: each.chosen(each.labels != label) for m, each in line.items()}) for label in classes},
    )


def _counts(told: Mapping[Modality, np.ndarray], truth: np.ndarray) -> dict[Modality, float]:
    """Return how much the discriminant of each modality counts: as makes images, or pairs, likeliest."""
    weights = balanced(truth)
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


def _trained(before: Heads, channel: Channel) -> _Head:
    """Return what a channel of the bundle before decides by; each layer has its share of the fusion's bias."""
    if channel != "rgbx":
        return _Head({channel: before.classifiers[channel]})
    assert before.fusion is not None
    fusion = before.fusion.added_up()
    share = fusion.fusion.bias / len(MODALITIES)
    return _Head({m: each._replace(bias=each.bias + share) for m, each in fusion.classifiers.items()})


def _added(trained: Linear, anchor: np.ndarray, told: Linear, count: float) -> Linear:
    """Return a trained head, whose new class is what it is taken for, with what a discriminant tells."""
    weight, bias = (np.concatenate([part, (anchor @ part)[None]]) for part in trained)
    return Linear(weight + count * told.weight, bias + count * told.bias)


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
    places = pair_images({m: each.labels for m, each in images.items()}, folds, seed)
    features = {m: images[m].features[places[m]] for m in MODALITIES}
    return _Shown(features, images["rgb"].labels[places["rgb"]], folds["rgb"][places["rgb"]])

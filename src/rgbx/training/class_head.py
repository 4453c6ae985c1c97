"""A row more for a trained classifier, in closed form; what is said of the classes that it knows stays as it is.

The row is a ridge regression of the new class against all others, on features of the network as it is. It is linear, so
the bundle stays an ordinary one for every runtime. Heads that fit every class anew to the few images that are
remembered lose old classes by it: benchmarks/new_class.py compares them.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from rgbx.datasets.partners import draw_partners
from rgbx.modality import MODALITIES, Channel, Modality
from rgbx.models.fusion import Fusion, Linear
from rgbx.models.memory import Remembered
from rgbx.samples import generator

PENALTY = 0.3
"""On the squared weights, in mean variances of a feature."""
MOST_TAKEN = 0.005
"""Of remembered images of old classes: so many may be taken for the new class, held out, and no more."""
MOST_MISSED = 0.05
"""Of the new class's images: the limit lies halfway between what these fall short of and where old classes end."""
TIE = 1e-4
"""By so much, in logits, the new class stays behind where it would draw level: rounding decides nothing."""
MOST_FOLDS = 5
PAIRINGS = 5
"""Radiographs that each photograph is paired with, to set the fusion's limit."""


class Heads(NamedTuple):
    """What a bundle decides by, as NumPy arrays."""

    classifiers: dict[Modality, Linear]
    """(C, K) of each stream."""
    fusion: Fusion | None


class ClassRow(NamedTuple):
    """What tells a new class in one modality: what it was taken for before, and what it is beyond that."""

    anchor: np.ndarray
    """(C,) probabilities of the old classes, by the trained head, averaged over the new class's images."""
    beyond: Linear
    """(1, K): how much the new class is preferred to these."""

    def __call__(self, features: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Return (n,) logits of (n, K) features whose (n, C) logits of the old classes are ``known``."""
        return known @ self.anchor + self.beyond(features)[:, 0]


class Folds(NamedTuple):
    """How images are dealt, so that each is judged by a row that has not seen its unit."""

    of_images: dict[Modality, np.ndarray]
    """(n,) of each modality."""
    number: int
    """How many there are."""
    by_unit: bool
    """Whether no unit of the new class is in two folds; else single images are apart only, which flatters."""


class HeldOutLogits(NamedTuple):
    """What is said of images, or pairs, that the new class's row was not fitted to."""

    logits: np.ndarray
    """(n, C + 1), the new class last."""
    truth: np.ndarray
    """(n,) class indices."""
    before: np.ndarray
    """(n, C) what the bundle before says of them."""


class FittedClass(NamedTuple):
    """Heads that know one class more."""

    heads: Heads
    held_out: dict[Channel, HeldOutLogits]
    rehearsed: Mapping[Channel, float] = MappingProxyType({})
    """Share of a line's images of old classes that would be found, had each been added like this one: what to expect
    of the new class there. Empty where a bundle remembers nothing of a line."""


def fit_class(images: Mapping[Modality, Remembered], before: Heads, folds: Folds, seed: int = 0) -> FittedClass:
    """Fit the row of a new class, with where it begins to be preferred, and see what it says of units held out.

    Args:
        images: of all classes, the new one last, by modality.
        before: the heads of a trained bundle.
        folds: of the images.
        seed: of pairing photographs with radiographs of their class and fold.
    """
    held_out: dict[Channel, HeldOutLogits] = {}
    rows: dict[Modality, ClassRow] = {}
    beyond: dict[Modality, np.ndarray] = {}
    anchors: dict[Modality, np.ndarray] = {}
    classifiers: dict[Modality, Linear] = {}
    for modality, each in images.items():
        head = before.classifiers[modality]
        row = rows[modality] = fit_row(each.features, each.labels, head)
        beyond[modality] = np.empty(len(each.labels))
        anchors[modality] = np.empty((len(each.labels), len(head.bias)))
        for number in range(folds.number):
            within = folds.of_images[modality] == number
            fitted = fit_row(each.features[~within], each.labels[~within], head)
            beyond[modality][within] = fitted.beyond(each.features[within])[:, 0]
            anchors[modality][within] = fitted.anchor
        known = head(each.features)
        new = (known * anchors[modality]).sum(1) + beyond[modality]
        offset, held_out[modality] = _limited(known, new, each.labels)
        weight = row.anchor @ head.weight + row.beyond.weight[0]
        bias = row.anchor @ head.bias + row.beyond.bias[0] + offset
        classifiers[modality] = Linear(np.vstack([head.weight, weight]), np.append(head.bias, bias))
    if before.fusion is None:
        return FittedClass(Heads(classifiers, None), held_out)
    fusion = before.fusion
    shown = pair_images({m: each.labels for m, each in images.items()}, folds.of_images, seed)
    known = fusion({m: images[m].features[places] for m, places in shown.items()})
    truth = images["rgb"].labels[shown["rgb"]]
    alike, told = np.zeros(len(known)), np.empty((len(known), len(MODALITIES)))
    for place, modality in enumerate(MODALITIES):
        places = shown[modality]
        vector = fusion.classifiers[modality](images[modality].features[places])
        weighed = vector @ fusion.block(place).T + fusion.fusion.bias / len(MODALITIES)
        alike += (weighed * anchors[modality][places]).sum(1)
        told[:, place] = beyond[modality][places]
    counts = weigh(told, alike, known, truth, [_share(fusion, place) for place in range(len(MODALITIES))])
    offset, held_out["rgbx"] = _limited(known, alike + told @ counts, truth)
    return FittedClass(Heads(classifiers, _with_row(fusion, rows, counts, offset)), held_out)


def fit_row(features: np.ndarray, labels: np.ndarray, before: Linear) -> ClassRow:
    """Fit what tells a new class to images of all classes, as surely as the trained head speaks.

    A new class that a modality cannot tell from its twin is said to be as likely as that one, so that the other
    modality decides.

    Args:
        features: (n, K), of all classes.
        labels: (n,) class indices, the new class last.
        before: (C, K), the trained head.
    """
    weights = balanced(labels)[:, None]
    points = features.astype(np.float64)
    wanted = np.eye(len(before.bias) + 1)[labels]
    middle, shares = (weights * points).sum(0), (weights * wanted).sum(0)
    centred = points - middle
    square = (centred * weights).T @ centred
    square[np.diag_indices_from(square)] += max(PENALTY * np.trace(square) / len(square), 1e-12)
    weight = np.linalg.solve(square, (centred * weights).T @ (wanted - shares)).T
    ridge = Linear(weight, shares - weight @ middle)
    old = labels < len(before.bias)
    factor = sureness(ridge(points[old])[:, :-1], before(points[old]))
    logits = before(points[~old])
    powers = np.exp(logits - logits.max(1, keepdims=True))
    anchor = (powers / powers.sum(1, keepdims=True)).mean(0)
    return ClassRow(
        anchor,
        Linear(
            factor * (ridge.weight[-1:] - anchor @ ridge.weight[:-1]),
            factor * (ridge.bias[-1:] - anchor @ ridge.bias[:-1]),
        ),
    )


def weigh(
    told: np.ndarray, alike: np.ndarray, known: np.ndarray, truth: np.ndarray, most: Sequence[float]
) -> np.ndarray:
    """Return how much what each modality tells a new class by counts in a fusion: as held-out pairs make it likeliest.

    A modality that cannot tell the class from its twin adds noise only, and counts for nothing.

    Args:
        told: (n, M) how much each modality prefers the new class to what it was taken for, held out.
        alike: (n,) logits of what it was taken for.
        known: (n, C) logits of the old classes.
        truth: (n,) class indices, the new class last.
        most: (M,) what each may count at most: as much as it does for old classes.

    Returns:
        (M,), 0 or more.
    """
    weights = balanced(truth)
    new, ahead = truth == known.shape[1], alike - logsumexp(known, axis=1)

    def unlikely(counts_and_offset: np.ndarray) -> tuple[float, np.ndarray]:
        margins = ahead + told @ counts_and_offset[:-1] + counts_and_offset[-1]
        wrong = weights * (expit(margins) - new)
        loss = weights @ np.logaddexp(0.0, np.where(new, -margins, margins))
        return float(loss), np.append(wrong @ told, wrong.sum())

    highest = [max(each, 0.0) for each in most]
    bounds = [*((0.0, high) for high in highest), (None, None)]
    found = minimize(unlikely, np.append(highest, 0.0), jac=True, method="L-BFGS-B", bounds=bounds)
    counts: np.ndarray = found.x[:-1]
    return counts


def sureness(logits: np.ndarray, before: np.ndarray) -> float:
    """Return the factor by which logits fit those before best; 1 where they contradict them altogether.

    Args:
        logits: (n, C).
        before: (n, C), of the same images.
    """
    new, old = (each - each.mean(1, keepdims=True) for each in (logits, before))
    factor = float((new * old).sum() / max((new * new).sum(), 1e-12))
    return factor if factor > 0 else 1.0


def deal_folds(images: Mapping[Modality, Remembered], new: int) -> Folds:
    """Deal the units of each class to folds, as many as the class ``new`` has units, in every modality; 5 at most.

    Where it has a single unit, and of old classes with fewer units than folds, images are dealt.
    """
    units = min(
        len({unit for unit, label in zip(each.units, each.labels, strict=True) if label == new})
        for each in images.values()
    )
    by_unit = units > 1
    count = min(units, MOST_FOLDS) if by_unit else 2
    dealt = {}
    for modality, each in images.items():
        fold = np.empty(len(each.labels), np.int64)
        for label in np.unique(each.labels):
            of_class = each.labels == label
            groups = np.unique(np.array(each.units)[of_class], return_inverse=True)[1]
            if groups.max() + 1 < count or not by_unit:
                groups = np.arange(len(groups))
            fold[of_class] = groups % count
        dealt[modality] = fold
    return Folds(dealt, count, by_unit)


def balanced(labels: np.ndarray) -> np.ndarray:
    """Return (n,) weights of n images, 1 in all, by which each class counts alike."""
    weights = 1.0 / np.bincount(labels)[labels]
    return weights / weights.sum()


def pair_images(
    labels: Mapping[Modality, np.ndarray], folds: Mapping[Modality, np.ndarray], seed: int
) -> dict[Modality, np.ndarray]:
    """Pair each photograph several times, each time with another radiograph of its class and fold, where one is.

    Args:
        labels: (n,) class indices of the images of both modalities.
        folds: (n,) of them.
        seed: of drawing.

    Returns:
        (m,) indices of each pair's images.
    """
    number = 1 + max(int(each.max()) for each in folds.values())
    photographs, radiographs = (labels[m] * number + folds[m] for m in MODALITIES)
    paired = np.flatnonzero(np.isin(photographs, radiographs))
    partners = [draw_partners(photographs[paired], radiographs, generator(seed, turn)) for turn in range(PAIRINGS)]
    return {"rgb": np.tile(paired, PAIRINGS), "xray": np.concatenate(partners)}


def _limited(known: np.ndarray, new: np.ndarray, truth: np.ndarray) -> tuple[float, HeldOutLogits]:
    """Return what is added to the new class's logits so that old classes are hardly taken for it, and all logits then.

    Args:
        known: (n, C) logits of the old classes.
        new: (n,) of the new one, held out.
        truth: (n,) class indices.
    """
    margins, of_new = new - known.max(1), truth == known.shape[1]
    end_of_old = float(np.quantile(margins[~of_new], 1 - MOST_TAKEN, method="higher"))
    begin_of_new = float(np.quantile(margins[of_new], MOST_MISSED))
    offset = -max(end_of_old, (end_of_old + begin_of_new) / 2) - TIE
    return offset, HeldOutLogits(np.column_stack([known, new + offset]), truth, known)


def _share(fusion: Fusion, place: int) -> float:
    """Return how much a modality's own vector of a class counts in the fusion, on average."""
    return float(np.diagonal(fusion.block(place)).mean())


def _with_row(fusion: Fusion, rows: Mapping[Modality, ClassRow], counts: np.ndarray, offset: float) -> Fusion:
    """Return a fusion that knows a class more; old classes do not hear of the new entries of the class vectors."""
    classifiers: dict[Modality, Linear] = {}
    blocks = []
    bias = offset
    for place, modality in enumerate(MODALITIES):
        old, (anchor, beyond) = fusion.classifiers[modality], rows[modality]
        classifiers[modality] = Linear(np.vstack([old.weight, beyond.weight]), np.append(old.bias, beyond.bias))
        block = fusion.block(place)
        blocks.append(np.block([[block, np.zeros((len(block), 1))], [(anchor @ block)[None], counts[place]]]))
        bias += float(anchor @ fusion.fusion.bias) / len(MODALITIES)
    return Fusion(classifiers, Linear(np.hstack(blocks), np.append(fusion.fusion.bias, bias)))

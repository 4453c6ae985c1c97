"""A row more for a trained classifier, in closed form; what is said of the classes that it knows stays as it is.

The row is a ridge regression of the new class against all others, on features of the network as it is. It is linear, so
the bundle stays an ordinary one for every runtime. What others of its kind come to is in docs/results/new-class.md:
heads that fit every class anew to the few images that are remembered lose old classes by it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

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
MOST_FOLDS = 5


class Heads(NamedTuple):
    """What a bundle decides by, as NumPy arrays."""

    classifiers: dict[Modality, Linear]
    """(C, K) of each stream."""
    fusion: Fusion | None


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


class FittedClass(NamedTuple):
    """Heads that know one class more."""

    heads: Heads
    held_out: dict[Channel, HeldOutLogits]


def fit_class(images: Mapping[Modality, Remembered], before: Heads, folds: Folds, seed: int = 0) -> FittedClass:
    """Fit the row of a new class, with where it begins to be preferred, and see what it says of units held out.

    Args:
        images: of all classes, the new one last, by modality.
        before: the heads of a trained bundle.
        folds: of the images.
        seed: of pairing photographs with radiographs of their class and fold.
    """
    held_out: dict[Channel, HeldOutLogits] = {}
    directions: dict[Modality, Linear] = {}
    apart: dict[Modality, np.ndarray] = {}
    classifiers: dict[Modality, Linear] = {}
    for modality, each in images.items():
        head = before.classifiers[modality]
        directions[modality] = direction(each.features, each.labels, head)
        apart[modality] = np.empty(len(each.labels))
        for number in range(folds.number):
            within = folds.of_images[modality] == number
            fitted = direction(each.features[~within], each.labels[~within], head)
            apart[modality][within] = fitted(each.features[within])[:, 0]
        known = head(each.features)
        offset, held_out[modality] = _limited(known, known.mean(1) + apart[modality], each.labels)
        row = Linear(
            head.weight.mean(0) + directions[modality].weight[0],
            head.bias.mean() + directions[modality].bias[0] + offset,
        )
        classifiers[modality] = Linear(np.vstack([head.weight, row.weight]), np.append(head.bias, row.bias))
    if before.fusion is None:
        return FittedClass(Heads(classifiers, None), held_out)
    shown = _pairs(images, folds, seed)
    known = before.fusion({m: images[m].features[places] for m, places in shown.items()})
    shares = {m: _share(before.fusion, place) for place, m in enumerate(MODALITIES)}
    new = known.mean(1) + sum(shares[m] * apart[m][places] for m, places in shown.items())
    offset, held_out["rgbx"] = _limited(known, new, images["rgb"].labels[shown["rgb"]])
    return FittedClass(Heads(classifiers, _with_row(before.fusion, directions, shares, offset)), held_out)


def direction(features: np.ndarray, labels: np.ndarray, before: Linear) -> Linear:
    """Return how much the new class is preferred to the average old one, (1, K), as surely as the trained head speaks.

    Args:
        features: (n, K), of all classes.
        labels: (n,) class indices, the new class last.
        before: (C, K), the trained head.
    """
    weights = 1.0 / np.bincount(labels)[labels]  # each class counts alike
    weights = (weights / weights.sum())[:, None]
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
    return Linear(
        factor * (ridge.weight[-1:] - ridge.weight[:-1].mean(0)), factor * (ridge.bias[-1:] - ridge.bias[:-1].mean())
    )


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


def _pairs(images: Mapping[Modality, Remembered], folds: Folds, seed: int) -> dict[Modality, np.ndarray]:
    """Return the (n,) photographs, and for each a radiograph of its class and fold."""
    keys = [images[m].labels * folds.number + folds.of_images[m] for m in MODALITIES]
    return {"rgb": np.arange(len(keys[0])), "xray": draw_partners(keys[0], keys[1], generator(seed))}


def _limited(known: np.ndarray, new: np.ndarray, truth: np.ndarray) -> tuple[float, HeldOutLogits]:
    """Return what is added to the new class's logits so that old classes are hardly taken for it, and all logits then.

    Args:
        known: (n, C) logits of the old classes.
        new: (n,) of the new one, held out.
        truth: (n,) class indices.
    """
    margins, of_new = new - known.max(1), truth == known.shape[1]
    end_of_old = float(np.quantile(margins[~of_new], 1 - MOST_TAKEN))
    begin_of_new = float(np.quantile(margins[of_new], MOST_MISSED))
    offset = -max(end_of_old, (end_of_old + begin_of_new) / 2)
    return offset, HeldOutLogits(np.column_stack([known, new + offset]), truth)


def _share(fusion: Fusion, place: int) -> float:
    """Return how much a modality's own vector of a class counts in the fusion, on average."""
    classes = len(fusion.fusion.bias)
    return float(np.diagonal(fusion.fusion.weight[:, place * classes : (place + 1) * classes]).mean())


def _with_row(
    fusion: Fusion, directions: Mapping[Modality, Linear], shares: Mapping[Modality, float], offset: float
) -> Fusion:
    """Return a fusion that knows a class more; old classes do not hear of the new entries of the class vectors."""
    classes = len(fusion.fusion.bias)
    classifiers: dict[Modality, Linear] = {}
    blocks = []
    for place, modality in enumerate(MODALITIES):
        old, new = fusion.classifiers[modality], directions[modality]
        classifiers[modality] = Linear(np.vstack([old.weight, new.weight]), np.append(old.bias, new.bias))
        weight = fusion.fusion.weight[:, place * classes : (place + 1) * classes]
        blocks.append(np.block([[weight, np.zeros((classes, 1))], [weight.mean(0), np.array([[shares[modality]]])]]))
    bias = np.append(fusion.fusion.bias, fusion.fusion.bias.mean() + offset)
    return Fusion(classifiers, Linear(np.hstack(blocks), bias))

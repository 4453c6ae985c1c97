"""Figures of a classifier, all from its confusion matrix (rows: truth, columns: prediction).

Functions take a stack (..., C, C) of matrices, so that thousands of bootstrap resamples cost one call.
"""

import numpy as np


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int, weights: np.ndarray) -> np.ndarray:
    """Count predictions.

    Args:
        truth, predicted: (n,) class numbers, 0 to ``classes`` − 1.
        classes: how many there are, C.
        weights: (..., n) how often each prediction counts.

    Returns:
        (..., C, C) sums of the weights.
    """
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + predicted] = 1
    return (weights @ cells).reshape(*weights.shape[:-1], classes, classes)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """Return the share (...,) of right predictions; NaN for an empty matrix."""
    total = confusion.sum(axis=(-2, -1))
    right = np.trace(confusion, axis1=-2, axis2=-1)
    return np.divide(right, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def share(hits: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the weighted share (b,) of (n,) hits for (b, n) weights; NaN where all weigh nothing."""
    total = weights.sum(axis=-1)
    return np.divide(weights @ hits, total, out=np.full(total.shape, np.nan), where=total > 0)


def precision_by_class(confusion: np.ndarray) -> np.ndarray:
    """Return (..., C): of what was called a class, the share that is; 0 for a class never predicted."""
    return _share(confusion, confusion.sum(axis=-2))


def recall_by_class(confusion: np.ndarray) -> np.ndarray:
    """Return (..., C): of what is a class, the share called so; 0 for a class that does not occur."""
    return _share(confusion, confusion.sum(axis=-1))


def macro(by_class: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """Return the mean (...,) over the classes that occur in truth or prediction, as torchmetrics and sklearn do."""
    occurs = confusion.sum(axis=-1) + confusion.sum(axis=-2) > 0
    count = occurs.sum(axis=-1)
    total = np.where(occurs, by_class, 0.0).sum(axis=-1)
    return np.divide(total, count, out=np.full(np.shape(count), np.nan), where=count > 0)


def summary(confusion: np.ndarray) -> np.ndarray:
    """Return (..., 3): accuracy, macro precision and macro recall."""
    return np.stack(
        [
            accuracy(confusion),
            macro(precision_by_class(confusion), confusion),
            macro(recall_by_class(confusion), confusion),
        ],
        axis=-1,
    )


def _share(confusion: np.ndarray, total: np.ndarray) -> np.ndarray:
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    return np.divide(right, total, out=np.zeros(total.shape), where=total > 0)

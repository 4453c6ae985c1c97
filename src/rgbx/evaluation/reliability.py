"""Whether a classifier is as sure as it is right, and what is gained by putting aside what it is unsure of."""

import numpy as np

BINS = 15


def calibration_error(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the (b,) expected calibration error: the mean gap between confidence and accuracy, in 15 equal bins.

    Args:
        confidence: (n,) probability of what was predicted.
        right: (n,) bool.
        weights: (b, n) how often each prediction counts.
    """
    place = _bin(confidence)
    gap = np.zeros((len(place), BINS))
    gap[np.arange(len(place)), place] = right - confidence
    total = weights.sum(axis=-1)
    return np.divide(np.abs(weights @ gap).sum(-1), total, out=np.full(total.shape, np.nan), where=total > 0)


def reliability(confidence: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean confidence, accuracy and count of each bin that is not empty, three arrays of one length."""
    place = _bin(confidence)
    counts = np.bincount(place, minlength=BINS)
    filled = counts > 0
    means = (np.bincount(place, values, BINS)[filled] / counts[filled] for values in (confidence, right.astype(float)))
    sure, accurate = means
    return sure, accurate, counts[filled]


def risk_coverage(confidence: np.ndarray, wrong: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of devices that are answered and the error rate among them, the surest answers first.

    Args:
        confidence: (n,)
        wrong: (n,) bool.

    Returns:
        Coverage and risk, both (n,), where equally sure answers share one risk.
    """
    order = np.argsort(-confidence, kind="stable")
    counts = np.arange(1, len(order) + 1)
    risk = np.cumsum(wrong[order]) / counts
    last = np.searchsorted(-confidence[order], -confidence[order], side="right") - 1
    return counts / len(order), risk[last]


def coverage_within(confidence: np.ndarray, wrong: np.ndarray, weights: np.ndarray, target: float) -> np.ndarray:
    """Return the (b,) largest share of devices that could be answered with an error rate of at most ``target``.

    The limit of confidence is the best one for these very devices, so this is what is to be had, not what a limit
    that was fitted on other devices gives.

    Args:
        confidence: (n,)
        wrong: (n,) bool.
        weights: (b, n) how often each device counts.
        target: highest error rate among the answered.
    """
    order = np.argsort(-confidence, kind="stable")
    answered = np.cumsum(weights[:, order], axis=1)
    errors = np.cumsum(weights[:, order] * wrong[order], axis=1)
    is_limit = np.append(np.diff(confidence[order]) != 0, True)  # equally sure answers are given, or not, together
    kept = np.where(is_limit & (errors <= target * answered), answered, 0.0).max(axis=1)
    total = answered[:, -1]
    return np.divide(kept, total, out=np.full(total.shape, np.nan), where=total > 0)


def area_under_roc(scores: np.ndarray, unknown: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (b,) how often an unknown device scores higher than a known one; ties count half.

    Args:
        scores: (n,)
        unknown: (n,) bool.
        weights: (b, n) how often each device counts.
    """
    first, second = scores[unknown][:, None], scores[~unknown]
    higher = (first > second) + 0.5 * (first == second)
    pairs = weights[:, unknown].sum(1) * weights[:, ~unknown].sum(1)
    sums = np.einsum("bm,mn,bn->b", weights[:, unknown], higher, weights[:, ~unknown], optimize=True)
    return np.divide(sums, pairs, out=np.full(pairs.shape, np.nan), where=pairs > 0)


def _bin(confidence: np.ndarray) -> np.ndarray:
    """Return the (n,) number of the bin that each confidence falls into; its upper end belongs to it."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)

"""Split-conformal candidate sets: classes among which the true one is missing with a chosen frequency at most.

The guarantee is marginal, over devices drawn as the calibration's were, and holds whatever the network is worth.
"""

import math

import numpy as np


def conformal_threshold(probabilities: np.ndarray, truth: np.ndarray, miss: float) -> float:
    """Return the least probability of a candidate (the LAC score, Sadinle et al., 2019).

    Args:
        probabilities: (n, C) of calibration images.
        truth: (n,) class indices.
        miss: how often the true class may be missing, above 0 and below 1.

    Returns:
        In 0..1; 0, which makes every class a candidate, when n is below 1 / miss − 1, too few to say.
    """
    n = len(truth)
    rank = math.ceil((n + 1) * (1 - miss))
    if rank > n:
        return 0.0
    own = np.sort(probabilities[np.arange(n), truth])[::-1]
    return float(own[rank - 1])


def candidates(probabilities: np.ndarray, threshold: float) -> np.ndarray:
    """Return (…, C) bool, which classes are candidates, for (…, C) probabilities."""
    return probabilities >= threshold


def contradict(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return (…,) whether two (…, C) sets of candidates have none in common; a set without any contradicts nothing."""
    return first.any(-1) & second.any(-1) & ~(first & second).any(-1)

"""How rare false sorts are, how sure that is, and which limit keeps them so."""

import math

import numpy as np
from scipy import stats


def upper_bound(errors: int, trials: int, confidence: float) -> float:
    """Return Clopper and Pearson's one-sided upper bound of a rate; 1 without trials."""
    if errors >= trials:
        return 1.0
    return float(stats.beta.ppf(confidence, errors + 1, trials - errors))


def trials_needed(rate: float, confidence: float) -> int:
    """Return how many devices, all sorted well, it takes to bound the rate of false sorts by ``rate``."""
    return math.ceil(math.log(1 - confidence) / math.log(1 - rate))


def risk_limit(risks: np.ndarray, wrong: np.ndarray, target: float, confidence: float) -> float | None:
    """Return the highest risk to accept so that the rate of false sorts among the accepted is below a target.

    A search by halves over the risks that occurred, each step bounded with its share of the doubt, so that the bound
    holds for the limit it ends with (selection with guaranteed risk, Geifman and El-Yaniv, 2017).

    Args:
        risks: (n,) expected cost of each device's decision.
        wrong: (n,) bool, whether the decision was wrong.
        target: highest rate of false sorts.
        confidence: that the true rate is not above it, e.g. 0.95.

    Returns:
        The limit, or None where so few devices, or so many errors, support none.
    """
    order = np.argsort(risks, kind="stable")
    errors = np.cumsum(wrong[order])
    steps = max(math.ceil(math.log2(len(risks))), 1) if len(risks) else 0
    low, high, found = 0, len(risks) - 1, None
    for _ in range(steps):
        middle = (low + high + 1) // 2
        accepted = int(np.searchsorted(risks[order], risks[order][middle], side="right"))
        if upper_bound(int(errors[accepted - 1]), accepted, 1 - (1 - confidence) / steps) <= target:
            found, low = float(risks[order][middle]), middle
        else:
            high = max(middle - 1, 0)
    return found


def surest_limit(risks: np.ndarray, wrong: np.ndarray) -> float:
    """Return the highest risk below that of every wrong decision: what to accept where no target can be supported."""
    if not wrong.any():
        return float(risks.max(initial=0.0))
    below = risks[risks < risks[wrong].min()]
    return float(below.max()) if len(below) else -1.0

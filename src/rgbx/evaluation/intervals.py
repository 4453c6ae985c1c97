"""How sure a figure is: Wilson's interval, the bootstrap over units, and the exact paired test.

Several views of one unit are not independent trials. Wilson's interval takes every image as one; the bootstrap
draws whole units, so it says what another handful of units might have given.
"""

from collections.abc import Callable, Iterator, Sequence
from math import sqrt

import numpy as np
from scipy import stats

from rgbx.config import Config

CONFIDENCE = 0.95
RESAMPLES = 2000
_BLOCK = 100  # resamples held in memory at a time


class Interval(Config):
    """A 95 % confidence interval of a proportion or a difference of two."""

    low: float
    high: float


class Estimate(Interval):
    """A figure with its interval."""

    value: float


class PairedTest(Config):
    """One classifier (in an evaluation: RGB-X) against another (one stream) on the same cases."""

    gained: float
    """Cases that only the first gets right; the mean over pairings or seeds."""
    lost: float
    """Cases that only the second gets right, likewise."""
    difference: Estimate
    """Accuracy of the first minus that of the second, with the bootstrap interval over units."""
    p: float
    """Of McNemar's exact test, combined over pairings or seeds by :func:`combine_p_values`."""


def wilson(proportion: float, trials: float, confidence: float = CONFIDENCE) -> Interval:
    """Return Wilson's score interval of a proportion.

    Args:
        proportion: 0 to 1; ``proportion * trials`` need not be whole (a mean over pairings is not).
        trials: number of independent trials, above 0.
        confidence: coverage, e.g. 0.95.
    """
    if trials <= 0:
        raise ValueError("an interval needs at least one trial")
    z = stats.norm.ppf(0.5 + confidence / 2)
    shrink = 1 / (1 + z**2 / trials)
    centre = shrink * (proportion + z**2 / (2 * trials))
    half = shrink * z * sqrt(proportion * (1 - proportion) / trials + z**2 / (4 * trials**2))
    # Rounding must not put the ends a hair inside the proportion when it is 0 or 1.
    return Interval(low=max(0.0, min(centre - half, proportion)), high=min(1.0, max(centre + half, proportion)))


def cluster_bootstrap(
    units: Sequence[frozenset[str]],
    statistic: Callable[[np.ndarray], np.ndarray],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> np.ndarray:
    """Return the percentile intervals of some statistics when units are drawn anew, with putting back.

    Args:
        units: the unit or units that each of n predictions shows. A prediction of two units (a photograph of one
            with a radiograph of another) counts as often as the product of their draws: both are random.
        statistic: takes weights (b, n) of the predictions in b resamples, returns (b, k) values; NaN where a
            resample has nothing to measure.
        seed: of the draws.
        resamples: how many.

    Returns:
        (2, k): the low and the high ends.
    """
    blocks = [statistic(weights) for weights in _resampled_weights(units, seed, resamples)]
    tail = (1 - CONFIDENCE) / 2
    return np.nanquantile(np.concatenate(blocks), [tail, 1 - tail], axis=0)


def _resampled_weights(units: Sequence[frozenset[str]], seed: int, resamples: int) -> Iterator[np.ndarray]:
    names = sorted(frozenset().union(*units))
    column = {name: number for number, name in enumerate(names)}
    first = np.array([column[min(shown)] for shown in units])
    last = np.array([column[max(shown)] for shown in units])
    two = first != last
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, _BLOCK):
        size = min(_BLOCK, resamples - start)
        draws = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        weights = draws[:, first]
        weights[:, two] *= draws[:, last[two]]
        yield weights.astype(np.float64)


def widened(value: float, low: float, high: float, units: int) -> Estimate:
    """Return a bootstrapped figure of 0 to 1, with the interval repaired where the bootstrap is blind.

    Where all resamples agree, as when no error was seen or there is but one unit, the bootstrap knows nothing; then
    Wilson's interval with one trial a unit takes its place. A skewed statistic's interval is stretched to hold it.
    """
    if high - low < 1e-12:
        sure = wilson(value, units)
        low, high = sure.low, sure.high
    return Estimate(value=value, low=min(low, value), high=max(high, value))


def mcnemar(first_right: np.ndarray, second_right: np.ndarray) -> tuple[int, int, float]:
    """Compare two classifiers on the same cases by McNemar's exact test.

    Args:
        first_right, second_right: (n,) bool, whether each got the case right.

    Returns:
        How many cases only the first got right, how many only the second, and the two-sided p-value.
    """
    gained = int(np.sum(first_right & ~second_right))
    lost = int(np.sum(~first_right & second_right))
    p = float(stats.binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return gained, lost, p


def combine_p_values(values: Sequence[float]) -> float:
    """Combine p-values of tests that depend on each other in unknown ways (Rüger 1978).

    The k-th smallest of K, times K/k, is a valid p-value whatever the dependence; k is the middle one, so that no
    single lucky pairing decides.
    """
    middle = (len(values) + 1) // 2
    return min(1.0, sorted(values)[middle - 1] * len(values) / middle)

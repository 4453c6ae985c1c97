"""What early exit saves and what it costs, for every threshold: to choose one on images kept for validation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Exit(NamedTuple):
    """One threshold, and what comes of it."""

    threshold: float
    """Probability from which on an image is not looked at again."""
    mean_passes: float
    accuracy: float
    """Share of right answers, in 0..1."""


def exits(probabilities: np.ndarray, truth: np.ndarray, thresholds: Sequence[float]) -> list[Exit]:
    """Return what each threshold would have given.

    Args:
        probabilities: (B, n, C), what each of n passes would answer, from
            :meth:`rgbx.inference.Predictor.respond_by_iteration`.
        truth: (B,) class numbers.
        thresholds: in 0..1.
    """
    last = probabilities.shape[1] - 1
    right = probabilities.argmax(2) == truth[:, None]
    found = []
    for threshold in thresholds:
        sure = probabilities.max(2) >= threshold
        passes = np.where(sure.any(1), sure.argmax(1), last)
        accuracy = np.take_along_axis(right, passes[:, None], 1).mean()
        found.append(Exit(float(threshold), float(passes.mean() + 1), float(accuracy)))
    return found


def fewest_passes(
    probabilities: np.ndarray, truth: np.ndarray, thresholds: Sequence[float], lost: float = 0.001
) -> Exit:
    """Return the exit of ``thresholds`` with the fewest passes that costs no more accuracy than ``lost``.

    Args:
        probabilities, truth, thresholds: as for :func:`exits`.
        lost: accuracy that may be lost against all passes for every image, in 0..1.

    Returns:
        It, or all passes for every image (a threshold of 1) where no threshold is that good.
    """
    everything = Exit(1.0, float(probabilities.shape[1]), float((probabilities[:, -1].argmax(1) == truth).mean()))
    good = [each for each in exits(probabilities, truth, thresholds) if each.accuracy >= everything.accuracy - lost]
    return min([*good, everything], key=lambda each: each.mean_passes)

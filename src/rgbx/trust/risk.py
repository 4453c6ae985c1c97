"""What a decision is expected to cost."""

import numpy as np


def cheapest_bins(probabilities: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (n,) bins with the least expected cost, and that cost, the risk.

    Args:
        probabilities: (n, C) of the classes.
        costs: (C, B), of sending a device of a class to a bin.
    """
    expected = probabilities @ costs
    bins = expected.argmin(1)
    return bins, expected[np.arange(len(bins)), bins]

"""Temperature scaling (Guo et al., 2017): one number that makes a network as sure as it is right."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

LIMITS = (0.05, 20.0)


def fit_temperature(logits: np.ndarray, truth: np.ndarray) -> float:
    """Return the T for which softmax(logits / T) makes the truth likeliest; answers stay the same.

    Args:
        logits: (n, C).
        truth: (n,) class indices.

    Returns:
        T within :data:`LIMITS`: a network that is always right would be made ever surer.
    """

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[np.arange(len(truth)), truth].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(LIMITS)), method="bounded", options={"xatol": 1e-4})
    return float(np.exp(found.x))

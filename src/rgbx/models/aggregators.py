"""Feature aggregators FA (paper, Eq. 2): from the features of all iterations to those that are classified."""

import math

import torch
from torch import nn

FIRST_WEIGHT = 0.9
"""Weight of the first iteration in the weighted mean when the others join it after a warm-up."""


class Aggregator(nn.Module):
    """Base of aggregators; another one subclasses it and is registered in :data:`rgbx.registry.AGGREGATORS`.

    Pooling is linear, so aggregating pooled features equals pooling the aggregated map.

    Args:
        iterations: n, of the network.
    """

    def __init__(self, iterations: int) -> None:
        super().__init__()
        self.iterations = iterations

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (B, K) of (B, i, K) pooled features, i ≤ n: with early exit not all iterations are there."""
        raise NotImplementedError

    def favour_first(self) -> None:
        """Give the later iterations little weight to begin with: they join a network that has learnt without them."""


class WeightedMean(Aggregator):
    """The mean by weights that are learnt, the paper's best."""

    def __init__(self, iterations: int) -> None:
        super().__init__(iterations)
        self.weights = nn.Parameter(torch.zeros(iterations), requires_grad=iterations > 1)
        """(n,) before softmax."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        weights = torch.softmax(self.weights[: features.shape[1]], 0)
        return (features * weights[:, None]).sum(1)

    @torch.no_grad()
    def favour_first(self) -> None:
        if self.iterations > 1:
            self.weights.zero_()
            self.weights[0] = math.log(FIRST_WEIGHT / (1 - FIRST_WEIGHT) * (self.iterations - 1))


class Mean(Aggregator):
    """The mean of all iterations."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.mean(1)


class Sum(Aggregator):
    """The sum of all iterations."""

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.sum(1)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx_proving.experiments.exits import Exit, exits, fewest_passes

SURE_AND_RIGHT = [[0.99, 0.01], [0.9, 0.1], [0.95, 0.05]]
SURE_AND_WRONG_AT_FIRST = [[0.02, 0.98], [0.6, 0.4], [0.9, 0.1]]
NEVER_SURE = [[0.5, 0.5], [0.4, 0.6], [0.6, 0.4]]
PROBABILITIES = np.array([SURE_AND_RIGHT, SURE_AND_WRONG_AT_FIRST, NEVER_SURE])
TRUTH = np.zeros(3, int)


def test_each_image_is_answered_by_the_first_pass_that_is_sure() -> None:
    assert exits(PROBABILITIES, TRUTH, [0.0, 0.97, 0.985, 1.0]) == [
        Exit(0.0, 1.0, pytest.approx(2 / 3)),
        Exit(0.97, pytest.approx(5 / 3), pytest.approx(2 / 3)),
        Exit(0.985, pytest.approx(7 / 3), 1.0),
        Exit(1.0, 3.0, 1.0),
    ]


def test_the_fewest_passes_cost_no_more_than_may_be_lost() -> None:
    thresholds = [0.0, 0.97, 0.985]
    assert fewest_passes(PROBABILITIES, TRUTH, thresholds).threshold == 0.985
    assert fewest_passes(PROBABILITIES, TRUTH, thresholds, lost=0.34).threshold == 0.0
    assert fewest_passes(PROBABILITIES, TRUTH, [0.97]) == Exit(1.0, 3.0, 1.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_a_higher_threshold_never_means_fewer_passes(seed: int, passes: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(3), (20, passes))
    found = exits(probabilities, rng.integers(0, 3, 20), np.linspace(0, 1, 11))
    means = [each.mean_passes for each in found]
    assert means == sorted(means)
    assert means[0] == 1
    assert means[-1] == passes

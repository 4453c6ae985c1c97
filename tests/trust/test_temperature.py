import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from rgbx.trust.probabilities import probabilities
from rgbx.trust.temperature import LIMITS, fit_temperature


def _said(rng, n, temperature):
    """Logits of a network that is too sure by a known factor: truths are drawn from what it should say."""
    honest = rng.normal(0, 2, (n, 5))
    truth = np.array([rng.choice(5, p=share) for share in softmax(honest, axis=1)])
    return honest * temperature, truth


@pytest.mark.parametrize("temperature", [0.4, 1.0, 3.0])
def test_the_factor_by_which_a_network_is_too_sure_is_found(temperature):
    logits, truth = _said(np.random.default_rng(0), 20_000, temperature)
    assert fit_temperature(logits, truth) == pytest.approx(temperature, rel=0.03)


def test_a_network_that_is_always_right_stays_within_limits():
    logits = np.eye(3) * 2
    assert LIMITS[0] * 0.99 <= fit_temperature(logits, np.arange(3)) < 0.1


@given(st.floats(0.1, 10), st.integers(0, 100))
def test_answers_and_their_order_stay_the_same(temperature, seed):
    logits = np.random.default_rng(seed).normal(0, 3, (4, 6))
    found = probabilities(logits, temperature)
    np.testing.assert_allclose(found.sum(1), 1)
    np.testing.assert_array_equal(found.argsort(1), logits.argsort(1))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rgbx.trust.false_sorts import risk_limit, surest_limit, trials_needed, upper_bound
from rgbx.trust.risk import cheapest_bins


@given(st.integers(1, 400), st.data())
def test_the_bound_is_clopper_and_pearsons(trials, data):
    errors = data.draw(st.integers(0, trials))
    interval = stats.binomtest(errors, trials).proportion_ci(0.9, method="exact")  # two-sided 90 %: 5 % above
    assert upper_bound(errors, trials, 0.95) == pytest.approx(interval.high)


def test_how_many_devices_a_rate_takes():
    needed = trials_needed(0.001, 0.95)
    assert needed == 2995
    assert upper_bound(0, needed, 0.95) <= 0.001 < upper_bound(0, needed - 1, 0.95)
    assert upper_bound(0, 0, 0.95) == 1.0


def test_costs_decide_the_bin():
    shares = np.array([[0.7, 0.3], [0.99, 0.01]])
    alike = 1 - np.eye(2)
    bins, risks = cheapest_bins(shares, alike)
    assert bins.tolist() == [0, 0]
    assert risks == pytest.approx([0.3, 0.01])
    dangerous = np.array([[0.0, 1.0], [50.0, 0.0]])  # the second class in the first bin burns
    bins, risks = cheapest_bins(shares, dangerous)
    assert bins.tolist() == [1, 0]
    assert risks == pytest.approx([0.7, 0.5])


def _line(n, seed):
    """Devices whose decisions go wrong as often as their risk says."""
    rng = np.random.default_rng(seed)
    risks = rng.beta(0.3, 3, n)
    return risks, rng.random(n) < risks


def test_a_limit_keeps_its_promise():
    """Of many calibrations at most 5 % may end with a limit whose true rate is above the target."""
    true_risk, _ = _line(200_000, 99)
    broken = found = 0
    for seed in range(200):
        risks, wrong = _line(3000, seed)
        limit = risk_limit(risks, wrong, target=0.02, confidence=0.95)
        found += limit is not None
        broken += limit is not None and true_risk[true_risk <= limit].mean() > 0.02
    assert found > 150
    assert broken <= 0.05 * 200 + 2 * np.sqrt(200 * 0.05 * 0.95)


def test_a_limit_is_worth_having():
    risks, wrong = _line(5000, 0)
    limit = risk_limit(risks, wrong, target=0.05, confidence=0.95)
    accepted = risks <= limit
    assert upper_bound(int(wrong[accepted].sum()), int(accepted.sum()), 0.95) <= 0.05
    assert accepted.mean() > 0.5


def test_too_few_devices_support_nothing():
    assert risk_limit(np.zeros(100), np.zeros(100, bool), target=0.001, confidence=0.95) is None
    assert risk_limit(np.array([]), np.array([], bool), target=0.1, confidence=0.95) is None
    assert risk_limit(np.zeros(5000), np.zeros(5000, bool), target=0.002, confidence=0.95) == 0.0
    assert risk_limit(np.zeros(5000), np.ones(5000, bool), target=0.1, confidence=0.95) is None


def test_without_support_nothing_that_went_wrong_is_accepted():
    risks, wrong = np.array([0.1, 0.2, 0.3, 0.3, 0.4]), np.array([False, False, True, False, False])
    assert surest_limit(risks, wrong) == 0.2
    assert surest_limit(risks, np.zeros(5, bool)) == 0.4
    assert surest_limit(risks, np.array([True, False, False, False, False])) < 0.1
    assert surest_limit(np.array([]), np.array([], bool)) == 0.0

"""Bets: fair while p-values are uniform, with the number of false alarms that is promised."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from rgbx.trust.drift.bets import BETS, Stakes, factors, threshold


@pytest.mark.parametrize("bet", range(BETS))
def test_a_bet_is_fair(bet):
    def after(q: float) -> float:  # p = q^20 takes the pole at 0 away
        return factors(q**20)[bet] * 20 * q**19

    assert integrate.quad(after, 1e-12, 1)[0] == pytest.approx(1.0, abs=1e-6)


@given(st.floats(1e-12, 1), st.floats(1e-12, 1))
def test_bets_win_by_small_p_values_and_never_lose_all(first, second):
    small, large = sorted((first, second))
    assert all(won >= lost > 0 for won, lost in zip(factors(small), factors(large), strict=True))


@pytest.mark.parametrize("mix", [(1.0,), (0.6, 0.3, 0.1)])
def test_false_alarms_are_as_few_as_promised(mix):
    """Alarms in 400 signals of uniform p-values; and not so few that the threshold could as well be lower."""
    rng = np.random.default_rng(len(mix))
    signals, devices, length, alarms = 400, 100, 400, 0
    for _ in range(signals):
        stakes = Stakes()
        labels = rng.choice(list("ABC")[: len(mix)], length, p=mix)
        for label, p in zip(labels.tolist(), (1 - rng.random(length)).tolist(), strict=True):
            stakes.take(label, factors(p))
            if stakes.evidence >= threshold(devices, 1):
                alarms, stakes = alarms + 1, Stakes()
    promised = length / devices
    assert 0.15 * promised < alarms / signals <= promised


@pytest.mark.parametrize("label", ["A", "B", "new"])
def test_evidence_grows_by_one_with_each_device(label):
    """Its mean over the next p-value, from any state and for a device of any class."""
    rng = np.random.default_rng(0)
    every, classes = rng.gamma(1, 50, BETS), {"A": rng.gamma(1, 50, BETS), "B": rng.gamma(1, 5, BETS)}
    mean, steps = 0.0, 4000
    for q in ((np.arange(steps) + 0.5) / steps).tolist():  # p = q^20 takes the pole at 0 away
        stakes = Stakes(every, classes)
        stakes.take(label, factors(q**20))
        mean += stakes.evidence * 20 * q**19 / steps
    assert mean == pytest.approx(Stakes(every, classes).evidence + 1, rel=1e-4)


def test_signals_share_the_rate():
    assert threshold(1000, 3) == 3 * threshold(1000, 1)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rgbx.evaluation.intervals import cluster_bootstrap, combine_p_values, mcnemar, widened, wilson


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys_for_whole_counts(case):
    right, n = case
    ours = wilson(right / n, n)
    theirs = stats.binomtest(right, n).proportion_ci(0.95, method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_wilson_of_the_papers_figures():
    """Table V on 749 radiographs: .987 and .979, whose intervals overlap."""
    fused, xray = wilson(0.987, 749), wilson(0.979, 749)
    assert (round(fused.low, 3), round(fused.high, 3)) == (0.976, 0.993)
    assert (round(xray.low, 3), round(xray.high, 3)) == (0.966, 0.987)


@given(st.floats(0, 1), st.floats(0.2, 1e6))
def test_wilson_holds_the_proportion_within_nought_and_one(proportion, trials):
    interval = wilson(proportion, trials)
    assert 0 <= interval.low <= proportion <= interval.high <= 1


def test_wilson_needs_a_trial():
    with pytest.raises(ValueError, match="at least one trial"):
        wilson(0.5, 0)


def share_right(right):
    right = np.asarray(right, float)
    return lambda weights: ((weights @ right) / weights.sum(axis=1))[:, None]


def one_each(names):
    return [frozenset({name}) for name in names]


def test_bootstrap_of_independent_cases_is_that_of_the_binomial():
    right = np.r_[np.ones(80), np.zeros(20)]
    low, high = cluster_bootstrap(one_each(map(str, range(100))), share_right(right), resamples=20_000)[:, 0]
    assert (low, high) == pytest.approx(stats.binom(100, 0.8).ppf([0.025, 0.975]) / 100, abs=0.011)


def test_views_of_one_unit_that_fail_together_widen_the_interval():
    right = np.repeat(np.r_[np.ones(8), np.zeros(2)], 10)
    by_unit = cluster_bootstrap(one_each(np.repeat(np.arange(10), 10).astype(str)), share_right(right))[:, 0]
    by_image = cluster_bootstrap(one_each(map(str, range(100))), share_right(right))[:, 0]
    assert np.ptp(by_unit) > 2.5 * np.ptp(by_image)


def test_a_pair_of_two_units_varies_with_both():
    """Var of a mean over all pairs of m × m units, effects a_i + b_j: twice that of one side alone."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(2, 40))
    values = (left[:, None] + right[None, :]).ravel()
    pairs = [frozenset({f"r{i}", f"x{j}"}) for i in range(40) for j in range(40)]
    low, high = cluster_bootstrap(pairs, lambda w: ((w @ values) / w.sum(axis=1))[:, None])[:, 0]
    expected = 2 * 1.96 * np.sqrt((left.var() + right.var()) / 40)
    assert high - low == pytest.approx(expected, rel=0.15)


def test_same_seed_same_interval():
    units, statistic = one_each("aabbccdd"), share_right([1, 1, 0, 1, 1, 0, 0, 1])
    assert (cluster_bootstrap(units, statistic, seed=3) == cluster_bootstrap(units, statistic, seed=3)).all()
    assert (cluster_bootstrap(units, statistic, seed=3)).shape == (2, 1)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=1, max_size=40))
def test_widened_holds_the_value_within_nought_and_one(cases):
    right = [case[0] for case in cases]
    units = [str(case[1]) for case in cases]
    low, high = cluster_bootstrap(one_each(units), share_right(right), resamples=100)[:, 0]
    estimate = widened(float(np.mean(right)), low, high, len(set(units)))
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1
    assert estimate.low < estimate.high


def test_no_errors_seen_does_not_mean_none_to_come():
    estimate = widened(1.0, 1.0, 1.0, units=20)
    assert estimate.low == pytest.approx(wilson(1.0, 20).low)
    assert 0.8 < estimate.low < 0.9


def test_mcnemar_against_the_formula():
    ours = np.array([True] * 90 + [False] * 10)
    theirs = np.array([True] * 81 + [False] * 9 + [True] * 1 + [False] * 9)
    gained, lost, p = mcnemar(ours, theirs)
    assert (gained, lost) == (9, 1)
    assert p == pytest.approx(2 * (1 + 10) / 2**10)
    assert mcnemar(ours, ours) == (0, 0, 1.0)


@pytest.mark.parametrize(
    ("values", "expected"), [([0.03], 0.03), ([0.01, 0.4], 0.02), ([0.3, 0.01, 0.02], 0.03), ([0.9, 0.9, 0.9], 1.0)]
)
def test_combined_p_values(values, expected):
    assert combine_p_values(values) == pytest.approx(expected)

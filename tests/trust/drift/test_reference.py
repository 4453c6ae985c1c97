"""P-values against devices before: uniform while devices come as before, whatever they look like."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from rgbx.trust.drift.reference import LARGEST, GrowingReference, KeptScores, scores_by_label, three_digits, tie_of

finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, max_size=40), finite, st.floats(1e-6, 1))
def test_a_p_value_is_the_share_of_devices_that_are_as_strange(scores, new, tie):
    reference = GrowingReference(scores)
    rounded = np.array([three_digits(score) for score in scores])
    stranger, equal = (rounded > three_digits(new)).sum(), (rounded == three_digits(new)).sum()
    assert reference.p_value(new, tie) == pytest.approx((stranger + tie * (equal + 1)) / (len(scores) + 1))
    assert reference.total == len(scores)


@given(st.lists(finite, max_size=40), finite, finite, st.floats(1e-6, 1))
def test_the_stranger_the_smaller(scores, first, second, tie):
    reference = GrowingReference(scores)
    low, high = sorted((first, second))
    assert reference.p_value(high, tie) <= reference.p_value(low, tie)


@pytest.mark.parametrize("drawn", ["smooth", "with ties", "constant"])
def test_p_values_are_uniform_and_independent(drawn):
    """Of many signals, the first few p-values each, with no or few devices before: uniform jointly, not on average."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(2000):
        scores = {"smooth": rng.gamma(2, 1, 8), "with ties": rng.integers(0, 3, 8) / 7, "constant": np.ones(8)}[drawn]
        reference, values = GrowingReference(scores[:3].tolist()), []
        for score in scores[3:].tolist():
            values.append(reference.p_value(score, 1 - rng.random()))
            reference.add(score)
        found.append(values)
    values = np.array(found)
    assert all(stats.kstest(column, "uniform").pvalue > 1e-3 for column in values.T)
    apart = np.corrcoef(values.T)[np.triu_indices(values.shape[1], 1)]
    assert np.abs(apart).max() < 4 / math.sqrt(len(values))


@given(st.floats())
def test_any_score_can_be_kept(score):
    reference = GrowingReference([score])
    assert math.isfinite(reference.kept().scores[0])
    again = KeptScores.model_validate_json(reference.kept().model_dump_json())
    assert GrowingReference.of(again).kept() == reference.kept()


def test_what_is_no_number_is_the_strangest():
    assert three_digits(math.nan) == three_digits(math.inf) == LARGEST
    assert GrowingReference([1e6, math.nan]).p_value(math.nan, 1e-9) < 1e-8
    assert three_digits(-0.0123456) == -0.0123


def test_a_reference_stays_small():
    rng = np.random.default_rng(1)
    reference = GrowingReference(rng.gamma(2, 1, 20_000).tolist())
    assert reference.total == 20_000
    assert len(reference.kept().scores) < 2000


def test_ties_are_drawn_by_the_log():
    drawn = np.array([tie_of(number, "rgb") for number in range(4000)])
    assert 0 < drawn.min() < drawn.max() <= 1
    assert stats.kstest(drawn, "uniform").pvalue > 1e-3
    assert tie_of(7, "rgb") == drawn[7] != tie_of(7, "xray")


def test_classes_apart():
    assert scores_by_label([1.0, 2.0, 3.0], ["B", "A", "B"]) == {"B": [1.0, 3.0], "A": [2.0]}

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torchmetrics.functional.classification import binary_auroc, multiclass_calibration_error

from rgbx.evaluation.reliability import (
    area_under_roc,
    calibration_error,
    coverage_within,
    reliability,
    risk_coverage,
)


def _answers(n, seed=0):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(5, 0.4), n)
    truth = rng.integers(0, 5, n)
    return shares, truth


def test_calibration_error_is_torchmetrics():
    shares, truth = _answers(700)
    theirs = multiclass_calibration_error(torch.from_numpy(shares), torch.from_numpy(truth), num_classes=5, n_bins=15)
    ours = calibration_error(shares.max(1), shares.argmax(1) == truth, np.ones((1, 700)))
    assert ours[0] == pytest.approx(float(theirs), abs=1e-6)


def test_weights_count_answers():
    shares, truth = _answers(60)
    weights = np.random.default_rng(1).integers(0, 4, (1, 60)).astype(float)
    many = np.repeat(np.arange(60), weights[0].astype(int))
    confidence, right = shares.max(1), shares.argmax(1) == truth
    repeated = calibration_error(confidence[many], right[many], np.ones((1, len(many))))
    assert calibration_error(confidence, right, weights)[0] == pytest.approx(repeated[0])
    assert np.isnan(calibration_error(confidence, right, np.zeros((1, 60)))[0])


def test_bins_hold_what_lies_in_them():
    sure, accurate, counts = reliability(np.array([0.5, 0.52, 1.0, 1.0]), np.array([True, False, True, True]))
    assert sure == pytest.approx([0.51, 1.0])
    assert accurate == pytest.approx([0.5, 1.0])
    assert counts.tolist() == [2, 2]


def test_risk_falls_with_what_is_put_aside():
    coverage, risk = risk_coverage(np.array([0.9, 0.6, 0.99, 0.6]), np.array([False, True, False, False]))
    assert coverage == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert risk == pytest.approx([0.0, 0.0, 0.25, 0.25]), "equally sure answers stand or fall together"


def test_coverage_within_a_target_lets_equally_sure_answers_in_together():
    confidence = np.array([0.9, 0.6, 0.99, 0.6, 0.5])
    wrong = np.array([False, True, False, False, False])
    once = np.ones((1, 5))
    assert coverage_within(confidence, wrong, once, 0.01)[0] == pytest.approx(0.4), "the third is as sure as an error"
    assert coverage_within(confidence, wrong, once, 0.2)[0] == pytest.approx(1.0), "one of five"
    assert coverage_within(confidence, ~wrong, once, 0.01)[0] == 0.0
    assert np.isnan(coverage_within(confidence, wrong, np.zeros((1, 5)), 0.01)[0])


@given(st.integers(0, 10_000), st.floats(0.0, 0.5))
def test_coverage_within_a_target_is_the_last_point_of_the_risk_curve_below_it(seed, target):
    rng = np.random.default_rng(seed)
    confidence, wrong = rng.random(30).round(1), rng.random(30) < 0.3
    coverage, risk = risk_coverage(confidence, wrong)
    counted = (np.diff(np.sort(confidence)[::-1], append=-1.0) != 0) & (risk <= target)
    expected = coverage[counted].max(initial=0.0)
    assert coverage_within(confidence, wrong, np.ones((1, 30)), target)[0] == pytest.approx(expected)


def test_coverage_counts_each_device_as_often_as_it_weighs():
    rng = np.random.default_rng(2)
    confidence, wrong, weights = rng.random(40), rng.random(40) < 0.2, rng.integers(0, 4, (1, 40))
    many = np.repeat(np.arange(40), weights[0])
    repeated = coverage_within(confidence[many], wrong[many], np.ones((1, len(many))), 0.1)
    assert coverage_within(confidence, wrong, weights, 0.1) == pytest.approx(repeated)


def test_area_under_roc_is_torchmetrics():
    rng = np.random.default_rng(0)
    scores, unknown = rng.normal(0, 1, 130), np.arange(130) >= 80
    scores[unknown] += 1
    theirs = binary_auroc(torch.sigmoid(torch.from_numpy(scores)), torch.from_numpy(unknown.astype(int)))
    once = np.ones((1, 130))
    assert area_under_roc(scores, unknown, once)[0] == pytest.approx(float(theirs))
    first, second = scores[unknown].round()[:, None], scores[~unknown].round()
    assert area_under_roc(scores.round(), unknown, once)[0] == np.mean((first > second) + 0.5 * (first == second))


def test_area_under_roc_counts_each_device_as_often_as_it_weighs():
    rng = np.random.default_rng(1)
    scores, unknown, weights = rng.normal(0, 1, 40), rng.random(40) > 0.5, rng.integers(0, 4, (1, 40))
    many = np.repeat(np.arange(40), weights[0])
    repeated = area_under_roc(scores[many], unknown[many], np.ones((1, len(many))))
    assert area_under_roc(scores, unknown, weights)[0] == pytest.approx(repeated[0])
    assert np.isnan(area_under_roc(scores, unknown, np.zeros((1, 40)))[0])

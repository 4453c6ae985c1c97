import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc, multiclass_calibration_error

from rgbx.evaluation.reliability import area_under_roc, calibration_error, reliability, risk_coverage


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


def test_area_under_roc_is_torchmetrics():
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(0, 1, 80), rng.normal(1, 1, 50)
    scores = torch.from_numpy(np.concatenate([known, unknown]))
    labels = torch.cat([torch.zeros(80), torch.ones(50)]).long()
    theirs = binary_auroc(torch.sigmoid(scores), labels)
    assert area_under_roc(known, unknown) == pytest.approx(float(theirs))
    tied = area_under_roc(known.round(), unknown.round())
    assert tied == np.mean(
        (unknown.round()[:, None] > known.round()) + 0.5 * (unknown.round()[:, None] == known.round())
    )

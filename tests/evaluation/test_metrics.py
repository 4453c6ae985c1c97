import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional import classification as reference

from rgbx.evaluation import metrics

CLASSES = 4


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
def test_figures_are_those_of_torchmetrics(cases):
    truth, predicted = np.array(cases).T
    confusion = metrics.confusion_matrix(truth, predicted, CLASSES, np.ones(len(truth)))
    accuracy, precision, recall = metrics.summary(confusion)

    target, guess = torch.from_numpy(truth), torch.from_numpy(predicted)
    assert (confusion == reference.multiclass_confusion_matrix(guess, target, CLASSES).numpy()).all()
    expected = [
        reference.multiclass_accuracy(guess, target, CLASSES, average="micro"),
        reference.multiclass_precision(guess, target, CLASSES, average="macro"),
        reference.multiclass_recall(guess, target, CLASSES, average="macro"),
    ]
    assert [accuracy, precision, recall] == pytest.approx([float(value) for value in expected], abs=1e-6)
    by_class = reference.multiclass_precision(guess, target, CLASSES, average="none").numpy()
    assert metrics.precision_by_class(confusion) == pytest.approx(by_class, abs=1e-6)


def test_weights_count_a_prediction_that_often():
    truth, predicted = np.array([0, 0, 1]), np.array([0, 1, 1])
    weights = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 3.0]])
    confusion = metrics.confusion_matrix(truth, predicted, 2, weights)
    assert confusion.tolist() == [[[1, 1], [0, 1]], [[2, 0], [0, 3]]]
    assert metrics.accuracy(confusion) == pytest.approx([2 / 3, 1.0])


def test_nothing_to_measure_is_nan_for_the_bootstrap_to_leave_out():
    assert np.isnan(metrics.summary(np.zeros((2, 2)))).all()

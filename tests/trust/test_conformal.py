import numpy as np
import pytest
from mapie.classification import SplitConformalClassifier
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

from rgbx.trust.conformal import candidates, conformal_threshold


class _Network(ClassifierMixin, BaseEstimator):
    """A classifier whose input is its answer."""

    classes_ = np.arange(5)

    def fit(self, X, y):  # noqa: ARG002
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(1)

    def __sklearn_is_fitted__(self):
        return True


def _cases(n, seed):
    rng = np.random.default_rng(seed)
    shares = softmax(rng.normal(0, 1.5, (n, 5)), axis=1)
    return shares, np.array([rng.choice(5, p=share) for share in shares])


@pytest.mark.parametrize("miss", [0.05, 0.1, 0.3])
def test_candidates_are_mapies(miss):
    shares, truth = _cases(300, 0)
    new, _ = _cases(200, 1)
    peer = SplitConformalClassifier(_Network(), confidence_level=1 - miss, conformity_score="lac", prefit=True)
    _, theirs = peer.conformalize(shares, truth).predict_set(new)
    ours = candidates(new, conformal_threshold(shares, truth, miss))
    np.testing.assert_array_equal(ours, theirs[:, :, 0])


def test_the_true_class_is_missing_no_oftener_than_allowed():
    missing = []
    for seed in range(200):
        shares, truth = _cases(99, seed)
        new, label = _cases(50, 1000 + seed)
        found = candidates(new, conformal_threshold(shares, truth, 0.1))
        missing.append(1 - found[np.arange(50), label].mean())
    assert np.mean(missing) == pytest.approx(0.1, abs=0.01)


def test_too_few_images_leave_every_class_a_candidate():
    shares, truth = _cases(18, 0)
    assert conformal_threshold(shares, truth, 0.05) == 0.0
    assert candidates(shares, 0.0).all()
    shares, truth = _cases(19, 0)
    assert conformal_threshold(shares, truth, 0.05) == shares[np.arange(19), truth].min()

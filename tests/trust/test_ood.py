import numpy as np
import pytest
import safetensors.numpy
import torch
from pytorch_ood.detector import EnergyBased
from pytorch_ood.detector import Mahalanobis as Peer

from rgbx.research.ood import ENERGY, NearestNeighbours
from rgbx.trust.ood import LAYOUT, SHRINKAGE, Mahalanobis, TailScale

CLASSES, CHANNELS = 4, 24


def _devices(n, seed, centres=None):
    """Features of n devices of each class round its own centre."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(7).normal(0, 1, (CLASSES, CHANNELS)) if centres is None else centres
    labels = np.repeat(np.arange(len(centres)), n)
    return 5 + centres[labels] + rng.normal(0, 0.3, (len(labels), CHANNELS)), labels


def _of_one_class(distances):
    return TailScale.fit(distances, np.zeros(len(distances), int))


@pytest.mark.parametrize("kind", [Mahalanobis, NearestNeighbours])
def test_unknown_devices_are_far_from_every_class(kind):
    features, labels = _devices(60, 0)
    distances = kind.fit(features, labels)
    new, of = _devices(60, 1)
    unknown, _ = _devices(60, 2, np.random.default_rng(8).normal(0, 1, (3, CHANNELS)))
    known, far = distances(new), distances(unknown)
    np.testing.assert_array_equal(known.argmin(1), of)
    rarity = _of_one_class(known.min(1)[::2])
    assert np.median(rarity(known.min(1)[1::2])) == pytest.approx(np.log(2), abs=0.4)
    assert (far.min(1) > np.quantile(known.min(1), 0.98)).mean() > 0.95


@pytest.mark.parametrize("kind", [Mahalanobis, NearestNeighbours])
def test_what_is_kept_is_all_there_is(kind):
    features, labels = _devices(20, 0)
    fitted = kind.fit(features, labels)
    stored = safetensors.numpy.save({name: np.ascontiguousarray(each) for name, each in fitted.tensors().items()})
    again = kind.of(safetensors.numpy.load(stored))  # which makes arrays of one number of what is a number
    np.testing.assert_allclose(again(features), fitted(features))


def test_an_inside_of_one_class_in_a_shell_of_another_stands_out():
    features, labels = _devices(60, 0)
    distances = Mahalanobis.fit(features, labels)
    new, of = _devices(30, 1)
    shell, inside = distances(new), distances(_devices(30, 2)[0])
    logits = np.zeros((len(of), CLASSES))
    honest = LAYOUT(logits, [shell, inside])
    mixed = LAYOUT(logits, [shell, np.roll(inside, 30, axis=0)])
    assert mixed.min() > honest.max()
    assert LAYOUT(logits, [shell]).max() < np.quantile(mixed, 0.01)


def test_mahalanobis_ranks_as_the_peers():
    """Same means, covariance and nearest class; theirs hardly shrinks."""
    features, labels = _devices(400, 0)
    unknown, _ = _devices(50, 2, np.random.default_rng(8).normal(0, 1, (3, CHANNELS)))
    new = np.concatenate([_devices(50, 1)[0], unknown])
    peer = Peer(None).fit_features(_unit(features), torch.from_numpy(labels))
    theirs = peer.predict_features(_unit(new)).numpy()
    ours = Mahalanobis.fit(features, labels)(new).min(1)
    assert np.corrcoef(ours.argsort().argsort(), theirs.argsort().argsort())[0, 1] > 0.99


def _unit(features):
    return torch.from_numpy(features / np.linalg.norm(features, axis=1, keepdims=True)).float()


def test_a_difference_counts_however_little_of_the_scatter_lies_in_its_direction():
    """As of a new class that looks like a known one in all that tells known ones apart."""
    features, labels = _devices(100, 0)
    faint = np.random.default_rng(3).normal(0, 0.01, (2 * len(features), 1))
    distances = Mahalanobis.fit(np.hstack([features, faint[: len(features)]]), labels)
    known = np.hstack([_devices(100, 1)[0], faint[len(features) :]])
    unknown = known + (np.arange(CHANNELS + 1) == CHANNELS)  # all of it in the last direction
    assert np.median(distances(unknown).min(1)) > np.quantile(distances(known).min(1), 0.95)


def test_mahalanobis_is_that_of_the_shrunk_covariance():
    features, labels = _devices(10, 0)
    unit = _unit(features).numpy().astype(float)
    means = np.stack([unit[labels == label].mean(0) for label in range(CLASSES)])
    scatter = unit - means[labels]
    covariance = scatter.T @ scatter / len(unit)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / CHANNELS * np.eye(CHANNELS)
    offset = unit[:, None] - means
    expected = np.einsum("ncd,de,nce->nc", offset, np.linalg.inv(shrunk), offset)
    np.testing.assert_allclose(Mahalanobis.fit(features, labels)(features), expected, rtol=1e-4)


def test_energy_is_the_peers():
    logits = np.random.default_rng(0).normal(0, 3, (20, 6))
    theirs = EnergyBased(model=torch.nn.Identity()).predict(torch.from_numpy(logits))
    np.testing.assert_allclose(ENERGY(logits, []), theirs.numpy())


def test_rarity_is_minus_log_of_the_share_that_is_as_far():
    known = np.random.default_rng(0).gamma(2.0, 3.0, 4000)
    rarity = _of_one_class(known)
    new = np.random.default_rng(1).gamma(2.0, 3.0, 200_000)
    for share in (0.5, 0.1, 0.03, 0.003):
        assert rarity(np.quantile(new, 1 - share)) == pytest.approx(-np.log(share), rel=0.15)
    assert (np.diff(rarity(np.linspace(0, 100, 500))) >= 0).all()
    assert rarity(np.array(-1.0)) == 0


def test_a_class_that_varies_more_is_given_more_room():
    labels = np.repeat([0, 1], 200)
    distances = np.random.default_rng(0).gamma(4.0, 1.0, 400) * np.where(labels, 3.0, 1.0)
    typical = TailScale.fit(distances, labels).typical
    assert typical[1] / typical[0] == pytest.approx(3, rel=0.1)
    few = TailScale.fit(np.append(distances[:200], 30.0), np.append(labels[:200], 1)).typical
    assert few[1] < 10, "one device says little of its class"
    assert (TailScale.fit(np.zeros(4), np.array([0, 0, 1, 1])).typical > 0).all()


def test_a_modality_that_cannot_tell_hides_nothing_that_the_other_can():
    """However widely its distances scatter."""
    rng = np.random.default_rng(2)
    blind, sharp = _of_one_class(rng.gamma(1, 50, 500)), _of_one_class(rng.normal(1, 0.1, 500))

    def seen(centre: float) -> np.ndarray:
        rarities = blind(rng.gamma(1, 50, (300, 1))), sharp(rng.normal(centre, 0.1, (300, 1)))
        return LAYOUT(np.zeros((300, 1)), rarities)

    assert seen(2).min() > seen(1).max()


def test_where_all_are_alike_anything_else_is_rare():
    rarity = _of_one_class(np.ones(50))
    assert rarity(np.array(1.0)) <= -np.log(0.05) + 1e-9
    assert rarity(np.array(1.1)) > 100

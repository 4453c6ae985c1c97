import numpy as np
import pytest

from rgbx.training.class_head import HeldOutLogits
from rgbx.trust.calibration import Calibrated
from rgbx.trust.class_changes import (
    RenderedImages,
    calibration_with_class,
    calibration_without_class,
    can_change_classes,
    sorted_shares,
)
from rgbx.trust.fit import FusedResponses, Responses, fit_calibration
from rgbx.trust.ood import Shown
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx.trust.support import support_sentences

CLASSES, CHANNELS, PER_CLASS = 3, 6, 40


def shown(labels: np.ndarray, seed: int, gap: float = 0.0) -> Shown:
    """Draw features and layouts that differ between classes; ``gap`` moves all, as another kind of image would be."""
    rng = np.random.default_rng(seed)
    features = 5 * np.eye(CLASSES + 2, CHANNELS)[labels] + 0.3 * rng.normal(size=(len(labels), CHANNELS)) + gap
    patterns = np.random.default_rng(99).normal(size=(CLASSES + 2, 48, 48))
    layouts = patterns[labels] + (0.2 + gap) * rng.normal(size=(len(labels), 48, 48))
    return Shown(features.astype(np.float32), layouts.astype(np.float32))


def logits(labels: np.ndarray, classes: int, seed: int) -> np.ndarray:
    return 4 * np.eye(classes)[labels] + np.random.default_rng(seed).normal(size=(len(labels), classes))


@pytest.fixture(scope="module")
def calibrated() -> Calibrated:
    labels = np.repeat(np.arange(CLASSES), PER_CLASS)
    units = tuple(f"{label}-{number % 8}" for label in range(CLASSES) for number in range(PER_CLASS))
    streams = {
        "rgb": Responses(logits(labels, CLASSES, 1), shown(labels, 2)._replace(layouts=None), labels, units),
        "xray": Responses(logits(labels, CLASSES, 3), shown(labels, 4), labels, units),
    }
    each = np.arange(len(labels))
    pairs = FusedResponses(logits(labels, CLASSES, 5), each, each)
    return fit_calibration(streams, pairs, Sorting.of(("A", "B", "C"), None, None), TrustConfig())


def with_class(calibrated: Calibrated, own_bin: str = "D", gap: float = 0.0) -> Calibrated:
    labels = np.repeat(np.arange(CLASSES + 1), 20)
    said = logits(labels, CLASSES + 1, 6)
    answers = {c: HeldOutLogits(said, labels, said[:, :CLASSES]) for c in ("rgb", "xray", "rgbx")}
    units = tuple(f"unit-{number % 2}" for number in range(len(labels)))
    images = {
        "rgb": RenderedImages(shown(labels, 7, gap)._replace(layouts=None), labels, units),
        "xray": RenderedImages(shown(labels, 8, gap), labels, units),
    }
    return calibration_with_class(calibrated, answers, images, own_bin)


def both(labels: np.ndarray, seed: int) -> dict:
    return {"rgb": shown(labels, seed)._replace(layouts=None), "xray": shown(labels, seed + 1)}


def test_a_new_class_is_not_unknown_any_more_and_others_still_are(calibrated: Calibrated) -> None:
    longer = with_class(calibrated)
    limit = calibrated.channels["rgbx"].unknown_above
    new, other = np.full(30, CLASSES), np.full(30, CLASSES + 1)
    said = np.zeros((30, CLASSES))
    assert (calibrated.ood_score(said, both(new, 20)) > limit).all()
    assert (longer.ood_score(said, both(new, 20)) <= limit).mean() > 0.9
    assert (longer.ood_score(said, both(other, 30)) > limit).all()


def test_nothing_looks_stranger_when_more_is_known(calibrated: Calibrated) -> None:
    labels = np.repeat(np.arange(CLASSES + 2), 10)
    said = np.zeros((len(labels), CLASSES))
    after, before = (each.ood_score(said, both(labels, 40)) for each in (with_class(calibrated), calibrated))
    assert (after <= before + 1e-9).all()


def test_images_that_are_farther_from_the_lines_make_the_new_class_wider(calibrated: Calibrated) -> None:
    near, far = (with_class(calibrated, gap=gap).scorers for gap in (0.0, 0.5))
    for modality in ("rgb", "xray"):
        assert far[modality].scale.typical[-1] > near[modality].scale.typical[-1]
        np.testing.assert_array_equal(far[modality].scale.typical[:-1], calibrated.scorers[modality].scale.typical)


@pytest.mark.parametrize(("own_bin", "bins"), [("D", ("A", "B", "C", "D")), ("B", ("A", "B", "C"))])
def test_a_new_class_has_its_bin(own_bin: str, bins: tuple[str, ...], calibrated: Calibrated) -> None:
    sorting = with_class(calibrated, own_bin).sorting
    assert sorting.bins == bins
    assert sorting.right.sum(1).tolist() == [1, 1, 1, 1]
    assert sorting.right[-1].tolist() == [name == own_bin for name in bins]
    np.testing.assert_array_equal(sorting.matrix[:CLASSES, :CLASSES], calibrated.sorting.matrix)


def test_limits_are_the_more_cautious_and_nothing_is_promised(calibrated: Calibrated) -> None:
    longer = with_class(calibrated)
    assert longer.provisional
    for channel, each in longer.channels.items():
        before = calibrated.channels[channel]
        assert each.temperature >= before.temperature
        assert each.candidate_threshold <= before.candidate_threshold
        assert each.agreement_threshold <= before.agreement_threshold
        assert each.risk_limit == before.risk_limit
        assert each.unknown_above == before.unknown_above
        assert (each.supported, each.bound, each.sorted) == (False, 1.0, 0)
    assert "Provisional" in support_sentences(longer)[0]
    assert not any("at most" in sentence for sentence in support_sentences(longer))
    assert "Provisional" not in support_sentences(calibrated)[0]


def test_where_devices_of_a_new_class_would_go(calibrated: Calibrated) -> None:
    longer = with_class(calibrated)
    said = np.repeat([[0.0, 0.0, 0.0, 60.0], [60.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]], [6, 3, 1], 0)
    sure = HeldOutLogits(said, np.full(10, CLASSES), said[:, :CLASSES])
    assert sorted_shares(longer, "rgbx", sure) == (0.6, 0.3)


def test_a_class_that_goes_is_unknown_and_others_are_judged_as_before(calibrated: Calibrated) -> None:
    shorter = calibration_without_class(calibrated, 1)
    limit = calibrated.channels["rgbx"].unknown_above
    gone, left = np.full(30, 1), np.repeat([0, 2], 15)
    said = np.zeros((30, CLASSES - 1))
    assert (calibrated.ood_score(said, both(gone, 50)) <= limit).mean() > 0.9
    assert (shorter.ood_score(said, both(gone, 50)) > limit).all()
    np.testing.assert_allclose(
        shorter.ood_score(said, both(left, 60)), calibrated.ood_score(said, both(left, 60)), rtol=1e-4
    )
    assert shorter.sorting.bins == ("A", "C")
    assert shorter.provisional


def test_a_class_that_comes_and_goes_leaves_the_scores(calibrated: Calibrated) -> None:
    again = calibration_without_class(with_class(calibrated), CLASSES)
    labels = np.repeat(np.arange(CLASSES + 2), 10)
    said = np.zeros((len(labels), CLASSES))
    np.testing.assert_allclose(
        again.ood_score(said, both(labels, 70)), calibrated.ood_score(said, both(labels, 70)), rtol=1e-4
    )
    assert again.sorting == calibrated.sorting


def test_scores_of_logits_and_of_others_cannot_be_told_of_a_class(calibrated: Calibrated) -> None:
    assert can_change_classes(calibrated)
    assert not can_change_classes(calibrated._replace(scorers={}))

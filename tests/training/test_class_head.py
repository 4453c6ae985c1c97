import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.models.fusion import Fusion, Linear
from rgbx.models.memory import Remembered
from rgbx.training.class_head import MOST_TAKEN, PAIRINGS, Heads, deal_folds, fit_class, fit_row, sureness, weigh

CLASSES, CHANNELS = 3, 8


def images(apart: float = 4.0, units: int = 2, per_class: int = 24, seed: int = 0) -> Remembered:
    """Draw images of four classes, the last one new, whose features lie round means ``apart`` from each other."""
    rng = np.random.default_rng(seed)
    means = apart * np.eye(CLASSES + 1, CHANNELS)
    labels = np.repeat(np.arange(CLASSES + 1), per_class)
    features = means[labels] + rng.normal(size=(len(labels), CHANNELS))
    names = tuple(f"{label}-{number % units}" for label in range(CLASSES + 1) for number in range(per_class))
    nothing = ("",) * len(labels)
    return Remembered(features.astype(np.float32), labels, names, nothing, nothing)  # type: ignore[arg-type]


def trained(apart: float = 4.0) -> Linear:
    weight = apart * np.eye(CLASSES, CHANNELS)
    return Linear(weight, np.array([0.1, -0.2, 0.0]))


def heads(fused: bool = True) -> Heads:
    both = {"rgb": trained(), "xray": trained(3.0)}
    if not fused:
        return Heads({"xray": both["xray"]}, None)
    weight = np.hstack([np.eye(CLASSES), 0.5 * np.eye(CLASSES)]) + 0.01
    return Heads(both, Fusion(both, Linear(weight, np.array([0.0, 0.3, -0.1]))))


def test_old_classes_are_told_as_before_and_the_new_one_is_found() -> None:
    given = {"rgb": images(seed=1), "xray": images(seed=2)}
    before = heads()
    fitted = fit_class(given, before, deal_folds(given, CLASSES))
    new = {"rgb": images(seed=3), "xray": images(seed=4)}
    features = {modality: each.features for modality, each in new.items()}
    labels = new["rgb"].labels
    for modality, each in features.items():
        logits = fitted.heads.classifiers[modality](each)
        np.testing.assert_allclose(logits[:, :CLASSES], before.classifiers[modality](each))
        assert (logits.argmax(1) == labels).mean() > 0.95
    fused = fitted.heads.fusion(features)
    np.testing.assert_allclose(fused[:, :CLASSES], before.fusion(features), rtol=1e-9, atol=1e-9)
    assert (fused.argmax(1) == labels).mean() > 0.97


def test_what_is_held_out_is_what_the_head_says_but_for_the_fold() -> None:
    given = {"rgb": images(seed=1), "xray": images(seed=2)}
    fitted = fit_class(given, heads(), deal_folds(given, CLASSES))
    for modality in ("rgb", "xray"):
        logits = fitted.heads.classifiers[modality](given[modality].features)
        held_out = fitted.held_out[modality].logits
        np.testing.assert_allclose(held_out[:, :CLASSES], logits[:, :CLASSES])
        assert np.corrcoef(held_out[:, -1], logits[:, -1])[0, 1] > 0.95
        assert not np.allclose(held_out[:, -1], logits[:, -1])
    assert len(fitted.held_out["rgbx"].truth) == PAIRINGS * len(given["rgb"].labels)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.0, 4.0))
def test_old_classes_are_hardly_taken_for_the_new_one_however_alike_they_are(seed: int, apart: float) -> None:
    given = {"xray": images(apart=apart, seed=seed)}
    answers = fit_class(given, heads(fused=False), deal_folds(given, CLASSES)).held_out["xray"]
    taken = (answers.logits.argmax(1) == CLASSES) & (answers.truth < CLASSES)
    old = (answers.truth < CLASSES).sum()
    assert taken.sum() <= MOST_TAKEN * old


def test_a_twin_keeps_its_images_and_the_new_class_is_not_found() -> None:
    alike = images(seed=5)
    features = alike.features.copy()
    features[alike.labels == CLASSES] -= 4.0 * (np.eye(CHANNELS)[CLASSES] - np.eye(CHANNELS)[0])  # where class 0 lies
    given = {"xray": alike._replace(features=features)}
    answers = fit_class(given, heads(fused=False), deal_folds(given, CLASSES)).held_out["xray"]
    said, new = answers.logits.argmax(1), answers.truth == CLASSES
    assert (said[new] == CLASSES).mean() < 0.3
    assert np.bincount(said[new], minlength=CLASSES + 1)[:CLASSES].argmax() == 0


def test_the_row_speaks_on_the_scale_of_the_trained_head() -> None:
    one = images(seed=1)
    loud = Linear(10 * trained().weight, 10 * trained().bias)
    quiet = Linear(10 * trained().weight, 10 * trained().bias)
    louder = Linear(10 * loud.weight, 10 * loud.bias)
    one_way, other_way = (fit_row(one.features, one.labels, head).beyond.weight for head in (quiet, louder))
    assert np.linalg.norm(other_way) == pytest.approx(10 * np.linalg.norm(one_way), rel=0.05)


def test_where_a_modality_cannot_tell_twins_the_other_one_decides() -> None:
    """The inside of the new class is that of class 0, as X-rays see it; its shell is one of its own."""
    alike = images(seed=5)
    features = alike.features.copy()
    features[alike.labels == CLASSES] -= 4.0 * (np.eye(CHANNELS)[CLASSES] - np.eye(CHANNELS)[0])
    given = {"rgb": images(seed=1), "xray": alike._replace(features=features)}
    fitted = fit_class(given, heads(), deal_folds(given, CLASSES))
    row = fit_row(given["xray"].features, given["xray"].labels, heads().classifiers["xray"])
    assert row.anchor[0] > 0.95
    logits = heads().classifiers["xray"](features)
    of_either = np.isin(given["xray"].labels, [0, CLASSES])
    between = row(features, logits)[of_either] - logits[of_either, 0]
    assert np.abs(between).mean() < 0.2 * np.abs(logits[of_either, 0]).mean(), "the twins are as likely"
    said, truth = fitted.held_out["rgbx"].logits.argmax(1), fitted.held_out["rgbx"].truth
    assert (said == truth)[truth == CLASSES].mean() > 0.9
    assert (said == truth)[truth == 0].mean() > 0.95


def test_a_modality_that_cannot_tell_the_class_is_no_noise_to_the_other() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(CLASSES + 1), 200)
    known = rng.normal(size=(len(truth), CLASSES))
    known[truth < CLASSES] += 4.0 * np.eye(CLASSES)[truth[truth < CLASSES]]
    known[truth == CLASSES, 0] += 4.0
    tells = np.where(truth == CLASSES, 2.0, -2.0) + rng.normal(size=len(truth))
    told = np.column_stack([tells, 5.0 * rng.normal(size=len(truth))])
    counts = weigh(told, known[:, 0], known, truth, [1.0, 1.0])
    assert counts[0] == pytest.approx(1.0, abs=0.3)
    assert counts[1] < 0.1
    turned = weigh(told[:, ::-1], known[:, 0], known, truth, [1.0, 1.0])
    np.testing.assert_allclose(turned[::-1], counts, atol=0.02)


def test_what_tells_the_class_without_fail_counts_as_it_does_for_old_classes() -> None:
    truth = np.repeat(np.arange(CLASSES + 1), 20)
    known = 4.0 * np.eye(CLASSES + 1, CLASSES)[truth]
    told = np.where(truth == CLASSES, 5.0, -5.0)[:, None]
    assert weigh(told, known[:, 0], known, truth, [0.7]) == pytest.approx([0.7])
    assert weigh(-told, known[:, 0], known, truth, [0.7]) == pytest.approx([0.0])
    assert weigh(told, known[:, 0], known, truth, [-0.1]) == pytest.approx([0.0])


def test_sureness_is_the_factor_between_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(20, 4))
    assert sureness(logits, 3 * logits + 5) == pytest.approx(3)
    assert sureness(logits, -logits) == 1.0
    assert sureness(np.zeros((20, 4)), logits) == 1.0


@pytest.mark.parametrize("units", [2, 3, 9])
def test_no_unit_is_in_two_folds(units: int) -> None:
    given = {"rgb": images(units=units), "xray": images(units=units, seed=1)}
    folds = deal_folds(given, CLASSES)
    assert folds.by_unit
    assert folds.number == min(units, 5)
    for modality, each in given.items():
        of_unit: dict[tuple[int, str], set[int]] = {}
        for label, unit, fold in zip(each.labels, each.units, folds.of_images[modality], strict=True):
            of_unit.setdefault((int(label), unit), set()).add(int(fold))
        assert all(len(found) == 1 for found in of_unit.values())
        assert {(int(label), fold) for (label, _), found in of_unit.items() for fold in found} == {
            (label, fold) for label in range(CLASSES + 1) for fold in range(folds.number)
        }


def test_a_single_unit_is_dealt_by_images_and_that_is_said() -> None:
    folds = deal_folds({"xray": images(units=1)}, CLASSES)
    assert (folds.by_unit, folds.number) == (False, 2)
    assert set(folds.of_images["xray"]) == {0, 1}

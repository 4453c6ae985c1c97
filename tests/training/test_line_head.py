import numpy as np
import pytest

from rgbx.models.fusion import Fusion, Linear
from rgbx.models.memory import LineImages, Remembered
from rgbx.training.class_head import FittedClass, Heads, deal_folds, fit_class
from rgbx.training.line_head import _limit, discriminant, enough_of_line, fit_class_on_line

CLASSES, CHANNELS, WAYS = 4, 12, 3
WAY = 5.0
"""How far a line moves the images of a class, along directions that say nothing of the class when rendered."""


def drawn(modality: str, on_line: bool, units: int = 4, per_class: int = 24, apart: float = 3.0) -> Remembered:
    """Draw images of five classes, the last one new; on the line each class is moved in its own way."""
    own = 0 if modality == "rgb" else 1
    rng = np.random.default_rng(10 * on_line + own)
    ways = np.zeros((CLASSES + 1, CHANNELS))
    ways[:, -WAYS:] = np.random.default_rng(77 + own).normal(size=(CLASSES + 1, WAYS)) * WAY
    labels = np.repeat(np.arange(CLASSES + 1), per_class)
    features = apart * np.eye(CLASSES + 1, CHANNELS)[labels] + 0.5 * rng.normal(size=(len(labels), CHANNELS))
    features[:, -WAYS:] *= 0.1
    # Rendered twins differ a little along what a line changes much: a head that goes by it is misled there.
    features[labels == CLASSES, -1] += 1.0
    features += on_line * ways[labels]
    names = tuple(f"{label}-{number % units}" for label in range(CLASSES + 1) for number in range(per_class))
    nothing = ("",) * len(labels)
    return Remembered(features.astype(np.float32), labels, names, nothing, nothing)  # type: ignore[arg-type]


def seen(modality: str, units: int = 4, per_class: int = 24) -> LineImages:
    """Return what a bundle remembers of a line that has no device of the new class."""
    images = drawn(modality, on_line=True, units=units, per_class=per_class)
    return LineImages(images.features, images.labels, images.units).chosen(images.labels < CLASSES)


def heads(fused: bool = True) -> Heads:
    trained = {
        m: Linear(scale * np.eye(CLASSES, CHANNELS), np.zeros(CLASSES)) for m, scale in (("rgb", 3), ("xray", 2))
    }
    if not fused:
        return Heads({"xray": trained["xray"]}, None)
    weight = np.hstack([np.eye(CLASSES), 0.5 * np.eye(CLASSES)]) + 0.01
    return Heads(trained, Fusion(trained, Linear(weight, np.linspace(-0.1, 0.3, CLASSES))))


def test_a_new_class_is_found_on_a_line_that_it_was_never_seen_on() -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    folds = deal_folds(given, CLASSES)
    line = {m: seen(m) for m in given}
    test = {m: drawn(m, on_line=True, units=3, per_class=40) for m in given}
    truth = test["rgb"].labels
    features = {m: each.features for m, each in test.items()}
    by_line = fit_class_on_line(given, line, heads(), folds).heads
    by_row = fit_class(given, heads(), folds).heads
    said, row_said = (each.fusion(features).argmax(1) for each in (by_line, by_row))
    assert (said == truth).mean() > 0.97
    assert (said == truth)[truth == CLASSES].mean() > (row_said == truth)[truth == CLASSES].mean() + 0.2
    for modality, each in features.items():
        assert (by_line.classifiers[modality](each).argmax(1) == truth).mean() > 0.95


def test_what_is_held_out_are_old_classes_on_the_line_and_the_new_one_rendered() -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    line = {m: seen(m) for m in given}
    fitted = fit_class_on_line(given, line, heads(), deal_folds(given, CLASSES))
    for modality in ("rgb", "xray"):
        held_out = fitted.held_out[modality]
        new = given[modality].labels == CLASSES
        shown = np.concatenate([line[modality].features, given[modality].features[new]])
        np.testing.assert_array_equal(held_out.truth, np.append(line[modality].labels, given[modality].labels[new]))
        np.testing.assert_allclose(held_out.before, heads().classifiers[modality](shown), rtol=1e-6, atol=1e-6)
        whole = fitted.heads.classifiers[modality](shown)
        assert not np.allclose(held_out.logits, whole)
        assert (held_out.logits.argmax(1) == whole.argmax(1)).mean() > 0.95
    fused = fitted.held_out["rgbx"]
    assert set(fused.truth.tolist()) == set(range(CLASSES + 1))
    assert fused.before.shape == (len(fused.truth), CLASSES)


def assert_as_sure(fitted: FittedClass) -> None:
    for answers in fitted.held_out.values():
        old = answers.truth < CLASSES
        ours, before = (
            each - each.mean(1, keepdims=True) for each in (answers.logits[old, :CLASSES], answers.before[old])
        )
        assert np.square(ours).mean() == pytest.approx(np.square(before).mean())


def test_heads_are_as_sure_on_the_line_as_the_trained_ones() -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    line = {m: seen(m) for m in given}
    fitted = fit_class_on_line(given, line, heads(), deal_folds(given, CLASSES))
    assert_as_sure(fitted)
    features = {m: each.features for m, each in line.items()}
    ours, before = fitted.heads.fusion(features), heads().fusion(features)
    assert np.abs(ours[:, :CLASSES]).max() < 5 * np.abs(before).max()


def test_heads_that_contradict_the_trained_ones_are_no_surer_either() -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    line = {m: seen(m) for m in given}
    turned = {m: Linear(-each.weight, each.bias) for m, each in heads().classifiers.items()}
    before = Heads(turned, heads().fusion._replace(classifiers=turned))
    assert_as_sure(fit_class_on_line(given, line, before, deal_folds(given, CLASSES)))


def test_what_is_rehearsed_is_what_happens_to_the_new_class() -> None:
    """Where the line moves images along what tells classes, old ones would not be found either, and it is said."""
    given = {"xray": drawn("xray", on_line=False)}
    folds = deal_folds(given, CLASSES)
    line = {"xray": seen("xray")}
    easy = fit_class_on_line(given, line, heads(fused=False), folds)
    turned = line["xray"].features.copy()
    turned[:, : CLASSES + 1] = np.roll(turned[:, : CLASSES + 1], 1, axis=1)
    hard = fit_class_on_line(given, {"xray": line["xray"]._replace(features=turned)}, heads(fused=False), folds)
    assert easy.rehearsed["xray"] > 0.9
    assert hard.rehearsed["xray"] < 0.3
    assert easy.heads.fusion is None


def test_a_discriminant_does_not_go_by_what_a_line_changes() -> None:
    images = drawn("rgb", on_line=False)
    line = seen("rgb")
    told = discriminant(images.features, images.labels, line)
    np.testing.assert_allclose(told(images.features).sum(1), 0, atol=1e-6)
    still = LineImages(images.features, images.labels, images.units)
    blind = discriminant(images.features, images.labels, still)
    along, before = (np.abs(each.weight[:, -WAYS:]).max() for each in (told, blind))
    assert along < 0.1 * before
    assert (told(images.features).argmax(1) == images.labels).mean() > 0.99


@pytest.mark.parametrize(("units", "per_class"), [(1, 4), (2, 4), (7, 7)])
def test_a_line_may_have_few_units_of_a_class(units: int, per_class: int) -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    line = {m: seen(m, units, per_class) for m in given}
    fitted = fit_class_on_line(given, line, heads(), deal_folds(given, CLASSES))
    for answers in fitted.held_out.values():
        assert np.isfinite(answers.logits).all()
        assert (answers.truth < CLASSES).any()


def test_classes_that_the_line_has_not_seen_are_kept_as_well() -> None:
    given = {m: drawn(m, on_line=False) for m in ("rgb", "xray")}
    line = {m: seen(m) for m in given}
    line = {m: each.chosen(each.labels != 1) for m, each in line.items()}
    fitted = fit_class_on_line(given, line, heads(), deal_folds(given, CLASSES))
    said = fitted.heads.fusion({m: each.features for m, each in given.items()}).argmax(1)
    assert (said == given["rgb"].labels).mean() > 0.97
    assert set(fitted.held_out["rgbx"].truth.tolist()) == {0, 2, 3, CLASSES}


def test_a_line_of_two_classes_shows_too_little() -> None:
    line = {m: seen(m) for m in ("rgb", "xray")}
    assert enough_of_line(line, ["rgb", "xray"])
    assert not enough_of_line({"rgb": line["rgb"]}, ["rgb", "xray"])
    assert not enough_of_line({}, ["rgb"])
    assert not enough_of_line({"rgb": line["rgb"].chosen(line["rgb"].labels < 2)}, ["rgb"])


OLD = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
RIGHT, WRONG = np.array([[4.0, 0.0], [0.0, 4.0]]), np.array([[0.0, 4.0], [4.0, 0.0]])


def said_of(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return logits of both old classes, and of a new one that is ahead of them by so much."""
    return np.column_stack([old, old.max(1) + new])


def test_a_class_may_take_what_the_others_have_gained() -> None:
    ahead = np.array([3.0, 2.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0])
    now = said_of(RIGHT[OLD], ahead)
    before = RIGHT[OLD]
    assert _limit(now, before, OLD, 2) == 3.0  # nothing was gained, so nothing may be taken
    before[5] = WRONG[1]
    assert _limit(now, before, OLD, 2) == 2.0
    before[4] = WRONG[1]
    assert _limit(now, before, OLD, 2) == 0.0
    before[6:] = WRONG[1]
    assert _limit(now, before, OLD, 2) == 0.0  # it need not be behind them


def test_a_class_takes_nothing_where_others_lose_without_it() -> None:
    old = RIGHT[OLD]
    old[9] = WRONG[1]
    now = said_of(old, np.array([3.0, *np.full(8, -1.0), 5.0]))
    assert _limit(now, RIGHT[OLD], OLD, 2) == 3.0  # the tenth is lost in any case


def test_a_class_that_was_known_before_has_no_say_in_what_others_were_told() -> None:
    now = said_of(RIGHT[OLD], np.full(10, -1.0))
    now[0] = [4.0, 0.0, 5.0]
    before = said_of(RIGHT[OLD], np.full(10, 9.0))  # knew it, and took all for it
    assert _limit(now, before, OLD, 2) == 1.0

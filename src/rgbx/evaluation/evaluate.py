"""From predictions to figures, each with its interval, and to the files that hold them."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from rgbx.evaluation import metrics
from rgbx.evaluation.figures import confusion_figure, reliability_figure, write_figure
from rgbx.evaluation.intervals import (
    CONFIDENCE,
    Estimate,
    Interval,
    PairedTest,
    cluster_bootstrap,
    combine_p_values,
    mcnemar,
    widened,
    wilson,
)
from rgbx.evaluation.pairing import SAME_UNIT
from rgbx.evaluation.predictions import PredictionRow, Predictions, cached_predictions, predict_sets
from rgbx.evaluation.reliability import calibration_error
from rgbx.evaluation.results import ClassScores, Evaluation, Pairings, PairingScore, Scores, TrustScores
from rgbx.evaluation.tables import confusion_title, evaluation_markdown
from rgbx.files import write_json, write_text
from rgbx.modality import TITLES
from rgbx.samples import SampleSet
from rgbx.trust.false_sorts import upper_bound

if TYPE_CHECKING:
    from rgbx.inference import Predictor


def evaluate(
    predictor: "Predictor", rgb: SampleSet | None, xray: SampleSet | None, pairings: int = 5, seed: int = 0
) -> Evaluation:
    """Test a predictor on labelled sets: RGB alone, X-ray alone and, given both, RGB-X.

    Args:
        predictor: of the bundle under test.
        rgb: photographs, or None.
        xray: radiographs, or None.
        pairings: how often each photograph is paired with a random radiograph of its class.
        seed: of the pairings and of the bootstrap.

    Raises:
        InputError: a set is empty, of the wrong modality, or shows classes that the bundle or the other set has not.
        RgbxError: no set was given, or the bundle has no stream for one that was.
    """
    return measure(predict_sets(predictor, rgb, xray, pairings, seed))


def evaluate_bundle(
    bundle: Path, rgb: SampleSet | None, xray: SampleSet | None, out: Path, *, pairings: int = 5, seed: int = 0
) -> Evaluation:
    """Test a bundle as :func:`evaluate` does and write all there is to know into ``out``.

    ``predictions.csv`` (every image and pair), ``metrics.json``, ``table.md``, ``reliability.png`` and a
    ``confusion_*.png`` for each modality. Predictions are kept: asked again for the same bundle, sets and settings,
    nothing is predicted anew.

    Raises:
        InputError, RgbxError: as :func:`evaluate`; also when the bundle cannot be read.
    """
    predictions = cached_predictions(bundle, rgb, xray, out, pairings, seed)
    evaluation = measure(predictions)
    write_json(out / "metrics.json", evaluation.model_dump(mode="json", exclude_none=True))
    write_text(out / "table.md", evaluation_markdown(evaluation))
    for name in TITLES:
        (out / f"confusion_{name}.png").unlink(missing_ok=True)
    for channel, scores in evaluation.scores.items():
        figure = confusion_figure(np.array(scores.confusion), evaluation.classes, confusion_title(evaluation, channel))
        write_figure(out / f"confusion_{channel}.png", figure)
    write_figure(out / "reliability.png", reliability_figure(_confidences(predictions)))
    return evaluation


def measure(predictions: Predictions) -> Evaluation:
    """Compute every figure from a table of predictions; the same table gives the same figures."""
    classes, seed = predictions.classes, predictions.seed
    scores: dict[str, Scores] = {}
    singles: dict[Literal["rgb", "xray"], list[PredictionRow]] = {
        "rgb": predictions.of("rgb"),
        "xray": predictions.of("xray"),
    }
    for channel, rows in singles.items():
        if rows:
            scores[channel] = scores_of(rows, classes, repeats=1, seed=seed)
    names = [name for name in predictions.pairings if name != SAME_UNIT]
    if not names:
        return Evaluation(**scores, classes=classes, origin=predictions.origin)

    paired = {name: predictions.of("rgbx", name) for name in predictions.pairings}
    pooled = [row for name in names for row in paired[name]]
    scores["rgbx"] = scores_of(pooled, classes, repeats=len(names), seed=seed)
    each = {name: _pairing_score(name, rows) for name, rows in paired.items()}
    accuracies = [each[name].accuracy for name in names]
    return Evaluation(
        **scores,
        tests={
            channel: compare_paired(
                [paired[name] for name in names], [alone(paired[name], channel, rows) for name in names], seed
            )
            for channel, rows in singles.items()
        },
        pairings=Pairings(
            count=len(names),
            seed=seed,
            mean=float(np.mean(accuracies)),
            min=min(accuracies),
            max=max(accuracies),
            each=tuple(each[name] for name in names),
            same_unit=each.get(SAME_UNIT),
        ),
        classes=classes,
        origin=predictions.origin,
    )


def scores_of(rows: Sequence[PredictionRow], classes: tuple[str, ...], repeats: int, seed: int) -> Scores:
    """Score ``rows``, in which each image stands ``repeats`` times (once a pairing or seed) and counts once."""
    place = {name: number for number, name in enumerate(classes)}
    truth = np.array([place[row.truth] for row in rows])
    predicted = np.array([place[row.predicted] for row in rows])
    units = [row.units for row in rows]
    many = len(frozenset().union(*units))

    def summaries(weights: np.ndarray) -> np.ndarray:
        return metrics.summary(metrics.confusion_matrix(truth, predicted, len(classes), weights))

    confusion = metrics.confusion_matrix(truth, predicted, len(classes), np.ones(len(rows)))
    low, high = cluster_bootstrap(units, summaries, seed)
    accuracy, precision, recall = (
        widened(float(value), float(below), float(above), many)
        for value, below, above in zip(metrics.summary(confusion), low, high, strict=True)
    )
    confidence = np.array([row.confidence for row in rows])
    gap = estimate(units, lambda weights: calibration_error(confidence, truth == predicted, weights), seed)
    n = len(rows) // repeats
    sure = wilson(accuracy.value, n)
    return Scores(
        accuracy=accuracy.value,
        low=sure.low,
        high=sure.high,
        n=n,
        units=many,
        accuracy_by_unit=Interval(low=accuracy.low, high=accuracy.high),
        precision=precision,
        recall=recall,
        calibration_error=gap,
        trust=_trust(rows, units, repeats, seed),
        per_class=_class_scores(confusion, classes, repeats),
        confusion=tuple(tuple(int(count) for count in line) for line in confusion),
    )


def _confidences(predictions: Predictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return confidence and whether it was right, of each channel's answers by its title."""
    found = {}
    for channel, title in TITLES.items():
        rows = predictions.tested(channel)
        if rows:
            found[title] = np.array([row.confidence for row in rows]), np.array([row.right for row in rows])
    return found


def _trust(
    rows: Sequence[PredictionRow], units: Sequence[frozenset[str]], repeats: int, seed: int
) -> TrustScores | None:
    decisions = [row.decision for row in rows if row.decision is not None]
    if len(decisions) < len(rows):
        return None
    answered = np.array([not each.reason for each in decisions])
    covered = np.array([row.truth in each.candidates for row, each in zip(rows, decisions, strict=True)])
    false_sorts = float(np.sum([not each.right_bin for each in decisions if not each.reason])) / repeats
    reasons = Counter(each.reason for each in decisions if each.reason)
    return TrustScores(
        sorted=share_estimate(answered, units, seed),
        false_sorts=false_sorts,
        false_sort_bound=upper_bound(math.ceil(false_sorts), int(answered.sum()) // repeats, CONFIDENCE),
        reasons={name: count / len(rows) for name, count in reasons.most_common()},
        covered=share_estimate(covered, units, seed),
        candidates=float(np.mean([len(each.candidates) for each in decisions])),
    )


def estimate(units: Sequence[frozenset[str]], statistic: Callable[[np.ndarray], np.ndarray], seed: int) -> Estimate:
    """Return a statistic of 0 to 1, which takes (b, n) weights and returns (b,) values, with its interval."""
    value = float(statistic(np.ones((1, len(units))))[0])
    low, high = cluster_bootstrap(units, lambda weights: statistic(weights)[:, None], seed)[:, 0]
    return widened(value, float(low), float(high), len(frozenset().union(*units)))


def share_estimate(hits: np.ndarray, units: Sequence[frozenset[str]], seed: int) -> Estimate:
    """Return the share of (n,) hits, with its interval."""
    return estimate(units, lambda weights: metrics.share(hits, weights), seed)


def _class_scores(confusion: np.ndarray, classes: tuple[str, ...], repeats: int) -> tuple[ClassScores, ...]:
    precisions, recalls = metrics.precision_by_class(confusion), metrics.recall_by_class(confusion)
    counts = confusion.sum(axis=1) / repeats
    return tuple(
        ClassScores(
            name=name,
            n=float(n),
            precision=float(precision),
            recall=float(recall),
            recall_interval=wilson(float(recall), float(n)) if n else None,
        )
        for name, n, precision, recall in zip(classes, counts, precisions, recalls, strict=True)
    )


def _pairing_score(name: str, rows: Sequence[PredictionRow]) -> PairingScore:
    accuracy = sum(row.right for row in rows) / len(rows)
    sure = wilson(accuracy, len(rows))
    return PairingScore(name=name, accuracy=accuracy, low=sure.low, high=sure.high, n=len(rows))


def compare_paired(
    first: Sequence[Sequence[PredictionRow]], second: Sequence[Sequence[PredictionRow]], seed: int
) -> PairedTest:
    """Compare two classifiers on the same cases.

    Args:
        first, second: what each predicted, in one or more repeats (pairings, seeds) of the same cases in the same
            order.
        seed: of the bootstrap.
    """
    tests = [
        mcnemar(np.array([row.right for row in ours]), np.array([row.right for row in theirs]))
        for ours, theirs in zip(first, second, strict=True)
    ]
    pooled = [row for rows in first for row in rows]
    others = [row for rows in second for row in rows]
    ours, theirs = (np.array([row.right for row in rows]) for rows in (pooled, others))
    return PairedTest(
        gained=float(np.mean([gained for gained, _, _ in tests])),
        lost=float(np.mean([lost for _, lost, _ in tests])),
        difference=gain(ours, theirs, [row.units for row in pooled], seed),
        p=combine_p_values([p for _, _, p in tests]),
    )


def gain(first_right: np.ndarray, second_right: np.ndarray, units: Sequence[frozenset[str]], seed: int) -> Estimate:
    """Return the accuracy of one classifier minus that of another on the same n cases, with the bootstrap's interval.

    Args:
        first_right, second_right: (n,) bool, whether each got the case right.
        units: that each case shows.
        seed: of the bootstrap.
    """
    gained = first_right.astype(float) - second_right
    low, high = cluster_bootstrap(units, lambda weights: metrics.share(gained, weights)[:, None], seed)[:, 0]
    value = float(gained.mean())
    return Estimate(value=value, low=min(float(low), value), high=max(float(high), value))


def alone(
    pairs: Sequence[PredictionRow], channel: Literal["rgb", "xray"], single: Sequence[PredictionRow]
) -> list[PredictionRow]:
    """Return what a stream alone said of its image of each pair."""
    by_image = {getattr(row, channel): row for row in single}
    return [by_image[getattr(row, channel)] for row in pairs]

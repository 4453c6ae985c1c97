"""Fitting a calibration to what a bundle says of labelled images that it was not trained on."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rgbx.modality import Channel, Modality
from rgbx.registry import OOD_SCORES
from rgbx.trust.calibration import Calibrated, ChannelCalibration
from rgbx.trust.conformal import candidates, conformal_threshold, contradict
from rgbx.trust.false_sorts import risk_limit, surest_limit, upper_bound
from rgbx.trust.ood import Distances, OodScorer, Shown, TailScale, evidence
from rgbx.trust.probabilities import probabilities
from rgbx.trust.risk import cheapest_bins
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx.trust.temperature import fit_temperature

FOLDS = 10
"""To measure known devices by classes fitted to others: with fewer of these, all look farther than they will."""


class Responses(NamedTuple):
    """What a stream says of n labelled images."""

    logits: np.ndarray
    """(n, C)"""
    shown: Shown
    truth: np.ndarray
    """(n,) class indices; every class occurs."""
    units: tuple[str, ...]
    """The unit that each shows."""


class FusedResponses(NamedTuple):
    """What a fusion says of m pairs of images, each of one class."""

    logits: np.ndarray
    """(m, C)"""
    photographs: np.ndarray
    """(m,) index of each pair's photograph."""
    radiographs: np.ndarray
    """(m,) index of its radiograph."""


class _Cases(NamedTuple):
    """Devices as one channel sees them."""

    logits: np.ndarray
    truth: np.ndarray
    ood: np.ndarray
    """(n,) out-of-distribution scores."""
    units: int
    contradicted: np.ndarray
    """(n,) bool, whether the modalities disagree."""


def fit_calibration(
    streams: Mapping[Modality, Responses], pairs: FusedResponses | None, sorting: Sorting, config: TrustConfig
) -> Calibrated:
    """Fit all that decisions need.

    Args:
        streams: what each stream says of its images.
        pairs: what the fusion says of pairs of them; None with one stream.
        sorting: bins and costs.
        config: what is asked for.
    """
    score = OOD_SCORES[config.ood_score]
    scorers: dict[Modality, OodScorer] = {}
    rarities: dict[Modality, np.ndarray] = {}
    for modality, kind in score.distances.items():
        if modality in streams:
            each = streams[modality]
            apart = distances_from_others(each, kind)
            scale = TailScale.fit(apart[np.arange(len(each.truth)), each.truth], each.truth)
            scorers[modality] = OodScorer(kind.fit(evidence(kind, each.shown), each.truth), scale)
            rarities[modality] = scale(apart)
    cases: dict[Channel, _Cases] = {
        modality: _Cases(
            each.logits,
            each.truth,
            score(each.logits, [rarities[modality]] if rarities else []),
            len(set(zip(each.truth.tolist(), each.units, strict=True))),
            np.zeros(len(each.truth), bool),
        )
        for modality, each in streams.items()
    }
    channels = {channel: _calibrate(each, sorting, config) for channel, each in cases.items()}
    if pairs is not None:
        rgb, xray = pairs.photographs, pairs.radiographs
        plausible = {m: _plausible(streams[m].logits, channels[m]) for m in streams}
        cases["rgbx"] = _Cases(
            pairs.logits,
            streams["rgb"].truth[rgb],
            score(pairs.logits, [rarities["rgb"][rgb], rarities["xray"][xray]] if rarities else []),
            cases["rgb"].units,
            contradict(plausible["rgb"][rgb], plausible["xray"][xray]),
        )
        channels["rgbx"] = _calibrate(cases["rgbx"], sorting, config)
    order = {channel: np.argsort(each.ood, kind="stable") for channel, each in cases.items()}
    known = {channel: each.ood[order[channel]] for channel, each in cases.items()}
    labels = {channel: each.logits.argmax(1)[order[channel]] for channel, each in cases.items()}
    return Calibrated(config, sorting, channels, scorers, known, known_labels=labels)


def distances_from_others(responses: Responses, kind: type[Distances]) -> np.ndarray:
    """Return each image's (n, C) distances from classes fitted to other units only.

    Where a class has a single unit, other images have to do, and known devices look nearer than they are.
    """
    seen = evidence(kind, responses.shown)
    found = np.empty(responses.logits.shape)
    fold = _folds(responses)
    for number in range(int(fold.max()) + 1):
        within = fold == number
        found[within] = kind.fit(seen[~within], responses.truth[~within])(seen[within])
    return found


def _folds(responses: Responses) -> np.ndarray:
    """Deal the units of each class, or its images where it has but one, to as many folds as all classes can fill."""
    units = np.array(responses.units)
    groups = [np.unique(units[responses.truth == label], return_inverse=True)[1] for label in _labels(responses)]
    if min(group.max() for group in groups) < 1:
        groups = [np.arange(len(group)) for group in groups]
    count = min(FOLDS, *(int(group.max()) + 1 for group in groups))
    fold = np.empty(len(units), np.int64)
    for label, group in zip(_labels(responses), groups, strict=True):
        fold[responses.truth == label] = group % count
    return fold


def _labels(responses: Responses) -> range:
    return range(responses.logits.shape[1])


def _calibrate(cases: _Cases, sorting: Sorting, config: TrustConfig) -> ChannelCalibration:
    temperature = fit_temperature(cases.logits, cases.truth)
    sure = probabilities(cases.logits, temperature)
    limit = _upper_quantile(cases.ood, config.unknown)
    kept = (cases.ood <= limit) & ~cases.contradicted
    bins, risks = cheapest_bins(sure[kept], sorting.matrix)
    wrong = ~sorting.right[cases.truth[kept], bins]
    supported = risk_limit(risks, wrong, config.false_sorts, config.confidence)
    accept = surest_limit(risks, wrong) if supported is None else supported
    false_sorts, accepted = int(wrong[risks <= accept].sum()), int((risks <= accept).sum())
    return ChannelCalibration(
        images=len(cases.truth),
        units=cases.units,
        temperature=temperature,
        candidate_threshold=conformal_threshold(sure, cases.truth, config.miss),
        agreement_threshold=conformal_threshold(sure, cases.truth, config.disagreement),
        unknown_above=limit,
        risk_limit=accept,
        supported=supported is not None,
        false_sorts=false_sorts,
        sorted=accepted,
        bound=upper_bound(false_sorts, accepted, config.confidence),
    )


def _plausible(logits: np.ndarray, calibration: ChannelCalibration) -> np.ndarray:
    return candidates(probabilities(logits, calibration.temperature), calibration.agreement_threshold)


def _upper_quantile(values: np.ndarray, above: float) -> float:
    """Return what a new value exceeds with a probability of ``above`` at most; the largest where there are too few."""
    rank = min(math.ceil((len(values) + 1) * (1 - above)), len(values))
    return float(np.sort(values)[rank - 1])

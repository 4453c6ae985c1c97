"""From what a bundle says of a device to a decision, by the bundle's calibration."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np

from rgbx.modality import Channel, Modality
from rgbx.models.header import BundleHeader
from rgbx.trust.calibration import Calibrated, ChannelCalibration, Computation, load_calibration
from rgbx.trust.conformal import candidates, contradict
from rgbx.trust.decision import AnomalyMap, Decision, RejectReason
from rgbx.trust.layout import Layouts
from rgbx.trust.ood import Shown
from rgbx.trust.probabilities import probabilities
from rgbx.trust.risk import cheapest_bins


class Answer(NamedTuple):
    """What one stream says of an image."""

    logits: np.ndarray
    """(C,)"""
    shown: Shown
    """Of the one image."""
    found: bool = True
    """Whether a device was found in the image."""


class Judge:
    """Decides on devices one by one."""

    def __init__(self, classes: Sequence[str], calibrated: Calibrated) -> None:
        self._classes = classes
        self._calibrated = calibrated
        self._costs = calibrated.sorting.matrix

    @classmethod
    def read(cls, folder: Path, header: BundleHeader) -> Self | None:
        """Return the judge of a bundle; None where it was not calibrated.

        Raises:
            InputError: the calibration is damaged, or was made for other weights.
        """
        calibrated = load_calibration(folder, header.weights_sha256)
        return None if calibrated is None else cls(header.classes, calibrated)

    @property
    def computation(self) -> Computation:
        """How the answers have to be computed that it decides on."""
        return self._calibrated.computation

    def probabilities(self, channel: Channel, logits: np.ndarray) -> np.ndarray:
        """Return (C,) probabilities that mean what they say."""
        return probabilities(logits, self._of(channel).temperature)

    def decide(self, channel: Channel, logits: np.ndarray, answers: Mapping[Modality, Answer]) -> Decision:
        """Decide on a device.

        Args:
            channel: what was seen of it.
            logits: (C,), of the channel.
            answers: of each stream that saw it.
        """
        calibration = self._of(channel)
        sure = self.probabilities(channel, logits)
        scores = self._ood_scores(channel, logits, answers)
        bins, risks = cheapest_bins(sure[None], self._costs)
        disagree = len(answers) == 2 and self._contradict(answers)
        reason: RejectReason | None = None
        if not all(answer.found for answer in answers.values()):
            reason = "no device"
        elif disagree and not any(scores[each] > self._of(each).unknown_above for each in answers):
            reason = "modalities disagree"
        elif disagree or scores[channel] > calibration.unknown_above:
            reason = "unknown"
        elif risks[0] > calibration.risk_limit:
            reason = "low confidence"
        likely = candidates(sure, calibration.candidate_threshold)
        known = self._calibrated.known[channel]
        return Decision(
            bin=self._calibrated.sorting.bins[int(bins[0])] if reason is None else None,
            reason=reason,
            candidates=tuple(self._classes[place] for place in np.argsort(-sure, kind="stable") if likely[place]),
            unknown_score=float(np.searchsorted(known, scores[channel]) / len(known)),
            ood_scores=scores,
        )

    def anomaly_map(self, prepared: np.ndarray) -> AnomalyMap | None:
        """Return where a prepared radiograph differs from known ones; None where it is not judged by its layout."""
        scorer = self._calibrated.scorers.get("xray")
        if scorer is None or not isinstance(scorer.distances, Layouts):
            return None
        nearest, values = scorer.distances.anomaly_map(prepared)
        return AnomalyMap(self._classes[nearest], values)

    def is_right(self, bin: str, label: str) -> bool:
        """Return whether a device of class ``label`` belongs in ``bin``."""
        sorting = self._calibrated.sorting
        return bool(sorting.right[self._classes.index(label), sorting.bins.index(bin)])

    def _of(self, channel: Channel) -> ChannelCalibration:
        return self._calibrated.channels[channel]

    def _ood_scores(
        self, channel: Channel, logits: np.ndarray, answers: Mapping[Modality, Answer]
    ) -> dict[Channel, float]:
        """Return the score of the channel and of each modality in it, each measured once."""
        said: dict[Channel, np.ndarray] = {modality: answer.logits[None] for modality, answer in answers.items()}
        shown = {modality: answer.shown for modality, answer in answers.items()}
        scores = self._calibrated.ood_scores(channel, {**said, channel: logits[None]}, shown)
        return {each: float(score[0]) for each, score in scores.items()}

    def _contradict(self, answers: Mapping[Modality, Answer]) -> bool:
        first, second = (
            candidates(self.probabilities(modality, answer.logits), self._of(modality).agreement_threshold)
            for modality, answer in answers.items()
        )
        return bool(contradict(first, second))

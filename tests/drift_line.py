"""A line whose answers a test makes up: a log, and models with a calibration of made-up scores."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rgbx.models.header import read_bundle_header
from rgbx.trust.calibration import Calibrated, ChannelCalibration, save_calibration
from rgbx.trust.drift.looks import LOOKS
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx_line.contract import AUDIT, RESULT, SHADOW_ANSWER, PartResult, ReasonCode
from rgbx_line.drift.report import ACKNOWLEDGED
from rgbx_line.log import Entry, LineLog
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder
from tiny_bundle import write_untrained_bundle

CHANNELS = ("rgb", "xray", "rgbx")
_CHANNEL = ChannelCalibration(
    images=200,
    units=20,
    temperature=1.0,
    candidate_threshold=0.1,
    agreement_threshold=0.1,
    unknown_above=9.0,
    risk_limit=1.0,
    supported=True,
    false_sorts=0,
    sorted=200,
    bound=0.01,
)


class DriftLine:
    """Writes what a line with models 1 and 2, which are calibrated, and 3, which is not, would have written."""

    def __init__(self, folder: LineFolder, log: LineLog) -> None:
        self.folder, self.log = folder, log
        self.rng = np.random.default_rng(0)

    def answers(self, count: int, model: int = 1, kind: str = RESULT, **fault: float) -> list[Entry]:
        """Write answers.

        Args:
            count: how many.
            model: whose.
            kind: of the entries.
            fault: how many times as strange devices are to a channel, or what is added to a look.
        """
        return self.log.append([(kind, self._answer(model, fault)) for _ in range(count)])

    def acknowledge(self, signals: dict[str, int], anew: bool = False) -> None:
        """Write that a person ended alarms."""
        self.log.append([(AUDIT, {"what": ACKNOWLEDGED, "who": "Ada", "signals": signals, "anew": anew})])

    def shadow(self, count: int) -> None:
        """Write answers of a candidate that finds all devices strange."""
        self.answers(count, 2, SHADOW_ANSWER, rgb=9.0, xray=9.0)

    def _answer(self, model: int, fault: dict[str, float]) -> dict[str, Any]:
        label = "ABC"[int(self.rng.integers(3))]
        scores = {channel: self.rng.gamma(2) * fault.get(channel, 1.0) for channel in ("rgb", "xray")}
        scores["rgbx"] = max(scores.values())
        look = {
            modality: {name: self.rng.normal() + fault.get(f"{modality} {name}", 0.0) for name in names}
            for modality, names in LOOKS.items()
        }
        said = {
            "label": label,
            "decision": {"bin": label, "reason": None, "ood_scores": scores},
            "streams": {"rgb": label, "xray": label},
            "look": look,
        }
        seq = self.log.number + 1
        part = PartResult(
            seq=seq,
            part_id=f"P{seq}",
            bin=label,
            bin_code=1,
            reason=None,
            reason_code=ReasonCode.NONE,
            model_number=model,
            result={"ResultContent": [said]},
        )
        return part.model_dump(mode="json")


@contextmanager
def drift_line(path: Path) -> Iterator[DriftLine]:
    """Begin a line; its models are tiny."""
    folder = LineFolder(path)
    store = ModelStore(folder.models)
    for name, iterations in (("one", 2), ("two", 3), ("three", 1)):
        bundle = write_untrained_bundle(path / name, iterations=iterations)
        if name != "three":
            calibrate_by_hand(bundle)
        store.add(bundle, "Ada")
    store.activate(1)
    with LineLog(folder.log, segment_bytes=100_000) as log:
        yield DriftLine(folder, log)


def calibrate_by_hand(bundle: Path) -> None:
    """Say of a bundle that devices are as strange to it as those of a :class:`DriftLine`."""
    rng = np.random.default_rng(1)
    header = read_bundle_header(bundle)
    labels = np.repeat(np.arange(len(header.classes)), 200)
    known = {channel: rng.gamma(2, size=len(labels)) for channel in ("rgb", "xray")}
    known["rgbx"] = np.maximum(known["rgb"], known["xray"])
    calibrated = Calibrated(
        TrustConfig(ood_score="energy"),
        Sorting.of(header.classes, None, None),
        dict.fromkeys(CHANNELS, _CHANNEL),
        {},
        known,
        known_labels=dict.fromkeys(CHANNELS, labels),
    )
    save_calibration(bundle, calibrated, header.weights_sha256, {})

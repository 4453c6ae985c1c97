"""What is kept of a calibration, ``calibration.json`` and ``calibration.safetensors`` beside a bundle's weights."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import safetensors.numpy

from rgbx.config import Config, build_record
from rgbx.errors import InputError, MissingPluginError, needs_plugin
from rgbx.files import read_json, write_bytes, write_json
from rgbx.modality import Channel, Modality
from rgbx.models.seal import seal, sealed
from rgbx.models.stream_config import Precision
from rgbx.registry import OOD_SCORES
from rgbx.trust.ood import OodScorer, Shown
from rgbx.trust.sorting import Sorting, TrustConfig

CALIBRATION = "calibration.json"
TENSORS = "calibration.safetensors"
_REMEDY = "run 'rgbx calibrate' on the bundle again"


class Computation(Config):
    """How answers are computed, as far as it makes them surer or less sure: a calibration is of one way only."""

    precision: Precision = "f32"
    early_exit: float | None = None
    """Probability from which on an image is not looked at again; None with every pass for every image."""

    def __str__(self) -> str:
        passes = "every pass" if self.early_exit is None else f"early exit at {self.early_exit:g}"
        return f"in {self.precision} with {passes}"


class ChannelCalibration(Config):
    """Of answers from one modality, or from both."""

    images: int
    """Or pairs of them, that it was fitted on."""
    units: int
    temperature: float
    candidate_threshold: float
    """Least probability of a candidate."""
    agreement_threshold: float
    """The same for the candidates by which modalities agree or not."""
    unknown_above: float
    """Out-of-distribution score above which a device is unknown."""
    risk_limit: float
    """Highest expected cost at which a device is sorted."""
    supported: bool
    """Whether so many images can support the rate of false sorts that was asked for; else the limit is the highest
    with no false sort among them."""
    false_sorts: int
    """Among the calibration's own devices, with this limit."""
    sorted: int
    bound: float
    """Upper bound of the rate of false sorts at the confidence asked for."""


class Calibrated(NamedTuple):
    """All that decisions need."""

    config: TrustConfig
    sorting: Sorting
    channels: dict[Channel, ChannelCalibration]
    scorers: dict[Modality, OodScorer]
    """Empty where the out-of-distribution score is one of the logits."""
    known: dict[Channel, np.ndarray]
    """(n,) ascending: scores of the devices that it was fitted to."""
    computation: Computation = Computation()
    """Of the answers that it was fitted to."""
    provisional: bool = False
    """Whether classes were changed since it was fitted, so that what it promises is a guess until it is fitted anew."""
    known_labels: Mapping[Channel, np.ndarray] = MappingProxyType({})
    """(n,) the classes, by index, that the devices of ``known`` were taken for; empty where the file has none, as of
    rgbx 0.2. The drift alarm compares devices of a class with these."""

    def ood_score(self, logits: np.ndarray, shown: Mapping[Modality, Shown]) -> np.ndarray:
        """Return the out-of-distribution scores of n devices, (n,).

        Args:
            logits: (n, C), of the channel.
            shown: of each modality shown.
        """
        return OOD_SCORES[self.config.ood_score](logits, list(self._rarities(shown).values()))

    def ood_scores(
        self, channel: Channel, logits: Mapping[Channel, np.ndarray], shown: Mapping[Modality, Shown]
    ) -> dict[Channel, np.ndarray]:
        """Return the out-of-distribution scores of n devices, (n,), of each modality alone and of the channel.

        Args:
            channel: what was seen of them.
            logits: (n, C) of the channel and of each modality.
            shown: of each modality shown.
        """
        score, rarities = OOD_SCORES[self.config.ood_score], self._rarities(shown)
        alone = {modality: [rarities[modality]] if rarities else [] for modality in shown}
        return {
            **{modality: score(logits[modality], each) for modality, each in alone.items()},
            channel: score(logits[channel], list(rarities.values())),
        }

    def _rarities(self, shown: Mapping[Modality, Shown]) -> dict[Modality, np.ndarray]:
        return {modality: self.scorers[modality](each) for modality, each in shown.items()} if self.scorers else {}


class CalibrationFile(Config):
    """``calibration.json``."""

    kind: Literal["rgbx calibration"] = "rgbx calibration"
    format: Literal[4] = 4
    weights_sha256: str
    """Of the bundle's weights."""
    config: TrustConfig
    sorting: Sorting
    channels: dict[Channel, ChannelCalibration]
    sources: dict[Modality, str]
    """Digest of each set it was fitted to."""
    computation: Computation = Computation()
    provisional: bool = False
    """See :class:`Calibrated`."""


def save_calibration(folder: Path, calibrated: Calibrated, weights_sha256: str, sources: dict[Modality, str]) -> None:
    """Write a calibration into the folder of its bundle.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    arrays = {f"known.{channel}": scores for channel, scores in calibrated.known.items()}
    arrays |= {f"known_labels.{channel}": labels for channel, labels in calibrated.known_labels.items()}
    for modality, scorer in calibrated.scorers.items():
        arrays |= {f"{modality}.{name}": array for name, array in scorer.tensors().items()}
    stored = {name: np.ascontiguousarray(_compact(array)) for name, array in arrays.items()}
    write_bytes(folder / TENSORS, safetensors.numpy.save(stored))
    record = CalibrationFile(
        weights_sha256=weights_sha256,
        config=calibrated.config,
        sorting=calibrated.sorting,
        channels=calibrated.channels,
        sources=sources,
        computation=calibrated.computation,
        provisional=calibrated.provisional,
    )
    write_json(folder / CALIBRATION, record.model_dump(mode="json"))
    seal(folder, (CALIBRATION, TENSORS))


def load_calibration(folder: Path, weights_sha256: str) -> Calibrated | None:
    """Read a bundle's calibration; None where there is none.

    Raises:
        InputError: it is damaged, of another version of rgbx, or of other weights.
    """
    path = folder / CALIBRATION
    if not path.exists():
        return None
    content = read_json(path)
    if isinstance(content, dict) and content.get("format") == 3:  # of rgbx 0.1
        config = dict(content.get("config", {}))
        content = {**content, "format": 4, "config": {"ood_score": config.pop("novelty", None), **config}}
    try:
        record = build_record(CalibrationFile, content, path, _REMEDY)
    except MissingPluginError as error:
        raise needs_plugin(path, error) from error
    if record.weights_sha256 != weights_sha256:
        raise InputError(path, "was made for other weights", _REMEDY)
    sealed(folder, CALIBRATION, _REMEDY)
    arrays = safetensors.numpy.load_file(sealed(folder, TENSORS, _REMEDY))
    return Calibrated(
        record.config,
        record.sorting,
        record.channels,
        _scorers(record, arrays),
        {channel: arrays[f"known.{channel}"] for channel in record.channels},
        record.computation,
        record.provisional,
        {channel: arrays[name] for channel in record.channels if (name := f"known_labels.{channel}") in arrays},
    )


def _scorers(record: CalibrationFile, arrays: Mapping[str, np.ndarray]) -> dict[Modality, OodScorer]:
    kinds = OOD_SCORES[record.config.ood_score].distances
    parts = {
        modality: {name.split(".", 1)[1]: array for name, array in arrays.items() if name.startswith(f"{modality}.")}
        for modality in record.sources
    }
    return {modality: OodScorer.of(kinds[modality], of) for modality, of in parts.items() if kinds}


def _compact(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype == np.float64 else array

"""Whether every way to compute a bundle answers alike: runtimes, precisions and early exit against torch in float32."""

import itertools
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx.evaluation.evaluate import gain, share_estimate
from rgbx.evaluation.intervals import Estimate
from rgbx.evaluation.pairing import SAME_UNIT, draw_pairings
from rgbx.evaluation.predictions import image_batches
from rgbx.inference import Encoded, Predictor
from rgbx.inference.int8 import SAME_PLACE
from rgbx.inference.runtimes import RuntimeName
from rgbx.modality import MODALITIES, Channel, Modality
from rgbx.models.stream_config import Precision
from rgbx.samples import SampleRecord, SampleSet
from rgbx_proving.experiments.exits import fewest_passes

EXIT_THRESHOLDS = np.linspace(0.3, 1, 71).tolist()
"""Probabilities that early exit is chosen from."""
LOST = 0.001
"""Accuracy that early exit may cost where it is chosen: 0.1 point."""
TIMED_DEVICES = 30


class Way(NamedTuple):
    """How a bundle is computed."""

    name: str
    runtime: RuntimeName
    precision: Precision = "f32"
    early_exit: bool = False


TORCH = Way("torch", "torch")
WAYS = (
    TORCH,
    Way("ONNX Runtime", "onnx"),
    Way("OpenVINO", "openvino"),
    Way("OpenVINO, early exit", "openvino", early_exit=True),
    Way("OpenVINO, int8", "openvino", "int8"),
    Way("OpenVINO, bf16", "openvino", "bf16"),
)


class WayResult(Config):
    """What came of one way, on the same devices as torch."""

    name: str
    same_class: dict[Channel, Estimate]
    """Share of devices with torch's class."""
    same_picture: dict[Modality, Estimate]
    """Share of images of which ``rgbx predict --explain`` shows the same windows, crops and maps as with torch."""
    accuracy: dict[Channel, Estimate]
    gain: dict[Channel, Estimate]
    """Accuracy minus torch's."""
    passes: dict[Modality, float]
    """Mean number of looks at an image."""
    pair_ms: float
    """Median over devices, one by one and each way in turn, reading and preparing both images included."""


class Comparison(Config):
    """What :func:`compare_ways` finds."""

    devices: int
    exit_threshold: float
    ways: tuple[WayResult, ...]
    missing: dict[str, str]
    """Ways that the machine or the bundle has not, and why."""


@dataclass
class _Said:
    """What one way says of the images of one modality, in the order of the set."""

    encoded: list[Encoded] = field(default_factory=list)
    """Without views."""
    same_picture: list[bool] = field(default_factory=list)


def choose_exit(bundle: Path, sets: Mapping[Modality, SampleSet]) -> float:
    """Return the probability to exit early at: the fewest passes that cost no stream more than ``LOST``.

    Args:
        bundle: its folder; torch computes it.
        sets: labelled images of each modality, neither trained on nor tested with.
    """
    predictor = Predictor.load(bundle, "torch", early_exit=1.0, decides=False)
    chosen = []
    for modality, samples in sets.items():
        probabilities = np.concatenate(
            [
                predictor.respond_by_iteration(
                    modality, np.stack([predictor.prepare(modality, path) for path in batch])
                )
                for batch in image_batches(modality, samples)
            ]
        )
        truth = np.array([predictor.classes.index(record.label) for record in samples])
        chosen.append(fewest_passes(probabilities, truth, EXIT_THRESHOLDS, LOST).threshold)
    return max(chosen)


def compare_ways(
    bundle: Path,
    sets: Mapping[Modality, SampleSet],
    exit_threshold: float,
    ways: Sequence[Way] = WAYS,
    seed: int = 0,
) -> Comparison:
    """Compare ways to compute a bundle of both modalities with torch.

    Args:
        bundle: its folder, exported.
        sets: labelled photographs and radiographs of the same units.
        exit_threshold: of the ways that exit early.
        ways: what to compare; torch is always measured.
        seed: of pairing and of the bootstrap.

    Raises:
        InputError: it is no bundle, or a set cannot be read.
        RgbxError: the units of the sets differ.
    """
    predictors, missing = _load(bundle, [TORCH, *(way for way in ways if way != TORCH)], exit_threshold)
    pairs = draw_pairings(sets["rgb"].records, sets["xray"].records, 0, seed).get(SAME_UNIT)
    if pairs is None:
        raise RgbxError("Ways are compared on devices that were both photographed and X-rayed: give sets of the same.")
    said = {modality: _listen(predictors, modality, sets[modality]) for modality in MODALITIES}
    places = {
        modality: {record.file_name: place for place, record in enumerate(sets[modality].records)}
        for modality in MODALITIES
    }
    shown: dict[Channel, np.ndarray] = {
        "rgb": np.array([places["rgb"][photo.file_name] for photo, _ in pairs]),
        "xray": np.array([places["xray"][radiograph.file_name] for _, radiograph in pairs]),
    }
    truth = np.array([photo.label for photo, _ in pairs])
    units = [frozenset({f"{photo.label}/{photo.unit}"}) for photo, _ in pairs]
    answers = {
        name: _answers(predictor, {modality: said[modality][name].encoded for modality in MODALITIES}, shown)
        for name, predictor in predictors.items()
    }
    expected = answers[TORCH.name]
    times = _time_in_turn(predictors, sets, pairs[:TIMED_DEVICES])

    results = tuple(
        WayResult(
            name=name,
            same_class={
                channel: share_estimate(found == expected[channel], units, seed)
                for channel, found in answers[name].items()
            },
            same_picture={
                m: share_estimate(np.array(said[m][name].same_picture)[shown[m]], units, seed) for m in MODALITIES
            },
            accuracy={channel: share_estimate(found == truth, units, seed) for channel, found in answers[name].items()},
            gain={
                channel: gain(found == truth, expected[channel] == truth, units, seed)
                for channel, found in answers[name].items()
            },
            passes={m: float(np.mean([each.iterations for each in said[m][name].encoded])) for m in MODALITIES},
            pair_ms=times[name],
        )
        for name in predictors
    )
    return Comparison(devices=len(pairs), exit_threshold=exit_threshold, ways=results, missing=missing)


def _load(bundle: Path, ways: Sequence[Way], exit_threshold: float) -> tuple[dict[str, Predictor], dict[str, str]]:
    predictors: dict[str, Predictor] = {}
    missing: dict[str, str] = {}
    for way in ways:
        early_exit = exit_threshold if way.early_exit else None
        try:
            predictors[way.name] = Predictor.load(
                bundle, way.runtime, way.precision, early_exit=early_exit, decides=False
            )
        except RgbxError as error:
            if way == TORCH:
                raise
            missing[way.name] = str(error)
    return predictors, missing


def _listen(predictors: Mapping[str, Predictor], modality: Modality, samples: SampleSet) -> dict[str, _Said]:
    """Return what each predictor says of a set, batch by batch, so that views of few images are held at once."""
    said = {name: _Said() for name in predictors}
    for batch in image_batches(modality, samples):
        found = {name: predictor.encode(modality, batch, explain=True) for name, predictor in predictors.items()}
        for name, encoded in found.items():
            said[name].same_picture += map(_same_picture, found[TORCH.name], encoded)
            said[name].encoded += [replace(each, views=()) for each in encoded]
    return said


def _same_picture(one: Encoded, other: Encoded) -> bool:
    """Return whether a user would see the same: windows to 1e-4 of the side, crops to a grey level, maps to 1 %."""
    return len(one.views) == len(other.views) and all(
        np.allclose(ours.window, theirs.window, rtol=0, atol=SAME_PLACE)
        and np.abs(ours.crop.astype(int) - theirs.crop).max() <= 1
        and np.abs(ours.cam - theirs.cam).max() <= 0.01
        for ours, theirs in zip(one.views, other.views, strict=True)
    )


def _answers(
    predictor: Predictor, encoded: Mapping[Modality, Sequence[Encoded]], shown: Mapping[Channel, np.ndarray]
) -> dict[Channel, np.ndarray]:
    """Return the class of every device, from each modality and from both."""
    classes = np.array(predictor.classes)
    logits: dict[Channel, np.ndarray] = {
        modality: np.stack([encoded[modality][place].logits for place in shown[modality]]) for modality in MODALITIES
    }
    logits["rgbx"] = np.stack(
        [
            predictor.fuse({"rgb": encoded["rgb"][rgb], "xray": encoded["xray"][xray]})
            for rgb, xray in zip(shown["rgb"], shown["xray"], strict=True)
        ]
    )
    return {channel: classes[each.argmax(1)] for channel, each in logits.items()}


def _time_in_turn(
    predictors: Mapping[str, Predictor],
    sets: Mapping[Modality, SampleSet],
    pairs: Sequence[tuple[SampleRecord, SampleRecord]],
) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in predictors}
    for (photo, radiograph), (name, predictor) in itertools.product(pairs, predictors.items()):
        start = time.perf_counter()
        predictor.predict(sets["rgb"].path(photo), sets["xray"].path(radiograph), explain=False)
        times[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in times.items()}

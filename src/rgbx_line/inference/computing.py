"""Networks at work: which models are loaded, what they say of parts, and whether a new one may answer at all."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgbx.datasets.flat_field import FlatField
from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.inference.arrivals import Arrival, Pairing, arrivals_in
from rgbx.inference.results import Result, answer
from rgbx.inference.runtimes import Mode
from rgbx.modality import Modality

WARM_UP = 3
"""Passes before a model counts as ready: runtimes compile and allocate in the first."""
_BLANK: dict[Modality, np.ndarray] = {
    "rgb": np.full((256, 256, 3), 128, np.uint8),
    "xray": np.full((256, 256), 30000, np.uint16),
}


def load_model(bundle: Path, modalities: Sequence[Modality], flat: Path | None, golden: Path | None) -> Predictor:
    """Load a model, warm it up and test it on known devices.

    Args:
        bundle: its folder.
        modalities: that the line has images of.
        flat: of the detector.
        golden: folder of known devices, ``rgb`` and ``xray`` with files that begin with their class and an underscore.

    Raises:
        RgbxError: it cannot be loaded, lacks a modality, or is wrong about a golden device.
    """
    mode: Mode = "pairs" if len(modalities) == 2 else "latency"
    predictor = Predictor.load(bundle, mode=mode, flat_field=FlatField.read(flat) if flat else None)
    missing = [modality for modality in modalities if modality not in predictor.modalities]
    if missing:
        raise RgbxError(f"{bundle} has no stream for {missing[0]} images, which the line takes: add another model.")
    if golden is not None:
        _check_golden(predictor, golden)
    elif flat is None:  # a flat field fits no blank image
        for _ in range(WARM_UP):
            _check_numbers(predictor, {modality: _BLANK[modality] for modality in modalities}, bundle)
    return predictor


def look_at(predictor: Predictor, parts: Sequence[Arrival]) -> list[Result | None]:
    """Return what a model says of parts; None of one whose files changed, or went away, while they were read."""
    try:
        results = answer(predictor, parts)
    except InputError:  # a file was there at first, and then no more
        return [None] if len(parts) == 1 else [result for part in parts for result in look_at(predictor, [part])]
    return [result if _was_read(part, result) else None for part, result in zip(parts, results, strict=True)]


def _was_read(part: Arrival, result: Result) -> bool:
    """Say whether the files were whole; one that is missing is on a share that is away, and no bad image."""
    missing = result.content.errors and not all(path.exists() for path in part.images.values())
    return not (part.changed() or missing)


def _check_golden(predictor: Predictor, golden: Path) -> None:
    devices = arrivals_in(golden, predictor.modalities, Pairing())
    for device, result in zip(devices, answer(predictor, devices), strict=True):
        content = result.content
        expected = device.name.rsplit("_", 1)[0]
        if content.label != expected:
            why = content.errors[0] if content.errors else f"the model takes it for {content.label}"
            raise RgbxError(f"the model failed its self-test on the golden device '{device.name}': {why}.")


def _check_numbers(predictor: Predictor, blank: dict[Modality, np.ndarray], bundle: Path) -> None:
    said = predictor.predict(blank.get("rgb"), blank.get("xray"), explain=False)
    if not np.isfinite(list(said.probabilities.values())).all():
        raise RgbxError(f"{bundle} failed its self-test: it answers with numbers that are none. Train it again.")

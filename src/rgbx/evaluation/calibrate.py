"""Calibrating a bundle on labelled images of the line that it is to work at."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rgbx.config import Config, read_yaml
from rgbx.datasets.labelled import sets_digest
from rgbx.errors import InputError, RgbxError
from rgbx.evaluation.pairing import SAME_UNIT, draw_pairings
from rgbx.evaluation.predictions import check_sets, encode_set
from rgbx.inference import Encoded, Predictor
from rgbx.inference.runtimes import RuntimeName
from rgbx.modality import Modality
from rgbx.models.card import write_card
from rgbx.models.header import check_weights
from rgbx.models.memory import LineImages, Memory
from rgbx.samples import SampleRecord, SampleSet
from rgbx.trust import calibration
from rgbx.trust.calibration import Calibrated, Computation
from rgbx.trust.fit import FusedResponses, Responses, fit_calibration
from rgbx.trust.ood import Shown
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx.trust.support import support_sentences


class SortingFile(Config):
    """What a user writes of bins and costs, as YAML."""

    bins: dict[str, str] | None = None
    """Class to bin."""
    costs: dict[str, dict[str, float]] | None = None
    """Class to bin to cost."""


class Observed(NamedTuple):
    """What a bundle says of sets of labelled images."""

    streams: dict[Modality, Responses]
    pairs: FusedResponses | None


def read_sorting(path: Path | None, classes: tuple[str, ...]) -> Sorting:
    """Read bins and costs from a YAML file; each class has its own bin without one.

    Raises:
        InputError: the file is missing or is no YAML mapping.
        ConfigError: it does not fit the classes.
    """
    if path is None:
        return Sorting.of(classes, None, None)
    given = SortingFile.model_validate(read_yaml(path))
    return Sorting.of(classes, given.bins, given.costs)


def calibrate(
    bundle: Path,
    sets: Mapping[Modality, SampleSet],
    sorting: Sorting,
    config: TrustConfig,
    seed: int = 0,
    runtime: RuntimeName | None = None,
    computation: Computation = Computation(),  # noqa: B008
) -> Calibrated:
    """Fit a bundle's calibration to labelled images that it was not trained on, and write it into the bundle.

    The bundle remembers what its streams see of them, so that a class can be added that is known on this line.

    Args:
        bundle: its folder.
        sets: of each of its modalities.
        sorting: bins and costs.
        config: what is asked of decisions.
        seed: of pairing photographs with radiographs, where not every unit has both.
        runtime: what computes, as of :meth:`~rgbx.inference.Predictor.load`.
        computation: how answers are computed, now and whenever the calibrated bundle predicts.

    Raises:
        InputError: a set does not fit the bundle, shows no image of one of its classes, or was trained on.
        RgbxError: a set is missing, or the runtime cannot compute so.
    """
    header = check_weights(bundle)
    memory = Memory.read(bundle)
    missing = sorted(set(header.streams) - set(sets))
    if missing:
        raise RgbxError(f"the bundle has a stream for {missing[0]} images too: give --{missing[0]} SET as well.")
    predictor = Predictor.load(bundle, runtime, computation.precision, early_exit=computation.early_exit, decides=False)
    sources = {modality: sets_digest([samples]) for modality, samples in sets.items()}
    for modality, samples in sets.items():
        _check_all_classes(samples, predictor.classes)
        if sources[modality] in header.sources.values():
            raise InputError(
                samples.folder,
                "is what the bundle was trained on, of which it is surer than of anything else",
                "give images of other devices",
            )
    observed = observe(predictor, sets, seed)
    fitted = fit_calibration(observed.streams, observed.pairs, sorting, config)._replace(computation=computation)
    if memory is not None:
        line = {m: LineImages.of(each.shown.features, each.truth, each.units) for m, each in observed.streams.items()}
        memory._replace(line=line).write(bundle, header.weights_sha256)
    calibration.save_calibration(bundle, fitted, header.weights_sha256, sources)
    write_card(bundle, header, support_sentences(fitted))
    return fitted


def observe(predictor: Predictor, sets: Mapping[Modality, SampleSet], seed: int = 0) -> Observed:
    """Return what a predictor's streams, and their fusion, say of labelled sets.

    Photographs are paired with radiographs of the same unit where all have one, else of the same class.
    """
    check_sets(predictor, dict(sets))
    encoded = {modality: encode_set(predictor, modality, samples) for modality, samples in sets.items()}
    records = {modality: samples.records for modality, samples in sets.items()}
    streams = {m: _responses(records[m], encoded[m], predictor.classes) for m in sets}
    if len(sets) < 2:
        return Observed(streams, None)
    pairings = draw_pairings(records["rgb"], records["xray"], 1, seed)
    pairs = pairings.get(SAME_UNIT, pairings["1"])
    places = {m: {record.file_name: place for place, record in enumerate(records[m])} for m in sets}
    logits = [
        predictor.fuse({"rgb": encoded["rgb"][photo.file_name], "xray": encoded["xray"][radiograph.file_name]})
        for photo, radiograph in pairs
    ]
    return Observed(
        streams,
        FusedResponses(
            np.stack(logits),
            np.array([places["rgb"][photo.file_name] for photo, _ in pairs]),
            np.array([places["xray"][radiograph.file_name] for _, radiograph in pairs]),
        ),
    )


def _responses(records: list[SampleRecord], encoded: Mapping[str, Encoded], classes: tuple[str, ...]) -> Responses:
    found = [encoded[record.file_name] for record in records]
    return Responses(
        np.stack([each.logits for each in found]),
        Shown.joined([each.shown for each in found]),
        np.array([classes.index(record.label) for record in records]),
        tuple(record.unit for record in records),
    )


def _check_all_classes(samples: SampleSet, classes: tuple[str, ...]) -> None:
    absent = sorted(set(classes) - {record.label for record in samples})
    if absent:
        raise InputError(
            samples.folder,
            f"shows no device of class '{absent[0]}'",
            "add images of each class: a calibration speaks only of what it has seen",
        )

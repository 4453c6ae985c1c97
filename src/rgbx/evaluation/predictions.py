"""Predictions of whole sets, made once and kept: every image is encoded once, figures come from the table."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rgbx import __version__
from rgbx.config import Config
from rgbx.datasets.labelled import READERS
from rgbx.datasets.polarity import looks_inverted, says_inverted, warn_of_inverted
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.evaluation.pairing import SAME_UNIT, draw_pairings
from rgbx.files import digest, digest_files, read_json, write_json, write_text
from rgbx.inference.streams import open_transforms
from rgbx.modality import Channel, Modality, given_modalities
from rgbx.models.header import read_bundle_header
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet
from rgbx.view.transform import Transform

if TYPE_CHECKING:  # measuring from the cache must not wait for torch
    from rgbx.inference import Encoded, Predictor
    from rgbx.trust.decision import Decision

TABLE = "predictions.csv"
SOURCE = "predictions.json"
ORIGINS = "; "
"""Between the origins of several sets."""
FORMAT = 2
"""Of the table; one kept by an earlier rgbx, without decisions, is made again."""
_TEXT_COLUMNS = ("modality", "pairing", "rgb", "xray", "rgb_unit", "xray_unit", "truth", "predicted")
_COLUMNS = (*_TEXT_COLUMNS, "probability")
_DECISION_COLUMNS = ("bin", "reason", "right_bin", "candidates", "unknown_score")
_BETWEEN = "|"
"""Candidates: no folder of a class can hold this sign on all systems."""


class DecisionRow(Config):
    """What a calibrated bundle decided on a case."""

    bin: str
    """Empty when the device was put aside."""
    reason: str
    """Why it was put aside; empty when it was not."""
    right_bin: bool
    """Whether it went to the right bin."""
    candidates: tuple[str, ...]
    unknown_score: float


class PredictionRow(Config):
    """One image, or one pair of images, and what was predicted for it."""

    modality: Channel
    pairing: str
    """``"1"``, ``"2"``, … or ``"same unit"``; empty for a single image."""
    rgb: str
    """File name of the photograph in its set; empty when none was shown."""
    xray: str
    rgb_unit: str
    xray_unit: str
    truth: str
    predicted: str
    probabilities: tuple[float, ...]
    """In the order of the bundle's classes."""
    decision: DecisionRow | None = None
    """None from a bundle that was not calibrated."""

    @property
    def confidence(self) -> float:
        """Probability of what was predicted."""
        return max(self.probabilities)

    @property
    def right(self) -> bool:
        """Whether the prediction is the truth."""
        return self.predicted == self.truth

    @property
    def units(self) -> frozenset[str]:
        """The unit shown, or both where two are."""
        return frozenset(f"{self.truth}/{unit}" for unit in (self.rgb_unit, self.xray_unit) if unit)


@dataclass(frozen=True)
class Predictions:
    """All predictions of one evaluation."""

    classes: tuple[str, ...]
    origin: str
    """How the images came about, in words."""
    seed: int
    """Of the pairings."""
    rows: tuple[PredictionRow, ...]

    def of(self, channel: Channel, pairing: str = "") -> list[PredictionRow]:
        """Return the rows of one modality, or of RGB-X in one pairing."""
        return [row for row in self.rows if row.modality == channel and row.pairing == pairing]

    def tested(self, channel: Channel) -> list[PredictionRow]:
        """Return the rows that a channel is judged by: of RGB-X all random pairings, else :meth:`of`."""
        if channel != "rgbx":
            return self.of(channel)
        return [row for row in self.rows if row.modality == channel and row.pairing != SAME_UNIT]

    @property
    def origins(self) -> list[str]:
        """How the images of each set came about."""
        return self.origin.split(ORIGINS)

    @property
    def pairings(self) -> list[str]:
        """Names of the pairings, in order."""
        return list(dict.fromkeys(row.pairing for row in self.rows if row.modality == "rgbx"))


class _Source(Config):
    """What a table of predictions was made from; the cache is good while all of it is unchanged."""

    format: int
    version: str
    bundle: str
    sets: dict[str, str]
    pairings: int
    seed: int
    classes: tuple[str, ...]
    origin: str
    table: str
    """Digest of the table itself, so that a table torn from its source, or edited, is made again."""


def predict_sets(
    predictor: "Predictor", rgb: SampleSet | None, xray: SampleSet | None, pairings: int = 5, seed: int = 0
) -> Predictions:
    """Predict every image alone and, given both sets, every pair of each pairing.

    Raises:
        InputError: a set is empty, of the wrong modality, or shows classes that the bundle or the other set has not.
        RgbxError: no set was given, or the bundle has no stream for one that was.
    """
    sets = given_modalities(rgb, xray)
    check_sets(predictor, sets)
    classes = tuple(predictor.classes)
    encoded = {name: encode_set(predictor, name, samples) for name, samples in sets.items()}

    def row(
        channel: Channel, pairing: str, photo: SampleRecord | None, radiograph: SampleRecord | None
    ) -> PredictionRow:
        prediction = predictor.combine(
            rgb=encoded["rgb"][photo.file_name] if photo else None,
            xray=encoded["xray"][radiograph.file_name] if radiograph else None,
        )
        shown = photo or radiograph
        assert shown is not None
        return PredictionRow(
            modality=channel,
            pairing=pairing,
            rgb=photo.file_name if photo else "",
            xray=radiograph.file_name if radiograph else "",
            rgb_unit=photo.unit if photo else "",
            xray_unit=radiograph.unit if radiograph else "",
            truth=shown.label,
            predicted=prediction.label,
            probabilities=tuple(float(prediction.probabilities[name]) for name in classes),
            decision=_decision_row(predictor, prediction.decision, shown.label),
        )

    rows = [row("rgb", "", record, None) for record in rgb or ()]
    rows += [row("xray", "", None, record) for record in xray or ()]
    if rgb is not None and xray is not None:
        for name, pairs in draw_pairings(rgb.records, xray.records, pairings, seed).items():
            rows += [row("rgbx", name, photo, radiograph) for photo, radiograph in pairs]
    return Predictions(classes, origin_of(sets.values()), seed, tuple(rows))


def cached_predictions(
    bundle: Path, rgb: SampleSet | None, xray: SampleSet | None, out: Path, pairings: int, seed: int
) -> Predictions:
    """Return the predictions kept in ``out``, or make and keep them there.

    They are kept as ``predictions.csv`` with ``predictions.json`` beside it, which holds digests of the bundle's
    files, of every image and of the settings; when any of them changes, the predictions are made again.
    """
    if not bundle.is_dir():
        raise InputError(bundle, "is not a folder", "give a bundle made by 'rgbx train'")
    sets = given_modalities(rgb, xray)
    made_from = {
        "format": FORMAT,
        "version": __version__,
        "bundle": _folder_digest(bundle),
        "sets": {name: _set_digest(samples) for name, samples in sets.items()},
        "pairings": pairings,
        "seed": seed,
    }
    kept = _read(out, made_from)
    if kept is not None:
        return kept

    from rgbx.inference import Predictor

    predictions = predict_sets(Predictor.load(bundle), rgb, xray, pairings, seed)
    table = _to_csv(predictions)
    source = {"classes": predictions.classes, "origin": predictions.origin, "table": digest(table)}
    write_text(out / TABLE, table)
    write_json(out / SOURCE, _Source.model_validate(made_from | source).model_dump(mode="json"))
    return predictions


def origin_of(sets: Iterable[SampleSet]) -> str:
    """Say in words how the images of ``sets`` came about, each origin once."""
    return ORIGINS.join(dict.fromkeys(samples.header.origin for samples in sets))


def check_sets(predictor: "Predictor", sets: dict[Modality, SampleSet]) -> None:
    if not sets:
        raise RgbxError("There is nothing to evaluate: give --rgb SET, --xray SET or both.")
    for modality, samples in sets.items():
        if samples.header.modality != modality:
            raise InputError(
                samples.folder,
                f"holds {samples.header.modality} images but was given as --{modality}",
                f"give it as --{samples.header.modality}",
            )
        if modality not in predictor.modalities:
            raise RgbxError(
                f"The bundle has no {modality} stream (it has {', '.join(predictor.modalities)}): leave out "
                f"--{modality}, or give a bundle trained on it."
            )
        if not len(samples):
            raise InputError(samples.folder, "holds no images", "render or scan the set again")
        unknown = sorted({record.label for record in samples} - set(predictor.classes))
        if unknown:
            raise InputError(
                samples.folder,
                f"shows classes that the bundle does not know ({', '.join(unknown)})",
                f"name the folders as the bundle does ({', '.join(predictor.classes)}) or train a bundle with them",
            )
    if len(sets) == 2:
        photographed, xrayed = ({record.label for record in samples} for samples in sets.values())
        if photographed != xrayed:
            raise InputError(
                sets["xray"].folder,
                f"and {sets['rgb'].folder} do not show the same classes ({', '.join(sorted(photographed ^ xrayed))} "
                "in one of them only)",
                "add what is missing, or evaluate the two one at a time",
            )


def encode_set(predictor: "Predictor", modality: Modality, samples: SampleSet) -> dict[str, "Encoded"]:
    """Return what the stream yields for each image of a set, by file name."""
    encoded = [each for batch in image_batches(modality, samples) for each in predictor.encode(modality, batch)]
    warn_of_inverted(sum(says_inverted(each.warnings) for each in encoded), len(encoded), samples.folder)
    return dict(zip(samples.file_names, encoded, strict=True))


def image_batches(modality: Modality, samples: SampleSet) -> Iterable[list[Path]]:
    """Return the images of a set, sorted by file name, as many at a time as go through a stream together."""
    from rgbx.inference.predictor import BATCH

    paths = [samples.folder / name for name in samples.file_names]
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    return track(batches, f"looking at {modality} images, {BATCH} at a time", total=len(batches))


def prepare_set(
    transform: Transform, classes: Sequence[str], samples: SampleSet
) -> tuple[list[np.ndarray], np.ndarray]:
    """Prepare the images of a set as a bundle's stream gets them.

    Args:
        transform: the stream's.
        classes: the bundle's.
        samples: what to prepare.

    Returns:
        The images, as the transform returns them; and (n,) int, the index of each
        one's class among the bundle's, -1 for one that it does not know.

    Raises:
        InputError: an image cannot be read, or is of the other modality.
    """
    modality, read = transform.modality, READERS[transform.modality]
    images, inverted = [], 0
    for record in samples:
        image = read(samples.path(record))
        inverted += modality == "xray" and looks_inverted(image)
        images.append(transform(image))
    warn_of_inverted(inverted, len(images), samples.folder)
    places = {name: place for place, name in enumerate(classes)}
    return images, np.array([places.get(record.label, -1) for record in samples])


def prepare_sets(
    bundle: Path, sets: Mapping[Modality, SampleSet]
) -> tuple[dict[Modality, list[np.ndarray]], dict[Modality, np.ndarray]]:
    """Return the images and the classes of a set for each stream of a bundle, as :func:`prepare_set` does of one.

    Raises:
        ConfigError: the set of a stream is missing.
        InputError: an image cannot be read, or is of the other modality.
    """
    transforms, classes = open_transforms(bundle), read_bundle_header(bundle).classes
    for modality in transforms:
        if modality not in sets:
            raise ConfigError(f"The bundle has both modalities: give a set of {modality} images as well, or neither.")
    prepared = {modality: prepare_set(each, classes, sets[modality]) for modality, each in transforms.items()}
    return {m: images for m, (images, _) in prepared.items()}, {m: labels for m, (_, labels) in prepared.items()}


def _decision_row(predictor: "Predictor", decision: "Decision | None", truth: str) -> DecisionRow | None:
    if decision is None:
        return None
    return DecisionRow(
        bin=decision.bin or "",
        reason=decision.reason or "",
        right_bin=decision.bin is not None and predictor.is_right_bin(decision.bin, truth),
        candidates=decision.candidates,
        unknown_score=decision.unknown_score or 0.0,
    )


def _folder_digest(folder: Path) -> str:
    files = sorted(path for path in folder.iterdir() if path.is_file())
    return digest(*(path.name for path in files), digest_files(files))


def _set_digest(samples: SampleSet) -> str:
    """Digest what the set shows: labels, units and the images' bytes, not what was drawn to make them."""
    labels = "\n".join(f"{record.file_name},{record.label},{record.unit}" for record in samples)
    paths = [samples.path(record) for record in samples]
    for path in paths:
        if not path.is_file():
            raise InputError(path, "is named in the set but is missing", "render or scan the set again")
    return digest(samples.header.model_dump_json(), labels, digest_files(paths))


def _to_csv(predictions: Predictions) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_DECISION_COLUMNS, *(f"p({name})" for name in predictions.classes)])
    for row in predictions.rows:
        names = (getattr(row, column) for column in _TEXT_COLUMNS)
        writer.writerow([*names, row.confidence, *_decision_cells(row.decision), *row.probabilities])
    return text.getvalue()


def _read(out: Path, made_from: dict[str, object]) -> Predictions | None:
    if not ((out / SOURCE).exists() and (out / TABLE).exists()):
        return None
    found = read_json(out / SOURCE)
    table = (out / TABLE).read_text(encoding="utf-8")
    if not isinstance(found, dict) or found.get("table") != digest(table):
        return None
    if any(found.get(key) != value for key, value in made_from.items()):
        return None
    source = _Source.model_validate(found)
    lines = csv.reader(io.StringIO(table))
    next(lines)
    decision_from, probabilities_from = len(_COLUMNS), len(_COLUMNS) + len(_DECISION_COLUMNS)
    rows = tuple(
        PredictionRow.model_validate(
            dict(zip(_TEXT_COLUMNS, line, strict=False))
            | {"decision": _read_decision(line[decision_from:probabilities_from])}
            | {"probabilities": line[probabilities_from:]}
        )
        for line in lines
    )
    return Predictions(source.classes, source.origin, source.seed, rows)


def _decision_cells(decision: DecisionRow | None) -> list[object]:
    if decision is None:
        return [""] * len(_DECISION_COLUMNS)
    joined = _BETWEEN.join(decision.candidates)
    return [decision.bin, decision.reason, int(decision.right_bin), joined, decision.unknown_score]


def _read_decision(cells: list[str]) -> dict[str, object] | None:
    if not any(cells):
        return None
    found: dict[str, object] = dict(zip(_DECISION_COLUMNS, cells, strict=True))
    return found | {"candidates": tuple(name for name in cells[3].split(_BETWEEN) if name)}

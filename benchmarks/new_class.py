"""A class added in closed form against a training of all classes, each class of SP10 in turn being the new one.

Every class has two scanned units and their meshes. For each class a bundle of all others is trained, calibrated on
units of the simulated line, and the class is added to it (`rgbx classes add`). It is measured on other units of the
line that were never scanned, beside the bundle that was trained on the very same images of all classes, with paired
95 % intervals over the units.

    python benchmarks/new_class.py --out new-class [--classes SP1,SP9] [--set KEY=VALUE …] [--quick]

What is there already is not made again: a run that was stopped goes on, and several that share a folder divide the
work. Writes new-class.json, .md and .png after each class; prints one JSON object as its last line. With --quick one
class is added, networks are tiny, and images are drawn instead of rendered.
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console
from torch import nn

from rgbx.config import Config, load_config
from rgbx.errors import ConfigError
from rgbx.evaluation.calibrate import calibrate
from rgbx.evaluation.classes import AddedClass, add_class
from rgbx.evaluation.evaluate import gain, share_estimate
from rgbx.evaluation.figures import ACCENT, FAINT, INK, SERIES, plain
from rgbx.evaluation.intervals import Estimate
from rgbx.evaluation.predictions import PredictionRow, cached_predictions, encode_set
from rgbx.evaluation.tables import show, show_cores
from rgbx.files import atomic_folder, digest, read_json, write_json
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES, TITLES, Channel, Modality
from rgbx.models.bundle import load_bundle, versions
from rgbx.models.fusion import Linear
from rgbx.models.header import read_bundle_header
from rgbx.models.memory import LineImages, Memory, Remembered
from rgbx.processes import cores
from rgbx.samples import SampleRecord, SampleSet, SetHeader, class_keys, sample_seed, write_image
from rgbx.training.class_head import Folds, Heads, deal_folds, fit_class
from rgbx.training.line_head import fit_class_on_line
from rgbx.training.remember import encode_images
from rgbx.trust.ood import Mahalanobis
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx_proving.experiments.benchmark import Benchmark, LineUse
from rgbx_proving.experiments.demo import Demo
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.workshop import Workshop
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.randomisation import XrayRandomisation

CHANNELS: tuple[Channel, ...] = ("rgb", "xray", "rgbx")
TWO_UNITS = Demo(scanned_units=2, calibration_units=10)
"""What the demo trains and tests with, but for two scanned units of each class."""
TINY = {
    "classes": ["SP1", "SP3", "SP5", "SP9"],
    "radiographs_per_class": 8,
    "photographs_per_class": 8,
    "pairings": 1,
    **{
        f"{modality}_training.{name}": value
        for modality in MODALITIES
        for name, value in {
            "epochs": 2,
            "warmup_epochs": 0,
            "join_frozen": False,
            "batch_size": 6,
            "stream.transform.source_size": 48,
            "stream.transform.view": "none",
            "stream.icam.input_size": 48,
            "stream.backbone.name": "test_resnet",
            "stream.backbone.weights": "none",
            "stream.backbone.frozen_stages": 0,
        }.items()
    },
    "fusion_training.epochs": 2,
}
SIDE = 48
"""Of drawn images, pixels."""
RANDOM_PROJECTIONS = 2000


class OnTheLine(Config):
    """One channel, on test units of the line."""

    new: Estimate
    """Share of the new class's images that the candidate tells right."""
    new_in_full: Estimate
    """The same by a bundle trained on the same images of all classes."""
    new_gain: Estimate
    """The candidate's minus that one's, on the same images."""
    old: Estimate
    """Share of the images of old classes that the candidate tells right."""
    old_gain: Estimate
    """Minus that of the bundle trained on all classes."""
    old_lost: Estimate
    """Minus that of the bundle that the class was added to, on the same images."""
    twin: str
    """The old class that most of the new class's images are taken for."""
    taken_for_twin: float
    taken_for_new: float
    """Share of the twin's images that are taken for the new class."""
    taken_for_twin_in_full: float
    """Share of the new class's images that the bundle trained on all classes takes for the twin."""


class OldDevices(Config):
    """Pairs of images of old classes, one after the other."""

    units: tuple[frozenset[str], ...]
    gained: tuple[int, ...]
    """1 where the candidate is right and the bundle before was not, -1 the other way round, else 0."""


class HeadScores(Config):
    """One way to fit heads to the same features, on calibration units of the line: what the way was chosen by."""

    found: float
    """Share of the new class's images."""
    old_right: float


class AddedInTurn(Config):
    """What came of adding one class."""

    name: str
    photographs_alone: bool
    """Whether its twin has the same inside, so that only photographs tell it."""
    channels: dict[Channel, OnTheLine]
    old_devices: OldDevices | None
    """What the mean of all classes is computed from; not kept in ``new-class.json``."""
    heads: dict[Modality, dict[str, HeadScores]]
    added: AddedClass
    """What the candidate itself says, from held-out units."""
    seconds_to_add: float
    """From its images to the candidate."""


class NewClassResult(Config):
    """What ``new-class.json`` holds."""

    classes: tuple[AddedInTurn, ...]
    old_gain: Estimate
    """What old classes gain by both modalities, all classes together."""
    benchmark: Benchmark
    cores: int
    versions: dict[str, str]


class DrawnWorkshop(Workshop):
    """A workshop whose images are drawn, in no time: a device with a square whose place says the class."""

    def photographs(self, config: RgbRandomisation, per_class: int) -> SampleSet:  # noqa: ARG002
        """Return drawn training images."""
        return self._drawn("rgb", "training", per_class)

    def radiographs(self, config: XrayRandomisation, per_class: int) -> SampleSet:  # noqa: ARG002
        """Return drawn training images."""
        return self._drawn("xray", "training", per_class)

    def line_set(self, use: LineUse, modality: Modality) -> SampleSet:
        """Return other drawn images."""
        return self._drawn(modality, use, 6)

    def _drawn(self, modality: Modality, use: str, per_class: int) -> SampleSet:
        folder = self.out / "sets" / f"{modality}-{use}"
        if not folder.exists():
            classes = self.benchmark.device_classes
            header = SetHeader(
                modality=modality, origin="drawn", seed=0, classes=classes, config={"for": "a trial"}, source=use
            )
            samples = SampleSet.create(folder, header)
            for key in class_keys(classes, per_class):
                drawn = sample_seed(0, key, digest(modality, use))
                write_image(folder / f"{key.stem}.png", _drawing(modality, classes.index(key.label), drawn))
                unit = f"{key.label}-{use}-{key.number % 2}"
                samples.add(SampleRecord(file_name=f"{key.stem}.png", label=key.label, unit=unit, seed=drawn, draw={}))
            samples.finish()
        return SampleSet.open(folder)


def _drawing(modality: Modality, label: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = 0.9 + 0.02 * rng.normal(size=(SIDE, SIDE))
    image[12:36, 8:40] *= 0.5
    left = 9 + 7 * label + int(rng.integers(0, 3))
    image[20:28, left : left + 8] *= 0.2
    image = image.clip(0, 1)
    if modality == "xray":
        return np.rint(60_000 * image).astype(np.uint16)
    return np.rint(image[..., None] * [255, 250, 245]).astype(np.uint8)


def measure(workshop: Workshop, names: Sequence[str]) -> NewClassResult:
    """Leave classes out one after the other and add each; write what there is after each of them."""

    def leave_out(name: str) -> None:
        path = _kept(workshop, name)
        if not path.exists():
            write_json(path, _leave_out(workshop, name).model_dump(mode="json"))
            _write(workshop)

    jobs: dict[str, Callable[[], object]] = {f"without {name}": partial(leave_out, name) for name in names}
    workshop.share({"of all classes": partial(_bundle, workshop), **jobs})  # first: every class is compared with it
    return _write(workshop)


def _kept(workshop: Workshop, name: str) -> Path:
    return workshop.out / "results-of-classes" / f"{name}-{workshop.benchmark.digest()}.json"


def _write(workshop: Workshop) -> NewClassResult:
    """Write what was found of all classes that are done, by this run or another."""
    benchmark = workshop.benchmark
    found = tuple(
        AddedInTurn.model_validate(read_json(path))
        for name in benchmark.device_classes
        if (path := _kept(workshop, name)).exists()
    )
    result = NewClassResult(
        classes=tuple(each.updated({"old_devices": None}) for each in found),
        old_gain=_gain_of_all([each.old_devices for each in found if each.old_devices], benchmark.seed),
        benchmark=benchmark,
        cores=cores(),
        versions=versions(),
    )
    write_result(workshop.out, "new-class", result, page(result), picture(result))
    return result


def _gain_of_all(of_each: Sequence[OldDevices], seed: int) -> Estimate:
    """Return the mean over all pairs, with its interval over units, which all classes share."""
    gained = np.concatenate([each.gained for each in of_each])
    return gain(gained, np.zeros(len(gained)), [units for each in of_each for units in each.units], seed)


def _leave_out(workshop: Workshop, name: str) -> AddedInTurn:
    before, in_full = _bundle(workshop, without=name), _bundle(workshop)
    return workshop.measured(
        before, "new-class", workshop.benchmark, AddedInTurn, lambda: _add(workshop, name, before, in_full)
    )


def _add(workshop: Workshop, name: str, before: Path, in_full: Path) -> AddedInTurn:
    benchmark = workshop.benchmark
    sets: dict[Modality, list[SampleSet]] = {modality: [_images(workshop, modality)] for modality in MODALITIES}
    for modality in MODALITIES:  # before anything is computed: another run may be at them, and then this is left
        workshop.line_set("test", modality)
        workshop.line_set("calibration", modality)
    calibrated = _calibrated(workshop, name, before)
    candidate = workshop.out / "candidates" / name / before.name
    told, seconds = _added(candidate, lambda: add_class(calibrated, name, sets, candidate))
    shared = benchmark.devices.shares
    channels, old_devices = _on_the_line(workshop, name, before, candidate, in_full)
    return AddedInTurn(
        name=name,
        photographs_alone=any("inside" in shared(name, other) for other in benchmark.device_classes if other != name),
        channels=channels,
        old_devices=old_devices,
        heads=_heads_compared(workshop, name, before, sets),
        added=told,
        seconds_to_add=seconds,
    )


def _calibrated(workshop: Workshop, name: str, before: Path) -> Path:
    """Return a copy of a bundle that remembers the line: calibrated on units of it, of the old classes."""
    bundle = workshop.out / "calibrated" / name / before.name
    if not bundle.exists():
        with atomic_folder(bundle) as folder:
            shutil.copytree(before, folder, dirs_exist_ok=True)
            line = {m: workshop.without(workshop.line_set("calibration", m), name) for m in MODALITIES}
            classes = read_bundle_header(before).classes
            calibrate(folder, line, Sorting.of(classes, None, None), TrustConfig(), workshop.benchmark.seed)
    return bundle


def _bundle(workshop: Workshop, without: str | None = None) -> Path:
    """Return a bundle of all classes, or of all but one; radiographs are asked for when photographs are learnt."""
    config = workshop.benchmark
    trainings = {"rgb": config.rgb_training, "xray": config.xray_training}
    known: dict[Modality, list[SampleSet]] = {}
    runs: dict[Modality, Path] = {}
    for modality in MODALITIES:
        known[modality] = [_images(workshop, modality, without)]
        runs[modality] = workshop.stream(trainings[modality], known[modality])
    return workshop.fusion(config.fusion_training, runs, known)


def _images(workshop: Workshop, modality: Modality, without: str | None = None) -> SampleSet:
    config = workshop.benchmark
    if modality == "rgb":
        images = workshop.photographs(config.rgb, config.photographs_per_class)
    else:
        images = workshop.radiographs(config.xray, config.radiographs_per_class)
    return images if without is None else workshop.without(images, without)


def _added(candidate: Path, add: Callable[[], AddedClass]) -> tuple[AddedClass, float]:
    """Return what adding said, and how long it took; of a candidate that is there, what was noted then."""
    note = candidate.with_name(f"{candidate.name}.json")
    if not (candidate.exists() and note.exists()):
        shutil.rmtree(candidate, ignore_errors=True)
        start = time.monotonic()
        added = add()
        write_json(note, {"added": added.model_dump(mode="json"), "seconds": time.monotonic() - start})
    noted = read_json(note)
    return AddedClass.model_validate(noted["added"]), float(noted["seconds"])


def _on_the_line(
    workshop: Workshop, name: str, before: Path, candidate: Path, in_full: Path
) -> tuple[dict[Channel, OnTheLine], OldDevices]:
    rgb, xray = (workshop.line_set("test", modality) for modality in MODALITIES)
    pairings, seed = workshop.benchmark.pairings, workshop.benchmark.seed
    folder = workshop.out / "results/new-class" / candidate.name
    said = cached_predictions(candidate, rgb, xray, folder, pairings, seed)
    full = workshop.predictions(in_full, "rgbx")
    predictor = Predictor.load(before)
    encoded = {
        modality: encode_set(predictor, modality, workshop.without(samples, name))
        for modality, samples in zip(MODALITIES, (rgb, xray), strict=True)
    }

    def told_before(row: PredictionRow) -> str:
        shown = {m: encoded[m][file] if (file := getattr(row, m)) else None for m in MODALITIES}
        return predictor.combine(**shown).label

    channels = {}
    earlier: dict[Channel, list[str]] = {}
    for channel in CHANNELS:
        ours, theirs = said.tested(channel), full.tested(channel)
        earlier[channel] = [told_before(row) if row.truth != name else "" for row in ours]
        channels[channel] = _channel(name, said.classes, ours, theirs, earlier[channel], seed)
    pairs = zip(said.tested("rgbx"), earlier["rgbx"], strict=True)
    old = [(row, before) for row, before in pairs if row.truth != name]
    gained = tuple(int(row.right) - int(before == row.truth) for row, before in old)
    return channels, OldDevices(units=tuple(row.units for row, _ in old), gained=gained)


def _channel(
    name: str,
    classes: Sequence[str],
    said: list[PredictionRow],
    full: list[PredictionRow],
    earlier: list[str],
    seed: int,
) -> OnTheLine:
    """Compare what the candidate, the bundle before it and one of all classes say of the same images."""
    assert [_case(row) for row in said] == [_case(row) for row in full]
    new, old = ([place for place, row in enumerate(said) if (row.truth == name) == is_new] for is_new in (True, False))
    ours, theirs = (np.array([row.right for row in rows]) for rows in (said, full))
    before = np.array([told == row.truth for told, row in zip(earlier, said, strict=True)])
    units = [row.units for row in said]
    wrong = [said[place].predicted for place in new if said[place].predicted != name]
    twin = max((each for each in classes if each != name), key=wrong.count)
    return OnTheLine(
        new=share_estimate(ours[new], [units[place] for place in new], seed),
        new_in_full=share_estimate(theirs[new], [units[place] for place in new], seed),
        new_gain=gain(ours[new], theirs[new], [units[place] for place in new], seed),
        old=share_estimate(ours[old], [units[place] for place in old], seed),
        old_gain=gain(ours[old], theirs[old], [units[place] for place in old], seed),
        old_lost=gain(ours[old], before[old], [units[place] for place in old], seed),
        twin=twin,
        taken_for_twin=wrong.count(twin) / len(new),
        taken_for_new=float(np.mean([row.predicted == name for row in said if row.truth == twin])),
        taken_for_twin_in_full=float(np.mean([full[place].predicted == twin for place in new])),
    )


def _case(row: PredictionRow) -> tuple[str, str, str]:
    return row.pairing, row.rgb, row.xray


def _heads_compared(
    workshop: Workshop, name: str, before: Path, sets: dict[Modality, list[SampleSet]]
) -> dict[Modality, dict[str, HeadScores]]:
    """Fit heads of several kinds to the same features, and see what they say of calibration units of the line."""
    loaded, memory = load_bundle(before), Memory.read(before)
    assert memory is not None
    classes = (*loaded.header.classes, name)
    found: dict[Modality, dict[str, HeadScores]] = {}
    for modality, config in loaded.header.streams.items():
        stream = loaded.network.streams[modality]
        new = encode_images(stream, config, (name,), sets[modality]).remembered
        line = encode_images(stream, config, classes, [workshop.line_set("calibration", modality)]).remembered
        images = memory.with_class(name, dict.fromkeys(memory.images, new), {}).images[modality]
        head = stream.cpu().classifier
        trained, given = Heads({modality: _as_arrays(head)}, None), {modality: images}
        folds = deal_folds(given, len(classes) - 1)
        fitted = fit_class(given, trained, folds)
        points, labels = images.features.astype(np.float64), images.labels
        logits = {
            "by the line (ours)": _by_line(given, line, trained, folds),
            "a row more (ours, without a line)": fitted.heads.classifiers[modality](line.features),
            "ridge of all classes": _ridge(points, labels, 0.3)(line.features),
            "LDA of all classes": _lda(points, labels)(line.features),
            "RanPAC": _ranpac(points, labels, line.features),
            "Mahalanobis prototypes": -Mahalanobis.fit(points, labels)(line.features),
        }
        found[modality] = {kind: _scores(each, line.labels) for kind, each in logits.items()}
    return found


def _by_line(images: dict[Modality, Remembered], line: Remembered, trained: Heads, folds: Folds) -> np.ndarray:
    """Return what heads say that saw the old classes' other units of the line."""
    ((modality, each),) = images.items()
    new = int(each.labels.max())
    half = np.unique(line.units, return_inverse=True)[1] % 2
    logits = np.zeros((len(line.labels), new + 1))
    for number in (0, 1):
        seen = LineImages(line.features, line.labels, line.units).chosen((half == number) & (line.labels < new))
        head = fit_class_on_line(images, {modality: seen}, trained, folds).heads.classifiers[modality]
        logits[half != number] = head(line.features[half != number])
    return logits


def _scores(logits: np.ndarray, truth: np.ndarray) -> HeadScores:
    new, right = truth == logits.shape[1] - 1, logits.argmax(1) == truth
    return HeadScores(found=float(right[new].mean()), old_right=float(right[~new].mean()))


def _as_arrays(layer: nn.Module) -> Linear:
    return Linear(*(each.detach().numpy() for each in layer.parameters()))


def _ridge(features: np.ndarray, labels: np.ndarray, penalty: float) -> Linear:
    """Return the ridge regression on all classes, each counting alike."""
    weights = _alike(labels)
    middle, shares = (weights * features).sum(0), np.full(labels.max() + 1, 1 / (labels.max() + 1))
    centred = features - middle
    square = (centred * weights).T @ centred
    square[np.diag_indices_from(square)] += penalty * np.trace(square) / len(square)
    weight = np.linalg.solve(square, (centred * weights).T @ (np.eye(len(shares))[labels] - shares)).T
    return Linear(weight, shares - weight @ middle)


def _lda(features: np.ndarray, labels: np.ndarray, shrinkage: float = 0.1) -> Linear:
    """Return the linear discriminant of classes that count and scatter alike (deep streaming LDA, Hayes 2020)."""
    means = np.stack([features[labels == label].mean(0) for label in range(labels.max() + 1)])
    apart = features - means[labels]
    scatter = (1 - shrinkage) * (apart * _alike(labels)).T @ apart
    scatter[np.diag_indices_from(scatter)] += shrinkage / (1 - shrinkage) * np.trace(scatter) / len(scatter)
    weight = np.linalg.solve(scatter, means.T).T
    return Linear(weight, -0.5 * (weight * means).sum(1))


def _ranpac(features: np.ndarray, labels: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return what ridge on random projections (RanPAC, McDonnell 2023) says; no linear head could."""
    draws = np.random.default_rng(0).normal(size=(features.shape[1], RANDOM_PROJECTIONS))
    unit = features.std() * np.sqrt(features.shape[1])
    projected, projected_seen = (np.maximum(each @ draws / unit, 0) for each in (features, seen))
    return _ridge(projected, labels, 1.0)(projected_seen)


def _alike(labels: np.ndarray) -> np.ndarray:
    counts = np.bincount(labels)
    return (1.0 / (counts[labels] * len(counts)))[:, None]


def page(result: NewClassResult) -> str:
    """Return what was found as Markdown."""
    lines = [
        "# A new class in ten minutes",
        "",
        "Each class left out of training and then added in closed form from two scanned units, against a bundle that "
        "was trained on the same images of all classes.",
        f"Simulated stand-in; {show_cores(result.cores)}; 95 % intervals over units.",
        "",
    ]
    for channel in reversed(CHANNELS):
        lines += [
            f"## {TITLES[channel]}",
            "",
            "| new class | found | found in full | difference | old classes | gained | against full | taken for | twin "
            "taken for it | proposes full |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *(_row(each, channel) for each in result.classes),
            *_means(result, channel),
            "",
        ]
    lines += [
        f"Old classes gain {show(result.old_gain, signed=True)} by both modalities, all classes together.",
        "Only photographs tell the classes marked with *.",
        "",
    ]
    lines += ["## Time", "", *_times(result), ""]
    lines += ["## Heads on the same features, calibration units of the line", "", *_heads_table(result)]
    return "\n".join(lines) + "\n"


def _row(each: AddedInTurn, channel: Channel) -> str:
    on = each.channels[channel]
    cells = (
        f"{each.name}{'*' * each.photographs_alone}",
        show(on.new),
        show(on.new_in_full),
        show(on.new_gain, signed=True),
        show(on.old),
        show(on.old_lost, signed=True),
        show(on.old_gain, signed=True),
        f"{on.twin} {on.taken_for_twin:.1%} (in full {on.taken_for_twin_in_full:.1%})",
        f"{on.taken_for_new:.1%}",
        "yes" if each.added.change.proposes_full else "no",
    )
    return f"| {' | '.join(cells)} |"


def _means(result: NewClassResult, channel: Channel) -> list[str]:
    rows = []
    for title, alone in (("mean", False), ("mean*", True)):
        among = [each.channels[channel] for each in result.classes if each.photographs_alone == alone]
        if among:
            new, full, old, lost, against = (
                float(np.mean([getattr(on, field).value for on in among]))
                for field in ("new", "new_in_full", "old", "old_lost", "old_gain")
            )
            found = f"{new:.3f} | {full:.3f} | {new - full:+.3f}"
            rows.append(f"| {title} | {found} | {old:.3f} | {lost:+.3f} | {against:+.3f} | | | |")
    return rows


def _times(result: NewClassResult) -> list[str]:
    longest = max(each.seconds_to_add for each in result.classes)
    return [f"Adding a class took {longest:.0f} s at most, from its images to the candidate."]


def _heads_table(result: NewClassResult) -> list[str]:
    lines = ["| stream | head | new class found | old classes right |", "| --- | --- | --- | --- |"]
    for modality in MODALITIES:
        for kind in result.classes[0].heads[modality]:
            scores = [each.heads[modality][kind] for each in result.classes]
            found, right = (
                float(np.mean([getattr(each, field) for each in scores])) for field in ("found", "old_right")
            )
            lines.append(f"| {TITLES[modality]} | {kind} | {found:.3f} | {right:.3f} |")
    return lines


def picture(result: NewClassResult) -> Figure:
    """Draw how much of each new class is found, and what old classes gain or lose by it."""
    names = [f"{each.name}{'*' * each.photographs_alone}" for each in result.classes]
    figure = Figure(figsize=(max(5.0, 0.8 * len(names) + 2), 5.5), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    places = np.arange(len(names))
    for shift, field, colour, label in (
        (-0.12, "new", SERIES[0], "added in closed form"),
        (0.12, "new_in_full", ACCENT, "trained on all classes"),
    ):
        _draw(above, places + shift, [getattr(each.channels["rgbx"], field) for each in result.classes], colour, label)
    _draw(below, places, [each.channels["rgbx"].old_lost for each in result.classes], INK, "by adding the class")
    below.axhline(-0.005, color=FAINT, linestyle=":", label="half a point lost")
    above.set(ylabel="new class found", ylim=(-0.02, 1.05))
    below.set(ylabel="old classes gain", xlabel="class left out and added")
    below.set_xticks(places, names)
    for axes in (above, below):
        plain(axes)
        axes.legend(fontsize=8, frameon=False)
    figure.suptitle("RGB-X, from two scanned units", fontsize=11, color=INK)
    return figure


def _draw(axes: Axes, places: np.ndarray, estimates: Sequence[Estimate], colour: str, label: str) -> None:
    values = np.array([each.value for each in estimates])
    away = np.array([[each.value - each.low, each.high - each.value] for each in estimates]).T
    axes.errorbar(places, values, away, fmt="o", color=colour, label=label, capsize=2)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder of results and of all that is made for them")
    parser.add_argument("--classes", default="", help="to leave out, with commas between; all by default")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of the benchmark")
    parser.add_argument(
        "--quick", action="store_true", help="tiny networks and drawn images, one class, to see that it runs"
    )
    options = parser.parse_args()
    if options.quick == (options.out is not None):
        parser.error("give --out FOLDER, or --quick")
    benchmark = load_config(Demo, None, options.set, TWO_UNITS.updated(TINY) if options.quick else TWO_UNITS)
    names = [name for name in options.classes.split(",") if name] or list(benchmark.device_classes)
    unknown = set(names) - set(benchmark.device_classes)
    if unknown:
        raise ConfigError(f"There is no class {', '.join(sorted(unknown))}: choose from {benchmark.device_classes}.")
    console = Console(stderr=True)
    if options.quick:
        with tempfile.TemporaryDirectory(prefix="new-class-") as folder:
            result = measure(DrawnWorkshop(Path(folder), benchmark, console), names[1:2])
            print((Path(folder) / "new-class.md").read_text())
    else:
        result = measure(Workshop(options.out, benchmark, console), names)
        print((options.out / "new-class.md").read_text())
    print(json.dumps({"quick": options.quick, "classes": [_short(each) for each in result.classes]}))


def _short(each: AddedInTurn) -> dict[str, object]:
    on = each.channels["rgbx"]
    fields = ("new", "new_in_full", "new_gain", "old", "old_lost", "old_gain")
    return {
        "name": each.name,
        "photographs_alone": each.photographs_alone,
        "seconds": round(each.seconds_to_add, 1),
        "proposes_full": each.added.change.proposes_full,
        "twin": on.twin,
        "taken_for_twin": on.taken_for_twin,
        **{field: getattr(on, field).model_dump() for field in fields},
    }


if __name__ == "__main__":
    main()

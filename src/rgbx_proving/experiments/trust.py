"""How far a calibrated bundle can be trusted: `rgbx reproduce trust`.

Two questions. On devices of classes that it knows: is it as sure as it is right, and what is gained by putting devices
aside? On devices of a class that it has never seen, each class of the family in turn: does it notice?
"""

import shutil
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from pydantic import Field
from rich.console import Console

from rgbx.config import Config
from rgbx.errors import ConfigError
from rgbx.evaluation.calibrate import calibrate
from rgbx.evaluation.evaluate import estimate, evaluate_bundle, share_estimate
from rgbx.evaluation.figures import INK, SERIES, plain
from rgbx.evaluation.intervals import Estimate
from rgbx.evaluation.pairing import SAME_UNIT, draw_pairings
from rgbx.evaluation.predictions import Predictions, cached_predictions, encode_set
from rgbx.evaluation.reliability import area_under_roc, coverage_within
from rgbx.evaluation.results import Evaluation
from rgbx.evaluation.tables import show
from rgbx.files import read_json
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES, TITLES, Channel, Modality
from rgbx.models.bundle import versions
from rgbx.progress import track
from rgbx.samples import SampleSet
from rgbx.trust.calibration import Calibrated
from rgbx.trust.fit import FusedResponses, Responses, fit_calibration
from rgbx.trust.judge import Answer, Judge
from rgbx.trust.layout import Layouts, layout_of
from rgbx.trust.ood import Shown
from rgbx.trust.sorting import Sorting, TrustConfig
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import trained
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.tables import BEST, TABLES
from rgbx_proving.experiments.workshop import Workshop

LEAVING_OUT = next(row for row in TABLES["table5"].rows if row.channel == "rgbx" and row.labelled)
"""How networks are trained that may not see a class: ten pairs of them, so by Table V's shorter schedule."""
CHANNELS: tuple[Channel, ...] = ("rgb", "xray", "rgbx")
BEST_BUNDLE = "the best bundle"
SCORES = ("layout", "mahalanobis", "neighbours", "energy")


class HeldOut(Config):
    """What became of devices of a class that the bundle had never seen."""

    name: str
    auroc: dict[str, dict[Channel, Estimate]]
    """Of telling them from known ones, on test devices."""
    auroc_of_calibration: dict[str, dict[Channel, float]]
    """The same on calibration devices: what a score may be chosen by."""
    noticed: Estimate
    """Share of unknown test devices put aside, whatever the reason, from both modalities and with the default score."""
    kept: Estimate
    """Share of known test devices not called unknown."""
    accuracy: Estimate
    """On known test devices."""
    accuracy_of_kept: Estimate


class KnownDevices(Config):
    """What became of devices of classes that the best bundle knows, and which class it would notice were it unknown."""

    before: Evaluation
    """Of the best bundle, all classes known."""
    after: Evaluation
    """The same bundle calibrated."""
    coverage: dict[Channel, Estimate] = Field(default_factory=dict)
    """Largest share of test devices that could be answered with no more errors than were asked for, the limit chosen on
    these very devices; not in results of earlier versions."""
    by_layout: dict[str, Estimate]
    """AUROC of noticing each class, were it unknown, by the layout of its test radiographs: no network takes part."""
    origin: str


class TrustResult(KnownDevices):
    """What ``trust.json`` holds."""

    preset: Literal["small", "paper"]
    config: TrustConfig
    held_out: tuple[HeldOut, ...]
    benchmark: Benchmark
    versions: dict[str, str]


class LineSets(NamedTuple):
    """Images of the simulated line, by modality."""

    calibration: dict[Modality, SampleSet]
    tests: dict[Modality, SampleSet]


class _Devices(NamedTuple):
    """What a bundle says of n devices that were both photographed and X-rayed."""

    labels: np.ndarray
    """(n,) str"""
    units: list[str]
    logits: dict[Channel, np.ndarray]
    """(n, C)"""
    shown: dict[Modality, Shown]

    def chosen(self, which: np.ndarray) -> "_Devices":
        """Return the devices for which (n,) ``which`` is true."""
        return _Devices(
            self.labels[which],
            [unit for unit, wanted in zip(self.units, which, strict=True) if wanted],
            {channel: logits[which] for channel, logits in self.logits.items()},
            {modality: each.chosen(which) for modality, each in self.shown.items()},
        )


def reproduce_trust(
    out: Path,
    benchmark: Benchmark,
    preset: Literal["small", "paper"],
    console: Console,
    workers: int | None = None,
    config: TrustConfig = TrustConfig(),  # noqa: B008
) -> TrustResult:
    """Measure and draw it into ``out/trust.json``, ``.md`` and ``.png``; a run that was stopped goes on.

    What ``trust.json`` holds already, of the same settings, is kept: classes can be left out a few at a time, on one
    machine or on several.

    Args:
        out: folder of results and of all that is made for them, shared with the tables.
        benchmark: sizes and settings; ``held_out`` says which classes play the unknown device.
        preset: what the benchmark is based on, for the record.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
        config: what is asked of decisions.
    """
    workshop = Workshop(out, benchmark, console, workers)
    line_sets = cache(partial(_line_sets, workshop))  # opened once, and only where something is left to measure
    earlier = _measured_before(out / "trust.json", benchmark, config, console)
    held_out = {each.name: each for each in earlier.held_out} if earlier else {}
    know = partial(_know, workshop, line_sets, config)
    jobs: dict[str, Callable[[], Config]] = {} if earlier else {BEST_BUNDLE: know}  # the longest first
    left_out = {
        name: partial(_hold_out, workshop, name, line_sets, config)
        for name in benchmark.held_out or benchmark.device_classes
        if name not in held_out
    }
    workshop.share(jobs | left_out)
    known = earlier or know()
    held_out |= {name: measured() for name, measured in left_out.items()}
    names = tuple(name for name in benchmark.device_classes if name in held_out)
    result = TrustResult(
        **{field: getattr(known, field) for field in KnownDevices.model_fields},
        preset=preset,
        config=config,
        held_out=tuple(held_out[name] for name in names),
        benchmark=benchmark.updated({"held_out": names}),
        versions=versions(),
    )
    write_result(out, "trust", result, trust_markdown(result), auroc_figure(result))
    return result


def _measured_before(path: Path, benchmark: Benchmark, config: TrustConfig, console: Console) -> TrustResult | None:
    """Return what was measured with the same settings, whichever classes were left out."""
    if not path.exists():
        return None
    try:
        found = TrustResult.model_validate(read_json(path))
    except ConfigError:
        found = None
    every = {"held_out": ()}
    if found is None or (found.benchmark.updated(every), found.config) != (benchmark.updated(every), config):
        console.print(f"[yellow]{path} is of other settings and will be replaced[/]", highlight=False)
        return None
    names = ", ".join(each.name for each in found.held_out)
    console.print(f"kept from {path}: known devices, and as unknown ones {names}", highlight=False)
    return found


def _line_sets(workshop: Workshop) -> LineSets:
    calibration, tests = (
        {modality: workshop.line_set(use, modality) for modality in MODALITIES} for use in ("calibration", "test")
    )
    return LineSets(calibration, tests)


def _know(workshop: Workshop, line_sets: Callable[[], LineSets], config: TrustConfig) -> KnownDevices:
    bundle, *_ = trained(workshop, BEST, seed=0)
    return workshop.measured(
        bundle, "known-devices", config, KnownDevices, lambda: _measure_known(workshop, bundle, line_sets(), config)
    )


def _hold_out(workshop: Workshop, name: str, line_sets: Callable[[], LineSets], config: TrustConfig) -> HeldOut:
    bundle, *_ = trained(workshop, LEAVING_OUT, seed=0, without=name)
    seed = workshop.benchmark.seed
    return workshop.measured(
        bundle, "held-out", config, HeldOut, lambda: _measure_held_out(name, bundle, line_sets(), config, seed)
    )


def _measure_known(workshop: Workshop, bundle: Path, line_sets: LineSets, config: TrustConfig) -> KnownDevices:
    benchmark = workshop.benchmark
    calibrated = workshop.copy(bundle, "trust")
    calibrate(calibrated, line_sets.calibration, Sorting.of(benchmark.device_classes, None, None), config)
    rgb, xray, folder = line_sets.tests["rgb"], line_sets.tests["xray"], workshop.out / "trust"
    before, after = (
        evaluate_bundle(each, rgb, xray, folder / name, pairings=benchmark.pairings)
        for name, each in (("before", bundle), ("after", calibrated))
    )
    predictions = cached_predictions(calibrated, rgb, xray, folder / "after", benchmark.pairings, seed=0)
    shutil.copyfile(folder / "after" / "reliability.png", workshop.out / "trust-reliability.png")
    return KnownDevices(
        before=before,
        after=after,
        coverage={channel: _coverage(predictions, channel, config, benchmark.seed) for channel in CHANNELS},
        by_layout=_by_layout(Predictor.load(bundle), line_sets.calibration["xray"], xray, benchmark.seed),
        origin=after.origin,
    )


def _coverage(predictions: Predictions, channel: Channel, config: TrustConfig, seed: int) -> Estimate:
    rows = predictions.tested(channel)
    confidence, wrong = np.array([row.confidence for row in rows]), np.array([not row.right for row in rows])
    return estimate(
        [row.units for row in rows],
        lambda weights: coverage_within(confidence, wrong, weights, config.false_sorts),
        seed,
    )


def _measure_held_out(name: str, bundle: Path, line_sets: LineSets, config: TrustConfig, seed: int) -> HeldOut:
    predictor = Predictor.load(bundle)
    own, new = (_devices(predictor, sets, seed) for sets in line_sets)
    known = own.labels != name
    streams, pairs = _responses(own.chosen(known), predictor.classes)
    sorting = Sorting.of(predictor.classes, None, None)
    auroc: dict[str, dict[Channel, Estimate]] = {}
    of_calibration: dict[str, dict[Channel, float]] = {}
    for score in SCORES:
        fitted = fit_calibration(streams, pairs, sorting, config.updated({"ood_score": score}))
        scores = {channel: _scores(fitted, new, channel) for channel in CHANNELS}
        auroc[score] = {c: _auroc(scores[c], new.labels == name, new.units, seed) for c in CHANNELS}
        unknown = own.chosen(~known)
        of_calibration[score] = {
            c: _area(np.concatenate([fitted.known[c], _scores(fitted, unknown, c)]), len(fitted.known[c]))
            for c in CHANNELS
        }
    judge = Judge(predictor.classes, fit_calibration(streams, pairs, sorting, config))
    reasons = np.array([_reason(judge, new, place) for place in range(len(new.labels))])
    right = np.array(predictor.classes)[new.logits["rgbx"].argmax(1)] == new.labels
    unknown_ones, familiar = new.labels == name, (new.labels != name) & (reasons != "unknown")
    return HeldOut(
        name=name,
        auroc=auroc,
        auroc_of_calibration=of_calibration,
        noticed=_share(reasons != "", unknown_ones, new.units, seed),
        kept=_share(reasons != "unknown", ~unknown_ones, new.units, seed),
        accuracy=_share(right, ~unknown_ones, new.units, seed),
        accuracy_of_kept=_share(right, familiar, new.units, seed),
    )


def _by_layout(predictor: Predictor, own: SampleSet, tests: SampleSet, seed: int) -> dict[str, Estimate]:
    """Leave each class in turn out of the known radiographs, and tell its test radiographs from all others."""

    def layouts(samples: SampleSet) -> np.ndarray:
        images = track(samples, "layouts of radiographs", total=len(samples))
        return np.stack([layout_of(predictor.prepare("xray", samples.path(record))).ravel() for record in images])

    names = sorted({record.label for record in own}, key=predictor.classes.index)
    known = Layouts.fit(layouts(own), np.array([names.index(record.label) for record in own]))
    distances = known(layouts(tests))
    labels, units = np.array([record.label for record in tests]), [record.unit for record in tests]
    return {
        name: _auroc(np.delete(distances, place, 1).min(1), labels == name, units, seed)
        for place, name in enumerate(names)
    }


def _devices(predictor: Predictor, sets: Mapping[Modality, SampleSet], seed: int) -> _Devices:
    """Encode sets of the same units, unknown ones included, each photograph with a radiograph of its unit."""
    encoded = {modality: encode_set(predictor, modality, samples) for modality, samples in sets.items()}
    pairs = draw_pairings(sets["rgb"].records, sets["xray"].records, 0, seed)[SAME_UNIT]
    seen = [
        {"rgb": encoded["rgb"][photo.file_name], "xray": encoded["xray"][radiograph.file_name]}
        for photo, radiograph in pairs
    ]
    logits: dict[Channel, np.ndarray] = {m: np.stack([each[m].logits for each in seen]) for m in MODALITIES}
    logits["rgbx"] = np.stack([predictor.fuse(each) for each in seen])  # type: ignore[arg-type]
    return _Devices(
        np.array([photo.label for photo, _ in pairs]),
        [photo.unit for photo, _ in pairs],
        logits,
        {m: Shown.joined([each[m].shown for each in seen]) for m in MODALITIES},
    )


def _responses(devices: _Devices, classes: tuple[str, ...]) -> tuple[dict[Modality, Responses], FusedResponses]:
    truth = np.array([classes.index(label) for label in devices.labels])
    streams = {m: Responses(devices.logits[m], devices.shown[m], truth, tuple(devices.units)) for m in MODALITIES}
    each = np.arange(len(truth))
    return streams, FusedResponses(devices.logits["rgbx"], each, each)


def _scores(calibrated: Calibrated, devices: _Devices, channel: Channel) -> np.ndarray:
    shown = MODALITIES if channel == "rgbx" else (channel,)
    return calibrated.ood_score(devices.logits[channel], {modality: devices.shown[modality] for modality in shown})


def _reason(judge: Judge, devices: _Devices, place: int) -> str:
    answers = {
        m: Answer(devices.logits[m][place], devices.shown[m].chosen(slice(place, place + 1))) for m in MODALITIES
    }
    return judge.decide("rgbx", devices.logits["rgbx"][place], answers).reason or ""


def _auroc(scores: np.ndarray, unknown: np.ndarray, units: list[str], seed: int) -> Estimate:
    return estimate(
        [frozenset({unit}) for unit in units], lambda weights: area_under_roc(scores, unknown, weights), seed
    )


def _area(scores: np.ndarray, known: int) -> float:
    """Return the area for devices of which the first are known."""
    return float(area_under_roc(scores, np.arange(len(scores)) >= known, np.ones((1, len(scores))))[0])


def _share(hits: np.ndarray, which: np.ndarray, units: list[str], seed: int) -> Estimate:
    chosen = [frozenset({unit}) for unit, wanted in zip(units, which, strict=True) if wanted]
    return share_estimate(hits[which], chosen, seed)


def trust_markdown(result: TrustResult) -> str:
    """Return the figures as a Markdown page."""
    lines = [
        "# How far to trust it",
        "",
        f"Preset `{result.preset}`, {result.benchmark.devices.title}, {result.origin}. Intervals: 95 %, bootstrap over "
        f"units. Calibrated on {result.benchmark.calibration_units} units of each class, which are neither scanned "
        "nor tested.",
        "",
        "## Devices of known classes",
        "",
        "| | accuracy | calibration error before | after | sorted | false sorts | at most | class among candidates |",
        "| --- |" + " --- |" * 7,
    ]
    for channel, scores in result.after.scores.items():
        trust = scores.trust
        assert trust is not None
        lines.append(
            f"| {TITLES[channel]} | {scores.accuracy:.3f} | {show(result.before.scores[channel].calibration_error)} "
            f"| {show(scores.calibration_error)} | {show(trust.sorted)} | {trust.false_sorts:g} of {scores.n} "
            f"| {trust.false_sort_bound:.2%} | {show(trust.covered)} ({trust.candidates:.2f} candidates) |"
        )
    if result.coverage:
        shares = ", ".join(f"{TITLES[channel]} {show(share)}" for channel, share in result.coverage.items())
        lines += [
            "",
            f"With at most {result.config.false_sorts:.1%} of errors, had the limit been chosen on these very devices, "
            f"this share could be answered: {shares}.",
        ]
    lines += ["", "## Devices of a class that was never seen", "", *_held_out_lines(result)]
    return "\n".join(lines) + "\n"


def _held_out_lines(result: TrustResult) -> list[str]:
    chosen = result.config.ood_score
    lines = [
        f"AUROC of the out-of-distribution score `{chosen}`; *put aside*: unknown devices not sent to a bin, for "
        "whatever reason; *kept*: known devices not called unknown.",
        "",
        "| held out | RGB | X-ray | RGB-X | put aside | kept | accuracy on known | of those kept |",
        "| --- |" + " --- |" * 7,
    ]
    for each in result.held_out:
        areas = " | ".join(show(each.auroc[chosen][channel]) for channel in CHANNELS)
        lines.append(
            f"| {each.name} | {areas} | {show(each.noticed)} | {show(each.kept)} | {show(each.accuracy)} "
            f"| {show(each.accuracy_of_kept)} |"
        )
    lines += [
        "",
        "| mean over held-out classes, RGB-X | on calibration devices | on test devices |",
        "| --- | --- | --- |",
    ]
    for score in SCORES:
        ours = np.mean([each.auroc_of_calibration[score]["rgbx"] for each in result.held_out])
        test = np.mean([each.auroc[score]["rgbx"].value for each in result.held_out])
        lines.append(f"| {score} | {ours:.3f} | {test:.3f} |")
    lines += [
        "",
        "Every class as the unknown one, by the layout of its radiographs alone (AUROC; no network takes part):",
        "",
        f"| {' | '.join(result.by_layout)} |",
        "|" + " --- |" * len(result.by_layout),
        f"| {' | '.join(show(each) for each in result.by_layout.values())} |",
    ]
    return lines


def auroc_figure(result: TrustResult) -> Figure:
    """Draw how well each held-out class is noticed, from each modality and from both."""
    figure = Figure(figsize=(6.4, 0.5 * len(result.held_out) + 1.5), layout="constrained")
    axes = figure.subplots()
    plain(axes, grid="x")
    for place, each in enumerate(result.held_out):
        for shift, colour, channel in zip((-0.2, 0.0, 0.2), SERIES, CHANNELS, strict=True):
            area = each.auroc[result.config.ood_score][channel]
            label = TITLES[channel] if place == 0 else None
            axes.plot([area.low, area.high], [place + shift] * 2, color=colour, linewidth=2)
            axes.plot(area.value, place + shift, "o", color=colour, markersize=6, label=label)
    axes.axvline(0.5, color=INK, linewidth=0.8, linestyle="--")
    axes.set_yticks(range(len(result.held_out)), [each.name for each in result.held_out], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("AUROC of telling unknown devices from known ones (chance 0.5)", color=INK)
    axes.set_title("Devices of a class that was never seen", fontsize=11, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="lower left")
    return figure

"""The paper's tables, measured again: ``rgbx reproduce``."""

import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from rgbx.config import Config
from rgbx.errors import ConfigError
from rgbx.evaluation.evaluate import alone, compare_paired, scores_of
from rgbx.evaluation.figures import ACCENT, FAINT, INK, plain
from rgbx.evaluation.intervals import Estimate, PairedTest
from rgbx.evaluation.pairing import SAME_UNIT
from rgbx.evaluation.predictions import ORIGINS, PredictionRow, Predictions
from rgbx.evaluation.results import Scores
from rgbx.evaluation.tables import show, show_cores, show_p
from rgbx.modality import Channel, Modality
from rgbx.models.backbones import EMBEDDED
from rgbx.models.bundle import versions
from rgbx.models.header import BundleHeader, read_bundle_header
from rgbx.processes import cores
from rgbx.samples import SampleSet
from rgbx.training import FusionTraining, StreamTraining, stream_training
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.tables import TABLES, Row, TableName
from rgbx_proving.experiments.workshop import BirdWorkshop, Speed, Workshop
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.randomisation import XrayRandomisation


class RowResult(Config):
    """What came out for one row."""

    name: str
    note: str
    accuracy: Estimate
    """Mean over seeds; bootstrap interval over the test units."""
    precision: Estimate
    recall: Estimate
    accuracy_by_seed: tuple[float, ...]
    """For RGB-X the mean over pairings."""
    images: int
    """Tested with each seed."""
    units: int
    told_apart: Estimate | None
    """Accuracy on the classes that the modality can tell from all others; None where no class has a twin."""
    validation_by_seed: tuple[float, ...]
    """Accuracy on held-out training units; empty where none were held out."""
    speed: Speed
    training_minutes: float
    """Of all its networks, mean over seeds, on the machine below."""
    against_baseline: PairedTest | None
    """None for the baseline, and where the two were not tested on the same images."""
    paper: dict[str, float]


class TableResult(Config):
    """What ``<table>.json`` holds."""

    table: TableName
    title: str
    question: str
    baseline: str
    preset: Literal["small", "paper"]
    seeds: tuple[int, ...]
    rows: tuple[RowResult, ...]
    origin: str
    """Of the test images."""
    benchmark: Benchmark
    cores: int
    versions: dict[str, str]


_Repeats = list[list[PredictionRow]]
"""Predictions of the same cases: one list, or one for each random pairing."""


class _Measured(NamedTuple):
    """What a row came to with one seed."""

    repeats: _Repeats
    predictions: Predictions
    model: Path
    minutes: float


def reproduce_table(
    name: TableName,
    out: Path,
    benchmark: Benchmark,
    preset: Literal["small", "paper"],
    seeds: int,
    console: Console,
    workers: int | None = None,
    cub200: Path | None = None,
) -> TableResult:
    """Measure a table and write ``out/<table>.json``, ``.md`` and ``.png``; a run that was stopped goes on.

    Args:
        name: which table.
        out: folder of results, and of all that is made for them; tables share it.
        benchmark: sizes and settings that the rows change.
        preset: what the benchmark's training is based on, for the record.
        seeds: how often each network is trained.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
        cub200: the folder ``CUB_200_2011``, for Table III.

    Raises:
        ConfigError: Table III without its data.
    """
    table, workshop = TABLES[name], open_workshop(name, out, benchmark, console, workers, cub200)
    console.print(f"[bold]{table.title}[/]", highlight=False)
    found = workshop.share(
        {
            f"{row.name}, seed {seed}": partial(_measure, workshop, row, seed)
            for seed, row in itertools.product(range(seeds), table.rows)
        }
    )
    measured = {row.name: [found[f"{row.name}, seed {seed}"] for seed in range(seeds)] for row in table.rows}
    baseline = next(row for row in table.rows if row.name == table.baseline)
    result = TableResult(
        table=name,
        title=table.title,
        question=table.question,
        baseline=table.baseline,
        preset=preset,
        seeds=tuple(range(seeds)),
        rows=tuple(
            _row_result(workshop, row, measured[row.name], baseline, measured[baseline.name]) for row in table.rows
        ),
        origin=ORIGINS.join(dict.fromkeys(name for each in measured.values() for name in each[0].predictions.origins)),
        benchmark=benchmark,
        cores=cores(),
        versions=versions(),
    )
    write_result(out, name, result, table_markdown(result), table_figure(result))
    return result


def _measure(workshop: Workshop, row: Row, seed: int) -> _Measured:
    model, *parts = trained(workshop, row, seed)
    predictions = workshop.predictions(model, row.channel)
    return _Measured(_repeats(predictions, row), predictions, model, workshop.training_minutes(model, *parts))


def open_workshop(
    name: TableName, out: Path, benchmark: Benchmark, console: Console, workers: int | None, cub200: Path | None
) -> Workshop:
    """Return where a table gets what it measures; the arguments are those of :func:`reproduce`."""
    if TABLES[name].data == "family":
        return Workshop(out, benchmark, console, workers)
    if cub200 is None:
        raise ConfigError(
            "Table III is about birds: unpack CUB-200-2011 (https://www.vision.caltech.edu/datasets/cub_200_2011/) and "
            "give its folder with --cub200 CUB_200_2011."
        )
    return BirdWorkshop(cub200, out, benchmark, console, workers)


def trained(workshop: Workshop, row: Row, seed: int, without: str | None = None) -> tuple[Path, ...]:
    """Return the bundle that a row tests, then those it was made from, all trained with ``seed``.

    Args:
        workshop: where they are made.
        row: of a table.
        seed: of the training.
        without: a class that none of them may see.
    """
    config = workshop.benchmark

    def known(samples: SampleSet) -> SampleSet:
        return samples if without is None else workshop.without(samples, without)

    sets: dict[Modality, list[SampleSet]] = {}
    if row.channel in ("xray", "rgbx"):
        sets["xray"] = [known(workshop.radiographs(config.xray.updated(row.radiographs), config.radiographs_per_class))]
    if row.channel in ("rgb", "rgbx"):
        sets["rgb"] = [known(workshop.photographs(config.rgb, config.photographs_per_class))]
        if row.labelled:
            sets["rgb"].append(known(workshop.line_set("labelled", "rgb")))
    runs: dict[Modality, Path] = {}
    earlier: list[Path] = []
    for modality, images in sets.items():
        training, first = stream_trainings(config, row, modality, seed)
        start = None if first is None else workshop.stream(first, images)
        runs[modality] = workshop.stream(training, images, start)
        earlier += [start] if start is not None else []
    if row.channel != "rgbx":
        return *runs.values(), *earlier
    if row.fused_on_line:
        sets = {modality: [known(workshop.line_set("labelled", modality))] for modality in sets}
    fused = workshop.fusion(config.fusion_training.updated({**row.fusion, "seed": seed}), runs, sets)
    return fused, *runs.values(), *earlier


def stream_trainings(
    config: Benchmark, row: Row, modality: Modality, seed: int
) -> tuple[StreamTraining, StreamTraining | None]:
    """Return how a row's stream is trained, and the first look that it goes on from, if any."""
    own, changes = (config.xray_training, row.xray) if modality == "xray" else (config.rgb_training, row.rgb)
    if row.best:
        own = config.best.get(modality, own)
    changes = {**changes, "seed": seed}
    if row.network:
        weights = "embedded" if row.network in EMBEDDED else config.other_weights
        changes |= {"stream.backbone.name": row.network, "stream.backbone.weights": weights}
        if weights == "none" and config.epochs_from_scratch is not None:
            changes |= {"epochs": config.epochs_from_scratch}
    if not row.closer:
        return own.updated(changes), None
    training = config.looking_closer.get(modality, own).updated(changes)
    first = config.first_look.get(modality)
    if first is None:
        return training, None
    return training, first.updated({"seed": seed, "validation_units": training.validation_units})


def _row_result(
    workshop: Workshop,
    row: Row,
    measured: Sequence[_Measured],
    baseline: Row,
    others: Sequence[_Measured],
) -> RowResult:
    classes, seed = measured[0].predictions.classes, workshop.benchmark.seed
    ours, theirs = [each.repeats for each in measured], [each.repeats for each in others]
    pooled = [each for repeats in ours for rows in repeats for each in rows]
    scores = scores_of(pooled, classes, repeats=sum(map(len, ours)), seed=seed)
    headers = [read_bundle_header(each.model) for each in measured]
    validation = [header.metrics.get(f"{row.channel}_validation_accuracy") for header in headers]
    return RowResult(
        name=row.name,
        note=row.note or (_weights(headers[0]) if row.network else ""),
        accuracy=_accuracy(scores),
        precision=scores.precision,
        recall=scores.recall,
        accuracy_by_seed=tuple(float(np.mean([each.right for rows in repeats for each in rows])) for repeats in ours),
        told_apart=_told_apart(pooled, row.channel, classes, sum(map(len, ours)), workshop.benchmark),
        validation_by_seed=tuple(each for each in validation if each is not None),
        images=scores.n,
        units=scores.units,
        speed=workshop.speed(measured[0].model, row.channel),
        training_minutes=float(np.mean([each.minutes for each in measured])),
        against_baseline=None if row is baseline else _against(ours, row, theirs, baseline, seed),
        paper=dict(row.paper),
    )


def _accuracy(scores: Scores) -> Estimate:
    return Estimate(value=scores.accuracy, low=scores.accuracy_by_unit.low, high=scores.accuracy_by_unit.high)


def _told_apart(
    rows: Sequence[PredictionRow], channel: Channel, classes: tuple[str, ...], repeats: int, benchmark: Benchmark
) -> Estimate | None:
    alike = set() if channel == "rgbx" else benchmark.twins(channel, classes)
    kept = [row for row in rows if row.truth not in alike]
    return _accuracy(scores_of(kept, classes, repeats, benchmark.seed)) if alike and kept else None


def _weights(header: BundleHeader) -> str:
    """Say what a row's network started from."""
    ((modality, stream),) = header.streams.items()
    if stream.backbone.weights != "none":
        return "ImageNet weights"
    return f"trained from scratch, epochs: {header.training[modality]['epochs']}"


def _against(
    ours: Sequence[_Repeats], row: Row, theirs: Sequence[_Repeats], baseline: Row, seed: int
) -> PairedTest | None:
    """Compare two rows, seed by seed; None where they were not tested on the same images."""
    if row.channel == baseline.channel:
        second = [rows for repeats in theirs for rows in repeats]
    elif row.channel == "rgbx" and baseline.channel != "rgbx":  # each pair with what the stream said of its image
        second = [
            alone(rows, baseline.channel, other[0])
            for repeats, other in zip(ours, theirs, strict=True)
            for rows in repeats
        ]
    else:
        return None
    return compare_paired([rows for repeats in ours for rows in repeats], second, seed)


def _repeats(predictions: Predictions, row: Row) -> _Repeats:
    """Return a row's predictions: one list, or one for each random pairing."""
    if row.channel != "rgbx":
        return [predictions.of(row.channel)]
    return [predictions.of("rgbx", name) for name in predictions.pairings if name != SAME_UNIT]


def table_markdown(result: TableResult) -> str:
    """Return the table as a Markdown page, the paper's figures beside ours."""
    first = result.rows[0]
    validated = any(row.validation_by_seed for row in result.rows)
    whose = f" of {result.benchmark.devices.title}" if TABLES[result.table].data == "family" else ""
    lines = [
        f"# {result.title}",
        "",
        f"The paper: {result.question}",
        "",
        f"Measured: preset `{result.preset}`, {len(result.seeds)} seed{'s' * (len(result.seeds) > 1)}, "
        f"{first.images} test images of {first.units} units{whose} ({result.origin}). Intervals: 95 %, bootstrap over "
        f"units. Against *{result.baseline}*: difference of accuracy on the same images, McNemar's exact test. "
        f"*Told apart*: accuracy on the classes that the modality can tell from all others, the ones with a twin left "
        f"out. Times: {show_cores(result.cores)}.",
        "",
        f"| | accuracy | by seed | told apart {'| validation ' if validated else ''}| precision | recall "
        f"| against {result.baseline} | p | passes | parameters | training min | inference ms | paper |",
        "| --- |" + " --- |" * (12 + validated),
    ]
    for row in result.rows:
        test = row.against_baseline
        note = f" ({row.note})" if row.note else ""
        paper = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in row.paper.items())
        validation = f"| {_list(row.validation_by_seed)} " if validated else ""
        lines.append(
            f"| {row.name}{note} | {show(row.accuracy)} | {_list(row.accuracy_by_seed)} "
            f"| {show(row.told_apart) if row.told_apart else ''} {validation}"
            f"| {row.precision.value:.3f} | {row.recall.value:.3f} "
            f"| {show(test.difference, signed=True) if test else ''} | {show_p(test.p) if test else ''} "
            f"| {row.speed.passes} | {row.speed.parameters / 1e6:.1f} M | {row.training_minutes:.1f} "
            f"| {row.speed.inference_ms:.1f} | {paper} |"
        )
    return "\n".join(lines) + "\n"


def _list(figures: Sequence[float]) -> str:
    return ", ".join(f"{each:.3f}" for each in figures)


def table_figure(result: TableResult) -> Figure:
    """Draw accuracies as points with intervals, each seed and the paper's figure beside them."""
    figure = Figure(figsize=(6.4, 0.5 * len(result.rows) + 1.3), layout="constrained")
    axes = figure.subplots()
    plain(axes, grid="x")
    for place, row in enumerate(result.rows):
        axes.plot([row.accuracy.low, row.accuracy.high], [place, place], color=ACCENT, linewidth=2)
        axes.plot(row.accuracy_by_seed, [place] * len(row.accuracy_by_seed), "o", color=FAINT, markersize=4)
        axes.plot(row.accuracy.value, place, "o", color=ACCENT, markersize=7, label="ours" if place == 0 else None)
        if row.told_apart is not None:
            axes.plot(row.told_apart.value, place, "o", color=ACCENT, markerfacecolor="none", markersize=7)
        if "accuracy" in row.paper:
            axes.plot(row.paper["accuracy"], place, "x", color=INK, markersize=7)
    if any(row.told_apart for row in result.rows):
        label = "… on classes that it can tell apart"
        axes.plot([], [], "o", color=ACCENT, markerfacecolor="none", markersize=7, label=label)
    if len(result.seeds) > 1:
        axes.plot([], [], "o", color=FAINT, markersize=4, label="each seed")
    axes.plot([], [], "x", color=INK, markersize=7, label="the paper, on other devices")
    axes.set_yticks(range(len(result.rows)), [row.name for row in result.rows], fontsize=9)
    axes.invert_yaxis()
    axes.set_xlabel("accuracy", color=INK)
    axes.set_title(result.title, fontsize=11, color=INK)
    axes.legend(fontsize=8, frameon=False, loc="best")
    return figure


def preset_benchmark(preset: Literal["small", "paper"]) -> Benchmark:
    """Return the sizes of a preset: ``small`` fits two cores, ``paper`` has the paper's numbers of images.

    The test sets of both are as large as the paper's: 800 radiographs and 800 photographs.
    """
    test = {"test_units": 40, "views_per_test_unit": 2}
    held_out = {"validation_units": 0, "restarts": 0}  # the same epochs for every row
    if preset == "small":
        xray, rgb = (stream_training(modality).updated(held_out) for modality in ("xray", "rgb"))
        xray = xray.updated({"stream.transform.source_size": 256})
        rgb = rgb.updated({"stream.transform.source_size": 320})
        one_look = {"stream.icam.iterations": 1, "warmup_epochs": 0}
        closer = {
            "stream.icam.iterations": 3,
            "join_frozen": False,
            "epochs": 4,
            "learning_rate": 0.0005,
            "aggregation_rate": 50.0,
        }
        return Benchmark(
            photographs_per_class=200,
            xray=XrayRandomisation(size=256),
            rgb=RgbRandomisation(size=320, samples=1),
            xray_training=xray,
            rgb_training=rgb,
            first_look={"xray": xray.updated({**one_look, "epochs": 8}), "rgb": rgb.updated({**one_look, "epochs": 8})},
            fusion_training=FusionTraining(views=1),
            looking_closer={"xray": xray.updated(one_look | closer), "rgb": rgb.updated(one_look | closer)},
            best={
                "xray": xray.updated({"epochs": 18, "warmup_epochs": 17}),
                "rgb": rgb.updated({"epochs": 16, "warmup_epochs": 15}),
            },
            epochs_from_scratch=4,
            test_image_size=384,
        ).updated(test)
    xray, rgb = (stream_training(modality, "paper").updated(held_out) for modality in ("xray", "rgb"))
    ours = {"stream.icam.batch_norm": "per_iteration", "iteration_loss": 1.0}
    return Benchmark(
        radiographs_per_class=2500,
        photographs_per_class=1000,
        xray=XrayRandomisation(size=299),
        rgb=RgbRandomisation(size=299),
        xray_training=xray,
        rgb_training=rgb,
        best={"xray": xray.updated(ours), "rgb": rgb.updated(ours)},
        fusion_training=FusionTraining(),
        other_weights="imagenet",
        test_image_size=512,
    ).updated(test)

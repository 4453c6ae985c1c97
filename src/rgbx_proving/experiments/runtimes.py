"""Whether every way to compute the best bundle answers alike, and how fast: `rgbx reproduce runtimes`.

Devices that bundles are calibrated on check the exported graphs and choose what is to be chosen: which int8 graphs are
good enough, and at which probability to exit early. The test devices say what comes of it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from matplotlib.figure import Figure
from rich.console import Console

from rgbx.config import Config
from rgbx.evaluation.figures import ACCENT, INK, plain
from rgbx.evaluation.predictions import origin_of, prepare_sets
from rgbx.evaluation.tables import show, show_cores
from rgbx.inference.export import export_bundle
from rgbx.inference.int8 import Int8Gates
from rgbx.inference.runtimes import Graphs, read_graphs
from rgbx.modality import MODALITIES, TITLES, Modality
from rgbx.models.bundle import versions
from rgbx.processes import cores
from rgbx.samples import SampleSet
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import trained
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.tables import BEST
from rgbx_proving.experiments.ways import Comparison, choose_exit, compare_ways
from rgbx_proving.experiments.workshop import Workshop


class RuntimesResult(Config):
    """What ``runtimes.json`` holds."""

    preset: Literal["small", "paper"]
    comparison: Comparison
    graphs: Graphs
    """What the export's own check found, on calibration devices."""
    origin: str
    benchmark: Benchmark
    cores: int
    versions: dict[str, str]


def reproduce_runtimes(
    out: Path, benchmark: Benchmark, preset: Literal["small", "paper"], console: Console, workers: int | None = None
) -> RuntimesResult:
    """Measure it and write ``out/runtimes.json``, ``.md`` and ``.png``; a run that was stopped goes on.

    Args:
        out: folder of results and of all that is made for them, shared with the tables.
        benchmark: sizes and settings.
        preset: what the benchmark is based on, for the record.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
    """
    workshop = Workshop(out, benchmark, console, workers)
    model, *_ = trained(workshop, BEST, seed=0)
    kept = {modality: workshop.line_set("calibration", modality) for modality in MODALITIES}
    tests = {modality: workshop.line_set("test", modality) for modality in MODALITIES}
    bundle = workshop.copy(model, "runtimes")
    result = RuntimesResult(
        preset=preset,
        graphs=read_graphs(bundle) or _export(bundle, kept),
        comparison=compare_ways(bundle, tests, choose_exit(bundle, kept), seed=benchmark.seed),
        origin=origin_of(tests.values()),
        benchmark=benchmark,
        cores=cores(),
        versions=versions(),
    )
    write_result(out, "runtimes", result, runtimes_markdown(result), runtimes_figure(result))
    return result


def _export(bundle: Path, sets: Mapping[Modality, SampleSet]) -> Graphs:
    images, labels = prepare_sets(bundle, sets)
    return export_bundle(bundle, ("onnx", "openvino"), images, labels, Int8Gates(), early_exit=True)


def runtimes_markdown(result: RuntimesResult) -> str:
    """Return the figures as a Markdown page."""
    found = result.comparison
    channels = list(found.ways[0].accuracy)
    lines = [
        "# Ways to compute one bundle",
        "",
        f"Preset `{result.preset}`, {found.devices} devices of {result.benchmark.devices.title}, each photographed and "
        f"X-rayed ({result.origin}). "
        f"Intervals: 95 %, bootstrap over units. Early exit at a probability of {found.exit_threshold:.2f}, chosen on "
        f"{result.benchmark.calibration_units} other units of each class, on which the graphs were checked as well. "
        f"Times: median of devices one by one, each way in turn, {show_cores(result.cores)}.",
        "",
        _row("accuracy", *(TITLES[channel] for channel in channels), "looks, RGB", "looks, X-ray", "ms a pair"),
        _row(*["---"] * (len(channels) + 4)),
    ]
    for way in found.ways:
        accuracies = (show(way.accuracy[channel]) for channel in channels)
        passes = (f"{way.passes[modality]:.2f}" for modality in MODALITIES)
        lines.append(_row(way.name, *accuracies, *passes, f"{way.pair_ms:.1f}"))
    lines += [
        "",
        "Against torch; *same picture*: `rgbx predict --explain` shows the same windows, crops and maps.",
        "",
        _row(
            "",
            *(f"same class, {TITLES[channel]}" for channel in channels),
            *(f"same picture, {TITLES[modality]}" for modality in MODALITIES),
            *(f"accuracy, {TITLES[channel]}" for channel in channels),
        ),
        _row(*["---"] * (2 * len(channels) + 3)),
    ]
    for way in found.ways[1:]:
        shares = [*way.same_class.values(), *(way.same_picture[modality] for modality in MODALITIES)]
        gains = (show(way.gain[channel], signed=True) for channel in channels)
        lines.append(_row(way.name, *map(show, shares), *gains))
    notes = [f"- {name}: {why}" for name, why in found.missing.items()]
    notes += [f"- {graph} was not written: it {why}. float32 serves." for graph, why in result.graphs.refused.items()]
    return "\n".join([*lines, *([""] if notes else []), *notes]) + "\n"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def runtimes_figure(result: RuntimesResult) -> Figure:
    """Draw the accuracy of each way beside the time that it takes for a device."""
    ways = result.comparison.ways
    figure = Figure(figsize=(7.6, 0.42 * len(ways) + 1.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for axes in (left, right):
        plain(axes, grid="x")
    for place, way in enumerate(ways):
        accuracy = way.accuracy["rgbx"]
        left.plot([accuracy.low, accuracy.high], [place] * 2, color=ACCENT, linewidth=2)
        left.plot(accuracy.value, place, "o", color=ACCENT, markersize=6)
        right.barh(place, way.pair_ms, height=0.55, color=ACCENT)
        right.text(way.pair_ms, place, f" {way.pair_ms:.0f}", va="center", fontsize=8, color=INK)
    left.set_yticks(range(len(ways)), [way.name for way in ways], fontsize=9)
    left.invert_yaxis()
    left.set_xlabel("accuracy of RGB-X", color=INK)
    right.set_xlim(0, 1.1 * max(way.pair_ms for way in ways))
    right.set_xlabel(f"ms a device, both images, {show_cores(result.cores)}", color=INK)
    figure.suptitle("Ways to compute one bundle", fontsize=11, color=INK)
    return figure

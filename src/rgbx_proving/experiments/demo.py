"""The main job on the embedded benchmark: from scans and meshes to a fused classifier and its report."""

from pathlib import Path

from pydantic import PositiveInt
from rich.console import Console

from rgbx.datasets.labelled import open_sets
from rgbx.errors import InputError
from rgbx.evaluation.evaluate import evaluate_bundle
from rgbx.evaluation.explain import cases_of_sets, explain_cases
from rgbx.evaluation.report import ReportContents, write_report
from rgbx.evaluation.results import Evaluation
from rgbx.files import read_json, write_json
from rgbx.inference import Predictor
from rgbx.modality import Modality
from rgbx.models.bundle import versions
from rgbx.samples import SampleSet
from rgbx.training import StreamTraining, train_fusion, train_stream
from rgbx_proving.experiments.benchmark import Benchmark, scan_units, unattended, write_scanned_units
from rgbx_proving.experiments.stages import Stages
from rgbx_render.devices.library import Library
from rgbx_render.photography.photographs import render_photographs
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import render_radiographs


class Demo(Benchmark):
    """What the demo does; its defaults are sized for a quarter to half an hour on two cores."""

    photographs_per_class: PositiveInt = 200
    rgb: RgbRandomisation = RgbRandomisation(size=144, samples=1).updated({"camera": {"framed": 0.7}})
    """Framed round the device, so that a small photograph shows as much of it as a large one (docs/results/view.md)."""
    xray_training: StreamTraining = unattended("xray").updated({"epochs": 3})
    rgb_training: StreamTraining = unattended("rgb").updated(
        {"epochs": 12, "wear": {}, "stream": {"icam": {"input_size": 128}}}
    )
    explained_per_class: PositiveInt = 1


class Layout:
    """Where the demo puts things."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.config = out / "config.json"
        self.library = out / "library"
        self.xray_set = out / "sets" / "xray"
        self.rgb_set = out / "sets" / "rgb"
        self.test_library = out / "test-library"
        self.line = out / "line"
        self.xray_run = out / "models" / "xray"
        self.rgb_run = out / "models" / "rgb"
        self.bundle = out / "models" / "rgbx"
        self.results = out / "results"
        self.heat_maps = out / "heat-maps"
        self.metrics = out / "metrics.json"
        self.report = out / "report.html"


def run_demo(out: Path, config: Demo, console: Console, workers: int | None = None) -> Evaluation:
    """Run the whole path into ``out``; a run that was stopped goes on.

    Args:
        out: folder for everything that is made.
        config: sizes and settings.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.

    Returns:
        The evaluation that ``metrics.json`` and the report show.

    Raises:
        InputError: ``out`` holds a demo with other settings.
    """
    layout = Layout(out)
    _claim(layout, config)
    stages = Stages(out, console)
    seed = config.seed

    with stages.stage("library", f"{config.scanned_units} scanned units of each class, at {config.voxel_size_mm} mm"):
        write_scanned_units(layout.library, config, workers)
    library = Library.open(layout.library)

    with stages.stage("render xray", "training radiographs by domain randomisation") as pending:
        if pending:
            render_radiographs(
                library,
                layout.xray_set,
                config.xray,
                images_per_class=config.radiographs_per_class,
                seed=seed,
                workers=workers,
            )

    with stages.stage("render rgb", "training photographs by domain randomisation") as pending:
        if pending:
            render_photographs(
                library,
                layout.rgb_set,
                config.rgb,
                images_per_class=config.photographs_per_class,
                seed=seed,
                workers=workers,
            )

    with stages.stage("scan", f"{config.test_units} worn units of each class, X-rayed and photographed") as pending:
        if pending:
            scan_units(layout.test_library, layout.line, config, config.line_units["test"], workers)

    xray_sets, rgb_sets = open_sets([layout.xray_set], "xray"), open_sets([layout.rgb_set], "rgb")
    with stages.stage("train xray", "the X-ray stream"):
        train_stream(config.xray_training, xray_sets, [], layout.xray_run)
    with stages.stage("train rgb", "the RGB stream"):
        train_stream(config.rgb_training, rgb_sets, [], layout.rgb_run)
    with stages.stage("train fusion", "both together"):
        runs: dict[Modality, Path] = {"rgb": layout.rgb_run, "xray": layout.xray_run}
        train_fusion(config.fusion_training, runs, {"rgb": rgb_sets, "xray": xray_sets}, layout.bundle)

    rgb_test, xray_test = SampleSet.open(layout.line / "rgb"), SampleSet.open(layout.line / "xray")
    with stages.stage("evaluate", "on units that were never scanned"):
        evaluation = evaluate_bundle(
            layout.bundle, rgb_test, xray_test, layout.results, pairings=config.pairings, seed=seed
        )
    with stages.stage("explain", "where the networks look") as pending:
        if pending:
            cases = cases_of_sets(rgb_test, xray_test, config.explained_per_class, seed)
            explain_cases(Predictor.load(layout.bundle), cases, layout.heat_maps)

    with stages.stage("report", "all of it in one page"):
        write_report(layout.report, _report(layout, config, evaluation, stages.seconds))
    write_json(layout.metrics, {**evaluation.model_dump(mode="json", exclude_none=True), "seconds": stages.seconds})
    return evaluation


def _report(layout: Layout, config: Demo, evaluation: Evaluation, seconds: dict[str, float]) -> ReportContents:
    return ReportContents(
        title=f"RGB-X on {config.devices.title}",
        evaluation=evaluation,
        training_sets={"rgb": layout.rgb_set, "xray": layout.xray_set},
        test_sets={"rgb": layout.line / "rgb", "xray": layout.line / "xray"},
        heat_maps=tuple(sorted(layout.heat_maps.glob("*.png"))),
        training_runs={"RGB stream": layout.rgb_run, "X-ray stream": layout.xray_run, "fusion": layout.bundle},
        seconds=seconds,
        settings={"demo": config.model_dump(mode="json")},
        versions=versions(),
        seeds={"demo": config.seed},
        reproduce=("make demo", f"rgbx demo --out {layout.out} --seed {config.seed}"),
        classify=classify_command(layout.bundle),
    )


def classify_command(bundle: Path) -> str:
    """Return the command that classifies one's own pair of images."""
    return f"rgbx predict {bundle} --rgb PHOTO.png --xray RADIOGRAPH.tiff"


def _claim(layout: Layout, config: Demo) -> None:
    """Keep the settings beside the results, so that one folder never mixes two demos."""
    if not layout.config.exists():
        write_json(layout.config, config.model_dump(mode="json"))
    elif Demo.model_validate(read_json(layout.config)) != config:
        raise InputError(layout.out, "holds a demo with other settings", "choose another --out folder or delete it")

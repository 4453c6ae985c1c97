"""Where looking closer can matter: error against the size of what differs, ``rgbx reproduce revisions``."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from pydantic import AfterValidator, Field, model_validator
from rich.console import Console

from rgbx.config import Config
from rgbx.datasets.images import read_radiograph
from rgbx.evaluation.evaluate import scores_of, share_estimate
from rgbx.evaluation.figures import ACCENT, INK, SERIES, plain
from rgbx.evaluation.intervals import Estimate
from rgbx.evaluation.predictions import PredictionRow
from rgbx.evaluation.tables import show, show_cores
from rgbx.geometry import Vector
from rgbx.inference import Predictor
from rgbx.models.bundle import versions
from rgbx.models.header import read_bundle_header
from rgbx.processes import cores
from rgbx.view.transform import Transform
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import preset_benchmark, trained
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.tables import Row, icam
from rgbx_proving.experiments.workshop import Speed, Workshop
from rgbx_proving.families.family import FAMILIES
from rgbx_proving.revisions.designs import SITE_MM, SIZES_MM
from rgbx_proving.standin.machine import MachineConfig, RadiographDraw, pixels_of
from rgbx_proving.units.simulated import parts_of
from rgbx_render.radiography.randomisation import XrayRandomisation

FINEST_VOXELS_MM = 0.15
VOXELS_IN_SIZE = 5
"""Voxels are no larger than d over this, nor need they be smaller than :data:`FINEST_VOXELS_MM`."""


def _known(size_mm: float) -> float:
    if size_mm not in SIZES_MM:
        known = ", ".join(f"{each:g}" for each in SIZES_MM)
        raise ValueError(f"there are no revisions of {size_mm:g} mm: choose from {known}")
    return size_mm


class Revisions(Config):
    """Which sizes and revisions are compared, and on what."""

    sizes_mm: tuple[Annotated[float, AfterValidator(_known)], ...] = Field(default=SIZES_MM, min_length=1)
    """d, the size of what differs; each is a family of its own."""
    revisions: tuple[Annotated[int, Field(ge=0, le=9)], ...] = Field(default=tuple(range(10)), min_length=2)
    """By number."""
    benchmark: Benchmark
    """Sizes and settings, the same for each d but for the family, its classes and its voxels: these are at most
    ``voxel_size_mm``, and smaller where d is small."""

    @model_validator(mode="after")
    def _family_is_ours(self) -> "Revisions":
        if (self.benchmark.family, self.benchmark.classes) != (Benchmark().family, ()):
            raise ValueError("family and classes follow from sizes_mm and revisions: say these in their place")
        return self

    def of(self, size_mm: float) -> Benchmark:
        """Return the benchmark of one d."""
        family = f"rev-{size_mm:g}"
        classes = FAMILIES[family].classes
        voxels = max(FINEST_VOXELS_MM, size_mm / VOXELS_IN_SIZE)
        return self.benchmark.updated(
            {
                "family": family,
                "classes": [classes[number] for number in self.revisions],
                "voxel_size_mm": min(self.benchmark.voxel_size_mm, voxels),
            }
        )


def revision_forms(side: int) -> tuple[Row, ...]:
    """Return what is compared: ways to look, all trained alike. Another is another row.

    Args:
        side: of the images that the networks see, in pixels, or of a square of as many.
    """
    measured = icam(2, window="measured", crop_fraction=0.25, aggregator="weighted_mean", extractors="own")
    return (
        Row("one look", xray=icam(1)),
        Row("one look at the pixels of two", xray=icam(1, input_size=round(side * 2**0.5))),
        Row("iCAM, n = 2", xray=icam(2, window="square", aggregator="weighted_mean")),
        Row("iCAM, n = 2, where classes were measured to differ", xray={**measured, "join_frozen": True}),
    )


class SitePlace(Config):
    """A place in a unit."""

    mm: Vector
    """In the unit's frame."""


class LastLooks(Config):
    """What the last look of one network fell on, image by image."""

    hold: tuple[bool, ...]
    """Whether the window holds the middle of the site."""
    units: tuple[str, ...]
    """``class/unit`` of each image."""
    area: float
    """Of the windows, as a share of the image's: how many would hold it by chance."""


class FormResult(Config):
    """What came out for one way to look at one d."""

    name: str
    error: Estimate
    """Mean over seeds; bootstrap interval over the test units."""
    error_by_seed: tuple[float, ...]
    pixels: int
    """That the network sees of one image, in all looks together."""
    speed: Speed
    training_minutes: float
    """Mean over seeds, on the machine below."""
    site_seen: Estimate | None
    """Share of last looks that hold the site; None with one look."""
    by_chance: float | None
    images: int
    """Tested with each seed."""
    units: int


class SizeResult(Config):
    """What came out for one d."""

    size_mm: float
    voxel_size_mm: float
    forms: tuple[FormResult, ...]


class RevisionsResult(Config):
    """What ``revisions.json`` holds."""

    preset: Literal["small", "paper"]
    seeds: tuple[int, ...]
    sizes: tuple[SizeResult, ...]
    origin: str
    """Of the test images."""
    settings: Revisions
    cores: int
    versions: dict[str, str]


class _Measured(NamedTuple):
    """What a form came to with one seed."""

    model: Path
    rows: list[PredictionRow]
    looks: LastLooks | None
    minutes: float


def revisions_settings(preset: Literal["small", "paper"]) -> Revisions:
    """Return the sizes of a preset: of ``paper`` the network, its training and its loop, at the same images."""
    benchmark = preset_benchmark(preset)
    training: dict[str, object] = {"xray_training.stream.transform.source_size": 1024}
    if preset == "small":
        training = {
            "xray_training.stream.transform.source_size": 512,
            "xray_training.epochs": 36,
            # A network that has seen no window cannot use one: the extractor learns from both looks.
            "xray_training.warmup_epochs": 12,
            "xray_training.join_frozen": False,
            "xray_training.aggregation_rate": 50.0,
        }
    return Revisions(
        benchmark=benchmark.updated(
            {
                "radiographs_per_class": 100,
                "xray": XrayRandomisation(size=1024).model_dump(),
                "test_units": 20,
                "views_per_test_unit": 2,
                "test_image_size": 1024,
                **training,
            }
        )
    )


def reproduce_revisions(
    out: Path,
    settings: Revisions,
    preset: Literal["small", "paper"],
    seeds: int,
    console: Console,
    workers: int | None = None,
) -> RevisionsResult:
    """Measure it and write ``out/revisions.json``, ``.md`` and ``.png``; a run that was stopped goes on.

    Args:
        out: folder of results and of all that is made for them, shared with the tables.
        settings: sizes and settings.
        preset: what they are based on, for the record.
        seeds: how often each network is trained.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
    """
    workshops = {size: Workshop(out, settings.of(size), console, workers) for size in settings.sizes_mm}
    sizes = tuple(_size_result(workshop, size, seeds) for size, workshop in workshops.items())
    result = RevisionsResult(
        preset=preset,
        seeds=tuple(range(seeds)),
        sizes=sizes,
        origin=next(iter(workshops.values())).line_set("test", "xray").header.origin,
        settings=settings,
        cores=cores(),
        versions=versions(),
    )
    write_result(out, "revisions", result, revisions_markdown(result), revisions_figure(result))
    return result


def _size_result(workshop: Workshop, size_mm: float, seeds: int) -> SizeResult:
    config = workshop.benchmark
    rows = revision_forms(config.xray_training.stream.icam.input_size)
    found = workshop.share(
        {
            f"d = {size_mm:g} mm, {row.name}, seed {seed}": partial(_measure, workshop, row, seed)
            for seed in range(seeds)
            for row in rows
        }
    )
    results = list(found.values())
    return SizeResult(
        size_mm=size_mm,
        voxel_size_mm=config.voxel_size_mm,
        forms=tuple(_form_result(workshop, row.name, results[place :: len(rows)]) for place, row in enumerate(rows)),
    )


def _measure(workshop: Workshop, row: Row, seed: int) -> _Measured:
    (model,) = trained(workshop, row, seed)
    rows = workshop.predictions(model, "xray").of("xray")
    looks = None
    if read_bundle_header(model).streams["xray"].icam.iterations > 1:
        site = SitePlace(mm=SITE_MM)
        measure = partial(last_looks, workshop, model, site)
        looks = workshop.measured(model, "last-looks", site, LastLooks, measure)
    return _Measured(model, rows, looks, workshop.training_minutes(model))


def last_looks(workshop: Workshop, model: Path, site: SitePlace) -> LastLooks:
    """Return whether the last look of a network at each test radiograph holds a place in the unit.

    Args:
        workshop: of the test radiographs and the units that they show.
        model: the network's bundle.
        site: the place.
    """
    samples, worn = workshop.line_set("test", "xray"), workshop.test_units()
    machine = MachineConfig.model_validate(samples.header.config["machine"])
    transform = Transform("xray", read_bundle_header(model).streams["xray"].transform)
    records = list(samples)
    encoded = Predictor.load(model).encode("xray", [samples.path(record) for record in records], explain=True)
    windows = np.array([each.views[-1].window for each in encoded])
    places = np.empty((len(records), 2))
    for number, record in enumerate(records):
        unit, draw = parts_of(worn.unit(record.label, record.unit)), RadiographDraw.model_validate(record.draw)
        seen = transform.see(read_radiograph(samples.path(record)))
        places[number] = seen_at(pixels_of(np.array(site.mm), unit, draw, machine), seen.place, seen.pixels.shape)
    hold = np.all((windows[:, :2] <= places) & (places <= windows[:, 2:]), axis=1)
    return LastLooks(
        hold=tuple(bool(each) for each in hold),
        units=tuple(f"{record.label}/{record.unit}" for record in records),
        area=float(np.prod(windows[:, 2:] - windows[:, :2], axis=1).mean()),
    )


def seen_at(pixel: np.ndarray, place: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Return where a pixel (x, y) of an image is in a view of it, (2,) in 0..1 of the view's width and height.

    Args:
        pixel: (2,), the middle of the first is 0.
        place: (2, 3), pixels (x, y, 1) of the view to pixels of the image (:class:`~rgbx.view.transform.Seen`).
        shape: (height, width) of the view in pixels.
    """
    return (np.linalg.solve(place[:, :2], pixel - place[:, 2]) + 0.5) / (shape[1], shape[0])


def _form_result(workshop: Workshop, name: str, measured: Sequence[_Measured]) -> FormResult:
    seed = workshop.benchmark.seed
    scores = scores_of(
        [row for each in measured for row in each.rows], workshop.benchmark.device_classes, len(measured), seed
    )
    right = scores.accuracy_by_unit
    looks = [each.looks for each in measured if each.looks is not None]
    stream = read_bundle_header(measured[0].model).streams["xray"]
    return FormResult(
        name=name,
        error=Estimate(value=1 - scores.accuracy, low=1 - right.high, high=1 - right.low),
        error_by_seed=tuple(1 - float(np.mean([row.right for row in each.rows])) for each in measured),
        pixels=stream.icam.iterations * int(np.prod(stream.input_shape)),
        speed=workshop.speed(measured[0].model, "xray"),
        training_minutes=float(np.mean([each.minutes for each in measured])),
        site_seen=_site_seen(looks, seed) if looks else None,
        by_chance=float(np.mean([each.area for each in looks])) if looks else None,
        images=scores.n,
        units=scores.units,
    )


def _site_seen(looks: Sequence[LastLooks], seed: int) -> Estimate:
    hits = np.array([hit for each in looks for hit in each.hold], float)
    return share_estimate(hits, [frozenset({unit}) for each in looks for unit in each.units], seed)


def revisions_markdown(result: RevisionsResult) -> str:
    """Return the figures as a Markdown page."""
    first, count = result.sizes[0].forms[0], len(result.settings.revisions)
    lines = [
        "# Board revisions: error against the size of what differs",
        "",
        f"Preset `{result.preset}`, {len(result.seeds)} seed{'s' * (len(result.seeds) > 1)}, {count} revisions, for "
        f"each d {first.images} test images of {first.units} units ({result.origin}). Guessing errs in "
        f"{1 - 1 / count:.3f}. Intervals: 95 %, bootstrap over units. *Pixels*: what the network sees of an image in "
        f"all looks. *Site seen*: share of last looks that hold the site; *by chance*: of windows as large. Times: a "
        f"device's radiograph, {show_cores(result.cores)}.",
        "",
        "| d, mm | | error | by seed | site seen | by chance | pixels | ms a device | training min |",
        "| --- |" + " --- |" * 8,
    ]
    for size in result.sizes:
        for form in size.forms:
            seeds = ", ".join(f"{each:.3f}" for each in form.error_by_seed)
            seen = show(form.site_seen) if form.site_seen is not None else ""
            chance = f"{form.by_chance:.3f}" if form.by_chance is not None else ""
            lines.append(
                f"| {size.size_mm:g} | {form.name} | {show(form.error)} | {seeds} | {seen} | {chance} "
                f"| {form.pixels} | {form.speed.inference_ms:.1f} | {form.training_minutes:.1f} |"
            )
    return "\n".join(lines) + "\n"


def revisions_figure(result: RevisionsResult) -> Figure:
    """Draw the error of each form against d, with its interval."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    plain(axes, grid="both")
    curves: Mapping[str, list[FormResult]] = {
        form.name: [size.forms[place] for size in result.sizes] for place, form in enumerate(result.sizes[0].forms)
    }
    sizes = [size.size_mm for size in result.sizes]
    colours = [INK, *SERIES]
    for place, (name, found) in enumerate(curves.items()):
        colour = colours[place % len(colours)]
        apart = 1.03 ** (place - (len(curves) - 1) / 2)  # so that intervals lie beside each other
        beside = [apart * size for size in sizes]
        axes.vlines(beside, [each.error.low for each in found], [each.error.high for each in found], color=colour)
        axes.plot(beside, [each.error.value for each in found], "o-", color=colour, markersize=5, label=name)
    chance = 1 - 1 / len(result.settings.revisions)
    axes.axhline(chance, color=ACCENT, linestyle=":", linewidth=1, label="guessing")
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [f"{size:g}" for size in sizes])
    axes.set_ylim(0, 1)
    axes.set_xlabel("d, size of what differs, mm", color=INK)
    axes.set_ylabel("error", color=INK)
    axes.set_title("Board revisions", fontsize=11, color=INK)
    axes.legend(fontsize=8, frameon=False)
    return figure

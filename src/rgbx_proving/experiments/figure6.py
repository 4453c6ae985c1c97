"""Fig. 6: where the X-ray stream looks on devices that look alike, beside what truly differs between them."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from rich.console import Console

from rgbx.config import Config
from rgbx.datasets.images import read_radiograph
from rgbx.evaluation.explain import Case, overlay
from rgbx.evaluation.faithfulness import MapScores, measure_maps
from rgbx.evaluation.figures import INK
from rgbx.evaluation.intervals import Estimate, cluster_bootstrap
from rgbx.evaluation.tables import show
from rgbx.inference import Predictor
from rgbx.models.bundle import versions
from rgbx.models.header import read_bundle_header
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet
from rgbx.view.transform import Transform, warp
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.reproduce import trained
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.tables import TABLES
from rgbx_proving.experiments.workshop import Workshop
from rgbx_proving.families.differences import inside_changes
from rgbx_proving.families.family import Family
from rgbx_proving.standin.machine import MachineConfig, RadiographDraw, XrayMachine
from rgbx_proving.units.simulated import parts_of
from rgbx_render.devices.library import Library

STREAM = next(row for row in TABLES["table5"].rows if row.channel == "xray")
"""Whose heat maps are drawn."""
SHARE = 0.25
"""Of the device's area: the part that differs most."""
MEASURED_PER_CLASS = 8
"""Radiographs for deletion and insertion, which take 34 passes each."""
_SHOWN = ("SP2", "SP3")
"""The paper's pair, of SP10: first in its picture."""
_OUTLINE = (255, 255, 255)


class LookAlikes(Config):
    """Two neighbouring generations, and how often the heat map's maximum lies where they differ most."""

    first: str
    second: str
    differs: tuple[str, ...]
    """What X-rays see differ, by the designs."""
    images: int
    on_difference: Estimate
    """Share of maxima that lie on the quarter of the device's area that differs most; 0.25 by chance."""


class Figure6(Config):
    """What ``figure6.json`` holds."""

    preset: Literal["small", "paper"]
    pairs: tuple[LookAlikes, ...]
    on_difference: Estimate
    """Over all pairs."""
    faithfulness: MapScores
    origin: str
    benchmark: Benchmark
    versions: dict[str, str]


class _Look(NamedTuple):
    """One radiograph of a pair."""

    unit: str
    path: Path
    cam: np.ndarray
    difference: np.ndarray
    """(S, S) bool over the prepared image: what differs most."""
    hit: bool


def reproduce_figure6(
    out: Path,
    benchmark: Benchmark,
    preset: Literal["small", "paper"],
    console: Console,
    workers: int | None = None,
) -> Figure6:
    """Measure and draw Fig. 6 into ``out/figure6.json``, ``.md`` and ``.png``, with Table V's X-ray stream.

    Each radiograph of each class is compared with both neighbouring generations: both designs, as drawn, are put where
    the unit lay, and what their attenuation differs in most, a quarter of the device, is what a look should fall on.

    Args:
        out: folder of results and of all that is made for them, shared with the tables.
        benchmark: sizes and settings.
        preset: what the benchmark is based on, for the record.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
    """
    workshop = Workshop(out, benchmark, console, workers)
    (model,) = trained(workshop, STREAM, seed=0)
    samples, worn = workshop.line_set("test", "xray"), workshop.test_units()
    predictor = Predictor.load(model)
    transform = Transform("xray", read_bundle_header(model).streams["xray"].transform)
    machine = XrayMachine(MachineConfig.model_validate(samples.header.config["machine"]))
    family = benchmark.devices
    pairs = [pair for pair in itertools.pairwise(benchmark.device_classes) if inside_changes(family, *pair)]
    encoded = predictor.encode("xray", [samples.path(record) for record in samples], explain=True)
    cams = {record.file_name: each.views[0].cam for record, each in zip(samples, encoded, strict=True)}
    looks = {pair: _looks(family, pair, samples, cams, worn, transform, machine) for pair in pairs}
    result = Figure6(
        preset=preset,
        pairs=tuple(
            LookAlikes(
                first=first,
                second=second,
                differs=inside_changes(family, first, second),
                images=len(looks[first, second]),
                on_difference=_share(looks[first, second], benchmark.seed),
            )
            for first, second in pairs
        ),
        on_difference=_share([look for each in looks.values() for look in each], benchmark.seed),
        faithfulness=measure_maps(predictor, _cases(samples), benchmark.seed)["xray"],
        origin=samples.header.origin,
        benchmark=benchmark,
        versions=versions(),
    )
    write_result(out, "figure6", result, figure6_markdown(result), figure6(result, looks, predictor))
    return result


def _looks(
    family: Family,
    pair: tuple[str, str],
    samples: SampleSet,
    cams: Mapping[str, np.ndarray],
    worn: Library,
    transform: Transform,
    machine: XrayMachine,
) -> list[_Look]:
    """Return where the stream looks on each radiograph of both classes, and what differs there."""
    designs = [family.nominal_unit(name) for name in pair]
    records = [record for record in samples if record.label in pair]
    looks = []
    for record in track(records, f"{pair[0]} and {pair[1]}", total=len(records)):
        path, cam = samples.path(record), cams[record.file_name]
        place = transform.see(read_radiograph(path)).place
        unit = parts_of(worn.unit(record.label, record.unit))
        draw = RadiographDraw.model_validate(record.draw)
        first, second = (
            warp(
                machine.attenuation(design, draw, laid_as=unit).astype(np.float32), place, transform.config.source_shape
            )
            for design in designs
        )
        difference = most_different(first, second)
        looks.append(_Look(record.unit, path, cam, difference, _hits(cam, difference)))
    return looks


def most_different(first: np.ndarray, second: np.ndarray, share: float = SHARE) -> np.ndarray:
    """Return where two radiographs differ most, as a ``share`` of the area of what stands in the beam.

    Args:
        first, second: (S, S) attenuation, 0 where the beam passes by.
        share: of that area.
    """
    device = np.maximum(first, second) > 1e-3
    difference = np.where(device, np.abs(first - second), -1.0)
    count = round(share * int(device.sum()))
    places = np.argsort(-difference, axis=None, kind="stable")[:count]
    chosen = np.zeros(first.size, bool)
    chosen[places] = True
    return chosen.reshape(first.shape)


def _hits(cam: np.ndarray, difference: np.ndarray) -> bool:
    """Return whether a map's maximum, stretched over the image, lies on the difference."""
    heat = cv2.resize(cam.astype(np.float32), difference.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return bool(difference.flat[int(heat.argmax())])


def _share(looks: Sequence[_Look], seed: int) -> Estimate:
    hits = np.array([look.hit for look in looks], float)

    def mean(weights: np.ndarray) -> np.ndarray:
        return (weights @ hits / weights.sum(axis=-1))[:, None]

    low, high = cluster_bootstrap([frozenset({look.unit}) for look in looks], mean, seed)[:, 0]
    return Estimate(value=float(hits.mean()), low=float(low), high=float(high))


def _cases(samples: SampleSet) -> list[Case]:
    chosen: list[SampleRecord] = []
    for label in samples.header.classes:
        chosen += [record for record in samples if record.label == label][:MEASURED_PER_CLASS]
    return [Case(record.file_name, xray=samples.path(record), truth=record.label) for record in chosen]


def figure6_markdown(result: Figure6) -> str:
    """Return the figures as a Markdown page."""
    maps = result.faithfulness
    lines = [
        "# Fig. 6: where the X-ray stream looks on devices that look alike",
        "",
        f"Preset `{result.preset}`, {result.benchmark.devices.title}, {result.origin}. "
        "Share of heat maps whose maximum lies on the quarter of the device's area in which both designs differ most, "
        "put where the unit lay (by chance: 0.25). Intervals: 95 %, bootstrap over units.",
        "",
        "| pair | what X-rays see differ | images | maximum on it |",
        "| --- | --- | --- | --- |",
        *(
            f"| {pair.first}, {pair.second} | {', '.join(pair.differs)} | {pair.images} | {show(pair.on_difference)} |"
            for pair in result.pairs
        ),
        f"| all | | {sum(pair.images for pair in result.pairs)} | {show(result.on_difference)} |",
        "",
        f"Whether answers rest on what the maps show, {maps.images} radiographs: deletion {show(maps.deletion)}, for a "
        f"map of the image's middle {show(maps.centre_deletion)} (lower is better); insertion {show(maps.insertion)}, "
        f"{show(maps.centre_insertion)} (higher is better).",
    ]
    return "\n".join(lines) + "\n"


def figure6(
    result: Figure6, looks: Mapping[tuple[str, str], Sequence[_Look]], predictor: Predictor, rows: int = 4
) -> Figure:
    """Draw a radiograph of each class of a pair, its heat map and what differs, the paper's pair first."""
    pairs = sorted(result.pairs, key=lambda pair: (pair.first, pair.second) != _SHOWN)[:rows]
    figure = Figure(figsize=(11.0, 2.3 * len(pairs) + 0.5), layout="constrained")
    panels = figure.subplots(len(pairs), 5, squeeze=False, width_ratios=[1, 1, 1, 1, 1.3])
    for line, pair in zip(panels, pairs, strict=True):
        each = looks[pair.first, pair.second]
        for column, name in enumerate((pair.first, pair.second)):
            look = next(look for look in each if look.unit.startswith(f"{name}-"))
            _draw(line[2 * column : 2 * column + 2], look, predictor.prepare("xray", look.path), name)
        _list_differences(line[4], pair)
    figure.suptitle(
        "Radiographs, and heat maps with the quarter of the device outlined that differs most", fontsize=11, color=INK
    )
    return figure


def _draw(panels: Sequence[Axes], look: _Look, prepared: np.ndarray, name: str) -> None:
    grey = np.repeat((prepared / 257).astype(np.uint8)[..., None], 3, axis=2)
    heat = (255 * overlay(grey, look.cam)).astype(np.uint8)
    mask = cv2.resize(look.difference.astype(np.uint8), grey.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outlined = cv2.drawContours(np.ascontiguousarray(heat), contours, -1, _OUTLINE, 1)
    for panel, image in zip(panels, (grey, outlined), strict=True):
        panel.imshow(image)
        panel.set_axis_off()
    panels[0].set_title(look.unit, fontsize=9, color=INK)
    panels[1].set_title(f"{name}: {'on' if look.hit else 'beside'} a difference", fontsize=9, color=INK)


def _list_differences(panel: Axes, pair: LookAlikes) -> None:
    panel.set_axis_off()
    text = "\n".join((f"{pair.first} and {pair.second} differ in", *(f"  {each}" for each in pair.differs)))
    panel.text(0, 1, text, va="top", fontsize=8, color=INK, transform=panel.transAxes)

"""How well devices are found in photographs: the localiser on the line, where the line gives it no fair chance, and on
devices of kinds that it was not trained on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure
from rich.console import Console

from rgbx.config import Config
from rgbx.datasets.images import read_photograph
from rgbx.errors import InputError
from rgbx.evaluation.figures import ACCENT, INK
from rgbx.evaluation.intervals import Estimate, wilson
from rgbx.evaluation.tables import show
from rgbx.files import digest
from rgbx.geometry import rotation_matrix
from rgbx.models.bundle import versions
from rgbx.models.localiser import in_torch
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet, generator
from rgbx.training.localiser_stage import read_localiser
from rgbx.training.view_stage import LEAST_ASPECT
from rgbx.view.find import DeviceRectangle, Localise, rectangle_round
from rgbx.view.transform import find_in_photograph
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.results import write_result
from rgbx_proving.experiments.workshop import Workshop
from rgbx_proving.standin.conveyor import ConveyorConfig, ConveyorDraw, Studio
from rgbx_proving.standin.conveyor_camera import Crop
from rgbx_proving.units.kinds import DEVICE_KINDS, make_kind
from rgbx_proving.units.parts import PartList
from rgbx_proving.units.simulated import parts_of
from rgbx_render.devices.library import Library

Situation = Literal["as it comes", "cut by the border", "a hand on it", "two devices", "no device"]
CUT = 0.25
"""Of the device, along the side that is cut."""
STAGED_PER_CLASS = 10
"""Photographs of each class that are cut, covered, put beside another, and taken of the empty belt."""
OF_EACH_KIND = 30
"""Photographs of one device of each other kind, worn in another way in each."""
GOOD = 0.8
"""Intersection over union from which a device counts as well found."""
_SKIN = ((120, 84, 66), (224, 172, 142))


class FoundDevices(Config):
    """What was found of devices in one situation."""

    situation: str
    """A :data:`Situation`, or a kind of device as :data:`~rgbx_proving.units.kinds.DEVICE_KINDS` names it."""
    images: int
    found: Estimate
    """Share of photographs in which some device was found: wrongly where there is none."""
    overlap: float | None
    """Median intersection over union of the rectangle with the true one; None where there is no true one."""
    well: Estimate | None
    """Share with an intersection over union of at least 0.8."""
    turned: float | None
    """Median angle between both long sides, degrees; None where devices are about as long as wide."""
    turned_most: float | None
    """Its 95th percentile."""


class LocaliserResult(Config):
    """What ``localiser.json`` holds."""

    preset: Literal["small", "paper"]
    situations: tuple[FoundDevices, ...]
    other_kinds: tuple[FoundDevices, ...] = ()
    """Of one device of each kind; not in results of earlier versions."""
    origin: str
    benchmark: Benchmark
    versions: dict[str, str]


class _Case(NamedTuple):
    """A photograph and the corners of what there is to find in it."""

    photograph: np.ndarray
    outline: np.ndarray | None
    """(N, 2), pixels x and y."""


def reproduce_localiser(
    out: Path,
    benchmark: Benchmark,
    preset: Literal["small", "paper"],
    console: Console,
    workers: int | None = None,
) -> LocaliserResult:
    """Measure the localiser of a benchmark's RGB stream into ``out/localiser.json``, ``.md`` and ``.png``.

    It is trained on photographs of the scanned units, and tested on the line's of others.

    Args:
        out: folder of results and of all that is made for them, shared with the tables.
        benchmark: sizes and settings.
        preset: what the benchmark is based on, for the record.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.

    Raises:
        InputError: the benchmark's stream sees photographs whole, so it has none.
    """
    workshop = Workshop(out, benchmark, console, workers)
    photographs = workshop.photographs(benchmark.rgb, benchmark.photographs_per_class)
    folder = workshop.localiser(benchmark.rgb_training, [photographs])
    localiser = None if folder is None else read_localiser(folder)
    if localiser is None:
        raise InputError(out, "trains no localiser", "let rgb_training.stream.transform.view be upright")
    samples, worn = workshop.line_set("test", "rgb"), workshop.test_units()
    studio = Studio()
    try:
        shown = _staged(samples, worn, studio)
        line = benchmark.line.rgb.updated({"size": benchmark.test_image_size})
        kinds = {name: _of_kind(make_kind(name), line, studio, benchmark.seed) for name in DEVICE_KINDS}
    finally:
        studio.close()
    localise = in_torch(localiser)
    result = LocaliserResult(
        preset=preset,
        situations=tuple(measure_situation(name, each, localise) for name, each in shown.items()),
        other_kinds=tuple(measure_situation(name, each, localise) for name, each in kinds.items()),
        origin=samples.header.origin,
        benchmark=benchmark,
        versions=versions(),
    )
    write_result(out, "localiser", result, localiser_markdown(result), _figure(shown | kinds, localise))
    return result


def _staged(samples: SampleSet, worn: Library, studio: Studio) -> dict[str, list[_Case]]:
    """Return the photographs of a line as they came, and some of them made hard, by situation."""

    def taken(record: SampleRecord) -> _Case:
        hull = studio.mesh(parts_of(worn.unit(record.label, record.unit))).hull
        draw = ConveyorDraw.model_validate(record.draw)
        return _Case(read_photograph(samples.path(record)), outline_on_line(draw, hull))

    def belt_alone(record: SampleRecord) -> _Case:
        draw = ConveyorDraw.model_validate(record.draw)
        parts = parts_of(worn.unit(record.label, record.unit))
        return _Case(studio.photograph(parts, draw.updated({"crop": _beside(draw)})), None)

    chosen = [record for name in samples.header.classes for record in _first(list(samples), name)]
    cases = {record.file_name: taken(record) for record in samples}
    stages: dict[Situation, Callable[[int, SampleRecord], _Case]] = {
        "cut by the border": lambda place, record: cut(cases[record.file_name], generator(place)),
        "a hand on it": lambda place, record: held(cases[record.file_name], generator(place)),
        "two devices": lambda place, record: side_by_side(cases[record.file_name], cases[chosen[place - 1].file_name]),
        "no device": lambda _, record: belt_alone(record),
    }
    shown: dict[str, list[_Case]] = {"as it comes": list(cases.values())}
    for situation, stage in stages.items():
        places = track(enumerate(chosen), situation, total=len(chosen))
        shown[situation] = [stage(place, record) for place, record in places]
    return shown


def _of_kind(parts: PartList, line: ConveyorConfig, studio: Studio, seed: int) -> list[_Case]:
    """Return photographs of a device that comes down the line again and again, worn in another way each time."""
    hull = studio.mesh(parts).hull
    cases = []
    for place in track(range(OF_EACH_KIND), parts.device_class, total=OF_EACH_KIND):
        worn, view = (generator(int(digest(parts.device_class, str(seed), of), 16), place) for of in ("unit", "view"))
        draw = studio.draw(parts, line, worn, view)
        cases.append(_Case(studio.photograph(parts, draw), outline_on_line(draw, hull)))
    return cases


def outline_on_line(draw: ConveyorDraw, hull: np.ndarray) -> np.ndarray:
    """Return the (N, 2) corners, in pixels of a photograph of the line, of a unit's outline.

    Args:
        draw: of the photograph.
        hull: (M, 3) corners of the unit's hull, mm.
    """
    on_sensor = draw.camera.project(hull @ rotation_matrix(draw.rotation).T + draw.position)
    in_crop = (on_sensor - draw.crop.centre) / draw.crop.side + 0.5
    return cv2.convexHull((in_crop * draw.size - 0.5).astype(np.float32))[:, 0]


def measure_situation(situation: str, cases: Sequence[_Case], localise: Localise) -> FoundDevices:
    """Return how well the devices of some photographs are found."""
    found = [find_in_photograph(case.photograph, localise) for case in cases]
    pairs = [
        (rectangle, rectangle_round(case.outline.astype(np.float32)))
        for rectangle, case in zip(found, cases, strict=True)
        if rectangle is not None and case.outline is not None
    ]
    overlaps = np.array([overlap(*pair) for pair in pairs])
    turns = np.array(
        [abs((first.turn - second.turn + 90) % 180 - 90) for first, second in pairs if _has_long_side(second)]
    )
    has_truth = bool(pairs)
    return FoundDevices(
        situation=situation,
        images=len(cases),
        found=_share(np.array([each is not None for each in found])),
        overlap=float(np.median(overlaps)) if has_truth else None,
        well=_share(overlaps >= GOOD) if has_truth else None,
        turned=float(np.median(turns)) if len(turns) else None,
        turned_most=float(np.percentile(turns, 95)) if len(turns) else None,
    )


def _has_long_side(rectangle: DeviceRectangle) -> bool:
    long, short = max(rectangle.width, rectangle.height), min(rectangle.width, rectangle.height)
    return long >= LEAST_ASPECT * short


def overlap(first: DeviceRectangle, second: DeviceRectangle) -> float:
    """Return the intersection of two rectangles over their union."""
    one, other = (((each.x, each.y), (each.width, each.height), each.turn) for each in (first, second))
    corners = cv2.rotatedRectangleIntersection(one, other)[1]
    shared = 0.0 if corners is None else cv2.contourArea(cv2.convexHull(corners))
    return shared / (first.width * first.height + second.width * second.height - shared)


def cut(case: _Case, rng: np.random.Generator) -> _Case:
    """Return a photograph that ends where a quarter of the device is still to come; the rest of it is to be found."""
    assert case.outline is not None
    photograph, outline = np.rot90(case.photograph, turns := int(rng.integers(4))), case.outline
    size = len(photograph)
    for _ in range(turns):
        outline = np.column_stack([outline[:, 1], size - 1 - outline[:, 0]])
    top, bottom = outline[:, 1].min(), outline[:, 1].max()
    end = round(bottom - CUT * (bottom - top))
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline).astype(np.int32)], 1)
    (left,), _ = cv2.findContours(mask[:end], cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return _Case(np.ascontiguousarray(photograph[:end]), left[:, 0].astype(np.float32))


def held(case: _Case, rng: np.random.Generator) -> _Case:
    """Return a photograph of a device with four fingers on it, drawn; all of the device is to be found."""
    assert case.outline is not None
    photograph = case.photograph.copy()
    size = len(photograph)
    middle = case.outline.mean(axis=0)
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width = 0.075 * size
    dark, light = (np.array(each, float) for each in _SKIN)
    for finger in range(4):
        tip = middle + across * (finger - 1.5) * 1.15 * width + along * rng.uniform(0.05, 0.15) * size
        for shade in np.linspace(0, 1, 6):  # rounder towards the middle
            colour = dark + shade * (light - dark)
            thick = max(1, round(width * (1 - 0.7 * shade)))
            start, end = (np.rint(each).astype(int).tolist() for each in (tip, tip + along * size))
            cv2.line(photograph, start, end, colour.tolist(), thick, cv2.LINE_AA)
    return _Case(photograph, case.outline)


def side_by_side(first: _Case, second: _Case) -> _Case:
    """Return two photographs as one; both devices together are to be found."""
    assert first.outline is not None and second.outline is not None
    photograph = np.concatenate([first.photograph, second.photograph], axis=1)
    moved = second.outline + np.array([first.photograph.shape[1], 0])
    return _Case(photograph, np.concatenate([first.outline, moved]))


def localiser_markdown(result: LocaliserResult) -> str:
    """Return the figures as a Markdown page."""
    lines = [
        "# How well devices are found in photographs",
        "",
        f"Preset `{result.preset}`, {result.benchmark.devices.title}, {result.origin}. Intervals: 95 %, Wilson.",
        "",
        *_table("situation", result.situations),
    ]
    if result.other_kinds:
        lines += [
            "",
            "Devices of other kinds, one of each, which the localiser was not trained on unless the family is of them:",
            "",
            *_table("kind", result.other_kinds),
        ]
    lines += [
        "",
        "Overlap: intersection over union of the rectangle that was found and the true one. Of a device that is cut, "
        "the true one is that of the rest; of two devices, the one round both; of one in a hand, the whole device's.",
    ]
    return "\n".join(lines) + "\n"


def _table(heading: str, rows: Sequence[FoundDevices]) -> list[str]:
    lines = [
        f"| {heading} | photographs | found | median overlap | overlap ≥ 0.8 | median angle off | 95 % below |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in rows:
        cells = (
            f"{each.situation} | {each.images} | {show(each.found)} | {_number(each.overlap, '')} | "
            f"{'' if each.well is None else show(each.well)} | {_number(each.turned, '°')} | "
            f"{_number(each.turned_most, '°')}"
        )
        lines.append(f"| {cells} |")
    return lines


def _first(records: Sequence[SampleRecord], name: str) -> list[SampleRecord]:
    return [record for record in records if record.label == name][:STAGED_PER_CLASS]


def _beside(draw: ConveyorDraw) -> Crop:
    """Return a crop of the belt as large as a photograph's, in the corner that is farthest from the unit."""
    camera, side = draw.camera, draw.crop.side
    x, y = draw.crop.centre
    half = side / 2
    return Crop(
        centre=(
            half if x > camera.width / 2 else camera.width - half,
            half if y > camera.height / 2 else camera.height - half,
        ),
        side=side,
    )


def _share(hits: np.ndarray) -> Estimate:
    share = float(np.mean(hits))
    interval = wilson(share, len(hits))
    return Estimate(value=share, low=interval.low, high=interval.high)


def _number(value: float | None, unit: str) -> str:
    return "" if value is None else f"{value:.2f}{unit}" if not unit else f"{value:.1f}{unit}"


def _figure(shown: Mapping[str, list[_Case]], localise: Localise, columns: int = 6) -> Figure:
    """Draw some photographs of each situation with the rectangle that was found."""
    figure = Figure(figsize=(1.8 * columns, 2.0 * len(shown)), layout="constrained")
    for line, (situation, cases) in zip(
        figure.subplots(len(shown), columns, squeeze=False), shown.items(), strict=True
    ):
        chosen = cases[:: max(len(cases) // columns, 1)]
        for panel, case in zip(line, chosen, strict=False):
            panel.imshow(case.photograph)
            found = find_in_photograph(case.photograph, localise)
            if found is not None:
                corners = cv2.boxPoints(((found.x, found.y), found[2:4], found.turn))
                panel.plot(*np.vstack([corners, corners[:1]]).T, color=ACCENT, linewidth=1.5)
            panel.set_title("" if panel is not line[0] else situation, fontsize=9, color=INK, loc="left")
        for panel in line:
            panel.set_axis_off()
    return figure

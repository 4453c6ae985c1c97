"""The report: one HTML file that holds everything, needs no network and prints well."""

import base64
import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import jinja2
import numpy as np
import yaml
from pydantic import Field

from rgbx.config import Config
from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.errors import InputError
from rgbx.evaluation.figures import confusion_figure, curve_figure, svg_uri
from rgbx.evaluation.results import Evaluation, Scores
from rgbx.evaluation.tables import confusion_title, pairing_sentences, show, show_p
from rgbx.files import write_text
from rgbx.modality import TITLES, Modality
from rgbx.pictures import read_picture
from rgbx.samples import SampleSet

STAND_IN_NOTICE = (
    "The test images come from simulated stand-ins for a real line: a simulated X-ray machine and a simulated conveyor "
    "camera, looking at units that were never scanned for training. They take no parameter from the renderers of the "
    "training images, but they are not photographs and radiographs of real devices."
)

_THUMBNAIL = 132
_HEAT_MAP_WIDTH = 1600
_MOST_CLASSES = 12  # columns of the sample grids; more would shrink the images to stamps


class ReportContents(Config):
    """What a report is made of; what is left empty is left out of it."""

    title: str = "RGB-X report"
    created: str = ""
    """When, or of which run, in words."""
    notice: str = STAND_IN_NOTICE
    """Stands under the headline. Give ``""`` where the test images are real."""
    evaluation: Evaluation
    training_sets: dict[Modality, Path] = Field(default_factory=dict)
    """Folders of the sets trained on."""
    test_sets: dict[Modality, Path] = Field(default_factory=dict)
    """Folders of the sets tested on."""
    samples_per_class: int = 3
    """Images of each set to show for each class."""
    heat_maps: tuple[Path, ...] = ()
    """Figures of :func:`rgbx.evaluation.explain.explain_cases`."""
    training_runs: dict[str, Path] = Field(default_factory=dict)
    """Heading → folder of a training run (its ``metrics.csv`` is drawn)."""
    seconds: dict[str, float] = Field(default_factory=dict)
    """Stage → seconds it took, in order."""
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Heading → settings, shown as YAML."""
    versions: dict[str, str] = Field(default_factory=dict)
    seeds: dict[str, int] = Field(default_factory=dict)
    reproduce: tuple[str, ...] = ()
    """Commands that make all of this again."""
    classify: str = ""
    """The command that classifies one's own pair of images."""


def write_report(path: Path, contents: ReportContents) -> None:
    """Write the report as one HTML file with all images in it.

    Raises:
        InputError: a set, figure or training run that ``contents`` names cannot be read.
        RgbxError: the disk is full or the folder cannot be written.
    """
    evaluation = contents.evaluation
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("rgbx.evaluation"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"show": show, "p": show_p, "duration": _duration}
    axis = _axis(evaluation.scores.values())
    page = environment.get_template("report.html.j2").render(
        contents=contents,
        evaluation=evaluation,
        titles=TITLES,
        axis_start=axis,
        place=lambda value: round(100 * (value - axis) / (1 - axis), 2),
        pairing_sentences=pairing_sentences(evaluation.pairings) if evaluation.pairings else [],
        grids=_sample_grids(contents),
        confusions=[
            svg_uri(confusion_figure(np.array(scores.confusion), evaluation.classes, confusion_title(evaluation, name)))
            for name, scores in evaluation.scores.items()
        ],
        heat_maps=[{"name": figure.stem, "uri": _figure_uri(figure)} for figure in contents.heat_maps],
        curves=[_curve_uri(title, run) for title, run in contents.training_runs.items()],
        settings={title: yaml.safe_dump(values, sort_keys=False) for title, values in contents.settings.items()},
    )
    write_text(path, page)


def _axis(scores: Iterable[Scores]) -> float:
    """Return where the accuracy axis starts: a round tenth below every interval."""
    lowest = min(min(each.low, each.accuracy_by_unit.low) for each in scores)
    return float(min(0.9, max(0.0, np.floor(lowest * 10 - 1e-9) / 10)))


def _sample_grids(contents: ReportContents) -> list[dict[str, Any]]:
    """Training and test images of each modality, the same class in the same column."""
    classes = contents.evaluation.classes[:_MOST_CLASSES]
    grids = []
    for modality in ("rgb", "xray"):
        rows = []
        for kind, sets in (("training", contents.training_sets), ("test", contents.test_sets)):
            if modality in sets:
                samples = SampleSet.open(sets[modality])
                columns = [_thumbnails(samples, name, contents.samples_per_class) for name in classes]
                rows.append({"kind": kind, "origin": samples.header.origin, "columns": columns, "count": len(samples)})
        if rows:
            grids.append({"title": TITLES[modality], "classes": classes, "rows": rows})
    return grids


def _thumbnails(samples: SampleSet, label: str, count: int) -> list[dict[str, str]]:
    """The first ``count`` images of a class, of as many units as there are."""
    own = [record for record in samples if record.label == label]
    seen: dict[str, int] = {}
    views = []
    for record in own:
        views.append(seen.get(record.unit, 0))
        seen[record.unit] = views[-1] + 1
    first_views_first = [record for _, record in sorted(zip(views, own, strict=True), key=lambda pair: pair[0])]
    return [
        {"unit": record.unit, "uri": _thumbnail_uri(samples.path(record), samples.header.modality)}
        for record in first_views_first[:count]
    ]


def _thumbnail_uri(path: Path, modality: Modality) -> str:
    if modality == "xray":
        pixels = np.rint(read_radiograph(path) * 255).astype(np.uint8)
    else:
        pixels = read_photograph(path)[..., ::-1]
    return _jpeg_uri(_reduced(pixels, _THUMBNAIL * 2 if pixels.shape[0] >= _THUMBNAIL * 2 else _THUMBNAIL), quality=80)


def _figure_uri(path: Path) -> str:
    pixels = read_picture(path, cv2.IMREAD_COLOR)
    if pixels is None:
        raise InputError(path, "is no figure that can be read", "write it again with 'rgbx explain'")
    return _jpeg_uri(_reduced(pixels, _HEAT_MAP_WIDTH), quality=88)


def _reduced(pixels: np.ndarray, longest: int) -> np.ndarray:
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


def _jpeg_uri(pixels: np.ndarray, quality: int) -> str:
    _, content = cv2.imencode(".jpg", np.ascontiguousarray(pixels), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(content.tobytes()).decode()


def _curve_uri(title: str, run: Path) -> str:
    path = run / "metrics.csv"
    if not path.exists():
        raise InputError(path, "does not exist", "give the folder of a finished training run")
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return svg_uri(curve_figure(title, _series(rows)))


def _series(rows: Sequence[Mapping[str, str]]) -> dict[str, tuple[list[float], list[float]]]:
    """Return each column of losses or accuracies as (epochs, values), without epochs it was not measured in."""
    names = [name for name in (rows[0] if rows else ()) if "loss" in name or "accuracy" in name]
    series = {}
    for name in names:
        points = [(float(row["epoch"]), float(row[name])) for row in rows if row[name]]
        series[name.replace("_", " ")] = ([epoch for epoch, _ in points], [value for _, value in points])
    return series


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"

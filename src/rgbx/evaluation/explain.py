"""What the network looked at: the heat map, the window and the crop of every iteration, for both streams."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle

from rgbx.errors import InputError, RgbxError
from rgbx.evaluation.figures import ACCENT, FAINT, INK, write_figure
from rgbx.modality import TITLES, Modality
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet, generator

if TYPE_CHECKING:
    from rgbx.inference import Encoded, Prediction, Predictor, View
    from rgbx.trust.decision import AnomalyMap

COLOUR_MAP = "inferno"  # perceptually uniform: equal steps of the map look equal
WINDOW_COLOURS = ("#00a5cf", "#e0529c", "#7fb800", "#f5b700")
_RIGHT, _WRONG = "#1a7f37", "#c62828"
_MOST_BARS = 12


@dataclass(frozen=True)
class Case:
    """One device to explain."""

    name: str
    """Names the figure's file."""
    rgb: Path | None = None
    xray: Path | None = None
    truth: str | None = None
    """Its class where known; the figure then says whether the answer is right."""


def explain_cases(predictor: "Predictor", cases: Sequence[Case], out: Path) -> list[Path]:
    """Write ``NAME.png`` for each case into ``out``: what each iteration of each stream looked at.

    Returns:
        The figures' paths, in the order of ``cases``.

    Raises:
        RgbxError: an image cannot be read, or the bundle has no stream for it.
    """
    paths = []
    for case in track(cases, "drawing heat maps", total=len(cases)):
        prediction = predictor.predict(rgb=case.rgb, xray=case.xray, explain=True)
        path = out / f"{case.name}.png"
        write_figure(path, explanation_figure(prediction, case.truth, case.name))
        paths.append(path)
    return paths


def cases_of_sets(rgb: SampleSet | None, xray: SampleSet | None, per_class: int, seed: int = 0) -> list[Case]:
    """Choose ``per_class`` devices of each class, at random by ``seed``.

    A photograph is shown with a radiograph of the same unit where there is one, else of its class.

    Raises:
        RgbxError: neither set was given.
        InputError: a class was photographed but never X-rayed.
    """
    leading = rgb or xray
    if leading is None:
        raise RgbxError("There is nothing to explain: give --rgb-set SET, --xray-set SET or both.")
    rng = generator(seed)
    chosen: list[SampleRecord] = []
    for label in leading.header.classes:
        own = [record for record in leading if record.label == label]
        chosen += [own[place] for place in rng.permutation(len(own))[:per_class]]
    cases = []
    for number, record in enumerate(chosen):
        files = {leading.header.modality: leading.path(record)}
        if rgb is not None and xray is not None:
            files["xray"] = xray.path(_partner(record, xray, rng))
        cases.append(Case(f"{number:03d}-{record.unit}", files.get("rgb"), files.get("xray"), record.label))
    return cases


def explanation_figure(prediction: "Prediction", truth: str | None = None, name: str = "") -> Figure:
    """Draw one device: a row for each stream, its input with the windows, each iteration's heat map and crop, where a
    radiograph differs from known ones if the bundle was calibrated to tell, and the probabilities.

    Args:
        prediction: made with ``explain=True``.
        truth: its class where known.
        name: what it is called, for the title.
    """
    streams = prediction.streams
    iterations = max(len(encoded.views) for encoded in streams.values())
    maps = 2 * iterations  # input, then a heat map each and a crop each but for the last
    columns = maps + any(encoded.anomaly_map for encoded in streams.values())
    classes = list(prediction.probabilities)
    spacing = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, wspace=0.02, hspace=0.03)
    figure = Figure(figsize=(1.75 * columns + 2.9, 1.85 * len(streams) + 0.75), layout=spacing)
    grid = GridSpec(len(streams), columns + 1, figure, width_ratios=[1] * columns + [1.45])
    for row, (modality, encoded) in enumerate(streams.items()):
        panels = [figure.add_subplot(grid[row, column]) for column in range(maps)]
        _draw_stream(panels, encoded.views, with_titles=row == 0)
        if encoded.anomaly_map is not None:
            _draw_anomalies(figure.add_subplot(grid[row, maps]), encoded.views[0], encoded.anomaly_map)
        label = _stream_label(modality, encoded, classes) if len(streams) > 1 else TITLES[modality]
        panels[0].set_ylabel(label, fontsize=9.5, color=INK)
    _draw_bars(figure.add_subplot(grid[:, columns]), prediction, truth)
    _write_title(figure, prediction, truth, name)
    return figure


def overlay(image: np.ndarray, cam: np.ndarray, strength: float = 0.75) -> np.ndarray:
    """Lay a heat map over what the network saw; the hotter, the less of the image shows through.

    Args:
        image: (H, W, 3) uint8.
        cam: (h, w) in 0..1, stretched bilinearly over the image.
        strength: opacity at 1.

    Returns:
        (H, W, 3) float in 0..1.
    """
    height, width = image.shape[:2]
    heat = np.clip(cv2.resize(cam.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    # Only a quarter of the image's own opacity is lost where the map is cold, so that the device stays visible.
    opacity = (strength * (0.25 + 0.75 * heat))[..., None]
    colours = matplotlib.colormaps[COLOUR_MAP](heat)[..., :3]
    return (1 - opacity) * image / 255 + opacity * colours


def _draw_stream(panels: Sequence[Axes], views: Sequence["View"], with_titles: bool) -> None:
    for panel in panels:
        _bare(panel)
    panels[0].imshow(views[0].crop)
    for number, view in enumerate(views[1:]):
        _draw_window(panels[0], view, views[0], number)
    titles = ["input"]
    for number, view in enumerate(views):
        heat = panels[1 + 2 * number]
        heat.imshow(overlay(view.crop, view.cam))
        titles.append(f"CAM {number + 1}")
        if number + 1 < len(views):
            following = views[number + 1]
            _draw_window(heat, following, view, number)
            crop = panels[2 + 2 * number]
            crop.imshow(following.crop)
            crop.spines[:].set(visible=True, color=WINDOW_COLOURS[number % len(WINDOW_COLOURS)], linewidth=2.5)
            titles.append(f"crop {number + 1}")
    if with_titles:
        for panel, title in zip(panels, titles, strict=False):
            panel.set_title(title, fontsize=9.5, color=INK)


def _draw_anomalies(panel: Axes, whole: "View", anomalies: "AnomalyMap") -> None:
    _bare(panel)
    panel.imshow(overlay(whole.crop, anomalies.values))
    panel.set_title(f"anomaly map, next to {anomalies.label}", fontsize=9.5, color=INK)


def _bare(panel: Axes) -> None:
    panel.set_xticks([])
    panel.set_yticks([])
    panel.spines[:].set_visible(False)


def _draw_window(panel: Axes, view: "View", shown: "View", number: int) -> None:
    """Outline ``view``'s window on a panel that shows ``shown``'s."""
    height, width = shown.crop.shape[:2]
    left, top, right, bottom = shown.window
    scale_x, scale_y = width / (right - left), height / (bottom - top)
    corner = ((view.window[0] - left) * scale_x - 0.5, (view.window[1] - top) * scale_y - 0.5)
    size = ((view.window[2] - view.window[0]) * scale_x, (view.window[3] - view.window[1]) * scale_y)
    colour = WINDOW_COLOURS[number % len(WINDOW_COLOURS)]
    for line_width, line_colour in ((3.2, "white"), (1.8, colour)):  # the white rim keeps it visible on any image
        panel.add_patch(Rectangle(corner, *size, fill=False, linewidth=line_width, edgecolor=line_colour))


def _draw_bars(axes: Axes, prediction: "Prediction", truth: str | None) -> None:
    shares = prediction.probabilities
    shown = sorted(shares, key=lambda name: -shares[name])[:_MOST_BARS] if len(shares) > _MOST_BARS else list(shares)
    if truth is not None and truth in shares and truth not in shown:
        shown[-1] = truth
    colours = [_bar_colour(name, prediction.label, truth) for name in shown]
    axes.barh(shown, [shares[name] for name in shown], color=colours, height=0.72)
    for place, name in enumerate(shown):
        axes.text(shares[name] + 0.02, place, f"{shares[name]:.0%}", va="center", fontsize=7.5, color=INK)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18)
    axes.set_xticks([])
    axes.set_title("probability", fontsize=9.5, color=INK, loc="left")
    axes.tick_params(labelsize=8, length=0, colors=INK)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_color(FAINT)


def _bar_colour(name: str, label: str, truth: str | None) -> str:
    if truth is None:
        return ACCENT if name == label else FAINT
    if name == truth:
        return _RIGHT
    return _WRONG if name == label else FAINT


def _write_title(figure: Figure, prediction: "Prediction", truth: str | None, name: str) -> None:
    answer = f"{prediction.label} ({prediction.probabilities[prediction.label]:.0%})"
    used = TITLES["rgbx"] if len(prediction.streams) == 2 else TITLES[next(iter(prediction.streams))]
    text, colour = f"{used} says {answer}", INK
    if truth is not None:
        right = truth == prediction.label
        text += "  ✓ right" if right else f"  ✗ it is {truth}"
        colour = _RIGHT if right else _WRONG
    figure.suptitle(f"{name}:  {text}" if name else text, fontsize=11.5, color=colour, fontweight="bold")


def _stream_label(modality: Modality, encoded: "Encoded", classes: Sequence[str]) -> str:
    shares = np.exp(encoded.logits.astype(np.float64) - encoded.logits.max())
    best = int(shares.argmax())
    return f"{TITLES[modality]}\nalone: {classes[best]} ({shares[best] / shares.sum():.0%})"


def _partner(photo: SampleRecord, xray: SampleSet, rng: np.random.Generator) -> SampleRecord:
    same_class = [record for record in xray if record.label == photo.label]
    same_unit = [record for record in same_class if record.unit == photo.unit]
    if not same_class:
        raise InputError(xray.folder, f"shows no radiograph of {photo.label}", "add some, or leave out --xray-set")
    candidates = same_unit or same_class
    return candidates[rng.integers(len(candidates))]

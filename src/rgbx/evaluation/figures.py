"""Figures that evaluation writes and the report shows, drawn without any global state of matplotlib."""

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rgbx.evaluation.intervals import wilson
from rgbx.evaluation.reliability import reliability, risk_coverage
from rgbx.files import atomic_path

INK, FAINT, ACCENT = "#1f2933", "#9aa5b1", "#0f609b"
SERIES = ("#c65102", ACCENT, "#2e7d32")
"""One colour a modality, told apart by colour-blind people too."""
_MOST_LABELLED = 24  # classes; with more, numbers in the cells would be unreadable


def confusion_figure(confusion: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw a confusion matrix: counts, coloured by the share of the true class, errors in their own colour.

    Args:
        confusion: (C, C) counts; rows truth, columns prediction.
        classes: C names.
        title: what it is the matrix of.
    """
    count = len(classes)
    total = confusion.sum(axis=1, keepdims=True)
    share = np.divide(confusion, total, out=np.zeros(confusion.shape), where=total > 0)
    # Right answers on a blue scale and errors on a red one: a wrong answer is seen at first glance however rare.
    colours = _scale(share, (0.97, 0.98, 0.99), (0.03, 0.30, 0.52))
    wrong = ~np.eye(count, dtype=bool) & (confusion > 0)
    colours[wrong] = _scale(0.15 + 0.85 * share, (1.0, 0.96, 0.93), (0.72, 0.11, 0.11))[wrong]

    side = max(3.4, 0.46 * min(count, 40) + 1.3)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(colours, interpolation="nearest")
    axes.set_xticks(range(count), classes, rotation=90 if count > 6 else 0, fontsize=9)
    axes.set_yticks(range(count), classes, fontsize=9)
    axes.set_xlabel("predicted", color=INK)
    axes.set_ylabel("true", color=INK)
    accuracy = np.trace(confusion) / max(confusion.sum(), 1)
    axes.set_title(f"{title}\n{accuracy:.1%} of {int(confusion.sum())} right", fontsize=11, color=INK)
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=1.5)
    axes.tick_params(which="both", length=0, colors=INK)
    axes.spines[:].set_visible(False)
    if count <= _MOST_LABELLED:
        for row, column in zip(*np.nonzero(confusion), strict=True):
            dark = share[row, column] > 0.5
            axes.text(
                column,
                row,
                f"{int(confusion[row, column])}",
                ha="center",
                va="center",
                fontsize=9,
                color="white" if dark else INK,
            )
    return figure


def reliability_figure(channels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw what there is to know of confidence: how often an answer is right against how sure it was, each bin of
    confidence as large as it has answers and with its 95 % interval (Wilson), and what putting aside the unsure gains.

    Args:
        channels: title → (n,) confidence and (n,) bool, whether the answer was right.
    """
    figure = Figure(figsize=(8.4, 3.9), layout="constrained")
    left, right = figure.subplots(1, 2)
    plain(left, grid="both")
    plain(right, grid="both")
    left.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
    for colour, (title, (confidence, answers)) in zip(SERIES, channels.items(), strict=False):
        sure, accurate, counts = reliability(confidence, answers)
        ends = [wilson(share, count) for share, count in zip(accurate, counts, strict=True)]
        left.vlines(sure, [end.low for end in ends], [end.high for end in ends], color=colour, linewidth=1, alpha=0.6)
        left.scatter(sure, accurate, s=8 + 120 * counts / counts.sum(), color=colour, label=title)
        coverage, risk = risk_coverage(confidence, ~answers)
        right.plot(coverage, 100 * risk, color=colour, linewidth=1.8, label=title)
    left.set(xlabel="confidence", ylabel="share right", xlim=(0, 1.02), ylim=(0, 1.02))
    left.set_title("How sure, and how often right", fontsize=11, color=INK)
    right.set(xlabel="share of devices answered, the surest first", ylabel="of these wrong, %", xlim=(0, 1.02))
    right.set_ylim(bottom=0)
    right.set_title("What putting aside the unsure gains", fontsize=11, color=INK)
    for axes in (left, right):
        axes.legend(fontsize=8, frameon=False, loc="upper left")
    return figure


def curve_figure(title: str, series: Mapping[str, tuple[Sequence[float], Sequence[float]]]) -> Figure:
    """Draw training curves over epochs, losses above and shares (accuracies) below, whichever there are.

    Args:
        title: what was trained.
        series: name → (epochs, values); names that hold ``loss`` go above.
    """
    losses = {name: line for name, line in series.items() if "loss" in name}
    shares = {name: line for name, line in series.items() if name not in losses}
    panels = [(label, group) for label, group in (("loss", losses), ("accuracy", shares)) if group]
    figure = Figure(figsize=(4.6, 1.9 * max(len(panels), 1) + 0.4), layout="constrained")
    figure.suptitle(title, fontsize=11, color=INK)
    if not panels:
        return figure
    for axes, (label, group) in zip(figure.subplots(len(panels), squeeze=False)[:, 0], panels, strict=True):
        for name, (epochs, values) in group.items():
            axes.plot(epochs, values, label=name, linewidth=1.6, marker="o" if len(epochs) < 12 else None, markersize=3)
        axes.set_ylabel(label, color=INK, fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if label == "accuracy":
            axes.set_ylim(None, 1.02)
        axes.legend(fontsize=8, frameon=False)
        plain(axes)
    axes.set_xlabel("epoch", color=INK, fontsize=9)
    return figure


def write_figure(path: Path, figure: Figure, dpi: int = 150) -> None:
    """Write a figure as PNG, whole or not at all; the same figure gives the same bytes."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi, facecolor="white", metadata={"Software": None})


def svg_uri(figure: Figure) -> str:
    """Return a figure as a ``data:`` URI of an SVG; the same figure gives the same bytes."""
    content = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "rgbx"}):
        figure.savefig(content, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(content.getvalue()).decode()


def _scale(share: np.ndarray, low: tuple[float, float, float], high: tuple[float, float, float]) -> np.ndarray:
    return np.array(low) + share[..., None] * (np.array(high) - np.array(low))


def plain(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """Give a plot the look of all: no box, faint lines along one axis or both."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=8)
    axes.grid(axis=grid, color="#e4e7eb", linewidth=0.8)
    axes.set_axisbelow(True)

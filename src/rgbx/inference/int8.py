"""Int8: a stream's OpenVINO graph with convolutions in 8 bits, kept only where it answers as well as torch.

All that windows depend on stays in float. The maximum of a map moves with little noise, and with it the crop and
everything that is seen in it; so convolutions of the iterations that nothing is cropped by become int8, those of the
last one in a nested search.
"""

import logging
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from rgbx.config import Config
from rgbx.extras import import_openvino, optional_packages
from rgbx.inference.runtimes import GraphRuntime, StreamRuntime, load_graph
from rgbx.progress import track
from rgbx.view.transform import as_input

CALIBRATION_IMAGES = 300
"""At most so many give the ranges of values."""
SAME_PLACE = 1e-4
"""Windows closer than this, as a share of the image's side, are the same crop."""


class Int8Gates(Config):
    """What an int8 graph must keep to be written, on the labelled images."""

    accuracy_loss: float = Field(default=0.005, ge=0.0, le=1.0)
    """How much of torch's accuracy it may lose; 0.005 is half a point."""
    equal_crops: float = Field(default=0.99, ge=0.0, le=1.0)
    """Share of images on which every iteration must look where torch looks."""


def quantise(source: Path, target: Path, images: Sequence[np.ndarray]) -> None:
    """Write a stream's OpenVINO graph with int8 convolutions.

    Args:
        source: the float graph, ``.xml``.
        target: the int8 graph to write, ``.xml``.
        images: prepared images, which give the ranges of values.

    Raises:
        MissingToolError: NNCF is not installed.
    """
    openvino = import_openvino()  # first, so that NNCF does without telemetry, too
    with optional_packages():
        import nncf
    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(source)
    chosen = images[:: -(-len(images) // CALIBRATION_IMAGES)]
    quantised = nncf.quantize(
        model,
        nncf.Dataset(chosen, lambda image: {"images": as_input(image[None])}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(chosen),
        ignored_scope=nncf.IgnoredScope(names=_before_windows(model), validate=False),
    )
    openvino.save_model(quantised, target, compress_to_fp16=False)


def compare_int8(
    graph: Path, torch: StreamRuntime, images: Sequence[np.ndarray], labels: np.ndarray
) -> dict[str, float]:
    """Compare an int8 graph with torch.

    Args:
        graph: the int8 graph, ``.xml``.
        torch: the stream.
        images: prepared images.
        labels: (n,) the index of each image's class, -1 for one that the network does not know.

    Returns:
        The largest difference of logits, the shares of equal classes and of equal crops, how much accuracy is gained
        (below 0: lost), and the ends of that gain's 95 % interval.
    """
    ours = GraphRuntime(load_graph(graph, "openvino"))
    inputs = map(as_input, track([image[None] for image in images], f"checking {graph.name}", total=len(images)))
    expected, found = zip(*((torch(each), ours(each)) for each in inputs), strict=True)
    expected_logits, found_logits = (np.concatenate([each.logits for each in stream]) for stream in (expected, found))
    windows, found_windows = (
        np.concatenate([np.stack([*each.windows]) for each in stream]) for stream in (expected, found)
    )
    moved = np.abs(found_windows - windows).max((1, 2))
    expected_classes, found_classes = expected_logits.argmax(1), found_logits.argmax(1)
    was_right, is_right = expected_classes == labels, found_classes == labels
    low, high = paired_interval(int((is_right & ~was_right).sum()), int((was_right & ~is_right).sum()), len(labels))
    return {
        "images": float(len(labels)),
        "largest_difference": float(np.abs(found_logits - expected_logits).max()),
        "equal_classes": float((found_classes == expected_classes).mean()),
        "equal_crops": float((moved < SAME_PLACE).mean()),
        "accuracy_gain": float(is_right.mean() - was_right.mean()),
        "accuracy_gain_low": low,
        "accuracy_gain_high": high,
    }


def failed_gate(found: dict[str, float], gates: Int8Gates) -> str | None:
    """Return which gate a graph does not pass and by how much, as the end of a sentence; None if it passes all.

    Args:
        found: from :func:`compare_int8`.
        gates: to pass.
    """
    faults = []
    if -found["accuracy_gain"] > gates.accuracy_loss + 1e-9:
        faults.append(f"loses {show_gain(found)} of accuracy, {100 * gates.accuracy_loss:g} points allowed")
    if found["equal_crops"] < gates.equal_crops:
        faults.append(f"has torch's crops for {found['equal_crops']:.1%} of images, {gates.equal_crops:.1%} asked for")
    return " and ".join(faults) or None


def show_gain(found: dict[str, float]) -> str:
    """Return the change of accuracy with its interval, in percentage points."""
    gain, low, high = (100 * found[f"accuracy_gain{end}"] for end in ("", "_low", "_high"))
    return f"{gain:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"


def paired_interval(gained: int, lost: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a difference of two accuracies on the same images (Agresti and Min, 2005).

    Args:
        gained: images that only the first classifier gets right.
        lost: images that only the second gets right.
        count: all images.
    """
    changed, difference, count = gained + lost + 1, gained - lost, count + 2
    half = 1.96 * sqrt(changed - difference**2 / count)
    return (difference - half) / count, (difference + half) / count


def _before_windows(model: Any) -> list[str]:
    """Return the names of all operations that an OpenVINO model's windows are computed with."""
    waiting, names = [model.output("windows").get_node()], set()
    while waiting:
        node = waiting.pop()
        if node.get_friendly_name() not in names:
            names.add(node.get_friendly_name())
            waiting += [source.get_source_output().get_node() for source in node.inputs()]
    return sorted(names)

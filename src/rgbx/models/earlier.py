"""Bundles of earlier formats, read as those of today: 1 (rgbx 0.1) and 2 (until images were set upright)."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rgbx.errors import InputError

_AGGREGATION, _WEIGHTS = ".aggregation", ".aggregator.weights"


def from_format_1(header: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the content of a ``bundle.json`` of format 1 as format 2 has it.

    Where to crop was two settings, ``search`` and ``window``, whose combinations have names of their own now. What is
    damaged is left to be found where the result is validated.

    Raises:
        InputError: the bundle combines what cannot be combined any more.
    """
    content = {**copy.deepcopy(dict(header)), "format": 2}
    streams = content.get("streams")
    loops = (
        [each.get("icam") for each in streams.values() if isinstance(each, dict)] if isinstance(streams, dict) else []
    )
    for loop in filter(None, loops):
        search, threshold = loop.pop("search", "nested"), loop.pop("box_threshold", 0.5)
        if search == "peaks" and loop.get("window") == "box":
            raise InputError(
                path,
                "was trained with search 'peaks' and window 'box' together, which this rgbx has no longer",
                "train it again, or use rgbx 0.1",
            )
        if search == "peaks":
            loop["window"] = "peaks"
        elif loop.get("window") == "box":
            loop["window_options"] = {"threshold": threshold}
    return content


def from_format_2(header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a ``bundle.json`` of format 2 as format 3 has it.

    Radiographs were cropped to the square round the device, if a margin was set; photographs were left whole. Sources
    of many more pixels than the network sees were not smoothed.
    """
    content = {**copy.deepcopy(dict(header)), "format": 3}
    streams = content.get("streams")
    for modality, stream in streams.items() if isinstance(streams, dict) else ():
        transform = stream.get("transform") if isinstance(stream, dict) else None
        if isinstance(transform, dict):
            margin = transform.pop("device_margin", 0.1)
            square = modality == "xray" and margin is not None
            transform |= {"view": "square", "margin": margin} if square else {"view": "none"}
        loop = stream.get("icam") if isinstance(stream, dict) else None
        if isinstance(loop, dict):
            loop["averaged"] = False
    return content


def renamed_tensors(tensors: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return tensors by the names that a network of today ``wanted``.

    Every stream had weights of a weighted mean, also where it had another aggregator.
    """
    named = {}
    for name, tensor in tensors.items():
        if name.endswith(_AGGREGATION):
            name = name.removesuffix(_AGGREGATION) + _WEIGHTS
            if name not in wanted:
                continue
        named[name] = tensor
    return named

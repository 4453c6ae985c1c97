"""Transfer functions from 3D Slicer: volume properties as it saves them, turned into presets of rgbx.

Read are the text files ``.vp``, their successors ``.vp.json`` (since Slicer 5.9), and lists of presets in MRML XML.
Of what they hold only the opacities for scan intensities matter here; colours, shading and opacities for gradients
have no place in a radiograph.

An opacity o of a unit distance d is the attenuation -ln(1 - o) / d. Slicer draws straight lines between points in
opacity, presets of rgbx do in attenuation: the points are exact, what is between them is a little less.
"""

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from rgbx.config import Config
from rgbx.errors import ConfigError, InputError
from rgbx_render.radiography.scans import ScanLevels
from rgbx_render.radiography.transfer import TransferPreset

DENSEST = 0.99
"""Opacities are cut here: an opacity of 1 would be no finite attenuation."""
NUMBERS_BEFORE_OPACITY = 6
"""In a ``.vp``: interpolation, shading, and four of lighting."""


class SlicerPreset(Config):
    """What Slicer shows a volume with, as far as it matters here."""

    opacities: tuple[tuple[float, float], ...]
    """(scan intensity, opacity) pairs, intensities not falling."""
    unit_distance: float = 1.0
    """Path that an opacity is for, mm."""


def read_slicer_presets(path: Path) -> dict[str, SlicerPreset]:
    """Read the volume properties in a file, by name.

    Raises:
        InputError: the file is missing, is of no kind that Slicer writes, is damaged, or has no opacities.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(path, "does not exist", "check the path of the volume property") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is no text", "give a volume property that 3D Slicer saved (.vp, .vp.json)") from error
    stem = path.name.removesuffix(".json").removesuffix(".vp").removesuffix(".xml").removesuffix(".mrml")
    read = _read_json if text.lstrip().startswith("{") else _read_xml if text.lstrip().startswith("<") else _read_vp
    try:
        presets = read(text, stem)
    except ValueError as error:
        raise InputError(
            path, f"is no volume property of 3D Slicer ({error})", "save it from Slicer's Volume Rendering module again"
        ) from error
    if not presets:
        raise InputError(path, "holds no volume property", "save one from Slicer's Volume Rendering module")
    return presets


def to_transfer_preset(path: Path, preset: SlicerPreset, levels: ScanLevels) -> TransferPreset:
    """Turn opacities per path into attenuations per mm, and scan intensities into those of presets.

    Air becomes transparent, whatever the preset says: what is below it is left out.

    Args:
        path: of the preset, for messages.
        preset: for scans of the same scanner as ``levels``.
        levels: of a scan that the preset was made for.

    Raises:
        InputError: nothing above air has an opacity.
    """
    points = [(0.0, 0.0)]
    for intensity, opacity in preset.opacities:
        relative = (intensity - levels.air) / (levels.dense - levels.air)
        attenuation = -math.log(1 - min(opacity, DENSEST)) / preset.unit_distance
        if relative > 0:
            points.append((relative, attenuation))
    if not any(attenuation for _, attenuation in points):
        raise InputError(
            path,
            f"shows nothing that is denser than the scan's air ({levels.air:g})",
            "give the --scan that the preset was made for",
        )
    try:
        return TransferPreset.model_validate({"about": f"From 3D Slicer, {path.name}.", "points": points})
    except ConfigError as error:
        raise InputError(
            path, f"makes no transfer function: {error}", "correct it in Slicer and save it again"
        ) from error


def _read_vp(text: str, name: str) -> dict[str, SlicerPreset]:
    """Six numbers, then lists, each led by how many numbers follow: opacities, gradient opacities, colours."""
    words = text.split()
    if len(words) <= NUMBERS_BEFORE_OPACITY:
        raise ValueError("it ends before the opacities")
    for word in words[:NUMBERS_BEFORE_OPACITY]:
        _number(word)
    return {name: SlicerPreset(opacities=_counted(words[NUMBERS_BEFORE_OPACITY:]))}


def _read_xml(text: str, name: str) -> dict[str, SlicerPreset]:
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as error:
        raise ValueError(f"it is damaged: {error}") from error
    found = list(root.iter("VolumeProperty"))
    return {
        node.get("name", name): SlicerPreset(opacities=_counted(node.get("scalarOpacity", "").split()))
        for node in found
    }


def _read_json(text: str, name: str) -> dict[str, SlicerPreset]:
    try:
        properties = json.loads(text)["volumeProperties"]
        components = [found["components"][0] for found in properties]
        presets = [
            SlicerPreset(
                opacities=_rising(
                    [(_number(point["x"]), _opacity(point["y"])) for point in part["scalarOpacity"]["points"]]
                ),
                unit_distance=_distance(part.get("scalarOpacityUnitDistance", 1.0)),
            )
            for part in components
        ]
    except json.JSONDecodeError as error:
        raise ValueError(f"it is damaged: {error}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise ValueError(f"it lacks {error}") from error
    names = [name] if len(presets) == 1 else [f"{name}-{number}" for number in range(1, len(presets) + 1)]
    return dict(zip(names, presets, strict=True))


def _counted(words: list[str]) -> tuple[tuple[float, float], ...]:
    """Read "N x₁ o₁ x₂ o₂ …", N numbers."""
    if not words:
        raise ValueError("it has no opacities")
    count = int(_number(words[0]))
    if count < 4 or count % 2:
        raise ValueError(f"its opacities should be at least two pairs, but are {count} numbers")
    if len(words) <= count:
        raise ValueError(f"it ends after {len(words) - 1} of {count} numbers of its opacities")
    numbers = [_number(word) for word in words[1 : count + 1]]
    return _rising([(x, _opacity(y)) for x, y in zip(numbers[::2], numbers[1::2], strict=True)])


def _rising(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Check that intensities do not fall; of several points at one, the last counts, as in Slicer."""
    if any(second[0] < first[0] for first, second in pairwise(points)):
        raise ValueError("the intensities of its opacities fall")
    return tuple(dict(points).items())


def _opacity(value: Any) -> float:
    opacity = _number(value)
    if not 0 <= opacity <= 1:
        raise ValueError(f"{opacity:g} is no opacity, which lies between 0 and 1")
    return opacity


def _distance(value: Any) -> float:
    distance = _number(value)
    if distance <= 0:
        raise ValueError(f"{distance:g} is no distance that an opacity could be for")
    return distance


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{value}' is no number") from error
    if not math.isfinite(number):
        raise ValueError(f"'{value}' is no finite number")
    return number

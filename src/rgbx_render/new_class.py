"""Images of a class that is to be added to a bundle, from units that were just scanned."""

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rgbx.config import ConfigType
from rgbx.errors import InputError, RgbxError
from rgbx.evaluation.unit_images import WantedImages
from rgbx.modality import Modality
from rgbx.models.memory import ImageSource
from rgbx.samples.sets import SET_FILE, SampleSet, read_set_header
from rgbx_render.devices.check import check_unit
from rgbx_render.devices.library import Kind, Library, Unit
from rgbx_render.photography.photographs import PHOTOGRAPHS_ORIGIN, render_photographs
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import RADIOGRAPHS_ORIGIN, render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation

TRIED = 8
"""Photographs that say how long one takes."""
RESERVED = 0.25
"""Of the time, for what comes after rendering."""
FEWEST = 16
"""Photographs, however little time there is."""


def render_new_class(
    units: Sequence[Path],
    name: str,
    sources: Mapping[Modality, Sequence[ImageSource]],
    out: Path,
    wanted: WantedImages,
    seed: int,
    workers: int | None,
) -> dict[Modality, list[Path]]:
    """Check units and render them as the bundle's training images were: radiographs, then photographs.

    The arguments are those of :class:`rgbx.evaluation.unit_images.UnitRenderer`.

    Raises:
        InputError: a unit cannot be used, or has not what a modality is rendered from.
        RgbxError: the bundle's images were not rendered, or with settings that this rgbx has not.
        MissingToolError: Blender is not there.
    """
    start = time.monotonic()
    library = _library(units, name)
    sets: dict[Modality, list[Path]] = {}
    if "xray" in sources:
        _check_has(library, "scan", "radiographs")
        xray = _settings(sources["xray"], RADIOGRAPHS_ORIGIN, XrayRandomisation)
        sets["xray"] = [out / "xray"]
        render_radiographs(library, out / "xray", xray, images_per_class=wanted.radiographs, seed=seed, workers=workers)
    if "rgb" in sources:
        _check_has(library, "mesh", "photographs")
        rgb = _settings(sources["rgb"], PHOTOGRAPHS_ORIGIN, RgbRandomisation)
        deadline = start + 60 * (1 - RESERVED) * wanted.minutes
        sets["rgb"] = _photographs(library, out, rgb, wanted.photographs, deadline, seed, workers)
    return sets


def _library(units: Sequence[Path], name: str) -> Library:
    """Return the units as a library of one class, after reading all of them."""
    found: list[Unit] = []
    for folder in units:
        if not folder.is_dir():
            problem = "is a file, not the folder of a unit" if folder.exists() else "does not exist"
            raise InputError(folder, problem, "give the folder that holds a unit's scan and mesh")
        unit = replace(Unit.open(folder.resolve()), device_class=name)
        checked = check_unit(unit, pictures=False)
        if checked.faults:
            raise checked.faults[0]
        for remark in checked.summary.remarks:
            print(f"remark: {remark}", file=sys.stderr)
        if unit.name in {each.name for each in found}:
            raise InputError(folder, f"is named '{unit.name}', as another unit is", "rename one of them")
        found.append(unit)
    return Library(units[0].resolve().parent, found)


def _check_has(library: Library, kind: Kind, images: str) -> None:
    if not any(unit.files(kind) for unit in library.units):
        raise InputError(
            library.units[0].folder,
            f"and the other units have no {kind}, and the bundle takes {images}",
            f"add a {kind}",
        )


def _settings(sources: Sequence[ImageSource], origin: str, kind: type[ConfigType]) -> ConfigType:
    """Return the settings that the bundle's rendered images were made with, the latest."""
    rendered = [each for each in sources if each.origin == origin]
    if not rendered:
        origins = ", ".join(dict.fromkeys(each.origin for each in sources))
        raise RgbxError(
            f"The bundle was trained on images of another origin ({origins}) than what would be rendered ({origin}): "
            "give a set of images of the new class that came about as those did."
        )
    return kind.model_validate(rendered[-1].config)


def _photographs(
    library: Library,
    out: Path,
    config: RgbRandomisation,
    most: int,
    deadline: float,
    seed: int,
    workers: int | None,
) -> list[Path]:
    """Render a few photographs, and then as many as the time allows; of a run that was stopped, as many as then."""
    first, rest = out / "rgb-first", out / "rgb"
    tried = min(most, TRIED)
    start = time.monotonic()
    render_photographs(library, first, config, images_per_class=tried, seed=seed, workers=workers)
    if most == tried:
        return [first]
    if (rest / SET_FILE).exists():
        count = int(read_set_header(rest).config["images_per_class"])
    else:
        seconds = (time.monotonic() - start) / tried
        allowed = int((deadline - time.monotonic()) / seconds)
        count = max(min(most - tried, allowed), FEWEST - tried)
    render_photographs(library, rest, config, images_per_class=count, seed=seed + 1, workers=workers)
    if len(SampleSet.open(rest)) < most - tried:
        print(f"photographs: {tried + count} of {most}, as many as the time allows", file=sys.stderr)
    return [first, rest]

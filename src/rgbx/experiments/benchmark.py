"""The embedded benchmark: which units of SP10 are scanned and which come down the line, and how all is made of them."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config
from rgbx.devices.library import Library
from rgbx.devices.phones import UnitKey, write_units
from rgbx.devices.sp10 import CLASSES
from rgbx.devices.sp10_designs import DESIGNS
from rgbx.photography.randomisation import RgbRandomisation
from rgbx.radiography.randomisation import XrayRandomisation
from rgbx.samples.record import Modality
from rgbx.standin.line import Line, LineConfig, scan_library
from rgbx.training import FusionTraining, StreamTraining, stream_training

FIRST_LABELLED_UNIT = 51
FIRST_TEST_UNIT = 101
"""Units on the line are numbered from here, far above those that were scanned for training."""
VIEWS_PER_LABELLED_UNIT = 2


class Benchmark(Config):
    """Sizes and settings of everything that an experiment on SP10 makes; the defaults are sized for two cores."""

    classes: tuple[str, ...] = CLASSES
    seed: int = 0
    """Of the units and of all images."""
    scanned_units: PositiveInt = 3
    """Units of each class with a scan and a mesh, to render training images from."""
    voxel_size_mm: PositiveFloat = 0.3
    radiographs_per_class: PositiveInt = 180
    photographs_per_class: PositiveInt = 140
    labelled_units: PositiveInt = 25
    """Worn units of each class, neither scanned nor tested, that were photographed on the line to train on, twice each:
    what rows of Table V that say so have besides synthetic photographs, as the paper has 250 a class."""
    xray: XrayRandomisation = XrayRandomisation(size=192)
    rgb: RgbRandomisation = RgbRandomisation(size=160, samples=1)
    xray_training: StreamTraining = stream_training("xray").updated({"validation_units": 0})
    """Nothing is chosen here, so no unit is held out to choose by."""
    rgb_training: StreamTraining = stream_training("rgb").updated({"validation_units": 0})
    fusion_training: FusionTraining = FusionTraining(views=1, images_per_class=100)
    first_look: dict[Modality, StreamTraining] = Field(default_factory=dict)
    """Training of one look that all networks in comparisons of iterations go on from; without it, each starts from its
    backbone's weights."""
    looking_closer: dict[Modality, StreamTraining] = Field(default_factory=dict)
    """How they go on; as ``xray_training`` and ``rgb_training`` say where nothing is given."""
    other_weights: Literal["none", "imagenet"] = "none"
    """What backbones start from that have no embedded weights; ``imagenet`` needs timm's hub."""
    line: LineConfig = LineConfig()
    test_units: PositiveInt = 20
    """Worn units of each class that come down the line, none of them ever scanned."""
    views_per_test_unit: PositiveInt = 1
    test_image_size: PositiveInt = 256
    pairings: PositiveInt = 5
    """How often each photograph is paired with a radiograph of its class."""


def twins(modality: Modality, classes: Sequence[str]) -> set[str]:
    """Return the classes of SP10 that a modality cannot tell from another one: they share the shell, or the inside."""
    part = {"rgb": "shell", "xray": "inside"}[modality]
    pairs = itertools.combinations(DESIGNS.keys() & set(classes), 2)
    return {
        name
        for first, second in pairs
        if getattr(DESIGNS[first], part) == getattr(DESIGNS[second], part)
        for name in (first, second)
    }


def write_scanned_units(library: Path, config: Benchmark, workers: int | None = None) -> None:
    """Write scans and meshes of the training units, or those that are missing."""
    keys = [UnitKey(name, number + 1) for name in config.classes for number in range(config.scanned_units)]
    write_units(library, keys, scan_spacing_mm=config.voxel_size_mm, mesh=True, seed=config.seed, workers=workers)


def scan_test_units(
    library: Path, line: Path, config: Benchmark, workers: int | None = None, *, xray: bool = True, rgb: bool = True
) -> Line:
    """Send the test units down the simulated line, or those that have not been there yet.

    Args:
        library: where their part lists go.
        line: where their images go.
        config: which units, and the line.
        workers: processes; the number of cores when None.
        xray: whether to take radiographs.
        rgb: whether to take photographs.
    """
    numbers = range(FIRST_TEST_UNIT, FIRST_TEST_UNIT + config.test_units)
    return _scan(library, line, config, numbers, config.views_per_test_unit, workers, xray, rgb)


def photograph_labelled_units(library: Path, line: Path, config: Benchmark, workers: int | None = None) -> Line:
    """Photograph the units on the simulated line that a network may be trained on besides synthetic images.

    Args:
        library: where their part lists go.
        line: where their photographs go.
        config: which units, and the line.
        workers: processes; the number of cores when None.
    """
    numbers = range(FIRST_LABELLED_UNIT, FIRST_LABELLED_UNIT + config.labelled_units)
    return _scan(library, line, config, numbers, VIEWS_PER_LABELLED_UNIT, workers, xray=False, rgb=True)


def _scan(
    library: Path,
    line: Path,
    config: Benchmark,
    numbers: range,
    views: int,
    workers: int | None,
    xray: bool,
    rgb: bool,
) -> Line:
    keys = [UnitKey(name, number) for name in config.classes for number in numbers]
    write_units(library, keys, scan_spacing_mm=None, mesh=False, seed=config.seed, workers=workers)
    return scan_library(
        Library.open(library),
        line,
        config.line,
        views_per_unit=views,
        size=config.test_image_size,
        seed=config.seed,
        workers=workers,
        xray=xray,
        rgb=rgb,
    )

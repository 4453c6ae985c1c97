"""The embedded benchmark: which units of a family are scanned and which come down the line, and how all is made."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_serializer,
    field_validator,
)

from rgbx.config import Config
from rgbx.files import digest
from rgbx.modality import Modality
from rgbx.training import FusionTraining, StreamTraining, stream_training
from rgbx_proving.families.family import FAMILIES, Family, Half
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.standin.line import Line, LineConfig, scan_library
from rgbx_proving.units.simulated import open_simulated
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.randomisation import XrayRandomisation

LineUse = Literal["labelled", "calibration", "test"]
TEST_FROM, CALIBRATION_FROM, LABELLED_FROM = 101, 1001, 2001
"""Units on the line are numbered from here, above those that were scanned for training. No two of these uses share any:
the first ends below the second, the second below the third."""


class LineUnits(NamedTuple):
    """Units of each class that come down the line."""

    numbers: range
    views: int
    """Radiographs and photographs of each."""


def unattended(modality: Modality) -> StreamTraining:
    """Return training as experiments do it: nothing is chosen here, so no unit is held out to choose by."""
    return stream_training(modality).updated({"validation_units": 0, "restarts": 0})


class Benchmark(Config):
    """Sizes and settings of everything that an experiment on a family makes; the defaults are sized for two cores."""

    family: Annotated[str, AfterValidator(FAMILIES.check)] = "sp10"
    """Whose units they are, by its name in :data:`~rgbx_proving.families.family.FAMILIES`."""
    classes: tuple[str, ...] = ()
    """Of the family; all of them when empty, and empty when all of them are named."""
    seed: int = 0
    """Of the units and of all images."""
    scanned_units: int = Field(default=3, ge=1, lt=TEST_FROM)
    """Units of each class with a scan and a mesh, to render training images from."""
    voxel_size_mm: PositiveFloat = 0.3
    radiographs_per_class: PositiveInt = 180
    photographs_per_class: PositiveInt = 140
    labelled_units: PositiveInt = 125
    """Worn units of each class, neither scanned nor tested, that were photographed on the line to train on, twice each:
    what rows of Table V that say so have besides synthetic photographs. The paper has 250 photographs a class."""
    xray: XrayRandomisation = XrayRandomisation(size=192)
    rgb: RgbRandomisation = RgbRandomisation(size=160, samples=1)
    xray_training: StreamTraining = unattended("xray")
    rgb_training: StreamTraining = unattended("rgb")
    fusion_training: FusionTraining = FusionTraining(views=1, images_per_class=100)
    first_look: dict[Modality, StreamTraining] = Field(default_factory=dict)
    """Training of one look that all networks in comparisons of iterations go on from; without it, each starts from its
    backbone's weights."""
    looking_closer: dict[Modality, StreamTraining] = Field(default_factory=dict)
    """How they go on; as ``xray_training`` and ``rgb_training`` say where nothing is given."""
    best: dict[Modality, StreamTraining] = Field(default_factory=dict)
    """How the streams of the best bundle are trained; as ``xray_training`` and ``rgb_training`` say where nothing is
    given."""
    other_weights: Literal["none", "imagenet"] = "none"
    """What backbones start from that have no embedded weights; ``imagenet`` needs timm's hub."""
    epochs_from_scratch: PositiveInt | None = None
    """Of networks that start from nothing; as many as the others have when None."""
    line: LineConfig = LineConfig()
    calibration_units: int = Field(default=40, ge=1, le=LABELLED_FROM - CALIBRATION_FROM)
    """Worn units of each class for calibrating bundles, neither scanned nor trained on nor tested; two views each."""
    held_out: tuple[str, ...] = ()
    """Classes that play the unknown device, one after the other; all of them when empty."""
    test_units: int = Field(default=20, ge=1, le=CALIBRATION_FROM - TEST_FROM)
    """Worn units of each class that come down the line, none of them ever scanned."""
    views_per_test_unit: PositiveInt = 1
    test_image_size: PositiveInt = 256
    pairings: PositiveInt = 5
    """How often each photograph is paired with a radiograph of its class."""

    @field_validator("classes", "held_out")
    @classmethod
    def _of_the_family(cls, classes: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "family" not in info.data:  # which is a fault of its own
            return classes
        family = FAMILIES[info.data["family"]]
        family.check(classes)
        return () if info.field_name == "classes" and classes == family.classes else classes

    @field_serializer("classes")
    def _spelled_out(self, _: tuple[str, ...]) -> tuple[str, ...]:
        return self.device_classes  # a record says what was measured

    def digest(self) -> str:
        """Return 16 hex digits that change whenever any setting does; the names of classes say whose they are."""
        return digest(self.model_dump_json(exclude={"family"}))

    @property
    def devices(self) -> Family:
        """The family."""
        return FAMILIES[self.family]

    @property
    def device_classes(self) -> tuple[str, ...]:
        """The classes, all of them named."""
        return self.classes or self.devices.classes

    def twins(self, modality: Modality, classes: Iterable[str]) -> set[str]:
        """Return those of ``classes`` that a modality cannot tell from another: they share the shell, or the inside."""
        halves: dict[Modality, Half] = {"rgb": "shell", "xray": "inside"}
        return self.devices.twins(halves[modality], classes)

    @property
    def line_units(self) -> dict[LineUse, LineUnits]:
        """Which units come down the line, by what their images are for."""
        return {
            "labelled": LineUnits(range(LABELLED_FROM, LABELLED_FROM + self.labelled_units), 2),
            "calibration": LineUnits(range(CALIBRATION_FROM, CALIBRATION_FROM + self.calibration_units), 2),
            "test": LineUnits(range(TEST_FROM, TEST_FROM + self.test_units), self.views_per_test_unit),
        }


def write_scanned_units(library: Path, config: Benchmark, workers: int | None = None) -> None:
    """Write scans and meshes of the training units, or those that are missing."""
    keys = [UnitKey(name, number + 1) for name in config.device_classes for number in range(config.scanned_units)]
    write_units(
        library,
        config.devices,
        keys,
        scan_spacing_mm=config.voxel_size_mm,
        mesh=True,
        seed=config.seed,
        workers=workers,
    )


def scan_units(
    library: Path,
    line: Path,
    config: Benchmark,
    units: LineUnits,
    workers: int | None = None,
    *,
    xray: bool = True,
    rgb: bool = True,
) -> Line:
    """Send units down the simulated line, or those that have not been there yet.

    Args:
        library: where their part lists go.
        line: where their images go.
        config: of the line.
        units: which, from the configuration.
        workers: processes; the number of cores when None.
        xray: whether to take radiographs.
        rgb: whether to take photographs.
    """
    keys = [UnitKey(name, number) for name in config.device_classes for number in units.numbers]
    write_units(library, config.devices, keys, scan_spacing_mm=None, mesh=False, seed=config.seed, workers=workers)
    return scan_library(
        open_simulated(library),
        line,
        config.line.updated({"xray.size": config.test_image_size, "rgb.size": config.test_image_size}),
        views_per_unit=units.views,
        seed=config.seed,
        workers=workers,
        xray=xray,
        rgb=rgb,
    )

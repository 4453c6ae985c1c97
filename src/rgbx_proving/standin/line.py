"""The simulated line: units come worn, are X-rayed and photographed."""

from pathlib import Path
from typing import Annotated, NamedTuple

from rgbx.config import Config, words
from rgbx.samples import SampleSet
from rgbx_proving.standin.conveyor import ConveyorConfig, take_photographs
from rgbx_proving.standin.exposures import take_radiographs
from rgbx_proving.standin.machine import MachineConfig
from rgbx_proving.standin.units import worn_library
from rgbx_proving.standin.wear import WearConfig
from rgbx_render.devices.library import Library


class LineConfig(Config):
    """Settings of the simulated line."""

    xray: MachineConfig = MachineConfig()
    rgb: ConveyorConfig = ConveyorConfig(size=320)
    wear: Annotated[WearConfig | None, words(none=None, random=WearConfig())] = WearConfig()
    """None leaves the units as they left the factory."""


class Line(NamedTuple):
    """What came off the line."""

    units: Library
    """The worn units, in ``out/units``."""
    xray: SampleSet | None
    rgb: SampleSet | None


def scan_library(
    library: Library,
    out: Path,
    config: LineConfig,
    *,
    views_per_unit: int,
    seed: int = 0,
    workers: int | None = None,
    xray: bool = True,
    rgb: bool = True,
) -> Line:
    """Wear the units of ``library`` and take radiographs and photographs of them.

    Args:
        library: units with part lists.
        out: folder for ``units/`` and the sets ``xray/`` and ``rgb/``, each with an ``overview.png``.
        config: of machine, camera and wear.
        views_per_unit: radiographs and photographs of each unit.
        seed: of wear, poses and exposures.
        workers: processes; the number of cores when None; 0 works in this process.
        xray: whether to take radiographs.
        rgb: whether to take photographs.

    Raises:
        InputError: a unit has no part list, or ``out`` holds something else.
    """
    units = worn_library(library, out / "units", seed, config.wear)
    radiographs = photographs = None
    if xray:
        radiographs = take_radiographs(
            units, out / "xray", config.xray, views_per_unit=views_per_unit, seed=seed, workers=workers
        )
    if rgb:
        photographs = take_photographs(
            units, out / "rgb", config.rgb, views_per_unit=views_per_unit, seed=seed, workers=workers
        )
    return Line(units, radiographs, photographs)

"""Sets of simulated radiographs: so many views of each unit of a library."""

from pathlib import Path

import numpy as np

from rgbx.samples import (
    RenderedSample,
    RenderJob,
    SampleKey,
    SampleRecord,
    SampleSet,
    generator,
    rendered_sample,
    sample_seed,
)
from rgbx_proving.standin.machine import MachineConfig, RadiographDraw, XrayMachine, draw_exposure
from rgbx_proving.standin.views import take_views, unit_in_view
from rgbx_proving.units.simulated import parts_of
from rgbx_render.devices.library import Library

_ORIGIN = "stand-in: simulated X-ray machine"
_SUFFIX = ".tiff"


def take_radiographs(
    library: Library,
    out: Path,
    config: MachineConfig,
    *,
    views_per_unit: int,
    seed: int = 0,
    workers: int | None = None,
) -> SampleSet:
    """Radiograph every unit of ``library`` with the machine of ``config``: a set of 16-bit TIFFs.

    For the rest see :func:`~rgbx_proving.standin.views.take_views`.
    """
    return take_views(
        library,
        out,
        RenderJob(Radiographer, (library, XrayMachine(config), views_per_unit, seed)),
        modality="xray",
        origin=_ORIGIN,
        config={"machine": config.model_dump(mode="json")},
        views_per_unit=views_per_unit,
        seed=seed,
        workers=workers,
        suffix=_SUFFIX,
        description="radiographing",
    )


class Radiographer:
    """Takes the radiographs of a set one by one; one lives in each process."""

    def __init__(self, library: Library, machine: XrayMachine, views_per_unit: int, seed: int) -> None:
        self.library, self.machine, self.views_per_unit, self.seed = library, machine, views_per_unit, seed
        self.config_digest = machine.config.digest()

    def __call__(self, key: SampleKey) -> RenderedSample:
        unit = unit_in_view(self.library, key, self.views_per_unit)
        seed = sample_seed(self.seed, key, self.config_digest)
        draw = draw_exposure(generator(seed), self.machine.config)
        image = self.machine.radiograph(parts_of(unit), draw)
        return rendered_sample(key, _SUFFIX, image, unit=unit.name, seed=seed, draw=draw)


def retake_radiograph(record: SampleRecord, library: Library, config: MachineConfig) -> np.ndarray:
    """Take the radiograph of a record again.

    Args:
        record: whose draw says how the unit lay and was exposed.
        library: the worn units that the set was made of.
        config: the machine, as the header of the set has it.

    Returns:
        (size, size) uint16, the same pixels as in the file.

    Raises:
        InputError: the library lacks the record's unit.
    """
    unit = library.unit(record.label, record.unit)
    return XrayMachine(config).radiograph(parts_of(unit), RadiographDraw.model_validate(record.draw))

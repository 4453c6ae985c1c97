"""Sets that the simulated line takes: so many views of each unit of a library."""

from pathlib import Path
from typing import Any

from rgbx.modality import Modality
from rgbx.samples import RenderJob, SampleKey, SampleSet, SetHeader, render_set
from rgbx_proving.units.simulated import parts_digest
from rgbx_render.devices.library import Library, Unit


def take_views(
    library: Library,
    out: Path,
    job: RenderJob,
    *,
    modality: Modality,
    origin: str,
    config: dict[str, Any],
    views_per_unit: int,
    seed: int,
    workers: int | None,
    suffix: str,
    description: str,
) -> SampleSet:
    """Take a set with its ``overview.png``; go on where an interrupted run stopped.

    Args:
        library: of :func:`~rgbx_proving.standin.units.worn_library`.
        out: folder of the set; images of a class are in the order of its units, view by view.
        job: what takes the images.
        modality: of the set.
        origin: of the set.
        config: of the device that takes them, for the header.
        views_per_unit: images of each unit.
        seed: of the set.
        workers: processes; the number of cores when None; 0 works in this process.
        suffix: of the image files.
        description: shown beside the progress bar.

    Raises:
        InputError: a unit has no part list, or ``out`` holds something else.
        RgbxError: single images could not be taken; the others are there.
    """
    header = SetHeader(
        modality=modality,
        origin=origin,
        seed=seed,
        classes=library.classes,
        config={**config, "views_per_unit": views_per_unit},
        source=parts_digest(library),
    )
    keys = [
        SampleKey(label, number)
        for label in library.classes
        for number in range(views_per_unit * len(library.units_of(label)))
    ]
    samples = render_set(out, header, keys, lambda _: job, suffix=suffix, description=description, workers=workers)
    assert samples is not None, "only a shard leaves a set unfinished"
    return samples


def unit_in_view(library: Library, key: SampleKey, views_per_unit: int) -> Unit:
    """Return the unit that an image of such a set shows."""
    return library.units_of(key.label)[key.number // views_per_unit]

"""Material channels: how many mm of each material every pixel of a radiograph looks through.

A unit that has a label volume beside its scan says which material each voxel is. The path length within one material
is the integral of the trilinear interpolation of its indicator, along the same rays as the radiograph's.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rgbx.errors import InputError
from rgbx.files import atomic_path, read_json, write_json
from rgbx.processes import in_processes
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet
from rgbx_render.devices.library import Library, Unit
from rgbx_render.radiography.edits import edited, find_parts
from rgbx_render.radiography.kernel import path_integrals
from rgbx_render.radiography.projector import Rays, pixel_means
from rgbx_render.radiography.randomisation import XrayDraw
from rgbx_render.radiography.scans import PreparedScan, ScanLevels, prepare_labels, prepare_scan
from rgbx_render.radiography.transfer import TransferFunction

MATERIALS_FILE = "materials.json"
"""In a folder of maps: the names of their channels, and the set they belong to."""

FULL = 255
"""Stored value of what is wholly of a material: edits interpolate between it and 0."""
_ONE_PER_MM = TransferFunction(name="path length", points=((0, 0), (1, 1)))
"""Makes the integral of an indicator a length in mm."""


def thickness_map(indicator: PreparedScan, rays: Rays, subsamples: int = 1) -> np.ndarray:
    """Return the mean path length within a material over each pixel.

    Args:
        indicator: of the material, from :func:`indicator_of`.
        rays: in the unit's frame, mm.
        subsamples: rays along each edge of a pixel.

    Returns:
        (rows, columns) float32, mm.
    """
    return pixel_means(path_integrals(indicator, _ONE_PER_MM, rays.refined(subsamples)), subsamples)


def indicator_of(labels: PreparedScan, label: int) -> PreparedScan:
    """Return the field that is 1 where a voxel has ``label`` and 0 elsewhere.

    Args:
        labels: from :func:`~rgbx_render.radiography.scans.prepare_labels`.
        label: of the material.
    """
    description = labels.description.model_copy(
        update={"offset": 0.0, "slope": 1 / FULL, "top": FULL, "levels": ScanLevels(air=0, dense=1)}
    )
    return PreparedScan(np.where(labels.values == label, np.uint8(FULL), np.uint8(0)), description)


def render_materials(library: Library, images: Path, out: Path, workers: int | None = None) -> int:
    """Write the thickness maps of every image of a set, ``CLASS/NUMBER.npz``, or those that are missing.

    Each file holds ``thickness_mm`` (materials, H, W) float32 and ``materials``, their names. The channels are the
    same in all files: every material that a unit of the set has. Edits of the scan are heeded.

    Args:
        library: that the set was rendered from; its units have label volumes.
        images: folder of the set.
        out: folder of the maps.
        workers: processes, each for one unit at a time; the number of cores when None, 0 works in this one.

    Returns:
        How many were written.

    Raises:
        InputError: the set is of photographs, a unit has no labels, or ``out`` holds maps of something else.
    """
    samples = SampleSet.open(images)
    if samples.header.modality != "xray" or not all(record.draw for record in samples):
        raise InputError(images, "is no set rendered by 'rgbx render xray'", "give one that is")
    groups: dict[tuple[str, str], list[SampleRecord]] = {}
    for record in samples:
        groups.setdefault((record.label, record.unit), []).append(record)
    units = {names: library.unit(*names) for names in groups}
    materials = _materials_of(list(units.values()))
    header = {"materials": list(materials), "set": samples.header.digest()}
    path = out / MATERIALS_FILE
    if path.exists() and read_json(path) != header:
        raise InputError(out, "holds the maps of another set", "choose another --out folder or delete this one")
    write_json(path, header)

    jobs = []
    for names, records in groups.items():
        missing = [record for record in records if not _map_path(out, record).exists()]
        if missing:
            jobs.append((units[names], missing, materials, out))
    count = sum(len(job[1]) for job in jobs)
    done = in_processes(_write_unit_maps, jobs, workers)
    for _ in track(done, "units", total=len(units), completed=len(units) - len(jobs)):
        pass
    return count


_Job = tuple[Unit, list[SampleRecord], Sequence[str], Path]


def _materials_of(units: list[Unit]) -> list[str]:
    """Return the names of all materials in these units, in the order of their labels."""
    found: dict[str, int] = {}
    for unit in track(units, "reading labels", total=len(units)):
        for label in _labels_in(unit.read_labels(unit.read_scan()).values):
            found.setdefault(unit.material_name(label), label)
    return sorted(found, key=lambda name: (found[name], name))


def _labels_in(values: np.ndarray) -> list[int]:
    return [int(label) for label in np.flatnonzero(np.bincount(values.ravel())) if label]


def _write_unit_maps(job: _Job) -> None:
    unit, records, materials, out = job
    scan = unit.read_scan()
    labels = prepare_labels(unit.read_labels(scan), scan)
    channels = {label: materials.index(unit.material_name(label)) for label in _labels_in(labels.values)}
    draws = [XrayDraw.model_validate(record.draw) for record in records]
    parts = find_parts(prepare_scan(scan)) if any(drawn.edits for drawn in draws) else None
    for record, drawn in zip(records, draws, strict=True):
        rays = drawn.projector.rays(drawn.pose)
        maps = np.zeros((len(materials), *rays.shape), np.float32)
        for label, channel in channels.items():
            indicator = indicator_of(labels, label)
            if drawn.edits is not None and parts is not None:
                indicator = edited(indicator, parts, drawn.edits)
            maps[channel] += thickness_map(indicator, rays, drawn.subsamples)
        with atomic_path(_map_path(out, record)) as temporary:
            np.savez_compressed(temporary, thickness_mm=maps, materials=np.array(materials))


def _map_path(out: Path, record: SampleRecord) -> Path:
    return (out / record.file_name).with_suffix(".npz")

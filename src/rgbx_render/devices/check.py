"""Checking a library: what each unit holds, all that is wrong with it at once, and pictures of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import numpy as np
import trimesh

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx.files import write_json
from rgbx.geometry import Vector
from rgbx.names import printable
from rgbx.pictures import contact_sheet, write_image
from rgbx.progress import track
from rgbx_render.devices.extent import find_extent
from rgbx_render.devices.library import Unit, find_units, group_faults
from rgbx_render.devices.mesh_io import mesh_remarks
from rgbx_render.devices.preview import BACK, FRONT, project_scan, shade_mesh
from rgbx_render.devices.unit_file import UNIT_FILE
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import scan_format

Held = TypeVar("Held")

SAME_SIZE = (0.6, 1.05)
"""The longest side of a mesh as a multiple of its scan's, which has some air round the unit."""


class ScanSummary(Config):
    """What a scan is."""

    format: str
    voxel_size_mm: Vector
    """Along x, y, z."""
    shape: tuple[int, int, int]
    """Voxels along x, y, z."""
    size_mm: Vector
    dtype: str
    value_range: tuple[float, float]


class MeshSummary(Config):
    """What a mesh is."""

    format: str
    size_mm: Vector
    objects: int
    faces: int


class UnitSummary(Config):
    """What a unit holds and what is wrong with it."""

    device_class: str
    unit: str
    scan: ScanSummary | None = None
    mesh: MeshSummary | None = None
    photos: int = 0
    radiographs: int = 0
    problems: tuple[str, ...] = ()
    """Each makes the unit unusable; a sentence with its remedy."""
    remarks: tuple[str, ...] = ()
    """What is missing or looks odd; the unit can be used all the same."""


class LibraryCheck(Config):
    """``check.json``: what a library holds and what is wrong with it."""

    library: str
    units: tuple[UnitSummary, ...]
    problems: tuple[str, ...]
    """Of the library and of all units, a sentence each; equal ones of many units are one."""
    remarks: tuple[str, ...]

    @property
    def usable(self) -> int:
        """How many units have no problem."""
        return sum(not unit.problems for unit in self.units)


@dataclass(frozen=True)
class UnitCheck:
    """The summary of a unit and its pictures."""

    summary: UnitSummary
    pictures: dict[str, np.ndarray] = field(default_factory=dict)
    """By caption: (h, w) or (h, w, 3) uint8."""
    faults: tuple[RgbxError, ...] = ()
    """The problems of the summary."""


def check_library(library: Path, out: Path | None = None) -> LibraryCheck:
    """Read everything in a library and find all that is wrong with it at once.

    Args:
        library: its folder.
        out: where to write what is returned, as ``check.json``, with a picture of each unit, ``CLASS/UNIT.png``, and
            all of them on ``contact-sheet.png``; nothing is written when None.

    Raises:
        InputError: there is no such folder.
    """
    units, found_faults = find_units(library)
    faults: list[RgbxError] = [*found_faults]
    summaries, rows, captions = [], [], []
    for unit in track(units, "checking", total=len(units)):
        checked = check_unit(unit, pictures=out is not None)
        summaries.append(checked.summary)
        faults += checked.faults
        if out is not None and checked.pictures:
            row, texts = list(checked.pictures.values()), [f"{unit.name}  {name}" for name in checked.pictures]
            write_image(out / unit.device_class / f"{unit.name}.png", contact_sheet([row], [texts], tile=320))
            rows.append(row)
            captions.append(texts)
    found = LibraryCheck(
        library=printable(library),
        units=tuple(summaries),
        problems=tuple(map(str, group_faults(library, faults))),
        remarks=(*class_remarks(units), *(remark for summary in summaries for remark in summary.remarks)),
    )
    if out is not None:
        write_json(out / "check.json", found.model_dump(mode="json"))
        if rows:
            write_image(out / "contact-sheet.png", contact_sheet(rows, captions, tile=160))
    return found


def check_unit(unit: Unit, pictures: bool = True) -> UnitCheck:
    """Read everything a unit has; what cannot be read becomes a problem of the summary instead of an error.

    Args:
        unit: the unit.
        pictures: whether to draw it.
    """
    faults: dict[str, RgbxError] = {}

    def attempt(has: Path | None, read: Callable[[], Held]) -> Held | None:
        if has is None:
            return None
        try:
            return read()
        except RgbxError as error:
            faults.setdefault(str(error), error)
            return None

    volume = attempt(unit.scan_path, unit.read_scan)
    if volume is not None:
        attempt(unit.labels_path, partial(unit.read_labels, volume))
    scene = attempt(unit.mesh_path, unit.read_mesh)
    summary = UnitSummary(
        device_class=unit.device_class,
        unit=unit.name,
        scan=_summarise_scan(unit.scan_path, volume) if unit.scan_path and volume else None,
        mesh=_summarise_mesh(unit.mesh_path, scene) if unit.mesh_path and scene else None,
        photos=len(unit.photo_paths),
        radiographs=len(unit.radiograph_paths),
        problems=tuple(faults),
        remarks=tuple(map(printable, _remarks(unit, volume, scene))),
    )
    return UnitCheck(summary, _draw(volume, scene) if pictures else {}, tuple(faults.values()))


def class_remarks(units: list[Unit]) -> list[str]:
    """Say which classes lack the scans or meshes that training images are rendered from."""
    remarks = []
    for device_class, group in groupby(units, lambda unit: unit.device_class):
        members = list(group)
        if not any(unit.scan_path for unit in members):
            remarks.append(f"{device_class} has no scan, so no radiographs of it can be rendered.")
        if not any(unit.mesh_path for unit in members):
            remarks.append(f"{device_class} has no mesh, so no photographs of it can be rendered.")
        if len(members) == 1:
            remarks.append(
                f"{device_class} has a single unit, so none of it can be held out: its accuracy needs real images."
            )
    return remarks


def _summarise_scan(path: Path, volume: Volume) -> ScanSummary:
    nz, ny, nx = volume.values.shape
    return ScanSummary(
        format=scan_format(path),
        voxel_size_mm=volume.spacing,
        shape=(nx, ny, nz),
        size_mm=volume.size_mm,
        dtype=str(volume.values.dtype),
        value_range=(float(volume.values.min()), float(volume.values.max())),
    )


def _summarise_mesh(path: Path, scene: trimesh.Scene) -> MeshSummary:
    meshes = scene.geometry.values()
    return MeshSummary(
        format=path.suffix[1:].upper(),
        size_mm=_extents(scene),
        objects=len(meshes),
        faces=sum(len(mesh.faces) for mesh in meshes),
    )


def _extents(scene: trimesh.Scene) -> Vector:
    x, y, z = scene.extents
    return float(x), float(y), float(z)


def _remarks(unit: Unit, volume: Volume | None, scene: trimesh.Scene | None) -> Iterator[str]:
    sidecar = unit.folder / UNIT_FILE
    sizes: dict[str, Vector] = {}
    if volume is not None:
        sizes["scan"] = volume.size_mm
        yield from _scan_remarks(unit, volume)
    if scene is not None:
        sizes["mesh"] = _extents(scene)
        yield from mesh_remarks(scene)
    for what, size in sizes.items():
        if size[2] > 1.02 * min(size):
            thin = "xyz"[int(np.argmin(size))]
            axes = {"x": "[y, z, x]", "y": "[x, z, -y]"}[thin]  # rotations: a mirrored device is another device
            yield (
                f"{unit.folder}: the {what} is thinnest along {thin}, but devices lie with their thickness along z: "
                f"if the picture shows it on edge, set '{what}_axes', e.g. {axes}, in {sidecar}."
            )
    if len(sizes) == 2:
        mesh, scan = max(sizes["mesh"]), max(sizes["scan"])
        if not SAME_SIZE[0] <= mesh / scan <= SAME_SIZE[1]:
            yield (
                f"{unit.folder}: the mesh is {mesh:.4g} mm long and the scan {scan:.4g} mm: "
                f"if that is not so, correct 'mesh_unit' or 'voxel_size_mm' in {sidecar}."
            )


def _scan_remarks(unit: Unit, volume: Volume) -> Iterator[str]:
    if volume.padding is not None:
        yield (
            f"{unit.folder}: the scan's {volume.padding:g} beside noisy air is taken for padding outside the field of "
            "view and made air: if it is a part of the unit, replace it in the scan by the unit's own grey value."
        )
    if find_extent(volume.values).fills:
        yield (
            f"{unit.folder}: the unit fills its scan to all sides: if it was cut off, or lies in something that is no "
            "air, scan it again with air round it."
        )


def _draw(volume: Volume | None, scene: trimesh.Scene | None) -> dict[str, np.ndarray]:
    pictures = {}
    if volume is not None:
        pictures["scan along z"] = project_scan(volume, 2)
        pictures["scan along x"] = project_scan(volume, 0)
    if scene is not None:
        pictures["mesh, front"] = shade_mesh(scene, FRONT)
        pictures["mesh, back"] = shade_mesh(scene, BACK)
    return pictures

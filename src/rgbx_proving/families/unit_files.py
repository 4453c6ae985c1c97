"""Writing a family as a device library: a folder a unit with its scan, mesh and part list."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import SimpleITK as sitk
import yaml

from rgbx.errors import InputError
from rgbx.files import write_text
from rgbx.processes import in_processes
from rgbx.progress import track
from rgbx_proving.families.family import Family
from rgbx_proving.units.part_mesh import build_mesh, write_mesh
from rgbx_proving.units.parts import PartList, read_parts, write_parts
from rgbx_proving.units.scanning import LABELS, label_unit, scan_unit
from rgbx_render.devices.unit_file import UNIT_FILE
from rgbx_render.devices.volume_io import write_volume

SCAN, LABELS_FILE, MESH, PARTS = "scan.nrrd", "labels.nrrd", "mesh.glb", "parts.json"


class UnitKey(NamedTuple):
    """Names one unit of a class."""

    device_class: str
    number: int
    """1-based."""

    @property
    def name(self) -> str:
        """The unit's name and folder, e.g. ``"SP3-007"``."""
        return f"{self.device_class}-{self.number:03d}"


def write_units(
    out: Path,
    family: Family,
    keys: Sequence[UnitKey],
    *,
    scan_spacing_mm: float | None,
    mesh: bool,
    labels: bool = False,
    seed: int = 0,
    workers: int | None = None,
) -> int:
    """Write ``out/<class>/<unit>/`` for each key; units that are complete already are kept.

    Args:
        out: the library's folder.
        family: whose units they are.
        keys: the units.
        scan_spacing_mm: voxel size of the scans; None writes none.
        mesh: whether to write meshes.
        labels: whether to write a label volume beside each scan, and the names of its materials into ``unit.yaml``.
        seed: of the family; another seed gives other units of the same classes.
        workers: processes; the number of cores when None; 0 works in this process.

    Returns:
        How many were written.

    Raises:
        InputError: a unit is there already but was made with other settings.
        ConfigError: the family has no such class.
    """
    family.check(key.device_class for key in keys)
    missing = [key for key in keys if not _is_complete(out, family, key, scan_spacing_mm, mesh, labels, seed)]
    jobs = [(out, family, key, scan_spacing_mm, mesh, labels, seed) for key in missing]
    written = in_processes(_write_job, jobs, workers)
    for _ in track(written, f"building {family.things}", total=len(keys), completed=len(keys) - len(missing)):
        pass
    return len(missing)


def write_unit(
    folder: Path, parts: PartList, scan_spacing_mm: float | None, mesh: bool, seed: int = 0, labels: bool = False
) -> None:
    """Write one unit's files, each whole or not at all; ``parts.json`` comes last.

    Args:
        folder: the unit's own folder.
        parts: the unit.
        scan_spacing_mm: voxel size of the scan; None writes none.
        mesh: whether to write a mesh.
        seed: of the scan's noise.
        labels: whether to write a label volume beside the scan.
    """
    if scan_spacing_mm is not None:
        write_volume(folder / SCAN, scan_unit(parts, scan_spacing_mm, seed))
        if labels:
            volume = label_unit(parts, scan_spacing_mm)
            names = {int(label): LABELS[int(label)] for label in np.unique(volume.values) if label}
            write_text(folder / UNIT_FILE, yaml.safe_dump({"materials": names}))
            write_volume(folder / LABELS_FILE, volume)
    if mesh:
        write_mesh(folder / MESH, build_mesh(parts))
    write_parts(folder / PARTS, parts)


def _is_complete(
    out: Path, family: Family, key: UnitKey, scan_spacing_mm: float | None, mesh: bool, labels: bool, seed: int
) -> bool:
    """Say whether a unit has all its files, and refuse one made with other settings."""
    folder = _folder(out, key)
    parts, scan = folder / PARTS, folder / SCAN
    remedy = "choose another --out folder or delete this one"
    if parts.exists() and read_parts(parts) != family.make_unit(key.device_class, key.number, seed):
        raise InputError(folder, "holds another unit of that name (other --seed or version of rgbx)", remedy)
    if scan_spacing_mm is not None and scan.exists():
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(scan))
        reader.ReadImageInformation()
        found = reader.GetSpacing()[0]
        if abs(found - scan_spacing_mm) > 1e-6:
            raise InputError(scan, f"has voxels of {found:g} mm, not {scan_spacing_mm:g} mm", remedy)
    has_scan = scan_spacing_mm is not None
    wanted = {scan: has_scan, folder / LABELS_FILE: has_scan and labels, folder / MESH: mesh, parts: True}
    return all(path.exists() for path, is_wanted in wanted.items() if is_wanted)


def _folder(out: Path, key: UnitKey) -> Path:
    return out / key.device_class / key.name


_Job = tuple[Path, Family, UnitKey, float | None, bool, bool, int]


def _write_job(job: _Job) -> None:
    out, family, key, scan_spacing_mm, mesh, labels, seed = job
    unit = family.make_unit(key.device_class, key.number, seed)
    write_unit(_folder(out, key), unit, scan_spacing_mm, mesh, seed, labels)

"""The device library: a folder for each class, and in it a folder for each unit with whatever there is of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

import numpy as np
import trimesh

from rgbx.errors import InputError, RgbxError
from rgbx.files import check_names_differ, digest, digest_files
from rgbx.modality import IMAGE_SUFFIXES
from rgbx.names import natural_key, printable
from rgbx_render.devices.mesh_io import MESH_SUFFIXES, read_mesh
from rgbx_render.devices.unit_file import CLASS_FILE, LIBRARY_FILE, UNIT_FILE, check_placed, read_unit_file, unit_files
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import ITK_SUFFIXES, OTHER_SCANS, SCAN_SUFFIXES, other_scan, read_scan, read_volume

Kind = Literal["scan", "labels", "mesh"]

SCAN_FOLDERS = ("scan", "dicom")

_HEADERS_OF_RAW = (".mhd", ".nhdr", ".vgi")
"""Scan formats whose voxels may lie in a file beside them."""


@dataclass(frozen=True)
class Unit:
    """One physical device and where its files are; those it does not have are None or empty."""

    device_class: str
    name: str
    folder: Path
    scan_path: Path | None = None
    labels_path: Path | None = None
    mesh_path: Path | None = None
    photo_paths: tuple[Path, ...] = ()
    radiograph_paths: tuple[Path, ...] = ()

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Find out what ``folder``, i.e. ``<library>/<class>/<unit>``, holds.

        Raises:
            InputError: it holds nothing usable, or two of what a unit has one of.
        """
        check_placed(folder, UNIT_FILE)
        unit = cls(
            device_class=printable(folder.parent.name),
            name=printable(folder.name),
            folder=folder,
            scan_path=_only(folder, "scan", _scans_in(folder)),
            labels_path=_only(folder, "label volume", _named(folder, "labels", ITK_SUFFIXES)),
            mesh_path=_only(folder, "mesh", _named(folder, "mesh", MESH_SUFFIXES)),
            photo_paths=_images_in(_only(folder, "folder of photographs", _folders_named(folder, "photos"))),
            radiograph_paths=_images_in(_only(folder, "folder of radiographs", _folders_named(folder, "radiographs"))),
        )
        if unit.scan_path is None and (other := _named(folder, "scan", tuple(OTHER_SCANS))):
            raise other_scan(other[0])
        if not (unit.scan_path or unit.mesh_path or unit.photo_paths or unit.radiograph_paths):
            raise _nothing_in(folder)
        return unit

    def read_scan(self) -> Volume:
        """Read the CT scan.

        Raises:
            InputError: there is none, or it cannot be used.
        """
        return read_scan(self._required("scan", self.scan_path))

    def read_labels(self, scan: Volume) -> Volume:
        """Read the label volume: which material each voxel of the scan is.

        Args:
            scan: of this unit.

        Returns:
            uint8 on the grid of the scan; 0 is air, or anything else that has no label.

        Raises:
            InputError: there is none, it has another grid than the scan, or values that are no labels.
        """
        path = self._required("labels", self.labels_path)
        labels = read_volume(path, categories=True)
        same_spacing = all(
            abs(one - other) <= 1e-3 * other for one, other in zip(labels.spacing, scan.spacing, strict=True)
        )
        if labels.values.shape != scan.values.shape or not same_spacing:
            raise InputError(
                path,
                f"has {_grid(labels)}, but the scan beside it {_grid(scan)}",
                "export the labels on the grid of the scan",
            )
        values = labels.values.astype(np.uint8)
        if not np.array_equal(values, labels.values):
            raise InputError(path, "holds values that are no labels", "give each voxel an integer from 0 (air) to 255")
        return Volume(values, scan.spacing)

    def material_name(self, label: int) -> str:
        """Return what ``unit.yaml`` calls the material of a label; its number where it says nothing.

        Raises:
            InputError: ``unit.yaml`` cannot be used.
        """
        return read_unit_file(self.folder).materials.get(label, str(label))

    def read_mesh(self) -> trimesh.Scene:
        """Read the mesh, in mm.

        Raises:
            InputError: there is none, or it cannot be used.
        """
        return read_mesh(self._required("mesh", self.mesh_path))

    def files(self, kind: Kind) -> list[Path]:
        """Return every file that what ``kind`` reads depends on; empty when the unit has none of it."""
        path = {
            "scan": self.scan_path,
            "labels": self.labels_path,
            "mesh": self.mesh_path,
        }[kind]
        if path is None:
            return []
        if path.is_dir():
            found = [entry for entry in path.iterdir() if entry.is_file()]
        elif path.suffix.lower() in _HEADERS_OF_RAW:  # these point to further files beside them
            found = [entry for entry in self.folder.iterdir() if entry.is_file()]
        elif path.suffix.lower() in (".obj", ".ply"):  # and these also to files in folders
            found = [entry for entry in self.folder.rglob("*") if entry.is_file() and not _is_other(self.folder, entry)]
        else:
            found = [path]
        said = unit_files(self.folder)
        names = {file.name for file in said if file.parent == self.folder}
        return [*sorted(file for file in found if file.name not in names), *said]

    def _required(self, kind: Kind, path: Path | None) -> Path:
        if path is None:
            raise InputError(self.folder, f"has no {_CALLED[kind]}", f"add {_EXAMPLES[kind]}")
        return path


@dataclass(frozen=True)
class Library:
    """A folder of units; use :meth:`open`."""

    path: Path
    units: list[Unit] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Find all units; what is in their files is read later, unit by unit.

        Raises:
            InputError: ``path`` is not a library, or a class or unit in it cannot be used.
        """
        units, faults = find_units(path)
        grouped = group_faults(path, faults)
        if len(grouped) == 1:
            raise grouped[0]
        if grouped:
            first, more = faults[0], len(grouped) - 1
            remedy = grouped[0].remedy if isinstance(grouped[0], InputError) else first.remedy
            raise InputError(
                first.path, first.problem, f"{remedy}; {more} more problems are listed by 'rgbx devices check {path}'"
            )
        return cls(path, units)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The device classes, SP2 before SP10."""
        return tuple(dict.fromkeys(unit.device_class for unit in self.units))

    def units_of(self, device_class: str) -> list[Unit]:
        """Return the units of one class."""
        return [unit for unit in self.units if unit.device_class == device_class]

    def unit(self, device_class: str, name: str) -> Unit:
        """Return the unit that a sample's record names.

        Raises:
            InputError: the library has none of that class and name.
        """
        for unit in self.units_of(device_class):
            if unit.name == name:
                return unit
        raise InputError(self.path, f"has no unit {device_class}/{name}", "give the library that the set was made of")

    def digest(self, kinds: Iterable[Kind]) -> str:
        """Return a digest that changes when any unit, or the content of any file of these ``kinds``, does."""
        contents = [
            content
            for unit in self.units
            for kind in kinds
            for content in (unit.device_class, unit.name, kind, digest_files(unit.files(kind)))
        ]
        return digest(*contents)


def find_units(path: Path) -> tuple[list[Unit], list[InputError]]:
    """Find the units of the library ``path`` and everything that is wrong with its folders.

    Raises:
        InputError: ``path`` is no folder, or holds no folders of classes at all.
    """
    if not path.exists():
        raise InputError(path, "does not exist", "check the path of the library")
    if not path.is_dir():
        raise InputError(path, "is a file, not a library", "give the folder that holds a folder for each class")
    units: list[Unit] = []
    faults: list[InputError] = []
    classes = _folders_in(path)
    if not classes:
        raise InputError(path, "is not a library: it has no folders of classes", _TREE)
    faults += _faults_of(check_placed, path, LIBRARY_FILE) + _faults_of(_check_names, classes)
    for class_folder in classes:
        faults += _faults_of(check_placed, class_folder, CLASS_FILE)
        try:
            folders = _folders_in(class_folder)
            if _scans_in(class_folder) or _named(class_folder, "mesh", MESH_SUFFIXES):
                raise InputError(
                    class_folder, "holds a scan or mesh directly", f"move it one down, to {class_folder / 'unit-1'}/"
                )
            if not folders:
                raise InputError(
                    class_folder, "is a class without units", f"add a unit, e.g. {class_folder / 'unit-1'}/"
                )
        except (InputError, PermissionError) as error:
            faults.append(_as_fault(class_folder, error))
            continue
        faults += _faults_of(_check_names, folders)
        for folder in folders:
            try:
                units.append(Unit.open(folder))
            except (InputError, PermissionError) as error:
                faults.append(_as_fault(folder, error))
    return units, faults


_TREE = "arrange it as LIBRARY/CLASS/UNIT/scan.nrrd (see docs/reference/file-formats.md)"
_WHAT_A_UNIT_HOLDS = "add scan.* or a dicom/ folder, mesh.*, photos/ or radiographs/"
_CALLED = {"scan": "scan", "labels": "label volume", "mesh": "mesh"}
_EXAMPLES = {
    "scan": "a CT scan, e.g. scan.nrrd or a dicom/ folder",
    "labels": "labels.nrrd, the material of each voxel of its scan",
    "mesh": "a mesh, e.g. mesh.glb",
}


def _is_other(folder: Path, entry: Path) -> bool:
    """Whether a file of a unit lies in a folder that has nothing to do with its mesh."""
    return entry.relative_to(folder).parts[0] in (*SCAN_FOLDERS, "photos", "radiographs")


def _grid(volume: Volume) -> str:
    counts = " × ".join(str(count) for count in reversed(volume.values.shape))
    return f"{counts} voxels of {' × '.join(f'{step:g}' for step in volume.spacing)} mm"


def _faults_of(check: Callable[..., None], *of: object) -> list[InputError]:
    try:
        check(*of)
    except InputError as error:
        return [error]
    return []


def _check_names(folders: Sequence[Path]) -> None:
    check_names_differ(((folder.name, folder) for folder in folders), "rename one of them, or join them")


def _as_fault(folder: Path, error: InputError | PermissionError) -> InputError:
    if isinstance(error, InputError):
        return error
    return InputError(folder, "may not be read", "give yourself the right to read it")


def _folders_in(path: Path) -> list[Path]:
    try:
        entries = list(path.iterdir())
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    folders = [entry for entry in entries if entry.is_dir() and not entry.name.startswith(".")]
    return sorted(folders, key=lambda folder: natural_key(folder.name))


def _named(folder: Path, stem: str, suffixes: tuple[str, ...]) -> list[Path]:
    names = {f"{stem}{suffix}" for suffix in suffixes}
    return sorted(entry for entry in folder.iterdir() if entry.name.lower() in names)


def _scans_in(folder: Path) -> list[Path]:
    scans = [path for path in _named(folder, "scan", SCAN_SUFFIXES) if path.is_file()]
    if any(path.suffix.lower() in _HEADERS_OF_RAW for path in scans):
        scans = [path for path in scans if path.suffix.lower() != ".raw"]  # which are its voxels
    return scans + _folders_named(folder, *SCAN_FOLDERS)


def _folders_named(folder: Path, *names: str) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if entry.name.lower() in names and entry.is_dir())


def _only(folder: Path, what: str, found: list[Path]) -> Path | None:
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(
            folder, f"has more than one {what} ({names})", "keep one and put the others in units of their own"
        )
    return found[0] if found else None


def _images_in(folder: Path | None) -> tuple[Path, ...]:
    if folder is None:
        return ()
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES))


def _nothing_in(folder: Path) -> InputError:
    """Return what is wrong with a unit that has nothing usable, with the way out where a file is nearly usable."""
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    for entry in entries:
        for stem, suffixes in (("scan", SCAN_SUFFIXES), ("mesh", MESH_SUFFIXES)):
            for suffix in sorted(suffixes, key=len, reverse=True):
                if entry.name.lower().endswith(suffix):
                    nearly = f" (is {entry.name} its {stem}? Then rename it to {stem}{suffix})"
                    return InputError(folder, f"holds nothing of a unit{nearly}", _WHAT_A_UNIT_HOLDS)
    for entry in entries:
        if entry.suffix.lower() in OTHER_SCANS:
            return other_scan(entry)
    return InputError(folder, "holds nothing of a unit", _WHAT_A_UNIT_HOLDS)


def group_faults(library: Path, faults: Sequence[RgbxError]) -> list[RgbxError]:
    """Put equal faults of many units into one sentence, with how many there are and where to mend them at once.

    Args:
        library: its folder.
        faults: of its units and classes; those of one unit that are equal count once.
    """
    groups: dict[object, list[tuple[Path, RgbxError]]] = {}
    for fault in faults:
        unit = _unit_of(library, fault)
        alike: object = str(fault)
        if isinstance(fault, InputError) and unit is not None:
            alike = fault.problem, fault.remedy.replace(str(unit), "")
        groups.setdefault(alike, []).append((unit or library, fault))
    return [_as_one(library, members) for members in groups.values()]


def _unit_of(library: Path, fault: RgbxError) -> Path | None:
    """Return the folder of the unit that a fault is in; None where it is not in one."""
    if not isinstance(fault, InputError) or not fault.path.is_relative_to(library):
        return None
    parts = fault.path.relative_to(library).parts
    return library / parts[0] / parts[1] if len(parts) > 1 and (library / parts[0] / parts[1]).is_dir() else None


def _as_one(library: Path, members: list[tuple[Path, RgbxError]]) -> RgbxError:
    units = list(dict.fromkeys(unit for unit, _ in members))
    first = members[0][1]
    if len(units) < 2 or not isinstance(first, InputError):
        return first
    hint = f"so it is with {len(units)} units"
    if UNIT_FILE in first.remedy:
        classes = {unit.parent for unit in units}
        shared = classes.pop() / CLASS_FILE if len(classes) == 1 else library / LIBRARY_FILE
        hint += f"; {shared} says it for all of them at once"
    return InputError(first.path, first.problem, f"{first.remedy} ({hint})")

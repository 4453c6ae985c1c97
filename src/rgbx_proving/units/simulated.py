"""Libraries of simulated units: those of which the part list is known."""

from pathlib import Path

from rgbx.errors import InputError
from rgbx.files import digest, digest_files
from rgbx.names import natural_key
from rgbx_proving.units.parts import PARTS_FILE, PartList, read_parts
from rgbx_render.devices.library import Library, Unit


def open_simulated(path: Path) -> Library:
    """Open a library ``path/CLASS/UNIT/parts.json``; scans and meshes of the units may be there or not.

    Raises:
        InputError: there is no unit, or one has no part list.
    """
    folders = [folder for folder in path.glob("*/*") if folder.is_dir() and not folder.name.startswith(".")]
    if not folders:
        raise InputError(path, "holds no units", "give a library that 'rgbx devices family' has made")
    for folder in folders:
        if not (folder / PARTS_FILE).is_file():
            raise InputError(
                folder,
                f"has no {PARTS_FILE}, so it was really scanned and cannot be X-rayed by the simulated machine",
                "use your own radiographs and photographs of it instead",
            )
    folders.sort(key=lambda folder: (natural_key(folder.parent.name), natural_key(folder.name)))
    return Library(path, [Unit(folder.parent.name, folder.name, folder) for folder in folders])


def parts_of(unit: Unit) -> PartList:
    """Read what a simulated unit is made of.

    Raises:
        InputError: its part list is missing or damaged.
    """
    return read_parts(unit.folder / PARTS_FILE)


def parts_digest(library: Library) -> str:
    """Return a digest that changes when any unit of a simulated library, or any part of one, does."""
    return digest(
        *(
            text
            for unit in library.units
            for text in (unit.device_class, unit.name, digest_files([unit.folder / PARTS_FILE]))
        )
    )

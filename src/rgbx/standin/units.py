"""The units that the simulated machine and camera see: those of a library, after their wear."""

from pathlib import Path

from rgbx.devices.library import PARTS_FILE, Library
from rgbx.devices.parts import read_parts, write_parts
from rgbx.errors import InputError
from rgbx.standin.wear import WearConfig, wear_unit


def worn_library(library: Library, out: Path, seed: int, config: WearConfig | None) -> Library:
    """Write ``out/<class>/<unit>/parts.json`` for each unit and return that as a library.

    Radiographs and photographs taken of it show the same damage of the same unit.

    Args:
        library: units with part lists.
        out: folder of the new library; one that holds the same units after the same wear is kept.
        seed: of the wear.
        config: how likely each damage is; None leaves the units as they are.

    Raises:
        InputError: a unit has no part list, or ``out`` holds units worn otherwise.
    """
    for unit in library.units:
        if unit.parts_path is None:
            raise InputError(
                unit.folder,
                "has no parts.json, so it was really scanned and cannot be X-rayed by the simulated machine",
                "use your own radiographs and photographs of it instead",
            )
    for unit in library.units:
        parts = unit.read_parts()
        worn = parts if config is None else wear_unit(parts, seed, config)
        path = out / unit.device_class / unit.name / PARTS_FILE
        if not path.exists():
            write_parts(path, worn)
        elif read_parts(path) != worn:
            raise InputError(
                path, "is another unit or worn otherwise", "choose another --out folder or delete this one"
            )
    return Library.open(out)

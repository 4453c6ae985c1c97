"""The units that the simulated machine and camera see: those of a library, after their wear."""

from pathlib import Path

from rgbx.errors import InputError
from rgbx_proving.standin.wear import WearConfig, wear_unit
from rgbx_proving.units.parts import PARTS_FILE, read_parts, write_parts
from rgbx_proving.units.simulated import open_simulated, parts_of
from rgbx_render.devices.library import Library


def worn_library(library: Library, out: Path, seed: int, config: WearConfig | None) -> Library:
    """Write ``out/<class>/<unit>/parts.json`` for each unit and return that as a library.

    Radiographs and photographs taken of it show the same damage of the same unit.

    Args:
        library: from :func:`~rgbx_proving.units.simulated.open_simulated`.
        out: folder of the new library; one that holds the same units after the same wear is kept.
        seed: of the wear.
        config: how likely each damage is; None leaves the units as they are.

    Raises:
        InputError: ``out`` holds units worn otherwise.
    """
    for unit in library.units:
        parts = parts_of(unit)
        worn = parts if config is None else wear_unit(parts, seed, config)
        path = out / unit.device_class / unit.name / PARTS_FILE
        if not path.exists():
            write_parts(path, worn)
        elif read_parts(path) != worn:
            raise InputError(
                path, "is another unit or worn otherwise", "choose another --out folder or delete this one"
            )
    return open_simulated(out)

"""Choosing units of a library, so that training, validation and test never share one."""

import re
from collections.abc import Iterable

from rgbx.errors import ConfigError, InputError
from rgbx_render.devices.library import Library, Unit


def select_units(library: Library, selection: str | None) -> list[Unit]:
    """Return the units that ``selection`` names.

    Args:
        library: to choose from.
        selection: numbers and names with commas between them; ``"1-2"`` are the first two units of every class,
            ``"3"`` is the third, ``"SP1-004"`` the unit (or the class) of that name. None selects all.

    Raises:
        ConfigError: a number or name fits no unit.
    """
    if selection is None:
        return list(library.units)
    chosen: set[tuple[str, str]] = set()
    for item in filter(None, (text.strip() for text in selection.split(","))):
        found = _matching(library, item)
        if not found:
            raise ConfigError(
                f"--units names '{item}', which {library.path} has not: write numbers such as 1-2 (the first two units "
                "of every class) or names of units."
            )
        chosen |= {(unit.device_class, unit.name) for unit in found}
    return [unit for unit in library.units if (unit.device_class, unit.name) in chosen]


def by_class(library: Library, units: Iterable[Unit], kind: str) -> dict[str, list[Unit]]:
    """Group units by class, and make sure that every class has one.

    Args:
        library: that they are from.
        units: each with what is needed of it.
        kind: what is needed, for the error, e.g. ``"scan"``.

    Raises:
        InputError: a class of the library has none.
    """
    groups: dict[str, list[Unit]] = {device_class: [] for device_class in library.classes}
    for unit in units:
        groups[unit.device_class].append(unit)
    for device_class, members in groups.items():
        if not members:
            raise InputError(
                library.path / device_class, f"has no {kind} among the chosen units", f"add a {kind} or choose others"
            )
    return groups


def _matching(library: Library, item: str) -> list[Unit]:
    numbers = re.fullmatch(r"(\d+)(?:-(\d+))?", item)
    if numbers is None:
        return [unit for unit in library.units if item in (unit.name, unit.device_class)]
    first, last = int(numbers[1]), int(numbers[2] or numbers[1])
    return [
        unit for device_class in library.classes for unit in library.units_of(device_class)[max(0, first - 1) : last]
    ]

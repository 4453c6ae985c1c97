"""A family of near twins: classes by their designs, and how a unit of one is made.

Families are known by name (:data:`FAMILIES`), so that a benchmark, a verb or a table is of any of them.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from rgbx.errors import ConfigError
from rgbx.files import digest
from rgbx.registry import Registry
from rgbx_proving.families.design import Design
from rgbx_proving.families.tolerance import Tolerances, deviated
from rgbx_proving.units.parts import Part, PartList

Half = Literal["shell", "inside"]
"""What a camera sees, and what only X-rays see."""


@dataclass(frozen=True)
class Family:
    """Near twins, class by class."""

    title: str
    """As people write it, e.g. ``"SP10"``; units are drawn from it."""
    things: str
    """What its units are, in the plural, e.g. ``"phones"``."""
    designs: Mapping[str, Design]
    """By device class, in order. No other family has a class of the same name."""
    build: Callable[[Any, Any], list[Part]]
    """(design, one colourway of its palette) → parts exactly as drawn; a function of a module, so that it is picklable.
    """
    tolerances: Tolerances

    @property
    def classes(self) -> tuple[str, ...]:
        """The device classes, in order."""
        return tuple(self.designs)

    def make_unit(self, device_class: str, number: int, seed: int = 0) -> PartList:
        """Return one pristine unit of a class.

        Args:
            device_class: one of :attr:`classes`.
            number: 1-based number of the unit; with ``seed`` it decides the unit's colour and all deviations.
            seed: another seed gives other units of the same designs.

        Raises:
            ConfigError: no such class.
        """
        self.check([device_class])
        design = self.designs[device_class]
        # Not `samples.generator`: samples come after devices in the flow of data.
        rng = np.random.default_rng(int(digest(self.title, device_class, str(number), str(seed)), 16))
        colourway = design.shell.palette[int(rng.integers(len(design.shell.palette)))]
        parts = deviated(self.build(design, colourway), self.tolerances, rng)
        return PartList(device_class=device_class, unit=f"{device_class}-{number:03d}", parts=tuple(parts))

    def nominal_unit(self, device_class: str) -> PartList:
        """Return a class exactly as drawn, in the first of its colours.

        Raises:
            ConfigError: no such class.
        """
        self.check([device_class])
        design = self.designs[device_class]
        parts = self.build(design, design.shell.palette[0])
        return PartList(device_class=device_class, unit=device_class, parts=tuple(parts))

    def shares(self, first: str, second: str) -> tuple[Half, ...]:
        """Return what two classes have in common."""
        one, other = self.designs[first], self.designs[second]
        halves: tuple[Half, ...] = ("shell", "inside")
        return tuple(half for half in halves if getattr(one, half) == getattr(other, half))

    def twins(self, half: Half, classes: Iterable[str] | None = None) -> set[str]:
        """Return the classes that share their shell, or their inside, with another one.

        Args:
            half: which of the two.
            classes: among these; all of them when None. Those that the family has not are left out.
        """
        among = self.classes if classes is None else [name for name in self.classes if name in set(classes)]
        return {name for pair in combinations(among, 2) if half in self.shares(*pair) for name in pair}

    def check(self, classes: Iterable[str]) -> None:
        """Raise a ConfigError where one of ``classes`` is not one of the family."""
        unknown = dict.fromkeys(name for name in classes if name not in self.designs)
        if unknown:
            raise ConfigError(f"{self.title} has no class {', '.join(unknown)}: choose from {', '.join(self.classes)}.")


FAMILIES: Registry[Family] = Registry(
    "family of devices",
    "rgbx.families",
    {
        "sp10": "rgbx_proving.sp10.family:SP10",
        "sp11": "rgbx_proving.sp10.eleventh:SP11",
        "rc6": "rgbx_proving.rc6.family:RC6",
        "rev-0.5": "rgbx_proving.revisions.family:REV_0_5",
        "rev-1": "rgbx_proving.revisions.family:REV_1",
        "rev-2": "rgbx_proving.revisions.family:REV_2",
        "rev-4": "rgbx_proving.revisions.family:REV_4",
        "rev-8": "rgbx_proving.revisions.family:REV_8",
    },
)
"""By the name that settings give."""

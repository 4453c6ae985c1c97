"""What is asked of decisions, where devices go, and what mistakes cost."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field

from rgbx.config import Config
from rgbx.errors import ConfigError
from rgbx.registry import OOD_SCORES

Fraction = Annotated[float, Field(gt=0.0, lt=1.0)]


class TrustConfig(Config):
    """What is asked of decisions."""

    ood_score: Annotated[str, AfterValidator(OOD_SCORES.check)] = "layout"
    """How unknown devices are told: an entry of :data:`rgbx.registry.OOD_SCORES`."""
    unknown: Fraction = 0.02
    """Fraction of known devices that may be put aside as unknown."""
    miss: Fraction = 0.05
    """How often the true class may be missing among the candidates."""
    disagreement: Fraction = 0.01
    """Modalities disagree when no class is among the candidates of both, made with this ``miss``: at most twice as many
    known devices are put aside for it."""
    false_sorts: Fraction = 0.001
    """Highest rate of wrong bins among the devices that are sorted."""
    confidence: Fraction = 0.95
    """That the true rate of false sorts is not above it."""


class Sorting(Config):
    """Where classes go and what mistakes cost."""

    bins: tuple[str, ...]
    costs: tuple[tuple[float, ...], ...]
    """(class, bin): of sending a device of a class to a bin; what a class costs least is its right bin."""

    @classmethod
    def of(
        cls, classes: Sequence[str], bins: Mapping[str, str] | None, costs: Mapping[str, Mapping[str, float]] | None
    ) -> "Sorting":
        """Complete what was given of bins and costs.

        Args:
            classes: of the bundle.
            bins: class to bin; each class has a bin of its own name when None.
            costs: class to bin to cost; what is not given is 0 for a class's bin and 1 for every other.

        Raises:
            ConfigError: they name a class that the bundle has not, leave one out, or a cost is negative.
        """
        bins = {name: name for name in classes} if bins is None else bins
        if set(bins) != set(classes):
            wrong = ", ".join(sorted(set(bins) ^ set(classes)))
            raise ConfigError(
                f"Bins are needed for the bundle's classes, each of them ({wrong} is missing or unknown)."
            )
        names = tuple(dict.fromkeys([*bins.values(), *(name for of in (costs or {}).values() for name in of)]))
        table = {each: {name: float(bins[each] != name) for name in names} for each in classes}
        for each, given in (costs or {}).items():
            if each not in table:
                raise ConfigError(f"Costs are given for '{each}', which is no class of the bundle.")
            if min(given.values(), default=0.0) < 0:
                raise ConfigError(f"A cost of '{each}' is negative: the least is 0, of the right bin.")
            table[each].update(given)
        return cls(bins=names, costs=tuple(tuple(table[each].values()) for each in classes))

    @property
    def matrix(self) -> np.ndarray:
        """The costs, (C, B)."""
        return np.array(self.costs)

    @property
    def right(self) -> np.ndarray:
        """(C, B) bool, whether a bin is right for a class."""
        return self.matrix <= self.matrix.min(1, keepdims=True)

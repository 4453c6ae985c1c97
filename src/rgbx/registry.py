"""Parts that can be added without editing rgbx: looked up by the name that a setting gives.

A part is known by its name from one of three places, looked at in this order:

1. the decorator, for a notebook or a script: ``@AGGREGATORS.register("median")``;
2. rgbx itself, which names where each of its own is, so that none is imported before it is asked for;
3. an entry point of an installed package, e.g. in its ``pyproject.toml``::

       [project.entry-points."rgbx.aggregators"]
       median = "my_package.aggregators:Median"

Files keep the name, never the code. So a file that needs a part which is not installed is refused by that name.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from rgbx.errors import MissingPluginError

_Part = TypeVar("_Part")
Registered = TypeVar("Registered")


class Registry(Generic[_Part]):
    """All parts of one kind.

    Args:
        kind: what such a part is, in words, e.g. ``"aggregator"``.
        group: of entry points, e.g. ``"rgbx.aggregators"``.
        own: where rgbx's own are, by name: ``{"mean": "rgbx.models.aggregators:Mean"}``.
    """

    def __init__(self, kind: str, group: str, own: Mapping[str, str]) -> None:
        self.kind = kind
        self.group = group
        self._own = own
        self._registered: dict[str, _Part] = {}

    def register(self, name: str) -> Callable[[Registered], Registered]:
        """Return a decorator that makes what it stands on known by ``name`` in this process.

        Raises:
            ValueError: there is one of that name already.
        """

        def add(part: Registered) -> Registered:
            if name in self.names():
                raise ValueError(f"there is a {self.kind} '{name}' already")
            self._registered[name] = part  # type: ignore[assignment]
            return part

        return add

    def unregister(self, name: str) -> None:
        """Forget what :meth:`register` made known."""
        del self._registered[name]

    def names(self) -> list[str]:
        """Return the names of all that can be asked for; nothing is imported for it."""
        return sorted({*self._registered, *self._own, *(entry.name for entry in entry_points(group=self.group))})

    def __getitem__(self, name: str) -> _Part:
        """Return the part of that name.

        Raises:
            MissingPluginError: there is none.
        """
        if name in self._registered:
            return self._registered[name]
        if name in self._own:
            module, _, attribute = self._own[name].partition(":")
            return getattr(import_module(module), attribute)
        self.check(name)
        (entry,) = entry_points(group=self.group, name=name)
        return entry.load()

    def check(self, name: str) -> str:
        """Return ``name`` if there is such a part.

        Raises:
            MissingPluginError: there is none.
        """
        known = name in self._registered or name in self._own  # entry points take long to list
        if not known and name not in self.names():
            raise MissingPluginError(self.kind, name, self.group, self.names())
        return name


AGGREGATORS: Registry[Any] = Registry(
    "aggregator",
    "rgbx.aggregators",
    {
        "weighted_mean": "rgbx.models.aggregators:WeightedMean",
        "mean": "rgbx.models.aggregators:Mean",
        "sum": "rgbx.models.aggregators:Sum",
    },
)
"""Subclasses of :class:`rgbx.models.aggregators.Aggregator`: how the features of all iterations become one."""

WINDOWS: Registry[Any] = Registry(
    "window policy",
    "rgbx.windows",
    {
        "square": "rgbx.models.windows:Square",
        "measured": "rgbx.models.windows:Measured",
        "box": "rgbx.research.windows:Box",
        "peaks": "rgbx.research.windows:Peaks",
    },
)
"""Subclasses of :class:`rgbx.models.windows.WindowPolicy`: which part of the image the next iteration sees."""

ACTIVATION_MAPS: Registry[Any] = Registry(
    "activation map",
    "rgbx.activation_maps",
    {"cam": "rgbx.models.icam:class_activation_map", "layercam": "rgbx.research.activation_maps:layercam"},
)
"""Functions like :func:`rgbx.models.icam.class_activation_map`: where the evidence for a class lies."""

LOSSES: Registry[Any] = Registry(
    "extra loss",
    "rgbx.losses",
    {
        "attention_drop": "rgbx.research.losses:attention_drop",
        "counterfactual": "rgbx.research.losses:counterfactual",
    },
)
"""Functions of a :class:`rgbx.training.losses.Step`, added to the loss of a stream in training."""

OOD_SCORES: Registry[Any] = Registry(
    "out-of-distribution score",
    "rgbx.ood_scores",
    {
        "layout": "rgbx.trust.ood:LAYOUT",
        "mahalanobis": "rgbx.research.ood:MAHALANOBIS",
        "neighbours": "rgbx.research.ood:NEIGHBOURS",
        "energy": "rgbx.research.ood:ENERGY",
    },
)
"""Each a :class:`rgbx.trust.ood.OodScore`: how far a device is from all that are known."""

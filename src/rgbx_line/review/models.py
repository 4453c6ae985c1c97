"""What the models of a line know of classes and bins, without loading any of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from rgbx.files import read_json
from rgbx.models.header import read_bundle_header
from rgbx.models.seal import sealed
from rgbx.names import natural_key
from rgbx.trust.calibration import CALIBRATION
from rgbx.trust.sorting import Sorting
from rgbx_line.models import ModelStore


class ModelFacts(NamedTuple):
    """Of one bundle."""

    classes: tuple[str, ...]
    sorting: Sorting | None
    """None where it was not calibrated."""


def read_model_facts(bundle: Path) -> ModelFacts:
    """Read them.

    Raises:
        InputError: it is no bundle, or is damaged.
    """
    header = read_bundle_header(bundle)
    if not (bundle / CALIBRATION).exists():
        return ModelFacts(header.classes, None)
    record = read_json(sealed(bundle, CALIBRATION, "get the bundle again"))
    return ModelFacts(header.classes, Sorting.model_validate(record["sorting"]))


class ModelKnowledge:
    """Which classes there are, and which bin is right for which.

    Args:
        models: by number; a later number is a later model.
    """

    def __init__(self, models: Mapping[int, ModelFacts]) -> None:
        self._models = dict(sorted(models.items(), reverse=True))

    @classmethod
    def of(cls, bundles: Mapping[int, Path]) -> "ModelKnowledge":
        """Read bundles, by number.

        Raises:
            InputError: one is damaged.
        """
        return cls({number: read_model_facts(bundle) for number, bundle in bundles.items()})

    def classes(self, more: Iterable[str] = ()) -> tuple[str, ...]:
        """Return the names of all classes that any model has, and more, SP2 before SP10."""
        names = {name for facts in self._models.values() for name in facts.classes}
        return tuple(sorted(names | set(more), key=natural_key))

    def bins(self, model: int) -> tuple[str, ...]:
        """Return the bins that a model names; none where it is unknown or was not calibrated."""
        facts = self._models.get(model)
        return () if facts is None or facts.sorting is None else facts.sorting.bins

    def is_right(self, model: int, bin: str, label: str) -> bool:
        """Return whether a bin is right for a device.

        Args:
            model: number of the one that sent it there. Where that does not know the class, the latest that does says.
            bin: where it went.
            label: what it is: a class, or ``"unknown"``, for which no bin is right.
        """
        own = self._models.get(model)
        for facts in ([own] if own is not None else []) + list(self._models.values()):
            if facts.sorting is not None and label in facts.classes and bin in facts.sorting.bins:
                right = facts.sorting.right[facts.classes.index(label), facts.sorting.bins.index(bin)]
                return bool(right)
        return False


class StoreKnowledge:
    """What the models in a line's store know, read again when there is another one.

    Args:
        folder: of the store.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers: tuple[int, ...] = ()
        self._knowledge = ModelKnowledge({})

    def __call__(self) -> ModelKnowledge:
        """Return it.

        Raises:
            InputError: the store or a bundle is damaged.
        """
        store = ModelStore(self._folder)
        numbers = tuple(store.models())
        if numbers != self._numbers:
            self._knowledge = ModelKnowledge.of({number: store.bundle(number) for number in numbers})
            self._numbers = numbers
        return self._knowledge

    def bundle(self, number: int) -> Path:
        """Return the folder of a model.

        Raises:
            RgbxError: there is none of this number.
        """
        return ModelStore(self._folder).bundle(number)

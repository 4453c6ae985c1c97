"""Known devices that a reviewer compares one with: of each class the one that it is most like."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

import cv2
import numpy as np

from rgbx.datasets.flat_field import FlatField
from rgbx.datasets.image_kind import is_image
from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES, Modality
from rgbx.models.memory import Memory
from rgbx.names import natural_key

_KEPT = 64
"""Devices whose features are kept."""
_MODELS_KEPT = 2
_DENSEST = 3.0
"""−log of the transmission that white is taken for in a remembered radiograph, as a stream sees it."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class KnownImage(NamedTuple):
    """An image of a known device."""

    image: bytes | Path
    """JPEG as it is shown, or a file to be made into one."""
    unit: str
    """Which device it shows."""
    nearest: bool
    """Whether it is the one that the device is most like; else it is any of its class."""


class KnownImages(Protocol):
    """Gives known devices."""

    def known(self, model: int, label: str, modality: Modality, images: Mapping[Modality, Path]) -> KnownImage | None:
        """Return an image of a known device of a class; None where there is none.

        Args:
            model: number of the one that answered.
            label: the class.
            modality: of the image that is wanted.
            images: of the device that it is compared with.

        Raises:
            RgbxError: a bundle, or an image of the device, cannot be read.
        """
        ...


class KnownInFolder:
    """Any device of the class, from a folder ``rgb/CLASS/…`` and ``xray/CLASS/…``, in which a set is one.

    Args:
        folder: of both.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def known(
        self,
        model: int,  # noqa: ARG002
        label: str,
        modality: Modality,
        images: Mapping[Modality, Path],  # noqa: ARG002
    ) -> KnownImage | None:
        """Return the first image of the class."""
        place = self._folder / modality / label
        if not place.is_dir():
            return None
        found = sorted((path for path in place.rglob("*") if is_image(path)), key=lambda path: natural_key(path.name))
        return KnownImage(found[0], found[0].stem, nearest=False) if found else None


class KnownByModel:
    """The device that the model remembers of its training and that is most like this one, by the model's own features.

    The model looks at the device again for it, here and not in inference. Where it remembers nothing, or does not know
    the class, others are asked.

    Args:
        bundle: returns the folder of a model by its number.
        others: where else to look.
        flat: fields that radiographs are corrected with, as in inference.
    """

    def __init__(
        self, bundle: Callable[[int], Path], others: KnownImages | None = None, flat: Path | None = None
    ) -> None:
        self._bundle = bundle
        self._others = others
        self._flat = flat
        self._lock = threading.Lock()
        self._memories: OrderedDict[int, Memory | None] = OrderedDict()
        self._predictors: OrderedDict[int, Predictor] = OrderedDict()
        self._features: OrderedDict[tuple[int, Path, tuple[int, ...]], np.ndarray | None] = OrderedDict()

    def known(self, model: int, label: str, modality: Modality, images: Mapping[Modality, Path]) -> KnownImage | None:
        """Return the nearest image of the class; a typical one where the device has no usable image of the modality."""
        with self._lock:
            memory = _kept(self._memories, model, lambda: Memory.read(self._bundle(model)), _MODELS_KEPT)
            if memory is not None and label in memory.classes and modality in memory.images:
                return self._remembered(memory, model, label, modality, images)
        return self._others.known(model, label, modality, images) if self._others else None

    def _remembered(
        self, memory: Memory, model: int, label: str, modality: Modality, images: Mapping[Modality, Path]
    ) -> KnownImage | None:
        feature = self._feature(model, modality, images[modality]) if modality in images else None
        if feature is None:
            remembered = memory.images[modality]
            middle = remembered.features[remembered.labels == memory.classes.index(label)].sum(0)
            found = memory.nearest(modality, middle, label)
        else:
            found = memory.nearest(modality, feature, label)
        if found is None:
            return None
        picture = found.thumbnail if modality == "rgb" else as_line_shows_it(found.thumbnail)
        return KnownImage(picture, found.unit, nearest=feature is not None)

    def _feature(self, model: int, modality: Modality, image: Path) -> np.ndarray | None:
        """Return what the model makes of an image; None of one that cannot be used."""

        def look() -> np.ndarray | None:
            (seen,) = _kept(self._predictors, model, lambda: self._load(model), _MODELS_KEPT).encode_each(
                modality, [image]
            )
            return None if isinstance(seen, InputError) else seen.fused_input

        return _kept(self._features, (model, image, _written(image)), look, _KEPT * len(MODALITIES))

    def _load(self, model: int) -> Predictor:
        return Predictor.load(self._bundle(model), flat_field=FlatField.read(self._flat) if self._flat else None)


def as_line_shows_it(thumbnail: bytes) -> bytes:
    """Return a remembered radiograph as radiographs are shown: dense parts are dark, the open beam is white.

    Args:
        thumbnail: JPEG of what a stream sees, in which dense parts are bright.

    Raises:
        RgbxError: it cannot be read.
    """
    seen = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
    if seen is None:
        raise RgbxError("a picture that the bundle remembers cannot be read: fuse it again with 'rgbx train fusion'.")
    floor = np.exp(-_DENSEST)
    transmission = (np.exp(-_DENSEST * np.arange(256) / 255) - floor) / (1 - floor)
    _, encoded = cv2.imencode(".jpg", (255 * transmission).round().astype(np.uint8)[seen])
    return encoded.tobytes()


def _written(image: Path) -> tuple[int, ...]:
    """Return what tells a file from another that had its name before it; nothing where there is none."""
    try:
        found = image.stat()
    except OSError:
        return ()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _kept(kept: OrderedDict[_Key, _Value], key: _Key, make: Callable[[], _Value], most: int) -> _Value:
    """Return what is kept under a key, made where it is not; what was not asked for longest goes."""
    if key not in kept:
        kept[key] = make()
    kept.move_to_end(key)
    while len(kept) > most:
        kept.popitem(last=False)
    return kept[key]

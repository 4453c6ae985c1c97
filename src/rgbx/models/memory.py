"""What a bundle remembers of its training: features of some images of each class, with small pictures of them.

``memory.json`` and ``memory.safetensors`` beside the weights. By it a class can be added without the images that the
bundle was trained on, and a person can be shown the known device that another is most like. Reading it needs no torch.
"""

from collections.abc import Mapping, Sequence
from itertools import chain, pairwise, zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self, TypeVar

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.errors import DAMAGED, InputError
from rgbx.files import read_json, write_bytes, write_json
from rgbx.modality import Modality
from rgbx.models.header import read_bundle_header
from rgbx.models.seal import seal, sealed

_Item = TypeVar("_Item")
MEMORY_FILE = "memory.json"
MEMORY_TENSORS = "memory.safetensors"
_REMEDY = "copy the whole bundle anew, or fuse it again with 'rgbx train fusion'"
LINE_BYTES_PER_CLASS = 100_000
"""Of the line, each modality: 2 MB in all for ten classes of both."""
_COUNTS = ("images_per_class", "units")
"""Of a set's settings: what says how many images it has, not what they look like."""


class ImageSource(Config):
    """How the images of a set came about."""

    origin: str
    config: dict[str, Any]
    """Settings of the step that made them, without how many it made."""

    @classmethod
    def of(cls, origin: str, config: Mapping[str, Any]) -> Self:
        """Return it of what a set's header says."""
        return cls(origin=origin, config={name: value for name, value in config.items() if name not in _COUNTS})


class Remembered(NamedTuple):
    """n images of one modality."""

    features: np.ndarray
    """(n, K) float32: the stream's aggregated features, what its classifier and the fusion see; kept in 16 bits."""
    labels: np.ndarray
    """(n,) int64, index of each one's class."""
    units: tuple[str, ...]
    """The unit that each shows."""
    fingerprints: tuple[str, ...]
    """SHA-256 of each one's file, in hex digits."""
    thumbnails: tuple[bytes, ...]
    """JPEG of each as the stream sees it, its longest side 160 pixels."""

    def chosen(self, which: np.ndarray) -> "Remembered":
        """Return the images at some indices."""
        return Remembered(
            self.features[which],
            self.labels[which],
            tuple(self.units[place] for place in which),
            tuple(self.fingerprints[place] for place in which),
            tuple(self.thumbnails[place] for place in which),
        )

    @classmethod
    def joined(cls, parts: Sequence["Remembered"]) -> "Remembered":
        """Return several as one."""
        return cls(
            np.concatenate([part.features for part in parts]),
            np.concatenate([part.labels for part in parts]),
            tuple(unit for part in parts for unit in part.units),
            tuple(fingerprint for part in parts for fingerprint in part.fingerprints),
            tuple(picture for part in parts for picture in part.thumbnails),
        )


class LineImages(NamedTuple):
    """n images of one modality from the line that a bundle was calibrated on."""

    features: np.ndarray
    """(n, K) float32, as those of :class:`Remembered`."""
    labels: np.ndarray
    """(n,) int64, index of each one's class."""
    units: tuple[str, ...]
    """The unit that each shows."""

    @classmethod
    def of(cls, features: np.ndarray, labels: np.ndarray, units: Sequence[str]) -> Self:
        """Return so many of some images as a bundle remembers, of each class's units in turn."""
        most = max(LINE_BYTES_PER_CLASS // (2 * features.shape[1]), 1)
        places: dict[int, dict[str, list[int]]] = {}
        for place, (label, unit) in enumerate(zip(labels.tolist(), units, strict=True)):
            places.setdefault(label, {}).setdefault(unit, []).append(place)
        kept = sorted(place for of_class in places.values() for place in one_of_each([*of_class.values()])[:most])
        return cls(features[kept], labels[kept], tuple(units[place] for place in kept))

    def chosen(self, which: np.ndarray) -> "LineImages":
        """Return some of the images; ``which`` is (n,) bool."""
        units = tuple(unit for unit, kept in zip(self.units, which, strict=True) if kept)
        return LineImages(self.features[which], self.labels[which], units)

    def units_of(self, label: int) -> set[str]:
        """Return the units of a class."""
        return {unit for unit, each in zip(self.units, self.labels, strict=True) if each == label}


class NearestKnown(NamedTuple):
    """The remembered image that another is most like."""

    thumbnail: bytes
    """JPEG."""
    unit: str
    fingerprint: str
    distance: float
    """1 − cosine of the angle between the features: 0 for the same, 1 for nothing in common, 2 at most."""


class MemoryFile(Config):
    """``memory.json``."""

    kind: Literal["rgbx memory"] = "rgbx memory"
    format: Literal[1] = 1
    weights_sha256: str
    """Of the bundle's weights, whose features these are."""
    classes: tuple[str, ...]
    units: dict[Modality, tuple[str, ...]]
    """The unit that each image shows."""
    sources: dict[Modality, tuple[ImageSource, ...]]
    line_units: dict[Modality, tuple[str, ...]] = Field(default_factory=dict)
    """The unit that each image of the line shows; empty before a calibration."""


class Memory(NamedTuple):
    """What a bundle remembers."""

    classes: tuple[str, ...]
    """In the order of the bundle."""
    images: dict[Modality, Remembered]
    sources: dict[Modality, tuple[ImageSource, ...]]
    """How the images that the bundle was trained on came about; those of a class that is added have to be alike."""
    line: Mapping[Modality, LineImages] = MappingProxyType({})
    """Images of the line that it was calibrated on, of some or all classes; empty before."""

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """Read the memory of a bundle; None where it has none, as bundles of earlier versions.

        Raises:
            InputError: it is damaged, was changed or is of another bundle, or the folder is none.
        """
        path = folder / MEMORY_FILE
        if not path.exists():
            return None
        header = read_bundle_header(folder)
        record = build_record(MemoryFile, read_json(path), path, _REMEDY)
        sealed(folder, MEMORY_FILE, _REMEDY)
        if (record.weights_sha256, record.classes) != (header.weights_sha256, header.classes):
            raise InputError(path, "is of another bundle", _REMEDY)
        try:
            tensors = safetensors.numpy.load_file(sealed(folder, MEMORY_TENSORS, _REMEDY))
            images = {modality: _unpacked(tensors, modality, units) for modality, units in record.units.items()}
            line = {modality: _line_unpacked(tensors, modality, units) for modality, units in record.line_units.items()}
        except (safetensors.SafetensorError, KeyError) as error:
            raise InputError(folder / MEMORY_TENSORS, DAMAGED, _REMEDY) from error
        return cls(record.classes, images, record.sources, line)

    def write(self, folder: Path, weights_sha256: str) -> None:
        """Write it into a bundle's folder and seal it.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        tensors: dict[str, np.ndarray] = {}
        for modality, each in self.images.items():
            tensors |= {f"{modality}.{name}": array for name, array in _packed(each).items()}
        for modality, seen in self.line.items():
            tensors[f"line.{modality}.features"] = seen.features.astype(np.float16)
            tensors[f"line.{modality}.labels"] = seen.labels.astype(np.int64)
        record = MemoryFile(
            weights_sha256=weights_sha256,
            classes=self.classes,
            units={modality: each.units for modality, each in self.images.items()},
            sources=self.sources,
            line_units={modality: each.units for modality, each in self.line.items()},
        )
        write_bytes(folder / MEMORY_TENSORS, safetensors.numpy.save(tensors))
        write_json(folder / MEMORY_FILE, record.model_dump(mode="json"))
        seal(folder, (MEMORY_FILE, MEMORY_TENSORS))

    def nearest(self, modality: Modality, feature: np.ndarray, label: str) -> NearestKnown | None:
        """Return the remembered image of a class that another image is most like; None where there is none of it.

        Args:
            modality: of the image.
            feature: (K,) what the fusion needs of it, :attr:`rgbx.inference.Encoded.fused_input`.
            label: the class to look in.
        """
        if modality not in self.images or label not in self.classes:
            return None
        images = self.images[modality]
        places = np.flatnonzero(images.labels == self.classes.index(label))
        if not len(places):
            return None
        known = images.features[places]
        cosines = known @ feature / np.maximum(np.linalg.norm(known, axis=1) * np.linalg.norm(feature), 1e-12)
        best = int(cosines.argmax())
        place = places[best]
        distance = float(np.clip(1 - cosines[best], 0, 2))
        return NearestKnown(images.thumbnails[place], images.units[place], images.fingerprints[place], distance)

    def with_class(
        self,
        name: str,
        images: Mapping[Modality, Remembered],
        sources: Mapping[Modality, Sequence[ImageSource]],
    ) -> "Memory":
        """Return it with a class behind the others.

        Args:
            name: of the class.
            images: of each modality; their labels are set here.
            sources: how those images came about.
        """
        label = len(self.classes)
        more = {
            modality: each._replace(labels=np.full(len(each.labels), label, np.int64))
            for modality, each in images.items()
        }
        return Memory(
            (*self.classes, name),
            {modality: Remembered.joined([each, more[modality]]) for modality, each in self.images.items()},
            {
                modality: tuple({each.digest(): each for each in (*known, *sources.get(modality, ()))}.values())
                for modality, known in self.sources.items()
            },
            self.line,
        )

    def without(self, name: str) -> "Memory":
        """Return it without a class."""
        gone = self.classes.index(name)
        images = {}
        for modality, each in self.images.items():
            kept = each.chosen(np.flatnonzero(each.labels != gone))
            images[modality] = kept._replace(labels=kept.labels - (kept.labels > gone))
        line = {}
        for modality, seen in self.line.items():
            left = seen.chosen(seen.labels != gone)
            line[modality] = left._replace(labels=left.labels - (left.labels > gone))
        return Memory(tuple(label for label in self.classes if label != name), images, self.sources, line)

    def renamed(self, name: str, to: str) -> "Memory":
        """Return it with a class that is called otherwise."""
        return self._replace(classes=tuple(to if label == name else label for label in self.classes))


def one_of_each(groups: Sequence[Sequence[_Item]]) -> list[_Item]:
    """Return the first of each group, then the second of each, and so on."""
    return [item for item in chain.from_iterable(zip_longest(*groups)) if item is not None]


def _packed(images: Remembered) -> dict[str, np.ndarray]:
    """Return images as tensors; thumbnails one behind the other, with where each ends."""
    return {
        "features": images.features.astype(np.float16),
        "labels": images.labels.astype(np.int64),
        "fingerprints": np.frombuffer(bytes.fromhex("".join(images.fingerprints)), np.uint8).reshape(-1, 32),
        "thumbnails": np.frombuffer(b"".join(images.thumbnails), np.uint8),
        "thumbnail_ends": np.cumsum([len(each) for each in images.thumbnails], dtype=np.int64),
    }


def _unpacked(tensors: Mapping[str, np.ndarray], modality: Modality, units: tuple[str, ...]) -> Remembered:
    features, labels, fingerprints, pixels, ends = (
        tensors[f"{modality}.{name}"] for name in ("features", "labels", "fingerprints", "thumbnails", "thumbnail_ends")
    )
    content, starts = pixels.tobytes(), [0, *ends.tolist()]
    return Remembered(
        features.astype(np.float32),
        labels,
        units,
        tuple(bytes(each).hex() for each in fingerprints),
        tuple(content[start:end] for start, end in pairwise(starts)),
    )


def _line_unpacked(tensors: Mapping[str, np.ndarray], modality: Modality, units: tuple[str, ...]) -> LineImages:
    features, labels = (tensors[f"line.{modality}.{name}"] for name in ("features", "labels"))
    return LineImages(features.astype(np.float32), labels, units)

"""Labelled images in memory: one or several sets of samples, prepared once, as compact arrays."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.datasets.polarity import looks_inverted, warn_of_inverted
from rgbx.errors import InputError, RgbxError
from rgbx.files import digest
from rgbx.modality import Modality
from rgbx.names import natural_key
from rgbx.processes import cores
from rgbx.progress import track
from rgbx.samples import SampleSet, generator

READERS = {"xray": read_radiograph, "rgb": read_photograph}


@dataclass(frozen=True)
class LabelledImages:
    """Images of one modality with what they show."""

    modality: Modality
    classes: tuple[str, ...]
    images: np.ndarray
    """(N, H, W) uint16 radiographs or (N, H, W, 3) uint8 photographs, prepared for the network."""
    labels: np.ndarray
    """(N,) int64, index into ``classes``."""
    units: tuple[str, ...]
    """The unit that each image shows."""

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, chosen: np.ndarray) -> "LabelledImages":
        """Return the images at the indices ``chosen``."""
        units = tuple(self.units[place] for place in chosen)
        return LabelledImages(self.modality, self.classes, self.images[chosen], self.labels[chosen], units)

    def limited(self, per_class: int | None, seed: int) -> "LabelledImages":
        """Return at most ``per_class`` images of each class, drawn at random; all of them when None."""
        if per_class is None:
            return self
        order = generator(seed).permutation(len(self))
        chosen = [order[self.labels[order] == label][:per_class] for label in range(len(self.classes))]
        return self.subset(np.sort(np.concatenate(chosen)))


def open_sets(folders: Sequence[Path], modality: Modality) -> list[SampleSet]:
    """Open sets that shall be used together.

    Raises:
        InputError: one is no set, is of the other modality, or its classes are other ones than the first one's.
    """
    sets = [SampleSet.open(folder) for folder in folders]
    check_together(sets, modality)
    return sets


def check_together(sets: Sequence[SampleSet], modality: Modality) -> None:
    """Refuse sets that cannot be used together.

    Raises:
        InputError: one is of the other modality, or its classes differ from the first one's.
    """
    for samples in sets:
        found = samples.header.modality
        if found != modality:
            remedy = f"give a set of modality '{modality}' here; were the RGB and the X-ray set swapped?"
            raise InputError(samples.folder, f"holds '{found}' images, not '{modality}'", remedy.rstrip("?"))
    for samples in sets[1:]:
        check_same_classes(sets[0], samples)


def check_same_classes(first: SampleSet, second: SampleSet) -> None:
    """Refuse two sets whose classes differ; their order does not matter.

    Raises:
        InputError: naming the difference.
    """
    differ = set(first.header.classes) ^ set(second.header.classes)
    if differ:
        raise InputError(
            second.folder,
            f"has other classes than {first.folder} (they differ in {', '.join(sorted(differ, key=natural_key))})",
            "render both from the same library",
        )


def load_images(
    sets: Sequence[SampleSet],
    prepare: Callable[[np.ndarray], np.ndarray],
    *,
    classes: tuple[str, ...] | None = None,
    per_class: int | None = None,
) -> LabelledImages:
    """Read and prepare the images of ``sets`` (from :func:`open_sets`).

    Args:
        sets: one or more sets of the same modality and classes.
        prepare: the network's deterministic transform, one image in, one array out, all of one shape.
        classes: in the order that labels are indices of; that of the first set when None.
        per_class: read only so many images of each class, the first of each set in turn; all when None.

    Raises:
        InputError: an image is missing or unreadable, a record names an unknown class, or a class has no image.
    """
    header = sets[0].header
    places = {name: place for place, name in enumerate(classes or header.classes)}
    items = [(samples.path(record), record) for samples in sets for record in samples]
    for path, record in items:
        if record.label not in places:
            raise InputError(path, f"has the label '{record.label}', which the set does not list", "render it again")
    if per_class is not None:
        items = _first_of_each_class(items, per_class)
    labels = np.array([places[record.label] for _, record in items], dtype=np.int64)
    for name, label in places.items():
        if not (labels == label).any():
            raise InputError(sets[0].folder, f"has no image of class '{name}'", "render some or leave the class out")
    read = READERS[header.modality]

    def load(path: Path) -> tuple[np.ndarray, bool]:
        image = read(path)
        return prepare(image), header.modality == "xray" and looks_inverted(image)

    images, inverted = np.empty(0), 0
    with ThreadPoolExecutor(cores()) as pool:
        loaded = track(pool.map(load, (path for path, _ in items)), f"reading {header.modality}", total=len(items))
        for place, (image, is_inverted) in enumerate(loaded):
            if place == 0:
                images = np.empty((len(items), *image.shape), image.dtype)
            images[place] = image
            inverted += is_inverted
    warn_of_inverted(inverted, len(items), " and ".join(str(samples.folder) for samples in sets))
    units = tuple(record.unit for _, record in items)
    return LabelledImages(header.modality, tuple(places), images, labels, units)


def sets_digest(sets: Iterable[SampleSet]) -> str:
    """Return a fingerprint of what the sets hold: their headers and records."""
    return digest(
        *(text for samples in sets for text in (samples.header.model_dump_json(), *map(_line, samples.records)))
    )


def split_by_unit(images: LabelledImages, units_per_class: int, seed: int) -> tuple[LabelledImages, LabelledImages]:
    """Split into (training, validation) so that no unit is on both sides.

    Args:
        images: what to split.
        units_per_class: units of each class that go to validation, drawn at random.
        seed: of the draw.

    Raises:
        RgbxError: a class has too few units to give any away.
    """
    rng = generator(seed)
    held_out: set[tuple[int, str]] = set()
    for label, name in enumerate(images.classes):
        units = sorted({unit for unit, of in zip(images.units, images.labels, strict=True) if of == label})
        if len(units) <= units_per_class:
            raise RgbxError(
                f"class '{name}' has {len(units)} unit(s), of which {units_per_class} cannot be held out for "
                "validation: scan more units, or set validation_units=0."
            )
        held_out |= {(label, units[place]) for place in rng.permutation(len(units))[:units_per_class]}
    within = np.array(
        [(label, unit) in held_out for label, unit in zip(images.labels.tolist(), images.units, strict=True)]
    )
    return images.subset(np.flatnonzero(~within)), images.subset(np.flatnonzero(within))


def _first_of_each_class(items: list, per_class: int) -> list:
    counts: dict[str, int] = {}
    kept = []
    for path, record in items:
        counts[record.label] = counts.get(record.label, 0) + 1
        if counts[record.label] <= per_class:
            kept.append((path, record))
    return kept


def _line(record: object) -> str:
    return record.model_dump_json()  # type: ignore[attr-defined]

"""Reviewed devices as sets that ``rgbx train``, ``calibrate`` and ``evaluate`` read."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rgbx.datasets.acquisition import acquisition_of, time_taken
from rgbx.datasets.flat_field import FlatField
from rgbx.datasets.images import read_radiograph
from rgbx.errors import InputError, RgbxError
from rgbx.files import atomic_folder, digest, link_in_place, sha256
from rgbx.modality import MODALITIES, Modality
from rgbx.names import printable
from rgbx.pictures import write_image
from rgbx.progress import track
from rgbx.samples import SampleRecord, SampleSet, SetHeader
from rgbx_line.log.entry import Entry
from rgbx_line.review.device import find_images
from rgbx_line.review.index import ReviewIndex, Vote
from rgbx_line.review_mix import NO_KNOWN_CLASS
from rgbx_line.settings import LineFolder

ORIGIN = "real: reviewed on the line"


@dataclass
class Exported:
    """What :func:`export_reviewed` wrote."""

    images: dict[Modality, Counter[str]] = field(default_factory=dict)
    """How many of each class, by modality."""
    unknown: int = 0
    """Devices that are of no class: they are in no set."""
    without_images: int = 0
    """Devices whose images are gone."""
    uncorrected: int = 0
    """Radiographs that the line's flat field is too old or too young for: they are in no set."""
    lacking: dict[Modality, tuple[str, ...]] = field(default_factory=dict)
    """Classes without an image: such a set can be used beside another one only."""


class _Reviewed(NamedTuple):
    label: str
    result: Entry
    votes: list[Vote]
    images: dict[Modality, tuple[Path, Entry]]
    drawn: bool


def export_reviewed(
    index: ReviewIndex,
    folder: LineFolder,
    out: Path,
    classes: Sequence[str],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    drawn_only: bool = False,
    flat: FlatField | None = None,
) -> Exported:
    """Write the devices that are settled as one set of photographs and one of radiographs, ``rgb`` and ``xray``.

    Each record says which line of the log its device's answer is, and who called it what and when. Files are linked
    where the disk can, else copied. Each device counts as a unit of its own.

    Args:
        index: up to date.
        folder: of the line.
        out: new folder; written whole or not at all.
        classes: of the sets; those of the model that they are for. A device of another class ends the work.
        since: from when on, aware; from the beginning when None.
        until: before when; to the end when None.
        drawn_only: whether to leave out what was not drawn at random: what a model is to be measured on.
        flat: fields that the line corrects radiographs with; they are written corrected.

    Raises:
        RgbxError: no device is settled, or one is of a class that is not in ``classes``; the disk is full.
        InputError: an image cannot be used, or ``out`` is there already.
    """
    found = Exported()
    devices = list(_settled(index, folder, since, until, drawn_only, found))
    _check_classes([device.label for device in devices], classes)
    with atomic_folder(out) as made:
        for modality in MODALITIES:
            seen = [device for device in devices if modality in device.images]
            if seen:
                counts = _write_set(made / modality, modality, seen, classes, flat if modality == "xray" else None)
                found.images[modality] = counts
                found.uncorrected += len(seen) - counts.total()
                found.lacking[modality] = tuple(name for name in classes if name not in counts)
    return found


def _settled(
    index: ReviewIndex,
    folder: LineFolder,
    since: datetime | None,
    until: datetime | None,
    drawn_only: bool,
    found: Exported,
) -> Iterator[_Reviewed]:
    rows = index.rows(
        "SELECT * FROM results WHERE state != 'open' AND state = 'settled' AND time >= :since AND time < :until"
        " ORDER BY number",
        since=since.timestamp() if since else 0.0,
        until=until.timestamp() if until else datetime.max.replace(tzinfo=UTC).timestamp(),
    )
    for row in rows:
        drawn = row["draw"] < index.mix.random_share
        result, late = index.entry(row), index.entry(row, late=True)
        if result is None or (drawn_only and not drawn):
            continue
        if row["verdict"] == NO_KNOWN_CLASS:
            found.unknown += 1
            continue
        images = find_images(folder, [each for each in (result, late) if each is not None])
        if not images:
            found.without_images += 1
            continue
        yield _Reviewed(row["verdict"], result, index.votes(row["number"]), images, drawn)


def _check_classes(labels: Sequence[str], classes: Sequence[str]) -> None:
    if not labels:
        raise RgbxError("no device has been reviewed whose images are there: review some first.")
    others = sorted(set(labels) - set(classes))
    if others:
        raise RgbxError(
            f"devices were labelled as {', '.join(others)}, which the model does not know: name all classes of the "
            "sets with --class, or add the class to a model and name that."
        )


def _write_set(
    place: Path, modality: Modality, devices: Sequence[_Reviewed], classes: Sequence[str], flat: FlatField | None
) -> Counter[str]:
    """Write one set; return how many images of each class it has."""
    header = SetHeader(
        modality=modality,
        origin=ORIGIN,
        seed=0,
        classes=tuple(classes),
        config={"step": "review", "flat": None if flat is None else flat.record.files},
        source=digest(*(device.result.hash for device in devices)),
    )
    samples = SampleSet.create(place, header)
    for device in track(devices, f"exporting {modality} images", total=len(devices)):
        path, named_by = device.images[modality]
        unit = f"{device.result.number:012d}"
        suffix = path.suffix.lower() if flat is None else ".tiff"
        file_name = f"{device.label}/{unit}{suffix}"
        if flat is None:
            link_in_place(path, place / file_name)
        else:
            try:
                pixels = _corrected(path, flat)
            except InputError:
                continue
            write_image(place / file_name, pixels)
        draw = _provenance(device, path, named_by)
        samples.add(SampleRecord(file_name=file_name, label=device.label, unit=unit, seed=0, draw=draw))
    samples.finish()
    return Counter(record.label for record in samples)


def _provenance(device: _Reviewed, path: Path, named_by: Entry) -> dict[str, Any]:
    return {
        "part_id": printable(device.result.content["part_id"]),
        "log": {"number": device.result.number, "hash": device.result.hash, "time": device.result.time.isoformat()},
        "images_named_by": named_by.number,
        "file": printable(path.name),
        "sha256": sha256(path),
        "drawn_at_random": device.drawn,
        "reviewed": [
            {
                "who": vote.who,
                "label": vote.label,
                "why": vote.why,
                "time": vote.time.isoformat(),
                "number": vote.number,
                "hash": vote.hash,
            }
            for vote in device.votes
        ],
    }


def _corrected(path: Path, flat: FlatField) -> np.ndarray:
    """Return what the line's model saw of a radiograph, in 16 bits."""
    image = flat.correct(read_radiograph(path), acquisition_of(path), time_taken(path), path)
    return np.rint(65535 * image.clip(0, 1)).astype(np.uint16)

"""A device as a reviewer sees it: its images, and the classes to choose from. Nothing of what the model made of it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from rgbx.modality import Modality
from rgbx.names import natural_key
from rgbx_line.archive import found_image
from rgbx_line.contract import images_in, said_in
from rgbx_line.log.entry import Entry
from rgbx_line.review.index import ReviewIndex
from rgbx_line.settings import LineFolder

MOST_COLUMNS = 9
"""Keys 1 to 9."""


class ReviewDevice(NamedTuple):
    """A device that somebody is to look at."""

    number: int
    """Of its result's entry."""
    hash: str
    """Of that entry."""
    part: str
    time: datetime
    model: int
    """Number of the model that answered."""
    images: dict[Modality, Path]
    """Files that are there."""
    named_by: dict[Modality, Entry]
    """The entry that names each of these files."""
    choices: tuple[str, ...]
    """Classes that it may be of, in the order of their names: one of likelihood would give the model's answer away."""


def reviewed_device(index: ReviewIndex, folder: LineFolder, number: int) -> ReviewDevice | None:
    """Return a device by the number of its result; None where there is no such result."""
    rows = index.rows("SELECT * FROM results WHERE number = :number", number=number)
    entry = index.entry(rows[0]) if rows else None
    if entry is None:
        return None
    late = index.entry(rows[0], late=True)
    seen = [each for each in (entry, late) if each is not None]
    said = next((said for each in reversed(seen) if (said := said_in(each.content))), {})
    found = find_images(folder, seen)
    return ReviewDevice(
        number=number,
        hash=entry.hash,
        part=entry.content["part_id"],
        time=entry.time,
        model=entry.content["model_number"],
        images={modality: path for modality, (path, _) in found.items()},
        named_by={modality: each for modality, (_, each) in found.items()},
        choices=_choices(said, index.mix.columns),
    )


def find_images(folder: LineFolder, entries: list[Entry]) -> dict[Modality, tuple[Path, Entry]]:
    """Return the images of a device that are there, each with the entry that names it.

    Args:
        folder: of the line.
        entries: its result and, if there is one, what was said too late; the later one counts more.
    """
    found: dict[Modality, tuple[Path, Entry]] = {}
    for entry in entries:
        for modality, name in images_in(entry.content).items():
            place = found_image(folder, entry, Path(name))
            if place is not None:
                found[modality] = place, entry
    return found


def _choices(said: Mapping[str, Any], least: int) -> tuple[str, ...]:
    probabilities = said.get("probabilities") or {}
    likely = list((said.get("decision") or {}).get("candidates") or ())
    others = sorted(set(probabilities) - set(likely), key=lambda name: (-probabilities[name], natural_key(name)))
    likely += others[: max(0, least - len(likely))]
    return tuple(sorted(likely[:MOST_COLUMNS], key=natural_key))

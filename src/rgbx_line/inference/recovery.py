"""What a line that was stopped, somehow, had left undone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rgbx.datasets.image_kind import is_image
from rgbx.inference.arrivals import Pairing
from rgbx.modality import Modality
from rgbx_line.contract import AUDIT, RESULT, TRIGGER
from rgbx_line.history import PartIndex
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import Position, read_entries, segment_numbers
from rgbx_line.settings import LineFolder

HALTED, RESUMED = "halted", "resumed"
"""What entries of who changed what say of that."""
_LOOKED_THROUGH = 2
"""Segments in which a part without an answer may lie: it is opened a deadline before the end of the log. A halted line
writes so little that who halted it is there, too."""


@dataclass(frozen=True)
class OpenTrigger:
    """A part that was announced and has no answer."""

    seq: int
    part_id: str
    time: datetime


@dataclass(frozen=True)
class LeftUndone:
    """What the log's end says."""

    last_seq: int
    """Of the parts so far."""
    triggers: tuple[OpenTrigger, ...]
    answered: dict[str, int]
    """``PartSeq`` of the last parts that have an answer, by name."""
    halted_by: str
    """Who halted the line; nobody when somebody has resumed since."""


def left_undone(folder: LineFolder) -> LeftUndone:
    """Read the end of a log, which no process writes meanwhile.

    Raises:
        InputError: the log is damaged.
    """
    segments = segment_numbers(folder.log)
    last_seq = 0
    triggers: dict[int, OpenTrigger] = {}
    answered: dict[str, int] = {}
    halted_by = ""
    for first in segments[-_LOOKED_THROUGH:]:
        for entry in _entries(folder, first):
            if entry.kind == AUDIT and entry.content["what"] in (HALTED, RESUMED):
                halted_by = entry.content["who"] if entry.content["what"] == HALTED else ""
            if entry.kind not in (RESULT, TRIGGER):
                continue
            seq = entry.content["seq"]
            last_seq = max(last_seq, seq)
            if entry.kind == TRIGGER:
                triggers[seq] = OpenTrigger(seq, entry.content["part_id"], entry.time)
            else:
                triggers.pop(seq, None)
                answered[entry.content["part_id"]] = seq
    for first in reversed(segments[:-_LOOKED_THROUGH]):
        if last_seq:
            break
        parts = (entry for entry in _entries(folder, first) if entry.kind in (RESULT, TRIGGER))
        last_seq = max((entry.content["seq"] for entry in parts), default=0)
    return LeftUndone(last_seq, tuple(triggers.values()), answered, halted_by)


def answered_files(
    folder: LineFolder, folders: Mapping[Modality, Path], pairing: Pairing
) -> dict[Modality, list[Path]]:
    """Return the images in hot folders whose parts have been answered.

    Raises:
        InputError: the log is damaged.
        OSError: a folder cannot be listed.
    """
    with PartIndex(folder) as index:
        index.update()
        return {
            modality: [
                path for path in images.iterdir() if is_image(path) and index.find(pairing.device(path, modality), 1)
            ]
            for modality, images in folders.items()
        }


def _entries(folder: LineFolder, first: int) -> Iterator[Entry]:
    """Yield the entries of one segment."""
    for entry, position in read_entries(folder.log, Position(first)):
        if position.segment != first:
            return
        yield entry

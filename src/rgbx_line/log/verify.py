"""Whether a log is as it was written."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rgbx_line.log.cursor import Cursor
from rgbx_line.log.entry import FIRST_PREVIOUS, DamagedLine, decode, is_unfinished
from rgbx_line.log.segments import segment_numbers, segment_path

RETIRED = "retired"
"""Kind of the entry that says up to where old segments were deleted, and the hash of the last line of these."""


@dataclass(frozen=True)
class Verification:
    """What :func:`verify` found."""

    entries: int
    """Lines that are as they were written."""
    faults: tuple[str, ...]
    """What is wrong, a sentence each; none of a log that nobody altered."""
    unfinished: int
    """Bytes at the end that are no whole line: being written just now, or left by a power cut."""


def verify(folder: Path, cursors: Path | None = None, tell: Callable[[int], None] = lambda _: None) -> Verification:
    """Check every line of a log: its own hash, the hash of the one before, its number.

    The beginning is checked too: it is line 1, or follows on what an entry says was deleted for its age.

    Args:
        folder: of the log.
        cursors: folder of the cursors of what is made from it; none may have come farther than the log goes.
        tell: told how many bytes were read, again and again.
    """
    faults: list[str] = []
    entries = unfinished = 0
    number, digest = 0, FIRST_PREVIOUS
    begins: tuple[int, str] | None = None
    retired: dict[int, str] = {}
    segments = segment_numbers(folder)
    for first in segments:
        path = segment_path(folder, first)
        broken = False
        with path.open("rb") as file:
            for place, line in enumerate(file, start=1):
                tell(len(line))
                if first == segments[-1] and is_unfinished(line):
                    unfinished = len(line)
                    break
                try:
                    entry = decode(line)
                except (DamagedLine, ValueError, KeyError):
                    faults.append(f"{path}: line {place} is not as it was written.")
                    broken = True
                    continue
                if begins is None:
                    begins = entry.number, entry.previous
                elif not broken and (entry.number, entry.previous) != (number + 1, digest):
                    faults.append(f"{path}: line {place} does not follow on the line before it.")
                if place == 1 and entry.number != first:
                    faults.append(f"{path}: line 1 has number {entry.number}, not {first} as the file's name says.")
                if entry.kind == RETIRED:
                    retired[entry.content["through"]] = entry.content["hash"]
                number, digest, broken = entry.number, entry.hash, False
                entries += 1
    if begins is not None and begins != (1, FIRST_PREVIOUS) and retired.get(begins[0] - 1) != begins[1]:
        faults.append(f"{segment_path(folder, segments[0])}: the lines before it are missing, and no entry says why.")
    for path in sorted(cursors.glob("*.json")) if cursors else ():
        reached = Cursor(path).number
        if reached > number:
            faults.append(f"{folder}: ends at line {number}, but {path.stem} has been told of line {reached}.")
    return Verification(entries, tuple(faults), unfinished)

"""Entries of the log by number, and the image files that they name."""

import os
import re
from pathlib import Path
from typing import BinaryIO

from rgbx.modality import Modality
from rgbx_line.archive import found_image
from rgbx_line.contract import images_in
from rgbx_line.log.entry import DamagedLine, Entry, decode
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.settings import LineFolder

_NUMBER = re.compile(rb'\{"number":(\d+),')
_READ_THROUGH = 2**16
"""Bytes of a segment that are read line by line."""


def find_entry(folder: LineFolder, number: int, through: int) -> Entry | None:
    """Return the entry of a number, or None; little of the log is read, however long it is.

    Args:
        folder: of the line.
        number: of the entry.
        through: number of the last entry that may be told of.
    """
    if not 1 <= number <= through:
        return None
    begun = [first for first in segment_numbers(folder.log) if first <= number]
    if not begun:
        return None
    try:
        with segment_path(folder.log, begun[-1]).open("rb") as file:
            _come_near(file, number)
            for line in file:
                found = _NUMBER.match(line)
                if found is not None and int(found[1]) >= number:
                    return decode(line) if int(found[1]) == number else None
    except (FileNotFoundError, DamagedLine):  # it was deleted for its age since, or says nothing that can be trusted
        return None
    return None


def _come_near(file: BinaryIO, number: int) -> None:
    """Set a segment to the beginning of a line that is, by bisection, not far before one, if it has that."""
    low, high = 0, file.seek(0, os.SEEK_END)
    while high - low > _READ_THROUGH:
        middle = (low + high) // 2
        file.seek(middle)
        file.readline()
        begin = file.tell()
        line = file.readline()
        found = _NUMBER.match(line)
        if line and found is None:  # it is damaged: who reads on passes it over
            break
        if found is not None and int(found[1]) <= number:
            low = begin
        else:  # a line that begins at the middle itself was passed over
            high = middle + 1
    file.seek(low)


def image_file(folder: LineFolder, entry: Entry, modality: Modality) -> Path | None:
    """Return where an image of an entry is: archived, or where it came; None when it is gone."""
    name = images_in(entry.content).get(modality)
    if name is None:
        return None
    return found_image(folder, entry, Path(name))

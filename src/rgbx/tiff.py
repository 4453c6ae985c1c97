"""TIFF files, volumes and images alike: opening them, and how their pixels lie."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tifffile

from rgbx.errors import COPY_AGAIN, DAMAGED, InputError, damage_refused

RIGHT_AND_DOWN = {
    1: ((1, 0), (0, 1)), 2: ((-1, 0), (0, 1)), 3: ((-1, 0), (0, -1)), 4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)), 6: ((0, 1), (-1, 0)), 7: ((0, -1), (-1, 0)), 8: ((0, -1), (1, 0)),
}  # fmt: skip
"""By the tag Orientation, which EXIF has too: where columns and where rows follow each other, each as (right, down)."""


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF file so that whatever tifffile finds wrong with it becomes an error.

    Of a chain of pages that breaks off, it only logs that it does, and reads what is left.

    Raises:
        InputError: the file is damaged.
    """
    logger = logging.getLogger("tifffile")
    faults = _Faults()
    logger.addHandler(faults)
    try:
        with damage_refused(path), tifffile.TiffFile(path) as tiff:
            yield tiff
    finally:
        logger.removeHandler(faults)
    if faults.found:
        raise InputError(path, DAMAGED, COPY_AGAIN)


class _Faults(logging.Handler):
    """Notes whether an error was logged by the thread that made it: other threads may be reading other files."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found = False
        self._reader = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        self.found |= record.thread == self._reader

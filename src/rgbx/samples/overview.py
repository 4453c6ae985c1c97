"""A set at a glance: a contact sheet with one row for each class."""

from pathlib import Path

import cv2
import numpy as np

from rgbx.errors import InputError
from rgbx.pictures import contact_sheet, read_picture, write_image
from rgbx.samples.record import SampleRecord
from rgbx.samples.sets import SampleSet

OVERVIEW = "overview.png"


def write_overview(samples: SampleSet, per_class: int = 8, tile: int = 160) -> Path:
    """Write ``overview.png`` into a finished set: the first ``per_class`` samples of each class."""
    chosen: dict[str, list[SampleRecord]] = {label: [] for label in samples.header.classes}
    for record in samples:
        if len(chosen[record.label]) < per_class:
            chosen[record.label].append(record)
    rows = [[_read(samples.path(record)) for record in row] for row in chosen.values()]
    captions = [[f"{record.label}  {record.unit}" for record in row] for row in chosen.values()]
    path = samples.folder / OVERVIEW
    write_image(path, contact_sheet(rows, captions, tile))
    return path


def _read(path: Path) -> np.ndarray:
    image = read_picture(path, cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(path, "cannot be read as an image", "delete it and render the set again")
    return image[..., ::-1] if image.ndim == 3 else image

"""A set at a glance: a contact sheet with one row for each class."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rgbx.errors import InputError
from rgbx.samples.images import write_image
from rgbx.samples.record import SampleRecord
from rgbx.samples.sets import SampleSet

OVERVIEW = "overview.png"

_MARGIN = 4
_CAPTION_HEIGHT = 16
_PAPER, _INK = 255, 40


def contact_sheet(
    rows: Sequence[Sequence[np.ndarray]], captions: Sequence[Sequence[str]] | None = None, tile: int = 160
) -> np.ndarray:
    """Arrange images in rows on a white sheet.

    Args:
        rows: of images, each (H, W) or (H, W, 3), uint8 or uint16 (shown with its upper 8 bits); rows may differ
            in length and images in size: each is fitted into its square, keeping its proportions.
        captions: a short text for each image.
        tile: side of the squares in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    head = _CAPTION_HEIGHT if captions is not None else 0
    step_y, step_x = tile + head + _MARGIN, tile + _MARGIN
    columns = max((len(row) for row in rows), default=0)
    sheet = np.full((len(rows) * step_y + _MARGIN, columns * step_x + _MARGIN, 3), _PAPER, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            fitted = _fitted(image, tile)
            top, left = _MARGIN + i * step_y + head, _MARGIN + j * step_x
            sheet[top : top + fitted.shape[0], left : left + fitted.shape[1]] = fitted
            if captions is not None:
                _write_caption(sheet, captions[i][j], left, top - 4, tile)
    return sheet


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
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError(path, "cannot be read as an image", "delete it and render the set again")
    return image[..., ::-1] if image.ndim == 3 else image


def _fitted(image: np.ndarray, tile: int) -> np.ndarray:
    shown = (image >> 8).astype(np.uint8) if image.dtype == np.uint16 else image
    height, width = shown.shape[:2]
    scale = tile / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(shown, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return resized if resized.ndim == 3 else np.repeat(resized[..., None], 3, axis=2)


def _write_caption(sheet: np.ndarray, text: str, left: int, baseline: int, width: int) -> None:
    scale = min(0.4, 0.4 * width / max(1, cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.4, 1)[0][0]))
    cv2.putText(sheet, text, (left, baseline), cv2.FONT_HERSHEY_SIMPLEX, scale, (_INK,) * 3, 1, cv2.LINE_AA)

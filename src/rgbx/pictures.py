"""Pictures as files, losslessly, whole or not at all, the same bytes for the same pixels; and many on one sheet."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from rgbx.files import write_bytes

_MARGIN = 4
_CAPTION_HEIGHT = 16
_PAPER, _INK = 255, 40


def encode_image(suffix: str, image: np.ndarray) -> bytes:
    """Return ``image`` as the content of a PNG or TIFF file.

    Args:
        suffix: ``.png``, ``.tif`` or ``.tiff``.
        image: (H, W) uint8 or uint16, or (H, W, 3) uint8 in RGB order.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"images are uint8 or uint16, not {image.dtype}")
    pixels = image[..., ::-1] if image.ndim == 3 else image
    options = [cv2.IMWRITE_PNG_COMPRESSION, 1] if suffix == ".png" else []
    encoded, content = cv2.imencode(suffix, np.ascontiguousarray(pixels), options)
    if not encoded:
        raise ValueError(f"cannot encode {image.shape} {image.dtype} as {suffix}")
    return content.tobytes()


def write_image(path: Path, image: np.ndarray) -> None:
    """Write ``image`` as PNG or TIFF (by suffix), see :func:`encode_image`.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    write_bytes(path, encode_image(path.suffix, image))


def read_picture(path: Path, flags: int) -> np.ndarray | None:
    """Read a picture that rgbx wrote, as ``cv2.imread`` does, but from any path: on Windows that opens only ASCII ones.

    Args:
        path: of the picture.
        flags: ``cv2.IMREAD_COLOR`` or ``cv2.IMREAD_UNCHANGED``.

    Returns:
        As OpenCV does, (H, W) or (H, W, 3) in BGR order; None where there is none that can be read.
    """
    try:
        content = np.fromfile(path, np.uint8)
    except OSError:
        return None
    return cv2.imdecode(content, flags) if len(content) else None


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

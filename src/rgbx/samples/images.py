"""Writing images: losslessly, whole or not at all, and the same bytes for the same pixels."""

from pathlib import Path

import cv2
import numpy as np

from rgbx.files import write_bytes


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

"""From an image to what the network reads: one deterministic transform for training, evaluation and prediction.

Radiographs of different machines differ in exposure, background and contrast, but −log(I/I0) is the same line
integral of attenuation up to a factor (Beer–Lambert). So a radiograph becomes −log of its transmission, scaled
by its own robust percentiles; what is left of a machine is the shape of its response, which training randomises.
"""

import cv2
import numpy as np
from pydantic import Field

from rgbx.config import Config, Range
from rgbx.samples.record import Modality


class TransformConfig(Config):
    """How an image is prepared."""

    source_size: int = Field(default=256, ge=16)
    """Side in pixels of the square that crops are taken from."""
    transmission_floor: float = Field(default=0.01, gt=0.0, lt=1.0)
    """Transmission below this counts as this: there a detector sees scatter and noise, not the device."""
    percentiles: Range = (1.0, 99.5)
    """Percentiles of −log transmission that become 0 (open beam) and 1 (densest parts)."""


def prepare(image: np.ndarray, modality: Modality, config: TransformConfig) -> np.ndarray:
    """Prepare one image.

    Args:
        image: a radiograph, (H, W) float in [0, 1], linear in intensity; or a photograph, (H, W, 3) uint8.
        modality: which of the two it is.
        config: how.

    Returns:
        (S, S) uint16, 0 the open beam and 65535 the densest parts; or (S, S, 3) uint8.
    """
    square = _resize(_pad_to_square(image), config.source_size)
    return _attenuation(square, config) if modality == "xray" else square


def _attenuation(radiograph: np.ndarray, config: TransformConfig) -> np.ndarray:
    open_beam = max(float(np.percentile(radiograph, 99.0)), 1e-6)
    attenuation = -np.log(np.maximum(radiograph / open_beam, config.transmission_floor))
    low, high = np.percentile(attenuation, config.percentiles)
    scaled = (attenuation - low) / max(high - low, 1e-3)  # a blank image stays blank instead of becoming noise
    return np.rint(np.clip(scaled, 0.0, 1.0) * 65535).astype(np.uint16)


def _pad_to_square(image: np.ndarray) -> np.ndarray:
    """Pad the shorter side on both ends with the median of the image's border, which is background."""
    height, width = image.shape[:2]
    side = max(height, width)
    if height == width:
        return image
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, *image.shape[2:]), image.dtype)
    square[:] = np.median(border, axis=0)
    square[top : top + height, left : left + width] = image
    return square


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] == side:
        return image
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    return cv2.resize(image, (side, side), interpolation=method)

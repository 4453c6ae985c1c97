"""From an image to what the network reads: one deterministic transform for training, evaluation and prediction.

Radiographs of different machines differ in exposure, background, contrast and magnification, but −log(I/I0) is the
same line integral of attenuation up to a factor (Beer–Lambert). So a radiograph is cropped to the device, which
stands alone in an empty beam, and becomes −log of its transmission, scaled by its own robust percentiles; what is
left of a machine is the shape of its response, which training randomises.
"""

import cv2
import numpy as np
from pydantic import Field

from rgbx.config import Config, Range
from rgbx.modality import Modality

SEARCHED_SIZE = 512
"""Side in pixels at which the device is looked for in larger radiographs: more would cost more than the network."""


class TransformConfig(Config):
    """How an image is prepared."""

    source_size: int = Field(default=256, ge=16)
    """Side in pixels of the square that crops are taken from."""
    transmission_floor: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Added to the transmission before the logarithm: behind dense parts a detector sees mostly scatter and noise,
    which the logarithm alone would blow up."""
    percentiles: Range = (1.0, 99.5)
    """Percentiles of −log transmission that become 0 (open beam) and 1 (densest parts)."""
    device_margin: float | None = Field(default=0.1, ge=0.0, le=1.0)
    """Radiographs are cropped to the square round the device with this margin, as a fraction of the device's
    longer side; None leaves them as they are. Photographs are never cropped: their background is not empty."""


def prepare_image(image: np.ndarray, modality: Modality, config: TransformConfig) -> np.ndarray:
    """Prepare one image.

    Args:
        image: a radiograph, (H, W) float in [0, 1], linear in intensity; or a photograph, (H, W, 3) uint8.
        modality: which of the two it is.
        config: how.

    Returns:
        (S, S) uint16, 0 the open beam and 65535 the densest parts; or (S, S, 3) uint8.
    """
    square = _pad_to_square(image)
    if modality == "rgb":
        return _resize(square, config.source_size)
    left, top, side = seen_part(square, config)
    square = square[top : top + side, left : left + side]
    attenuation = _attenuation(_resize(square, config.source_size), config)
    low, high = np.percentile(attenuation, config.percentiles)
    scaled = (attenuation - low) / max(high - low, 1e-3)  # a blank image stays blank instead of becoming noise
    return np.rint(np.clip(scaled, 0.0, 1.0) * 65535).astype(np.uint16)


def as_input(prepared: np.ndarray) -> np.ndarray:
    """Return (B, C, S, S) float32 in [0, 1], what a network reads, of (B, S, S) uint16 or (B, S, S, 3) uint8 images."""
    scaled = prepared.astype(np.float32) / np.iinfo(prepared.dtype).max
    return scaled[:, None] if scaled.ndim == 3 else np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def seen_part(radiograph: np.ndarray, config: TransformConfig) -> tuple[int, int, int]:
    """Return (left, top, side) in pixels of what :func:`prepare_image` keeps of a square radiograph."""
    size = radiograph.shape[0]
    if config.device_margin is None:
        return 0, 0, size
    searched = _resize(radiograph, min(size, SEARCHED_SIZE))
    found = find_device(_attenuation(searched, config), config.device_margin)
    left, top, side = (round(each * size / len(searched)) for each in found)
    return min(left, size - side), min(top, size - side), side


def find_device(attenuation: np.ndarray, margin: float) -> tuple[int, int, int]:
    """Return (left, top, side) in pixels of the square round what stands in the beam; the whole image if nothing does.

    The background is a plane through the image's border. What rises above it by more than the border's own scatter
    belongs to the device, in as many pieces as may be: thin plates are as good as invisible to some tubes.

    Args:
        attenuation: (S, S), lowest where the beam is open.
        margin: added on each side, as a fraction of the device's longer side; the square never leaves the image.
    """
    size = attenuation.shape[0]
    smooth = cv2.blur(attenuation.astype(np.float32), (size // 32 * 2 + 1,) * 2)  # noise must not pass for device
    raised, scatter = _above_border(smooth)
    mask = raised > max(4 * scatter, 0.06 * float(raised.max()))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    pieces = boxes[1:][boxes[1:, cv2.CC_STAT_AREA] >= size**2 / 1000]
    if count < 2 or not len(pieces):
        return 0, 0, size
    start = pieces[:, :2].min(0)
    extent = (pieces[:, :2] + pieces[:, 2:4]).max(0) - start
    side = min(round(int(extent.max()) * (1 + 2 * margin)), size)
    left, top = np.clip(np.rint(start + extent / 2 - side / 2), 0, size - side).astype(int).tolist()
    return left, top, side


def _above_border(smooth: np.ndarray) -> tuple[np.ndarray, float]:
    """Subtract the plane that fits the border best (after leaving out what sticks out of it); and its scatter."""
    size = smooth.shape[0]
    rows, columns = np.mgrid[:size, :size] / size - 0.5
    border = np.zeros((size, size), bool)
    border[[0, -1]] = border[:, [0, -1]] = True
    design = np.stack([np.ones(border.sum()), rows[border], columns[border]], 1)
    values = smooth[border]
    kept = np.ones(len(values), bool)
    for _ in range(3):
        plane = np.linalg.lstsq(design[kept], values[kept], rcond=None)[0]
        residual = values - design @ plane
        scatter = 1.4826 * float(np.median(np.abs(residual[kept] - np.median(residual[kept]))))
        kept = np.abs(residual) <= 3 * scatter + 1e-6
    return smooth - (plane[0] + plane[1] * rows + plane[2] * columns), scatter


def _attenuation(radiograph: np.ndarray, config: TransformConfig) -> np.ndarray:
    open_beam = max(float(np.percentile(radiograph, 99.0)), 1e-6)
    return -np.log(radiograph / open_beam + config.transmission_floor)


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

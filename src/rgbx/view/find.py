"""Where the device is.

In a radiograph, what stands in the beam rises above an empty background. In a photograph, a localiser says so: a
function of (96, 96, 3) uint8 pixels that returns (96, 96) float32 probabilities.
"""

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

SEARCHED_SIZE = 512
"""Side in pixels at which the device is looked for in larger radiographs: more would cost more than the network."""
Localise = Callable[[np.ndarray], np.ndarray]
"""(96, 96, 3) uint8 pixels to (96, 96) float32: how likely each shows the device."""
LOCATED_SIZE = 96
"""Side in pixels at which a device is looked for in photographs."""
OUTLINED_SIZE = 256
"""Side in pixels at which its outline is drawn, once it is known where it is."""

LEAST_AREA = 0.001
"""Of the image: what is smaller is no device."""


class DeviceRectangle(NamedTuple):
    """The least rectangle round a device, turned as it lies."""

    x: float
    y: float
    """Of its middle, in pixels of the image (the middle of the first pixel is 0)."""
    width: float
    height: float
    """Sides in pixels, height the longer one."""
    turn: float
    """Degrees, in -90..90, by which its long side leans from upright, clockwise as seen."""

    @property
    def aspect(self) -> float:
        """Height over width, at least 1."""
        return self.height / max(self.width, 1e-6)


def least_rectangle(mask: np.ndarray) -> DeviceRectangle | None:
    """Return the least rectangle round all that is set in an (H, W) mask; None where nothing is."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    found = rectangle_round(np.concatenate(outlines))
    # from the middles of the outermost pixels to their edges
    return found._replace(width=found.width + 1, height=found.height + 1)


def rectangle_round(points: np.ndarray) -> DeviceRectangle:
    """Return the least rectangle round points, (N, 2) or (N, 1, 2) of int32 or float32, in their unit."""
    (x, y), (width, height), turn = cv2.minAreaRect(points)
    if width > height:
        width, height, turn = height, width, turn + 90
    return DeviceRectangle(x, y, width, height, (turn + 90) % 180 - 90)


def find_device(attenuation: np.ndarray, margin: float) -> tuple[int, int, int] | None:
    """Return (left, top, side) in pixels of the square round what stands in the beam; None if nothing does.

    Args:
        attenuation: (S, S), lowest where the beam is open.
        margin: added on each side, as a fraction of the device's longer side; the square never leaves the image.
    """
    size = attenuation.shape[0]
    mask = device_mask(attenuation, size // 32 * 2 + 1)
    if mask is None:
        return None
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    start = np.array([columns[0], rows[0]])
    extent = np.array([columns[-1], rows[-1]]) + 1 - start
    side = min(round(int(extent.max()) * (1 + 2 * margin)), size)
    left, top = np.clip(np.rint(start + extent / 2 - side / 2), 0, size - side).astype(int).tolist()
    return left, top, side


def device_mask(attenuation: np.ndarray, blur: int) -> np.ndarray | None:
    """Return where a device is, (S, S) bool; None where there is none.

    The background is a plane through the image's border. What rises above it by more than the border's own scatter
    belongs to the device, in as many pieces as may be: thin plates are as good as invisible to some tubes.

    Args:
        attenuation: (S, S), lowest where the beam is open.
        blur: pixels over which noise is averaged, so that it does not pass for a device; outlines grow by half of it.
    """
    size = attenuation.shape[0]
    smooth = cv2.blur(attenuation.astype(np.float32), (blur, blur))
    raised, scatter = _above_border(smooth)
    mask = raised > max(4 * scatter, 0.06 * float(raised.max()))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    large = [piece for piece in range(1, count) if boxes[piece, cv2.CC_STAT_AREA] >= LEAST_AREA * size**2]
    return np.isin(labels, large) if large else None


def likely_mask(probability: np.ndarray) -> np.ndarray | None:
    """Return where a device is, (S, S) bool, by a localiser's map; None where there is none.

    Pieces that are small beside the largest are no part of it.
    """
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((probability > 0.5).astype(np.uint8))
    areas = boxes[:, cv2.CC_STAT_AREA]
    if count < 2 or areas[1:].max() < LEAST_AREA * probability.size:
        return None
    large = [piece for piece in range(1, count) if areas[piece] >= areas[1:].max() / 4]
    return np.isin(labels, large)


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
        middle = np.median(residual[kept])
        scatter = 1.4826 * float(np.median(np.abs(residual[kept] - middle)))
        near = 3 * scatter + 1e-6
        kept = np.abs(residual) <= near
        if kept.sum() < 3:  # most of the border has one value, such as where it is saturated, and the plane missed it
            kept = np.abs(residual - middle) <= near
    return smooth - (plane[0] + plane[1] * rows + plane[2] * columns), scatter

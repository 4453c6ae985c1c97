"""What use and light do to a device, painted on its photograph in training.

A renderer shows units as new; those on a line are scratched, cracked, dirty, labelled, and shine. Painting costs a few
milliseconds an image, and every look at a rendered photograph is one at another unit.
"""

from collections.abc import Callable

import cv2
import numpy as np
from pydantic import Field

from rgbx.config import Config, Range


class PaintedWear(Config):
    """Shares of photographs on which each is painted, and how strong."""

    scratches: float = Field(default=0.5, ge=0.0, le=1.0)
    cracks: float = Field(default=0.2, ge=0.0, le=1.0)
    """As of glass: lines that run from one point."""
    label: float = Field(default=0.2, ge=0.0, le=1.0)
    """A sticker."""
    dirt: float = Field(default=0.4, ge=0.0, le=1.0)
    glare: float = Field(default=0.4, ge=0.0, le=1.0)
    """A lamp's reflection, or a veil over a side."""
    coarse: float = Field(default=0.4, ge=0.0, le=1.0)
    """A camera of fewer pixels."""
    coarseness: Range = (1.2, 3.0)
    """How many times fewer, each way."""


def wear(photographs: np.ndarray, config: PaintedWear, rng: np.random.Generator) -> np.ndarray:
    """Return (B, H, W, 3) uint8 photographs, each worn in its own way."""
    worn = photographs.copy()
    for photograph in worn:
        for name, paint in _PAINTS.items():
            if rng.random() < getattr(config, name):
                paint(photograph, rng)
        if rng.random() < config.coarse:
            _coarsen(photograph, rng.uniform(*config.coarseness))
    return worn


def _scratch(photograph: np.ndarray, rng: np.random.Generator) -> None:
    """A few long fine lines, lighter or darker than what is below."""
    mask = np.zeros(photograph.shape[:2], np.uint8)
    for _ in range(rng.integers(1, 9)):
        _line(mask, _point(mask, rng), rng.uniform(0, 2 * np.pi), rng.uniform(0.05, 0.6), 0.1, rng)
    _blend(photograph, mask, _grey(rng), rng.uniform(0.15, 0.8))


def _crack(photograph: np.ndarray, rng: np.random.Generator) -> None:
    """Jagged lines from one point, with some that join them."""
    mask = np.zeros(photograph.shape[:2], np.uint8)
    start, turn = _point(mask, rng), rng.uniform(0, 2 * np.pi)
    count = rng.integers(3, 10)
    for place in range(count):
        _line(mask, start, turn + 2 * np.pi * place / count + rng.normal(0, 0.3), rng.uniform(0.1, 0.8), 0.5, rng)
    _blend(photograph, mask, _grey(rng), rng.uniform(0.3, 0.9))


def _label(photograph: np.ndarray, rng: np.random.Generator) -> None:
    """A pale sticker with lines of print, somewhere at any angle."""
    height, width = photograph.shape[:2]
    size = rng.uniform(0.12, 0.5, 2) * width
    corners = cv2.boxPoints((_point(photograph, rng).tolist(), size.tolist(), rng.uniform(0, 180)))
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255, cv2.LINE_AA)
    _blend(photograph, mask, rng.uniform(150, 255, 3), rng.uniform(0.7, 1.0))
    along, down = corners[1] - corners[0], corners[3] - corners[0]
    print_mask = np.zeros_like(mask)
    for row in np.arange(0.2, 0.9, 0.18):
        start, end = corners[0] + row * down + 0.1 * along, corners[0] + row * down + rng.uniform(0.3, 0.9) * along
        cv2.line(print_mask, _pixel(start), _pixel(end), 255, 1, cv2.LINE_AA)
    _blend(photograph, print_mask, rng.uniform(0, 80, 3), 0.8)


def _soil(photograph: np.ndarray, rng: np.random.Generator) -> None:
    """Patches of dust, grease or soil."""
    height, width = photograph.shape[:2]
    coarse = rng.random((rng.integers(2, 12), rng.integers(2, 12)), np.float32)
    cloud = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.clip((cloud - rng.uniform(0.4, 0.8)) * 4, 0, 1) * 255
    _blend(photograph, mask, rng.uniform(30, 200) * np.array([1.0, 0.93, 0.82]), rng.uniform(0.1, 0.6))


def _shine(photograph: np.ndarray, rng: np.random.Generator) -> None:
    """Light added: a soft spot or stripe, burnt out in the middle when strong."""
    height, width = photograph.shape[:2]
    x, y = _point(photograph, rng)
    turn = rng.uniform(0, np.pi)
    across, along = np.meshgrid(np.arange(width) - x, np.arange(height) - y)
    first = (across * np.cos(turn) + along * np.sin(turn)) / (rng.uniform(0.05, 0.5) * width)
    second = (along * np.cos(turn) - across * np.sin(turn)) / (rng.uniform(0.1, 1.5) * height)
    light = np.exp(-(first**2 + second**2)) * rng.uniform(40, 260)
    photograph[:] = np.clip(photograph + light[..., None] * rng.uniform(0.85, 1.0, 3), 0, 255)


def _coarsen(photograph: np.ndarray, times: float) -> None:
    height, width = photograph.shape[:2]
    small = cv2.resize(photograph, (round(width / times), round(height / times)), interpolation=cv2.INTER_AREA)
    photograph[:] = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


_PAINTS: dict[str, Callable[[np.ndarray, np.random.Generator], None]] = {
    "dirt": _soil,
    "scratches": _scratch,
    "label": _label,
    "cracks": _crack,
    "glare": _shine,
}
"""In the order in which they come about: a label covers scratches, light lies over all."""


def _line(
    mask: np.ndarray, start: np.ndarray, turn: float, length: float, bend: float, rng: np.random.Generator
) -> None:
    """Draw a line of a ``length`` in image heights that turns by about ``bend`` radians at each of its corners."""
    points = [start]
    for _ in range(5):
        turn += rng.normal(0, bend)
        points.append(points[-1] + length * len(mask) / 5 * np.array([np.cos(turn), np.sin(turn)]))
    cv2.polylines(mask, [np.rint(np.array(points) * 16).astype(np.int32)], False, 255, 1, cv2.LINE_AA, 4)


def _blend(photograph: np.ndarray, mask: np.ndarray, colour: np.ndarray, strength: float) -> None:
    share = (strength / 255 * mask.astype(np.float32))[..., None]
    photograph[:] = np.rint(photograph * (1 - share) + share * colour)


def _point(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return rng.random(2) * image.shape[1::-1]


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


def _grey(rng: np.random.Generator) -> np.ndarray:
    return np.full(3, rng.uniform(0, 255))

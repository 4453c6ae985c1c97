"""Which way an upright radiograph lies: as known devices do, or turned by 180°, seen from behind, or both.

A device in the beam has no side that is up. A network that sees it in all four ways has to learn each class four
times, and nothing can be said of a place in the device. What tells the ways apart is coarse, so it is seen in a few
pixels: a radiograph is compared in each way with what the devices of each class look like on average.
"""

import base64
from collections.abc import Sequence
from typing import Self

import cv2
import numpy as np

SHAPE = (48, 24)
"""(height, width) in pixels of what is compared."""
_BLUR = 6.0
"""Pixels; what changes more slowly is left out, since machines and wear change it, too."""
_RANGE = 4.0
"""Of the contrast, in standard deviations, that references keep in 8 bits."""
_ROUNDS = 20
_STARTS = 5
"""Images that the search for a class's own way begins with, one after the other; the best end counts."""


class References:
    """What devices of each class look like, all lying the same way.

    Args:
        pictures: (C, 48, 24) float32, contrast in standard deviations.
    """

    def __init__(self, pictures: np.ndarray) -> None:
        self.pictures = pictures

    @classmethod
    def fit(cls, images: Sequence[np.ndarray], labels: Sequence[str], like: Self | None = None) -> Self:
        """Find a way for the devices of each class to lie in, and what they look like then.

        Within a class each image is turned to fit the mean of the others, again and again. Then classes are turned to
        fit each other, as far as they are alike.

        Args:
            images: (H, W) uint16 upright radiographs, prepared.
            labels: class of each.
            like: references that a network has been trained with; the ways are theirs then.
        """
        seen = four_ways(np.stack([_contrast(image) for image in images]))
        known = np.zeros(SHAPE, np.float32) if like is None else like.pictures.mean(0)
        found = []
        for label in sorted(set(labels)):
            mean = _mean_in_one_way(seen[np.flatnonzero(np.asarray(labels) == label)])
            ways = four_ways(mean)
            fits = ways.reshape(4, -1) @ known.ravel() if like is None else like._fits(ways).max(1)
            found.append(ways[int(np.argmax(fits))])
            if like is None:
                known = known + found[-1]
        return cls(np.stack(found).astype(np.float32))

    def way_of(self, image: np.ndarray) -> int:
        """Return which of :func:`four_ways` makes an (H, W) uint16 upright radiograph lie as the known ones do."""
        return int(self._fits(four_ways(_contrast(image))).max(1).argmax())

    def _fits(self, ways: np.ndarray) -> np.ndarray:
        """Return (4, C): how well each way fits each class."""
        return ways.reshape(4, -1) @ self.pictures.reshape(len(self.pictures), -1).T

    def to_text(self) -> str:
        """Return all that it needs as text, 8 bits a pixel."""
        levels = np.rint(np.clip(self.pictures / _RANGE, -1, 1) * 127).astype(np.int8)
        return base64.b64encode(levels.tobytes()).decode()

    @classmethod
    def of(cls, text: str) -> Self:
        """Return what :meth:`to_text` gave.

        Raises:
            ValueError: the text is something else.
        """
        levels = np.frombuffer(base64.b64decode(text, validate=True), np.int8).reshape(-1, *SHAPE)
        return cls(levels.astype(np.float32) * (_RANGE / 127))


def four_ways(images: np.ndarray) -> np.ndarray:
    """Return (…, 4, H, W) of (…, H, W): as it is, mirrored, upside down, and turned by 180°."""
    return np.stack([images, images[..., ::-1], images[..., ::-1, :], images[..., ::-1, ::-1]], -3)


def _contrast(image: np.ndarray) -> np.ndarray:
    """Return an upright radiograph in a few pixels, without what changes slowly, (48, 24) float32, about 0 ± 1."""
    small = cv2.resize(image.astype(np.float32) / 65535, SHAPE[::-1], interpolation=cv2.INTER_AREA)
    root = np.sqrt(np.clip(small, 0, None))
    raised = root - cv2.GaussianBlur(root, (0, 0), _BLUR)
    return raised / (raised.std() + 1e-6)


def _mean_in_one_way(seen: np.ndarray) -> np.ndarray:
    """Return the mean of (N, 4, h, w) images, each in the way that fits the others."""
    every = np.arange(len(seen))
    ends = []
    for start in np.linspace(0, len(seen) - 1, min(_STARTS, len(seen))).round().astype(int):
        mean, ways = seen[start, 0], None
        for _ in range(_ROUNDS):
            fits = (seen * mean).mean((-2, -1))
            before, ways = ways, fits.argmax(1)
            mean = seen[every, ways].mean(0)
            if before is not None and (ways == before).all():
                break
        ends.append((float(fits.max(1).mean()), mean))
    return max(ends, key=lambda end: end[0])[1]

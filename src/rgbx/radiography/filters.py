"""Which renders are worth keeping: enough structure to learn from, not burnt out.

The paper keeps renders with more than 100 SuperPoint keypoints. Until rgbx has a SuperPoint of its own,
:class:`CornerCount` stands in for it. Filters see the render *without* noise: on noisy images every detector is
satisfied with the noise alone.
"""

from typing import Protocol

import cv2
import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config


class KeypointFilter(Protocol):
    """Counts keypoints; implementations are deterministic."""

    def count(self, image: np.ndarray) -> int:
        """Return the number of keypoints of an (H, W) float32 image in [0, 1]."""
        ...


class CornerCount(Config):
    """Shi–Tomasi corners: local maxima of the smaller eigenvalue of the structure tensor.

    The response has a fixed threshold, on images in [0, 1] at a fixed size. So it falls with the square of contrast:
    flat images have no corners, however they are stretched afterwards.
    """

    size: PositiveInt = 240
    """Side to which images are resized first, pixels."""
    response: PositiveFloat = 2e-4
    """Smallest eigenvalue (mean of squared gradients over 3 × 3 pixels, intensity² per pixel²) that counts."""

    def count(self, image: np.ndarray) -> int:
        """See :class:`KeypointFilter`."""
        interpolation = cv2.INTER_AREA if image.shape[0] > self.size else cv2.INTER_LINEAR
        resized = cv2.resize(image.astype(np.float32), (self.size, self.size), interpolation=interpolation)
        response = cv2.cornerMinEigenVal(resized, blockSize=3, ksize=3)
        peaks = (response == cv2.dilate(response, np.ones((5, 5), np.uint8))) & (response > self.response)
        return cv2.connectedComponents(peaks.astype(np.uint8))[0] - 1  # neighbours of equal response are one corner


class Acceptance(Config):
    """When a render is kept."""

    keypoints: int = Field(default=100, ge=0)
    """It has more than this many keypoints (paper, Section III); 0 keeps nearly all."""
    corners: CornerCount = CornerCount()
    dark: float = Field(default=0.02, ge=0, le=1)
    """Transmission below which a pixel is burnt out: nothing can be told apart there."""
    dark_share: float = Field(default=0.4, ge=0, le=1)
    """Largest share of the unit's shadow that may be burnt out."""

    def accepts(self, noise_free: np.ndarray, transmission: np.ndarray) -> bool:
        """Decide on one render.

        Args:
            noise_free: (H, W) intensity in [0, 1] before noise.
            transmission: (H, W) in [0, 1].
        """
        shadow = np.count_nonzero(transmission < SHADOW)
        if np.count_nonzero(transmission < self.dark) > self.dark_share * shadow:
            return False
        return self.corners.count(noise_free) > self.keypoints


SHADOW = 0.99
"""Transmission below which a pixel shows the unit rather than air."""

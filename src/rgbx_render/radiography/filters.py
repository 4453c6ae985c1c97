"""Which renders are worth keeping: enough structure to learn from, not burnt out.

The paper keeps renders of phones with more than 100 SuperPoint keypoints. A coin cell has none, however well it is
exposed. So a render of a unit with little to show must show a share of what this unit shows at its best exposure.
Filters see the render *without* noise: on noisy images most detectors are satisfied with the noise alone.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, Protocol

import cv2
import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config

THRESHOLD, RADIUS = 0.007, 2
"""For the weights that come with rgbx; calibrated with ``benchmarks/keypoint_filter.py``."""
PUBLISHED_THRESHOLD, PUBLISHED_RADIUS = 0.015, 4
"""For SuperPoint's own weights, as published."""

EDGE_SIZE, EDGE_BLUR = 240, 2.0
"""Edges are looked for at this side, on the image blurred by this standard deviation, pixels,"""
EDGE_SLOPE = 0.004
"""and are where its intensity changes by more than this a pixel"""
EDGE_TO_NOISE = 5.0
"""and by more than so many times what its noise alone changes by."""

FEW_KEYPOINTS = 20
"""A unit that shows fewer at its best exposure has no corners, and those it shows come and go: its edges decide."""


class Structure(NamedTuple):
    """How much a render shows."""

    keypoints: int
    edges: int
    """Pixels on an edge, of an image of ``EDGE_SIZE``."""


class KeypointFilter(Protocol):
    """Counts keypoints; implementations are deterministic."""

    def count(self, image: np.ndarray) -> int:
        """Return the number of keypoints of an (H, W) float32 image in [0, 1]."""
        ...


class SuperPointCount(Config):
    """Keypoints of a SuperPoint network, see :mod:`rgbx_render.radiography.superpoint`.

    Images are not normalised, so faint ones have few keypoints.
    """

    weights: Path | None = None
    """A file of SuperPoint weights (``superpoint_v1.pth``, safetensors); those that come with rgbx when None."""
    threshold: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability above which a pixel is a keypoint; when None ``THRESHOLD`` for rgbx's weights and
    ``PUBLISHED_THRESHOLD`` for others."""
    radius: Annotated[int, Field(ge=0, le=16)] | None = None
    """Of non-maximum suppression, pixels; when None ``RADIUS`` or ``PUBLISHED_RADIUS``."""
    size: Annotated[int, Field(ge=64, le=1024, multiple_of=8)] = 240
    """Side to which images are resized first, pixels."""

    def count(self, image: np.ndarray) -> int:
        """See :class:`KeypointFilter`.

        Raises:
            InputError: the file of weights is missing, damaged or of another network.
        """
        # torch takes seconds to import, and not all need it
        from rgbx_render.radiography.superpoint import load_detector

        return len(load_detector(self.weights).keypoints(_resized(image, self.size), *self.operating_point))

    @property
    def operating_point(self) -> tuple[float, int]:
        """The threshold and radius that are used."""
        own = self.weights is None
        threshold, radius = (THRESHOLD, RADIUS) if own else (PUBLISHED_THRESHOLD, PUBLISHED_RADIUS)
        return self.threshold or threshold, radius if self.radius is None else self.radius


class CornerCount(Config):
    """Shi–Tomasi corners: local maxima of the smaller eigenvalue of the structure tensor. Fast, and needs no network.

    The response has a fixed threshold, on images in [0, 1] at a fixed size. So it falls with the square of contrast:
    flat images have no corners, however they are stretched afterwards.
    """

    size: PositiveInt = 240
    """Side to which images are resized first, pixels."""
    response: PositiveFloat = 2e-4
    """Smallest eigenvalue (mean of squared gradients over 3 × 3 pixels, intensity² per pixel²) that counts."""

    def count(self, image: np.ndarray) -> int:
        """See :class:`KeypointFilter`."""
        response = cv2.cornerMinEigenVal(_resized(image, self.size), blockSize=3, ksize=3)
        peaks = (response == cv2.dilate(response, np.ones((5, 5), np.uint8))) & (response > self.response)
        return cv2.connectedComponents(peaks.astype(np.uint8))[0] - 1  # neighbours of equal response are one corner


class Acceptance(Config):
    """When a render is kept."""

    keypoints: int = Field(default=100, ge=0)
    """More than this many keypoints are always enough (paper, Section III); 0 keeps nearly all."""
    share: float = Field(default=0.33, gt=0, le=1)
    """Of the keypoints and of the edges that the unit shows at its best exposure: so much is enough as well."""
    detector: Literal["superpoint", "corners"] = "superpoint"
    """What counts as a keypoint."""
    superpoint: SuperPointCount = SuperPointCount()
    corners: CornerCount = CornerCount()
    dark: float = Field(default=0.02, ge=0, le=1)
    """Transmission below which a pixel is burnt out: nothing can be told apart there."""
    dark_share: float = Field(default=0.4, ge=0, le=1)
    """Largest share of the unit's shadow that may be burnt out."""

    def check(self) -> None:
        """Find faults in weights of the user's own before anything is rendered.

        Raises:
            InputError: the file is missing, damaged or of another network.
        """
        if self.detector == "superpoint" and self.superpoint.weights is not None:
            from rgbx_render.radiography.superpoint import load_detector

            load_detector(self.superpoint.weights)

    @property
    def keypoint_filter(self) -> KeypointFilter:
        """The detector that was chosen."""
        return self.superpoint if self.detector == "superpoint" else self.corners

    def accepts(
        self, noise_free: np.ndarray, transmission: np.ndarray, clearest: Callable[[], Structure] | None = None
    ) -> bool:
        """Decide on one render.

        Args:
            noise_free: (H, W) intensity in [0, 1] before noise.
            transmission: (H, W) in [0, 1].
            clearest: what the unit shows at its best exposure; asked for only where keypoints are few. Without it they
                are never enough.
        """
        shadow = np.count_nonzero(transmission < SHADOW)
        if shadow == 0 or np.count_nonzero(transmission < self.dark) > self.dark_share * shadow:
            return False
        keypoints = self.keypoint_filter.count(noise_free)
        if keypoints > self.keypoints:
            return True
        if clearest is None:
            return False
        best = clearest()
        wanted = self.share * best.keypoints if best.keypoints >= FEW_KEYPOINTS else 0
        return keypoints >= wanted and count_edges(noise_free) >= max(1, self.share * best.edges)

    def structure(self, noise_free: np.ndarray) -> Structure:
        """Measure how much an (H, W) render in [0, 1] shows."""
        return Structure(self.keypoint_filter.count(noise_free), count_edges(noise_free))


def count_edges(image: np.ndarray) -> int:
    """Count the pixels of an (H, W) image in [0, 1] on edges that stand out of its noise; round things have them too.

    The noise is measured where the image is plain (Immerkær, 1996, with the median for the mean).
    """
    resized = _resized(image, EDGE_SIZE)
    laplacian = cv2.filter2D(resized, -1, np.outer([1, -2, 1], [1, -2, 1]).astype(np.float32))
    noise = float(np.median(np.abs(laplacian))) / (0.6745 * 6)
    blurred = cv2.GaussianBlur(resized, (0, 0), EDGE_BLUR)
    slope = np.hypot(cv2.Sobel(blurred, -1, 1, 0, scale=1 / 8), cv2.Sobel(blurred, -1, 0, 1, scale=1 / 8))
    slope_of_noise = noise / (EDGE_BLUR**2 * np.sqrt(8 * np.pi))
    return int(np.count_nonzero(slope > max(EDGE_SLOPE, EDGE_TO_NOISE * slope_of_noise)))


def _resized(image: np.ndarray, size: int) -> np.ndarray:
    interpolation = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_LINEAR
    return cv2.resize(image.astype(np.float32), (size, size), interpolation=interpolation)


SHADOW = 0.99
"""Transmission below which a pixel shows the unit rather than air."""

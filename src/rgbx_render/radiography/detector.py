"""What the detector makes of the radiation, beyond the paper: scatter that fogs the image, and blur.

Both are smooth and cheap, and both are deterministic: what is random about them is drawn by
:mod:`rgbx_render.radiography.randomisation`.
"""

import cv2
import numpy as np

from rgbx.config import Config
from rgbx_render.radiography.filters import SHADOW

SCATTER_GRID = 64
"""Side of the image on which scatter is worked out; it is too smooth to need more."""


class Scatter(Config):
    """Scattered radiation of one image."""

    ratio: float
    """Scatter-to-primary ratio, of the means over the unit's shadow."""
    width: float
    """Standard deviation of its spread on the detector, as a share of the image's side."""

    def image(self, transmission: np.ndarray, open_beam: np.ndarray) -> np.ndarray:
        """Return the scattered intensity at each pixel.

        The model is that of kernel superposition (Ohnesorge et al. 1999): what is scattered towards a pixel is
        I₀ · T · (−ln T) there, the chance to interact on the way times the chance to get out again, spread by a
        Gaussian. So it comes from where much of the beam is taken out but not all, and fogs what is dark.

        Args:
            transmission: (H, W) float32 in [0, 1].
            open_beam: (H, W) float32 intensity with nothing in the way.

        Returns:
            (H, W) float32, on the scale of ``open_beam``.
        """
        shadow = transmission < SHADOW
        if self.ratio == 0 or not shadow.any():
            return np.zeros_like(transmission)
        potential = -open_beam * transmission * np.log(np.maximum(transmission, np.float32(1e-12)))
        grid = (min(SCATTER_GRID, transmission.shape[1]), min(SCATTER_GRID, transmission.shape[0]))
        coarse = cv2.resize(potential, grid, interpolation=cv2.INTER_AREA)
        sigma = self.width * grid[0]
        spread = cv2.GaussianBlur(coarse, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)  # nothing beyond the image
        field = cv2.resize(spread, transmission.shape[::-1], interpolation=cv2.INTER_LINEAR)
        primary = (open_beam * transmission)[shadow].mean()
        amount = field[shadow].mean()
        return field * np.float32(self.ratio * primary / amount) if amount > 0 else field


def blurred(image: np.ndarray, sigma: float) -> np.ndarray:
    """Return an (H, W) float32 image as a detector with a Gaussian point spread of ``sigma`` pixels shows it."""
    return cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0 else image

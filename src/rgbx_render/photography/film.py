"""From light to picture: what a camera does to a frame of linear light."""

from collections.abc import Callable

import cv2
import numpy as np

from rgbx.config import Config

MIDDLE_GREY = 0.18
"""Linear light that an exposure of 0 EV gives the frame on (geometric) average."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


class Film(Config):
    """Everything between a frame of linear light and its 8-bit picture."""

    exposure: float
    """EV above what the meter says."""
    white_balance: tuple[float, float, float]
    """Gains of red, green and blue."""
    gamma: float
    """Power on top of the sRGB curve; above 1 darkens the midtones."""
    blur: float
    """Sigma of the lens's Gaussian blur, pixels."""
    noise: float
    """Standard deviation of the picture's noise, on an 8-bit scale."""
    noise_seed: int


def develop(frame: np.ndarray, film: Film, generator: Callable[[int], np.random.Generator]) -> np.ndarray:
    """Turn linear light into a picture.

    Args:
        frame: float32 (H, W, 3), linear, any scale: the meter takes that out.
        film: what to do; it alone determines the picture.
        generator: makes the random generator of ``film.noise_seed``.

    Returns:
        uint8 (H, W, 3), sRGB.
    """
    balanced = np.asarray(frame, np.float32) * np.array(film.white_balance, np.float32)
    light: np.ndarray = balanced * np.float32(meter(balanced) * 2.0**film.exposure)
    if film.blur > 0:
        light = cv2.GaussianBlur(light, (0, 0), film.blur, borderType=cv2.BORDER_REFLECT_101)
    picture = encode_srgb(light) ** np.float32(film.gamma)
    noise = generator(film.noise_seed).standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(255 * picture + film.noise * noise), 0, 255).astype(np.uint8)


def meter(frame: np.ndarray) -> float:
    """Return the gain that brings the frame's geometric mean luminance to middle grey."""
    luminance = np.asarray(frame, np.float64) @ LUMINANCE.astype(np.float64)
    floor = 1e-4 * max(float(luminance.mean()), 1e-12)
    return MIDDLE_GREY / float(np.exp(np.log(np.maximum(luminance, floor)).mean()))


def encode_srgb(light: np.ndarray) -> np.ndarray:
    """Return the sRGB encoding (0..1) of linear light, clipped to 0..1."""
    clipped = np.clip(light, 0, 1)
    return np.where(clipped <= 0.0031308, 12.92 * clipped, 1.055 * clipped ** (1 / 2.4) - 0.055).astype(np.float32)

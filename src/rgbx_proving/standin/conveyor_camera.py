"""The colour camera over the belt: geometry of its sensor, and what it makes of the light.

Modelled on the colour camera of a depth camera of the Azure Kinect's kind: 1280 × 720, 90° × 59°, automatic
exposure, motion-JPEG.
"""

from typing import NamedTuple

import cv2
import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config, Range

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722])
XYZ_TO_SRGB = np.array([[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]])


class CameraConfig(Config):
    """A camera as it hangs there: one for the whole set."""

    width: PositiveInt = 1280
    """Pixels of the sensor."""
    height: PositiveInt = 720
    view_degrees: float = Field(default=90.0, gt=1, lt=170)
    """Horizontal field of view."""
    mount_mm: PositiveFloat = 520.0
    """Height of the lens over the belt."""
    tilt_degrees: float = Field(default=4.0, ge=-30, le=30)
    """How far it leans along the way up of its image."""

    lens_blur: PositiveFloat = 0.65
    """Sigma, pixels."""
    full_well: PositiveFloat = 7000.0
    """Electrons at white."""
    read_noise: PositiveFloat = 9.0
    """Electrons."""
    sharpening: float = Field(default=0.3, ge=0)
    """Strength of the unsharp mask in its image processor."""
    exposure_ms: Range = (1.5, 6.0)
    """What the automatic exposure chooses, within the light of the hall."""
    exposure_error: Range = (-0.35, 0.45)
    """EV that the automatic exposure is off."""
    white_balance_error: Range = (-0.06, 0.06)
    """Relative error of the gains of red and blue."""
    jpeg_quality: Range = (78.0, 95.0)

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return self.width / 2 / float(np.tan(np.radians(self.view_degrees) / 2))

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where (N, 3) points, mm over the middle of the belt, z up, appear: (N, 2) pixels, y downwards."""
        tilt = np.radians(self.tilt_degrees)
        from_lens = points - np.array([0.0, 0.0, self.mount_mm])
        x = from_lens[:, 0]
        y = np.cos(tilt) * from_lens[:, 1] + np.sin(tilt) * from_lens[:, 2]
        depth = np.sin(tilt) * from_lens[:, 1] - np.cos(tilt) * from_lens[:, 2]
        return np.column_stack([self.width / 2 + self.focal * x / depth, self.height / 2 - self.focal * y / depth])


class Crop(Config):
    """A square of the sensor."""

    centre: tuple[float, float]
    """Pixels, y downwards."""
    side: int


class Shot(Config):
    """What is drawn for one exposure."""

    exposure_error: float
    white_balance: tuple[float, float, float]
    """Gains of red, green and blue."""
    motion: float
    """Pixels that the belt moves to the right while the shutter is open."""
    jpeg_quality: int
    noise_seed: int


class ConveyorCamera(NamedTuple):
    """Makes a picture of light."""

    config: CameraConfig

    def expose(self, frame: np.ndarray, shot: Shot, size: int, rng: np.random.Generator) -> np.ndarray:
        """Turn linear light into the picture that arrives.

        Args:
            frame: float32 (H, W, 3), linear light of a crop of the sensor.
            shot: what was drawn for it.
            size: side of the result.
            rng: of the noise.

        Returns:
            uint8 (size, size, 3), sRGB.
        """
        light: np.ndarray = frame.astype(np.float64) * shot.white_balance
        # The automatic exposure weighs the whole frame, but does not let a pale device burn out.
        luminance = light @ _LUMINANCE
        gain = min(0.12 / luminance.mean(), 0.9 / np.quantile(luminance, 0.97)) * 2.0**shot.exposure_error
        light = _smeared(light * gain, shot.motion)
        light = cv2.GaussianBlur(light, (0, 0), self.config.lens_blur)
        electrons = rng.poisson(np.clip(light, 0, 1) * self.config.full_well)
        signal = electrons + self.config.read_noise * rng.standard_normal(light.shape)
        picture = _tone(np.clip(signal / self.config.full_well, 0, 1))
        soft = cv2.GaussianBlur(picture, (0, 0), 1.2)
        picture = np.clip(picture + self.config.sharpening * (picture - soft), 0, 1)
        return _resized(_through_jpeg(np.rint(255 * picture).astype(np.uint8), shot.jpeg_quality), size)


def draw_shot(rng: np.random.Generator, config: CameraConfig, belt_mm_s: float, kelvin: float) -> Shot:
    """Draw one exposure of things that move at ``belt_mm_s`` in light of ``kelvin``, to which the camera is set."""
    lamp = black_body(kelvin)
    red, blue = lamp[1] / lamp[[0, 2]] * (1 + rng.uniform(*config.white_balance_error, 2))
    motion = belt_mm_s * rng.uniform(*config.exposure_ms) / 1000 * config.focal / config.mount_mm
    return Shot(
        exposure_error=float(rng.uniform(*config.exposure_error)),
        white_balance=(float(red), 1.0, float(blue)),
        motion=float(motion),
        jpeg_quality=round(rng.uniform(*config.jpeg_quality)),
        noise_seed=int(rng.integers(2**31)),
    )


def black_body(kelvin: float) -> np.ndarray:
    """Return the linear sRGB of a black body, 1667–25000 K, by the cubic splines of Kim et al. (2002)."""
    t = 1000 / kelvin
    if kelvin < 4000:
        x = -0.2661239 * t**3 - 0.2343589 * t**2 + 0.8776956 * t + 0.179910
    else:
        x = -3.0258469 * t**3 + 2.1070379 * t**2 + 0.2226347 * t + 0.240390
    cubic = (
        (-0.9549476, -1.37418593, 2.09137015, -0.16748867)
        if kelvin < 4000
        else (3.0817580, -5.87338670, 3.75112997, -0.37001483)
    )
    y = float(np.polyval(cubic, x))
    tristimulus = np.array([x / y, 1.0, (1 - x - y) / y])
    return XYZ_TO_SRGB @ tristimulus


def _smeared(light: np.ndarray, pixels: float) -> np.ndarray:
    """Average over a way of ``pixels`` along x."""
    half = max(1, int(np.ceil(pixels / 2 + 0.5)))
    edges = np.clip(np.arange(-half, half + 2) - 0.5, -max(pixels, 1e-3) / 2, max(pixels, 1e-3) / 2)
    kernel = np.diff(edges)
    return cv2.filter2D(light, -1, (kernel / kernel.sum())[None, :], borderType=cv2.BORDER_REPLICATE)


def _tone(signal: np.ndarray) -> np.ndarray:
    """sRGB with a gentle contrast curve, as cameras put on top of it."""
    encoded = np.where(signal <= 0.0031308, 12.92 * signal, 1.055 * signal ** (1 / 2.4) - 0.055)
    smooth = encoded * encoded * (3 - 2 * encoded)
    return 0.7 * encoded + 0.3 * smooth


def _through_jpeg(picture: np.ndarray, quality: int) -> np.ndarray:
    _, content = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(content, cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.ascontiguousarray(decoded[..., ::-1])


def _resized(picture: np.ndarray, size: int) -> np.ndarray:
    shrinks = size < picture.shape[0]
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)

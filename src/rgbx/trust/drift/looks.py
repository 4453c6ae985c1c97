"""What a camera or a detector makes of any device: a few numbers of an image that tell of the machine, not the device.

An out-of-distribution score is made to see past light, exposure and contrast, so it cannot tell when these change.
These numbers can. Most are taken outside the ellipse that touches the image's sides, where there is belt or tray.
"""

from functools import lru_cache

import cv2
import numpy as np

from rgbx.modality import Modality

LOOKS: dict[Modality, tuple[str, ...]] = {
    "rgb": ("brightness", "warmth", "contrast", "noise", "sharpness"),
    "xray": ("open beam", "noise", "stripes", "shading", "density"),
}
"""Names of the numbers, by modality."""
_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
_FAINTEST = 1e-6
_BLOCKS = 8
"""Along each side, of which the shading is told."""
_MATERIAL = 0.1
"""Density from which on a pixel shows the device and not the tray: a tube's voltage changes how dense its densest
parts look."""
_LEAST_SIDE, _LARGEST_SIDE = 16, 256
"""Pixels: of a smaller image nothing can be told; of a larger one so many rows and columns are looked at."""


def look_of(modality: Modality, pixels: np.ndarray) -> dict[str, float]:
    """Return the look of an image.

    Args:
        modality: of the image.
        pixels: (H, W, 3) uint8, or (H, W) float32 in 0..1, linear in detected intensity, after its flat field.

    Returns:
        One number for each of :data:`LOOKS`: how it changes is what counts. Nothing of an image of fewer than 16 pixels
        a side.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < _LEAST_SIDE:
        return {}
    seen = pixels[:: -(-height // _LARGEST_SIDE), :: -(-width // _LARGEST_SIDE)]
    return _look_of_photograph(seen) if modality == "rgb" else _look_of_radiograph(seen)


def _look_of_photograph(pixels: np.ndarray) -> dict[str, float]:
    image = pixels.astype(np.float32) / 255
    outside = _outside(image.shape)
    light = image @ _LUMINANCE
    rough = np.abs(cv2.Laplacian(light, cv2.CV_32F))
    red, _, blue = np.maximum(image[outside].mean(0), _FAINTEST)
    return {
        "brightness": float(np.median(light[outside])),
        "warmth": float(np.log(red / blue)),
        "contrast": float(light.std()),
        "noise": float(np.median(rough[outside])),
        "sharpness": float(np.quantile(rough[~outside], 0.95)),
    }


def _look_of_radiograph(pixels: np.ndarray) -> dict[str, float]:
    image = pixels.astype(np.float32)
    outside = _outside(image.shape)
    beam = max(float(np.median(image[outside])), _FAINTEST)
    relative = image / beam
    rough = relative - cv2.blur(relative, (3, 3))
    rows = image.shape[0] // 10 + 1
    columns = np.median(np.concatenate([relative[:rows], relative[-rows:]]), 0)
    stripes = columns - cv2.blur(columns[None], (9, 1))[0]
    density = -np.log(np.maximum(relative[~outside], 1e-3))
    material = density[density > _MATERIAL]
    return {
        "open beam": beam,
        "noise": _spread(rough[outside]),
        "stripes": _spread(stripes),
        "shading": _shading(relative, outside),
        "density": float(np.quantile(material, 0.97)) if material.size else 0.0,
    }


@lru_cache(maxsize=8)
def _outside(shape: tuple[int, ...]) -> np.ndarray:
    """Return (H, W) bool, whether a pixel lies outside the ellipse that touches the sides."""
    down, along = (np.linspace(-1, 1, side) for side in shape[:2])
    outside = np.asarray(np.hypot(down[:, None], along) > 1)
    outside.flags.writeable = False  # all images of a size share it
    return outside


def _shading(relative: np.ndarray, outside: np.ndarray) -> float:
    """Return how much the blocks in the corners differ."""
    blocks = [
        np.median(values[seen])
        for row, seen_row in zip(np.array_split(relative, _BLOCKS), np.array_split(outside, _BLOCKS), strict=True)
        for values, seen in zip(np.array_split(row, _BLOCKS, 1), np.array_split(seen_row, _BLOCKS, 1), strict=True)
        if seen.mean() > 0.5
    ]
    return float(np.std(blocks))


def _spread(values: np.ndarray) -> float:
    """Return a standard deviation that few outliers do not move."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))

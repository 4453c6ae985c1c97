"""From an image to what the network reads: one deterministic transform for training, evaluation and prediction.

The device is found, set upright and cut out of the full-resolution image, so that the network's pixels are spent on it
and not on learning that a turned device is a device.

Radiographs of different machines differ in exposure, background, contrast and magnification, but −log(I/I0) is the
same line integral of attenuation up to a factor (Beer–Lambert). So a radiograph becomes −log of its transmission,
scaled by its own robust percentiles; what is left of a machine is the shape of its response, which training randomises.
"""

import math
from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
from pydantic import AfterValidator, Field

from rgbx.config import Config, Range
from rgbx.errors import ConfigError
from rgbx.modality import Modality
from rgbx.view.find import (
    LOCATED_SIZE,
    OUTLINED_SIZE,
    SEARCHED_SIZE,
    DeviceRectangle,
    Localise,
    device_mask,
    find_device,
    least_rectangle,
    likely_mask,
)
from rgbx.view.ways import References, four_ways

ViewName = Literal["upright", "square", "none"]
SEARCH_MARGIN = 0.1
"""Round the square in which a device's outline is drawn, as a fraction of its longer side."""
OUTLINE_BLUR = 5
"""Pixels over which noise is averaged there."""
_LOCATED = (LOCATED_SIZE, LOCATED_SIZE)
_NEARER = 1.5
"""Side of what is seen of a photograph the second time, in lengths of the device."""
GRAIN = 8
"""Sides of upright views are multiples of so many pixels."""
LEAST_WIDTH = 40
"""Pixels of the shorter side: two cells of a network's map, which has one for 32 pixels. torch 2.14's convolutions in
bf16 give numbers from nowhere where a map is one cell wide and several high."""


def _readable_references(text: str) -> str:
    if text:
        References.of(text)
    return text


class TransformConfig(Config):
    """How an image is prepared."""

    source_size: int = Field(default=256, ge=16)
    """Side in pixels of the square that crops are taken from; an upright view has as many pixels."""
    view: ViewName = "upright"
    """``upright``: the least rectangle round the device, long side up. ``square``: the square round the device, turned
    as it lies. ``none``: the whole image, as the paper has it."""
    aspect: float | None = Field(default=None, ge=1.0, le=10.0)
    """Height over width of an upright view. Training finds that of its devices; until then it is 1."""
    margin: float = Field(default=0.06, ge=0.0, le=1.0)
    """Left round the device on each side, as a fraction of that side (of the longer one in a square view)."""
    transmission_floor: float = Field(default=0.05, gt=0.0, lt=1.0)
    """Added to the transmission before the logarithm: behind dense parts a detector sees mostly scatter and noise,
    which the logarithm alone would blow up."""
    percentiles: Range = (1.0, 99.5)
    """Percentiles of −log transmission that become 0 (open beam) and 1 (densest parts)."""
    references: Annotated[str, AfterValidator(_readable_references)] = Field(default="", repr=False)
    """Of an upright view of radiographs: what devices look like that all lie the same way, as
    :meth:`rgbx.view.ways.References.to_text` writes it. Training finds them; without any, as in bundles of earlier
    versions, the heavier end is turned down."""

    def shape(self, side: int) -> tuple[int, int]:
        """Return (height, width) in pixels of an image with as many pixels as a square of ``side``."""
        if self.view != "upright" or self.aspect is None or side < LEAST_WIDTH:
            return side, side
        root = math.sqrt(self.aspect)
        return _grain(side * root), max(_grain(side / root), LEAST_WIDTH)

    @property
    def source_shape(self) -> tuple[int, int]:
        """(height, width) in pixels of a prepared image."""
        return self.shape(self.source_size)


class Seen(NamedTuple):
    """A prepared image and where it comes from."""

    pixels: np.ndarray
    """(H, W) uint16, 0 the open beam and 65535 the densest parts; or (H, W, 3) uint8."""
    place: np.ndarray
    """(2, 3): pixels (x, y, 1) of the prepared image to pixels of the one that was given."""
    found: bool
    """Whether a device was found, where the view looks for one; else the whole image is seen."""


class Transform:
    """Prepares the images of one stream.

    Args:
        modality: of the images.
        config: how.
        localise: finds devices in photographs; an upright view of them needs it.

    Raises:
        ConfigError: it is missing.
    """

    def __init__(self, modality: Modality, config: TransformConfig, localise: Localise | None = None) -> None:
        if modality == "rgb" and config.view == "upright" and localise is None:
            raise ConfigError("an upright view of photographs needs a localiser: train one, or set view to none.")
        self.modality = modality
        self.config = config
        self.localise = localise
        self.references = References.of(config.references) if config.references else None

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Return the pixels of :meth:`see`."""
        return self.see(image).pixels

    def see(self, image: np.ndarray) -> Seen:
        """Prepare one image.

        Args:
            image: a radiograph, (H, W) float in [0, 1], linear in intensity; or a photograph, (H, W, 3) uint8.
        """
        config = self.config
        if config.view == "upright":
            found = self.find(image)
            is_found = found is not None
            place = _placed(found or _whole(image), config.margin if found else 0.0, config.source_shape)
            pixels = warp(image, place, config.source_shape)
        else:
            is_found, place, pixels = _square(image, self.modality, config)
        if self.modality == "xray":
            pixels = _scaled(_attenuation(pixels, config), config)
            if is_found and config.view == "upright":
                way = _heavier_end_down(pixels) if self.references is None else self.references.way_of(pixels)
                pixels, place = np.ascontiguousarray(four_ways(pixels)[way]), place @ _turned(way, pixels.shape)
        return Seen(pixels, place, is_found)

    @property
    def looks_for_a_device(self) -> bool:
        """Whether the view is of the device, not of the whole image."""
        return self.config.view == "upright" or (self.config.view == "square" and self.modality == "xray")

    def find(self, image: np.ndarray) -> DeviceRectangle | None:
        """Return the least rectangle round the device, in pixels of the image; None if none is found."""
        if self.modality == "xray":
            return find_in_radiograph(image, self.config)
        return None if self.localise is None else find_in_photograph(image, self.localise)


def as_input(prepared: np.ndarray) -> np.ndarray:
    """Return (B, C, H, W) float32 in [0, 1], what a network reads, of (B, H, W) uint16 or (B, H, W, 3) uint8 images."""
    scaled = prepared.astype(np.float32) / np.iinfo(prepared.dtype).max
    return scaled[:, None] if scaled.ndim == 3 else np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def find_in_radiograph(radiograph: np.ndarray, config: TransformConfig) -> DeviceRectangle | None:
    """Return the least rectangle round what stands in the beam, in pixels of the radiograph; None if nothing does.

    It is looked for twice: where it is, in all of the radiograph, and then its outline, so that this is as fine for
    small devices as for large ones.

    Args:
        radiograph: (H, W) float in [0, 1], linear in intensity.
        config: how transmission becomes attenuation.
    """
    size = min(max(radiograph.shape), SEARCHED_SIZE)
    whole = _placed(_whole(radiograph), 0.0, (size, size))
    square = find_device(_attenuation(warp(radiograph, whole, (size, size)), config), SEARCH_MARGIN)
    if square is None:
        return None
    left, top, side = square
    middle = whole @ (left + (side - 1) / 2, top + (side - 1) / 2, 1)
    length = side * _step(whole)
    near = _placed(
        DeviceRectangle(float(middle[0]), float(middle[1]), length, length, 0.0), 0.0, (OUTLINED_SIZE, OUTLINED_SIZE)
    )
    mask = device_mask(_attenuation(warp(radiograph, near, (OUTLINED_SIZE, OUTLINED_SIZE)), config), OUTLINE_BLUR)
    if mask is None:
        return None
    found = least_rectangle(mask)
    return None if found is None else _moved(found, near)


def whole_view(image: np.ndarray, side: int) -> np.ndarray:
    """Return all of an image in a square of ``side`` pixels, background round its shorter side."""
    return warp(image, _placed(_whole(image), 0.0, (side, side)), (side, side))


def find_in_photograph(photograph: np.ndarray, localise: Localise) -> DeviceRectangle | None:
    """Return the least rectangle round the device, in pixels of the photograph; None if there is none.

    A small one is looked at twice: where it is, and then, upright and from near by, how it lies.

    Args:
        photograph: (H, W, 3) uint8.
        localise: the localiser.
    """
    first = _located(photograph, _whole(photograph), localise)
    if first is None or first.height > max(photograph.shape[:2]) / 2:
        return first
    side = first.height * _NEARER
    return _located(photograph, DeviceRectangle(first.x, first.y, side, side, first.turn), localise) or first


def _located(photograph: np.ndarray, seen: DeviceRectangle, localise: Localise) -> DeviceRectangle | None:
    """Return the least rectangle round the device in a part of a photograph, in pixels of the photograph."""
    place = _placed(seen, 0.0, _LOCATED)
    mask = likely_mask(localise(warp(photograph, place, _LOCATED)))
    found = None if mask is None else least_rectangle(mask)
    return None if found is None else _moved(found, place, seen.turn)


def _moved(rectangle: DeviceRectangle, place: np.ndarray, turn: float = 0.0) -> DeviceRectangle:
    """Return a rectangle in pixels of a view, which is turned by ``turn`` degrees, in those of the image."""
    step = _step(place)
    x, y = place @ (rectangle.x, rectangle.y, 1)
    turn = (rectangle.turn + turn + 90) % 180 - 90
    return DeviceRectangle(float(x), float(y), rectangle.width * step, rectangle.height * step, turn)


def warp(image: np.ndarray, place: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return the (height, width) pixels of an image that ``place`` says, averaged where they become fewer.

    What lies outside is the median of the image's border, which is background.

    Args:
        image: (H, W) or (H, W, 3), float32 or uint8.
        place: (2, 3), pixels (x, y, 1) of what is returned to pixels of the image.
        shape: (height, width) of what is returned.
    """
    outside = np.atleast_1d(_outside(image)).tolist()
    height, width = image.shape[:2]
    step = _step(place)
    if step > 1:
        image = cv2.resize(image, (_shrunk(width, step), _shrunk(height, step)), interpolation=cv2.INTER_AREA)
        ratio = np.array([image.shape[1] / width, image.shape[0] / height])
        place = place * ratio[:, None]
        place[:, 2] += (ratio - 1) / 2  # pixels are counted from the middle of the first
    return cv2.warpAffine(
        image,
        place,
        shape[::-1],
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=outside,
    )


def _heavier_end_down(pixels: np.ndarray) -> int:
    """Return the way in which the denser half of an upright radiograph is below: as it is, or turned by 180°.

    A device that lost its battery may come to lie the other way.
    """
    height = len(pixels)
    is_below = pixels.sum(1, dtype=np.float64) @ (np.arange(height) - (height - 1) / 2) >= 0
    return 0 if is_below else 3


def _turned(way: int, shape: tuple[int, int]) -> np.ndarray:
    """Return the (3, 3) map from pixels of an image that lies another way to those of the image itself."""
    height, width = shape
    mirrored = np.array([[-1, 0, width - 1], [0, 1, 0], [0, 0, 1]])
    upside_down = np.array([[1, 0, 0], [0, -1, height - 1], [0, 0, 1]])
    return (np.eye(3), mirrored, upside_down, mirrored @ upside_down)[way]


def _placed(rectangle: DeviceRectangle, margin: float, shape: tuple[int, int]) -> np.ndarray:
    """Return the (2, 3) map from pixels of an image of ``shape`` to those round a rectangle, which it just holds."""
    height, width = shape
    step = (1 + 2 * margin) * max(rectangle.height / height, rectangle.width / width)
    cosine, sine = math.cos(math.radians(rectangle.turn)), math.sin(math.radians(rectangle.turn))
    axes = step * np.array([[cosine, -sine], [sine, cosine]])
    middle = np.array([rectangle.x, rectangle.y])
    return np.column_stack([axes, middle - axes @ ((width - 1) / 2, (height - 1) / 2)])


def _whole(image: np.ndarray) -> DeviceRectangle:
    """Return the rectangle of a whole image, as it lies."""
    height, width = image.shape[:2]
    return DeviceRectangle((width - 1) / 2, (height - 1) / 2, width, height, 0.0)


def _square(image: np.ndarray, modality: Modality, config: TransformConfig) -> tuple[bool, np.ndarray, np.ndarray]:
    """Return whether a device was found, the place of the square round it, or of the whole image, and its pixels."""
    height, width = image.shape[:2]
    square, size = _pad_to_square(image), max(height, width)
    found = None
    if config.view == "square" and modality == "xray":
        searched = _resize(square, min(size, SEARCHED_SIZE))
        found = find_device(_attenuation(searched, config), config.margin)
    left, top, side = found or (0, 0, size)
    if found:
        left, top, side = (round(each * size / len(searched)) for each in found)
        left, top = min(left, size - side), min(top, size - side)
    pixels = _resize(square[top : top + side, left : left + side], config.source_size)
    corner = (left - (size - width) // 2, top - (size - height) // 2)
    middle = DeviceRectangle(corner[0] + (side - 1) / 2, corner[1] + (side - 1) / 2, side, side, 0.0)
    return found is not None, _placed(middle, 0.0, config.source_shape), pixels


def _pad_to_square(image: np.ndarray) -> np.ndarray:
    """Pad the shorter side on both ends with the median of the image's border, which is background."""
    height, width = image.shape[:2]
    side = max(height, width)
    if height == width:
        return image
    top, left = (side - height) // 2, (side - width) // 2
    square = np.empty((side, side, *image.shape[2:]), image.dtype)
    square[:] = _outside(image)
    square[top : top + height, left : left + width] = image
    return square


def _outside(image: np.ndarray) -> np.ndarray:
    """Return the median of an image's border, which is background."""
    return np.median(np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]), axis=0)


def _resize(image: np.ndarray, side: int) -> np.ndarray:
    if image.shape[0] == side:
        return image
    method = cv2.INTER_AREA if image.shape[0] > side else cv2.INTER_LINEAR
    return cv2.resize(image, (side, side), interpolation=method)


def _step(place: np.ndarray) -> float:
    """Return how many pixels of the image one of the view is apart from the next."""
    return float(np.hypot(*place[:, 0]))


def _shrunk(pixels: int, step: float) -> int:
    return max(round(pixels / step), 1)


def _grain(pixels: float) -> int:
    return max(round(pixels / GRAIN), 1) * GRAIN


def _attenuation(radiograph: np.ndarray, config: TransformConfig) -> np.ndarray:
    open_beam = max(float(np.percentile(radiograph, 99.0)), 1e-6)
    return -np.log(radiograph / open_beam + config.transmission_floor)


def _scaled(attenuation: np.ndarray, config: TransformConfig) -> np.ndarray:
    low, high = np.percentile(attenuation, config.percentiles)
    scaled = (attenuation - low) / max(high - low, 1e-3)  # a blank image stays blank instead of becoming noise
    return np.rint(np.clip(scaled, 0.0, 1.0) * 65535).astype(np.uint16)

"""What a localiser is to expect beside one device alone: two of them, a hand on one, an empty place.

A renderer shows one whole device in each photograph. Scenes are put together from such photographs and their masks.
"""

import cv2
import numpy as np
from pydantic import Field, PositiveInt

from rgbx.config import Config, Range

LEAST_EMPTY = 0.2
"""Side of an empty place that is worth showing, as a fraction of the photograph's."""


class Scenes(Config):
    """Shares of photographs from which another scene is made; the rest stays as it is."""

    empty: float = Field(default=0.08, ge=0.0, le=1.0)
    two_devices: float = Field(default=0.1, ge=0.0, le=1.0)
    hand: float = Field(default=0.2, ge=0.0, le=1.0)
    """A device in a hand, bare or in a glove: bars that come in from outside and end on it."""
    together: Range = (0.35, 0.55)
    """How large devices are shown of which there are two."""
    most_fingers: PositiveInt = 5
    finger_width: Range = (0.04, 0.12)
    """As a fraction of the photograph's side."""


def empty_place(photograph: np.ndarray, mask: np.ndarray) -> np.ndarray | None:
    """Return the largest square of an (H, W, 3) photograph that its device does not touch; None where it is small."""
    free = cv2.copyMakeBorder((mask == 0).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    reach = cv2.distanceTransform(free, cv2.DIST_C, 3)
    row, column = np.unravel_index(int(reach.argmax()), reach.shape)
    half = int(reach[row, column]) - 1
    if 2 * half + 1 < LEAST_EMPTY * max(mask.shape):
        return None
    top, left = row - 1 - half, column - 1 - half
    return photograph[top : top + 2 * half + 1, left : left + 2 * half + 1]


def staged(
    photographs: np.ndarray,
    masks: np.ndarray,
    empty: np.ndarray,
    config: Scenes,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return photographs and masks, some of them replaced by other scenes.

    Args:
        photographs: (B, S, S, 3) uint8.
        masks: (B, S, S) uint8, 255 where the device is.
        empty: (E, S, S, 3) uint8, places without any device; there may be none.
        config: how often and how.
        rng: decides.
    """
    shown, wanted = photographs.copy(), masks.copy()
    for place, chance in enumerate(rng.random(len(photographs))):
        background = empty[rng.integers(len(empty))] if len(empty) else _border_alone(photographs[place])
        if chance < config.empty:
            shown[place], wanted[place] = background, 0
        elif chance < config.empty + config.two_devices:
            pair = [place, int(rng.integers(len(photographs)))]
            shown[place], wanted[place] = _two(photographs[pair], masks[pair], background, config, rng)
        elif chance < config.empty + config.two_devices + config.hand:
            _hold(shown[place], masks[place], config, rng)
    return shown, wanted


def _border_alone(photograph: np.ndarray) -> np.ndarray:
    border = np.concatenate([photograph[0], photograph[-1], photograph[:, 0], photograph[:, -1]])
    return np.broadcast_to(np.median(border, axis=0).astype(np.uint8), photograph.shape)


def _two(
    photographs: np.ndarray, masks: np.ndarray, background: np.ndarray, config: Scenes, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay two devices side by side on a background; what is moved about later turns them together."""
    side = len(background)
    scene, wanted = background.astype(np.float32), np.zeros((side, side), np.uint8)
    for photograph, mask, middle in zip(photographs, masks, (0.27, 0.73), strict=True):
        centre = side * np.array([middle, rng.uniform(0.35, 0.65)])
        turn = cv2.getRotationMatrix2D(_middle(mask).tolist(), rng.uniform(0, 360), rng.uniform(*config.together))
        turn[:, 2] += centre - _middle(mask)
        there = cv2.warpAffine(mask, turn, (side, side), flags=cv2.INTER_LINEAR)
        share = there[..., None] / np.float32(255)
        scene = (1 - share) * scene + share * cv2.warpAffine(photograph, turn, (side, side), flags=cv2.INTER_LINEAR)
        wanted = np.maximum(wanted, there)
    return np.rint(scene).astype(np.uint8), wanted


def _hold(photograph: np.ndarray, mask: np.ndarray, config: Scenes, rng: np.random.Generator) -> None:
    """Draw fingers side by side from outside onto the device, rounder towards their middle."""
    side = len(photograph)
    angle = rng.uniform(0, 2 * np.pi)
    along, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    width, count = side * rng.uniform(*config.finger_width), int(rng.integers(1, config.most_fingers + 1))
    light, depth = _glove_or_skin(rng), rng.uniform(0.3, 1.0)
    start = _middle(mask) + rng.normal(0, 0.12 * side, 2)
    for finger in range(count):
        tip = start + across * (finger - (count - 1) / 2) * width * rng.uniform(1.05, 1.25)
        tip += along * rng.uniform(-0.1, 0.1) * side
        end = tip + 2 * side * along
        for shade in np.linspace(0, 1, 4):
            colour = light * (1 - depth * (1 - shade) / 2)
            thick = max(1, round(width * (1 - 0.7 * shade)))
            cv2.line(photograph, _pixel(tip), _pixel(end), colour.tolist(), thick, cv2.LINE_AA)


def _glove_or_skin(rng: np.random.Generator) -> np.ndarray:
    """Return the lightest colour of a finger: some tone of skin, or any colour a glove may have."""
    if rng.random() < 0.5:
        return rng.uniform(0.35, 1.0) * np.array([235.0, rng.uniform(165, 205), rng.uniform(120, 175)])
    return rng.uniform(20, 255, 3)


def _middle(mask: np.ndarray) -> np.ndarray:
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.array(mask.shape[::-1]) / 2
    return np.array([columns.mean(), rows.mean()])


def _pixel(point: np.ndarray) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))

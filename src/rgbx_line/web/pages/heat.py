"""Where a stream looked: as a picture to lay over an image, and as the way to show the device alone, upright."""

import base64
from collections.abc import Mapping
from typing import Any, NamedTuple

import cv2
import numpy as np

HEAT_SIDE = 480
"""Pixels of the longer side: a map has a few cells only."""
STRONGEST = 0.78
"""How much of the image a map hides where it is strongest."""
WEAKEST = 0.15
"""What a map is too weak below to be shown."""
ROUND_A_DEVICE = 0.06
"""What is shown round a device, as a share of its longer side."""
_FINER = 24
_OUTLINE = (255, 255, 255, 235)
_OUTLINE_EDGE = (0, 0, 0, 200)


class Showing(NamedTuple):
    """How an image becomes a picture."""

    matrix: np.ndarray
    """(2, 3): pixels (x, y, 1) of the image to those of the picture."""
    width: int
    height: int


def shown_whole(size: tuple[int, int], side: int) -> Showing:
    """Return how all of an image is shown.

    Args:
        size: width and height of the image.
        side: pixels of the picture's longer side.
    """
    scale = side / max(size)
    matrix = np.array([[scale, 0, 0.5 * scale - 0.5], [0, scale, 0.5 * scale - 0.5]])
    width, height = (max(1, round(each * scale)) for each in size)
    return Showing(matrix, width, height)


def shown_upright(looked: Mapping[str, Any], side: int) -> Showing:
    """Return how the device alone is shown, upright as the stream saw it, with a little round it.

    Args:
        looked: where the stream looked, as the log has it (:class:`rgbx.inference.results.HeatMaps`).
        side: pixels of the picture's longer side at most; it has no more than the image shows the device with.
    """
    height, width = looked["shape"]
    place = _place(looked)
    margin = ROUND_A_DEVICE * max(height, width)
    step = np.sqrt(abs(np.linalg.det(place[:, :2])))  # pixels of the image for one of the prepared image
    scale = min(side / (max(height, width) + 2 * margin), max(step, 1.0))
    # Of the prepared image, to the picture.
    shift = scale * (margin + 0.5) - 0.5
    matrix = np.array([[scale, 0, shift], [0, scale, shift], [0, 0, 1]])
    back = np.linalg.inv(np.vstack([place, [0, 0, 1]]))
    size = (max(1, round(scale * (each + 2 * margin))) for each in (width, height))
    return Showing((matrix @ back)[:2], *size)


def drawn(image: np.ndarray, showing: Showing) -> np.ndarray:
    """Return the picture of an image."""
    matrix = showing.matrix
    step = 1 / np.sqrt(max(abs(np.linalg.det(matrix[:, :2])), 1e-12))  # pixels of the image for one of the picture
    height, width = image.shape[:2]
    reduced = (max(1, round(width / step)), max(1, round(height / step)))
    if step > 1:  # each pixel of the picture is the mean of those that it shows
        image = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA)
        across, down = width / reduced[0], height / reduced[1]
        fuller = np.array([[across, 0, across / 2 - 0.5], [0, down, down / 2 - 0.5], [0, 0, 1]])
        matrix = matrix @ fuller
    size = (showing.width, showing.height)
    return cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def heat_picture(looked: Mapping[str, Any], showing: Showing, iteration: int) -> bytes:
    """Return a PNG with transparency to lay over a picture.

    Args:
        looked: where the stream looked, as the log has it (:class:`rgbx.inference.results.HeatMaps`).
        showing: how the image became that picture.
        iteration: whose map it is, from 0; the windows of those after it are outlined.
    """
    place = showing.matrix @ np.vstack([_place(looked), [0, 0, 1]])
    iterations = looked["iterations"]
    strength = _warped(iterations[iteration], looked["shape"], place, (showing.height, showing.width))
    colours = cv2.cvtColor(cv2.applyColorMap(strength, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    share = np.clip((strength / 255 - WEAKEST) / (1 - WEAKEST), 0, 1)
    picture = np.dstack([colours, (255 * STRONGEST * np.sqrt(share)).astype(np.uint8)])
    for each in iterations[max(iteration, 1) :]:
        _outline(picture, np.rint(_corners(each["window"], looked["shape"], place)).astype(np.int32))
    _, encoded = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA))
    return encoded.tobytes()


def _place(looked: Mapping[str, Any]) -> np.ndarray:
    """Return (2, 3): pixels of the prepared image to those of the image."""
    return np.array(looked["place"], float).reshape(2, 3)


def _warped(
    look: Mapping[str, Any], prepared: tuple[int, int], place: np.ndarray, shape: tuple[int, int]
) -> np.ndarray:
    """Return a map, uint8, where ``place`` puts it in a picture of ``shape``; 0 outside of its window."""
    grid = np.frombuffer(base64.b64decode(look["values"]), np.uint8).reshape(look["rows"], -1)
    rows, columns = grid.shape
    fine = cv2.resize(grid, (columns * _FINER, rows * _FINER), interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = look["window"]
    # Middles of pixels of the fine map, to those of the prepared image, to those of the picture.
    across = (right - left) * prepared[1] / fine.shape[1]
    down = (bottom - top) * prepared[0] / fine.shape[0]
    to_prepared = np.array(
        [[across, 0, left * prepared[1] + across / 2 - 0.5], [0, down, top * prepared[0] + down / 2 - 0.5]]
    )
    matrix = place @ np.vstack([to_prepared, [0, 0, 1]])
    return cv2.warpAffine(fine, matrix, (shape[1], shape[0]), flags=cv2.INTER_LINEAR)


def _corners(window: Any, prepared: tuple[int, int], place: np.ndarray) -> np.ndarray:
    """Return the corners, (4, 2), of a window of the prepared image where ``place`` puts them."""
    left, top, right, bottom = window
    sides = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) * (prepared[1], prepared[0]) - 0.5
    return np.column_stack([sides, np.ones(4)]) @ place.T


def _outline(picture: np.ndarray, corners: np.ndarray) -> None:
    for colour, width in ((_OUTLINE_EDGE, 4), (_OUTLINE, 2)):
        cv2.polylines(picture, [corners], True, colour, width, cv2.LINE_AA)

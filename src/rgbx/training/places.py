"""Where the classes of a library differ, measured on training images that all lie the same way.

What is too small for the first look leaves no trace in its activation map, so that map cannot point to it. But it can
be measured once for all devices of a library: by statistics of fine detail in small cells of the full-resolution
images. Two classes differ in a cell as far as *every* unit of the one is from every unit of the other there; what sets
single units apart, such as a part that sits a little askew, is none of it.
"""

import itertools
import math

import cv2
import numpy as np
from scipy.stats import norm

from rgbx.datasets.labelled import LabelledImages
from rgbx.errors import RgbxError
from rgbx.processes import in_threads

PLACE_CELL = 8
"""Pixels of the source from one cell to the next; a cell sees about twice as many, so that no place falls between."""
DETAIL_BLUR, DETAIL_REACH = 6.0, 40.0
"""Pixels: what changes more slowly than the first is no detail, and detail is judged against what is as near as the
second."""
CHANCE = 0.05
"""That two classes which do not differ seem to, in any cell."""
MEASURED_OF_CLASS = 200
"""Images of each class, at most."""
_SCALES = (1.0, 2.0)
"""Pixels over which noise is averaged."""


def differences(images: LabelledImages) -> np.ndarray:
    """Return how far each pair of classes differs in each cell, (pairs, h, w), 0 where it may be chance.

    Pairs are those of ``itertools.combinations(range(C), 2)``; distances are squares, in variances of what lies between
    two units of one class. What one map in twenty would reach anywhere by chance counts as nothing.

    Args:
        images: radiographs or photographs, upright.
    """
    unit_of = {unit: number for number, unit in enumerate(sorted(set(zip(images.labels, images.units, strict=True))))}
    units = np.array([unit_of[each] for each in zip(images.labels, images.units, strict=True)])
    classes = np.array([label for label, _ in unit_of])
    details = np.stack(in_threads(_details, list(images.images)))  # (N, statistics, h, w)
    members = [details[units == unit] for unit in range(len(unit_of))]
    means = np.stack([each.mean(0) for each in members])
    within = sum(((each - each.mean(0)) ** 2).sum(0) for each in members) / max(len(units) - len(members), 1)
    # How far the mean of one unit may lie off by chance: from what differs between units, and between their images.
    count = np.array([len(each) for each in members])
    spread = sum(((means[classes == label] - means[classes == label].mean(0)) ** 2).sum(0) for label in set(classes))
    off = np.maximum(spread / max(len(members) - len(images.classes), 1), within / count.mean())
    found = []
    for one, other in itertools.combinations(range(len(images.classes)), 2):
        ours, theirs = means[classes == one], means[classes == other]
        apart = np.maximum(ours.min(0) - theirs.max(0), theirs.min(0) - ours.max(0))
        # Units of both classes fall apart by chance only if all of them do.
        chance = (CHANCE / apart.size) ** (1 / (len(ours) + len(theirs) - 1))
        clear = apart > norm.isf(chance) * np.sqrt(2 * off)
        found.append((np.where(clear, apart, 0) ** 2 / (2 * off + 1e-12)).max(0))
    return np.stack(found)


def measured_places(images: LabelledImages, fraction: float, count: int) -> list[tuple[float, float]]:
    """Return where to look closer: (left, top) of ``count`` windows, in 0..1 of the image.

    Each pair of classes counts once, spread over the cells in which it differs: so one that differs in a single cell
    says much about that cell, and one that differs nearly everywhere little about any. A window holds as much of this
    as can be, near its middle before its border; the next one is for what the windows before it leave out.

    Args:
        images: what the network is trained on.
        fraction: side of the windows as a fraction of the image's.
        count: of windows.

    Raises:
        RgbxError: no place was found where two classes differ.
    """
    apart = differences(images.limited(MEASURED_OF_CLASS, seed=0))
    total = apart.sum((1, 2), keepdims=True)
    if not total.any():
        raise RgbxError(
            "No place was found where all units of one class differ from those of another, so there is none to look "
            "at more closely: set stream.icam.window=square, or give more images."
        )
    shares = apart / np.maximum(total, 1e-12)
    height, width = shares.shape[1:]
    places = []
    for _ in range(count):
        left, top = _best_window(shares.sum(0), fraction)
        places.append((left, top))
        rows, columns = (np.arange(cells) + 0.5 for cells in (height, width))
        inside = (np.abs(rows / height - top - fraction / 2) < fraction / 2)[:, None] & (
            np.abs(columns / width - left - fraction / 2) < fraction / 2
        )
        if not (shares.sum(0) * ~inside).any():
            break
        shares = shares * ~inside
    return places + places[-1:] * (count - len(places))


def _best_window(heat: np.ndarray, fraction: float) -> tuple[float, float]:
    """Return (left, top) of the window with most of a (h, w) map in it, what is near its middle counting most."""
    weights = [_tent(max(round(fraction * cells), 1)) for cells in heat.shape]
    held = cv2.sepFilter2D(heat.astype(np.float64), -1, weights[1], weights[0], borderType=cv2.BORDER_CONSTANT)
    row, column = np.unravel_index(held.argmax(), held.shape)
    middle = (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]
    left, top = (round(min(max(float(each) - fraction / 2, 0.0), 1.0 - fraction), 4) for each in middle)
    return left, top


def _tent(cells: int) -> np.ndarray:
    """Return weights that fall from the middle of so many cells to their ends; an odd number of them."""
    reach = math.ceil(cells / 2)
    return 1 - np.abs(np.arange(-reach + 1, reach)) / reach


def _details(image: np.ndarray) -> np.ndarray:
    """Return (statistics, h, w) of an (H, W) uint16 or (H, W, 3) uint8 image: lightest, darkest, and liveliness."""
    grey = image if image.ndim == 2 else image.mean(2)
    root = np.sqrt(grey.astype(np.float32) / np.iinfo(image.dtype).max)
    fine = root - cv2.GaussianBlur(root, (0, 0), DETAIL_BLUR)
    fine /= np.sqrt(cv2.GaussianBlur(fine * fine, (0, 0), DETAIL_REACH)) + 0.01
    seen = np.ones((2 * PLACE_CELL + 1, 2 * PLACE_CELL + 1), np.uint8)
    found = []
    for scale in _SCALES:
        smooth = cv2.GaussianBlur(fine, (0, 0), scale)
        found += [cv2.dilate(smooth, seen), cv2.erode(smooth, seen)]
    found.append(cv2.blur(fine * fine, seen.shape))
    return np.stack([each[PLACE_CELL // 2 :: PLACE_CELL, PLACE_CELL // 2 :: PLACE_CELL] for each in found])

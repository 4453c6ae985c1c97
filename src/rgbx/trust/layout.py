"""How the inside of a device is laid out, compared place by place with radiographs of known devices.

A classifier's features keep what tells its classes apart and nothing else, so a device of a new class looks to them
like the known one that it resembles most. A radiograph turned upright still has all: each small cell of it is compared
with the same cell in the radiographs of known devices, the best match counting, so that one known device may account
for an absent battery and another for a shifted motor (after Roth et al., 2022, with places instead of a bank of all
patches).
"""

from typing import ClassVar, Literal, Self

import cv2
import numpy as np

SIDE, CELL = 48, 4
"""Pixels of an upright radiograph, and of a cell, each way."""
REACH = 7
"""Pixels of an upright radiograph that its contrast is judged against, each way."""
FINER = 4
"""How much finer a radiograph is sampled than kept, so that nothing between the samples is missed."""
OUTLINE = 0.03
"""Of a prepared radiograph's range: what is darker than the border by more belongs to the device."""
EVEN = 0.03
"""Contrast, of a prepared radiograph's root, below which a place counts as even."""
_FAINT = 0.2
"""Of a cell's contrast: two cells with less than that are alike."""
KEPT = 200
"""Radiographs of each class that are compared with."""


def layout_of(prepared: np.ndarray) -> np.ndarray:
    """Turn the device in a prepared radiograph upright, stretch it to a square and even out its contrast.

    Args:
        prepared: (H, W) uint16, from :func:`rgbx.view.transform.prepare_image`.

    Returns:
        (48, 48) float32, about 0 ± 1; which of four ways is up, and whether mirrored, is left to the comparison.
    """
    image = prepared.astype(np.float32) / 65535
    upright = cv2.warpAffine(image, _to_square(image), (SIDE * FINER,) * 2, flags=cv2.WARP_INVERSE_MAP)
    return even_out(np.sqrt(cv2.resize(upright, (SIDE, SIDE), interpolation=cv2.INTER_AREA)))


def even_out(root: np.ndarray) -> np.ndarray:
    """Return (H, W) float32 with the mean and contrast of its surroundings taken out of each pixel, about 0 ± 1."""
    raised = root - cv2.blur(root, (REACH, REACH))
    # OpenCV's running sums may end a little below 0 where an even place, such as a saturated one, follows a lively one.
    power = np.maximum(cv2.blur(raised**2, (REACH, REACH)), 0)
    return raised / (np.sqrt(power) + EVEN)


def _to_square(image: np.ndarray) -> np.ndarray:
    """Return the (2, 3) map from the square to the least rectangle round the device, long side upright."""
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    mask = image > max(OUTLINE, float(np.percentile(border, 99)) + OUTLINE / 3)
    opened = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    outlines, _ = cv2.findContours(opened, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    right, bottom = image.shape[1] - 1, image.shape[0] - 1
    corners = np.array([[0, 0], [0, bottom], [right, bottom], [right, 0]], np.float32)
    (x, y), (width, height), turn = cv2.minAreaRect(max(outlines, key=cv2.contourArea, default=corners))
    if width > height:
        width, height, turn = height, width, turn + 90
    cosine, sine = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    axes = np.array([[cosine * width, -sine * height], [sine * width, cosine * height]]) / (SIDE * FINER)
    middle = np.full(2, (SIDE * FINER - 1) / 2)
    return np.column_stack([axes, np.array([x, y]) - axes @ middle])


class Layouts:
    """Distance from the known radiographs of each class, cell by cell.

    Args:
        known: (cells, pixels of a cell, N)
        labels: (N,)
    """

    reads: ClassVar[Literal["features", "layouts"]] = "layouts"

    def __init__(self, known: np.ndarray, labels: np.ndarray) -> None:
        self.known = known
        self.labels = labels
        self._strength = (known**2).mean(1)
        self._classes = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]

    @classmethod
    def fit(cls, layouts: np.ndarray, labels: np.ndarray) -> Self:
        """Keep (n, 48 · 48) layouts of known devices with (n,) labels, evenly spread ones of a class that has many."""
        places = [np.flatnonzero(labels == label) for label in range(int(labels.max()) + 1)]
        kept = np.concatenate(
            [at[np.linspace(0, len(at) - 1, min(len(at), KEPT)).round().astype(int)] for at in places]
        )
        return cls(np.ascontiguousarray(_cells(layouts[kept]).transpose(1, 2, 0)), labels[kept])

    def __call__(self, evidence: np.ndarray) -> np.ndarray:
        """Return (n, C) of (n, 48 · 48) layouts: how far the worse half of the cells is on average, turned to fit."""
        return np.stack([_worse_half(self._apart(layout)).min(0) for layout in evidence])

    def anomaly_map(self, prepared: np.ndarray) -> tuple[int, np.ndarray]:
        """Say where a device differs from the known ones of the class that it resembles most.

        Args:
            prepared: (H, W) uint16, from :func:`rgbx.view.transform.prepare_image`.

        Returns:
            The class's index, and (H, W) float32: each cell's distance, 0 where it is as known, about 1 or more where
            it is nothing like it, in its place on the radiograph.
        """
        apart = self._apart(layout_of(prepared).ravel())
        turn, nearest = np.unravel_index(_worse_half(apart).argmin(), apart.shape[1:])
        across = SIDE // CELL
        cells = _ways(apart[:, turn, nearest].reshape(across, across))[turn]  # each way undoes itself
        upright = np.kron(cells, np.ones((CELL * FINER,) * 2)).astype(np.float32)
        image = prepared.astype(np.float32) / 65535
        return int(nearest), cv2.warpAffine(upright, _to_square(image), image.shape[::-1], flags=cv2.INTER_NEAREST)

    def _apart(self, layout: np.ndarray) -> np.ndarray:
        """Return (cells, 4, C): how far each cell is from the class's best match for it, turned each way."""
        cells = _cells(_ways(layout.reshape(SIDE, SIDE)).reshape(4, -1)).transpose(1, 0, 2)  # (cells, 4, pixels)
        both = (cells**2).mean(2)[:, :, None] + self._strength[:, None]  # (cells, 4, N)
        apart = (both - 2 * (cells @ self.known) / CELL**2) / (both / 2 + _FAINT)
        return np.stack([apart[:, :, which].min(2) for which in self._classes], 2)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return all that it needs, by name."""
        return {"known": self.known.astype(np.float16), "labels": self.labels}

    @classmethod
    def of(cls, tensors: dict[str, np.ndarray]) -> Self:
        """Return what :meth:`tensors` gave."""
        return cls(tensors["known"].astype(np.float32), tensors["labels"])


def _ways(upright: np.ndarray) -> np.ndarray:
    """Return the four ways in which a rectangle can lie on its long side's line, seen from either side."""
    return np.stack([upright, upright[::-1], upright[:, ::-1], upright[::-1, ::-1]])


def _worse_half(apart: np.ndarray) -> np.ndarray:
    """Return (4, C), the mean of the greater half of (cells, 4, C)."""
    return np.sort(apart, 0)[len(apart) // 2 :].mean(0)


def _cells(layouts: np.ndarray) -> np.ndarray:
    """Return (n, 144, 16) of (n, 48 · 48)."""
    count, across = len(layouts), SIDE // CELL
    return layouts.reshape(count, across, CELL, across, CELL).swapaxes(2, 3).reshape(count, across**2, CELL**2)

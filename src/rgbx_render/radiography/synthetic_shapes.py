"""Drawn shapes whose corners are known, endlessly varied: what the keypoint network learns corners from.

As MagicPoint was taught (DeTone et al., "SuperPoint", 2018): lines, polygons, stars, checkerboards, stripes and cubes
with their junctions labelled; ellipses and pure noise without any. Added are boards of many small rectangles and dots,
and shapes that are translucent, because a radiograph shows one part through another.

Contrast is absolute. A junction counts only where the image shows a corner of some strength and the noise leaves it
visible, so the network learns that a faint image has no keypoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np

CORNER_STRENGTH = 2e-4
"""Smallest eigenvalue (mean of squared gradients over 3 × 3 pixels, intensity² per pixel²) that a corner must have."""
NOISE_STRENGTH = 0.25
"""The same as a share of the noise's variance: what is fainter is lost in the noise."""
_SUBPIXEL_BITS = 4
"""Coordinates are drawn to 1/16 of a pixel."""
SNAP = 2
"""So far a keypoint may lie from its junction, pixels: where blur and other parts put the strongest corner."""
DOT = 2.5
"""Half the side of the smallest parts whose corners can be told apart, pixels."""
SQUARE = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], float)


@dataclass(frozen=True)
class LabelledImage:
    """A synthetic image and where its keypoints are."""

    image: np.ndarray
    """(H, W) float32 in [0, 1]."""
    points: np.ndarray
    """(N, 2) int, x and y of pixels, the faintest first."""


def draw_shapes(rng: np.random.Generator, size: int) -> LabelledImage:
    """Draw an image of ``size`` × ``size`` pixels of one kind, or of two on top of each other."""
    canvas = Canvas(rng, size)
    for _ in range(1 + int(rng.random() < 0.25)):
        KINDS[rng.choice(len(KINDS), p=SHARES)](rng, canvas)
    return canvas.exposed(rng)


class Canvas:
    """An image being drawn, and the junctions drawn so far."""

    def __init__(self, rng: np.random.Generator, size: int) -> None:
        self.size = size
        self.image = _smooth_field(rng, size, low=rng.uniform(0, 1), high=rng.uniform(0, 1))
        self._points: list[np.ndarray] = []
        self._segments = np.empty((0, 2, 2))

    def label(self, points: np.ndarray) -> None:
        """Note junctions (N, 2)."""
        self._points.append(np.asarray(points, float).reshape(-1, 2))

    def fill(self, rng: np.random.Generator, corners: np.ndarray, shade: float | None = None) -> None:
        """Fill a polygon (N, 2), with its corners and its crossings with other outlines as junctions."""
        self.cover(rng, corners, shade)
        self.label(corners)
        self._cross(corners, np.roll(corners, -1, axis=0))

    def cover(self, rng: np.random.Generator, corners: np.ndarray, shade: float | None) -> None:
        """Fill a polygon without any junctions."""
        mask = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(mask, [_fixed_point(corners)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        self._paint(rng, mask, shade)

    def line(self, rng: np.random.Generator, start: np.ndarray, end: np.ndarray, width: int, shade: float) -> None:
        """Draw a line, with its ends and crossings as junctions."""
        mask = np.zeros((self.size, self.size), np.uint8)
        first, last = _fixed_point(np.stack([start, end]))
        cv2.line(mask, first.tolist(), last.tolist(), 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
        self._paint(rng, mask, shade)
        self.label(np.stack([start, end]))
        self._cross(start[None], end[None])

    def ellipse(self, rng: np.random.Generator, centre: np.ndarray, axes: np.ndarray) -> None:
        """Fill an ellipse; it has no junctions."""
        mask = np.zeros((self.size, self.size), np.uint8)
        (x, y), (a, b) = _fixed_point(centre).tolist(), _fixed_point(axes).tolist()
        cv2.ellipse(mask, (x, y), (a, b), rng.uniform(0, 180), 0, 360, 255, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
        self._paint(rng, mask, None)

    def exposed(self, rng: np.random.Generator) -> LabelledImage:
        """Return the image as a detector would see it, blurred and noisy, and the junctions that can be seen in it."""
        clean = self.image
        blur = rng.uniform(0, 1.4)
        if blur > 0.3:
            clean = cv2.GaussianBlur(clean, (0, 0), blur)
        deviation = 0.0 if rng.random() < 0.45 else 0.2 * rng.random() ** 2
        noisy = np.clip(clean + deviation * _noise(rng, self.size), 0, 1).astype(np.float32)

        strength = cv2.cornerMinEigenVal(clean, blockSize=3, ksize=3)
        x, y = _snapped(np.concatenate([*self._points, np.empty((0, 2))]), strength).T
        visible = strength[y, x] > max(CORNER_STRENGTH, NOISE_STRENGTH * deviation**2)
        faintest_first = np.argsort(strength[y, x][visible], kind="stable")
        return LabelledImage(noisy, np.stack([x, y], axis=1)[visible][faintest_first])

    def _paint(self, rng: np.random.Generator, mask: np.ndarray, shade: float | None) -> None:
        """Darken (a translucent part), or cover with a grey level, where ``mask`` is set."""
        share = mask.astype(np.float32) / 255
        if shade is not None:
            self.image += share * (shade - self.image)
        elif rng.random() < 0.7:
            self.image *= 1 - share * np.float32(np.exp(rng.uniform(*np.log([0.03, 0.8]))))
        else:
            self.image += share * (np.float32(rng.uniform(0, 1)) - self.image)

    def _cross(self, starts: np.ndarray, ends: np.ndarray) -> None:
        """Note where new segments cross those drawn before."""
        new = np.stack([starts, ends], axis=1)
        self.label(_crossings(new, self._segments))
        self._segments = np.concatenate([self._segments, new])


def _lines(rng: np.random.Generator, canvas: Canvas) -> None:
    for _ in range(rng.integers(2, 9)):
        start, end = rng.uniform(0, canvas.size, (2, 2))
        canvas.line(rng, start, end, int(rng.integers(1, 5)), rng.uniform(0, 1))


def _star(rng: np.random.Generator, canvas: Canvas) -> None:
    centre = rng.uniform(0.2, 0.8, 2) * canvas.size
    angles = np.cumsum(rng.uniform(0.5, 1.6, rng.integers(3, 7)))
    shade, width = rng.uniform(0, 1), int(rng.integers(1, 5))
    for angle in angles[angles < 2 * np.pi - 0.5]:
        reach = rng.uniform(0.15, 0.5) * canvas.size
        canvas.line(rng, centre, centre + reach * np.array([np.cos(angle), np.sin(angle)]), width, shade)


def _polygons(rng: np.random.Generator, canvas: Canvas) -> None:
    for _ in range(rng.integers(1, 7)):
        corners = rng.integers(3, 7)
        turns = rng.uniform(0.5, 1, corners)
        angles = rng.uniform(0, 2 * np.pi) + 2 * np.pi * np.cumsum(turns) / turns.sum()
        reach = rng.uniform(0.08, 0.4) * canvas.size * rng.uniform(0.6, 1, corners)
        centre = rng.uniform(0.05, 0.95, 2) * canvas.size
        canvas.fill(rng, centre + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1))


def _board(rng: np.random.Generator, canvas: Canvas) -> None:
    """A plate with rows of pads and many small parts on it, all turned alike, as in an electronic device."""
    turn = rng.uniform(0, np.pi)
    along = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = rng.uniform(0.3, 0.7, 2) * canvas.size
    plate = rng.uniform(0.2, 0.6, 2) * canvas.size
    if rng.random() < 0.7:
        canvas.fill(rng, middle + (SQUARE * plate) @ along)
    for _ in range(rng.integers(0, 5)):
        pitch, rows, columns = rng.uniform(4, 10), rng.integers(1, 5), rng.integers(3, 13)
        first = rng.uniform(-plate, plate)
        pad = pitch * rng.uniform(0.2, 0.45, 2)
        for row, column in np.ndindex(rows, columns):
            _part(rng, canvas, middle + (first + pitch * np.array([column, row])) @ along, pad, along)
    for _ in range(rng.integers(5, 60)):
        half = np.exp(rng.uniform(np.log(1), np.log(rng.choice([5, 16])), 2))
        _part(rng, canvas, middle + rng.uniform(-plate, plate) @ along, half, along)


def _part(rng: np.random.Generator, canvas: Canvas, centre: np.ndarray, half: np.ndarray, along: np.ndarray) -> None:
    """Put a rectangle on the board; a small one, which may be round, has its middle as junction instead of corners."""
    if half.max() >= DOT:
        canvas.fill(rng, centre + (SQUARE * half) @ along)
        return
    if rng.random() < 0.5:
        canvas.ellipse(rng, centre, np.full(2, half.max()))
    else:
        canvas.cover(rng, centre + (SQUARE * half) @ along, None)
    canvas.label(centre)


def _checkerboard(rng: np.random.Generator, canvas: Canvas) -> None:
    rows, columns = rng.integers(2, 9, 2)
    nodes = _warped_grid(rng, canvas.size, np.arange(rows + 1) / rows, np.arange(columns + 1) / columns)
    shades = rng.uniform(0, 1, 2)
    for row in range(rows):
        for column in range(columns):
            shade = shades[(row + column) % 2] + rng.uniform(-0.05, 0.05)
            canvas.fill(rng, _cell(nodes, row, column), float(np.clip(shade, 0, 1)))


def _stripes(rng: np.random.Generator, canvas: Canvas) -> None:
    widths = rng.uniform(0.3, 1, rng.integers(3, 13))
    nodes = _warped_grid(rng, canvas.size, np.array([0.0, 1.0]), np.concatenate([[0], widths.cumsum() / widths.sum()]))
    for column in range(len(widths)):
        canvas.fill(rng, _cell(nodes, 0, column), rng.uniform(0, 1))


def _cube(rng: np.random.Generator, canvas: Canvas) -> None:
    """Three faces of a box in parallel projection."""
    vertex = rng.uniform(0.3, 0.7, 2) * canvas.size
    angles = rng.uniform(0, 2 * np.pi) + np.array([0, 2 * np.pi / 3, 4 * np.pi / 3]) + rng.uniform(-0.35, 0.35, 3)
    edges = rng.uniform(0.1, 0.4, (3, 1)) * canvas.size * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for one, other in combinations(edges, 2):
        canvas.fill(rng, vertex + np.stack([np.zeros(2), one, one + other, other]), rng.uniform(0, 1))


def _ellipses(rng: np.random.Generator, canvas: Canvas) -> None:
    for _ in range(rng.integers(1, 8)):
        canvas.ellipse(rng, rng.uniform(0, 1, 2) * canvas.size, rng.uniform(0.06, 0.35, 2) * canvas.size)


def _nothing(rng: np.random.Generator, canvas: Canvas) -> None:
    """Leave the background and its noise alone."""


KINDS: tuple[Callable[[np.random.Generator, Canvas], None], ...] = (
    _lines, _star, _polygons, _board, _checkerboard, _stripes, _cube, _ellipses, _nothing
)  # fmt: skip
SHARES = (0.08, 0.05, 0.16, 0.36, 0.1, 0.07, 0.06, 0.07, 0.05)
"""How often each kind is drawn."""


def _snapped(points: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Move junctions (N, 2) to where the corner is strongest; those outside the image and duplicates are left out."""
    whole = np.rint(points).astype(int)
    whole = whole[((whole >= 0) & (whole < len(strength))).all(axis=1)]
    offsets = np.stack(np.meshgrid(*[np.arange(-SNAP, SNAP + 1)] * 2), axis=-1).reshape(-1, 2)
    near = (whole[:, None] + offsets).clip(0, len(strength) - 1)
    best = strength[near[..., 1], near[..., 0]].argmax(axis=1)
    return np.unique(near[np.arange(len(near)), best], axis=0)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    return np.rint(points * 2**_SUBPIXEL_BITS).astype(np.int32)


def _cell(nodes: np.ndarray, row: int, column: int) -> np.ndarray:
    return np.stack([nodes[row, column], nodes[row, column + 1], nodes[row + 1, column + 1], nodes[row + 1, column]])


def _warped_grid(rng: np.random.Generator, size: int, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the nodes (rows, columns, 2) of a grid seen in perspective."""
    angle = rng.uniform(0, 2 * np.pi) + np.pi / 2 * np.arange(4)
    reach = rng.uniform(0.3, 0.75, 4) * size
    quadrangle = rng.uniform(0.35, 0.65, 2) * size + reach[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    warp = cv2.getPerspectiveTransform(square, quadrangle.astype(np.float32))
    x, y = np.meshgrid(columns, rows)
    return cv2.perspectiveTransform(np.stack([x, y], axis=-1), warp)


def _crossings(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the points (K, 2) where segments (N, 2, 2) cross segments (M, 2, 2)."""
    start, along = some[:, None, 0], (some[:, 1] - some[:, 0])[:, None]
    other_start, other_along = others[None, :, 0], (others[:, 1] - others[:, 0])[None]
    between = other_start - start
    area = _cross_product(along, other_along)
    with np.errstate(divide="ignore", invalid="ignore"):
        place = _cross_product(between, other_along) / area
        other_place = _cross_product(between, along) / area
        crossing = (place > 0) & (place < 1) & (other_place > 0) & (other_place < 1)
        return (start + place[..., None] * along)[crossing]


def _cross_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


def _smooth_field(rng: np.random.Generator, size: int, low: float, high: float) -> np.ndarray:
    """Return an uneven background between two grey levels: a few random values, blown up."""
    coarse = rng.uniform(min(low, high), max(low, high), (rng.integers(2, 5), rng.integers(2, 5)))
    if rng.random() < 0.3:
        coarse[:] = coarse.flat[0]
    return cv2.resize(coarse.astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def _noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return noise of unit variance, white or with some correlation, as images that were resized have."""
    noise: np.ndarray = rng.standard_normal((size, size), np.float32)
    blur = rng.uniform(0, 1.5)
    if blur > 0.4:
        noise = cv2.GaussianBlur(noise, (0, 0), blur)
    return noise / noise.std()

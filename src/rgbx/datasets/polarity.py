"""Radiographs whose open beam seems to be dark: they look fine to people, and every network errs on them."""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from rgbx.names import printable

RIM = 1 / 32
"""Width of the border that is looked at, as a share of the shorter side."""
DARKEST = 0.3
"""The border of a radiograph looks inverted below this share of the way from its darkest to its brightest parts."""
LEAST_CONTRAST = 0.05
"""Between these parts, of full scale; an image of less shows nothing."""
LOOKED_AT = 128
"""Pixels a side that are enough to see it."""
LOOKS_INVERTED = "is darkest at its border, where the beam should be open and bright"
_REMEDY = "if dense parts are bright in it, export it so that they are dark"


def looks_inverted(radiograph: np.ndarray) -> bool:
    """Say whether a radiograph is darkest at its border, where as a rule nothing stands in the beam.

    It may be right all the same: behind a collimator, say, or where a device fills the image.

    Args:
        radiograph: (H, W) float in 0..1.
    """
    step = max(1, min(radiograph.shape) // LOOKED_AT)
    seen = radiograph[::step, ::step]
    width = max(1, round(RIM * min(seen.shape)))
    rim = np.ones(seen.shape, bool)
    rim[width:-width, width:-width] = False
    dark, bright = np.percentile(seen, (1, 99))
    return bool(bright - dark >= LEAST_CONTRAST and np.median(seen[rim]) < dark + DARKEST * (bright - dark))


def inverted_warning(name: Path | str) -> str:
    """Say of one radiograph that it looks inverted."""
    return f"{printable(name)} {LOOKS_INVERTED}: {_REMEDY}."


def says_inverted(warnings: Iterable[str]) -> bool:
    """Say whether one of the warnings of a prediction is that of :func:`inverted_warning`."""
    return any(LOOKS_INVERTED in warning for warning in warnings)


def warn_of_inverted(count: int, total: int, where: Path | str) -> None:
    """Print once, to standard error, how many radiographs of a set or a run look inverted, if any do."""
    if count:
        print(
            f"warning: {count} of {total} radiographs of {printable(where)} look inverted, darkest at the border, "
            "where the beam should be open: if dense parts are bright in them, export them so that they are dark.",
            file=sys.stderr,
        )

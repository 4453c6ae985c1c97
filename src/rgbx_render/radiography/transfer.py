"""Transfer functions: scan intensity → attenuation per mm, piecewise linear; five presets and how they are varied.

The shape of a transfer function stands for an X-ray machine's settings (paper, Section III and Fig. 4): which
materials show and how strongly.
"""

import json
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import AfterValidator, Field, field_validator
from scipy.optimize import brentq

from rgbx.config import Config, Range, read_yaml, within
from rgbx.errors import ConfigError, InputError
from rgbx_render.radiography.scans import INTENSITY_BINS, ScanLevels

PRESETS = Path(str(resources.files("rgbx_render.radiography") / "transfer_functions"))
"""The folder of those that come with rgbx."""
_PRESET_COMMENT = """\
# A transfer function: [intensity, attenuation per mm] pairs, joined by straight lines; nothing below the first,
# constant above the last. Intensity is measured from the scans: 0 is air, 1 is dense metal."""

LOG_FACTOR = 20.0
"""Natural logarithm of the strongest change of strength that a guard makes."""


def _well_formed(points: tuple[tuple[float, float], ...]) -> tuple[tuple[float, float], ...]:
    intensities = [intensity for intensity, _ in points]
    if any(second <= first for first, second in pairwise(intensities)):
        raise ValueError("the intensities of the points must rise")
    if points[0][1] != 0 or min(attenuation for _, attenuation in points) < 0:
        raise ValueError("attenuations must not be negative, and the first must be 0 (air is transparent)")
    return points


Points = Annotated[tuple[tuple[float, float], ...], Field(min_length=2), AfterValidator(_well_formed)]
"""(intensity, attenuation) pairs, joined by straight lines; nothing below the first, constant above the last."""


class TransferFunction(Config):
    """Attenuation per mm as a function of scan intensity, for one set of scans."""

    name: str
    """Of the preset it was drawn from."""
    points: Points
    """In scan intensity and 1/mm."""

    def __call__(self, intensity: np.ndarray) -> np.ndarray:
        """Return the attenuation in 1/mm for an array of scan intensities."""
        x, y = zip(*self.points, strict=True)
        return np.interp(intensity, x, y)


class TransferPreset(Config):
    """A transfer function to vary, independent of the scanner."""

    about: str
    """What it shows."""
    points: Points
    """Intensity on the scale of :class:`~rgbx_render.radiography.scans.ScanLevels` (0 air, 1 dense metal) and 1/mm."""

    @field_validator("points")
    @classmethod
    def _starts_in_air_or_above(cls, points: Points) -> Points:
        if points[0][0] < 0:
            raise ValueError("the first intensity must not be below 0, which is air")
        return points


Factor = Annotated[Range, within(0)]


class TransferJitter(Config):
    """How presets are varied. All are factors; 1 leaves the preset as it is."""

    intensity: Factor = (0.8, 1.25)
    """Of all intensities together: moves the curve along the materials."""
    strength: Factor = (0.6, 1.6)
    """Of all attenuations together: from hard to soft radiation."""
    point_intensity: Factor = (0.9, 1.1)
    """Of each point's intensity by itself (points keep their order)."""
    point_attenuation: Factor = (0.75, 1.3)
    """Of each point's attenuation by itself."""


NO_JITTER = TransferJitter(intensity=(1, 1), strength=(1, 1), point_intensity=(1, 1), point_attenuation=(1, 1))
"""Table I, "transfer function: fixed"."""


def read_presets(path: Path | None = None) -> dict[str, TransferPreset]:
    """Read transfer-function presets, by name; the five that come with rgbx when ``path`` is None.

    Args:
        path: a file ``NAME.yaml`` with one preset, or a folder of such files.

    Raises:
        InputError: there is none, or a file is not YAML, or the preset in it is not well formed.
    """
    if path is None:
        return _own_presets()
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    if not files:
        raise InputError(path, "holds no transfer functions", "put files like NAME.yaml in it, one for each")
    return {file.stem: _read_preset(file) for file in files}


@cache
def _own_presets() -> dict[str, TransferPreset]:
    return read_presets(PRESETS)


def _read_preset(path: Path) -> TransferPreset:
    try:
        return TransferPreset.model_validate(read_yaml(path))
    except ConfigError as error:
        raise InputError(path, f"holds a transfer function that cannot be used: {error}", "correct it") from error


def preset_text(preset: TransferPreset) -> str:
    """Return what :func:`read_presets` reads a preset from."""
    points = [f"  - [{intensity:.6g}, {attenuation:.6g}]" for intensity, attenuation in preset.points]
    return "\n".join(
        [_PRESET_COMMENT, f"about: {json.dumps(preset.about, ensure_ascii=False)}", "points:", *points, ""]
    )


def draw_transfer(
    rng: np.random.Generator, name: str, preset: TransferPreset, jitter: TransferJitter, levels: ScanLevels
) -> TransferFunction:
    """Vary a preset and put it on the intensity scale of the scans."""
    intensity = rng.uniform(*jitter.intensity)
    strength = rng.uniform(*jitter.strength)
    points = []
    last = -np.inf
    for at, attenuation in preset.points:
        x = at * intensity * rng.uniform(*jitter.point_intensity)
        y = attenuation * strength * rng.uniform(*jitter.point_attenuation)
        last = max(x, last + 1e-3)
        points.append((levels.air + last * (levels.dense - levels.air), y))
    return TransferFunction(name=name, points=tuple(points))


def guard(
    transfer: TransferFunction, contents: np.ndarray, levels: ScanLevels, wanted: tuple[float, float]
) -> TransferFunction:
    """Scale all attenuations so that units come out neither burnt out nor blank.

    Args:
        transfer: as it was drawn.
        contents: what lies along lines across units, see :data:`~rgbx_render.radiography.scans.INTENSITY_BINS`.
        levels: of the scans.
        wanted: between these the mean transmission of those lines shall be; twice their median, where that is less:
            a thin border must not make up for a battery that is black.

    Returns:
        ``transfer`` itself where that is so, or where no scaling can bring it about.
    """
    if not len(contents):  # nothing but specks and wires, which no line meets
        return transfer
    intensities = levels.air + INTENSITY_BINS * (levels.dense - levels.air)
    depths = (contents * transfer(intensities)).sum(axis=1)

    def expected(log_factor: float) -> float:
        transmissions = np.exp(-np.exp(log_factor) * depths)
        return float(min(np.mean(transmissions), 2 * np.median(transmissions)))

    limit = min(max(expected(0), wanted[0]), wanted[1])
    if limit == expected(0) or not expected(LOG_FACTOR) < limit < expected(-LOG_FACTOR):
        return transfer
    factor = np.exp(brentq(lambda log_factor: expected(log_factor) - limit, -LOG_FACTOR, LOG_FACTOR))
    return transfer.updated({"points": [(x, float(y * factor)) for x, y in transfer.points]})

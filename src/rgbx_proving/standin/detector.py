"""From what reaches the detector to the 16-bit image: blur, scatter, glare, noise and the residue of flat-fielding.

Signals are relative to the open beam (1 with nothing between), which is what flat-field correction leaves.
"""

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveFloat
from scipy.ndimage import gaussian_filter, zoom
from scipy.signal import fftconvolve

from rgbx.config import Config, Range
from rgbx.samples import generator
from rgbx_proving.standin.spectrum import ELECTRON_REST_KEV

FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
FULL_SCALE = 65535
SCATTER_CELLS = 40
"""Scatter varies so slowly that this many cells a side hold it."""


class DetectorConfig(Config):
    """A flat panel behind its scintillator, and what its correction leaves over."""

    pixel_um: PositiveFloat = 150.0
    panel_pixels: int = Field(default=2880, ge=16)
    """Pixels a side."""
    blur_um: NonNegativeFloat = 120.0
    """Standard deviation of the light's spread in the screen."""
    scatter_energy_kev: PositiveFloat = 90.0
    """Energy at which the angles of Compton scatter are taken."""
    scatter_strength: Range = (0.8, 1.6)
    """Scattered photons for each that single scatter alone would give: above 1 with coherent and multiple scatter."""
    glare: Range = (0.01, 0.03)
    """Share of the signal that spreads as light within the screen and its housing."""
    glare_mm: PositiveFloat = 12.0
    """Standard deviation of that spread, on the detector."""
    electronic_noise_quanta: NonNegativeFloat = 4.0
    """Standard deviation for each pixel and read-out, in detected photons."""
    open_beam: Range = (0.80, 0.93)
    """Level of the open beam, as a share of full scale."""
    offset: Range = (0.0, 0.003)
    """What dark correction leaves, as a share of full scale."""
    pattern_seed: int = 0
    """Whose panel it is: fixes the patterns of gain and the defective pixels."""
    pixel_gain: NonNegativeFloat = 0.002
    column_gain: NonNegativeFloat = 0.0015
    smooth_gain: NonNegativeFloat = 0.008
    """Standard deviations of the gain that flat-fielding leaves once the panel has drifted by one unit: from pixel to
    pixel of the image, from column to column, and slowly over the panel."""
    drift: Range = (-1.0, 1.0)
    """How far the panel has drifted since its flat field was taken."""
    defects: float = Field(default=2e-4, ge=0, le=0.01)
    """Share of defective pixels, which are replaced by the mean of their neighbours."""


def smeared(signal: np.ndarray, sigma: float) -> np.ndarray:
    """Return ``signal`` blurred by a Gaussian of ``sigma`` pixels; the surroundings go on as they end."""
    return np.asarray(gaussian_filter(signal, sigma, mode="nearest"))


def binned(signal: np.ndarray, factor: int) -> np.ndarray:
    """Return the means of ``factor`` × ``factor`` blocks."""
    rows, columns = signal.shape
    return signal.reshape(rows // factor, factor, columns // factor, factor).mean(axis=(1, 3))


def compton_scatter(primary: np.ndarray, pitch_mm: float, air_gap_mm: float, energy_kev: float) -> np.ndarray:
    """Return the single Compton scatter that reaches each pixel, relative to the open beam.

    A column of the unit that transmits P removes −ln P photons for each that would pass it, and what it scatters passes
    as much of the unit as the primary does; the scattered photons leave with the angles of Klein and Nishina and fall
    on the detector an air gap away::

        S(x) = Σ_x' P(x') (−ln P(x')) f(θ) cos³θ / gap² · pitch²,   tan θ = |x − x'| / gap

    with f the share per steradian. Absorption is counted as scatter, which is near the truth for the light materials
    that scatter most, at these energies, and too much for the dense ones, whose P (−ln P) is small.

    Args:
        primary: (n, n) transmission without scatter, in (0, 1].
        pitch_mm: pixel pitch on the detector.
        air_gap_mm: from unit to detector.
        energy_kev: of the photons that scatter.
    """
    size = primary.shape[0]
    cells = min(size, SCATTER_CELLS)
    edges = np.linspace(0, size, cells + 1).astype(int)
    source = primary * -np.log(np.clip(primary, 1e-6, 1.0))
    coarse = np.add.reduceat(np.add.reduceat(source, edges[:-1], axis=0), edges[:-1], axis=1)
    coarse /= np.outer(np.diff(edges), np.diff(edges))
    cell_mm = pitch_mm * size / cells
    steps = cell_mm * np.arange(1 - cells, cells)
    cosine = air_gap_mm / np.sqrt(air_gap_mm**2 + steps[:, None] ** 2 + steps[None, :] ** 2)
    kernel = klein_nishina_share(cosine, energy_kev) * cosine**3 / air_gap_mm**2 * cell_mm**2
    scatter = fftconvolve(coarse, kernel, mode="valid")
    return np.asarray(zoom(scatter, size / cells, order=1, mode="nearest", grid_mode=True))


def klein_nishina_share(cosine: np.ndarray, energy_kev: float) -> np.ndarray:
    """Return the share of Compton-scattered photons per steradian that leave at an angle given by its cosine."""
    energy = energy_kev / ELECTRON_REST_KEV

    def unnormalised(cos: np.ndarray) -> np.ndarray:
        kept = 1.0 / (1.0 + energy * (1.0 - cos))
        return kept**2 * (kept + 1.0 / kept - 1.0 + cos**2)

    nodes, weights = np.polynomial.legendre.leggauss(64)
    return np.asarray(unnormalised(cosine) / (2.0 * np.pi * np.sum(weights * unnormalised(nodes))))


def noisy(
    signal: np.ndarray, variance: np.ndarray, quanta: float, electronic_quanta: float, rng: np.random.Generator
) -> np.ndarray:
    """Return one noisy read-out.

    The sum over photons of unequal signal is compound Poisson; it is drawn as a Poisson number of equal photons with
    the same mean and variance.

    Args:
        signal: expected signal, open beam 1.
        variance: its variance from the photons' numbers, open beam 1.
        quanta: equal photons that are as noisy as the open beam in one pixel.
        electronic_quanta: standard deviation of the electronic noise in the pixel, in the same photons.
        rng: where the noise comes from.
    """
    equal_photons = signal**2 / variance * quanta
    counted = rng.poisson(equal_photons) / equal_photons * signal
    return np.asarray(counted + electronic_quanta / quanta * rng.standard_normal(signal.shape))


def flat_field_residue(config: DetectorConfig, size: int, drift: float) -> np.ndarray:
    """Return the (size, size) gain that remains after correction when the panel has drifted by ``drift``."""
    rng = generator(config.pattern_seed)
    pixel = config.pixel_gain * rng.standard_normal((size, size))
    column = config.column_gain * rng.standard_normal(size)
    knots = rng.standard_normal((4, 4))
    smooth = config.smooth_gain * zoom(knots, size / 4, order=3, mode="nearest", grid_mode=True)
    return np.asarray(1.0 + drift * (pixel + column + smooth))


def repaired(signal: np.ndarray, config: DetectorConfig) -> np.ndarray:
    """Return ``signal`` with the panel's defective pixels replaced by the mean of their neighbours above and below."""
    size = signal.shape[0]
    rng = generator(config.pattern_seed, attempt=1)
    rows, columns = rng.integers(0, size, (2, round(config.defects * size * size)))
    result = signal.copy()
    above, below = np.abs(rows - 1), size - 1 - np.abs(size - 2 - rows)
    result[rows, columns] = (signal[above, columns] + signal[below, columns]) / 2
    return result

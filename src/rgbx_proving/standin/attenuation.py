"""Beer's law for a whole spectrum: from lengths in materials to the detected share of the open beam.

    I / I0 = Σ_E w(E) exp(−Σ_m μ_m(E) L_m),   w(E) ∝ S(E) R(E)

with S the photons of the tube and R the mean signal of one of them in the screen. The noise of an energy-integrating
detector follows from the same sum with the mean square of the signal in place of R.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import xraydb
from numba import njit

from rgbx_proving.standin.spectrum import ScintillatorConfig, Spectrum, scintillator_response
from rgbx_proving.units.materials import MATERIALS

NEGLIGIBLE = 1e-7
"""Energies with less of the open beam's signal than this share of the strongest are left out (filters remove them)."""


@dataclass(frozen=True)
class Beam:
    """A spectrum in a few bins, as one detector sees it through given materials."""

    materials: tuple[str, ...]
    signal: np.ndarray
    """(E,) share of each bin in the open beam's signal; sums to 1."""
    variance: np.ndarray
    """(E,) share of each bin in the variance of the open beam's signal; sums to 1."""
    attenuation: np.ndarray
    """(materials, E) 1/mm, the mean over the bin weighted by signal."""
    quanta: float
    """Photons of equal signal per mm² and mAs at 1 m that would be as noisy as the open beam: mean² / variance."""

    @classmethod
    def through(cls, materials: Sequence[str], spectrum: Spectrum, scintillator: ScintillatorConfig, bins: int) -> Self:
        """Bin ``spectrum`` for ``materials``.

        Bins are narrow where much signal is, and end at the materials' K edges, where attenuation jumps: a bin across
        the edge of tungsten or tantalum would be wrong by up to 15 % behind them.

        Args:
            materials: keys of :data:`rgbx_proving.units.materials.MATERIALS`.
            spectrum: photons on the detector with nothing between.
            scintillator: what detects them.
            bins: how many, to which the K edges add.
        """
        mean, square = scintillator_response(scintillator, spectrum.energies)
        seen = spectrum.photons * mean > NEGLIGIBLE * np.max(spectrum.photons * mean)
        energies, photons = spectrum.energies[seen], spectrum.photons[seen]
        signal, variance = photons * mean[seen], photons * square[seen]
        width = np.cbrt(signal)
        within = np.minimum((np.cumsum(width) / width.sum() * bins).astype(int), bins - 1)
        elements = sorted({element for name in materials for element in MATERIALS[name].mass_fractions})
        k_edges = sorted(xraydb.xray_edge(element, "K").energy / 1000.0 for element in elements)
        _, index = np.unique(np.stack([within, np.searchsorted(k_edges, energies)]), axis=1, return_inverse=True)
        in_bin = np.bincount(index, signal)
        # Element by element, since one look-up takes milliseconds and materials share their elements (1/mm from cm²/g).
        of_element = {element: 0.1 * xraydb.mu_elam(element, 1000.0 * energies) for element in elements}
        fine = [
            sum(
                MATERIALS[name].density * share * of_element[el] for el, share in MATERIALS[name].mass_fractions.items()
            )
            for name in materials
        ]
        return cls(
            materials=tuple(materials),
            signal=in_bin / signal.sum(),
            variance=np.bincount(index, variance) / variance.sum(),
            attenuation=np.array([np.bincount(index, signal * of_one) / in_bin for of_one in fine]).reshape(
                len(fine), -1
            ),
            quanta=float(signal.sum() ** 2 / variance.sum()),
        )

    def narrowed(self, materials: Sequence[str]) -> Self:
        """Return the beam for some of its ``materials``, in the order given."""
        rows = [self.materials.index(name) for name in materials]
        return replace(self, materials=tuple(materials), attenuation=self.attenuation[rows])

    def transmission(self, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the share of the open beam's signal, and of its variance, that is left.

        Args:
            lengths: (rows, columns, materials) float32, mm.

        Returns:
            Two (rows, columns) float64 arrays in 0..1.
        """
        signal, variance = np.empty(lengths.shape[:2]), np.empty(lengths.shape[:2])
        _transmit(lengths, self.attenuation, self.signal, self.variance, signal, variance)
        return signal, variance


@njit(cache=True, nogil=True)
def _transmit(
    lengths: np.ndarray,
    attenuation: np.ndarray,
    signal_share: np.ndarray,
    variance_share: np.ndarray,
    signal: np.ndarray,
    variance: np.ndarray,
) -> None:
    rows, columns, materials = lengths.shape
    bins = len(signal_share)
    depth = np.empty(bins)
    for row in range(rows):
        for column in range(columns):
            depth[:] = 0.0
            for material in range(materials):
                length = lengths[row, column, material]
                if length > 0.0:
                    for energy in range(bins):
                        depth[energy] += attenuation[material, energy] * length
            passed = passed_variance = 0.0
            for energy in range(bins):
                left = np.exp(-depth[energy])
                passed += signal_share[energy] * left
                passed_variance += variance_share[energy] * left
            signal[row, column] = passed
            variance[row, column] = passed_variance

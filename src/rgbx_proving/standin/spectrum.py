"""What the tube emits and what the scintillator makes of it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import xraydb
from pydantic import Field, PositiveFloat

from rgbx.config import Config, Range

KEV_PER_BIN = 0.5
"""Energy step of the spectra as SpekPy computes them."""
ELECTRON_REST_KEV = 510.99895
CSI_DENSITY = 4.51
"""g/cm³."""


class TubeConfig(Config):
    """An X-ray tube as it is run."""

    kvp: float = Field(ge=20, le=300)
    """Peak voltage."""
    target: Literal["reflection", "transmission"]
    """Thick tungsten anode, or a thin tungsten layer on the exit window."""
    anode_angle_degrees: PositiveFloat = 12.0
    """Of a reflection target."""
    target_um: PositiveFloat = 6.0
    """Thickness of a transmission target."""
    filters_mm: dict[str, PositiveFloat]
    """Window and added filters, by SpekPy's names (``"Cu"``, ``"Al"``, ``"Be"``), mm."""
    current_ua: Range
    """Tube current, µA."""
    focal_spot_um: Range
    """Full width at half maximum of the focal spot, µm."""


class ScintillatorConfig(Config):
    """A CsI screen that integrates the light of all photons."""

    thickness_um: PositiveFloat = 600.0
    swank_factor: float = Field(default=0.85, gt=0, le=1)
    """How evenly equal photons yield light: mean squared over mean square of the light per photon."""


@dataclass(frozen=True)
class Spectrum:
    """Photons by energy."""

    energies: np.ndarray
    """(E,) keV."""
    photons: np.ndarray
    """(E,) photons per mm² and mAs at 1 m from the focal spot."""


def tube_spectrum(tube: TubeConfig) -> Spectrum:
    """Return a tube's spectrum behind its filters, from SpekPy (physics ``casim``, or ``kqp`` for transmission)."""
    return _spekpy_spectrum(
        tube.kvp, tube.target, tube.anode_angle_degrees, tube.target_um, tuple(tube.filters_mm.items())
    )


@lru_cache(maxsize=16)
def _spekpy_spectrum(
    kvp: float, target: str, anode_angle: float, target_um: float, filters: tuple[tuple[str, float], ...]
) -> Spectrum:
    import spekpy  # takes a second, and only those who X-ray need it

    if target == "reflection":
        tube = spekpy.Spek(kvp=kvp, dk=KEV_PER_BIN, z=100.0, mas=1.0, th=anode_angle, physics="casim")
    else:
        tube = spekpy.Spek(kvp=kvp, dk=KEV_PER_BIN, z=100.0, mas=1.0, thick=target_um, trans=True, physics="kqp")
    tube.multi_filter(list(filters))
    energies, per_cm2_and_kev = tube.get_spectrum()
    return Spectrum(energies, np.maximum(per_cm2_and_kev, 0.0) * KEV_PER_BIN / 100.0)


def scintillator_response(scintillator: ScintillatorConfig, energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the mean square of the signal of one photon that falls on the screen.

    A photon interacts with probability 1 − exp(−μt). Photoelectric absorption deposits its whole energy; a Compton
    scatter the energy of the recoil electron (Klein–Nishina); coherent scatter nothing. Fluorescence and scattered
    photons leave the screen's pixel unseen or are seen there: neither is followed.

    Args:
        scintillator: the screen.
        energies: (E,) keV.

    Returns:
        Two (E,) arrays: keV, and keV² with the light's own variance (Swank) in it.
    """
    photoelectric, incoherent, total = (
        CSI_DENSITY * _csi_mass_attenuation(energies, process) for process in ("photo", "incoh", "total")
    )
    interacting = -np.expm1(-total * scintillator.thickness_um * 1e-4)
    recoil, recoil_squared = _compton_recoil(energies)
    mean = interacting * energies * (photoelectric + incoherent * recoil) / total
    square = interacting * energies**2 * (photoelectric + incoherent * recoil_squared) / total
    return mean, square / scintillator.swank_factor


def _csi_mass_attenuation(energies: np.ndarray, process: str) -> np.ndarray:
    """Return CsI's mass attenuation coefficient, cm²/g."""
    caesium, iodine = xraydb.atomic_mass("Cs"), xraydb.atomic_mass("I")
    weighted = caesium * xraydb.mu_elam("Cs", 1000.0 * energies, kind=process) + iodine * xraydb.mu_elam(
        "I", 1000.0 * energies, kind=process
    )
    return np.asarray(weighted / (caesium + iodine))


def _compton_recoil(energies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and mean square of the share of a photon's energy that a free electron at rest takes from it."""
    nodes, weights = np.polynomial.legendre.leggauss(64)  # over the cosine of the scattering angle
    kept = 1.0 / (1.0 + energies[:, None] / ELECTRON_REST_KEV * (1.0 - nodes))
    klein_nishina = weights * kept**2 * (kept + 1.0 / kept - (1.0 - nodes**2))
    total = klein_nishina.sum(axis=1)
    mean = (klein_nishina * (1.0 - kept)).sum(axis=1) / total
    square = (klein_nishina * (1.0 - kept) ** 2).sum(axis=1) / total
    return mean, square

"""Spectra, the scintillator's response and the binned beam, against SpekPy and fine analytic sums."""

import numpy as np
import pytest
import xraydb

from rgbx_proving.standin.attenuation import Beam
from rgbx_proving.standin.detector import klein_nishina_share
from rgbx_proving.standin.machine import TUBES, MachineConfig
from rgbx_proving.standin.spectrum import ScintillatorConfig, scintillator_response, tube_spectrum
from rgbx_proving.units.materials import MATERIALS

ALL = tuple(name for name in MATERIALS if name != "air")


@pytest.mark.parametrize(("name", "kvp"), [("microfocus", 220), ("nanofocus", 160)])
def test_spectrum_ends_at_the_peak_voltage_and_shows_tungsten(name, kvp):
    spectrum = tube_spectrum(TUBES[name])
    assert spectrum.energies[-1] == pytest.approx(kvp, abs=0.5)
    assert spectrum.energies[np.argmax(spectrum.photons)] == pytest.approx(59.3, abs=0.5)  # Kα1
    assert 70 < np.average(spectrum.energies, weights=spectrum.photons) < 115


def test_spectrum_is_that_of_spekpy_in_photons_per_mm2():
    import spekpy

    tube = spekpy.Spek(kvp=220, dk=0.5, th=12, z=100)
    tube.multi_filter([("Al", 1.0), ("Cu", 1.0)])
    assert tube_spectrum(TUBES["microfocus"]).photons.sum() == pytest.approx(tube.get_flu() / 100, rel=1e-3)


def test_no_photon_leaves_more_light_than_it_brings():
    energies = np.linspace(10, 300, 100)
    mean, square = scintillator_response(ScintillatorConfig(swank_factor=1), energies)
    assert (mean > 0).all()
    assert (mean <= energies).all()
    assert (square >= mean**2).all()  # the photons that pass unseen add variance
    thick_mean, _ = scintillator_response(ScintillatorConfig(thickness_um=2000), energies)
    assert (thick_mean >= mean).all()
    assert (thick_mean > 1.5 * mean)[energies > 100].all()
    low = scintillator_response(ScintillatorConfig(thickness_um=1e4), np.array([40.0]))[0][0]
    assert low == pytest.approx(40, rel=0.05)  # nearly all photoelectric, all stopped


def fine_transmission(tube, mixture, lengths):
    """Beer's law on SpekPy's own 0.5 keV grid, for lengths (n,) of one material."""
    spectrum = tube_spectrum(tube)
    response, _ = scintillator_response(MachineConfig().scintillator, spectrum.energies)
    weights = spectrum.photons * response
    return np.exp(-np.outer(lengths, mixture)) @ weights / weights.sum()


@pytest.mark.parametrize("tube", list(TUBES))
@pytest.mark.parametrize("element", ["Al", "Cu", "Fe", "Ta"])
def test_slabs_of_the_elements(tube, element, monkeypatch):
    from rgbx_proving.units.materials import Material

    density = xraydb.atomic_density(element)
    pure = Material(
        name=element, density=density, mass_fractions={element: 1.0}, colour="#000000", metallic=1, roughness=1
    )
    monkeypatch.setitem(MATERIALS, element, pure)
    spectrum = tube_spectrum(TUBES[tube])
    beam = Beam.through((*ALL, element), spectrum, MachineConfig().scintillator, MachineConfig().energy_bins)
    attenuation = 0.1 * density * xraydb.mu_elam(element, 1000 * spectrum.energies)
    lengths = np.geomspace(0.01, 60, 60)
    expected = fine_transmission(TUBES[tube], attenuation, lengths)
    found, _ = beam.narrowed([element]).transmission(lengths.astype(np.float32).reshape(1, -1, 1))
    deep = expected > 0.002
    assert deep.sum() > 10
    np.testing.assert_allclose(found[0][deep], expected[deep], rtol=0.01)


@pytest.mark.parametrize("tube", list(TUBES))
def test_every_material_of_the_family(tube):
    spectrum = tube_spectrum(TUBES[tube])
    beam = Beam.through(ALL, spectrum, MachineConfig().scintillator, MachineConfig().energy_bins)
    lengths = np.geomspace(0.01, 60, 30)
    for name in ALL:
        expected = fine_transmission(TUBES[tube], MATERIALS[name].attenuation(spectrum.energies), lengths)
        found, variance = beam.narrowed([name]).transmission(lengths.astype(np.float32).reshape(1, -1, 1))
        deep = expected > 0.005
        np.testing.assert_allclose(found[0][deep], expected[deep], rtol=0.01, err_msg=name)
        assert (np.diff(variance[0]) <= 0).all()


def test_nothing_in_the_beam_leaves_the_open_beam():
    beam = Beam.through(("copper",), tube_spectrum(TUBES["nanofocus"]), ScintillatorConfig(), 16)
    signal, variance = beam.transmission(np.zeros((2, 3, 1), np.float32))
    np.testing.assert_allclose(signal, 1)
    np.testing.assert_allclose(variance, 1)


def test_compton_scatter_fills_the_sphere_and_prefers_forwards():
    cosine = np.linspace(-1, 1, 20001)
    share = klein_nishina_share(cosine, 90.0)
    assert 2 * np.pi * np.trapezoid(share, cosine) == pytest.approx(1, rel=1e-6)
    assert share[-1] > share[0] > 0

import pytest

from rgbx.errors import ConfigError
from rgbx_proving.units.materials import MATERIALS, Material, attenuation_table


# Mass attenuation in cm²/g from NIST's X-ray mass attenuation tables (NISTIR 5632).
@pytest.mark.parametrize(
    ("name", "energy_kev", "nist"),
    [
        ("copper", 100.0, 0.4584),
        ("copper", 60.0, 1.593),
        ("tantalum", 100.0, 4.302),
        ("silicon", 80.0, 0.2228),
        ("gold", 150.0, 1.860),
        ("air", 100.0, 0.1541),
        ("polyethylene", 100.0, 0.1719),
    ],
)
def test_attenuation_agrees_with_nist(name, energy_kev, nist):
    material = MATERIALS[name]
    assert 10 * material.attenuation(energy_kev)[0] / material.density == pytest.approx(nist, rel=0.015)


def test_attenuation_of_several_energies_falls_between_absorption_edges():
    attenuation = MATERIALS["aluminium"].attenuation([40.0, 80.0, 160.0])
    assert attenuation.shape == (3,)
    assert attenuation[0] > attenuation[1] > attenuation[2] > 0


def test_a_blend_has_the_mean_attenuation_of_its_layers():
    table = attenuation_table(90.0)
    # 86 % FR4 and 14 % copper by volume: linear coefficients add by volume.
    assert table["circuit_board"] == pytest.approx(0.86 * table["fr4"] + 0.14 * table["copper"], rel=1e-6)


def test_a_battery_cell_is_as_dense_as_real_ones():
    assert 2.3 < MATERIALS["battery_cell"].density < 3.0


def test_every_material_is_under_its_own_name():
    assert all(name == material.name for name, material in MATERIALS.items())


def test_fractions_that_do_not_sum_to_one_are_refused():
    with pytest.raises(ConfigError, match="sum to"):
        Material(name="x", density=1.0, mass_fractions={"Al": 0.5}, colour="#ffffff", metallic=0, roughness=0.5)

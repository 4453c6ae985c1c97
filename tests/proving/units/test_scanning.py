import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx_proving.units.materials import attenuation_table
from rgbx_proving.units.parts import Ellipsoid, Part, PartList, Prism
from rgbx_proving.units.scanning import EFFECTIVE_ENERGY_KEV, LABELS, NOISE, SCALE, label_unit, scan_unit

TABLE = attenuation_table(EFFECTIVE_ENERGY_KEV)


def _unit(*parts: Part) -> PartList:
    return PartList(device_class="X", unit="X-001", parts=parts)


def _part(shape, material="aluminium", name="a", position=(0.0, 0.0, 0.0), rotation=(0.0, 0.0, 0.0)) -> Part:
    return Part(name=name, shape=shape, position=position, rotation=rotation, material=material)


def _content(scan) -> float:
    """Attenuation summed over the volume, less the clipped noise of the air, in mm²."""
    values = scan.values.astype(float)
    inside = values > 0.25 * 10 * SCALE * TABLE["aluminium"]
    return float(values[inside].sum()) * np.prod(scan.spacing) / (10 * SCALE)


def test_a_slab_has_its_material_s_attenuation():
    scan = scan_unit(_unit(_part(Prism(size=(20, 20, 6)))), 0.5)
    middle = scan.values[5:-5, 15:-15, 15:-15].astype(float)
    expected = 10 * SCALE * TABLE["aluminium"]
    assert middle.mean() == pytest.approx(expected, abs=4 * NOISE / np.sqrt(middle.size))
    assert middle.std() == pytest.approx(NOISE, rel=0.1)


def test_the_grid_is_centred_and_holds_the_unit_with_a_margin():
    scan = scan_unit(_unit(_part(Prism(size=(20, 10, 4)), position=(3.0, 0.0, 0.0))), 0.5)
    assert scan.values.dtype == np.uint16
    assert np.allclose(scan.size_mm, (28, 12, 6))
    xs = (np.arange(scan.values.shape[2]) - (scan.values.shape[2] - 1) / 2) * 0.5
    profile = np.where(scan.values > 6 * NOISE, scan.values, 0.0).sum(axis=(0, 1))
    assert (xs * profile).sum() / profile.sum() == pytest.approx(3.0, abs=0.1)


@settings(max_examples=12, deadline=None)
@given(
    rotation=st.tuples(*[st.floats(-180, 180)] * 3),
    size=st.tuples(*[st.floats(8, 14)] * 3),
    round_share=st.floats(0, 1),
)
def test_a_turned_rounded_prism_keeps_its_volume(rotation, size, round_share):
    radius = round_share * min(size[:2]) / 2
    volume = (size[0] * size[1] - (4 - np.pi) * radius**2) * size[2]
    scan = scan_unit(_unit(_part(Prism(size=size, radius=radius), "copper", rotation=rotation)), 0.4)
    assert _content(scan) == pytest.approx(volume * TABLE["copper"], rel=0.03)


@settings(max_examples=6, deadline=None)
@given(rotation=st.tuples(*[st.floats(-180, 180)] * 3), size=st.tuples(*[st.floats(6, 12)] * 3))
def test_a_turned_ellipsoid_keeps_its_volume(rotation, size):
    scan = scan_unit(_unit(_part(Ellipsoid(size=size), "copper", rotation=rotation)), 0.4)
    assert _content(scan) == pytest.approx(np.pi / 6 * np.prod(size) * TABLE["copper"], rel=0.02)


def test_later_parts_displace_earlier_ones():
    block = _part(Prism(size=(12, 12, 12)), "copper")
    hole = _part(Prism(size=(6, 6, 6)), "air", "b")
    plug = _part(Prism(size=(2, 2, 2)), "aluminium", "c")
    scan = scan_unit(_unit(block, hole, plug), 0.5).values.astype(float)
    middle = [length // 2 for length in scan.shape]
    assert scan[tuple(middle)] == pytest.approx(10 * SCALE * TABLE["aluminium"], abs=6 * NOISE)
    assert scan[middle[0], middle[1], middle[2] + 4] < 6 * NOISE
    assert scan[middle[0], middle[1], middle[2] + 9] == pytest.approx(10 * SCALE * TABLE["copper"], abs=6 * NOISE)


def test_a_part_thinner_than_a_voxel_attenuates_in_proportion():
    scan = scan_unit(_unit(_part(Prism(size=(20, 20, 0.6)), "copper")), 0.8)
    column = scan.values.astype(float)[:, 10:-10, 10:-10].sum(axis=0).mean() * 0.8
    air = 0.8 * scan.values.shape[0] * NOISE / np.sqrt(2 * np.pi)
    assert column - air == pytest.approx(0.6 * 10 * SCALE * TABLE["copper"], rel=0.1)


def test_labels_name_the_material_at_each_voxel_of_the_scan():
    block = _part(Prism(size=(12, 12, 12)), "copper")
    hole = _part(Prism(size=(6, 6, 6)), "air", "b")
    plug = _part(Prism(size=(2, 2, 2)), "aluminium", "c")
    unit = _unit(block, hole, plug)
    labels, scan = label_unit(unit, 0.5), scan_unit(unit, 0.5)
    assert labels.values.shape == scan.values.shape
    assert labels.spacing == scan.spacing
    counts = {LABELS[int(label)]: int((labels.values == label).sum()) for label in np.unique(labels.values) if label}
    assert counts == {"copper": 24**3 - 12**3, "aluminium": 4**3}
    middle = [length // 2 for length in scan.values.shape]
    assert LABELS[labels.values[tuple(middle)]] == "aluminium"
    assert labels.values[middle[0], middle[1], middle[2] + 4] == 0
    copper = [number for number, name in LABELS.items() if name == "copper"]
    solid = scan.values[labels.values == copper]
    assert np.median(solid) == pytest.approx(10 * SCALE * TABLE["copper"], abs=NOISE)


def test_heavy_metal_saturates():
    scan = scan_unit(_unit(_part(Prism(size=(8, 8, 8)), "tungsten_alloy")), 0.5)
    assert scan.values.max() == 65535


def test_same_unit_and_seed_same_bytes_and_another_seed_other_noise():
    unit = _unit(_part(Prism(size=(8, 8, 4))))
    first, again, other = (scan_unit(unit, 0.5, seed).values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)

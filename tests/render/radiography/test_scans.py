import numpy as np
import pytest

from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.scans import ScanStore, prepare_scan


def block(dtype, air, dense, shape=(20, 60, 40)):
    values = np.full(shape, air, dtype)
    values[6:14, 10:50, 8:30] = dense
    return values


@pytest.mark.parametrize(("dtype", "air", "dense"), [
    (np.uint8, 0, 200), (np.uint16, 300, 12000), (np.int16, -1000, 2500), (np.float32, 0.0, 0.31),
])  # fmt: skip
def test_intensities_survive_whatever_the_type(dtype, air, dense):
    values = block(dtype, air, dense)
    scan = prepare_scan(Volume(values, (0.5, 0.5, 1.0)))
    restored = scan.description.offset + scan.description.slope * scan.values.astype(float)
    step = (dense - air) / 65535
    assert restored.min() == pytest.approx(air, abs=step)
    assert restored.max() == pytest.approx(dense, abs=step)
    assert scan.values.dtype == (np.uint8 if dtype == np.uint8 else np.uint16)
    levels = scan.description.levels
    assert (levels.air, levels.dense) == pytest.approx((air, dense))


def test_a_scan_is_cropped_to_the_unit_and_ends_in_air():
    scan = prepare_scan(Volume(block(np.uint16, 0, 9000), (0.5, 0.5, 1.0)))
    assert scan.description.axes == (1, 2, 0), "y, z, x: the thinnest between the others"
    # On each side one that smoothing adds, two kept as margin, two of air added.
    assert scan.values.shape == (40 + 10, 8 + 10, 22 + 10)
    for axis in range(3):
        assert not scan.values.take([0, -1], axis=axis).any()
    matrix, offset = scan.index_frame()
    assert matrix @ [0.0, 0.0, 0.0] + offset == pytest.approx((np.array(scan.values.shape) - 1) / 2)
    assert matrix @ [0.5, 0.0, 0.0] == pytest.approx([0, 0, 1])


def test_it_does_not_matter_how_much_air_was_scanned_along():
    rng = np.random.default_rng(0)
    unit = block(np.uint16, 0, 3000)
    unit[8:10, 12:40, 10:20] = 12000
    tight, roomy = (np.pad(unit, margin) for margin in (0, 40))
    scans = [
        prepare_scan(Volume(np.abs(values + rng.normal(0, 50, values.shape)).astype(np.uint16), (1.0, 1.0, 1.0)))
        for values in (tight, roomy)
    ]
    first, second = (scan.description for scan in scans)
    assert first.size_mm == second.size_mm
    assert second.levels.dense == pytest.approx(first.levels.dense, rel=0.02)
    assert second.levels.dense > 10000


def test_specks_of_noise_do_not_widen_the_unit():
    values = block(np.uint16, 0, 9000, shape=(20, 600, 400))
    without = prepare_scan(Volume(values.copy(), (0.5, 0.5, 1.0))).description.size_mm
    values[10, 300, 200] = 9000
    assert prepare_scan(Volume(values, (0.5, 0.5, 1.0))).description.size_mm == without


def test_a_lump_of_the_densest_metal_does_not_hide_the_plastic_round_it():
    values = block(np.uint16, 0, 800)
    values[8:10, 20:24, 15:19] = 65535
    assert prepare_scan(Volume(values, (1.0, 1.0, 1.0))).description.size_mm[1] >= 40


def test_a_store_gives_back_what_was_put_in(tmp_path):
    scan = prepare_scan(Volume(block(np.uint16, 0, 9000), (0.5, 0.5, 1.0)))
    store = ScanStore(tmp_path / "scans")
    assert "SP1/a" not in store
    store.add("SP1/a", scan)
    assert "SP1/a" in store
    found = store.read("SP1/a")
    assert found.description == scan.description
    assert np.array_equal(found.values, scan.values)
    assert isinstance(found.values, np.memmap)

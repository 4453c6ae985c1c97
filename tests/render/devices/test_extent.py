import numpy as np
import pytest

from rgbx_render.devices.extent import find_extent, without_padding
from rgbx_render.devices.volume import Volume

AIR, NOISE = {"hounsfield": -1000, "counts": 900}, 25


def scan(scale, shape=(40, 60, 60), place=(slice(12, 28), slice(20, 44), slice(16, 40))):
    """A block of plastic with metal in it, in noisy air."""
    rng = np.random.default_rng(0)
    values = rng.normal(AIR[scale], NOISE, shape)
    values[place] += 1100
    values[18:22, 26:32, 24:30] += 8000
    return np.rint(values).astype(np.int16)


def round_field(values, padding):
    y, x = np.indices(values.shape[1:]) - (np.array(values.shape[1:])[:, None, None] - 1) / 2
    padded = values.copy()
    padded[:, np.hypot(x, y) > 30] = padding
    return padded


def blank_ends(values, padding):
    padded = values.copy()
    padded[:5] = padded[-3:] = padding
    return padded


def tilted(values, padding):
    z, y, _ = np.indices(values.shape)
    padded = values.copy()
    padded[y > 54 - z / 4] = padding
    return padded


@pytest.mark.parametrize("field", [round_field, blank_ends, tilted])
@pytest.mark.parametrize(("scale", "padding"), [
    ("hounsfield", -3024), ("hounsfield", -2000), ("hounsfield", 0), ("counts", 0), ("counts", -1), ("counts", -1024),
])  # fmt: skip
def test_padding_is_neither_air_nor_solid(field, scale, padding):
    measured = scan(scale)
    found = without_padding(Volume(field(measured, padding), (1.0, 1.0, 1.0)))
    assert found.padding == padding
    expected, extent = find_extent(measured), find_extent(found.values)
    assert extent.box == expected.box
    assert extent.air == pytest.approx(expected.air, abs=2 * NOISE)
    inside = measured > AIR[scale] + 500
    assert np.array_equal(found.values[inside], measured[inside])


@pytest.mark.parametrize("values", [
    np.maximum(scan("counts") - 900, 0),  # air clipped at zero
    np.where(scan("counts") < 1500, 0, scan("counts")),  # a background that was cut away
    np.where(scan("counts") < 1500, 0, np.where(scan("counts") > 5000, 9000, 1000)),  # without any noise
    scan("counts"),
], ids=["clipped", "cut away", "without noise", "whole"])  # fmt: skip
def test_air_is_no_padding(values):
    volume = Volume(values.astype(np.int16), (1.0, 1.0, 1.0))
    assert without_padding(volume) is volume


def test_a_unit_that_fills_its_scan_is_found_out():
    rng = np.random.default_rng(0)
    distance = np.sqrt(sum(axis**2 for axis in np.mgrid[-20:21, -20:21, -20:21]))
    ball = rng.normal(100, 5, distance.shape) + 1000 * (distance <= 20)
    assert find_extent(ball).fills
    assert not find_extent(np.pad(ball, ((4, 4), (0, 0), (0, 0)), constant_values=100)).fills
    assert not find_extent(np.pad(ball, 4, constant_values=100)).fills

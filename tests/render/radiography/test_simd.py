import numpy as np
from numba import njit

from rgbx_render.radiography.simd import (
    LANES,
    absolute,
    any_lane,
    gather,
    highest,
    lane,
    lane_numbers,
    lowest,
    maximum,
    minimum,
    spread,
    square_root,
    to_floats,
    to_integers,
    where,
)

NUMBERS = np.arange(LANES)


@njit
def store(vector, out):
    for number in range(LANES):
        out[number] = lane(vector, number)


def test_arithmetic_is_done_lane_by_lane_and_numbers_are_spread():
    @njit
    def compute(out):
        x = to_floats(lane_numbers())
        x += 0.5
        store(square_root(absolute(spread(1.0) - x * x) / 2.0), out)

    out = np.empty(LANES, np.float32)
    compute(out)
    np.testing.assert_allclose(out, np.sqrt(np.abs(1 - (NUMBERS + 0.5) ** 2) / 2), rtol=1e-6)


def test_lanes_are_chosen_compared_and_reduced():
    @njit
    def compute(out):
        x = to_floats(lane_numbers())
        inside = (x > 2.0) & (x <= 9.0)
        store(where(inside, maximum(x, 4.0), minimum(x, 1.0)), out)
        return lowest(x - 3.0), highest(x), any_lane(x > 14.5), any_lane(x > 15.5)

    out = np.empty(LANES, np.float32)
    assert compute(out) == (-3.0, 15.0, True, False)
    expected = np.where((NUMBERS > 2) & (NUMBERS <= 9), np.maximum(NUMBERS, 4), np.minimum(NUMBERS, 1))
    np.testing.assert_array_equal(out, expected)


def test_gather_reads_32_bits_from_any_byte():
    @njit
    def compute(array, first, every, out):
        word = gather(array, lane_numbers() * every + first)
        store(to_floats(word & 255), out[0])
        store(to_floats((word >> 8) & 255), out[1])
        store(to_floats((word >> 16) & 255), out[2])

    array = np.random.default_rng(0).integers(0, 256, 200, np.uint8)
    out = np.empty((3, LANES), np.float32)
    compute(array, np.int32(5), np.int32(11), out)
    for byte in range(3):
        np.testing.assert_array_equal(out[byte], array[5 + 11 * NUMBERS + byte])


def test_floats_are_rounded_towards_zero():
    @njit
    def compute(out):
        store(to_floats(to_integers(to_floats(lane_numbers()) * 0.7 - 3.0)), out)

    out = np.empty(LANES, np.float32)
    compute(out)
    np.testing.assert_array_equal(out, np.trunc(np.float32(0.7) * NUMBERS.astype(np.float32) - 3))

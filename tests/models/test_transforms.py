import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.models.transforms import SEARCHED_SIZE, TransformConfig, find_device, prepare_image, seen_part

CONFIG = TransformConfig(source_size=32, device_margin=None)


def radiograph(scale: float = 1.0, size: int = 64) -> np.ndarray:
    attenuation = np.zeros((size, size))
    attenuation[16:48, 20:44] = 0.5
    attenuation[24:40, 24:40] = 2.0
    return (scale * 0.9 * np.exp(-attenuation)).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 1.0))
def test_exposure_does_not_matter(scale: float) -> None:
    ours = prepare_image(radiograph(scale), "xray", CONFIG).astype(int)
    assert np.abs(ours - prepare_image(radiograph(), "xray", CONFIG).astype(int)).max() <= 2


def test_attenuation_lies_between_open_beam_and_the_densest_part() -> None:
    prepared = prepare_image(radiograph(), "xray", CONFIG) / 65535
    floor = CONFIG.transmission_floor
    span = np.log(1 + floor) - np.log(np.exp(-2.0) + floor)
    assert prepared[1, 1] == 0
    assert prepared[16, 16] == 1
    np.testing.assert_allclose(prepared[10, 11], (np.log(1 + floor) - np.log(np.exp(-0.5) + floor)) / span, atol=1e-3)


def test_a_blank_radiograph_stays_blank() -> None:
    assert not prepare_image(np.full((40, 40), 0.5, np.float32), "xray", CONFIG).any()
    assert not prepare_image(np.zeros((40, 40), np.float32), "xray", CONFIG).any()


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90))
def test_any_shape_becomes_the_square_with_its_background_around(height: int, width: int) -> None:
    image = np.full((height, width, 3), (200, 100, 50), np.uint8)
    prepared = prepare_image(image, "rgb", CONFIG)
    assert prepared.shape == (32, 32, 3)
    assert prepared.dtype == np.uint8
    assert (prepared == image[0, 0]).all()
    assert prepare_image(np.full((height, width), 0.5, np.float32), "xray", CONFIG).shape == (32, 32)


def test_a_radiograph_keeps_more_than_eight_bits() -> None:
    ramp = np.linspace(0.4, 0.9, 256, dtype=np.float32)[None].repeat(256, 0)
    prepared = prepare_image(ramp, "xray", TransformConfig(source_size=256))
    assert len(np.unique(prepared)) > 230


def test_the_device_is_found_wherever_it_lies_and_whatever_the_magnification() -> None:
    for left, top, scale in [(10, 20, 1), (60, 90, 1), (5, 5, 2)]:
        attenuation = np.zeros((200, 200), np.float32)
        attenuation[top : top + 60 * scale, left : left + 30 * scale] = 1.0
        rng = np.random.default_rng(left)
        found_left, found_top, side = find_device(attenuation + rng.normal(0, 0.3, (200, 200)), 0.1)
        assert found_left <= left + 2
        assert found_top <= top + 2
        assert found_left + side >= left + 30 * scale - 2
        assert found_top + side >= top + 60 * scale - 2
        assert side <= (60 * scale + 13) * 1.2 + 2  # the blur against noise widens what it finds
        assert 0 <= found_left <= 200 - side
        assert 0 <= found_top <= 200 - side


def test_in_a_large_radiograph_the_device_is_found_where_it_is_in_a_small_one() -> None:
    small = np.full((400, 400), 0.9, np.float32)
    small[100:300, 180:280] = 0.4
    left, top, side = seen_part(small, TransformConfig())
    times = 4
    assert len(small) * times > SEARCHED_SIZE > len(small)
    large = seen_part(small.repeat(times, 0).repeat(times, 1), TransformConfig())
    np.testing.assert_allclose(large, [times * left, times * top, times * side], atol=0.02 * times * side)


def test_the_part_seen_of_a_large_radiograph_lies_within_it() -> None:
    for size in (SEARCHED_SIZE + 1, 777, 1023):
        radiograph = np.full((size, size), 0.9, np.float32)
        radiograph[size // 2 :, size // 3 :] = 0.3  # reaches the border
        left, top, side = seen_part(radiograph, TransformConfig())
        assert 0 <= left <= size - side
        assert 0 <= top <= size - side
        assert side > size / 2

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import ConfigError
from rgbx.view.find import LOCATED_SIZE, SEARCHED_SIZE, device_mask, find_device
from rgbx.view.transform import Seen, Transform, TransformConfig, ViewName, warp

CONFIG = TransformConfig(source_size=32, view="none")
SQUARE = TransformConfig(view="square", margin=0.1)


def radiograph(scale: float = 1.0, size: int = 64) -> np.ndarray:
    attenuation = np.zeros((size, size))
    attenuation[16:48, 20:44] = 0.5
    attenuation[24:40, 24:40] = 2.0
    return (scale * 0.9 * np.exp(-attenuation)).astype(np.float32)


@settings(max_examples=20, deadline=None)
@given(st.floats(0.05, 1.0))
def test_exposure_does_not_matter(scale: float) -> None:
    ours = Transform("xray", CONFIG)(radiograph(scale)).astype(int)
    assert np.abs(ours - Transform("xray", CONFIG)(radiograph()).astype(int)).max() <= 2


def test_attenuation_lies_between_open_beam_and_the_densest_part() -> None:
    prepared = Transform("xray", CONFIG)(radiograph()) / 65535
    floor = CONFIG.transmission_floor
    span = np.log(1 + floor) - np.log(np.exp(-2.0) + floor)
    assert prepared[1, 1] == 0
    assert prepared[16, 16] == 1
    np.testing.assert_allclose(prepared[10, 11], (np.log(1 + floor) - np.log(np.exp(-0.5) + floor)) / span, atol=1e-3)


def test_a_blank_radiograph_stays_blank() -> None:
    assert not Transform("xray", CONFIG)(np.full((40, 40), 0.5, np.float32)).any()
    assert not Transform("xray", CONFIG)(np.zeros((40, 40), np.float32)).any()


@pytest.mark.filterwarnings("error")
def test_a_device_that_touches_all_sides_of_an_even_background_is_found() -> None:
    attenuation = np.zeros((64, 64), np.float32)
    attenuation[24:40] = attenuation[:, 24:40] = 1.0
    mask = device_mask(attenuation, 1)
    assert mask is not None
    np.testing.assert_array_equal(mask, attenuation > 0)


@settings(max_examples=30, deadline=None)
@given(st.integers(8, 90), st.integers(8, 90))
def test_any_shape_becomes_the_square_with_its_background_around(height: int, width: int) -> None:
    image = np.full((height, width, 3), (200, 100, 50), np.uint8)
    prepared = Transform("rgb", CONFIG)(image)
    assert prepared.shape == (32, 32, 3)
    assert prepared.dtype == np.uint8
    assert (prepared == image[0, 0]).all()
    assert Transform("xray", CONFIG)(np.full((height, width), 0.5, np.float32)).shape == (32, 32)


def test_a_radiograph_keeps_more_than_eight_bits() -> None:
    ramp = np.linspace(0.4, 0.9, 256, dtype=np.float32)[None].repeat(256, 0)
    prepared = Transform("xray", TransformConfig(source_size=256, view="square"))(ramp)
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


def square_of(seen: Seen) -> tuple[float, float, float]:
    """Left, top and side of a square view, in pixels of the image."""
    step = seen.place[0, 0]
    return (*(seen.place @ (-0.5, -0.5, 1) + 0.5), step * seen.pixels.shape[1])


def test_in_a_large_radiograph_the_device_is_found_where_it_is_in_a_small_one() -> None:
    small = np.full((400, 400), 0.9, np.float32)
    small[100:300, 180:280] = 0.4
    left, top, side = square_of(Transform("xray", SQUARE).see(small))
    times = 4
    assert len(small) * times > SEARCHED_SIZE > len(small)
    large = square_of(Transform("xray", SQUARE).see(small.repeat(times, 0).repeat(times, 1)))
    np.testing.assert_allclose(large, [times * left, times * top, times * side], atol=0.02 * times * side)


def test_the_square_seen_of_a_large_radiograph_lies_within_it() -> None:
    for size in (SEARCHED_SIZE + 1, 777, 1023):
        radiograph = np.full((size, size), 0.9, np.float32)
        radiograph[size // 2 :, size // 3 :] = 0.3  # reaches the border
        left, top, side = square_of(Transform("xray", SQUARE).see(radiograph))
        assert -1e-6 <= left <= size - side + 1e-6
        assert -1e-6 <= top <= size - side + 1e-6
        assert side > size / 2


DEVICE = np.full((200, 80), 0.4, np.float32)
"""An upright device, heavier below."""
DEVICE[150:180, 45:70] = 0.1
UPRIGHT = TransformConfig(source_size=64, aspect=2.5)


def laid(device: np.ndarray, turn: float, length: float, size: tuple[int, int], mirrored: bool = False) -> np.ndarray:
    """A device of a ``length`` in pixels, turned clockwise, in the middle of an empty beam or on an empty table."""
    device = device[:, ::-1] if mirrored else device
    height, width = device.shape[:2]
    scale, angle = length / height, np.deg2rad(turn)
    axes = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = (np.array(size[::-1]) - 1) / 2 - axes @ ((width - 1) / 2, (height - 1) / 2)
    background = [0.9] * 3 if device.ndim == 2 else [30] * 3
    return cv2.warpAffine(
        np.ascontiguousarray(device), np.column_stack([axes, shift]), size[::-1], borderValue=background
    )


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(60, 330), st.booleans(), st.booleans())
def test_a_radiograph_is_seen_upright_however_the_device_lies(
    turn: float, length: float, mirrored: bool, wide: bool
) -> None:
    size = (360, 500) if wide else (400, 400)
    upright = Transform("xray", UPRIGHT).see(DEVICE_ALONE)
    seen = Transform("xray", UPRIGHT).see(laid(DEVICE, turn, length, size, mirrored))
    assert seen.found
    assert seen.pixels.shape == UPRIGHT.source_shape == (104, 40)
    pixels = seen.pixels[:, ::-1] if mirrored else seen.pixels
    assert np.abs(pixels / 65535 - upright.pixels / 65535).mean() < 0.05


DEVICE_ALONE = laid(DEVICE, 0, 300, (400, 400))


def test_of_an_upright_view_every_pixel_knows_where_it_is() -> None:
    image = laid(DEVICE, 120, 250, (400, 420))
    seen = Transform("xray", UPRIGHT).see(image)
    dense = warp((image < 0.2).astype(np.float32), seen.place, UPRIGHT.source_shape)
    rows, columns = np.nonzero(dense > 0.5)
    assert seen.pixels[rows, columns].min() > 1.1 * np.median(seen.pixels)


def bright(photograph: np.ndarray) -> np.ndarray:
    """A localiser of bright devices on dark tables."""
    assert photograph.shape == (LOCATED_SIZE, LOCATED_SIZE, 3)
    assert photograph.dtype == np.uint8
    return (photograph[..., 0] > 100).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(80, 330))
def test_a_photograph_is_seen_upright_from_its_full_resolution(turn: float, length: float) -> None:
    device = np.full((300, 120, 3), 200, np.uint8)
    device[:40] = (255, 0, 0)
    seen = Transform("rgb", UPRIGHT, bright).see(laid(device, turn, length, (400, 460)))
    assert seen.found
    ends = seen.pixels[[12, -12], 20].astype(int)
    red = ends[:, 0] - ends[:, 1] > 150
    assert red.sum() == 1
    assert (seen.pixels[:, [0, -1], 0] < 120).all()


@pytest.mark.parametrize("view", ["upright", "square"])
def test_where_nothing_is_found_the_whole_image_goes_through(view: ViewName) -> None:
    config = TransformConfig(source_size=64, view=view, aspect=2.5)
    seen = Transform("xray", config).see(np.full((100, 100), 0.5, np.float32))
    assert not seen.found
    np.testing.assert_allclose(
        seen.place @ ((config.source_shape[1] - 1) / 2, (config.source_shape[0] - 1) / 2, 1), 49.5
    )
    assert not Transform("rgb", config, bright).see(np.zeros((80, 60, 3), np.uint8)).found


def test_photographs_are_set_upright_by_a_localiser_only() -> None:
    with pytest.raises(ConfigError, match="needs a localiser"):
        Transform("rgb", TransformConfig())


@settings(max_examples=50, deadline=None)
@given(st.integers(16, 512), st.floats(1, 10))
def test_an_upright_view_has_as_many_pixels_as_the_square(side: int, aspect: float) -> None:
    height, width = TransformConfig(aspect=aspect).shape(side)
    assert side < 40 or height % 8 == width % 8 == 0
    assert height >= width
    assert width >= min(side, 40)
    assert TransformConfig().shape(side) == TransformConfig(view="none", aspect=aspect).shape(side) == (side, side)
    if side >= 64 and aspect < 4:
        assert 0.75 < height * width / side**2 < 1.3

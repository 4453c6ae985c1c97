import numpy as np
import pytest

from rgbx.samples import generator
from rgbx_render.photography.film import MIDDLE_GREY, Film, develop, encode_srgb, meter

PLAIN = Film(exposure=0, white_balance=(1, 1, 1), gamma=1, blur=0, noise=0, noise_seed=1)


def scene(scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(3).uniform(0.05, 0.5, (24, 24, 3))).astype(np.float32)


def test_an_even_grey_becomes_middle_grey_whatever_its_light() -> None:
    expected = round(255 * float(encode_srgb(np.array(MIDDLE_GREY))))
    for light in (1e-4, 0.3, 5e3):
        picture = develop(np.full((8, 8, 3), light, np.float32), PLAIN, generator)
        assert picture.dtype == np.uint8
        assert np.abs(picture.astype(int) - expected).max() <= 1


def test_one_ev_doubles_the_light() -> None:
    frame = np.full((4, 4, 3), 0.7, np.float32)
    brighter = develop(frame, PLAIN.updated({"exposure": 1}), generator)
    assert brighter[0, 0, 0] == round(255 * float(encode_srgb(np.array(2 * MIDDLE_GREY))))


def test_srgb_of_known_values() -> None:
    known = encode_srgb(np.array([-1, 0, 0.0031308, 0.2140411, 1, 7]))
    np.testing.assert_allclose(known, [0, 0, 0.04045, 0.5, 1, 1], atol=1e-5)


def test_white_balance_tints() -> None:
    picture = develop(scene(), PLAIN.updated({"white_balance": (1.3, 1.0, 0.7)}), generator).astype(float)
    assert picture[..., 0].mean() > picture[..., 1].mean() > picture[..., 2].mean()


def test_noise_has_its_standard_deviation_and_repeats() -> None:
    film = PLAIN.updated({"noise": 5.0})
    frame = np.full((96, 96, 3), 1.0, np.float32)
    picture = develop(frame, film, generator)
    assert picture.astype(float).std() == pytest.approx(5.0, rel=0.05)
    assert np.array_equal(picture, develop(frame, film, generator))
    assert not np.array_equal(picture, develop(frame, film.updated({"noise_seed": 2}), generator))


def test_blur_softens() -> None:
    sharp, soft = (develop(scene(), PLAIN.updated({"blur": blur}), generator).astype(float) for blur in (0, 1.5))
    assert np.abs(np.diff(soft, axis=0)).mean() < 0.5 * np.abs(np.diff(sharp, axis=0)).mean()


def test_a_black_frame_can_be_metered() -> None:
    assert np.isfinite(meter(np.zeros((4, 4, 3), np.float32)))
    assert develop(np.zeros((4, 4, 3), np.float32), PLAIN, generator).max() == 0

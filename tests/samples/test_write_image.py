import cv2
import numpy as np
import pytest
import tifffile

from rgbx.pictures import read_picture
from rgbx.samples import write_image


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_grey_is_written_losslessly_and_always_alike(tmp_path, suffix):
    image = np.random.default_rng(0).integers(0, 65536, (9, 7), np.uint16)
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(first, image)
    write_image(second, image)
    assert np.array_equal(cv2.imread(str(first), cv2.IMREAD_UNCHANGED), image)
    assert first.read_bytes() == second.read_bytes()


def test_colours_keep_their_order(tmp_path):
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 200
    write_image(tmp_path / "a.tiff", image)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tiff"), image)


def test_pictures_are_read_from_any_path(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)
    write_image(tmp_path / "Gehäuse ✓.png", image)
    assert np.array_equal(read_picture(tmp_path / "Gehäuse ✓.png", cv2.IMREAD_COLOR)[..., ::-1], image)
    (tmp_path / "empty.png").touch()
    for name in ("missing.png", "empty.png"):
        assert read_picture(tmp_path / name, cv2.IMREAD_COLOR) is None


def test_floats_are_refused_rather_than_guessed_at(tmp_path):
    with pytest.raises(TypeError, match="uint8 or uint16, not float64"):
        write_image(tmp_path / "a.png", np.zeros((4, 4)))
    assert list(tmp_path.iterdir()) == []

import pickle
from importlib import resources

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rgbx.errors import InputError
from rgbx_render.radiography.superpoint import (
    SHIPPED,
    SuperPoint,
    find_peaks,
    heat_map,
    load_detector,
    read_network,
    write_network,
)

RADIUS = 4


def original_layout():
    """Random weights with the names and widths of superpoint_v1.pth, its descriptor layers among them."""
    torch.manual_seed(0)
    tensors = dict(SuperPoint((64, 64, 128, 128), 256).state_dict())
    tensors |= {"convDa.weight": torch.zeros(256, 128, 3, 3), "convDa.bias": torch.zeros(256)}
    tensors |= {"convDb.weight": torch.zeros(256, 256, 1, 1), "convDb.bias": torch.zeros(256)}
    return tensors


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_in_the_original_layout_load_whatever_the_file(tmp_path, suffix):
    path = tmp_path / f"superpoint_v1{suffix}"
    tensors = original_layout()
    if suffix == ".pth":
        torch.save(tensors, path)
    else:
        safetensors.torch.save_file(tensors, path)
    network = read_network(path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, tensors[name])
    assert network(torch.rand(1, 1, 64, 48)).shape == (1, 65, 8, 6)
    assert load_detector(path).heat(np.zeros((64, 48), np.float32)).shape == (64, 48)


def test_a_network_of_any_width_is_written_and_read(tmp_path):
    network = SuperPoint((3, 5, 7, 9), 11)
    path = tmp_path / "narrow.safetensors"
    path.write_bytes(write_network(network))
    for name, tensor in read_network(path).state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name].half().float())


def bad_files():
    tensors = original_layout()
    lacking = {name: tensor for name, tensor in tensors.items() if not name.startswith("convPa")}
    other = tensors | {"conv3b.weight": torch.zeros(128, 64, 3, 3)}
    broken = tensors | {"conv1a.bias": torch.full((64,), torch.nan)}
    return [
        (lacking, r"has no layer convPa.*superpoint_v1"),
        (other, "holds weights of another network"),
        (broken, "not finite"),
        ({"conv1a.bias": 3}, "holds weights of another network"),
        (torch.zeros(3), "is no state dict"),
        ([tensors["conv1a.bias"]], "is no state dict"),
    ]


@pytest.mark.parametrize(("content", "message"), bad_files())
def test_files_of_other_content_are_refused(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    with pytest.raises(InputError, match=rf"weights\.pth .*{message}"):
        read_network(path)


@pytest.mark.parametrize("name", ["weights.pth", "weights.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights at all", b"PK\x03\x04 half a zip", b"\x80\x04."])
def test_damaged_files_are_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="is no file of weights"):
        read_network(tmp_path / name)


def test_files_that_were_cut_short_are_refused(tmp_path):
    for name, save in (("a.pth", torch.save), ("a.safetensors", safetensors.torch.save_file)):
        save(original_layout(), tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(InputError, match="is no file of weights"):
            read_network(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"gone\.pth does not exist"):
        read_network(tmp_path / "gone.pth")


def test_a_file_that_would_run_code_is_refused(tmp_path):
    path = tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps({"conv1a.bias": print}))
    with pytest.raises(InputError, match="is no file of weights"):
        read_network(path)


def test_each_channel_is_a_pixel_of_its_cell():
    logits = torch.zeros(1, 65, 2, 3)
    logits[0, 8 * 5 + 2, 1, 2] = 20  # row 5, column 2 of the cell in row 1, column 2
    logits[0, 64, 0, 0] = 20  # none
    heat = heat_map(logits)[0].numpy()
    assert heat.shape == (16, 24)
    assert np.unravel_index(heat.argmax(), heat.shape) == (8 + 5, 16 + 2)
    assert heat.max() == pytest.approx(1, abs=1e-6)
    assert heat[:8, :8].max() < 1e-6
    assert heat[:8, 8:16] == pytest.approx(1 / 65)


def test_the_higher_of_two_near_peaks_suppresses_the_other():
    heat = np.zeros((32, 32), np.float32)
    heat[10, 10], heat[10, 10 + RADIUS], heat[10, 10 + 2 * RADIUS] = 0.9, 0.8, 0.7
    heat[25, 25], heat[25, 30], heat[2, 20] = 0.5, 0.04, 1.0  # below the threshold; at the border
    assert find_peaks(heat, 0.05, RADIUS).tolist() == [[10, 10], [18, 10], [25, 25]]
    assert find_peaks(np.zeros((32, 32)), 0.05, RADIUS).shape == (0, 2)


@given(arrays(np.float32, (24, 24), elements=st.floats(0, 1, width=32)), st.integers(1, 6))
def test_peaks_are_apart_and_nothing_else_is_left(heat, radius):
    peaks = find_peaks(heat, 0.3, radius, border=2)
    for x, y in peaks:
        near = np.abs(peaks - (x, y)).max(axis=1) <= radius
        assert near.sum() == 1
        assert heat[y, x] > 0.3
    for y, x in np.argwhere(heat[2:-2, 2:-2] > 0.3) + 2:
        near = np.abs(peaks - (x, y)).max(axis=1) <= radius
        assert any(heat[b, a] >= heat[y, x] for a, b in peaks[near])


def found(image):
    return load_detector(None).keypoints(image, 0.05, RADIUS)


def distances(points, others):
    return np.linalg.norm(points[:, None] - np.asarray(others, float)[None], axis=2)


@pytest.mark.parametrize(("inside", "outside"), [(0.2, 0.8), (0.9, 0.5)])
def test_the_corners_of_a_rectangle_are_found(inside, outside):
    image = np.full((120, 160), outside, np.float32)
    image[30:80, 40:110] = inside
    points = found(image)
    distance = distances(points, [(40, 30), (109, 30), (40, 79), (109, 79)])
    assert distance.min(axis=0).max() <= 2
    assert distance.min(axis=1).max() <= 3, "and nothing else"


def test_the_corners_of_a_chessboard_are_found():
    board = np.kron(np.indices((6, 6)).sum(axis=0) % 2, np.ones((24, 24))).astype(np.float32) * 0.6 + 0.2
    inner = [(24 * column - 0.5, 24 * row - 0.5) for row in range(1, 6) for column in range(1, 6)]
    assert distances(found(board), inner).min(axis=0).max() <= 2


@pytest.mark.parametrize("level", [0.0, 0.4, 1.0])
def test_blank_images_have_no_keypoints(level):
    assert len(found(np.full((240, 240), level, np.float32))) == 0


@pytest.mark.parametrize("variance", [100, 1000])
def test_pure_noise_has_hardly_any_keypoints(variance):
    noise = 0.5 + np.sqrt(variance) / 255 * np.random.default_rng(0).standard_normal((240, 240))
    assert len(found(np.clip(noise, 0, 1).astype(np.float32))) <= 10


def test_the_same_image_has_the_same_heat_map_with_any_number_of_threads():
    image = np.random.default_rng(0).random((240, 240), np.float32)
    before = torch.get_num_threads()
    try:
        heats = []
        for threads in (1, 2, 1):
            torch.set_num_threads(threads)
            heats.append(load_detector(None).heat(image))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(heats[0], heats[1])
    assert np.array_equal(heats[0], heats[2])


def test_the_shipped_network_is_small_and_loaded_once():
    with resources.as_file(resources.files("rgbx_render.radiography") / SHIPPED) as path:
        assert path.stat().st_size < 1_000_000
    assert load_detector(None) is load_detector(None)

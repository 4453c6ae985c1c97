import pytest
import torch

from rgbx.training.augmentation import AugmentConfig, augment, batch_generator

STILL = AugmentConfig(
    rotation=(0, 0), half_turn=0, scale=(1, 1), shift=(0, 0), gamma=(1, 1), contrast=(1, 1), brightness=(0, 0),
    noise=(0, 0), blur=0, cutout=0,
)  # fmt: skip


def images(channels: int = 1) -> torch.Tensor:
    return torch.rand(6, channels, 40, 40, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("channels", [1, 3])
def test_same_batch_same_result_other_batch_another(channels: int) -> None:
    config, given = AugmentConfig(flip=True, colour_gain=(0.8, 1.2)), images(channels)
    first = augment(given, config, batch_generator(0, 1, 2))
    assert torch.equal(first, augment(given, config, batch_generator(0, 1, 2)))
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert not torch.equal(first, augment(given, config, batch_generator(*other)))
    assert first.min() >= 0
    assert first.max() <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_draws_its_own_noise_and_the_same_again() -> None:
    config, given = STILL.updated({"noise": (0.05, 0.05)}), torch.full((6, 1, 40, 40), 0.5)
    first, again = (augment(given.cuda(), config, batch_generator(0, 0, 0)) for _ in range(2))
    assert torch.equal(first, again)
    other = augment(given.cuda(), config, batch_generator(0, 0, 1))
    assert not torch.equal(first, other)
    assert first.std().item() == pytest.approx(0.05, rel=0.05)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_but_for_the_noise_a_gpu_changes_images_as_a_cpu_does() -> None:
    config, given = AugmentConfig(flip=True, rotation=(-20, 20), noise=(0, 0), cutout=0), images()
    here, there = (augment(each, config, batch_generator(0, 0, 0)) for each in (given, given.cuda()))
    torch.testing.assert_close(there.cpu(), here, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("channels", [1, 3])
def test_with_every_range_closed_nothing_changes(channels: int) -> None:
    given = images(channels).clamp(1e-3, 1)
    torch.testing.assert_close(augment(given, STILL, batch_generator(0, 0, 0)), given, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_a_rotation_by_quarter_turns_is_exact(turns: int) -> None:
    given = images().clamp(1e-3, 1)
    turned = augment(given, STILL.updated({"rotation": (90 * turns, 90 * turns)}), batch_generator(0, 0, 0))
    rotated = torch.rot90(given, turns, (2, 3))
    torch.testing.assert_close(turned, rotated, rtol=1e-3, atol=1e-3)


def test_a_third_of_a_turn_of_hue_moves_each_channel_to_the_next() -> None:
    given = images(3).clamp(1e-3, 1)
    turned = augment(given, STILL.updated({"hue": (120, 120)}), batch_generator(0, 0, 0))
    torch.testing.assert_close(turned, given[:, [2, 0, 1]], rtol=1e-3, atol=1e-3)


def test_without_saturation_every_pixel_is_the_mean_of_its_channels() -> None:
    given = images(3).clamp(1e-3, 1)
    grey = augment(given, STILL.updated({"saturation": (0, 0), "hue": (77, 77)}), batch_generator(0, 0, 0))
    torch.testing.assert_close(grey, given.mean(1, keepdim=True).expand_as(given), rtol=1e-3, atol=1e-3)


def test_flips_mirror_about_half_of_the_images() -> None:
    given = torch.rand(200, 1, 16, 16).clamp(1e-3, 1)
    flipped = augment(given, STILL.updated({"flip": True}), batch_generator(0, 0, 0))
    mirrored = sum(torch.allclose(a, b.flip(-1), atol=1e-3) for a, b in zip(flipped, given, strict=True))
    same = sum(torch.allclose(a, b, atol=1e-3) for a, b in zip(flipped, given, strict=True))
    assert mirrored + same == 200
    assert 60 < mirrored < 140


def test_cutout_removes_a_square() -> None:
    given = images().clamp(1e-3, 1)
    cut = augment(given, STILL.updated({"cutout": 1.0, "cutout_side": (0.5, 0.5)}), batch_generator(0, 0, 0))
    changed = ((cut - given).abs() > 1e-3).float().mean((1, 2, 3))
    assert torch.all(changed > 0.05)
    assert torch.all(changed < 0.3)


def test_images_stay_float32_where_the_network_trains_in_bf16() -> None:
    config = AugmentConfig(blur=1.0, hue=(-180.0, 180.0))
    with torch.autocast("cpu", torch.bfloat16):
        changed = augment(torch.rand(4, 3, 16, 16), config, batch_generator(0, 0, 0))
    assert changed.dtype == torch.float32


def test_a_rectangle_is_turned_as_a_square_is() -> None:
    given = torch.zeros(1, 1, 80, 32)
    given[:, :, 36:44, 8:24] = 1.0  # 16 wide, 8 high
    turned = augment(given, STILL.updated({"rotation": (90, 90), "half_turn": 0}), batch_generator(0, 0, 0))[0, 0] > 0.5
    rows, columns = turned.any(1).nonzero(), turned.any(0).nonzero()
    assert (len(rows), len(columns)) == (16, 8)


def test_half_turns_come_to_about_their_share() -> None:
    given = torch.rand(200, 1, 24, 8).clamp(1e-3, 1)
    turned = augment(given, STILL.updated({"half_turn": 0.5}), batch_generator(0, 0, 0))
    same = sum(torch.allclose(a, b, atol=1e-3) for a, b in zip(turned, given, strict=True))
    other = sum(torch.allclose(a, b.flip(-1, -2), atol=1e-3) for a, b in zip(turned, given, strict=True))
    assert same + other == 200
    assert 60 < other < 140


def test_a_shift_moves_by_a_share_of_the_sides() -> None:
    given = torch.zeros(1, 1, 80, 40)
    given[:, :, 30, 10] = 1.0
    moved = augment(given, STILL.updated({"shift": (0.1, 0.1)}), batch_generator(0, 0, 0))[0, 0]
    assert divmod(int(moved.argmax()), 40) == (30 - 8, 10 - 4)

import pytest
import torch

from rgbx.research.losses import hide_hottest, windows_elsewhere


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_only_the_hottest_parts_are_hidden_and_take_the_images_mean() -> None:
    images = torch.rand(3, 1, 16, 16, generator=random())
    cams = torch.zeros(3, 4, 4)
    cams[:, 1, 2] = 5.0
    hidden = hide_hottest(images, cams, random(1))
    changed = hidden != images
    assert torch.all(changed[:, :, 5:7, 9:11]), "round the peak, whatever the threshold"
    assert not changed[:, :, :, :4].any()
    assert not changed[:, :, 11:].any()
    for before, after, where in zip(images, hidden, changed, strict=True):
        torch.testing.assert_close(after[where], before.mean().expand(int(where.sum())))


def test_thresholds_differ_between_images_and_repeat_with_the_seed() -> None:
    images, cams = torch.rand(8, 1, 32, 32), torch.rand(1, 4, 4, generator=random(2)).expand(8, 4, 4)
    first, again, other = (hide_hottest(images, cams, random(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert len(set((first != images).flatten(1).sum(1).tolist())) > 1


@pytest.mark.parametrize("side", [0.2, 1.0])
def test_windows_elsewhere_are_as_large_and_inside(side: float) -> None:
    windows = torch.tensor([[0.0, 0.0, side]]).expand(50, 3)
    elsewhere = windows_elsewhere(windows, random())
    assert torch.all(elsewhere[:, 2] == windows[:, 2])
    assert torch.all(elsewhere[:, :2] >= 0)
    assert torch.all(elsewhere[:, :2] + side <= 1 + 1e-6)
    assert (elsewhere[:, :2].std(0) > 0.1).all() == (side < 1)

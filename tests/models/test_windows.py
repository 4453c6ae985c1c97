import pytest
import torch
import torch.nn.functional as F

from rgbx.models.windows import averaged, box_mean


@pytest.mark.parametrize("width", [3, 5])
def test_a_box_mean_is_that_of_the_pixels_round_each(width: int) -> None:
    image = torch.rand(2, 3, 20, 13, generator=torch.Generator().manual_seed(0))
    margin = width // 2
    wanted = F.avg_pool2d(F.pad(image, (margin,) * 4, mode="replicate"), width, stride=1)
    torch.testing.assert_close(box_mean(image, width), wanted)


def test_images_are_smoothed_only_where_pixels_would_be_passed_over() -> None:
    image = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    assert averaged(image, 2.9) is image
    torch.testing.assert_close(averaged(image, 3.0), box_mean(image, 3))

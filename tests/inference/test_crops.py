"""What a network saw, cut out again without it."""

import numpy as np
import pytest
import torch

from rgbx.inference.crops import images_seen, sample
from rgbx.models.icam import ICam, sample_window
from rgbx.models.stream_config import ICamConfig
from rgbx.models.transforms import as_input
from tiny_networks import TinyBackbone


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("window", [(0.0, 0.0, 1.0), (0.25, 0.5, 0.5), (0.13, 0.61, 0.3), (0.9, 0.0, 0.1)])
def test_a_sample_is_the_networks(channels: int, window: tuple[float, float, float]) -> None:
    image = torch.rand(1, channels, 40, 56, generator=torch.Generator().manual_seed(0))
    expected = sample_window(image, torch.tensor([window]), 32)[0].permute(1, 2, 0).squeeze(-1).numpy()
    ours = sample(image[0].permute(1, 2, 0).squeeze(-1).numpy(), np.array(window, np.float32), 32)
    np.testing.assert_allclose(ours, expected, atol=2e-5)


@pytest.mark.parametrize("modality", ["rgb", "xray"])
@pytest.mark.parametrize(
    "settings",
    [
        {"crop_source": "input"},
        {"crop_source": "source"},
        {"crop_source": "input", "search": "peaks"},
        {"crop_source": "source", "search": "peaks", "window": "box", "crop_fraction": 0.3},
    ],
)
def test_images_seen_give_the_features_that_the_network_found(modality: str, settings: dict[str, object]) -> None:
    torch.manual_seed(0)
    config = ICamConfig.model_validate({"input_size": 32, **settings})
    network = ICam(TinyBackbone(), 3, config).eval()
    rng = np.random.default_rng(1)
    shape, kind = ((2, 64, 64, 3), np.uint8) if modality == "rgb" else ((2, 64, 64), np.uint16)
    prepared = rng.integers(0, np.iinfo(kind).max, shape).astype(kind)
    with torch.no_grad():
        output = network(torch.from_numpy(as_input(prepared)))
        for place, image in enumerate(prepared):
            seen = images_seen(image, output.windows[place].numpy(), config)
            for iteration, each in enumerate(seen):
                pixels = torch.from_numpy(each if each.ndim == 3 else each[..., None]).permute(2, 0, 1)[None].float()
                features = network.look(pixels, iteration).mean((2, 3))[0]
                torch.testing.assert_close(features, output.features[place, iteration], rtol=1e-3, atol=1e-4)

"""The class activation map (Eq. 1) against torchcam's."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from rgbx.models.backbones import create_backbone
from rgbx.models.icam import ICam
from rgbx.models.stream_config import BackboneConfig, ICamConfig
from tiny_networks import TinyBackbone

methods = pytest.importorskip("torchcam.methods")


class AsTorchcamSeesIt(nn.Module):
    """The first iteration written out as a network with hooks to hang on to."""

    def __init__(self, stream: ICam) -> None:
        super().__init__()
        self.stream = stream
        self.features = nn.Identity()

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.stream.classifier(self.features(self.stream.feature_maps(image, 0)).mean((2, 3)))


@pytest.mark.parametrize(("name", "size"), [("tiny", 32), pytest.param("inception_v3", 139, marks=pytest.mark.slow)])
def test_the_map_is_torchcams(name: str, size: int) -> None:
    torch.manual_seed(0)
    backbone = TinyBackbone() if name == "tiny" else create_backbone(BackboneConfig(name=name, weights="none"))
    stream = ICam(backbone, 5, ICamConfig(input_size=size, iterations=1)).eval()
    images = torch.rand(3, 3, size, size)
    output = stream(images)
    seen = AsTorchcamSeesIt(stream).eval()
    with methods.CAM(seen, target_layer="features", fc_layer="stream.classifier", input_shape=(3, size, size)) as cam:
        for image, ours in zip(images, output.cams[:, 0], strict=True):
            scores = seen(image[None])
            (theirs,) = cam(int(scores.argmax()), scores, normalized=False)
            torch.testing.assert_close(F.relu(ours), F.relu(theirs[0]), rtol=1e-4, atol=1e-5)

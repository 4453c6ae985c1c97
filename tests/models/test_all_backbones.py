"""What every convolutional network must do inside the loop: the paper's, the embedded ones, others."""

import pytest
import torch
import torch.nn.functional as F

from rgbx.models.backbones import EMBEDDED, create_backbone
from rgbx.models.icam import ICam
from rgbx.models.stream_config import BackboneConfig, ICamConfig

PAPER = ("inception_v3", "resnet101", "vgg19", "resnext101_64x4d", "legacy_seresnet101", "seresnet101")
OTHERS = (
    "convnext_atto",
    "cspresnet50",
    "densenet121",
    "dla46_c",
    "dpn48b",
    "efficientnet_b0",
    "ghostnet_050",
    "hrnet_w18_small",
    "mnasnet_050",
    "mobilenetv3_small_050",
    "nf_resnet26",
    "regnetx_002",
    "repvgg_a0",
    "res2net50_26w_4s",
    "resnetv2_50",
    "rexnet_100",
    "vgg11_bn",
    "xception41",
)
SIZE = 96
LABELS = torch.tensor([0, 3])

QUICK = ("tf_efficientnet_lite0", "mobilenetv3_small_050")


def network(name: str, frozen_stages: int = 0) -> ICam:
    torch.manual_seed(0)
    backbone = create_backbone(BackboneConfig(name=name, weights="none"))
    return ICam(backbone, 4, ICamConfig(input_size=SIZE, iterations=2), frozen_stages)


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in (*PAPER, *EMBEDDED, *OTHERS)],
)
def test_a_training_step(name: str) -> None:
    stages = 0 if name.startswith("hrnet") else 1  # its stages are no modules
    stream = network(name, stages).train()
    before = {key: value.clone() for key, value in stream.named_parameters()}
    optimizer = torch.optim.SGD([each for each in stream.parameters() if each.requires_grad], 0.1)
    output = stream(torch.rand(2, 1, SIZE, SIZE))
    assert all(each.isfinite().all() for each in (*output[:-1], *output.crops))
    F.cross_entropy(output.logits, LABELS).backward()
    for key, parameter in stream.named_parameters():
        assert parameter.requires_grad == (parameter.grad is not None), key
        assert parameter.grad is None or parameter.grad.isfinite().all(), key
    optimizer.step()
    frozen = [key for key, parameter in stream.named_parameters() if not parameter.requires_grad]
    assert bool(frozen) == bool(stages)
    assert all(torch.equal(before[key], dict(stream.named_parameters())[key]) for key in frozen)
    assert not torch.equal(before["classifier.weight"], stream.classifier.weight)

    stream.reset_classes(7)
    assert stream.eval()(torch.rand(1, 3, SIZE, SIZE)).logits.shape == (1, 7)

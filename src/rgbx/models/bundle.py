"""A bundle: a trained model with all it needs to predict, as ``bundle.json`` + ``weights.safetensors``."""

import hashlib
import platform
from pathlib import Path
from typing import Any, Literal, NamedTuple

import lightning
import safetensors
import safetensors.torch
import timm
import torch
from pydantic import Field

from rgbx import __version__
from rgbx.config import Config, build_config
from rgbx.errors import ConfigError, InputError
from rgbx.files import read_json, write_bytes, write_json
from rgbx.models.fusion import RgbXNetwork
from rgbx.models.stream import StreamConfig, build_stream
from rgbx.samples.record import Modality

HEADER = "bundle.json"
WEIGHTS = "weights.safetensors"
REMEDY = "train it again with 'rgbx train' or copy the whole folder anew"


class BundleHeader(Config):
    """``bundle.json``."""

    kind: Literal["rgbx bundle"] = "rgbx bundle"
    format: Literal[1] = 1
    classes: tuple[str, ...] = Field(min_length=2)
    streams: dict[Modality, StreamConfig] = Field(min_length=1)
    fused: bool
    weights_sha256: str
    training: dict[str, Any]
    """Configuration of each training stage."""
    sources: dict[str, str]
    """Digest of each set of images trained on."""
    metrics: dict[str, float]
    """What was measured while training, on held-out units."""
    versions: dict[str, str]


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


def save(
    folder: Path,
    network: RgbXNetwork,
    classes: tuple[str, ...],
    streams: dict[Modality, StreamConfig],
    *,
    training: dict[str, Any],
    sources: dict[str, str],
    metrics: dict[str, float],
) -> None:
    """Write a bundle into ``folder``: the weights first, then the header that makes them a bundle.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
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
    )
    write_bytes(folder / WEIGHTS, weights)
    write_json(folder / HEADER, header.model_dump(mode="json"))


def load(folder: Path) -> Bundle:
    """Read a bundle; the network is on the CPU and in evaluation mode.

    Raises:
        InputError: the folder is no bundle, or its files are damaged, changed or do not belong together.
    """
    header = read_header(folder)
    weights = folder / WEIGHTS
    if not weights.is_file():
        raise InputError(weights, "is missing", REMEDY)
    content = weights.read_bytes()
    if hashlib.sha256(content).hexdigest() != header.weights_sha256:
        raise InputError(weights, f"is damaged or belongs to another {HEADER}", REMEDY)
    streams = {
        modality: build_stream(config, len(header.classes), trained=True) for modality, config in header.streams.items()
    }
    network = RgbXNetwork(streams, fused=header.fused)
    try:
        tensors = safetensors.torch.load(content)
        missing, unexpected = network.load_state_dict(tensors, strict=False)
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise InputError(weights, f"does not fit the network that {HEADER} describes", REMEDY) from error
    if unexpected or set(missing) - _shared_names(network):
        raise InputError(weights, f"does not fit the network that {HEADER} describes", REMEDY)
    return Bundle(header, network.eval())


def read_header(folder: Path) -> BundleHeader:
    """Read ``bundle.json`` alone.

    Raises:
        InputError: the folder is missing or is no bundle of this version.
    """
    if not folder.is_dir():
        raise InputError(folder, "does not exist", "give the folder that 'rgbx train' wrote")
    path = folder / HEADER
    if not path.is_file():
        raise InputError(folder, f"holds no {HEADER}", "give the folder of a training run that has finished")
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != "rgbx bundle":
        raise InputError(path, "is no bundle of rgbx", "give the folder that 'rgbx train' wrote")
    if content.get("format") != 1:
        raise InputError(path, f"has format {content.get('format')}", "use the version of rgbx that wrote it")
    try:
        header = build_config(BundleHeader, content)
    except ConfigError as error:
        raise InputError(path, f"is damaged ({str(error).rstrip('.')})", REMEDY) from error
    if header.fused != (len(header.streams) == 2):
        raise InputError(path, "says it is fused but does not hold two streams, or the reverse", REMEDY)
    return header


def _unique_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers, each once: batch norms of one layer share their weights between iterations."""
    state = network.state_dict()
    return {name: state[name].contiguous() for name in state if name not in _shared_names(network)}


def _shared_names(network: torch.nn.Module) -> set[str]:
    first = {name for name, _ in network.named_parameters()}
    return {name for name, _ in network.named_parameters(remove_duplicate=False)} - first

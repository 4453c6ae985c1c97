"""What a bundle says of itself, ``bundle.json``. Reading it needs no torch."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.errors import InputError, MissingPluginError, needs_plugin
from rgbx.files import read_json
from rgbx.modality import Modality
from rgbx.models.earlier import from_format_1, from_format_2
from rgbx.models.seal import sealed
from rgbx.models.stream_config import StreamConfig

BUNDLE_FILE = "bundle.json"
WEIGHTS = "weights.safetensors"
BUNDLE_REMEDY = "train it again with 'rgbx train' or copy the whole folder anew"


class ClassChange(Config):
    """A class that was added to a trained bundle, removed from it, or renamed."""

    what: Literal["added", "removed", "renamed"]
    name: str
    """Of the class; as it was called before where it was renamed."""
    to: str | None = None
    """As a renamed class is called since."""
    start: str
    """SHA-256 of the weights of the bundle before."""
    notes: tuple[str, ...] = ()
    """What was measured and what could not be, a sentence each."""
    proposes_full: bool = False
    """Whether the class was not told well enough from the others, so that a full training is proposed."""


class BundleHeader(Config):
    """``bundle.json``."""

    kind: Literal["rgbx bundle"] = "rgbx bundle"
    format: Literal[3] = 3
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
    changes: tuple[ClassChange, ...] = ()
    """Of classes since it was trained, the latest last."""


def read_bundle_header(folder: Path) -> BundleHeader:
    """Read ``bundle.json`` alone.

    Raises:
        InputError: the folder is missing or is no bundle of this version, or the file was changed.
    """
    if not folder.is_dir():
        raise InputError(folder, "does not exist", "give the folder that 'rgbx train' wrote")
    path = folder / BUNDLE_FILE
    if not path.is_file():
        raise InputError(folder, f"holds no {BUNDLE_FILE}", "give the folder of a training run that has finished")
    content = read_json(path)
    if not isinstance(content, dict) or content.get("kind") != "rgbx bundle":
        raise InputError(path, "is no bundle of rgbx", "give the folder that 'rgbx train' wrote")
    if content.get("format") == 1:
        content = from_format_1(content, path)
    if content.get("format") == 2:
        content = from_format_2(content)
    try:
        header = build_record(BundleHeader, content, path, BUNDLE_REMEDY)
    except MissingPluginError as error:
        raise needs_plugin(path, error) from error
    sealed(folder, BUNDLE_FILE, BUNDLE_REMEDY)
    if header.fused != (len(header.streams) == 2):
        raise InputError(path, "says it is fused but does not hold two streams, or the reverse", BUNDLE_REMEDY)
    return header


def check_weights(folder: Path) -> BundleHeader:
    """Read ``bundle.json`` and see that the weights beside it are those that were saved with it.

    Raises:
        InputError: as :func:`read_bundle_header`; the weights are missing, damaged or of another bundle.
    """
    header = read_bundle_header(folder)
    sealed(folder, WEIGHTS, BUNDLE_REMEDY)
    return header

"""What is written beside the images: one record a sample and one header a set."""

from typing import Any

from rgbx import __version__
from rgbx.config import Config
from rgbx.modality import Modality


class SampleRecord(Config):
    """One line of ``metadata.jsonl`` (Hugging Face ``imagefolder`` form)."""

    file_name: str
    """Path of the image within the set, with forward slashes."""
    label: str
    """Device class."""
    unit: str
    """The physical unit (or scan) it shows; splits are made by unit."""
    seed: int
    attempt: int = 0
    """How many tries a filter had rejected before this one."""
    rejected: tuple[str, ...] = ()
    """What those tries were, in a word for each (radiographs: the transfer function), for statistics of the filter."""
    draw: dict[str, Any]
    """Every value drawn for the sample; enough to render the same bytes again."""


class SetHeader(Config):
    """``dataset.json``: what a set of samples is and how it was made."""

    modality: Modality
    origin: str
    """How the images came about, in words for a reader, e.g. ``"synthetic: X-ray domain randomisation"``."""
    seed: int
    classes: tuple[str, ...]
    config: dict[str, Any]
    """The full configuration of the step that made it."""
    source: str
    """Digest of what it was rendered from (scans, meshes, part lists)."""
    version: str = __version__
    """Of the rgbx that made it."""

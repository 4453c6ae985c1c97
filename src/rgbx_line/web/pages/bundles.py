"""What the pages say of a stored model: what stands in its bundle."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rgbx.errors import RgbxError
from rgbx.files import read_json
from rgbx.models.header import read_bundle_header
from rgbx.trust.calibration import CALIBRATION
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder


@dataclass(frozen=True)
class StoredFacts:
    """A model in the store, in words."""

    number: int
    name: str
    weights_sha256: str
    classes: tuple[str, ...]
    streams: tuple[str, ...]
    calibration: str
    """What its calibration promises; that there is none."""


def model_facts(folder: LineFolder, number: int) -> StoredFacts | None:
    """Return what a model is; None where the store has none of this number, or its bundle cannot be read."""
    try:
        store = ModelStore(folder.models)
        model = store.models().get(number)
        return None if model is None else _facts(store.bundle(number), number, model.name)
    except RgbxError:
        return None


@lru_cache(maxsize=64)  # sealed bundles stay what they are
def _facts(bundle: Path, number: int, name: str) -> StoredFacts:
    header = read_bundle_header(bundle)
    path = bundle / CALIBRATION
    calibration = _in_words(read_json(path)) if path.exists() else "not calibrated: every part is put aside"
    return StoredFacts(number, name, header.weights_sha256, header.classes, tuple(header.streams), calibration)


def _in_words(calibration: dict[str, Any]) -> str:
    config = calibration.get("config", {})
    if not {"false_sorts", "confidence", "miss"} <= config.keys():
        return "calibrated"
    provisional = ", provisional since classes were changed" if calibration.get("provisional") else ""
    return (
        f"at most {100 * config['false_sorts']:g} % false sorts with {100 * config['confidence']:g} % confidence; "
        f"the true class is among the candidates in {100 * (1 - config['miss']):g} % of cases{provisional}"
    )

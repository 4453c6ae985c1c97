"""A log of results of which the truth is known, for the review."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from rgbx.trust.sorting import Sorting
from rgbx_line.contract import REASONS, PartResult, ReasonCode
from rgbx_line.review.models import ModelFacts, ModelKnowledge

CLASSES = ("SP1", "SP2", "SP10")
KNOWLEDGE = ModelKnowledge({1: ModelFacts(CLASSES, Sorting.of(CLASSES, None, None))})


def model_answer(
    probabilities: Mapping[str, float],
    streams: Mapping[str, str] | None = None,
    reason: str | None = None,
    images: Mapping[str, Path] | None = None,
    unknown: float = 0.5,
) -> dict[str, Any]:
    """Return what a model says of a device, as results hold it."""
    label = max(probabilities, key=lambda name: probabilities[name])
    decision = {
        "bin": None if reason else label,
        "reason": reason,
        "candidates": [name for name, share in probabilities.items() if share > 0.2],
        "unknown_score": unknown,
    }
    content = {
        "label": label,
        "probability": probabilities[label],
        "probabilities": dict(probabilities),
        "decision": decision,
        "streams": dict(streams or {"rgb": label, "xray": label}),
        "images": {modality: str(path) for modality, path in (images or {}).items()},
        "warnings": [],
        "errors": [],
        "model": "0" * 64,
    }
    return {"ResultContent": [content]}


def result_content(seq: int, answer: dict[str, Any] | None, part: str | None = None, model: int = 1) -> dict[str, Any]:
    """Return the content of the entry with a part's answer; without one it was late."""
    said = answer["ResultContent"][0] if answer else {}
    decision = said.get("decision") or {"bin": None, "reason": "late"}
    reason = decision["reason"]
    return PartResult(
        seq=seq,
        part_id=part or f"P{seq}",
        bin=decision["bin"],
        bin_code=1 if decision["bin"] else 0,
        reason=reason,
        reason_code=REASONS[reason] if reason else ReasonCode.NONE,
        model_number=model,
        images=said.get("images", {}),
        result=answer,
    ).model_dump(mode="json")


def opinion(number: int, label: str | None, who: str = "olga", part: str | None = None) -> tuple[str, dict[str, Any]]:
    """Return an entry with what a reviewer says of a result."""
    content = {"number": number, "part_id": part or f"P{number}", "label": label, "who": who, "why": "random"}
    return "review", content


def drawn_images(folder: Path, name: str, label: int) -> dict[str, Path]:
    """Draw a photograph and a radiograph of a device."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng([label, *name.encode()])
    photo = rng.integers(0, 60, (60, 80, 3), np.uint8)
    photo[15:45, 10 + 15 * label : 30 + 15 * label] = (200, 120, 40)
    radiograph = rng.integers(50_000, 60_000, (60, 80)).astype(np.uint16)
    radiograph[15:45, 10 + 15 * label : 30 + 15 * label] = 9_000
    paths = {"rgb": folder / f"{name}_rgb.png", "xray": folder / f"{name}_xray.png"}
    Image.fromarray(photo).save(paths["rgb"])
    Image.fromarray(radiograph).save(paths["xray"])
    return paths


def at(day: int) -> datetime:
    return datetime(2026, 3, day, 12, tzinfo=UTC)

"""Results with images as a line's log has them: drawn devices, heat maps, probabilities of both streams."""

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile

from rgbx_line.contract import PartResult, ReasonCode

CLASSES = tuple(f"SP{number}" for number in range(1, 11))
REASONS = {7: "unknown", 11: "low confidence", 13: "modalities disagree", 17: "late"}
"""Every so many parts are put aside for this."""


def shown_result(folder: Path, seq: int, part_id: str | None = None, images: bool = True, **changes: Any) -> PartResult:
    """Return a result with a drawn photograph and radiograph, which are written into ``folder``."""
    rng = np.random.default_rng(seq)
    label = CLASSES[int(rng.integers(len(CLASSES)))]
    reason = next((words for every, words in REASONS.items() if seq % every == 0), None)
    paths = write_images(folder, f"{seq:06d}", rng) if images else {}
    now = datetime.now(UTC)
    result = PartResult(
        seq=seq,
        part_id=part_id or f"A{seq}",
        bin=None if reason else label,
        bin_code=0 if reason else CLASSES.index(label) + 1,
        reason=reason,
        reason_code=_CODES[reason] if reason else ReasonCode.NONE,
        model_number=1,
        triggered=now - timedelta(seconds=1),
        images={} if reason == "late" else paths,
        first_image=now - timedelta(seconds=0.5),
        last_image=now - timedelta(seconds=0.2),
        latency_ms=None if reason == "late" else float(rng.gamma(9, 18)),
        result=None if reason == "late" else {"ResultContent": [said(label, reason, paths, rng)]},
    )
    return result.model_copy(update=changes)


def write_images(folder: Path, name: str, rng: np.random.Generator) -> dict[str, str]:
    """Write a photograph and a 16-bit radiograph of a device; return their paths by modality."""
    folder.mkdir(parents=True, exist_ok=True)
    height, width = 420, 560
    middle = (width / 2 + float(rng.normal(0, 30)), height / 2 + float(rng.normal(0, 20)))
    body = cv2.boxPoints((middle, (150, 300), float(rng.uniform(60, 120)))).astype(np.int32)
    photograph = np.full((height, width, 3), (96, 104, 110), np.uint8)
    cv2.fillConvexPoly(photograph, body, tuple(int(each) for each in rng.integers(30, 220, 3)))
    cv2.polylines(photograph, [body], True, (240, 240, 240), 3, cv2.LINE_AA)
    photograph = cv2.add(photograph, rng.integers(0, 14, photograph.shape).astype(np.uint8))
    thickness = np.zeros((height, width), np.float32)
    cv2.fillConvexPoly(thickness, body, 0.9)
    for _ in range(14):
        corner = body[0] + (body[2] - body[0]) * rng.uniform(0.15, 0.75) + (body[1] - body[0]) * rng.uniform(0.1, 0.6)
        cv2.rectangle(
            thickness, corner.astype(int).tolist(), (corner + rng.uniform(15, 60, 2)).astype(int).tolist(), 2.2, -1
        )
    radiograph = 52000 * np.exp(-cv2.GaussianBlur(thickness, (0, 0), 1.5)) + rng.normal(0, 250, (height, width))
    paths = {"rgb": folder / f"{name}_rgb.png", "xray": folder / f"{name}_xray.tif"}
    cv2.imwrite(str(paths["rgb"]), photograph)
    tifffile.imwrite(paths["xray"], radiograph.clip(0, 65535).astype(np.uint16))
    return {modality: str(path) for modality, path in paths.items()}


def said(label: str, reason: str | None, images: dict[str, str], rng: np.random.Generator) -> dict[str, Any]:
    """Return what a model says of a device, as a result has it."""
    other = CLASSES[(CLASSES.index(label) + 3) % len(CLASSES)]
    sure = 0.52 if reason else 0.94

    def shares(first: str, second: str, most: float) -> dict[str, float]:
        left = (1 - most) / 4 / (len(CLASSES) - 2)
        return {each: most if each == first else 0.75 * (1 - most) if each == second else left for each in CLASSES}

    disagree = reason == "modalities disagree"
    return {
        "label": label,
        "probability": sure,
        "probabilities": shares(label, other, sure),
        "decision": {
            "bin": None if reason else label,
            "reason": reason,
            "candidates": [label, other] if reason else [label],
            "unknown_score": 0.999 if reason == "unknown" else 0.31,
        },
        "streams": {"rgb": other if disagree else label, "xray": label},
        "alone": {
            "rgb": shares(other, label, 0.6) if disagree else shares(label, other, 0.8),
            "xray": shares(label, other, 0.9),
        },
        "images": images,
        "warnings": [],
        "errors": [],
        "model": "5f0c" * 16,
        "looked": {
            "rgb": looked(rng, (200, 110), (320, 160)),
            "xray": looked(rng, (200, 110), (320, 160)),
        },
    }


def looked(rng: np.random.Generator, at: tuple[int, int], shape: tuple[int, int]) -> dict[str, Any]:
    """Return where a stream looked: three times, closer each time, in an upright view that lies across the image."""
    rows, columns = 10, 5
    down, across = np.mgrid[:rows, :columns]
    peak = rng.uniform(2, 8), rng.uniform(1, 4)
    bump = np.exp(-((down - peak[0]) ** 2 + (across - peak[1]) ** 2) / 5)
    grid = np.clip(255 * bump + rng.uniform(0, 25, bump.shape), 0, 255).astype(np.uint8)
    windows = [(0.0, 0.0, 1.0, 1.0)]
    for side in (0.5, 0.3):
        left = min(max((peak[1] + 0.5) / columns - side / 2, 0), 1 - side)
        top = min(max((peak[0] + 0.5) / rows - side / 2, 0), 1 - side)
        windows.append((left, top, left + side, top + side))
    values = base64.b64encode(grid.tobytes()).decode()
    # The view's long side lies from left to right in the image.
    place = [0.0, 1.0, at[0] - 80.0, -1.0, 0.0, at[1] + shape[1] + 20.0]
    iterations = [{"window": list(window), "rows": rows, "values": values} for window in windows]
    return {"place": place, "shape": list(shape), "iterations": iterations}


_CODES = {
    "unknown": ReasonCode.UNKNOWN,
    "low confidence": ReasonCode.LOW_CONFIDENCE,
    "modalities disagree": ReasonCode.MODALITIES_DISAGREE,
    "late": ReasonCode.LATE,
}

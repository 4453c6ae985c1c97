"""A line of the log about a part, for a person to read."""

from pathlib import Path
from typing import Any

from rgbx_line.archive import found_image
from rgbx_line.contract import LATE_ANSWER, LEFT_OUT, RESULT, SHADOW_ANSWER, TRIGGER, PartResult, images_in, said_in
from rgbx_line.log.entry import Entry
from rgbx_line.settings import LineFolder

_TITLES = {
    RESULT: "answered",
    TRIGGER: "triggered",
    LATE_ANSWER: "what the model said too late",
    LEFT_OUT: "images that came when the part had its own",
    SHADOW_ANSWER: "what the candidate says",
}


def described(folder: LineFolder, entry: Entry) -> str:
    """Return what an entry says, a fact a line."""
    facts = [f"{entry.time.isoformat(timespec='milliseconds')}  {_TITLES.get(entry.kind, entry.kind)}, {_where(entry)}"]
    facts += _answer(PartResult.model_validate(entry.content)) if entry.kind == RESULT else _model(entry.content)
    if said := said_in(entry.content):
        facts += _found_out(said)
    for modality, image in images_in(entry.content).items():
        facts.append(f"{modality}: {_place(folder, entry, Path(image))}")
    return "\n  ".join(facts)


def _where(entry: Entry) -> str:
    return f"line {entry.number} of the log, PartSeq {entry.content['seq']}"


def _answer(result: PartResult) -> list[str]:
    gone = f"bin {result.bin} ({result.bin_code})" if result.bin else f"aside: {result.reason} ({result.reason_code:d})"
    latency = "" if result.latency_ms is None else f", {result.latency_ms:.0f} ms after the last image"
    return [f"{gone}{latency}", f"model: number {result.model_number}"]


def _model(content: dict[str, Any]) -> list[str]:
    return [f"model: number {content['model_number']}"] if "model_number" in content else []


def _found_out(said: dict[str, Any]) -> list[str]:
    facts = [f"weights: {said['model']}"]
    if said["label"] is not None:
        facts.append(f"class: {said['label']}, probability {said['probability']:.3f}")
    facts += [f"{modality} alone: {label}" for modality, label in said["streams"].items()]
    decision = said["decision"]
    if decision is not None:
        facts.append(f"may be: {', '.join(decision['candidates']) or 'none of the known classes'}")
        if decision["unknown_score"] is not None:
            facts.append(f"stranger than {decision['unknown_score']:.3f} of known devices")
    return [*facts, *said["warnings"], *said["errors"]]


def _place(folder: LineFolder, entry: Entry, image: Path) -> str:
    return str(found_image(folder, entry, image) or f"{image} (deleted)")

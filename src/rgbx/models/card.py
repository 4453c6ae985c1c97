"""The model card of a bundle: what it is, what it was made from, how good it was found to be."""

from collections.abc import Sequence
from pathlib import Path

from rgbx.files import write_text
from rgbx.models.header import BundleHeader
from rgbx.models.seal import seal
from rgbx.models.stream_config import StreamConfig

CARD = "MODEL_CARD.md"


def write_card(folder: Path, header: BundleHeader, trust: Sequence[str] = ()) -> None:
    """Write ``MODEL_CARD.md`` into a bundle that has been saved.

    Args:
        folder: of the bundle.
        header: what it says of itself.
        trust: sentences on how far to trust it; none before it was calibrated.
    """
    write_text(folder / CARD, model_card(header, trust))
    seal(folder, (CARD,))


def model_card(header: BundleHeader, trust: Sequence[str] = ()) -> str:
    """Return the card as Markdown."""
    lines = [
        "# Model card",
        "",
        f"Tells {len(header.classes)} device classes apart ({', '.join(header.classes)}) from "
        f"{' and '.join(_NAMES[modality] for modality in header.streams)}. A device of any other class is given one of "
        "these names, unless the bundle was calibrated and notices.",
        "",
        "| stream | backbone | input | iterations | crops from | statistics |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {modality} | {stream.backbone.name} | {_shape(stream)} | {stream.icam.iterations} "
            f"| {stream.icam.crop_source} | {stream.icam.batch_norm} |"
            for modality, stream in header.streams.items()
        ),
        "",
        "## Result from",
        "",
        *(f"- {name}: set {digest}" for name, digest in header.sources.items()),
        f"- weights: SHA-256 {header.weights_sha256}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in header.versions.items())}",
        "",
        "## Measured while training",
        "",
        "On training images, and on held-out units where it says validation; neither is a test.",
        "",
        *(f"- {name.replace('_', ' ')}: {value:.4g}" for name, value in header.metrics.items()),
        *(_changes(header) if header.changes else ()),
        "",
        "## How far to trust it",
        "",
        *(
            [f"- {sentence}" for sentence in trust]
            or ["Not calibrated: its probabilities are not to be taken at their word."]
        ),
    ]
    return "\n".join(lines) + "\n"


def _changes(header: BundleHeader) -> list[str]:
    """Say which classes came, went or were renamed since the bundle was trained."""
    lines = ["", "## Classes changed since it was trained", ""]
    for change in header.changes:
        what = f"renamed to {change.to}" if change.what == "renamed" else change.what
        lines.append(f"- **{change.name} {what}**, from the bundle of weights {change.start[:16]}.")
        lines += [f"    - {note}" for note in change.notes]
        if change.proposes_full:
            lines.append("    - **Train it in full before it is used**: `rgbx classes add --full`.")
    return lines


def _shape(stream: StreamConfig) -> str:
    height, width = stream.input_shape
    return f"{height} × {width}"


_NAMES = {"rgb": "a photograph", "xray": "a radiograph"}

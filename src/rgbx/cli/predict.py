"""`rgbx predict`."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgbx.cli.line import (
    Csv,
    EarlyExitOption,
    Flat,
    PrecisionOption,
    RuntimeOption,
    Settings,
    load_predictor,
    predict_folder,
)

if TYPE_CHECKING:
    from rgbx.inference import Prediction
    from rgbx.trust.decision import Decision


def predict(
    bundle: Annotated[Path, typer.Argument(help="A trained model: the --out folder of 'rgbx train'.")],
    rgb: Annotated[Path | None, typer.Option(help="Photograph: PNG or JPEG.")] = None,
    xray: Annotated[Path | None, typer.Option(help="Radiograph: 8- or 16-bit PNG, 16-bit TIFF, DICOM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    early_exit: EarlyExitOption = None,
    crops: Annotated[
        Path | None, typer.Option(help="Folder to write what each iteration of each stream looked at to, as PNG.")
    ] = None,
    flat: Flat = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Classify all devices in a folder: images that end in _rgb or _xray, or rgb/ and xray/."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Results of --folder, a line each.")] = None,
    csv: Csv = False,
    settings: Settings = None,
) -> None:
    """Classify one device from its photograph, its radiograph, or both; or all devices in a folder.

    Example: `rgbx predict model --rgb phone.png --xray phone.tiff --crops crops` or
    `rgbx predict model --folder today --out today.jsonl`
    """
    from rgbx.errors import RgbxError

    load = partial(load_predictor, bundle, runtime, precision, early_exit, flat)
    if folder is not None:
        if out is None or rgb is not None or xray is not None:
            raise RgbxError("--folder wants --out FILE.jsonl for its results, and neither --rgb nor --xray.")
        predict_folder(bundle, load, folder, out, settings or [], csv)
        return
    if rgb is None and xray is None:
        raise RgbxError("there is no image to classify: give --rgb FILE, --xray FILE or both.")
    prediction = load(rgb is not None and xray is not None).predict(rgb, xray, explain=crops is not None)
    for warning in prediction.warnings:
        typer.echo(warning, err=True)
    if crops is not None:
        _write_crops(prediction, crops)
    if as_json:
        typer.echo(json.dumps(_as_json(prediction)))
    else:
        _print_table(prediction)


def _write_crops(prediction: "Prediction", folder: Path) -> None:
    from rgbx.samples import write_image

    for modality, encoded in prediction.streams.items():
        for number, view in enumerate(encoded.views, start=1):
            write_image(folder / f"{modality}-{number}.png", view.crop)


def _as_json(prediction: "Prediction") -> dict:
    classes = list(prediction.probabilities)
    return {
        "label": prediction.label,
        "probability": prediction.probabilities[prediction.label],
        "probabilities": prediction.probabilities,
        "streams": {
            modality: classes[int(encoded.logits.argmax())] for modality, encoded in prediction.streams.items()
        },
        "decision": None if prediction.decision is None else asdict(prediction.decision),
        "warnings": list(prediction.warnings),
    }


def _print_table(prediction: "Prediction") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold green]{escape(prediction.label)}[/] with probability "
        f"{prediction.probabilities[prediction.label]:.3f}, from {' and '.join(prediction.streams)}"
    )
    if prediction.decision is not None:
        console.print(_decision_line(prediction.decision))
    table = Table("class", "probability", "")
    for name, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        table.add_row(escape(name), f"{probability:.3f}", "█" * round(20 * probability))
    console.print(table)


def _decision_line(decision: "Decision") -> str:
    from rich.markup import escape

    among = f"candidates: {', '.join(decision.candidates) or 'none'}"
    if decision.bin is None:
        return f"[bold yellow]put aside[/]: {decision.reason}; {escape(among)}"
    return f"[bold]to {escape(decision.bin)}[/]; {escape(among)}"

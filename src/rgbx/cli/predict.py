"""`rgbx predict`."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgbx.cli.options import (
    BundleArgument,
    ConfigOption,
    CsvOption,
    EarlyExitOption,
    FlatOption,
    PrecisionOption,
    RuntimeOption,
    SetOption,
)
from rgbx.cli.settings import choose_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rgbx.inference import Prediction, Predictor
    from rgbx.inference.arrivals import Pairing
    from rgbx.inference.runtimes import Mode
    from rgbx.trust.decision import Decision


def predict_command(
    bundle: BundleArgument,
    rgb: Annotated[Path | None, typer.Option(help="Photograph: PNG or JPEG.")] = None,
    xray: Annotated[Path | None, typer.Option(help="Radiograph: 8- or 16-bit PNG, 16-bit TIFF, DICOM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    early_exit: EarlyExitOption = None,
    crops: Annotated[
        Path | None, typer.Option(help="Folder to write what each iteration of each stream looked at to, as PNG.")
    ] = None,
    flat: FlatOption = None,
    folder: Annotated[
        Path | None,
        typer.Option(help="Classify all devices in a folder: images that end in _rgb or _xray, or rgb/ and xray/."),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE.jsonl", help="Results of --folder, a line each.")] = None,
    csv: CsvOption = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Classify one device, or a folder of them.

    From a photograph, a radiograph or both. Settings are those of pairing the images of a folder, e.g.
    `--set rgb_suffix=_top`.

    Examples:

    - `rgbx predict model --rgb phone.png --xray phone.tiff --crops crops`
    - `rgbx predict model --folder today --out today.jsonl`
    """
    from rgbx.datasets.flat_field import FlatField
    from rgbx.errors import RgbxError
    from rgbx.inference import Predictor
    from rgbx.inference.arrivals import Pairing

    pairing = choose_settings(Pairing, config, settings=settings)
    load = partial(
        Predictor.load,
        bundle,
        runtime,
        precision,
        early_exit=early_exit,
        flat_field=FlatField.read(flat) if flat else None,
    )
    if folder is not None:
        if out is None or rgb is not None or xray is not None:
            raise RgbxError("--folder wants --out FILE.jsonl for its results, and neither --rgb nor --xray.")
        _predict_folder(bundle, load, folder, out, pairing, csv)
        return
    if config is not None or settings:
        raise RgbxError("--config and --set say how images of a folder are paired: give them with --folder.")
    if rgb is None and xray is None:
        raise RgbxError("there is no image to classify: give --rgb FILE, --xray FILE or both.")
    mode: Mode = "latency" if rgb is None or xray is None else "pairs"
    prediction = load(mode=mode).predict(rgb, xray, explain=crops is not None)
    for warning in prediction.warnings:
        typer.echo(warning, err=True)
    if crops is not None:
        _write_crops(prediction, crops)
    if as_json:
        typer.echo(json.dumps(_as_json(prediction)))
    else:
        _print_table(prediction)


def _predict_folder(
    bundle: Path, load: "Callable[..., Predictor]", folder: Path, out: Path, pairing: "Pairing", csv: bool
) -> None:
    """Classify the devices of a folder that have no result in ``out`` yet."""
    from rgbx.datasets.polarity import says_inverted, warn_of_inverted
    from rgbx.inference.arrivals import arrivals_in
    from rgbx.inference.results import ResultLog, answer_all
    from rgbx.models.header import read_bundle_header
    from rgbx.progress import track

    devices = arrivals_in(folder, tuple(read_bundle_header(bundle).streams), pairing)
    log = ResultLog(out, csv)
    new = [device for device in devices if not log.holds(device)]
    predictor = load(mode="pairs" if any(len(device.images) == 2 for device in new) else "latency")
    answers = track(answer_all(predictor, new, log), "predicting devices", total=len(new))
    results = [result for _, result in answers]
    answered = [result for result in results if result is not None]
    failed = sum(bool(result.content.errors) for result in answered)
    inverted = sum(says_inverted(result.content.warnings) for result in answered)
    warn_of_inverted(inverted, sum("xray" in result.content.images for result in answered), folder)
    if len(answered) < len(new):
        typer.echo(f"{len(new) - len(answered)} devices changed while they were read: run it again for them.", err=True)
    typer.echo(
        f"{len(answered)} devices answered, {failed} of them with a bad image, {len(devices) - len(new)} before: {out}"
    )


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

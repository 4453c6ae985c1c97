"""`rgbx predict`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rgbx.inference import Prediction


def predict(
    bundle: Annotated[Path, typer.Argument(help="A trained model: the --out folder of 'rgbx train'.")],
    rgb: Annotated[Path | None, typer.Option(help="Photograph: PNG or JPEG.")] = None,
    xray: Annotated[Path | None, typer.Option(help="Radiograph: 8- or 16-bit PNG, 16-bit TIFF, DICOM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    runtime: Annotated[
        Literal["torch", "onnx", "openvino"] | None,
        typer.Option(help="What computes; the fastest that the bundle was exported for by default."),
    ] = None,
    precision: Annotated[
        Literal["f32", "bf16", "int8"],
        typer.Option(help="What OpenVINO computes in; less than f32 is faster where the processor has it."),
    ] = "f32",
    early_exit: Annotated[
        float | None,
        typer.Option(min=0.0, max=1.0, help="Look no closer once a class has this probability, e.g. 0.99."),
    ] = None,
    crops: Annotated[
        Path | None, typer.Option(help="Folder to write what each iteration of each stream looked at to, as PNG.")
    ] = None,
) -> None:
    """Classify one device from its photograph, its radiograph, or both.

    Example: rgbx predict model --rgb phone.png --xray phone.tiff --crops crops
    """
    from rgbx.errors import RgbxError
    from rgbx.inference import Predictor

    if rgb is None and xray is None:
        raise RgbxError("there is no image to classify: give --rgb FILE, --xray FILE or both.")
    predictor = Predictor.load(bundle, runtime, precision, early_exit=early_exit)
    prediction = predictor.predict(rgb, xray, explain=crops is not None)
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
    table = Table("class", "probability", "")
    for name, probability in sorted(prediction.probabilities.items(), key=lambda item: -item[1]):
        table.add_row(escape(name), f"{probability:.3f}", "█" * round(20 * probability))
    console.print(table)

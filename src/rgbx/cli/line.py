"""`rgbx watch` and `rgbx flatfield`, and `rgbx predict` for a whole folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rgbx.inference import Predictor
    from rgbx.inference.results import Result
    from rgbx.inference.runtimes import Mode

LOOK_EVERY = 0.05
"""Seconds between two looks into a hot folder that is empty."""
Runtime = Literal["torch", "onnx", "openvino"]
Precision = Literal["f32", "bf16", "int8"]
RuntimeOption = Annotated[
    Runtime | None, typer.Option(help="What computes; the fastest that the bundle was exported for by default.")
]
PrecisionOption = Annotated[
    Precision | None,
    typer.Option(
        help="What OpenVINO computes in: bf16 where the processor can, int8 after 'export --int8'; f32 by default, or "
        "what the bundle was calibrated with."
    ),
]
EarlyExitOption = Annotated[
    float | None, typer.Option(min=0.0, max=1.0, help="Look no closer once a class has this probability, e.g. 0.99.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Setting of the pairing, e.g. rgb_suffix=_top; may be repeated."),
]
Flat = Annotated[Path | None, typer.Option(help="Flat and dark field of the detector: the --out of 'rgbx flatfield'.")]
Csv = Annotated[bool, typer.Option("--csv", help="Also keep the results as CSV, beside the JSONL file.")]


def watch(
    bundle: Annotated[Path, typer.Argument(help="A trained model: the --out folder of 'rgbx train'.")],
    out: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="Results, a line each; what is there is kept.")],
    rgb: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that photographs arrive in.")] = None,
    xray: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that radiographs arrive in.")] = None,
    pair: Annotated[Literal["name", "time"], typer.Option(help="How two images of one device are told.")] = "name",
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the second image.")] = 10,
    deadline: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="After which the device has passed the sorting gate.")
    ] = None,
    settings: Settings = None,
    flat: Flat = None,
    csv: Csv = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    early_exit: EarlyExitOption = None,
) -> None:
    """Classify each device as its images arrive in folders, until stopped (Ctrl-C).

    A file is read once its size and time have stayed the same for a moment, and once only. An image that cannot be
    used is answered as such. Started again, it goes on with what has no result yet.

    Example: `rgbx watch model --rgb camera --xray detector --out line.jsonl --deadline 5`
    """
    import time

    from rgbx.config import load_config
    from rgbx.errors import RgbxError
    from rgbx.inference.arrivals import HotFolders, Pairing
    from rgbx.inference.results import ResultLog, answer_all
    from rgbx.modality import given_modalities

    folders = given_modalities(rgb, xray)
    if not folders:
        raise RgbxError("there is no folder to watch: give --rgb DIR, --xray DIR or both.")
    pairing = load_config(Pairing, overrides=[f"by={pair}", f"wait={wait}", *(settings or [])])
    predictor = load_predictor(bundle, runtime, precision, early_exit, flat, pairs=len(folders) == 2)
    for modality in folders:
        if modality not in predictor.modalities:
            raise RgbxError(
                f"the bundle has no stream for --{modality}: leave it out, or give a bundle trained on both."
            )
    log = ResultLog(out, csv)
    hot = HotFolders(folders, pairing, log.done, lambda text: typer.echo(text, err=True))
    typer.echo(f"watching {' and '.join(map(str, folders.values()))}: stop with Ctrl-C.", err=True)
    while True:
        devices = hot.look(time.time())
        for result in answer_all(predictor, devices, log, deadline):
            _show(result)
        if not devices:
            time.sleep(LOOK_EVERY)


def predict_folder(
    bundle: Path, load: "Callable[[bool], Predictor]", folder: Path, out: Path, settings: list[str], csv: bool
) -> None:
    """Classify the devices of a folder that have no result in ``out`` yet.

    ``load`` returns the bundle's predictor, given whether any of them has two images.
    """
    from rgbx.config import load_config
    from rgbx.inference.arrivals import Pairing, arrivals_in
    from rgbx.inference.results import ResultLog, answer_all
    from rgbx.models.header import read_bundle_header
    from rgbx.progress import track

    devices = arrivals_in(folder, tuple(read_bundle_header(bundle).streams), load_config(Pairing, overrides=settings))
    log = ResultLog(out, csv)
    new = [device for device in devices if not log.holds(device)]
    predictor = load(any(len(device.images) == 2 for device in new))
    answers = track(answer_all(predictor, new, log), "predicting devices", total=len(new))
    failed = sum(bool(result.content.errors) for result in answers)
    typer.echo(
        f"{len(new)} devices answered, {failed} of them with a bad image, {len(devices) - len(new)} before: {out}"
    )


def flatfield(
    flat: Annotated[list[Path], typer.Option(help="Frame of the open beam, or a folder of them; may be repeated.")],
    dark: Annotated[list[Path], typer.Option(help="Frame with the tube off, or a folder of them; may be repeated.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the two fields and their record.")],
    max_age: Annotated[float, typer.Option(metavar="HOURS", help="How long they may be used.")] = 24.0,
) -> None:
    """Average frames into the flat and the dark field that radiographs are corrected with: (I − D) / (F − D).

    Take a dozen frames or more of each: their noise is added to that of every radiograph.

    Example: `rgbx flatfield --flat open-beam --dark tube-off --out fields`, then `rgbx predict model --flat fields …`
    """
    from rgbx.datasets.flat_field import FlatFieldConfig, make_flat_field

    config = FlatFieldConfig.model_validate({"max_age_hours": max_age})
    record = make_flat_field(_frames(flat), _frames(dark), out, config).record
    typer.echo(
        f"{len(record.flats)} flat and {len(record.darks)} dark frames of {record.width} × {record.height} pixels, "
        f"for {max_age:g} h from {record.time.astimezone():%Y-%m-%d %H:%M}: {out}"
    )


def _frames(paths: list[Path]) -> list[Path]:
    from rgbx.datasets.images import is_image
    from rgbx.errors import InputError

    frames: list[Path] = []
    for path in paths:
        inside = sorted(entry for entry in path.iterdir() if is_image(entry)) if path.is_dir() else [path]
        if not inside:
            raise InputError(path, "holds no images", "give the folder that the frames are in")
        frames += inside
    return frames


def _show(result: "Result") -> None:
    content = result.content
    said = f"{content.label} {content.probability:.3f}" if content.label is not None else "no answer"
    if content.decision is not None:
        said += f", {content.decision.bin or content.decision.reason}"
    typer.echo(f"{result.part_id.id}: {said}")
    for text in (*content.errors, *content.warnings):
        typer.echo(text, err=True)


def load_predictor(
    bundle: Path,
    runtime: Runtime | None,
    precision: Precision | None,
    early_exit: float | None,
    flat: Path | None,
    pairs: bool,
) -> "Predictor":
    """Load a bundle; ``pairs`` says whether devices will have two images, which are then looked at at once."""
    from rgbx.datasets.flat_field import FlatField
    from rgbx.inference import Predictor

    flat_field = None if flat is None else FlatField.read(flat)
    mode: Mode = "pairs" if pairs else "latency"
    return Predictor.load(bundle, runtime, precision, mode, early_exit, flat_field)

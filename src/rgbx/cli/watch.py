"""`rgbx watch`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

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
    from rgbx.inference.results import Result

LOOK_EVERY = 0.05
"""Seconds between two looks into a hot folder that is empty."""


def watch_command(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(metavar="FILE.jsonl", help="Results, a line each; what is there is kept.")],
    rgb: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that photographs arrive in.")] = None,
    xray: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that radiographs arrive in.")] = None,
    pair: Annotated[
        Literal["name", "time"] | None, typer.Option(help="How two images of one device are told; 'name' by default.")
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="How long to wait for the second image; 10 by default."),
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="After which the device has passed the sorting gate.")
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    flat: FlatOption = None,
    csv: CsvOption = False,
    runtime: RuntimeOption = None,
    precision: PrecisionOption = None,
    early_exit: EarlyExitOption = None,
) -> None:
    """Classify each device as its images arrive in folders.

    A file is read once its size and time have stayed the same for a moment. An image that cannot be used is answered as
    such, and once more when it changes. Ctrl-C stops it; started again, it goes on with what has no result yet.

    Settings are those of the pairing, e.g. `--set rgb_suffix=_top`.

    Examples:

    - `rgbx watch model --rgb camera --xray detector --out line.jsonl --wait 2 --deadline 5`
    - `rgbx watch model --xray detector --out line.jsonl --flat fields`
    """
    import time

    from rgbx.datasets.flat_field import FlatField
    from rgbx.datasets.polarity import says_inverted, warn_of_inverted
    from rgbx.errors import RgbxError
    from rgbx.inference import Predictor
    from rgbx.inference.arrivals import HotFolders, Pairing
    from rgbx.inference.results import ResultLog, answer_all
    from rgbx.modality import given_modalities

    pairing = choose_settings(Pairing, config, {"by": pair, "wait": wait}, settings)
    folders = given_modalities(rgb, xray)
    if not folders:
        raise RgbxError("there is no folder to watch: give --rgb DIR, --xray DIR or both.")
    if deadline is not None and len(folders) == 2 and pairing.wait >= deadline:
        raise RgbxError(
            f"a device of one image is late before it is answered, since the wait for the second ({pairing.wait:g} s) "
            f"is no shorter than the deadline ({deadline:g} s): lower --wait or raise --deadline."
        )
    predictor = Predictor.load(
        bundle,
        runtime,
        precision,
        "pairs" if len(folders) == 2 else "latency",
        early_exit,
        FlatField.read(flat) if flat else None,
    )
    for modality in folders:
        if modality not in predictor.modalities:
            raise RgbxError(
                f"the bundle has no stream for --{modality}: leave it out, or give a bundle trained on both."
            )
    log = ResultLog(out, csv)
    hot = HotFolders(folders, pairing, log.done, lambda text: typer.echo(text, err=True))
    typer.echo(f"watching {' and '.join(map(str, folders.values()))}: stop with Ctrl-C.", err=True)
    radiographs = inverted = 0
    try:
        while True:
            devices = hot.look(time.time())
            for device, result in answer_all(predictor, devices, log, deadline):
                if result is None:
                    hot.put_back(device)
                    continue
                if result.content.errors:
                    hot.note_bad(device)
                looks_inverted = says_inverted(result.content.warnings)
                radiographs += "xray" in result.content.images
                inverted += looks_inverted
                _show(result, but_of_polarity=looks_inverted and inverted > 1)
            if not devices:
                time.sleep(LOOK_EVERY)
    finally:
        warn_of_inverted(inverted, radiographs, folders.get("xray", out))


def _show(result: "Result", but_of_polarity: bool) -> None:
    """Print a result; that a radiograph looks inverted is said of the first alone, and in each result."""
    from rgbx.datasets.polarity import says_inverted

    content = result.content
    said = f"{content.label} {content.probability:.3f}" if content.label is not None else "no answer"
    if content.decision is not None:
        said += f", {content.decision.bin or content.decision.reason}"
    typer.echo(f"{result.part_id.id}: {said}")
    for text in (*content.errors, *content.warnings):
        if not (but_of_polarity and says_inverted([text])):
            typer.echo(text, err=True)

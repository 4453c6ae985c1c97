"""``rgbx evaluate``: how good is a bundle, and how sure is that."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.options import BundleArgument


def evaluate_command(
    bundle: BundleArgument,
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, table.md, predictions.csv and the figures.")],
    rgb: Annotated[Path | None, typer.Option(help="Set of test photographs.")] = None,
    xray: Annotated[Path | None, typer.Option(help="Set of test radiographs.")] = None,
    pairings: Annotated[
        int, typer.Option(min=1, help="How often each photograph is paired with a random radiograph of its class.")
    ] = 5,
    seed: Annotated[int, typer.Option(help="Of the pairings and of the bootstrap.")] = 0,
) -> None:
    """Measure accuracy, precision and recall on labelled images.

    With 95 % intervals. Given both sets, RGB, X-ray and RGB-X are tested and compared; one set alone works too.
    Predictions are kept in the output folder: measuring again is instant until the bundle or a set changes.

    Examples:

    - `rgbx evaluate model --rgb line/rgb --xray line/xray --out evaluation`
    - `rgbx evaluate runs/xray --xray line/xray --out evaluation`
    """
    from rich.console import Console

    from rgbx.evaluation.evaluate import evaluate_bundle
    from rgbx.evaluation.tables import result_table
    from rgbx.samples import SampleSet

    evaluation = evaluate_bundle(
        bundle,
        SampleSet.open(rgb) if rgb else None,
        SampleSet.open(xray) if xray else None,
        out,
        pairings=pairings,
        seed=seed,
    )
    console = Console()
    console.print(result_table(evaluation))
    console.print(f"Figures, confusion matrices and every prediction are in {out}.", soft_wrap=True)

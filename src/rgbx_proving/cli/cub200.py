"""`rgbx sets import-cub200`: the birds of the paper's Table III."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.plugins import shown_under


@shown_under(BENCHMARK)
def import_cub200(
    folder: Annotated[Path, typer.Argument(metavar="CUB_200_2011", help="The official folder, unpacked.")],
    out: Annotated[Path, typer.Option(help="Folder for the sets `train` and `test`.")],
) -> None:
    """Make sets of CUB-200-2011, the birds of Table III.

    For training and testing, by the official split. Images are linked, not copied, where the disk allows it.

    Examples:

    - `rgbx sets import-cub200 CUB_200_2011 --out sets/birds`
    - `rgbx sets import-cub200 downloads/CUB_200_2011 --out birds`
    """
    from rgbx_proving.experiments.cub200 import import_birds

    train, test = import_birds(folder, out)
    typer.echo(f"{len(train)} images to train on in {train.folder}, {len(test)} to test on in {test.folder}.")

"""`rgbx sets import-cub200`: the birds of the paper's Table III."""

from pathlib import Path
from typing import Annotated

import typer


def import_cub200(
    folder: Annotated[Path, typer.Argument(metavar="CUB_200_2011", help="The official folder, unpacked.")],
    out: Annotated[Path, typer.Option(help="Folder for the sets `train` and `test`.")],
) -> None:
    """Make a training and a test set of CUB-200-2011, the birds of the paper's Table III, by the official split.

    Images are linked, not copied, where the disk allows it.

    Example: `rgbx sets import-cub200 CUB_200_2011 --out sets/birds`
    """
    from rgbx_proving.experiments.cub200 import import_cub200 as import_birds

    train, test = import_birds(folder, out)
    typer.echo(f"{len(train)} images to train on in {train.folder}, {len(test)} to test on in {test.folder}.")

"""`rgbx sets`: sets of labelled images, taken in and out; packages add verbs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

sets_app = typer.Typer(no_args_is_help=True, help="Join, export and import sets of labelled images.")


@sets_app.command("export")
def export_set_command(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="A finished set.")],
    out: Annotated[Path, typer.Option(help="Folder of the tars; must not be there yet.")],
    format: Annotated[
        Literal["webdataset"], typer.Option(help="Tars of .png, .json and .cls, as WebDataset reads them.")
    ] = "webdataset",
    images_per_tar: Annotated[int, typer.Option(min=1, help="How many images each tar has.")] = 1000,
) -> None:
    """Export a set as WebDataset tars.

    To stream from large or remote storage. `rgbx train` reads sets, not tars: keep the set, or train on the tars with
    tools of your own.

    Examples:

    - `rgbx sets export sets/xray --out tars/xray`
    - `rgbx sets export sets/xray --out tars/xray --images-per-tar 200`
    """
    from rgbx.samples import SampleSet
    from rgbx.samples.webdataset import export_webdataset

    assert format == "webdataset"
    samples = SampleSet.open(folder)
    tars = export_webdataset(samples, out, images_per_tar)
    typer.echo(f"{len(samples)} images in {len(tars)} tars: {out}")


@sets_app.command("import")
def import_set_command(
    folder: Annotated[Path, typer.Argument(help="Holds a folder for each class, with its images in it.")],
    modality: Annotated[Literal["rgb", "xray"], typer.Option(help="What the images are.")],
    out: Annotated[Path, typer.Option(help="Folder for the set.")],
) -> None:
    """Make a set of labelled images of your own.

    To train, calibrate or test on. FOLDER/CLASS/IMAGE makes every image a unit of its own; FOLDER/CLASS/UNIT/IMAGE says
    which show the same device, which splits and intervals go by. Each image is read once, so that a bad one is found
    now.

    Examples:

    - `rgbx sets import photographs --modality rgb --out line/rgb`
    - `rgbx sets import radiographs --modality xray --out line/xray`
    """
    from rgbx.datasets.folders import import_folder

    samples = import_folder(folder, modality, out)
    classes = len(samples.header.classes)
    typer.echo(f"{len(samples)} images of {classes} classes in {out}.")

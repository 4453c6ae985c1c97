"""`rgbx sets`: joining the parts of a set that was rendered on several machines, and taking sets in and out."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

app = typer.Typer(no_args_is_help=True, help="Join the shards of a set, export a set, or import a public one.")


class SetFormat(StrEnum):
    """What a set can be exported as."""

    webdataset = "webdataset"


@app.command("join")
def join(
    parts: Annotated[list[Path], typer.Argument(help="Folders that hold the shards of one set.")],
    out: Annotated[Path, typer.Option(help="Folder of the joined set; must not be there yet.")],
) -> None:
    """Join shards that were rendered to separate folders (`rgbx render … --shard I/N`) into one set.

    The result is the same, byte for byte, as a set rendered in one go. Shards of other settings, missing ones and
    those given twice are refused. Shards rendered to the same folder need no joining.

    Example: `rgbx sets join part-1 part-2 --out sets/xray-train`
    """
    from rgbx.radiography.radiographs import write_summary
    from rgbx.samples.join import join as join_parts
    from rgbx.samples.overview import write_overview

    samples = join_parts(parts, out)
    if samples.header.modality == "xray":
        write_summary(samples)
    write_overview(samples)
    typer.echo(f"{len(samples)} images of {len(parts)} folders joined in {out}.")


@app.command("export")
def export(
    folder: Annotated[Path, typer.Argument(metavar="SET", help="A finished set.")],
    out: Annotated[Path, typer.Option(help="Folder of the tars; must not be there yet.")],
    format: Annotated[SetFormat, typer.Option(help="Tars of .png, .json and .cls, as WebDataset reads them.")] = (
        SetFormat.webdataset
    ),
    images_per_tar: Annotated[int, typer.Option(min=1, help="How many images each tar has.")] = 1000,
) -> None:
    """Export a set as WebDataset tars, to stream from large or remote storage.

    `rgbx train` reads sets, not tars: keep the set, or train on the tars with tools of your own.

    Example: `rgbx sets export sets/xray-train --out tars/xray-train`
    """
    from rgbx.samples import SampleSet
    from rgbx.samples.webdataset import export_webdataset

    assert format is SetFormat.webdataset
    samples = SampleSet.open(folder)
    tars = export_webdataset(samples, out, images_per_tar)
    typer.echo(f"{len(samples)} images in {len(tars)} tars: {out}")


@app.command("import")
def import_images(
    folder: Annotated[Path, typer.Argument(help="Holds a folder for each class, with its images in it.")],
    modality: Annotated[Literal["rgb", "xray"], typer.Option(help="What the images are.")],
    out: Annotated[Path, typer.Option(help="Folder for the set.")],
) -> None:
    """Make a set of labelled images of your own, to train, calibrate or test on.

    FOLDER/CLASS/IMAGE makes every image a unit of its own; FOLDER/CLASS/UNIT/IMAGE says which show the same device,
    which splits and intervals go by. Each image is read once, so that a bad one is found now.

    Example: `rgbx sets import photographs --modality rgb --out sets/real-rgb`
    """
    from rgbx.datasets.folders import import_folder

    samples = import_folder(folder, modality, out)
    classes = len(samples.header.classes)
    typer.echo(f"{len(samples)} images of {classes} classes in {out}.")

"""`rgbx flatfield`."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.settings import choose_settings


def flatfield_command(
    flat: Annotated[list[Path], typer.Option(help="Frame of the open beam, or a folder of them; may be repeated.")],
    dark: Annotated[list[Path], typer.Option(help="Frame with the tube off, or a folder of them; may be repeated.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the two fields and their record.")],
    max_age: Annotated[
        float | None, typer.Option(metavar="HOURS", help="How long they may be used; 24 by default.")
    ] = None,
) -> None:
    """Average frames into the flat and dark field of a detector.

    Radiographs are corrected with them, (I − D) / (F − D), by `--flat` of `rgbx predict` and `rgbx watch`. Take a dozen
    frames or more of each: their noise is added to that of every radiograph.

    Examples:

    - `rgbx flatfield --flat open-beam --dark tube-off --out fields`
    - `rgbx flatfield --flat open-beam --dark tube-off --out fields --max-age 8`
    """
    from rgbx.datasets.flat_field import FlatFieldConfig, make_flat_field

    config = choose_settings(FlatFieldConfig, typed={"max_age_hours": max_age})
    record = make_flat_field(_frames(flat), _frames(dark), out, config).record
    typer.echo(
        f"{len(record.flats)} flat and {len(record.darks)} dark frames of {record.width} × {record.height} pixels, "
        f"for {config.max_age_hours:g} h from {record.time.astimezone():%Y-%m-%d %H:%M}: {out}"
    )


def _frames(paths: list[Path]) -> list[Path]:
    from rgbx.datasets.image_kind import is_image
    from rgbx.errors import InputError

    frames: list[Path] = []
    for path in paths:
        inside = sorted(entry for entry in path.iterdir() if is_image(entry)) if path.is_dir() else [path]
        if not inside:
            raise InputError(path, "holds no images", "give the folder that the frames are in")
        frames += inside
    return frames

"""`rgbx sets join`: shards of one set, rendered apart."""

from pathlib import Path
from typing import Annotated

import typer
from typer.rich_utils import COMMANDS_PANEL_TITLE

from rgbx.cli.plugins import shown_under


@shown_under(COMMANDS_PANEL_TITLE)
def join_sets_command(
    parts: Annotated[list[Path], typer.Argument(help="Folders that hold the shards of one set.")],
    out: Annotated[Path, typer.Option(help="Folder of the joined set; must not be there yet.")],
) -> None:
    """Join shards that were rendered to separate folders.

    Shards are what `rgbx render … --shard I/N` makes. The result is the same, byte for byte, as a set rendered in one
    go. Shards of other settings, missing ones and those given twice are refused. Shards rendered to the same folder
    need no joining.

    Examples:

    - `rgbx sets join part-1 part-2 --out sets/xray`
    - `rgbx sets join machine-a machine-b machine-c --out sets/xray`
    """
    from rgbx_render.joining import join_sets

    samples = join_sets(parts, out)
    typer.echo(f"{len(samples)} images of {len(parts)} folders joined in {out}.")

"""`rgbx render`: labelled training images from a library of scans and meshes."""

import typer

app = typer.Typer(
    no_args_is_help=True,
    help="Render labelled training images from a library: radiographs from its scans, photographs from its meshes.",
)


@app.command("xray")
def xray() -> None:
    """Not written yet."""

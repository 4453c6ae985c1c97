"""The command line: each verb does one stop of the data flow on the user's own folders.

Verbs import what they need inside their functions, so that `rgbx --help` and errors in options are instant.
"""

import io
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from rgbx import __version__
from rgbx.cli import (
    calibrate,
    devices,
    evaluate,
    explain,
    export,
    line,
    predict,
    render,
    sets,
    train,
    transfer,
)
from rgbx.cli.plugins import add_plugin_verbs
from rgbx.errors import RgbxError
from rgbx.extras import optional_packages

app = typer.Typer(
    name="rgbx",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Tell near-identical devices apart by their outside (RGB) and their inside (X-ray).\n\n"
        "The verbs follow the flow of data: **devices** makes or checks the library of scans and meshes, "
        "**render** makes labelled training images from it (**transfer** shows and imports transfer functions for it, "
        "**sets** joins, exports or imports such sets), **train** trains a network on them, **evaluate** and "
        "**explain** say how good it is and why, **calibrate** teaches it when not to trust itself, **predict** "
        "classifies one device or a folder of them, **export** makes graphs of a network that run without torch. On a "
        "line **watch** classifies what arrives in folders, **flatfield** makes the fields that radiographs are "
        "corrected with. **scan** photographs and X-rays simulated units, as a stand-in for a real line. **demo** "
        "strings all of it together, **reproduce** measures the paper's tables again."
    ),
)
app.add_typer(devices.app, name="devices")
app.add_typer(render.app, name="render")
app.add_typer(sets.app, name="sets")
app.add_typer(transfer.app, name="transfer")
app.add_typer(train.app, name="train")
app.command("evaluate")(evaluate.evaluate)
app.command("explain")(explain.explain)
app.command("calibrate")(calibrate.calibrate)
app.command("export")(export.export)
app.command("predict")(predict.predict)
app.command("watch")(line.watch)
app.command("flatfield")(line.flatfield)
add_plugin_verbs(app)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rgbx {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; an :class:`RgbxError` becomes one sentence on stderr and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # Windows' code pages lack some of the signs that are printed
    try:
        with optional_packages():
            app()
    except RgbxError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(2)
    except KeyboardInterrupt:
        Console(stderr=True).print("interrupted: run the same command again, it goes on where it stopped.")
        sys.exit(130)

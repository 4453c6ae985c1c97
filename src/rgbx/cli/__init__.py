"""The command line: each verb does one stop of the data flow on the user's own folders.

Verbs import what they need inside their functions, so that `rgbx --help` and errors in options are instant.
"""

import io
import sys
import warnings
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from rgbx import __version__
from rgbx.cli.calibrate import calibrate_command
from rgbx.cli.classes import classes_app
from rgbx.cli.evaluate import evaluate_command
from rgbx.cli.explain import explain_command
from rgbx.cli.export import export_command
from rgbx.cli.flatfield import flatfield_command
from rgbx.cli.layout import LINE, MEASURE, PREPARE, TRAIN, PanelGroup, put_examples_last
from rgbx.cli.plugins import add_plugin_groups, add_plugin_verbs
from rgbx.cli.predict import predict_command
from rgbx.cli.sets import sets_app
from rgbx.cli.train import train_app
from rgbx.cli.watch import watch_command
from rgbx.errors import RgbxError
from rgbx.extras import optional_packages

INTERRUPTED = 130
"""Exit code of a command that was stopped with Ctrl-C."""

app = typer.Typer(
    name="rgbx",
    cls=PanelGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help=(
        "Tell near-identical devices apart by their outside (RGB) and inside (X-ray).\n\n"
        "Data flows through the groups from top to bottom; `rgbx demo` does all of it at once. "
        "`rgbx COMMAND --help` ends with two examples."
    ),
)
add_plugin_groups(app)
app.add_typer(sets_app, name="sets", rich_help_panel=PREPARE)
app.add_typer(train_app, name="train", rich_help_panel=TRAIN)
app.add_typer(classes_app, name="classes", rich_help_panel=TRAIN)
app.command("evaluate", rich_help_panel=MEASURE)(evaluate_command)
app.command("explain", rich_help_panel=MEASURE)(explain_command)
app.command("calibrate", rich_help_panel=MEASURE)(calibrate_command)
app.command("export", rich_help_panel=LINE)(export_command)
app.command("predict", rich_help_panel=LINE)(predict_command)
app.command("watch", rich_help_panel=LINE)(watch_command)
app.command("flatfield", rich_help_panel=LINE)(flatfield_command)
add_plugin_verbs(app)
put_examples_last(app)


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
    for reader in ("pydicom", "PIL"):  # they warn of headers that break rules; what matters of these is said
        warnings.filterwarnings("ignore", module=reader)
    try:
        with optional_packages():
            app()
    except RgbxError as error:
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(2)
    except SystemExit as stopped:
        if stopped.code == INTERRUPTED:
            Console(stderr=True).print("interrupted: run the same command again, it goes on where it stopped.")
        raise

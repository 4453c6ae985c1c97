"""`rgbx review` and `rgbx line review`."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rgbx.cli.layout import LINE
from rgbx.cli.options import BundleArgument, ConfigOption, SetOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings
from rgbx.errors import RgbxError
from rgbx.extras import optional_packages

if TYPE_CHECKING:
    from rgbx_line.review_mix import ReviewMix
    from rgbx_line.settings import LineFolder

line_review_app = typer.Typer(no_args_is_help=True, help="What people said of devices.")
DayOption = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY")]


@shown_under(LINE)
def review_command(
    bundle: BundleArgument,
    results: Annotated[
        Path, typer.Argument(help="What 'rgbx predict --out' or 'rgbx watch --out' wrote, or a folder of it.")
    ],
    who: Annotated[str, typer.Option("--who", metavar="NAME", help="Who reviews, for the log.")],
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Where labels go; RESULTS.review by default.")] = None,
    sets: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write the reviewed devices as sets instead.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="To listen on; 0 takes a free one.")] = 0,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Look at results in a browser and say what each device is.

    Without a line, on this machine alone: open the address that is printed. Labels are lines of a log of their own, of
    which each carries the hash of the one before. Ctrl-C ends it; started again, it goes on.

    Settings are those of the mix, e.g. `--set random_share=0.1`.

    Examples:

    - `rgbx review model today.jsonl --who Ada`
    - `rgbx review model today.jsonl --who Ada --export reviewed --set random_share=0.1`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.review.lab import LabLog
        from rgbx_line.review_mix import ReviewMix
        from rgbx_line.web.lab import serve_lab

    if not who.strip():
        raise RgbxError("labels need a person's name: give --who NAME.")
    mix = choose_settings(ReviewMix, config, settings=settings)
    log = LabLog(bundle, results, out)
    try:
        typer.echo(f"{log.taken_in} new results. Labels go to {log.folder.folder}.", err=True)
        if sets is not None:
            _export(log.folder, mix, sets, log.knowledge.classes(mix.classes))
            return
        serve_lab(log, mix, who.strip(), port, typer.echo)
    finally:
        log.close()


@line_review_app.command("export")
def export_review_command(
    file: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line's settings.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder, for a set 'rgb' and a set 'xray'.")],
    bundle: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Whose classes the sets have; the active model's by default.")
    ] = None,
    more: Annotated[
        list[str] | None, typer.Option("--class", metavar="NAME", help="One more class; may be given often.")
    ] = None,
    since: DayOption = None,
    until: DayOption = None,
    drawn: Annotated[
        bool, typer.Option("--drawn", help="Only devices drawn at random: what a model may be measured on.")
    ] = False,
) -> None:
    """Write reviewed devices as sets, for training, calibrating and measuring.

    A device counts once reviewers agree about it. Each record says who called it what, when, and by which line of the
    log. Days are of UTC; --until is the first that is left out.

    Examples:

    - `rgbx line review export line.yaml --out reviewed`
    - `rgbx line review export line.yaml --out measured --drawn --since 2026-11-01`
    """
    from rgbx.datasets.flat_field import FlatField
    from rgbx.models.header import read_bundle_header
    from rgbx_line.models import ModelStore
    from rgbx_line.settings import LineFolder, read_settings

    line = read_settings(file)
    folder = LineFolder(line.folder)
    store = ModelStore(folder.models)
    chosen = bundle or (store.bundle(store.active) if store.active else line.bundle)
    classes = dict.fromkeys((*read_bundle_header(chosen).classes, *(more or ())))
    _export(
        folder,
        line.review,
        out,
        tuple(classes),
        since=since.replace(tzinfo=UTC) if since else None,
        until=until.replace(tzinfo=UTC) if until else None,
        drawn_only=drawn,
        flat=FlatField.read(line.flat) if line.flat else None,
    )


def _export(folder: "LineFolder", mix: "ReviewMix", out: Path, classes: Sequence[str], **which: Any) -> None:
    """Write sets and say what is in them."""
    with optional_packages("rgbx[line]"):
        from rgbx_line.review.audited import index_path
        from rgbx_line.review.export import export_reviewed
        from rgbx_line.review.index import ReviewIndex

    with ReviewIndex(folder.log, index_path(folder), mix) as index:
        index.update()
        found = export_reviewed(index, folder, out, classes, **which)
    for modality, counts in found.images.items():
        typer.echo(f"{out / modality}: {counts.total()} images of {len(counts)} classes.")
        if found.lacking[modality]:
            lacking = ", ".join(found.lacking[modality])
            typer.echo(f"it has none of {lacking}: use it beside a set that does.", err=True)
    for count, what in (
        (found.unknown, "devices of no class are in no set"),
        (found.without_images, "devices have no images any more"),
        (found.uncorrected, "radiographs were left out, since the line's flat field is not of their time"),
    ):
        if count:
            typer.echo(f"{count} {what}.", err=True)

"""`rgbx line report`."""

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from rgbx.extras import optional_packages

SettingsFile = Annotated[Path, typer.Argument(metavar="LINE.yaml", help="The line's settings.")]


def report_line_command(
    file: SettingsFile,
    out: Annotated[Path, typer.Option(metavar="DIR", help="A new folder for the page and the tables.")],
    since: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day, 2026-03-01, or a moment; the first of this month."),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="DAY", help="Last day, all of which counts, or a moment; today.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option(metavar="ZONE", help="Time zone of the days; the settings' or the machine's.")
    ] = None,
) -> None:
    """Write what a line did in a period, as a page and as tables.

    Devices by class and bin, purity and recall with their intervals, reasons, availability, masses of batteries,
    models, and who changed what. All of it comes from the log; the line may be running.

    Examples:

    - `rgbx line report line.yaml --out report`
    - `rgbx line report line.yaml --from 2026-01-01 --until 2026-12-31 --zone Europe/Berlin --out report-2026`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_line.report.files import write_line_report
        from rgbx_line.report.line_report import report_of
        from rgbx_line.report.period import read_period
        from rgbx_line.settings import read_settings

    settings = read_settings(file)
    today = date.today()
    period = read_period(since or f"{today.replace(day=1)}", until or f"{today}", zone or settings.zone)
    report = report_of(settings, period)
    page = write_line_report(report, out)
    typer.echo(f"{report.devices} devices, {report.sorted} of them to a bin, {report.period}: {page}")

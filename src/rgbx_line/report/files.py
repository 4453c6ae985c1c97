"""A report in a folder."""

from pathlib import Path

from rgbx.files import atomic_folder, write_text
from rgbx_line.report.line_report import LineReport
from rgbx_line.report.page import report_page
from rgbx_line.report.tables import csv_files

PAGE = "report.html"


def write_line_report(report: LineReport, out: Path) -> Path:
    """Write a report as a page and as tables.

    Args:
        report: what it says.
        out: a new folder.

    Returns:
        The page; the tables lie beside it.

    Raises:
        InputError: there is such a folder, and it is not empty.
        RgbxError: the disk is full or the folder cannot be written.
    """
    with atomic_folder(out) as folder:
        write_text(folder / PAGE, report_page(report))
        for name, content in csv_files(report).items():
            write_text(folder / name, content)
    return out / PAGE

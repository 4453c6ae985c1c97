"""`rgbx devices`: check a device library."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rgbx.cli.layout import PREPARE
from rgbx.cli.plugins import shown_under

if TYPE_CHECKING:
    from rich.table import Table

    from rgbx_render.devices.check import UnitSummary

devices_app = shown_under(PREPARE)(typer.Typer(no_args_is_help=True, help="Check a library of scans and meshes."))


@devices_app.command("check")
def check_library_command(
    library: Annotated[Path, typer.Argument(help="Folder of the library: LIBRARY/CLASS/UNIT/scan.nrrd and so on.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each unit, contact-sheet.png and check.json.")
    ] = None,
) -> None:
    """Read all of a library and say what is wrong.

    And what is there, and what is missing. All problems are listed at once, each with its remedy; the exit code is 1
    when a unit cannot be used. Look at the pictures as well: a device that is squeezed or lies on edge is one that no
    program can tell from a right one.

    Examples:

    - `rgbx devices check library`
    - `rgbx devices check library --out library-check`
    """
    from rich.console import Console
    from rich.markup import escape

    from rgbx_render.devices.check import check_library

    found = check_library(library, out)
    console = Console(soft_wrap=True)
    if found.units:
        Console().print(_check_table(found.units))
    for remark in found.remarks:
        console.print(f"[yellow]remark:[/] {escape(remark)}")
    for problem in found.problems:
        console.print(f"[bold red]problem:[/] {escape(problem)}")
    console.print(
        f"{found.usable} of {len(found.units)} units can be used; {len(found.problems)} problems, "
        f"{len(found.remarks)} remarks."
    )
    if out is not None:
        console.print(f"Pictures and check.json are in {escape(str(out))}.")
    if found.problems:
        raise typer.Exit(1)


def _check_table(summaries: "tuple[UnitSummary, ...]") -> "Table":
    from rich.table import Table

    table = Table("class", "unit", "scan", "mesh", "missing", show_lines=True)
    for summary in summaries:
        scan, mesh = summary.scan, summary.mesh
        missing = [name for name in ("scan", "mesh") if getattr(summary, name) is None]
        table.add_row(
            summary.device_class,
            summary.unit,
            f"{scan.format} of {_by(scan.voxel_size_mm)} mm\n{_by(scan.shape)} {scan.dtype}\n"
            f"from {scan.value_range[0]:.5g} to {scan.value_range[1]:.5g}"
            if scan
            else "–",
            f"{mesh.format}, {mesh.faces:,} faces\n{_by(mesh.size_mm)} mm" if mesh else "–",
            "[bold red]see below[/]" if summary.problems else ", ".join(missing),
        )
    return table


def _by(numbers: tuple[float, float, float]) -> str:
    """Write three numbers as ``a × b × c``, or once where they are equal."""
    texts = [f"{number:.4g}" for number in numbers]
    return texts[0] if len(set(texts)) == 1 else " × ".join(texts)

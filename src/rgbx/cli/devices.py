"""``rgbx devices``: check a device library."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

    from rgbx.devices.check import UnitSummary

app = typer.Typer(
    no_args_is_help=True,
    help="Check a library of your own.",
)


@app.command("check")
def check(
    library: Annotated[Path, typer.Argument(help="Folder of the library: LIBRARY/CLASS/UNIT/scan.nrrd and so on.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for a picture of each unit, contact-sheet.png and check.json.")
    ] = None,
) -> None:
    """Read everything in a library and say what is there, what is missing and what is wrong.

    All problems are listed at once, each with its remedy; the exit code is 1 when a unit cannot be used. Look at the
    pictures as well: a device that is squeezed or lies on edge is one that no program can tell from a right one.

    Example: rgbx devices check library --out library-check
    """
    from rich.console import Console
    from rich.markup import escape

    from rgbx import files
    from rgbx.devices.check import check_unit, class_remarks
    from rgbx.devices.library import find_units
    from rgbx.progress import track
    from rgbx.samples.images import write_image
    from rgbx.samples.overview import contact_sheet

    units, faults = find_units(library)
    problems, remarks = [str(fault) for fault in faults], class_remarks(units)
    summaries, rows, captions = [], [], []
    for unit in track(units, "checking", total=len(units)):
        checked = check_unit(unit, pictures=out is not None)
        summaries.append(checked.summary)
        if out is not None and checked.pictures:
            row, texts = list(checked.pictures.values()), [f"{unit.name}  {name}" for name in checked.pictures]
            write_image(out / unit.device_class / f"{unit.name}.png", contact_sheet([row], [texts], tile=320))
            rows.append(row)
            captions.append(texts)
    problems += [problem for summary in summaries for problem in summary.problems]
    remarks += [remark for summary in summaries for remark in summary.remarks]

    console = Console(soft_wrap=True)
    if summaries:
        Console().print(_check_table(summaries))
    for remark in remarks:
        console.print(f"[yellow]remark:[/] {escape(remark)}")
    for problem in problems:
        console.print(f"[bold red]problem:[/] {escape(problem)}")
    usable = sum(not summary.problems for summary in summaries)
    console.print(f"{usable} of {len(summaries)} units can be used; {len(problems)} problems, {len(remarks)} remarks.")
    if out is not None:
        files.write_json(
            out / "check.json",
            {
                "library": str(library),
                "units": [summary.model_dump(mode="json") for summary in summaries],
                "problems": problems,
                "remarks": remarks,
            },
        )
        if rows:
            write_image(out / "contact-sheet.png", contact_sheet(rows, captions, tile=160))
        console.print(f"Pictures and check.json are in {escape(str(out))}.")
    if problems:
        raise typer.Exit(1)


def _check_table(summaries: "list[UnitSummary]") -> "Table":
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

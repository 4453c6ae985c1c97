"""`rgbx devices family`: make a library of units of a family."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import WorkersOption
from rgbx.cli.plugins import shown_under


def _names() -> list[str]:
    from rgbx_proving.families.family import FAMILIES

    return FAMILIES.names()


@shown_under(BENCHMARK)
def family(
    name: Annotated[
        str,
        typer.Argument(
            autocompletion=_names,
            help="Which family: sp10 (phones), sp11 (the phone after those), rc6 (remote controls), rev-0.5 to rev-8 "
            "(board revisions), or one that a package adds.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the library; SP1/SP1-001/… are made in it.")],
    units: Annotated[int, typer.Option(min=1, help="Units a class.")] = 3,
    first_unit: Annotated[int, typer.Option(min=1, help="Number of the first unit; test units start above these.")] = 1,
    classes: Annotated[
        str, typer.Option(help="Which classes, with commas between them, e.g. SP1,SP2 or RC1,RC2; or 'all'.")
    ] = "all",
    voxel_size: Annotated[
        float, typer.Option(min=0.05, max=2.0, help="Of the CT scans, in mm: 0.1 as in the paper, 0.3 is quick.")
    ] = 0.3,
    seed: Annotated[int, typer.Option(help="Another seed makes other units of the same classes.")] = 0,
    scan: Annotated[bool, typer.Option("--scan/--no-scan", help="Write CT scans.")] = True,
    labels: Annotated[
        bool, typer.Option("--labels/--no-labels", help="Write the material of each voxel beside each scan.")
    ] = False,
    mesh: Annotated[bool, typer.Option("--mesh/--no-mesh", help="Write outer meshes.")] = True,
    workers: WorkersOption = None,
) -> None:
    """Make units of a family of near twins.

    CT scan, outer mesh and part list of each. The phones of sp10 are ten generations (docs/results/sp10.md), the remote
    controls of rc6 six models: plastic, rubber keys, two AAA cells (docs/results/rc6.md), those of rev-4 one phone with
    ten revisions of its board that differ in a component of 4 mm (docs/results/revisions.md). Units of a class differ
    by manufacturing tolerance and colour.

    Examples:

    - `rgbx devices family sp10 --out library --units 3`
    - `rgbx devices family rc6 --out test-remotes --first-unit 101 --units 20 --no-scan --no-mesh`
    """
    from rich.console import Console
    from rich.table import Table

    from rgbx_proving.families.family import FAMILIES
    from rgbx_proving.families.unit_files import UnitKey, write_units

    made = FAMILIES[name]
    named = tuple(dict.fromkeys(each.strip() for each in classes.split(",")))
    chosen = made.classes if classes == "all" else named
    numbers = range(first_unit, first_unit + units)
    keys = [UnitKey(device_class, number) for device_class in chosen for number in numbers]
    written = write_units(
        out,
        made,
        keys,
        scan_spacing_mm=voxel_size if scan else None,
        mesh=mesh,
        labels=labels,
        seed=seed,
        workers=workers,
    )

    table = Table("class", "units", "first", "last")
    for device_class in chosen:
        first, last = (UnitKey(device_class, number).name for number in (numbers[0], numbers[-1]))
        table.add_row(device_class, str(len(numbers)), first, last)
    console = Console()
    console.print(table)
    console.print(f"{written} units written to {out}, {len(keys) - written} were there already.", soft_wrap=True)

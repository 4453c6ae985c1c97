"""`rgbx devices phones`: make the library of phones SP1 to SP10."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import WorkersOption
from rgbx.cli.plugins import shown_under
from rgbx.errors import ConfigError


@shown_under(BENCHMARK)
def phones(
    out: Annotated[Path, typer.Option(help="Folder of the library; SP1/SP1-001/… are made in it.")],
    units: Annotated[int, typer.Option(min=1, help="Units a class.")] = 3,
    first_unit: Annotated[int, typer.Option(min=1, help="Number of the first unit; test units start above these.")] = 1,
    classes: Annotated[str, typer.Option(help="Which classes, with commas between them, e.g. SP1,SP2; or 'all'.")] = (
        "all"
    ),
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
    """Make units of the phone family SP10.

    CT scan, outer mesh and part list of each. The ten classes are near twins, generation by generation;
    docs/results/sp10.md says how they differ. Units of a class differ by manufacturing tolerance and colour.

    Examples:

    - `rgbx devices phones --out library --units 3`
    - `rgbx devices phones --out test-library --first-unit 101 --units 20 --no-scan --no-mesh`
    """
    from rich.console import Console
    from rich.table import Table

    from rgbx_proving.sp10.family import CLASSES
    from rgbx_proving.sp10.phones import UnitKey, write_units

    chosen = CLASSES if classes == "all" else tuple(dict.fromkeys(name.strip() for name in classes.split(",")))
    unknown = [name for name in chosen if name not in CLASSES]
    if unknown:
        raise ConfigError(
            f"--classes names {', '.join(unknown)}, which SP10 has not: choose from {', '.join(CLASSES)}."
        )
    numbers = range(first_unit, first_unit + units)
    keys = [UnitKey(device_class, number) for device_class in chosen for number in numbers]
    written = write_units(
        out,
        keys,
        scan_spacing_mm=voxel_size if scan else None,
        mesh=mesh,
        labels=labels,
        seed=seed,
        workers=workers,
    )

    table = Table("class", "units", "first", "last")
    for device_class in chosen:
        table.add_row(
            device_class, str(units), UnitKey(device_class, numbers[0]).name, UnitKey(device_class, numbers[-1]).name
        )
    console = Console()
    console.print(table)
    console.print(f"{written} units written to {out}, {len(keys) - written} were there already.", soft_wrap=True)

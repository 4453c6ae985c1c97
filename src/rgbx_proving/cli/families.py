"""`rgbx devices phones`, `remotes`: make a library of units of a family."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import WorkersOption
from rgbx.cli.plugins import shown_under

CountOption = Annotated[int, typer.Option(min=1, help="Units a class.")]
FirstUnitOption = Annotated[int, typer.Option(min=1, help="Number of the first unit; test units start above these.")]
ClassesOption = Annotated[
    str, typer.Option(help="Which classes, with commas between them, e.g. SP1,SP2 or RC1,RC2; or 'all'.")
]
VoxelOption = Annotated[
    float, typer.Option(min=0.05, max=2.0, help="Of the CT scans, in mm: 0.1 as in the paper, 0.3 is quick.")
]
SeedOption = Annotated[int, typer.Option(help="Another seed makes other units of the same classes.")]
ScanOption = Annotated[bool, typer.Option("--scan/--no-scan", help="Write CT scans.")]
LabelsOption = Annotated[
    bool, typer.Option("--labels/--no-labels", help="Write the material of each voxel beside each scan.")
]
MeshOption = Annotated[bool, typer.Option("--mesh/--no-mesh", help="Write outer meshes.")]


@shown_under(BENCHMARK)
def phones(
    out: Annotated[Path, typer.Option(help="Folder of the library; SP1/SP1-001/… are made in it.")],
    units: CountOption = 3,
    first_unit: FirstUnitOption = 1,
    classes: ClassesOption = "all",
    voxel_size: VoxelOption = 0.3,
    seed: SeedOption = 0,
    scan: ScanOption = True,
    labels: LabelsOption = False,
    mesh: MeshOption = True,
    workers: WorkersOption = None,
) -> None:
    """Make units of the phone family SP10.

    CT scan, outer mesh and part list of each. The ten classes are near twins, generation by generation;
    docs/results/sp10.md says how they differ. Units of a class differ by manufacturing tolerance and colour.

    Examples:

    - `rgbx devices phones --out library --units 3`
    - `rgbx devices phones --out test-library --first-unit 101 --units 20 --no-scan --no-mesh`
    """
    _make("sp10", out, range(first_unit, first_unit + units), classes, voxel_size, seed, scan, labels, mesh, workers)


@shown_under(BENCHMARK)
def remotes(
    out: Annotated[Path, typer.Option(help="Folder of the library; RC1/RC1-001/… are made in it.")],
    units: CountOption = 3,
    first_unit: FirstUnitOption = 1,
    classes: ClassesOption = "all",
    voxel_size: VoxelOption = 0.3,
    seed: SeedOption = 0,
    scan: ScanOption = True,
    labels: LabelsOption = False,
    mesh: MeshOption = True,
    workers: WorkersOption = None,
) -> None:
    """Make units of the remote-control family RC6.

    CT scan, outer mesh and part list of each. The six classes are near twins as well, but as little phones as can be:
    plastic, rubber keys, two AAA cells; docs/results/rc6.md says how they differ.

    Examples:

    - `rgbx devices remotes --out remotes --units 3`
    - `rgbx devices remotes --out test-remotes --first-unit 101 --units 20 --no-scan --no-mesh`
    """
    _make("rc6", out, range(first_unit, first_unit + units), classes, voxel_size, seed, scan, labels, mesh, workers)


def _make(
    name: str,
    out: Path,
    numbers: range,
    classes: str,
    voxel_size: float,
    seed: int,
    scan: bool,
    labels: bool,
    mesh: bool,
    workers: int | None,
) -> None:
    from rich.console import Console
    from rich.table import Table

    from rgbx_proving.families.family import FAMILIES
    from rgbx_proving.families.unit_files import UnitKey, write_units

    family = FAMILIES[name]
    named = tuple(dict.fromkeys(each.strip() for each in classes.split(",")))
    chosen = family.classes if classes == "all" else named
    keys = [UnitKey(device_class, number) for device_class in chosen for number in numbers]
    written = write_units(
        out,
        family,
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

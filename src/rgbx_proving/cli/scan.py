"""`rgbx scan`: radiographs and photographs of simulated units, as a stand-in for a real line."""

from pathlib import Path
from typing import Annotated, Any

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import ConfigOption, SetOption, WorkersOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings
from rgbx.extras import optional_packages


@shown_under(BENCHMARK)
def scan(
    library: Annotated[
        Path, typer.Argument(help="Library of units with parts.json ('rgbx devices family' makes one).")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the two sets, DIR/xray and DIR/rgb.")],
    views: Annotated[int, typer.Option("--views", min=1, help="Radiographs and photographs of each unit.")] = 4,
    size: Annotated[
        int | None, typer.Option("--size", min=16, help="Pixels a side of all images; 320 by default.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives other wear, poses and exposures.")] = 0,
    workers: WorkersOption = None,
    xray: Annotated[bool, typer.Option("--xray/--no-xray", help="Take radiographs.")] = True,
    rgb: Annotated[bool, typer.Option("--rgb/--no-rgb", help="Take photographs.")] = True,
    wear: Annotated[
        bool | None,
        typer.Option("--wear/--no-wear", help="Break, bend and soil the units first, or not; they are by default."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Radiograph and photograph simulated units.

    A **stand-in for a real line**, to test a model before there is one. Each unit is worn first (battery missing, glass
    cracked, frame bent, dirt ...), the same for its radiographs and its photographs; DIR/units keeps what became of it.
    A run that was interrupted goes on where it stopped.

    Units that were really scanned have no part list: use your own radiographs and photographs of them. Settings are
    under `xray`, `rgb` and `wear`.

    Examples:

    - `rgbx scan phones --out line --views 4`
    - `rgbx scan phones --out line --no-rgb --set wear.frame_bent=0.5`
    """
    with optional_packages("rgbx[render]"):
        from rgbx_proving.standin.line import LineConfig, scan_library
        from rgbx_proving.units.simulated import open_simulated

    typed: dict[str, Any] = {"xray.size": size, "rgb.size": size}
    if wear is not None:
        typed["wear"] = {} if wear else "none"  # an empty change leaves what a file says of it
    chosen = choose_settings(LineConfig, config, typed, settings)
    line = scan_library(
        open_simulated(library), out, chosen, views_per_unit=views, seed=seed, workers=workers, xray=xray, rgb=rgb
    )
    for name, samples in (("radiographs", line.xray), ("photographs", line.rgb)):
        if samples is not None:
            typer.echo(f"{len(samples)} {name} of {len(line.units.units)} units: {samples.folder}")

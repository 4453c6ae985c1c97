"""`rgbx scan`: radiographs and photographs of simulated units, as a stand-in for a real line."""

from pathlib import Path
from typing import Annotated

import typer


def scan(
    library: Annotated[
        Path, typer.Argument(help="Library of units with parts.json ('rgbx devices phones' makes one).")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the two sets, DIR/xray and DIR/rgb.")],
    views: Annotated[int, typer.Option("--views", min=1, help="Radiographs and photographs of each unit.")] = 4,
    size: Annotated[int, typer.Option("--size", min=16, help="Pixels a side of the images.")] = 320,
    seed: Annotated[int, typer.Option("--seed", help="Another seed gives other wear, poses and exposures.")] = 0,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="Processes; all cores by default.")] = None,
    xray: Annotated[bool, typer.Option("--xray/--no-xray", help="Take radiographs.")] = True,
    rgb: Annotated[bool, typer.Option("--rgb/--no-rgb", help="Take photographs.")] = True,
    wear: Annotated[bool, typer.Option("--wear/--no-wear", help="Break, bend and soil the units first.")] = True,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE.yaml", help="Settings under 'xray', 'rgb' and 'wear'.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. wear.frame_bent=0.5; may be repeated."),
    ] = None,
) -> None:
    """X-ray and photograph simulated units: a **stand-in for a real line**, to test a model before there is one.

    Each unit is worn first (battery missing, glass cracked, frame bent, dirt ...), the same for its radiographs and its
    photographs; DIR/units keeps what became of it. A run that was interrupted goes on where it stopped.

    Units that were really scanned have no part list: use your own radiographs and photographs of them.

    Example: `rgbx devices phones --out phones` and then `rgbx scan phones --out line --views 4`
    """
    from rgbx.config import load_config
    from rgbx_proving.standin.line import LineConfig, scan_library
    from rgbx_proving.units.simulated import open_simulated

    chosen = load_config(LineConfig, config, settings or [])
    if not wear:
        chosen = chosen.updated({"wear": None})
    line = scan_library(
        open_simulated(library),
        out,
        chosen,
        views_per_unit=views,
        size=size,
        seed=seed,
        workers=workers,
        xray=xray,
        rgb=rgb,
    )
    for name, samples in (("radiographs", line.xray), ("photographs", line.rgb)):
        if samples is not None:
            typer.echo(f"{len(samples)} {name} of {len(line.units.units)} units: {samples.folder}")

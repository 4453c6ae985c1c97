"""`rgbx reproduce`: the paper's tables, measured again."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import ConfigOption, PresetOption, SetOption, WorkersOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings


@shown_under(BENCHMARK)
def reproduce(
    table: Annotated[
        Literal[
            "table1",
            "table2",
            "table3",
            "table3-looks",
            "table4",
            "table5",
            "table6",
            "aggregators",
            "figure6",
            "headline",
            "forms",
            "forms-rgb",
            "trust",
            "runtimes",
            "localiser",
            "revisions",
        ],
        typer.Argument(
            help="Table or figure of the paper; 'headline' measures the best bundle, 'forms' and 'forms-rgb' compare "
            "forms of iCAM, 'trust' says how far to trust the best bundle once it is calibrated, 'runtimes' whether "
            "all ways to compute it answer alike, 'localiser' how well devices are found in photographs, 'revisions' "
            "where looking closer can matter."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for results and all made for them.")] = Path(
        "runs/reproduce"
    ),
    preset: PresetOption = "small",
    seeds: Annotated[int, typer.Option(min=1, help="How often each network is trained.")] = 1,
    cub200: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder CUB_200_2011, for table3 and table3-looks.")
    ] = None,
    workers: WorkersOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Measure a **table or figure of the paper** on SP10.

    Or on another family of devices: `--set family=rc6`; `revisions` is of families of its own. As JSON, Markdown and a
    picture, the paper's figures beside ours. It can be stopped at any time and goes on when run again; tables in one
    folder share sets and networks, and so may several runs at once, say one for each GPU.

    Examples:

    - `rgbx reproduce table4 --seeds 3`
    - `rgbx reproduce table1 --preset paper --out runs/paper`
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from rgbx_proving.experiments.benchmark import Benchmark
    from rgbx_proving.experiments.figure6 import figure6_markdown, reproduce_figure6
    from rgbx_proving.experiments.localiser import localiser_markdown, reproduce_localiser
    from rgbx_proving.experiments.reproduce import preset_benchmark, reproduce_table, table_markdown
    from rgbx_proving.experiments.revisions import (
        Revisions,
        reproduce_revisions,
        revisions_markdown,
        revisions_settings,
    )
    from rgbx_proving.experiments.runtimes import reproduce_runtimes, runtimes_markdown
    from rgbx_proving.experiments.trust import reproduce_trust, trust_markdown

    console = Console(soft_wrap=True)
    if table == "revisions":
        chosen = choose_settings(Revisions, config, settings=settings, preset=revisions_settings(preset))
        page = revisions_markdown(reproduce_revisions(out, chosen, preset, seeds, console, workers))
    else:
        benchmark = choose_settings(Benchmark, config, settings=settings, preset=preset_benchmark(preset))
        if table == "figure6":
            page = figure6_markdown(reproduce_figure6(out, benchmark, preset, console, workers))
        elif table == "trust":
            page = trust_markdown(reproduce_trust(out, benchmark, preset, console, workers))
        elif table == "runtimes":
            page = runtimes_markdown(reproduce_runtimes(out, benchmark, preset, console, workers))
        elif table == "localiser":
            page = localiser_markdown(reproduce_localiser(out, benchmark, preset, console, workers))
        else:
            page = table_markdown(reproduce_table(table, out, benchmark, preset, seeds, console, workers, cub200))
    Console().print(Markdown(page))
    console.print(f"{out / table}.json, .md and .png")

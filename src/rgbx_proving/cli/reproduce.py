"""`rgbx reproduce`: the paper's tables, measured again."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def reproduce(
    table: Annotated[
        Literal[
            "table1",
            "table2",
            "table3",
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
        ],
        typer.Argument(
            help="Table or figure of the paper; 'headline' measures the best bundle, 'forms' and 'forms-rgb' compare "
            "forms of iCAM, 'trust' says how far to trust the best bundle once it is calibrated, 'runtimes' whether "
            "all ways to compute it answer alike."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for results and all made for them.")] = Path(
        "runs/reproduce"
    ),
    preset: Annotated[
        Literal["small", "paper"], typer.Option(help="'small' fits two cores, 'paper' has the paper's sizes.")
    ] = "small",
    seeds: Annotated[int, typer.Option(min=1, help="How often each network is trained.")] = 1,
    cub200: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder CUB_200_2011, for table3.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes for rendering; all cores by default.")] = None,
    config: Annotated[Path | None, typer.Option("--config", metavar="FILE.yaml", help="Any of the settings.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="One setting; may be repeated.")
    ] = None,
) -> None:
    """Measure a **table or figure of the paper** on SP10: JSON, Markdown, a picture, the paper's figures beside ours.

    It can be stopped at any time and goes on when run again; tables in one folder share sets and networks, and so
    may several runs at once, say one for each GPU.

    Example: `rgbx reproduce table4 --seeds 3`
    """
    from rich.console import Console
    from rich.markdown import Markdown

    from rgbx.config import load_config
    from rgbx_proving.experiments.benchmark import Benchmark
    from rgbx_proving.experiments.figure6 import figure6_markdown, reproduce_figure6
    from rgbx_proving.experiments.reproduce import preset_benchmark, table_markdown
    from rgbx_proving.experiments.reproduce import reproduce as measure
    from rgbx_proving.experiments.runtimes import reproduce_runtimes, runtimes_markdown
    from rgbx_proving.experiments.trust import reproduce_trust, trust_markdown

    console = Console(soft_wrap=True)
    benchmark = load_config(Benchmark, config, settings or (), base=preset_benchmark(preset))
    if table == "figure6":
        page = figure6_markdown(reproduce_figure6(out, benchmark, preset, console, workers))
    elif table == "trust":
        page = trust_markdown(reproduce_trust(out, benchmark, preset, console, workers))
    elif table == "runtimes":
        page = runtimes_markdown(reproduce_runtimes(out, benchmark, preset, console, workers))
    else:
        page = table_markdown(measure(table, out, benchmark, preset, seeds, console, workers, cub200))
    Console().print(Markdown(page))
    console.print(f"{out / table}.json, .md and .png")

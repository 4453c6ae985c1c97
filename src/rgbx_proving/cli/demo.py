"""`rgbx demo`: the whole path on the embedded benchmark."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything that is made.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[int, typer.Option("--seed", help="Another seed makes other units, images and weights.")] = 0,
    workers: Annotated[int | None, typer.Option("--workers", min=0, help="Processes; all cores by default.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE.yaml", help="Any of the demo's settings.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="One setting, e.g. test_units=40; may be repeated."),
    ] = None,
) -> None:
    """Run the **whole path** on SP10, the embedded benchmark of ten near-twin phones, and write a report.

    Scans and meshes of a few units → training radiographs and photographs → two iCAM streams and their fusion →
    measured on worn units that were never scanned → report.html, metrics.json. About 15 minutes on two cores; it can be
    stopped at any time and goes on when run again.

    Example: `rgbx demo --out runs/demo`
    """
    from rich.console import Console
    from rich.markup import escape

    from rgbx.config import load_config
    from rgbx.evaluation.tables import result_table
    from rgbx_proving.experiments.demo import Demo, Layout, classify_command, run_demo

    console = Console(soft_wrap=True)
    chosen = load_config(Demo, config, settings or (), base=Demo(seed=seed))
    evaluation = run_demo(out, chosen, console, workers)
    layout = Layout(out)
    console.print(result_table(evaluation))
    console.print(f"report: [bold]{escape(str(layout.report))}[/]   figures: {escape(str(layout.metrics))}")
    console.print("To classify a device of your own from its photograph, its radiograph or both:")
    console.print(f"  {escape(classify_command(layout.bundle))}", highlight=False)

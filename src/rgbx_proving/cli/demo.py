"""`rgbx demo`: the whole path on the embedded benchmark."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import ConfigOption, SetOption, WorkersOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings


@shown_under(BENCHMARK)
def demo(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for everything that is made.")] = Path(
        "runs/demo"
    ),
    seed: Annotated[
        int | None, typer.Option(help="Another seed makes other units, images and weights; 0 by default.")
    ] = None,
    workers: WorkersOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Run the **whole path** on ten near-twin phones.

    They are SP10, the embedded benchmark. Scans and meshes of a few units → training radiographs and photographs → two
    iCAM streams and their fusion → measured on worn units that were never scanned → report.html, metrics.json. About 15
    minutes on two cores; it can be stopped at any time and goes on when run again. With `--set family=rc6` it is six
    remote controls.

    Examples:

    - `rgbx demo --out runs/demo`
    - `rgbx demo --out runs/demo-7 --seed 7 --set test_units=40`
    """
    from rich.console import Console
    from rich.markup import escape

    from rgbx.evaluation.tables import result_table
    from rgbx_proving.experiments.demo import Demo, Layout, classify_command, run_demo

    chosen = choose_settings(Demo, config, {"seed": seed}, settings)
    console = Console(soft_wrap=True)
    evaluation = run_demo(out, chosen, console, workers)
    layout = Layout(out)
    console.print(result_table(evaluation))
    console.print(f"report: [bold]{escape(str(layout.report))}[/]   figures: {escape(str(layout.metrics))}")
    console.print("To classify a device of your own from its photograph, its radiograph or both:")
    console.print(f"  {escape(classify_command(layout.bundle))}", highlight=False)

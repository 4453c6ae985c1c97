"""`rgbx line simulate`: a line in the plant twin."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import BENCHMARK
from rgbx.cli.options import ConfigOption, SetOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings
from rgbx.extras import optional_packages


@shown_under(BENCHMARK)
def simulate_line_command(
    file: Annotated[Path, typer.Argument(metavar="LINE.yaml", help="Settings of the line; it is not touched.")],
    test_line: Annotated[
        Path, typer.Option(metavar="DIR", help="Photographs and radiographs, as 'rgbx scan' writes them.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New folder for the line's twin and what is found.")],
    parts: Annotated[int | None, typer.Option(min=1, help="How many parts; 60 by default.")] = None,
    every: Annotated[
        float | None, typer.Option(min=0.01, help="Seconds from one part to the next; 1 by default.")
    ] = None,
    faults: Annotated[
        int | None,
        typer.Option(min=0, metavar="SEED", help="Things that go wrong, drawn from a seed; none by default."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Run a line in a **plant twin**.

    A conveyor gives it the parts of a test line, a controller listens over each protocol that the settings name, and
    things go wrong: processes are killed, folders and the broker go away, images are garbage. At the end every answer
    is checked against its part. The line is a copy with its own folder, ports and broker; a real one is never fed. The
    exit code is 1 when anything was lost, doubled, late or wrong.

    Examples:

    - `rgbx line simulate line.yaml --test-line test --parts 60 --out shift`
    - `rgbx line simulate line.yaml --test-line test --faults 1 --set faults.every=8 --out rough-shift`
    """
    with optional_packages("rgbx[line]"):
        from rgbx_proving.plant.simulate import NAME, SimulationSettings, run_simulation

    typed = {"parts": parts, "every": every, "faults.seed": faults}
    chosen = choose_settings(SimulationSettings, config, typed, settings)
    result = run_simulation(file, test_line, out, chosen, lambda text: typer.echo(text, err=True))
    typer.echo((out / f"{NAME}.md").read_text(encoding="utf-8"))
    if result.findings:
        raise typer.Exit(1)

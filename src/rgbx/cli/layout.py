"""How help is laid out: verbs in panels, the examples of each at its end."""

import inspect

import typer
from typer.core import TyperGroup

PREPARE, TRAIN, MEASURE, LINE, BENCHMARK = PANELS = ("Prepare", "Train", "Measure", "Line", "Benchmark")
"""In the order of the flow of data; panels of plug-ins come after them."""
EXAMPLES = "Examples:"


class PanelGroup(TyperGroup):
    """Lists verbs panel by panel, in the order of :data:`PANELS`."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        def place(name: str) -> int:
            panel = getattr(self.commands[name], "rich_help_panel", None)
            return PANELS.index(panel) if panel in PANELS else len(PANELS)

        return sorted(super().list_commands(ctx), key=place)


def put_examples_last(app: typer.Typer) -> None:
    """Show what follows ``Examples:`` in the docstring of each verb after its options."""
    for verb in app.registered_commands:
        text, found, examples = (inspect.getdoc(verb.callback) or "").partition(f"\n\n{EXAMPLES}\n\n")
        if found:
            # Typer may join the lines of a paragraph, so each example is one of its own.
            verb.help, verb.epilog = text, f"{EXAMPLES}\n\n" + examples.replace("\n- ", "\n\n- ")
    for group in app.registered_groups:
        if group.typer_instance is not None:
            put_examples_last(group.typer_instance)

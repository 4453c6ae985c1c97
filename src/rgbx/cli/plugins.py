"""Verbs that other packages add to the command line, by entry points of the group ``rgbx.commands``.

The entry's name is the verb, ``demo``, or a verb within a group, ``devices family``; its value is a function as Typer
takes it.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any, TypeVar

import typer

GROUP = "rgbx.commands"
PANEL = "panel"
"""Attribute of a verb: under which heading help shows it."""

Verb = TypeVar("Verb", bound=Callable[..., Any])


def shown_under(panel: str) -> Callable[[Verb], Verb]:
    """Return a decorator that says under which heading help shows a verb; "Plug-ins" without it."""

    def mark(verb: Verb) -> Verb:
        verb.__dict__[PANEL] = panel
        return verb

    return mark


def add_plugin_verbs(app: typer.Typer) -> None:
    """Add every installed verb to the command line; one that cannot be had is no reason for the others to fail."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    for entry in entry_points(group=GROUP):
        first, _, rest = entry.name.partition(" ")
        try:
            function = entry.load()
            place = groups[first] if rest else app
        except Exception as error:  # of a package that is not ours
            reason = f"{type(error).__name__}: {error}"
            typer.echo(f"warning: the verb '{entry.name}' of {entry.value} cannot be had ({reason}).", err=True)
            continue
        assert place is not None
        place.command(rest or first, rich_help_panel=getattr(function, PANEL, "Plug-ins"))(function)

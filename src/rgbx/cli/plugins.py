"""Verbs that other packages add to the command line, by entry points of two groups.

- ``rgbx.commands``: the entry's name is the verb, ``demo``, or a verb within a group, ``devices family``; its value is
  a function as Typer takes it.
- ``rgbx.command_groups``: a group of verbs, ``devices``; its value is a Typer.
"""

from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

import typer

COMMANDS, COMMAND_GROUPS = "rgbx.commands", "rgbx.command_groups"
PLUG_INS = "Plug-ins"
PANEL = "panel"
"""Attribute of a verb or a group: under which heading help shows it."""

Verb = TypeVar("Verb", bound=Callable[..., Any])


def shown_under(panel: str) -> Callable[[Verb], Verb]:
    """Return a decorator that says under which heading help shows a verb or a group; :data:`PLUG_INS` without it."""

    def mark(verb: Verb) -> Verb:
        verb.__dict__[PANEL] = panel
        return verb

    return mark


def add_plugin_groups(app: typer.Typer) -> None:
    """Add every installed group of verbs to the command line."""
    for entry, group in _installed(COMMAND_GROUPS):
        app.add_typer(group, name=entry.name, rich_help_panel=getattr(group, PANEL, PLUG_INS))


def add_plugin_verbs(app: typer.Typer) -> None:
    """Add every installed verb to the command line, once the groups are there."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    for entry, function in _installed(COMMANDS):
        first, _, rest = entry.name.partition(" ")
        place = groups.get(first) if rest else app
        if place is None:
            _warn(entry, f"there is no group '{first}'")
            continue
        place.command(rest or first, rich_help_panel=getattr(function, PANEL, PLUG_INS))(function)


def _installed(group: str) -> Iterator[tuple[EntryPoint, Any]]:
    """Yield what packages add; one that cannot be had is no reason for the others to fail."""
    for entry in entry_points(group=group):
        try:
            yield entry, entry.load()
        except Exception as error:  # of a package that is not ours
            _warn(entry, f"{type(error).__name__}: {error}")


def _warn(entry: EntryPoint, reason: str) -> None:
    typer.echo(f"warning: the verb '{entry.name}' of {entry.value} cannot be had ({reason}).", err=True)

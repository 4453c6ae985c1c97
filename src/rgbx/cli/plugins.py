"""Verbs that other packages add to the command line, by entry points of the group ``rgbx.commands``.

The entry's name is the verb, ``demo``, or a verb within a group, ``devices phones``; its value a function as Typer
takes it, which says by its attribute ``panel`` under which heading ``rgbx --help`` shows it.
"""

from importlib.metadata import entry_points

import typer

GROUP = "rgbx.commands"


def add_plugin_verbs(app: typer.Typer) -> None:
    """Add every installed verb to the command line."""
    groups = {group.name: group.typer_instance for group in app.registered_groups}
    for entry in entry_points(group=GROUP):
        first, _, rest = entry.name.partition(" ")
        function = entry.load()
        place = groups[first] if rest else app
        assert place is not None
        place.command(rest or first, rich_help_panel=getattr(function, "panel", "Plug-ins"))(function)

"""The verbs of the command line, found by walking the Typer app: those of plug-ins too, and any added later."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

import rgbx.cli


@dataclass(frozen=True)
class Verb:
    words: tuple[str, ...]
    command: TyperCommand

    @property
    def name(self) -> str:
        return " ".join(self.words)

    @property
    def options(self) -> list[Any]:
        """Its options, without --help."""
        return [param for param in self.command.params if param.param_type_name == "option" and param.name != "help"]

    def has(self, *options: str) -> bool:
        return any(opt in options for param in self.options for opt in param.opts)

    def kind(self, param: Any) -> Any:
        """Return the type of a parameter's value."""
        hint = get_type_hints(self.command.callback)[param.name]
        kinds = [each for each in get_args(hint) if each is not NoneType] if _is_union(hint) else [hint]
        return kinds[0]

    def choices(self, param: Any) -> tuple[str, ...]:
        kind = self.kind(param)
        return get_args(kind) if get_origin(kind) is Literal else ()

    def required_words(self, value: str = "somewhere") -> list[str]:
        """Return what has to be typed at the least; ``value`` for all that is free."""
        words: list[str] = []
        for param in self.command.params:
            if param.required:
                said = next(iter(self.choices(param)), value)
                words += [said] if param.param_type_name == "argument" else [param.opts[0], said]
        return words


def _is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)


def find_verbs() -> list[Verb]:
    """Return every verb that does something."""
    return list(_below((), get_command(rgbx.cli.app)))


def _below(words: tuple[str, ...], command: Any) -> Iterator[Verb]:
    if not isinstance(command, TyperGroup):
        yield Verb(words, command)
        return
    for name, verb in command.commands.items():
        yield from _below((*words, name), verb)

"""Settings of a verb: of several places that say something, the later one counts.

default < preset < ``--config`` file < option of its own, if it was typed < ``--set``
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from rgbx.config import Config

Chosen = TypeVar("Chosen", bound="Config")


def choose_settings(
    kind: type[Chosen],
    config: Path | None = None,
    typed: Mapping[str, Any] | None = None,
    settings: Sequence[str] | None = None,
    preset: Chosen | None = None,
) -> Chosen:
    """Return the settings that a command line asks for; a verb does this before anything else.

    Args:
        kind: their class.
        config: the file of ``--config``.
        typed: values of options that are settings too, by key; None for one that was not typed, so such an option's
            default is None, and its help says what that means.
        settings: the ``KEY=VALUE`` of each ``--set``.
        preset: where to start from; the defaults when None.

    Raises:
        InputError: the file is missing or is not a YAML mapping.
        ConfigError: an unknown key or a value out of range.
    """
    from rgbx.config import load_config

    options = {key: value for key, value in (typed or {}).items() if value is not None}
    return load_config(kind, config, settings or (), preset, options)

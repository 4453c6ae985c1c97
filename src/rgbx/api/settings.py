"""What users give settings and sets as, and the objects that the rest of rgbx wants of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rgbx.config import Config, ConfigType, load_config
from rgbx.errors import ConfigError
from rgbx.samples import SampleSet

Settings = Config | Mapping[str, Any] | Path | str | None
"""A configuration, settings by dotted keys, a YAML file of them, or none."""
OneSet = SampleSet | Path | str
"""A set of images, or its folder."""
Sets = OneSet | Sequence[OneSet]


def chosen(base: ConfigType, settings: Settings, changes: Mapping[str, Any]) -> ConfigType:
    """Return ``base`` with ``settings`` applied (or those in place of it, if they are a whole one), then ``changes``.

    Raises:
        ConfigError: an unknown key or a value out of range, or a configuration of something else.
        InputError: the file is missing or is not a YAML mapping.
    """
    kind = type(base)
    if isinstance(settings, kind):
        base = settings
    elif isinstance(settings, str | Path):
        base = load_config(kind, Path(settings), base=base)
    elif isinstance(settings, Mapping):
        base = base.updated(settings)
    elif settings is not None:
        raise ConfigError(
            f"Settings cannot be of type {type(settings).__name__}: give a {kind.__name__}, a mapping or a file."
        )
    return base.updated(changes)


def opened(given: OneSet) -> SampleSet:
    """Return a set, opened if it is a folder.

    Raises:
        InputError: the folder is missing, is no set, or its rendering has not finished.
    """
    return given if isinstance(given, SampleSet) else SampleSet.open(Path(given))


def all_opened(given: Sets) -> list[SampleSet]:
    """Return one set, or several, as a list.

    Raises:
        ConfigError: there is none.
        InputError: as of :func:`opened`.
    """
    sets = [opened(each) for each in ([given] if isinstance(given, OneSet) else given)]
    if not sets:
        raise ConfigError("There is no set of images: give one or several.")
    return sets

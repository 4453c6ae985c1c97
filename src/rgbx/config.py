"""The one configuration system: pydantic models, read from YAML, overridden key by key.

A setting of type :data:`Range` is drawn from U(low, high); equal ends fix it.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from rgbx.errors import ConfigError, InputError
from rgbx.files import digest


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] <= ends[1]:
        raise ValueError(f"the low end {ends[0]} is above the high end {ends[1]}")
    return ends


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A closed interval (low, high) that a value is drawn from uniformly."""


def within(low: float, high: float = math.inf) -> AfterValidator:
    """Return what limits a :data:`Range`: ``Annotated[Range, within(0, 1)]``."""

    def check(ends: tuple[float, float]) -> tuple[float, float]:
        if not low <= ends[0] <= ends[1] <= high:
            raise ValueError(f"{list(ends)} reaches beyond {low} to {high}")
        return ends

    return AfterValidator(check)


class Config(BaseModel):
    """Base of every configuration and record: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def digest(self) -> str:
        """Return 16 hex digits that change whenever any setting does."""
        return digest(self.model_dump_json())

    def updated(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with ``changes`` applied (dotted keys reach into nested models) and validated."""
        return build_config(type(self), _merged(self.model_dump(), changes))


ConfigType = TypeVar("ConfigType", bound=Config)


def load_config(
    kind: type[ConfigType],
    file: Path | None = None,
    overrides: Sequence[str] = (),
    base: ConfigType | None = None,
) -> ConfigType:
    """Build a configuration from ``base`` (or the defaults), a YAML file and ``key=value`` overrides, in order.

    Args:
        kind: the configuration's class.
        file: a YAML file with any of its keys.
        overrides: ``"a.b=value"`` strings; the value is read as YAML.
        base: where to start from, e.g. a preset.

    Raises:
        InputError: the file is missing or is not a YAML mapping.
        ConfigError: an unknown key or a value out of range.
    """
    values: dict[str, Any] = base.model_dump() if base is not None else {}
    if file is not None:
        values = _merged(values, read_yaml(file))
    changes: dict[str, Any] = {}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"'{override}' is not a setting: write it as KEY=VALUE.")
        changes[key.strip()] = yaml.safe_load(text)
    try:
        return build_config(kind, _merged(values, changes))
    except ConfigError as error:
        if file is None:
            raise
        raise ConfigError(f"With {file}, {error}") from error


def build_config(kind: type[ConfigType], values: Mapping[str, Any]) -> ConfigType:
    """Validate ``values`` as a ``kind``.

    Raises:
        ConfigError: naming each key at fault and what is wrong with it.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(
            f"'{'.'.join(str(part) for part in fault['loc'])}': {fault['msg'][0].lower()}{fault['msg'][1:]}"
            for fault in error.errors()
        )
        known = ", ".join(kind.model_fields)
        raise ConfigError(f"{kind.__name__} has settings that cannot be used ({faults}); it knows: {known}.") from error


def build_record(kind: type[ConfigType], content: Any, path: Path, remedy: str) -> ConfigType:
    """Validate what was read from ``path``, a file that rgbx wrote, as a ``kind`` with a field ``format``.

    Raises:
        InputError: it is damaged, or of another version of rgbx.
    """
    current = kind.model_fields["format"].default
    if isinstance(content, dict) and content.get("format", current) != current:
        raise InputError(path, f"has format {content['format']}, this rgbx reads {current}", remedy)
    try:
        return build_config(kind, content)
    except ConfigError as error:
        raise InputError(path, f"is damaged ({str(error).rstrip('.')})", remedy) from error


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InputError: the file is missing or holds something else.
    """
    try:
        values = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(file, "does not exist", "check the path of the configuration") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(file, "is not valid YAML", "correct it") from error
    if not isinstance(values, dict):
        raise InputError(file, "is not a YAML mapping", "write it as 'key: value' lines")
    return values


def _merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(values)
    for key, value in changes.items():
        head, _, rest = key.partition(".")
        if rest:
            inner = merged.get(head)
            merged[head] = _merged(inner if isinstance(inner, Mapping) else {}, {rest: value})
        elif isinstance(value, Mapping) and isinstance(merged.get(head), Mapping):
            merged[head] = _merged(merged[head], value)
        else:
            merged[head] = value
    return merged

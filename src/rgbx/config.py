"""The one configuration system: pydantic models, read from YAML, overridden key by key.

A setting of type :data:`Range` is drawn from U(low, high); equal ends fix it.

What is said of a group, a configuration within another, leaves the rest of the group as it is. Any other mapping, such
as transfer functions by name, is replaced as a whole.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from rgbx.errors import ConfigError, InputError
from rgbx.files import digest
from rgbx.names import printable

if TYPE_CHECKING:
    from pydantic._internal._model_construction import ModelMetaclass
else:
    ModelMetaclass = type(BaseModel)


def _ordered(ends: tuple[float, float]) -> tuple[float, float]:
    if not ends[0] <= ends[1]:
        raise ValueError(f"the low end {ends[0]} is above the high end {ends[1]}")
    return ends


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
"""A closed interval (low, high) that a value is drawn from uniformly."""


def words(**meanings: Any) -> BeforeValidator:
    """Return what lets a setting be said in a word: ``Annotated[Range, words(none=(0, 0), random=(0, 1.2))]``."""

    def look_up(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in meanings:
            raise ValueError(f"'{value}' is no word for it: write {' or '.join(meanings)}, or its settings")
        return meanings[value]

    return BeforeValidator(look_up)


def within(low: float, high: float = math.inf) -> AfterValidator:
    """Return what limits a :data:`Range`: ``Annotated[Range, within(0, 1)]``."""

    def check(ends: tuple[float, float]) -> tuple[float, float]:
        if not low <= ends[0] <= ends[1] <= high:
            raise ValueError(f"{list(ends)} reaches beyond {low} to {high}")
        return ends

    return AfterValidator(check)


class _ReadableErrors(ModelMetaclass):
    """Says in one sentence what pydantic says in many lines; models inside one are pydantic's own affair."""

    def __call__(cls, *args: Any, **values: Any) -> Any:
        _check_text(values)
        with _readable(cls):  # type: ignore[arg-type]
            return super().__call__(*args, **values)


class Config(BaseModel, metaclass=_ReadableErrors):
    """Base of every configuration and record: immutable, unknown keys refused.

    However it is made, by its class or from a file, values that cannot be used raise the same
    :class:`~rgbx.errors.ConfigError`, which names each key at fault and what is wrong with it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def model_validate(cls, obj: Any, **options: Any) -> Self:
        """Make one of a mapping."""
        with _readable(cls):
            return super().model_validate(obj, **options)

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Make one of JSON."""
        with _readable(cls):
            return super().model_validate_json(json_data, **options)

    def digest(self) -> str:
        """Return 16 hex digits that change whenever any setting does."""
        return digest(self.model_dump_json())

    def updated(self, changes: Mapping[str, Any]) -> Self:
        """Return a copy with ``changes`` applied (dotted keys reach into nested models) and validated."""
        _check_text(changes)
        return self.model_validate(_merged(_group(self), changes))


@contextmanager
def _readable(kind: type[BaseModel]) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        faults = "; ".join(_worded(fault["loc"], fault["msg"]) for fault in error.errors())
        known = ", ".join(kind.model_fields)
        raise ConfigError(f"{kind.__name__} has settings that cannot be used ({faults}); it knows: {known}.") from error


def _check_text(value: Any, place: str = "a setting is") -> None:
    """Refuse text of which a part is no UTF-8: Python keeps it, but no file, record or digest can."""
    if isinstance(value, str) and not value.isascii() and printable(value) != value:
        raise ConfigError(f"{place} '{value}', which is no UTF-8: write it in UTF-8, or rename what it names.")
    if isinstance(value, Mapping):
        for key, each in value.items():
            _check_text(key)
            _check_text(each, f"'{key}' is")
    elif isinstance(value, list | tuple):
        for each in value:
            _check_text(each, place)


def _worded(place: tuple[int | str, ...], message: str) -> str:
    said = f"{message[0].lower()}{message[1:]}"
    return f"'{'.'.join(map(str, place))}': {said}" if place else said


ConfigType = TypeVar("ConfigType", bound=Config)


def load_config(
    kind: type[ConfigType],
    file: Path | None = None,
    overrides: Sequence[str] = (),
    base: ConfigType | None = None,
    options: Mapping[str, Any] | None = None,
) -> ConfigType:
    """Build a configuration from ``base`` (or the defaults), a file, options and ``key=value`` overrides, in order.

    Args:
        kind: the configuration's class.
        file: a YAML file with any of its keys.
        overrides: ``"a.b=value"`` strings; the value is read as YAML.
        base: where to start from, e.g. a preset.
        options: values by dotted key.

    Raises:
        InputError: the file is missing or is not a YAML mapping.
        ConfigError: an unknown key or a value out of range.
    """
    values: dict[str, Any] = _group(base) if base is not None else _defaults(kind)
    if file is not None:
        found = read_yaml(file)
        _check_text(found)
        values = _merged(values, found)
    _check_text(options or {})
    values = _merged(values, options or {})
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"'{override}' is not a setting: write it as KEY=VALUE.")
        _check_text({key: text})
        try:
            change = {key.strip(): yaml.load(text, _Loader)}
        except _AmbiguousYaml as error:
            raise ConfigError(f"'{override}' {error.problem}: {error.remedy}.") from error
        except _NOT_YAML as error:
            raise ConfigError(f"'{override}' has a value that is not valid YAML: close its brackets.") from error
        _check_text(change)  # YAML can escape what cannot be written
        values = _merged(values, change)
    try:
        return kind.model_validate(values)
    except ConfigError as error:
        if file is None:
            raise
        raise ConfigError(f"With {file}, {error}") from error


def build_record(kind: type[ConfigType], content: Any, path: Path, remedy: str) -> ConfigType:
    """Validate what was read from ``path``, a file that rgbx wrote, as a ``kind`` with a field ``format``.

    Raises:
        InputError: it is damaged, or of another version of rgbx.
    """
    current = kind.model_fields["format"].default
    if isinstance(content, dict) and content.get("format", current) != current:
        raise InputError(path, f"has format {content['format']}, this rgbx reads {current}", remedy)
    try:
        return kind.model_validate(content)
    except ConfigError as error:
        raise InputError(path, f"is damaged ({str(error).rstrip('.')})", remedy) from error


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        InputError: the file is missing, holds something else, says a key twice or merges mappings (``<<``).
    """
    try:
        values = yaml.load(file.read_bytes(), _Loader)  # which is UTF-8, or UTF-16 if it begins with its mark
    except FileNotFoundError as error:
        raise InputError(file, "does not exist", "check the path of the configuration") from error
    except yaml.reader.ReaderError as error:
        raise InputError(file, "is not text in UTF-8", "save it again with this encoding") from error
    except _AmbiguousYaml as error:
        raise InputError(file, error.problem, error.remedy) from error
    except _NOT_YAML as error:
        raise InputError(file, "is not valid YAML", "correct it") from error
    if not isinstance(values, dict):
        raise InputError(file, "is not a YAML mapping", "write it as 'key: value' lines")
    return values


_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What PyYAML raises: of its own, of dates that there are none of, and of brackets without end."""


class _AmbiguousYaml(yaml.YAMLError):
    """YAML that programs, or versions of PyYAML, read in different ways."""

    def __init__(self, problem: str, mark: yaml.Mark, remedy: str) -> None:
        self.problem, self.remedy = f"{problem} (line {mark.line + 1})", remedy


class _Loader(yaml.SafeLoader):
    """Reads YAML safely, and refuses what PyYAML would choose one meaning of without a word."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        keys = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _AmbiguousYaml("merges mappings with '<<'", key_node.start_mark, "write their keys out")
            if not isinstance(key_node, yaml.ScalarNode):
                continue  # no key at all, which PyYAML refuses itself
            key = self.construct_object(key_node)
            if key in keys:
                raise _AmbiguousYaml(f"says '{key_node.value}' twice", key_node.start_mark, "keep one of them")
            keys.add(key)
        return node


class _Group(dict[str, Any]):
    """The settings of a configuration, on their way to be changed and validated."""


def _group(config: Config) -> _Group:
    return _Group({name: _opened(getattr(config, name)) for name in type(config).model_fields})


def _defaults(kind: type[Config]) -> _Group:
    """Return the defaults that a configuration has; that of a group may be another than its own class has."""
    fields = {name: field for name, field in kind.model_fields.items() if not field.is_required()}
    return _Group({name: _opened(field.get_default(call_default_factory=True)) for name, field in fields.items()})


def _opened(value: Any) -> Any:
    return _group(value) if isinstance(value, Config) else value


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = copy(values)
    for key, value in changes.items():
        head, _, rest = key.partition(".") if isinstance(key, str) else (key, "", "")  # labels of materials are numbers
        inner = _opened(merged.get(head))
        if rest and isinstance(inner, str):
            raise ConfigError(f"'{key}' cannot be set where '{head}' is '{inner}': write all of '{head}' out.")
        if rest:
            merged[head] = _merged(inner if isinstance(inner, dict) else {}, {rest: value})
        elif isinstance(value, Mapping) and isinstance(inner, _Group):
            merged[head] = _merged(inner, value)
        else:
            merged[head] = value
    return merged

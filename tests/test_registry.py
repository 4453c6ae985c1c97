"""Parts are found by name wherever they come from, and one that is missing is said by its name."""

import pickle
from types import SimpleNamespace

import pytest

from rgbx import registry
from rgbx.errors import MissingPluginError
from rgbx.registry import ACTIVATION_MAPS, AGGREGATORS, LOSSES, OOD_SCORES, WINDOWS, Registry
from rgbx_render.radiography.backends import BACKENDS


def _entry(name: str, value: object) -> SimpleNamespace:
    return SimpleNamespace(name=name, load=lambda: value)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Three kinds of part: of rgbx, of an installed package, of this process."""
    installed = {"rgbx.things": [_entry("foreign", 2)]}

    def entry_points(group: str, name: str | None = None) -> list[SimpleNamespace]:
        return [each for each in installed.get(group, []) if name in (None, each.name)]

    monkeypatch.setattr(registry, "entry_points", entry_points)
    things: Registry = Registry("thing", "rgbx.things", {"own": "math:pi"})
    things.register("here")(3)
    return things


def test_a_part_is_found_wherever_it_comes_from(parts: Registry) -> None:
    assert parts.names() == ["foreign", "here", "own"]
    assert (parts["own"], parts["foreign"], parts["here"]) == (pytest.approx(3.14159, abs=1e-4), 2, 3)


def test_a_missing_part_is_said_by_its_name(parts: Registry) -> None:
    for ask in (parts.__getitem__, parts.check):
        with pytest.raises(MissingPluginError, match=r"no thing .other.: install .*foreign, here, own\.$"):
            ask("other")


def test_no_name_is_given_twice(parts: Registry) -> None:
    for name in ("own", "foreign", "here"):
        with pytest.raises(ValueError, match=f"a thing '{name}' already"):
            parts.register(name)(4)
    parts.unregister("here")
    parts.register("here")(5)
    assert parts["here"] == 5


def test_the_error_crosses_processes() -> None:
    error = pickle.loads(pickle.dumps(MissingPluginError("thing", "other", "rgbx.things", ["own"])))
    assert (error.kind, error.name, str(error).startswith("There is no thing 'other'")) == ("thing", "other", True)


@pytest.mark.parametrize("kind", [AGGREGATORS, WINDOWS, ACTIVATION_MAPS, LOSSES, OOD_SCORES, BACKENDS])
def test_all_of_rgbx_are_where_it_says(kind: Registry) -> None:
    for name in kind.names():
        if (kind, name) != (BACKENDS, "vtk"):  # whose package is no part of the tests' environment
            assert kind[name] is not None

"""Of several places that say what a setting is the later one counts, for every verb with settings:
default < preset < --config file < option that was typed < --set.

Verbs, and which of their options are settings, are found by looking, so a verb that is added later is tested too.
"""

import ast
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from typer.main import get_command
from verbs import Verb, find_verbs

import rgbx.cli
import rgbx.config
import rgbx_line.settings  # noqa: F401 (it takes load_config from there, before a test exchanges it)
from rgbx.config import load_config
from rgbx.errors import ConfigError

COMMAND = get_command(rgbx.cli.app)
VERBS = [verb for verb in find_verbs() if verb.has("--config", "--set")]
CURVE = "about: {}\npoints: [[0.0, 0.0], [1.0, {}]]\n"
CURVES = ("a.yaml", "b.yaml", "c.yaml")

each_verb = pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)


class Said(NamedTuple):
    """One value of a setting, in the two ways of saying it."""

    typed: list[str]
    value: Any
    """As a file or --set gives it."""


GROUPS = {
    ("scan", "wear"): ("wear", [Said(["--no-wear"], None), Said(["--wear"], {})]),
    ("line simulate", "faults"): ("faults.seed", [Said(["--faults", f"{seed}"], seed) for seed in (1, 2, 3)]),
    ("transfer sheet", "presets"): ("transfer.presets", [Said(["--presets", name], name) for name in CURVES]),
}
"""Options that stand for more than one value of the settings: their key, and what they can say."""


FOUND: dict[str, dict[str, tuple[list[str], list[Said]]]] = {}
"""What looking has found, by verb: it takes a while."""


class Chosen(Exception):
    """Stops a verb that has chosen its settings."""


@pytest.fixture
def choose(monkeypatch, tmp_path):
    """Run a verb until it has chosen its settings, and return these."""
    for number, name in enumerate(CURVES, start=1):
        (tmp_path / name).write_text(CURVE.format(name, number))
    monkeypatch.chdir(tmp_path)

    def stop(*arguments, **options):
        raise Chosen(load_config(*arguments, **options))

    monkeypatch.setattr(rgbx.config, "load_config", stop)

    def run(verb: Verb, *words: str, file: dict[str, Any] | None = None) -> dict[str, Any]:
        command = [*verb.words, *verb.required_words(), *words]
        if file is not None:
            Path("file.yaml").write_text(yaml.safe_dump(file))
            command += ["--config", "file.yaml"]
        with pytest.raises(Chosen) as stopped:
            COMMAND.main(command, prog_name="rgbx", standalone_mode=False)
        return stopped.value.args[0].model_dump(mode="json")

    return run


def leaves(values: Any, key: str = "") -> dict[str, Any]:
    """Return settings one by one, by dotted key."""
    if not isinstance(values, dict):
        return {key: values}
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= leaves(value, f"{key}.{name}".strip("."))
    return found


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    ours, theirs = leaves(before), leaves(after)
    return [key for key in ours | theirs if ours.get(key, ...) != theirs.get(key, ...)]


def nested(keys: list[str], value: Any) -> dict[str, Any]:
    """Return what a file says to give settings a value."""
    content: dict[str, Any] = {}
    for key in keys:
        *groups, last = key.split(".")
        place = content
        for group in groups:
            place = place.setdefault(group, {})
        place[last] = value
    return content


def as_set(keys: list[str], value: Any) -> list[str]:
    return [word for key in keys for word in ("--set", f"{key}={json.dumps(value)}")]


def sayings(verb: Verb, param: Any) -> list[Said]:
    """Return values that an option can have."""
    kind, option = verb.kind(param), param.opts[0]
    if choices := verb.choices(param):
        return [Said([option, each], each) for each in choices]
    if kind in (int, float):
        low, high = param.min or 0, param.max
        numbers = (
            [low + each for each in (2, 3, 4)]
            if high is None
            else [low, (low + high) // 2 if kind is int else (low + high) / 2, high]
        )
        return [Said([option, str(each)], each) for each in numbers]
    if kind in (str, Path):
        return [Said([option, each], each) for each in ("none", "embedded", "imagenet")]
    return []


def options_that_are_settings(choose, verb: Verb) -> dict[str, tuple[list[str], list[Said]]]:
    """Return the options of a verb that change its settings, by name: their keys, and what they can say."""
    if verb.name in FOUND:
        return FOUND[verb.name]
    plain = choose(verb)
    found = {}
    for param in verb.options:
        if param.required or param.multiple or param.name in ("config", "preset"):
            continue
        if (verb.name, param.name) in GROUPS:
            key, said = GROUPS[verb.name, param.name]
            found[param.name] = ([key], said)
            continue
        keys = {key for said in sayings(verb, param) for key in changed(plain, choose(verb, *said.typed))}
        if keys:
            found[param.name] = (sorted(keys), sayings(verb, param))
    FOUND[verb.name] = found
    return found


def test_the_walk_finds_verbs_and_their_settings(choose):
    names = {verb.name for verb in VERBS}
    assert {"render xray", "render rgb", "transfer sheet", "train xray", "train rgb", "train fusion"} <= names
    assert {"calibrate", "predict", "watch", "scan", "demo", "reproduce"} <= names
    found = {verb.name: set(options_that_are_settings(choose, verb)) for verb in VERBS}
    assert found["train xray"] == {"backbone", "weights", "iterations", "epochs", "seed"}
    assert found["train fusion"] == {"mode", "epochs", "seed"}
    assert found["watch"] == {"pair", "wait"}
    assert found["scan"] == {"size", "wear"}
    assert found["transfer sheet"] == {"presets"}
    assert found["render xray"] == found["render rgb"] == {"size"}
    assert found["demo"] == {"seed"}


@each_verb
def test_the_later_word_counts(verb, choose):
    plain = choose(verb)
    for keys, said in options_that_are_settings(choose, verb).values():
        results = [choose(verb, *each.typed) for each in said]
        assert any(result != plain for result in results)
        for each, result in zip(said, results, strict=True):
            assert choose(verb, *as_set(keys, each.value)) == result
            assert choose(verb, file=nested(keys, each.value)) == result, "what was not typed overrides no file"
        for first, second in zip(said, [*said[1:], said[0]], strict=True):
            wanted = results[said.index(second)]
            assert wanted != results[said.index(first)]
            assert choose(verb, *second.typed, file=nested(keys, first.value)) == wanted
            assert choose(verb, *first.typed, *as_set(keys, second.value)) == wanted
            assert choose(verb, *as_set(keys, second.value), file=nested(keys, first.value)) == wanted
            both = nested(keys, said[-1].value)
            assert choose(verb, *first.typed, *as_set(keys, second.value), file=both) == wanted


@each_verb
def test_set_counts_more_than_the_file_and_the_file_more_than_the_default(verb, choose):
    def accepted(key: str, value: Any) -> bool:
        try:
            choose(verb, *as_set([key], value))
        except ConfigError:
            return False
        return True

    for key, default in leaves(choose(verb)).items():
        if type(default) in (int, float):
            values = [each for each in (default + 1, default + 2, default / 2, default / 4) if accepted(key, each)]
            if len(values) >= 2:
                break
    in_file, in_set = values[:2]
    assert leaves(choose(verb, file=nested([key], in_file)))[key] == in_file != default
    assert leaves(choose(verb, *as_set([key], in_set), file=nested([key], in_file)))[key] == in_set


@each_verb
def test_what_is_said_of_one_setting_leaves_those_beside_it(verb, choose):
    plain = choose(verb)
    one_of_each_group = {key.rpartition(".")[0]: (key, value) for key, value in leaves(plain).items()}
    said = one_of_each_group.values()
    assert choose(verb, *(word for key, value in said for word in as_set([key], value))) == plain


@pytest.mark.parametrize("verb", [each for each in VERBS if each.has("--preset")], ids=lambda verb: verb.name)
def test_the_file_counts_more_than_the_preset_and_the_preset_more_than_the_default(verb, choose):
    small, paper = choose(verb), choose(verb, "--preset", "paper")
    keys = [key for key in changed(small, paper) if type(leaves(small).get(key)) in (int, float)]
    assert keys
    for key in keys[:3]:
        value = leaves(small)[key]
        for words, file in (([], nested([key], value)), (as_set([key], value), None)):
            found = choose(verb, "--preset", "paper", *words, file=file)
            assert changed(paper, found) == [key]
            assert leaves(found)[key] == value


@each_verb
def test_a_file_with_a_key_of_another_verb_is_refused_in_a_sentence(verb, choose):
    ours = choose(verb)
    others = {key for other in VERBS for key in choose(other)} - set(ours)
    assert others
    for key in sorted(others)[:3]:
        with pytest.raises(ConfigError, match=rf"file\.yaml.*'{key}'") as refused:
            choose(verb, file={key: 1})
        assert len(str(refused.value).splitlines()) == 1


@each_verb
def test_an_option_that_is_a_setting_has_no_default_of_its_own_and_says_which(verb, choose):
    plain = choose(verb)
    settings = options_that_are_settings(choose, verb)
    names = {key.rpartition(".")[2] for key in leaves(plain)}
    for param in verb.options:
        if param.name in names and verb.kind(param) is not bool:
            assert param.name in settings, f"--{param.name} of rgbx {verb.name} is no setting, but looks like one"
        if param.name not in settings:
            continue
        assert param.default is None
        keys, _ = settings[param.name]
        defaults = {str(leaves(plain)[key]).removesuffix(".0") for key in keys if key in leaves(plain)}
        assert "default" in param.help or "as the preset says" in param.help
        assert "as the preset says" in param.help or all(default in param.help for default in defaults)


def test_flat_fields_may_be_used_as_long_as_the_settings_say(choose):
    (flatfield,) = (verb for verb in find_verbs() if verb.name == "flatfield")
    assert choose(flatfield) == {"max_age_hours": 24}
    assert choose(flatfield, "--max-age", "8") == {"max_age_hours": 8}


@pytest.mark.parametrize("module", sorted({verb.command.callback.__module__ for verb in find_verbs()}))
def test_verbs_choose_settings_in_one_way_only(module):
    source = ast.parse(Path(sys.modules[module].__file__ or "").read_text())
    names = {node.id for node in ast.walk(source) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(source) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(source) if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert not names & {"load_config", "build_config", "updated", "model_validate", "model_copy"}

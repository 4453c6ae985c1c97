"""Every example in the help of every verb works, in a folder that holds what it names."""

import re
import shlex
import shutil
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner
from verbs import Verb, find_verbs

import rgbx.cli
from example_workshop import SMALLER, shared_workshop, smaller
from rgbx.inference.results import read_results

VERBS = find_verbs()
FIRST = {
    "rgbx render rgb library --replay sets/rgb/SP1/000003.png --out again.png": "rgbx render rgb library --out sets/rgb"
}
"""What has to be run before an example."""
OF_A_LINE = {
    *("line run", "line simulate", "line show", "line report", "line halt", "line resume", "line trust"),
    *("line user add", "line user remove", "line model add", "line model activate", "line model roll-back"),
    *("line model shadow", "line review export", "review"),
}
"""Verbs that run a line, ask a running one, or ask for a password; tests/line and tests/proving run these."""
SLOW = ("demo", "reproduce", "export")
BLENDER = ("render rgb", "demo", "reproduce", "scan")


def examples_of(verb: Verb) -> list[str]:
    return [" ".join(each.split()) for each in re.findall(r"^- `(rgbx [^`]*)`$", verb.command.epilog or "", re.M)]


def cases() -> list[object]:
    def marks(verb: Verb, example: str) -> list[pytest.MarkDecorator]:
        photographs = (verb.name in BLENDER and "--no-rgb" not in example) or " --unit " in example
        return [pytest.mark.slow] * (verb.name in SLOW or (verb.name == "scan" and photographs)) + [
            pytest.mark.blender
        ] * photographs

    return [
        pytest.param(verb, example, marks=marks(verb, example), id=example)
        for verb in VERBS
        if verb.name not in OF_A_LINE
        for example in examples_of(verb)
    ]


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_workshop(tmp_path_factory)


@pytest.fixture
def run(workshop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run examples in a copy of the workshop, where nothing is yet that they are to make; return what they said."""
    here = Path(shutil.copytree(workshop, tmp_path / "here"))
    monkeypatch.chdir(here)
    monkeypatch.setattr(time, "sleep", _stop_when_answered(time.sleep))

    def _run(verb: Verb, example: str) -> str:
        words = shlex.split(example)[1:]
        words += smaller(words)
        out = _out(verb, words)
        if out is not None:
            shutil.rmtree(out, ignore_errors=True)
            out.unlink(missing_ok=True)
        ran = CliRunner().invoke(rgbx.cli.app, words, env={"COLUMNS": "200"})
        if verb.name != "watch":
            assert ran.exit_code == 0, f"{ran.output}\n{ran.exception!r}"
        assert out is None or out.exists(), ran.output
        return ran.output

    return _run


def _out(verb: Verb, words: list[str]) -> Path | None:
    parsed = verb.command.make_context("rgbx", words[len(verb.words) :]).params
    return parsed.get("out")


def _stop_when_answered(sleep):
    """Return a sleep in which Ctrl-C is pressed once every device that has arrived is answered."""

    def _sleep(seconds: float) -> None:
        if Path("line.jsonl").exists() and len(list(read_results(Path("line.jsonl")))) == 2:
            raise KeyboardInterrupt
        sleep(seconds)

    return _sleep


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_help_ends_with_two_examples(verb):
    shown = CliRunner().invoke(rgbx.cli.app, [*verb.words, "--help"], env={"COLUMNS": "200"}).output
    _, _, end = shown.partition("Examples:")
    examples = examples_of(verb)
    assert [line.strip(" •") for line in end.splitlines() if line.strip()] == examples
    assert len(set(examples)) == 2
    assert all(shlex.split(example)[: len(verb.words) + 1] == ["rgbx", *verb.words] for example in examples)


@pytest.mark.parametrize(("verb", "example"), cases())
def test_an_example_works(verb, example, run):
    if example in FIRST:
        run(verb, FIRST[example])
    assert run(verb, example)


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb.name in OF_A_LINE], ids=lambda verb: verb.name)
def test_an_example_of_a_running_line_is_understood(verb):
    for example in examples_of(verb):
        verb.command.make_context("rgbx", shlex.split(example)[1 + len(verb.words) :])


def test_what_is_said_of_verbs_and_examples_is_of_some_that_there_are():
    assert {*SLOW, *BLENDER, *OF_A_LINE} <= {verb.name for verb in VERBS}
    assert all(any(f"{less} ".startswith(f"{verb.name} ") for verb in VERBS) for less in SMALLER)
    assert set(FIRST) <= {example for verb in VERBS for example in examples_of(verb)}

"""Every command and every Python block of README and docs is run, in a workshop where all that they name is tiny.

`make test` parses every command and runs the Python that trains nothing; `make test-all` runs pages from top to bottom.
"""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import rgbx.cli
from docs_pages import ROOT, Block, blocks, lines_of, notebooks, pages
from example_workshop import CLASSES, TINY_NETWORK, shared_workshop, smaller
from learning_sets import write_set
from rgbx import registry
from rgbx.registry import Registry
from rgbx_line.drivers.driver import DRIVERS
from rgbx_proving.standin.wear import WEARS
from rgbx_render.radiography.backends import BACKENDS

LANGUAGES = {"console", "python", "yaml", "toml", "json", "text"}
NOT_RUN = {
    "builds the environments that the tests run in",
    "goes on until it is stopped",
    "has a test of its own",
    "installs packages",
    "installs system packages",
    "needs VTK and OpenGL",
    "needs a GPU",
    "needs a package that rgbx does not",
    "needs data that is not ours",
    "needs several GPUs",
    "needs several machines",
}
"""Why a block is not run; its commands are parsed all the same."""

SMALLER_PYTHON = {
    r"epochs=8": f"epochs=1, settings={TINY_NETWORK!r}",
    r'settings=\{"stream.icam.iterations": 2\}, epochs=1, settings=\{': 'settings={"stream.icam.iterations": 2, ',
    r'settings=\{"extra_losses": \{"agree": 0.1\}\}': f"settings={ {'extra_losses': {'agree': 0.1}} | TINY_NETWORK!r}",
    r'(train_stream\(\[\w+\], out="[\w/]+")\)': rf"\1, settings={TINY_NETWORK!r})",
    r'(train_fusion\((?:.|\n)*?out="[\w/-]+")': r"\1, epochs=1, settings={'batch_size': 6}",
    r"per_class=50, units=\"1-2\", size=160": 'per_class=2, size=48, workers=0, settings={"acceptance.keypoints": 0}',
}
"""Replacements in Python blocks, for the same reason."""
FIRST = {"docs/results/training.md": "rgbx demo --out runs/demo"}
"""A command that a page rests on, which another page has."""

TRAINS = ("train_stream(", "train_fusion(", "calibrate(", "evaluate(", "choose_exit(")
"""What `make test` does not run of Python."""
BLENDER = ("render rgb", "demo", "reproduce", "scan")

APP = get_command(rgbx.cli.app)


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


ALL = [block for page in pages() for block in blocks(page)]


def commands(block: Block) -> Iterator[str]:
    """Yield the commands of a block, without comments."""
    if block.language == "console":
        for line in block.text.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield shlex.join(words)


def rgbx_words(command: str) -> list[str] | None:
    """Return what stands behind ``rgbx``, or None: how a block calls it is up to the block."""
    words = [word for word in shlex.split(command) if word != "&"]
    return words[words.index("rgbx") + 1 :] if "rgbx" in words else None


def find_verb(words: list[str]) -> tuple[str, Any, list[str]]:
    """Return the verb's name, the verb, and the words behind it."""
    command, name, rest = APP, "", list(words)
    while hasattr(command, "commands") and rest and rest[0] in command.commands:
        name, command = f"{name} {rest[0]}".strip(), command.commands[rest.pop(0)]
    return name, command, rest


def said(block: Block) -> list[tuple[str, Any, list[str]]]:
    """Return what a block says to rgbx."""
    found = [rgbx_words(command) for command in commands(block)]
    return [find_verb(words) for words in found if words and words != ["--help"]]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder that holds everything that the pages name and do not make."""
    folder = tmp_path_factory.mktemp("docs") / "workshop"
    shutil.copytree(shared_workshop(tmp_path_factory), folder)
    for old, new in {
        "model": "runs/fused", "phone.png": "photo.png", "phone.tiff": "radiograph.tiff", "today": "yesterday",
    }.items():  # fmt: skip
        (folder / old).rename(folder / new)
    for use in ("real", "test"):
        shutil.copytree(folder / "line", folder / use)
    write_set(folder / "sets/real-rgb", "rgb", classes=CLASSES, seed=9)
    opacity = {"type": "piecewiseLinearFunction", "points": [{"x": 0, "y": 0}, {"x": 900, "y": 0.5}]}
    component = {"scalarOpacity": opacity, "scalarOpacityUnitDistance": 1.0}
    (folder / "bones.vp.json").write_text(json.dumps({"volumeProperties": [{"components": [component]}]}))
    return folder


@pytest.fixture
def here(workshop, tmp_path, monkeypatch):
    """A copy of the workshop to work in; plug-ins that a page registers go with it."""
    registries = [BACKENDS, DRIVERS, WEARS, *(each for each in vars(registry).values() if isinstance(each, Registry))]
    before = [set(each.names()) for each in registries]
    monkeypatch.chdir(shutil.copytree(workshop, tmp_path / "here"))
    yield
    for each, names in zip(registries, before, strict=True):
        for name in set(each.names()) - names:
            each.unregister(name)


def made_by(page_blocks: list[Block]) -> set[Path]:
    """Return the files and folders that the commands of a page make."""
    asked = [each for block in page_blocks if not block.not_run for each in said(block)]
    outs = [
        verb.make_context("rgbx", rest).params.get("file" if name == "line init" else "out")
        for name, verb, rest in asked
    ]
    return {out for out in outs if isinstance(out, Path)}


def run_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    words = rgbx_words(command)
    if words is not None:
        ran = CliRunner().invoke(rgbx.cli.app, [*words, *smaller(words)])
        assert ran.exit_code == 0, f"{command}\n{ran.output}\n{ran.exception!r}"
    elif command.startswith("cd "):
        monkeypatch.chdir(command.removeprefix("cd "))
    else:
        subprocess.run(command, shell=True, check=True)


def run_python(block: Block, names: dict[str, object]) -> None:
    text = block.text
    for pattern, less in SMALLER_PYTHON.items():
        text = re.sub(pattern, less, text)
    exec(compile("\n" * block.line + text, block.page, "exec"), names)


def test_every_block_says_what_it_is():
    assert {str(block): block.language for block in ALL if block.language not in LANGUAGES} == {}


def test_blocks_are_left_out_for_known_reasons_alone():
    assert {block.not_run for block in ALL if block.not_run} == NOT_RUN
    assert not [str(block) for block in ALL if block.not_run and block.language not in ("console", "python")]


@pytest.mark.parametrize("block", [block for block in ALL if said(block)], ids=str)
def test_every_command_is_one_that_there_is(block):
    for name, verb, rest in said(block):
        assert not hasattr(verb, "commands"), f"{name} {shlex.join(rest)} is no verb"
        verb.make_context(name, rest)


@pytest.mark.parametrize("page", [*pages(), *notebooks()], ids=page_name)
def test_verbs_and_options_in_the_text_are_ones_that_there_are(page):
    for text in re.findall(r"`(rgbx [^`]+)`", "\n".join(lines_of(page))):
        name, verb, rest = find_verb(shlex.split(text)[1:])
        assert name or not rest or rest[0] in ("COMMAND", "--help"), text
        known = {option for param in verb.params for option in param.opts} | {"--help"}
        given = {word for word in rest if word.startswith("--")}
        assert given <= known, f"`{text}`: {', '.join(sorted(given - known))} is no option of {name}"


@pytest.mark.parametrize("page", [p for p in pages() if any(b.language == "python" for b in blocks(p))], ids=page_name)
@pytest.mark.usefixtures("here")
def test_python_that_trains_nothing_runs(page):
    names: dict[str, object] = {"__name__": "__main__"}
    not_there = [str(out) for out in made_by(list(blocks(page))) if not out.exists()]
    for block in blocks(page):
        if any(command.startswith("cd ") for command in commands(block)):
            break  # what follows is in a folder that the page makes
        runs = block.language == "python" and not block.not_run
        if runs and not any(word in block.text for word in (*TRAINS, *not_there)):
            run_python(block, names)


def whole_pages() -> list[object]:
    """Return the pages that have something to run."""
    found = []
    for page in pages():
        run = [block for block in blocks(page) if block.language in ("console", "python") and not block.not_run]
        verbs = {name for block in run for name, _, _ in said(block)} | (
            {"rgbx demo"} if page_name(page) in FIRST else set()
        )
        marks = [pytest.mark.slow] + [pytest.mark.blender] * bool(verbs & set(BLENDER))
        if run:
            found.append(pytest.param(page, run, marks=marks, id=page_name(page)))
    return found


@pytest.mark.parametrize(("page", "run"), whole_pages())
@pytest.mark.usefixtures("here")
def test_a_page_runs_from_top_to_bottom(page, run, monkeypatch):
    for out in made_by(run):  # should the workshop have it
        shutil.rmtree(out) if out.is_dir() else out.unlink(missing_ok=True)
    names: dict[str, object] = {"__name__": "__main__"}
    if first := FIRST.get(page_name(page)):
        run_command(first, monkeypatch)
    for block in run:
        if block.language == "python":
            run_python(block, names)
        for command in commands(block):
            run_command(command, monkeypatch)


def test_what_is_said_of_verbs_and_pages_is_of_some_that_there_are():
    verbs = {name for block in ALL for name, _, _ in said(block)}
    assert set(BLENDER) <= verbs
    assert set(FIRST) <= {page_name(page) for page in pages()}

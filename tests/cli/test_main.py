import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner
from verbs import find_verbs

import rgbx.cli
from rgbx import __version__
from rgbx.cli.plugins import add_plugin_verbs, shown_under
from rgbx.errors import InputError

SOURCE = Path(__file__).parents[2] / "src"

PANELS = {
    "Prepare": ["devices", "render", "transfer", "sets"],
    "Train": ["train", "classes"],
    "Measure": ["evaluate", "explain", "calibrate"],
    "Line": ["export", "predict", "watch", "flatfield", "review", "line"],
    "Benchmark": ["demo", "reproduce", "scan"],
}
GROUPS = ("devices", "render", "sets", "transfer", "train", "classes", "line")


def shown(*words: str, columns: int = 80) -> list[str]:
    ran = CliRunner().invoke(rgbx.cli.app, [*words, "--help"], env={"COLUMNS": str(columns)})
    assert ran.exit_code == 0, ran.output
    return [line.strip(" │") for line in ran.output.splitlines()]


def test_help_shows_verbs_in_the_order_of_the_flow_of_data():
    found: dict[str, list[str]] = {}
    for line in shown():
        if heading := re.match(r"╭─ (\w+) ─", line):
            verbs = found.setdefault(heading[1], [])
        elif (verb := line.partition(" ")[0]) and verb[0].isalpha() and found:
            verbs.append(verb)
    del found["Options"]
    assert list(found) == list(PANELS)
    assert found == PANELS


@pytest.mark.parametrize("group", [None, *GROUPS])
def test_each_verb_has_one_short_line_of_80_columns(group):
    words = () if group is None else (group,)
    narrow, wide = shown(*words), shown(*words, columns=200)
    names = {verb.words[len(words)] for verb in find_verbs() if verb.words[: len(words)] == words}
    lines = {line.split()[0]: line.split() for line in narrow if line.split()[:1] and line.split()[0] in names}
    assert set(lines) == names
    assert all([*line] in [each.split() for each in wide] for line in lines.values()), "nothing is wrapped"
    assert all(line[-1].endswith(".") for line in lines.values())


def test_the_first_lines_say_what_it_is_for():
    lines = shown()
    text = [line for line in lines[: next(i for i, line in enumerate(lines) if line.startswith("╭"))] if line]
    assert len(text) <= 4  # usage is the first


@pytest.mark.parametrize("verb", find_verbs(), ids=lambda verb: verb.name)
def test_every_verb_teaches(verb):
    lines = shown(*verb.words, columns=120)
    assert any("Usage" in line for line in lines)
    assert len(lines) > 8
    assert "Plug-ins" not in " ".join(lines)


def test_a_verb_of_a_plugin_says_under_which_heading_it_is_shown(monkeypatch):
    @shown_under("Measure")
    def count() -> None:
        """Count devices."""

    def bare() -> None:
        """Do something."""

    verbs = {"count": count, "sets bare": bare}
    entries = [SimpleNamespace(name=name, load=lambda verb=verb: verb) for name, verb in verbs.items()]
    monkeypatch.setattr("rgbx.cli.plugins.entry_points", lambda group: entries if group == "rgbx.commands" else [])
    app = typer.Typer()
    app.add_typer(typer.Typer(), name="sets")
    add_plugin_verbs(app)
    (command,) = app.registered_commands
    (sets,) = app.registered_groups
    (below,) = sets.typer_instance.registered_commands
    assert (command.name, command.rich_help_panel) == ("count", "Measure")
    assert (below.name, below.rich_help_panel) == ("bare", "Plug-ins")


def test_a_verb_that_cannot_be_had_is_said_and_the_others_work(monkeypatch, capsys):
    def broken():
        raise ImportError("no module acme")

    def good() -> None:
        """Do something."""

    entries = [
        SimpleNamespace(name="bad", value="acme:bad", load=broken),
        SimpleNamespace(name="nowhere good", value="acme:good", load=lambda: good),
        SimpleNamespace(name="good", value="acme:good", load=lambda: good),
    ]
    monkeypatch.setattr("rgbx.cli.plugins.entry_points", lambda group: entries)  # noqa: ARG005
    app = typer.Typer()
    add_plugin_verbs(app)
    assert [command.name for command in app.registered_commands] == ["good"]
    said = capsys.readouterr().err
    assert "warning: the verb 'bad' of acme:bad cannot be had (ImportError: no module acme)." in said
    assert "'nowhere good'" in said


def test_version():
    assert CliRunner().invoke(rgbx.cli.app, ["--version"]).output.strip() == f"rgbx {__version__}"


def test_an_error_is_one_sentence_on_stderr_and_a_failing_exit_code(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", "rgbx", "render", "xray", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert "nothing" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "out").exists()


def test_help_imports_nothing_heavy():
    code = "import sys, rgbx.cli; print([m for m in ('torch', 'numba', 'SimpleITK', 'cv2', 'ray') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_main_turns_errors_into_exit_codes(monkeypatch, capsys):
    def fail() -> None:
        raise InputError("a/[b].nrrd", "is torn", "copy it again")

    monkeypatch.setattr(rgbx.cli, "app", fail)
    with pytest.raises(SystemExit) as stopped:
        rgbx.cli.main()
    assert stopped.value.code == 2
    assert "a/[b].nrrd is torn: copy it again." in capsys.readouterr().err


def test_ctrl_c_says_how_to_go_on(monkeypatch, capsys):
    app = typer.Typer(pretty_exceptions_enable=False)

    @app.command()
    def render() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(rgbx.cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["rgbx"])
    with pytest.raises(SystemExit) as stopped:
        rgbx.cli.main()
    assert stopped.value.code == 130
    assert "run the same command again" in capsys.readouterr().err

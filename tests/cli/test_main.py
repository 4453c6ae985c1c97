import subprocess
import sys

import pytest
from typer.testing import CliRunner

import rgbx.cli
from rgbx import __version__
from rgbx.errors import InputError

VERBS = (
    "devices",
    "render",
    "transfer",
    "sets",
    "scan",
    "train",
    "evaluate",
    "explain",
    "predict",
    "watch",
    "flatfield",
    "demo",
    "reproduce",
)


def test_help_names_every_verb_and_what_it_is_for():
    text = CliRunner().invoke(rgbx.cli.app, ["--help"], env={"COLUMNS": "200"}).output
    for verb in VERBS:
        assert verb in text


@pytest.mark.parametrize(
    "command",
    [
        *([verb] for verb in VERBS),
        ["devices", "phones"], ["devices", "check"], ["render", "xray"], ["render", "rgb"], ["render", "materials"],
        ["transfer", "list"], ["transfer", "export"], ["transfer", "import"], ["transfer", "sheet"],
        ["sets", "join"], ["sets", "export"],
        ["train", "xray"], ["train", "rgb"], ["train", "fusion"],
    ],
)  # fmt: skip
def test_every_verb_teaches(command):
    result = CliRunner().invoke(rgbx.cli.app, [*command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert "Usage" in result.output
    assert len(result.output.splitlines()) > 8


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

"""The PC beside the line is often a Windows machine: what runs there takes nothing that only POSIX systems have.

These tests need the base install alone; CI runs them on Windows and macOS too.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from rgbx.samples import write_image

PROGRAM = Path(__file__).parent / "without_posix.py"
SOURCES = Path(__file__).parents[2] / "src"
SIZE = (40, 50)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as people name them, with a model, photographs, radiographs and frames of the open and closed beam."""
    folder = tmp_path_factory.mktemp("line") / "Linie 7, Gerät"
    if given := os.environ.get("RGBX_TINY_BUNDLE"):
        shutil.copytree(given, folder / "model")
    else:
        from tiny_bundle import write_exported_bundle

        write_exported_bundle(folder / "model", tmp_path_factory)
    rng = np.random.default_rng(0)
    for number in (1, 2):
        write_image(folder / f"rgb/{number}_rgb.png", rng.integers(0, 255, (*SIZE, 3)).astype(np.uint8))
        write_image(folder / f"xray/{number}_xray.png", rng.integers(2000, 40000, SIZE).astype(np.uint16))
    for name, level in (("open", 50000), ("dark", 100)):
        (folder / name).mkdir()
        for number in range(2):
            frame = rng.integers(level - 50, level + 50, SIZE).astype(np.uint16)
            tifffile.imwrite(folder / name / f"{number}.tiff", frame)
    return folder


def run(*arguments: Path | str, status: int = 0) -> subprocess.CompletedProcess[str]:
    """Run a verb without POSIX, its output in a code page that lacks many signs."""
    command = [sys.executable, "-X", "warn_default_encoding", str(PROGRAM), *map(str, arguments)]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    ran = subprocess.run(command, capture_output=True, encoding="cp1252", timeout=240, env=environment, check=False)
    assert ran.returncode == status, ran.stderr
    return ran


def test_predicting_one_device(folder: Path) -> None:
    images = ("--rgb", folder / "rgb/1_rgb.png", "--xray", folder / "xray/1_xray.png")
    answers = [
        json.loads(run("predict", folder / "model", *images, "--runtime", runtime, "--json").stdout)
        for runtime in ("onnx", "openvino")
    ]
    assert answers[0]["probabilities"] == pytest.approx(answers[1]["probabilities"], abs=1e-4)
    table = run("predict", folder / "model", *images, "--crops", folder / "crops")
    assert table.stdout.startswith(f"{answers[0]['label']} with probability")
    assert "class" in table.stdout
    assert {path.name for path in (folder / "crops").iterdir()} == {
        f"{modality}-{number}.png" for modality in ("rgb", "xray") for number in (1, 2)
    }


def test_a_flat_field_and_a_folder(folder: Path, tmp_path: Path) -> None:
    fields, log = tmp_path / "fields", tmp_path / "today.jsonl"
    fields.mkdir()  # as somebody does who makes a folder first
    made = run("flatfield", "--flat", folder / "open", "--dark", folder / "dark", "--out", fields)
    assert "2 flat and 2 dark frames of 50 × 40 pixels" in made.stdout
    command = ("predict", folder / "model", "--folder", folder, "--flat", fields, "--out", log, "--csv")
    assert "2 devices answered, 0 of them with a bad image" in run(*command).stdout
    assert "0 devices answered, 0 of them with a bad image, 2 before" in run(*command).stdout
    assert len(log.read_text(encoding="utf-8").splitlines()) == 2
    assert len(log.with_suffix(".csv").read_text(encoding="utf-8").splitlines()) == 3


def test_watching_until_somebody_stops_it(folder: Path, tmp_path: Path) -> None:
    log = tmp_path / "line.jsonl"
    folders = ("--rgb", folder / "rgb", "--xray", folder / "xray")
    watched = run("watch", folder / "model", *folders, "--out", log, "--set", "settle=0", status=130)
    assert [line.partition(":")[0] for line in watched.stdout.splitlines()] == ["1", "2"]
    answered = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [each["PartId"]["Id"] for each in answered] == ["1", "2"]
    assert folder.name in watched.stderr


def test_no_text_file_is_left_to_the_systems_encoding() -> None:
    for source in sorted(SOURCES.rglob("*.py")):
        for call in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and _opens_text(call):
                assert any(keyword.arg == "encoding" for keyword in call.keywords), f"{source}:{call.lineno}"


def _opens_text(call: ast.Call) -> bool:
    """Whether it is ``path.read_text()``, ``path.open()``, ``open(…)`` and the like, and not in a binary mode."""
    method = isinstance(call.func, ast.Attribute)
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in {"read_text", "write_text"}:
        return method  # as a function it is rgbx.files.write_text, which writes UTF-8
    if name not in {"open", "fdopen"}:
        return False
    place = 0 if method and name == "open" else 1
    if method and name == "open" and call.args and not isinstance(call.args[0], ast.Constant):
        return False  # Image.open(path), SampleSet.open(folder)
    mode = call.args[place].value if len(call.args) > place and isinstance(call.args[place], ast.Constant) else "r"
    return "b" not in str(mode)

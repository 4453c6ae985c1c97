"""``rgbx demo``, the whole path through the command line; each step of it has quicker tests of its own."""

import json

import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from tiny_benchmark import TINY, options

pytestmark = [pytest.mark.blender, pytest.mark.slow]


def test_the_whole_path_ends_in_a_report_and_is_not_walked_twice(tmp_path):
    out = tmp_path / "demo"
    command = ["demo", "--out", str(out), *options(TINY)]
    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert "RGB-X" in (out / "report.html").read_text()
    found = json.loads((out / "metrics.json").read_text())
    assert {modality: found[modality]["n"] for modality in ("rgb", "xray", "rgbx")} == {"rgb": 4, "xray": 4, "rgbx": 4}
    assert len(found["seconds"]) == 10
    made = {
        path: path.stat().st_mtime_ns for path in out.rglob("*") if path.suffix in (".png", ".tiff", ".safetensors")
    }
    pair = ["--rgb", str(next(out.glob("line/rgb/SP9/*.png"))), "--xray", str(next(out.glob("line/xray/SP9/*.tiff")))]
    ran = CliRunner().invoke(app, ["predict", str(out / "models/rgbx"), *pair])
    assert ran.exit_code == 0, ran.output
    assert "SP" in ran.output

    ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    networks = {path: time for path, time in made.items() if "results" not in path.parts}
    assert all(path.stat().st_mtime_ns == time for path, time in networks.items())

    ran = CliRunner().invoke(app, [*command, "--set", "test_units=3"])
    assert "holds a demo with other settings" in str(ran.exception)

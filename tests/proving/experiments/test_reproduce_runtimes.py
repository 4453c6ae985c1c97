"""``rgbx reproduce runtimes`` on sizes that take seconds."""

import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx_proving.experiments.runtimes import RuntimesResult
from tiny_benchmark import TINY, options


@pytest.mark.slow
@pytest.mark.blender
def test_ways_to_compute_one_bundle(workshop):
    out = workshop
    sizes = TINY | {"pairings": 1}
    ran = CliRunner().invoke(app, ["reproduce", "runtimes", "--out", str(out), *options(sizes)])
    assert ran.exit_code == 0, ran.output
    result = RuntimesResult.model_validate_json((out / "runtimes.json").read_text())
    found = {way.name: way for way in result.comparison.ways}
    assert found["OpenVINO"].same_class["rgbx"].value == 1
    assert {"OpenVINO", "OpenVINO, early exit"} <= set(found)
    assert set(result.comparison.missing) | set(found) >= {"OpenVINO, int8", "OpenVINO, bf16"}
    page = (out / "runtimes.md").read_text()
    assert "| OpenVINO |" in page
    assert len({line.count("|") for line in page.splitlines() if line.startswith("| ")}) == 2, "each table is straight"
    assert (out / "runtimes.png").read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("models/rgbx-*/graphs")), "the tables' bundle stays as it was trained"

"""`rgbx export` tells what it checked, of every graph."""

from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.inference.runtimes import Graphs


def test_a_graph_without_classes_is_told_of_too(tmp_path, monkeypatch):
    stream = {"images": 64.0, "largest_difference": 2e-6, "equal_classes": 1.0, "equal_crops": 0.5}
    localiser = {"images": 4.0, "largest_difference": 9e-7}
    graphs = Graphs(
        weights_sha256="0", files=("rgb.xml", "localiser.xml"), parity={"rgb.xml": stream, "localiser.xml": localiser}
    )
    monkeypatch.setattr("rgbx.inference.export.export_bundle", lambda *_: graphs)
    ran = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert ran.exit_code == 0, ran.output
    assert "50.00%" in ran.output
    assert "9.0e-07" in next(line for line in ran.output.splitlines() if "localiser.xml" in line)
    assert "2 files" in ran.output

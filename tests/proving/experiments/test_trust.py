"""``rgbx reproduce trust`` on sizes that take seconds."""

import io

import pytest
from rich.console import Console
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.trust.sorting import TrustConfig
from rgbx_proving.experiments.benchmark import Benchmark
from rgbx_proving.experiments.trust import CHANNELS, SCORES, TrustResult, _measured_before
from tiny_benchmark import TINY, options


@pytest.mark.slow
@pytest.mark.blender
def test_known_and_unknown_devices(workshop):
    out = workshop
    sizes = TINY | {"classes": ["SP1", "SP5", "SP9"], "held_out": ["SP5"], "pairings": 1}
    ran = CliRunner().invoke(app, ["reproduce", "trust", "--out", str(out), *options(sizes)])
    assert ran.exit_code == 0, ran.output
    result = TrustResult.model_validate_json((out / "trust.json").read_text())
    assert result.before.rgbx.accuracy == result.after.rgbx.accuracy, "calibrating changes no answer"
    assert result.before.rgbx.trust is None
    assert result.after.rgbx.trust is not None
    (held_out,) = result.held_out
    assert held_out.name == "SP5"
    for score in SCORES:
        for channel in CHANNELS:
            assert 0 <= held_out.auroc[score][channel].low <= held_out.auroc[score][channel].high <= 1
    assert set(result.by_layout) == {"SP1", "SP5", "SP9"}
    assert min(each.value for each in result.by_layout.values()) > 0.5, "near twins are not among these three"
    assert "| SP5 |" in (out / "trust.md").read_text()
    for name in ("trust.png", "trust-reliability.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")
    assert not list(out.glob("models/rgbx-*/calibration.json")), "the tables' bundle stays as it was trained"
    for channel in CHANNELS:
        assert 0 <= result.coverage[channel].low <= result.coverage[channel].value <= result.coverage[channel].high <= 1
    assert "could be answered" in (out / "trust.md").read_text()

    # What the file holds is kept, wherever it was measured; what is missing from it has been measured here already.
    marked = result.model_copy(update={"origin": "another machine", "held_out": ()})
    (out / "trust.json").write_text(marked.model_dump_json())
    ran = CliRunner().invoke(app, ["reproduce", "trust", "--out", str(out), *options(sizes)])
    assert ran.exit_code == 0, ran.output
    joined = TrustResult.model_validate_json((out / "trust.json").read_text())
    assert joined.model_dump_json() == result.model_copy(update={"origin": marked.origin}).model_dump_json()
    assert "measuring" not in ran.output


def test_results_of_other_settings_are_not_kept(tmp_path):
    path, console = tmp_path / "trust.json", Console(file=io.StringIO(), width=200)
    assert _measured_before(path, Benchmark(), TrustConfig(), console) is None
    path.write_text('{"preset": "small"}')
    assert _measured_before(path, Benchmark(), TrustConfig(), console) is None
    assert "will be replaced" in console.file.getvalue()

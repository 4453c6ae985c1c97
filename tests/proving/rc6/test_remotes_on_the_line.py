"""Remote controls go the whole way that phones go, on sizes that take seconds."""

import numpy as np
import pytest
import tifffile
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx_proving.experiments.figure6 import Figure6
from rgbx_proving.experiments.reproduce import TableResult
from rgbx_proving.experiments.trust import TrustResult
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.rc6.family import RC6
from rgbx_proving.standin.line import LineConfig, scan_library
from rgbx_proving.standin.machine import TUBES
from rgbx_proving.units.simulated import open_simulated
from tiny_benchmark import CLOSER, TINY, options

REMOTES = {"family": "rc6", "classes": ["RC1", "RC2", "RC5"], "held_out": ["RC5"], "pairings": 1}


def _library(folder):
    keys = [UnitKey(name, 101) for name in ("RC1", "RC6")]
    write_units(folder, RC6, keys, scan_spacing_mm=None, mesh=False, workers=0)
    return open_simulated(folder)


def test_a_tiny_line_x_rays_remote_controls(tmp_path):
    tube = {"nanofocus": TUBES["nanofocus"]}
    config = LineConfig().updated({"xray.size": 48, "xray.energy_bins": 8, "xray.tubes": tube, "wear": "none"})
    line = scan_library(_library(tmp_path / "new"), tmp_path / "line", config, views_per_unit=2, workers=0, rgb=False)
    assert [record.unit for record in line.xray] == ["RC1-101", "RC1-101", "RC6-101", "RC6-101"]
    for record in line.xray:
        image = tifffile.imread(line.xray.path(record))
        assert image.shape == (48, 48)
        assert np.percentile(image, 1) < 0.4 * np.percentile(image, 99), "cells are dark"


@pytest.mark.blender
def test_a_tiny_line_photographs_remote_controls(tmp_path):
    config = LineConfig().updated({"rgb.size": 48, "rgb.samples": 1, "wear": "none"})
    line = scan_library(_library(tmp_path / "new"), tmp_path / "line", config, views_per_unit=1, workers=0, xray=False)
    assert [record.unit for record in line.rgb] == ["RC1-101", "RC6-101"]


@pytest.mark.slow
@pytest.mark.blender
def test_tables_are_measured_on_remote_controls(tmp_path):
    for table in ("table5", "headline", "figure6", "trust"):
        command = ["reproduce", table, "--out", str(tmp_path), *options(TINY | CLOSER | REMOTES), "--workers", "0"]
        ran = CliRunner().invoke(app, command)
        assert ran.exit_code == 0, f"{table}\n{ran.output}\n{ran.exception!r}"
    for name in ("table5", "headline"):
        table = TableResult.model_validate_json((tmp_path / f"{name}.json").read_text())
        assert table.benchmark.device_classes == ("RC1", "RC2", "RC5")
        rows = {row.name: row for row in table.rows}
        assert rows["RGB"].told_apart is not None, "RC1 and RC2 share the shell"
        assert rows["X-ray"].told_apart is None, "RC6, which shares RC5's inside, is not among these"
    assert "units of RC6" in (tmp_path / "table5.md").read_text()
    pairs = Figure6.model_validate_json((tmp_path / "figure6.json").read_text()).pairs
    assert [(pair.first, pair.second) for pair in pairs] == [("RC1", "RC2"), ("RC2", "RC5")]
    (held_out,) = TrustResult.model_validate_json((tmp_path / "trust.json").read_text()).held_out
    assert held_out.name == "RC5"

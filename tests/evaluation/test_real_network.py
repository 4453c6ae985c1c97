"""The contract with :mod:`rgbx.inference`, held with a real, if untrained, network."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.samples import SampleRecord, SampleSet, SetHeader, write_image
from tiny_bundle import CLASSES, write_untrained_bundle


@pytest.fixture
def untrained(tmp_path):
    return write_untrained_bundle(tmp_path / "bundle")


@pytest.fixture
def line(tmp_path):
    """Photographs that are not square and 16-bit radiographs, as a line gives them."""
    rng = np.random.default_rng(0)
    for modality in ("rgb", "xray"):
        header = SetHeader(
            modality=modality, origin="stand-in", seed=0, classes=CLASSES, config={}, source="", version="0"
        )
        samples = SampleSet.create(tmp_path / "line" / modality, header)
        for number, name in enumerate(CLASSES * 2):
            noise = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
            image = noise if modality == "rgb" else noise[..., 0].astype(np.uint16) * 257
            suffix = "png" if modality == "rgb" else "tiff"
            file_name = f"{name}/{number:06d}.{suffix}"
            write_image(samples.folder / file_name, image)
            samples.add(SampleRecord(file_name=file_name, label=name, unit=f"{name}-{number}", seed=number, draw={}))
        samples.finish()
    return tmp_path / "line"


def test_a_bundle_is_evaluated_and_explained(untrained, line, tmp_path):
    sets = ["--rgb", str(line / "rgb"), "--xray", str(line / "xray")]
    result = CliRunner().invoke(app, ["evaluate", str(untrained), *sets, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert {name: metrics[name]["n"] for name in ("rgb", "xray", "rgbx")} == {"rgb": 6, "xray": 6, "rgbx": 6}
    assert metrics["pairings"]["same_unit"]["n"] == 6

    sets = ["--rgb-set", str(line / "rgb"), "--xray-set", str(line / "xray")]
    command = ["explain", str(untrained), *sets, "--out", str(tmp_path / "maps"), "--faithfulness"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    scores = json.loads((tmp_path / "maps/faithfulness.json").read_text())
    for modality in ("rgb", "xray"):
        assert scores[modality]["images"] == 3
        for value in ("deletion", "insertion", "centre_deletion", "centre_insertion"):
            found = scores[modality][value]
            assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    figures = sorted((tmp_path / "maps").glob("*.png"))
    assert len(figures) == 3
    assert cv2.imread(str(figures[0])).std() > 20

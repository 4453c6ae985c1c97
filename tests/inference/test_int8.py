"""Int8 graphs are written where they pass their gates, and only there."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from learning_sets import write_set
from rgbx.cli import app
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.inference import Predictor, int8
from rgbx.inference import export as exporting
from rgbx.inference.export import export_bundle, made_up_images
from rgbx.inference.int8 import Int8Gates, failed_gate, paired_interval
from rgbx.inference.runtimes import read_graphs
from tiny_bundle import export_again, write_exported_bundle, write_untrained_bundle

GATES = Int8Gates(accuracy_loss=1.0, equal_crops=1.0)
PHOTOGRAPH = np.random.default_rng(1).integers(0, 255, (50, 40, 3)).astype(np.uint8)
RADIOGRAPH = np.random.default_rng(0).integers(0, 65535, (40, 50)).astype(np.uint16)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    bundle = write_exported_bundle(folder / "bundle", tmp_path_factory)
    sets = [f"--{modality}-set={write_set(folder / modality, modality)}" for modality in ("rgb", "xray")]
    command = ["export", str(bundle), "--format", "openvino", "--int8", "--int8-loss=100", *sets]
    with pytest.MonkeyPatch.context() as patch:
        export_again(bundle, patch)
        ran = CliRunner().invoke(app, command)
    assert ran.exit_code == 0, ran.output
    assert "95 % interval" in ran.output
    return bundle


def test_an_int8_graph_looks_where_torch_looks(exported: Path) -> None:
    graphs = read_graphs(exported)
    assert graphs is not None
    assert graphs.refused == {}
    for modality in ("rgb", "xray"):
        name = f"{modality}.int8.xml"
        assert {name, f"{modality}.int8.bin"} <= set(graphs.files)
        assert graphs.parity[name]["equal_crops"] == 1.0
        assert graphs.parity[name]["largest_difference"] > 0


def test_predicting_in_int8_takes_those_graphs(
    exported: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    predictors = [Predictor.load(exported, precision=precision) for precision in ("f32", "int8")]
    exact, rounded = (predictor.predict(xray=RADIOGRAPH, explain=True).streams["xray"] for predictor in predictors)
    assert not np.array_equal(exact.logits, rounded.logits)
    for before, after in zip(exact.views, rounded.views, strict=True):
        assert after.window == pytest.approx(before.window, abs=1e-5)
    with pytest.raises(RgbxError, match="onnx computes in float32 only"):
        Predictor.load(exported, "onnx", "int8")
    float_only = write_exported_bundle(tmp_path / "bundle", tmp_path_factory)
    with pytest.raises(InputError, match=r"rgb\.int8\.xml is missing.*--int8'"):
        Predictor.load(float_only, precision="int8")


@pytest.mark.slow
def test_a_graph_whose_crops_move_is_refused_and_the_float_graph_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_untrained_bundle(tmp_path / "bundle")
    images = {modality: made_up_images(modality, 64, 24) for modality in ("rgb", "xray")}
    labels = {modality: np.zeros(24, int) for modality in images}
    monkeypatch.setattr(int8, "_before_windows", lambda _: [])  # so the first iterations lose bits too
    graphs = export_bundle(bundle, ("openvino",), images, labels, GATES)
    assert set(graphs.refused) == {"rgb.int8.xml", "xray.int8.xml"}
    assert all("has torch's crops for" in fault and "100.0% asked for" in fault for fault in graphs.refused.values())
    assert not list((bundle / "graphs").glob("*int8*"))
    assert json.loads((bundle / "graphs/graphs.json").read_text())["refused"] == graphs.refused
    assert Predictor.load(bundle, "openvino").predict(xray=RADIOGRAPH).label in ("A", "B", "C")
    with pytest.raises(InputError, match=r"rgb\.int8\.xml is missing"):
        Predictor.load(bundle, precision="int8")


def test_a_stream_whose_int8_graph_was_refused_stays_in_float(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = write_exported_bundle(tmp_path / "bundle", tmp_path_factory)
    export_again(bundle, monkeypatch)
    images = {modality: made_up_images(modality, 64, 8) for modality in ("rgb", "xray")}
    labels = {modality: np.zeros(8, int) for modality in images}
    faults = iter(["has no good photographs", None])
    monkeypatch.setattr(exporting, "failed_gate", lambda *_: next(faults))
    graphs = export_bundle(bundle, ("openvino",), images, labels, GATES)
    assert set(graphs.refused) == {"rgb.int8.xml"}
    exact, rounded = (
        Predictor.load(bundle, precision=precision).predict(PHOTOGRAPH, RADIOGRAPH) for precision in ("f32", "int8")
    )
    np.testing.assert_array_equal(rounded.streams["rgb"].logits, exact.streams["rgb"].logits)
    assert not np.array_equal(rounded.streams["xray"].logits, exact.streams["xray"].logits)


def test_int8_wants_labelled_sets_and_openvino(exported: Path) -> None:
    ran = CliRunner().invoke(app, ["export", str(exported), "--int8"])
    assert isinstance(ran.exception, ConfigError)
    assert "give --rgb-set, --xray-set or both" in str(ran.exception)
    with pytest.raises(ConfigError, match="OpenVINO"):
        export_bundle(exported, ("onnx",), int8=GATES)


def test_each_gate_is_named_with_how_much_is_missing() -> None:
    found = {"equal_crops": 0.98, "accuracy_gain": -0.01, "accuracy_gain_low": -0.03, "accuracy_gain_high": 0.01}
    assert failed_gate(found, Int8Gates(accuracy_loss=0.01, equal_crops=0.98)) is None
    fault = failed_gate(found, Int8Gates())
    assert fault is not None
    assert "loses -1.0 points (95 % interval -3.0 to +1.0) of accuracy, 0.5 points allowed" in fault
    assert "has torch's crops for 98.0% of images, 99.0% asked for" in fault


@given(st.integers(0, 200), st.integers(0, 200), st.integers(0, 800))
def test_a_paired_interval_holds_the_difference_and_mirrors(gained: int, lost: int, same: int) -> None:
    count = gained + lost + same + 1
    low, high = paired_interval(gained, lost, count)
    assert low < (gained - lost) / (count + 2) < high
    assert paired_interval(lost, gained, count) == pytest.approx((-high, -low))

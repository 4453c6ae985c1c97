"""What OpenVINO computes in, and how it shares out its work, change speed but not answers."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import InputError, RgbxError
from rgbx.extras import import_openvino
from rgbx.inference import Predictor
from rgbx.inference.runtimes import Mode, OpenVinoGraph, RuntimeName
from rgbx.processes import cores
from tiny_bundle import write_exported_bundle

RADIOGRAPHS = [np.random.default_rng(seed).integers(0, 65535, (40, 50)).astype(np.uint16) for seed in range(5)]
PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (50, 40, 3)).astype(np.uint8)
openvino = import_openvino()
HAS_BF16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exported_bundle(tmp_path_factory.mktemp("model") / "bundle", tmp_path_factory)


def test_throughput_gives_the_answers_of_latency_in_the_same_order(exported: Path) -> None:
    one, many = Predictor.load(exported), Predictor.load(exported, mode="throughput")
    for ours, theirs in zip(
        one.encode("xray", RADIOGRAPHS, explain=True), many.encode("xray", RADIOGRAPHS, explain=True), strict=True
    ):
        np.testing.assert_allclose(theirs.logits, ours.logits, atol=1e-4)
        np.testing.assert_allclose(theirs.fused_input, ours.fused_input, atol=1e-4)
        assert [view.window for view in theirs.views] == [pytest.approx(view.window) for view in ours.views]
    expected = one.predict(PHOTOGRAPH, RADIOGRAPHS[0]).probabilities
    assert many.predict(PHOTOGRAPH, RADIOGRAPHS[0]).probabilities == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_both_images_at_once_give_the_answers_of_one_after_the_other(exported: Path, runtime: RuntimeName) -> None:
    one, both = Predictor.load(exported, runtime), Predictor.load(exported, runtime, mode="pairs")
    for radiograph in RADIOGRAPHS:
        ours, theirs = (each.predict(PHOTOGRAPH, radiograph, explain=True) for each in (one, both))
        assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-4)
        assert list(theirs.streams) == list(ours.streams)
        for modality, encoded in ours.streams.items():
            np.testing.assert_allclose(theirs.streams[modality].logits, encoded.logits, atol=1e-4)
    assert both.predict(xray=RADIOGRAPHS[0]).label == one.predict(xray=RADIOGRAPHS[0]).label


def test_each_of_both_images_at_once_has_half_of_the_cores(exported: Path) -> None:
    threads = {}
    for mode in get_args(Mode):
        graph = OpenVinoGraph(exported / "graphs/xray.xml", mode=mode)
        threads[mode] = graph._model.get_property("INFERENCE_NUM_THREADS")
    assert threads == {"latency": cores(), "throughput": cores(), "pairs": max(1, cores() // 2)}


@pytest.mark.skipif(not HAS_BF16, reason="the processor has no bfloat16")
def test_bf16_is_near_f32(exported: Path) -> None:
    exact, rough = Predictor.load(exported), Predictor.load(exported, precision="bf16")
    prepared = np.stack([exact.prepare("xray", each) for each in RADIOGRAPHS])
    ours, theirs = exact.respond("xray", prepared), rough.respond("xray", prepared)
    assert np.abs(ours - theirs).max() < 0.05
    assert np.abs(ours - theirs).max() > 1e-6  # else nothing was computed in bfloat16


def test_bf16_is_refused_where_there_is_none(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class OldProcessor(openvino.Core):
        def get_property(self, *_: str) -> list[str]:
            return ["FP32", "INT8"]

    monkeypatch.setattr(openvino, "Core", OldProcessor)
    with pytest.raises(RgbxError, match="no instructions for bfloat16: take --precision f32"):
        Predictor.load(exported, precision="bf16")


def test_only_openvino_computes_in_less_than_float32(exported: Path) -> None:
    with pytest.raises(RgbxError, match="torch computes in float32 only"):
        Predictor.load(exported, "torch", precision="bf16")
    with pytest.raises(InputError, match=r"rgb\.int8\.xml is missing"):
        Predictor.load(exported, precision="int8")
    ran = CliRunner().invoke(app, ["predict", str(exported), "--xray", "x.png", "--precision", "int8"])
    assert isinstance(ran.exception, InputError)

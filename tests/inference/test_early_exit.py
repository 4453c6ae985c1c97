"""Streams that stop looking once they are sure: the same rule for every runtime, and never another answer."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.inference.early_exit import EarlyExit, IterationOutput, next_inputs
from rgbx.inference.export import export_bundle
from rgbx.inference.runtimes import STREAM_OUTPUTS
from rgbx.inference.torch_runtime import IterationGraph, StreamGraph
from rgbx.models import bundle
from rgbx.models.icam import ICam
from rgbx.models.network import RgbXNetwork
from rgbx.models.seal import seal
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.view.transform import TransformConfig
from tiny_bundle import write_untrained_bundle
from tiny_networks import TinyBackbone

RADIOGRAPHS = [np.random.default_rng(seed).integers(0, 65535, (40, 50)).astype(np.uint16) for seed in range(7)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = StreamConfig(
        modality="xray",
        transform=TransformConfig(source_size=64),
        backbone=BackboneConfig(name="two_convolutions", weights="none"),
        icam=ICamConfig(input_size=64, iterations=2),
    )
    folder = tmp_path_factory.mktemp("model") / "bundle"
    network = RgbXNetwork({"xray": build_stream(config, 3)}, fused=False)
    bundle.save_bundle(folder, network, ("A", "B", "C"), {"xray": config}, training={}, sources={}, metrics={})
    graphs = export_bundle(folder, ("onnx", "openvino"), early_exit=True)
    assert set(graphs.parity) == {"xray.onnx", "xray.iterations.onnx", "xray.xml", "xray.iterations.xml"}
    assert {"xray.iteration1.onnx", "xray.iteration2.xml", "xray.iteration2.bin"} <= set(graphs.files)
    return folder


class Growing:
    """An iteration that is the surer of class 0 the larger an image's pixels are, and surer than the one before."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.batches: list[int] = []

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> list[np.ndarray]:
        images = inputs["images"]
        if self._number > 1:
            np.testing.assert_array_equal(inputs["past_crops"][:, 0], images)  # what belongs to an image stays with it
        self.batches.append(len(images))
        sureness = images.mean((1, 2, 3)) * self._number
        logits = np.stack([sureness, 0 * sureness], 1)
        cams = np.zeros((len(images), self._number, 1, 1), np.float32)
        crops = np.stack([images] * self._number, 1)
        found = IterationOutput(logits, logits, cams, cams[..., 0].repeat(3, 2), crops, cams[..., 0])
        return [getattr(found, name) for name in outputs]


def test_only_what_is_undecided_goes_on() -> None:
    graphs = [Growing(number) for number in (1, 2, 3)]
    logits = np.array([9.0, 1.0, 5.0, 3.0, 0.0], np.float32)
    images = np.ones((5, 1, 4, 4), np.float32) * logits[:, None, None, None]
    found = EarlyExit(graphs, 1 / (1 + np.exp(-5.0)) - 1e-6)(images, crops=True)
    assert [len(windows) for windows in found.windows] == [1, 3, 1, 2, 3]
    assert [len(crops) for crops in found.crops] == [1, 3, 1, 2, 3]
    np.testing.assert_allclose(found.logits[:, 0], [9, 3, 5, 6, 0])
    assert [each.batches for each in graphs] == [[5], [3], [2]]


@pytest.mark.parametrize("window", ["square", "peaks"])
@pytest.mark.parametrize("crop_source", ["input", "source"])
def test_all_iterations_one_after_the_other_are_the_stream(window: str, crop_source: str) -> None:
    torch.manual_seed(0)
    settings = {"input_size": 32, "iterations": 4, "window": window, "crop_source": crop_source, "crop_fraction": 0.4}
    stream = ICam(TinyBackbone(), 3, ICamConfig.model_validate(settings)).eval()
    with torch.no_grad():
        stream.aggregator.weights.copy_(torch.tensor([1.0, 0.0, -1.0, 0.5]))
        images = torch.rand(3, 1, 48, 48)
        inputs = {"images": images}
        for number in range(1, 5):
            found = dict(zip(IterationOutput._fields, IterationGraph(stream)(**inputs), strict=True))
            expected = stream(images, iterations=number)
            torch.testing.assert_close(found["logits"], expected.logits)
            torch.testing.assert_close(found["windows"], expected.windows)
            inputs = next_inputs(images, found)
        whole = StreamGraph(stream)(images)
        for name, each in zip(STREAM_OUTPUTS, whole, strict=True):
            torch.testing.assert_close(found[name], each)


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "onnx", "openvino"])
def test_every_runtime_exits_where_torch_does(exported: Path, runtime: str) -> None:
    reference = Predictor.load(exported, "torch", early_exit=1.0)
    prepared = np.stack([reference.prepare("xray", each) for each in RADIOGRAPHS])
    by_iteration = reference.respond_by_iteration("xray", prepared)
    threshold = float(np.median(by_iteration[:, 0].max(1)))  # half of the images are sure at the first look
    expected = np.where((by_iteration.max(2) >= threshold).any(1), (by_iteration.max(2) >= threshold).argmax(1) + 1, 2)
    assert {1, 2} == set(expected.tolist())
    predictor = Predictor.load(exported, runtime, early_exit=threshold - 1e-5)
    encoded = predictor.encode("xray", RADIOGRAPHS, explain=True)
    assert [each.iterations for each in encoded] == expected.tolist()
    for each, iterations, answers in zip(encoded, expected, by_iteration, strict=True):
        assert len(each.views) == iterations
        assert predictor.combine(None, each).probabilities == pytest.approx(
            dict(zip(predictor.classes, answers[iterations - 1], strict=True)), abs=1e-4
        )
    np.testing.assert_allclose(predictor.respond_by_iteration("xray", prepared), by_iteration, atol=1e-4)


def test_a_threshold_that_nothing_reaches_changes_nothing(tmp_path: Path) -> None:
    pair = write_untrained_bundle(tmp_path / "pair")
    photograph = np.random.default_rng(0).integers(0, 255, (50, 40, 3)).astype(np.uint8)
    whole = Predictor.load(pair).predict(photograph, RADIOGRAPHS[0])
    early = Predictor.load(pair, early_exit=1.0).predict(photograph, RADIOGRAPHS[0])
    assert early.probabilities == pytest.approx(whole.probabilities, abs=1e-4)
    assert [each.iterations for each in early.streams.values()] == [3, 3]


@pytest.mark.slow
def test_what_early_exit_needs_is_said(exported: Path, tmp_path: Path) -> None:
    fresh = shutil.copytree(exported, tmp_path / "fresh")
    graphs = json.loads((fresh / "graphs/graphs.json").read_text())
    graphs["files"] = [name for name in graphs["files"] if ".iteration" not in name]
    (fresh / "graphs/graphs.json").write_text(json.dumps(graphs))
    seal(fresh, ["graphs/graphs.json"])
    with pytest.raises(InputError, match=r"rgbx export .* --format onnx --early-exit"):
        Predictor.load(fresh, "onnx", early_exit=0.9)
    with pytest.raises(RgbxError, match="need early exit"):
        Predictor.load(fresh).respond_by_iteration("xray", np.zeros((1, 64, 64), np.uint16))


@pytest.mark.slow
def test_the_verb_exits_early(exported: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), RADIOGRAPHS[0])
    command = ["predict", str(exported), "--xray", str(tmp_path / "x.png"), "--early-exit", "0", "--crops"]
    ran = CliRunner().invoke(app, [*command, str(tmp_path / "crops")])
    assert ran.exit_code == 0, ran.output
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["xray-1.png"]

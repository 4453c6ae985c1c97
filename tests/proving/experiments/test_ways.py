from pathlib import Path

import numpy as np
import pytest

from learning_sets import write_set
from rgbx.inference.runtimes import OnnxGraph
from rgbx.samples import SampleSet
from rgbx_proving.experiments.ways import TORCH, Way, choose_exit, compare_ways
from tiny_bundle import write_exported_bundle


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exported_bundle(tmp_path_factory.mktemp("model") / "bundle", tmp_path_factory)


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict:
    folder = tmp_path_factory.mktemp("sets")
    return {modality: SampleSet.open(write_set(folder / modality, modality)) for modality in ("rgb", "xray")}


def test_graphs_answer_as_torch_does(bundle: Path, sets: dict) -> None:
    found = compare_ways(bundle, sets, exit_threshold=0.9)
    assert [way.name for way in found.ways][:3] == ["torch", "ONNX Runtime", "OpenVINO"]
    assert found.devices == len(sets["rgb"].records)
    for way in found.ways[:3]:
        assert {each.value for each in (*way.same_class.values(), *way.same_picture.values())} == {1.0}
        assert {each.value for each in way.gain.values()} == {0.0}
        assert way.passes == {"rgb": 2.0, "xray": 2.0}
        assert way.pair_ms > 0
    assert "--int8" in found.missing["OpenVINO, int8"]
    assert "--early-exit" in found.missing["OpenVINO, early exit"]


def test_a_graph_that_answers_otherwise_is_found_out(bundle: Path, sets: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    right = OnnxGraph.__call__

    def wrong(graph: OnnxGraph, inputs: dict, outputs: list) -> list[np.ndarray]:
        found = dict(zip(outputs, right(graph, inputs, outputs), strict=True))
        found |= {"logits": -found["logits"], "fused_input": -99 * found["fused_input"]}
        found["windows"] = found["windows"][:, ::-1]
        return list(found.values())

    monkeypatch.setattr(OnnxGraph, "__call__", wrong)
    _, found = compare_ways(bundle, sets, 0.9, [Way("turned round", "onnx")]).ways
    assert all(each.value < 0.5 for each in (*found.same_class.values(), *found.same_picture.values())), found


def test_early_exit_is_chosen_and_looks_less_often(bundle: Path, sets: dict) -> None:
    assert 0.3 <= choose_exit(bundle, sets) <= 1
    torch, early = compare_ways(bundle, sets, 0.3, [TORCH, Way("early", "torch", early_exit=True)]).ways
    for modality in ("rgb", "xray"):
        assert 1 <= early.passes[modality] < torch.passes[modality]
        assert early.same_picture[modality].value < 1, "fewer looks are fewer pictures"

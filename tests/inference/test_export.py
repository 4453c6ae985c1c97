"""Exported graphs answer as torch does, or are not written."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.inference import export as exporting
from rgbx.inference.export import PAIR_OUTPUTS, export_bundle, made_up_images
from rgbx.inference.runtimes import load_graph, pick_runtime, read_graphs
from rgbx.view.transform import as_input
from tiny_bundle import export_again, write_exported_bundle, write_untrained_bundle

RADIOGRAPHS = [np.random.default_rng(seed).integers(0, 65535, (40, 50)).astype(np.uint16) for seed in range(5)]
PHOTOGRAPHS = [np.random.default_rng(seed).integers(0, 255, (50, 40, 3)).astype(np.uint8) for seed in range(5)]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_exported_bundle(tmp_path_factory.mktemp("model") / "bundle", tmp_path_factory)


def test_an_export_has_each_stream_and_both(exported: Path) -> None:
    graphs = read_graphs(exported)
    assert graphs is not None
    names = {f"{name}{suffix}" for name in ("rgb", "xray", "rgbx") for suffix in (".onnx", ".xml", ".bin")}
    assert set(graphs.files) == names
    assert {path.name for path in (exported / "graphs").iterdir()} == names | {"graphs.json"}
    for found in graphs.parity.values():
        assert found["equal_classes"] == found["equal_crops"] == 1.0
        assert found["largest_difference"] < 1e-3


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_every_runtime_gives_torchs_answers_and_pictures(exported: Path, runtime: str) -> None:
    torch, other = Predictor.load(exported, "torch"), Predictor.load(exported, runtime)
    for photograph, radiograph in zip(PHOTOGRAPHS, RADIOGRAPHS, strict=True):
        ours, theirs = (each.predict(photograph, radiograph, explain=True) for each in (torch, other))
        assert theirs.label == ours.label
        assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-4)
        for modality in ("rgb", "xray"):
            for first, second in zip(ours.streams[modality].views, theirs.streams[modality].views, strict=True):
                assert second.window == pytest.approx(first.window, abs=1e-5)
                assert np.abs(second.crop.astype(int) - first.crop).max() <= 1
                np.testing.assert_allclose(second.cam, first.cam, atol=1e-3)
        assert other.predict(xray=radiograph).label == torch.predict(xray=radiograph).label
        assert other.predict(photograph).label == torch.predict(photograph).label


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_one_graph_holds_both_streams_and_their_fusion_for_any_batch(exported: Path, runtime: str) -> None:
    graph = load_graph(exported / "graphs" / f"rgbx{'.onnx' if runtime == 'onnx' else '.xml'}", runtime)
    predictor = Predictor.load(exported, "torch")
    for count in (1, 3):
        batch = {
            "rgb": as_input(np.stack([predictor.prepare("rgb", each) for each in PHOTOGRAPHS[:count]])),
            "xray": as_input(np.stack([predictor.prepare("xray", each) for each in RADIOGRAPHS[:count]])),
        }
        found = dict(zip(PAIR_OUTPUTS, graph(batch, PAIR_OUTPUTS), strict=True))
        assert found["logits"].shape == (count, 3)
        for place in range(count):
            expected = predictor.predict(PHOTOGRAPHS[place], RADIOGRAPHS[place])
            assert predictor.classes[int(found["logits"][place].argmax())] == expected.label
            np.testing.assert_allclose(found["xray_logits"][place], expected.streams["xray"].logits, atol=1e-3)


def test_the_exported_runtime_is_taken_by_itself(exported: Path, tmp_path: Path) -> None:
    assert pick_runtime(exported) == "openvino"
    assert pick_runtime(write_untrained_bundle(tmp_path / "fresh")) == "torch"
    with pytest.raises(InputError, match="was not exported for onnx"):
        Predictor.load(tmp_path / "fresh", "onnx")


def test_changed_or_foreign_graphs_are_refused(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    bundle = write_exported_bundle(tmp_path / "bundle", tmp_path_factory)
    header = bundle / "graphs/graphs.json"
    good = header.read_text()
    header.write_text(json.dumps({**json.loads(good), "weights_sha256": "0" * 64}))
    with pytest.raises(InputError, match="exported from other weights"):
        Predictor.load(bundle, "onnx")
    header.write_text("{}")
    with pytest.raises(InputError, match="is damaged"):
        Predictor.load(bundle, "onnx")
    header.write_text(good)
    with (bundle / "graphs/xray.onnx").open("ab") as file:
        file.write(b" ")
    with pytest.raises(InputError, match=r"xray\.onnx is damaged, was changed"):
        Predictor.load(bundle, "onnx")


@pytest.mark.parametrize("gate", ["SAME_CLASSES", "SAME_CROPS"])
def test_graphs_that_disagree_are_not_written(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gate: str
) -> None:
    bundle = write_untrained_bundle(tmp_path / "bundle", "two_convolutions", iterations=2)
    export_again(exported, monkeypatch)
    monkeypatch.setattr(exporting, gate, 1.1)
    with pytest.raises(RgbxError, match=r"does not answer as torch does: same class for 100\.00%"):
        export_bundle(bundle, ("onnx",))
    assert not (bundle / "graphs").exists()
    assert not list(bundle.glob(".graphs*"))


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["test_resnet", "test_efficientnet"])
def test_timms_networks_are_exported(tmp_path: Path, backbone: str) -> None:
    bundle = write_untrained_bundle(tmp_path / "bundle", backbone)
    found = export_bundle(bundle, ("onnx", "openvino")).parity
    assert {(each["equal_classes"], each["equal_crops"]) for each in found.values()} == {(1.0, 1.0)}


def test_made_up_images_are_as_a_transform_gives_them() -> None:
    photographs, radiographs = made_up_images("rgb", 48, 3), made_up_images("xray", 48, 3)
    assert [(each.shape, each.dtype) for each in photographs] == [((48, 48, 3), np.uint8)] * 3
    assert [(each.shape, each.dtype) for each in radiographs] == [((48, 48), np.uint16)] * 3


def test_predicting_with_a_graph_needs_no_torch(exported: Path) -> None:
    program = (
        "import sys\n"
        "import numpy as np\n"
        "from rgbx.inference import Predictor\n"
        "predictor = Predictor.load(sys.argv[1])\n"
        "predictor.predict(np.zeros((50, 40, 3), np.uint8), np.full((40, 50), 9000, np.uint16), explain=True)\n"
        "heavy = {'torch', 'timm', 'lightning', 'torchvision', 'numba', 'vtk', 'trimesh', 'SimpleITK'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(exported)], capture_output=True, text=True, timeout=120, check=False
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert ran.stdout.splitlines()[-1] == "[]"

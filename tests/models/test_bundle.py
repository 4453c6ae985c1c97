import json
import subprocess
from pathlib import Path

import pytest
import torch
from torch import nn

from rgbx.errors import InputError
from rgbx.models import bundle
from rgbx.models.card import CARD
from rgbx.models.header import BUNDLE_FILE, WEIGHTS
from rgbx.models.network import FusionHead, RgbXNetwork
from rgbx.models.seal import SUMS, seal
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.view.transform import TransformConfig

CONFIG = StreamConfig(
    modality="xray",
    transform=TransformConfig(source_size=64),
    backbone=BackboneConfig(name="test_resnet", weights="none"),
    icam=ICamConfig(input_size=64),
)
CLASSES = ("A", "B", "C")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    network = RgbXNetwork({"xray": build_stream(CONFIG, 3)}, fused=False)
    network.train().streams["xray"](torch.rand(4, 1, 64, 64))  # iterations' statistics part ways
    bundle.save_bundle(tmp_path / "model", network, CLASSES, {"xray": CONFIG}, training={}, sources={}, metrics={})
    torch.save(network.eval().streams["xray"](torch.full((1, 1, 64, 64), 0.3)).logits, tmp_path / "expected.pt")
    return tmp_path / "model"


def test_a_loaded_bundle_computes_the_same(saved: Path) -> None:
    loaded = bundle.load_bundle(saved)
    assert loaded.header.classes == CLASSES
    expected = torch.load(saved.parent / "expected.pt")
    assert torch.equal(loaded.network.streams["xray"](torch.full((1, 1, 64, 64), 0.3)).logits, expected)


def test_weights_shared_between_iterations_are_stored_once(saved: Path) -> None:
    import safetensors.torch

    names = safetensors.torch.load_file(saved / WEIGHTS)
    assert any(name.endswith("norms.2.running_mean") for name in names)
    assert not any(name.endswith("norms.2.weight") for name in names)


def _edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_tampering_is_refused_with_a_sentence(saved: Path, tmp_path: Path) -> None:
    header, weights = saved / BUNDLE_FILE, saved / WEIGHTS
    good_header, good_weights = header.read_text(), weights.read_bytes()

    def refused(match: str, resealed: bool = False) -> None:
        if resealed:
            seal(saved, (BUNDLE_FILE,))
        with pytest.raises(InputError, match=match):
            bundle.load_bundle(saved)
        header.write_text(good_header)
        weights.write_bytes(good_weights)
        seal(saved, (BUNDLE_FILE, WEIGHTS))

    weights.write_bytes(good_weights[: len(good_weights) // 2])
    refused("weights.safetensors is damaged, was changed")
    weights.write_bytes(good_weights[:-1] + bytes([good_weights[-1] ^ 1]))
    refused("weights.safetensors is damaged, was changed")
    weights.unlink()
    refused("is missing")
    _edit(header, classes=["B", "A", "C"])
    refused("bundle.json is damaged, was changed")
    _edit(header, classes=["A", "B"])
    refused("does not fit the network", resealed=True)
    _edit(header, fused=True)
    refused("fused", resealed=True)
    (saved / SUMS).unlink()
    refused("holds no SHA256SUMS")
    _edit(header, format=9)
    refused("format 9")
    _edit(header, kind="something else")
    refused("no bundle of rgbx")
    header.write_text("{")
    refused("not valid JSON")
    header.write_text('{"kind": "rgbx bundle", "format": 1}')
    refused("damaged")
    header.unlink()
    refused("holds no bundle.json")
    with pytest.raises(InputError, match="does not exist"):
        bundle.load_bundle(tmp_path / "nowhere")
    bundle.load_bundle(saved)


def test_fusion_starts_as_the_product_of_its_experts() -> None:
    classifiers = {"rgb": nn.Linear(5, 3), "xray": nn.Linear(7, 3)}
    head = FusionHead(classifiers)
    features = {"rgb": torch.randn(2, 5), "xray": torch.randn(2, 7)}
    expected = classifiers["rgb"](features["rgb"]) + classifiers["xray"](features["xray"])
    torch.testing.assert_close(head(features), expected)


def test_the_seal_is_what_sha256sum_checks(saved: Path) -> None:
    ran = subprocess.run(["sha256sum", "--check", SUMS], cwd=saved, capture_output=True, text=True, check=False)
    assert ran.returncode == 0
    assert sorted(ran.stdout.split("\n")[:-1]) == [f"{name}: OK" for name in (CARD, BUNDLE_FILE, WEIGHTS)]

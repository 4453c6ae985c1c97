"""Sets, bundles and calibrations that rgbx 0.1 wrote: read as it did, or refused by a sentence that says what to do.

``tests/data/rgbx-0.1.tar.xz`` was written by that version; ``answers.json`` in it is what it answered.
"""

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rgbx.errors import InputError
from rgbx.files import write_json
from rgbx.inference import Predictor
from rgbx.models.earlier import from_format_2
from rgbx.models.header import read_bundle_header
from rgbx.models.seal import seal
from rgbx.samples import SampleSet

WRITTEN = Path(__file__).parent.parent / "data" / "rgbx-0.1.tar.xz"


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("earlier")
    with tarfile.open(WRITTEN) as tar:
        tar.extractall(folder, filter="data")
    return folder / "rgbx-0.1"


@pytest.fixture(scope="module")
def answers(earlier: Path) -> dict[str, Any]:
    return json.loads((earlier / "answers.json").read_text())


@pytest.mark.parametrize("name", ["fused", "box", "peaks"])
def test_bundles_answer_as_they_did(name: str, earlier: Path, answers: dict[str, Any]) -> None:
    predictor = Predictor.load(earlier / name, "torch")
    assert set(predictor.modalities) == set(answers[name])
    for modality, expected in answers[name].items():
        image = earlier / "sets" / modality / expected["image"]
        (encoded,) = predictor.encode(modality, [image], explain=True)
        np.testing.assert_allclose(encoded.logits, expected["logits"], rtol=1e-4, atol=2e-3)  # a GPU multiplies in TF32
        np.testing.assert_allclose([view.window for view in encoded.views], expected["windows"], atol=1e-6)


@pytest.mark.parametrize("name", ["calibrated-layout", "calibrated-energy"])
def test_calibrations_decide_as_they_did(name: str, earlier: Path, answers: dict[str, Any]) -> None:
    images = {
        modality: earlier / "sets" / modality / answers["fused"][modality]["image"] for modality in ("rgb", "xray")
    }
    prediction = Predictor.load(earlier / name, "torch").predict(images["rgb"], images["xray"])
    expected = answers[name]
    assert prediction.probabilities == pytest.approx(expected["probabilities"], abs=1e-5)
    found = prediction.decision
    assert {"bin": found.bin, "reason": found.reason, "unknown_score": found.unknown_score} == expected["decision"]


@pytest.mark.parametrize("modality", ["rgb", "xray"])
def test_sets_are_read(modality: str, earlier: Path) -> None:
    samples = SampleSet.open(earlier / "sets" / modality)
    assert len(samples) == len(samples.records) == 24
    assert all(samples.path(record).is_file() for record in samples)


def test_what_cannot_be_said_any_more_is_refused(earlier: Path) -> None:
    with pytest.raises(InputError, match=r"search 'peaks' and window 'box' together.*train it again, or use rgbx 0\.1"):
        Predictor.load(earlier / "peaks-and-box")


def test_graphs_have_to_be_exported_again(earlier: Path, tmp_path: Path) -> None:
    bundle = shutil.copytree(earlier / "fused", tmp_path / "bundle")
    (bundle / "graphs").mkdir()
    (bundle / "graphs" / "rgb.onnx").touch()
    write_json(
        bundle / "graphs" / "graphs.json",
        {"kind": "rgbx graphs", "format": 1, "weights_sha256": "0", "files": ["rgb.onnx"], "parity": {}},
    )
    with pytest.raises(InputError, match=r"has format 1, this rgbx reads 2: run 'rgbx export' on the bundle again"):
        Predictor.load(bundle, "onnx")


@pytest.mark.parametrize("damage", [{}, {"streams": 3}, {"streams": {"rgb": 3}}, {"streams": {"rgb": {"icam": {}}}}])
def test_damage_is_a_sentence_here_too(damage: dict[str, Any], tmp_path: Path) -> None:
    write_json(tmp_path / "bundle.json", {"kind": "rgbx bundle", "format": 1, **damage})
    seal(tmp_path, ["bundle.json"])
    with pytest.raises(InputError, match=r"bundle\.json is damaged"):
        read_bundle_header(tmp_path)


def test_bundles_of_format_2_see_what_they_saw() -> None:
    def transforms(**settings: object) -> dict[str, Any]:
        header = {"format": 2, "streams": {name: {"transform": dict(settings)} for name in ("rgb", "xray")}}
        now = from_format_2(header)
        assert now["format"] == 3
        return {name: stream["transform"] for name, stream in now["streams"].items()}

    assert transforms(source_size=64, device_margin=0.2) == {
        "rgb": {"source_size": 64, "view": "none"},
        "xray": {"source_size": 64, "view": "square", "margin": 0.2},
    }
    assert transforms()["xray"] == {"view": "square", "margin": 0.1}
    assert transforms(device_margin=None)["xray"] == {"view": "none"}
    loop = from_format_2({"streams": {"xray": {"icam": {"iterations": 2}}}})["streams"]["xray"]["icam"]
    assert loop == {"iterations": 2, "averaged": False}

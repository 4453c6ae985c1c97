"""``rgbx calibrate`` on a small bundle and small sets, and what evaluation and prediction make of it."""

import json

import pytest
from typer.testing import CliRunner

from learning_sets import write_set
from rgbx.cli import app
from rgbx.evaluation.results import Evaluation
from rgbx.inference import Predictor
from tiny_bundle import write_untrained_bundle

COMMON = ("--set", "false_sorts=0.2")


def _run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return {m: write_set(folder / m, m, per_class=12, units=4, seed=5) for m in ("rgb", "xray")}


@pytest.fixture
def model(tmp_path):
    return write_untrained_bundle(tmp_path / "model")


def test_a_calibrated_bundle_decides(model, sets, tmp_path):
    (tmp_path / "bins.yaml").write_text("bins: {A: left, B: left, C: right}\ncosts: {C: {left: 50}}\n")
    given = ("--rgb", sets["rgb"], "--xray", sets["xray"])
    ran = _run("calibrate", model, *given, "--bins", tmp_path / "bins.yaml", *COMMON)
    assert ran.exit_code == 0, ran.output
    assert "Images of one unit are alike" in ran.output
    assert "RGB-X" in ran.output

    photograph = next((sets["rgb"] / "A").glob("*.png"))
    answer = json.loads(_run("predict", model, "--rgb", photograph, "--json").output)
    decision = answer["decision"]
    assert (decision["bin"] is None) != (decision["reason"] is None)
    assert decision["bin"] in ("left", "right", None)
    assert set(decision["candidates"]) <= {"A", "B", "C"}

    out = tmp_path / "evaluation"
    ran = _run("evaluate", model, *given, "--out", out, "--pairings", "2")
    assert ran.exit_code == 0, ran.output
    first = (out / "metrics.json").read_text()
    trust = Evaluation.model_validate_json(first).rgbx.trust
    assert 0 <= trust.sorted.low <= trust.sorted.value <= trust.sorted.high <= 1
    assert sum(trust.reasons.values()) == pytest.approx(1 - trust.sorted.value)
    assert trust.covered.value > 0.8
    assert "false sorts" in (out / "table.md").read_text()
    assert (out / "reliability.png").read_bytes().startswith(b"\x89PNG")
    ran = _run("evaluate", model, *given, "--out", out, "--pairings", "2")
    assert "looking at" not in ran.output
    assert (out / "metrics.json").read_text() == first, "the kept table says all that the predictions did"


def test_each_refusal_says_what_to_do(model, sets, tmp_path):
    ran = _run("calibrate", model, "--rgb", sets["rgb"])
    assert "give --xray SET as well" in str(ran.exception)
    without_c = write_set(tmp_path / "ab", "rgb", per_class=4, units=2, classes=("A", "B"))
    ran = _run("calibrate", model, "--rgb", without_c, "--xray", sets["xray"], *COMMON)
    assert "shows no device of class 'C'" in str(ran.exception)
    ran = _run("calibrate", model, "--rgb", sets["rgb"], "--xray", sets["xray"], "--set", "miss=2")
    assert "'miss'" in str(ran.exception)
    (tmp_path / "bins.yaml").write_text("bins: {A: left}\n")
    ran = _run("calibrate", model, "--rgb", sets["rgb"], "--xray", sets["xray"], "--bins", tmp_path / "bins.yaml")
    assert "missing or unknown" in str(ran.exception)
    assert not (model / "calibration.json").exists()


def test_a_bundle_computes_as_it_was_calibrated(model, sets):
    given = ("--rgb", sets["rgb"], "--xray", sets["xray"], *COMMON)
    photograph = next((sets["rgb"] / "A").glob("*.png"))
    assert _run("calibrate", model, *given, "--early-exit", "0.2").exit_code == 0
    predictor = Predictor.load(model)
    assert predictor.predict(photograph).streams["rgb"].iterations == 1, "an untrained network's class reaches 0.2"
    assert Predictor.load(model, decides=False).predict(photograph).streams["rgb"].iterations == 3
    ran = _run("predict", model, "--rgb", photograph, "--early-exit", "0.9")
    assert "answers in f32 with early exit at 0.2, and answers in f32 with early exit at 0.9" in str(ran.exception)
    assert "run 'rgbx calibrate' with the same ones" in str(ran.exception)

    assert _run("calibrate", model, *given).exit_code == 0, "a calibration is no obstacle to another"
    assert Predictor.load(model).predict(photograph).streams["rgb"].iterations == 3
    ran = _run("predict", model, "--rgb", photograph, "--early-exit", "0.2")
    assert "was calibrated on answers in f32 with every pass" in str(ran.exception)
    ran = _run("calibrate", model, *given, "--precision", "int8")
    assert "export" in str(ran.exception), "torch computes in float32 only"


def test_a_calibration_of_other_weights_is_refused(model, sets):
    assert _run("calibrate", model, "--rgb", sets["rgb"], "--xray", sets["xray"], *COMMON).exit_code == 0
    header = json.loads((model / "bundle.json").read_text())
    calibration = model / "calibration.json"
    calibration.write_text(calibration.read_text().replace(header["weights_sha256"], "0" * 64))
    ran = _run("predict", model, "--rgb", next((sets["rgb"] / "A").glob("*.png")))
    assert "was made for other weights" in str(ran.exception)

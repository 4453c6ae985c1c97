import csv
import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import InputError, RgbxError
from rgbx.evaluation.evaluate import evaluate, evaluate_bundle, measure
from rgbx.evaluation.intervals import wilson
from rgbx.evaluation.pairing import SAME_UNIT
from rgbx.evaluation.predictions import predict_sets
from rgbx.evaluation.tables import evaluation_markdown


def test_known_errors_give_exactly_those_figures(predictor, photographs, radiographs):
    result = evaluate(predictor, photographs, radiographs)

    assert result.rgb.confusion == ((2, 1, 0), (0, 2, 0), (0, 1, 2))
    assert result.rgb.accuracy == 6 / 8
    assert (result.rgb.n, result.rgb.units) == (8, 6)
    assert (result.rgb.low, result.rgb.high) == (wilson(0.75, 8).low, wilson(0.75, 8).high)
    assert result.rgb.precision.value == pytest.approx((1 + 2 / 4 + 1) / 3)
    assert result.rgb.recall.value == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)
    assert result.xray.accuracy == 5 / 6
    assert [own.n for own in result.xray.per_class] == [2, 2, 2]
    assert result.classes == ("A", "B", "C")
    assert result.origin == "simulated stand-in rgb; simulated stand-in xray"


def test_fusion_is_measured_pair_by_pair(predictor, photographs, radiographs):
    """The wrong photograph of A always meets a sure radiograph; that of C meets the wrong one in some pairings."""
    predictions = predict_sets(predictor, photographs, radiographs, pairings=8, seed=0)
    result = measure(predictions)
    by_hand = [np.mean([row.right for row in predictions.of("rgbx", str(k))]) for k in range(1, 9)]

    assert [score.accuracy for score in result.pairings.each] == by_hand
    assert result.rgbx.accuracy == pytest.approx(np.mean(by_hand))
    assert (result.pairings.min, result.pairings.max) == (min(by_hand), max(by_hand))
    assert result.pairings.min < result.pairings.max
    assert result.rgbx.n == 8
    assert np.sum(result.rgbx.confusion) == 8 * 8
    test = result.tests["rgb"]
    assert test.difference.value == pytest.approx(result.rgbx.accuracy - result.rgb.accuracy)
    assert (test.gained - test.lost) / 8 == pytest.approx(test.difference.value)


def test_the_very_same_units_are_paired_where_both_sets_have_them(predictor, photographs, radiographs, make_set):
    predictions = predict_sets(predictor, photographs, radiographs, pairings=2)
    assert predictions.pairings == ["1", "2", SAME_UNIT]
    assert all(row.rgb_unit == row.xray_unit for row in predictions.of("rgbx", SAME_UNIT))
    assert measure(predictions).pairings.same_unit.n == 8

    others = make_set("others", "xray", [(name, f"{name}-9", name, 90) for name in "ABC"])
    assert measure(predict_sets(predictor, photographs, others, pairings=2)).pairings.same_unit is None


def test_one_modality_alone(predictor, photographs, radiographs):
    assert set(evaluate(predictor, photographs, None).scores) == {"rgb"}
    result = evaluate(predictor, None, radiographs)
    assert set(result.scores) == {"xray"}
    assert result.pairings is None


def test_every_image_is_encoded_once(predictor, photographs, radiographs):
    evaluate(predictor, photographs, radiographs, pairings=5)
    assert len(predictor.seen) == len(set(predictor.seen)) == 14


def test_a_class_without_images_or_predictions_gives_no_nan(predictor, make_set):
    samples = make_set("two", "rgb", [("A", "A-1", "A", 90), ("B", "B-1", "A", 90)])
    result = evaluate(predictor, samples, None)
    json.dumps(result.model_dump(mode="json"), allow_nan=False)
    assert result.rgb.per_class[2].recall_interval is None
    assert result.rgb.per_class[1].precision == 0.0
    assert result.rgb.recall.value == 0.5
    assert "none tested" in evaluation_markdown(result)


def test_the_folder_holds_every_prediction_and_figure(bundle, photographs, radiographs, tmp_path):
    out = tmp_path / "out"
    result = evaluate_bundle(bundle, photographs, radiographs, out, pairings=3)

    metrics = json.loads((out / "metrics.json").read_text())
    for modality in ("rgb", "xray", "rgbx"):
        assert {"accuracy", "low", "high", "n", "units", "precision", "recall", "confusion"} <= metrics[modality].keys()
        assert (out / f"confusion_{modality}.png").stat().st_size > 3000
    assert "stand-in" in metrics["origin"]
    assert metrics["pairings"]["count"] == 3

    rows = list(csv.DictReader((out / "predictions.csv").open()))
    assert len(rows) == 8 + 6 + 8 * 4
    first = rows[0]
    assert (first["modality"], first["truth"], first["predicted"], first["rgb_unit"]) == ("rgb", "A", "A", "A-1")
    assert float(first["probability"]) == max(float(first[f"p({name})"]) for name in "ABC")
    assert f"| RGB-X | {result.rgbx.accuracy:.3f} [" in (out / "table.md").read_text()


def test_measuring_again_predicts_nothing_until_something_changes(bundle, photographs, tmp_path, monkeypatch):
    loads = []
    from rgbx.inference import Predictor

    load = Predictor.load
    monkeypatch.setattr(Predictor, "load", lambda path: loads.append(path) or load(path))
    out = tmp_path / "out"

    def again(**settings):
        return evaluate_bundle(bundle, photographs, None, out, **settings)

    first = again()
    assert again() == first
    assert len(loads) == 1

    (bundle / "weights.safetensors").write_bytes(b"other weights")
    again()
    assert len(loads) == 2

    again(pairings=4)
    assert len(loads) == 3

    image = photographs.path(photographs.records[0])
    image.write_bytes(photographs.path(photographs.records[3]).read_bytes())
    changed = again(pairings=4)
    assert len(loads) == 4
    assert changed.rgb.accuracy < first.rgb.accuracy

    table = out / "predictions.csv"
    table.write_text(table.read_text().replace("A-1", "A-7"))
    assert again(pairings=4) == changed
    assert len(loads) == 5

    source = out / "predictions.json"
    source.write_text(source.read_text().replace('"format": 2', '"format": 1'))
    assert again(pairings=4) == changed
    assert len(loads) == 6, "an earlier rgbx wrote other columns"


def test_a_stale_figure_does_not_stay(bundle, photographs, radiographs, tmp_path):
    out = tmp_path / "out"
    evaluate_bundle(bundle, photographs, radiographs, out)
    evaluate_bundle(bundle, photographs, None, out)
    assert sorted(path.name for path in out.glob("confusion_*")) == ["confusion_rgb.png"]


def test_what_cannot_be_evaluated_is_said_in_one_sentence(predictor, photographs, radiographs, make_set):
    with pytest.raises(RgbxError, match="give --rgb SET, --xray SET or both"):
        evaluate(predictor, None, None)
    with pytest.raises(InputError, match="holds xray images but was given as --rgb"):
        evaluate(predictor, radiographs, None)
    with pytest.raises(InputError, match="holds no images"):
        evaluate(predictor, make_set("empty", "rgb", []), None)
    with pytest.raises(InputError, match=r"classes that the bundle does not know \(D\)"):
        evaluate(predictor, make_set("strange", "rgb", [("D", "D-1", "D", 90)], classes=("D",)), None)
    with pytest.raises(InputError, match=r"do not show the same classes \(B, C in one of them only\)"):
        evaluate(predictor, photographs, make_set("few", "xray", [("A", "A-1", "A", 90)]))
    only_rgb = type(predictor)(modalities=("rgb",))
    with pytest.raises(RgbxError, match="has no xray stream"):
        evaluate(only_rgb, photographs, radiographs)


def test_command_prints_the_table(bundle, photographs, radiographs, tmp_path):
    arguments = ["evaluate", str(bundle), "--rgb", str(photographs.folder), "--xray", str(radiographs.folder)]
    result = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "out")], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert "0.750 [0.409, 0.929]" in result.output
    assert "simulated stand-in" in result.output


def test_command_says_what_is_wrong(photographs, tmp_path):
    out = tmp_path / "out"
    missing = ["evaluate", str(tmp_path / "nothing"), "--rgb", str(photographs.folder), "--out", str(out)]
    result = CliRunner().invoke(app, missing)
    assert isinstance(result.exception, InputError)
    assert "is not a folder: give a bundle" in str(result.exception)
    assert not out.exists()

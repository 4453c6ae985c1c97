from dataclasses import replace

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.evaluation.explain import Case, cases_of_sets, explain_cases, explanation_figure, overlay
from rgbx.trust.decision import AnomalyMap


def panels(figure, title):
    return [axes for axes in figure.axes if axes.get_title() == title]


def images(axes):
    return [image.get_array() for image in axes.images]


def test_one_row_a_stream_and_a_column_for_each_map_and_crop(predictor, photographs, radiographs):
    photo, ray = (samples.path(samples.records[0]) for samples in (photographs, radiographs))
    figure = explanation_figure(predictor.predict(photo, ray, explain=True), "A", "A-1")
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["input", "CAM 1", "crop 1", "CAM 2", "crop 2", "CAM 3"]
    assert sum(bool(axes.images) for axes in figure.axes) == 2 * 6
    assert figure.get_suptitle() == "A-1:  RGB-X says A (100%)  ✓ right"

    alone = explanation_figure(predictor.predict(rgb=photo, explain=True), "B")
    assert sum(bool(axes.images) for axes in alone.axes) == 6
    assert "RGB says A" in alone.get_suptitle()
    assert "✗ it is B" in alone.get_suptitle()


def test_where_a_radiograph_differs_from_known_ones_has_a_panel(predictor, photographs, radiographs):
    photo, ray = (samples.path(samples.records[0]) for samples in (photographs, radiographs))
    prediction = predictor.predict(photo, ray, explain=True)
    places = np.zeros((32, 32), np.float32)
    places[:16] = 1.0
    prediction.streams["xray"] = replace(prediction.streams["xray"], anomaly_map=AnomalyMap("B", places))
    figure = explanation_figure(prediction)
    (panel,) = panels(figure, "anomaly map, next to B")
    (shown,) = images(panel)
    seen = prediction.streams["xray"].views[0].crop / 255
    assert np.abs(shown[:20] - seen[:20]).mean() > np.abs(shown[28:] - seen[28:]).mean()
    assert sum(bool(axes.images) for axes in figure.axes) == 2 * 6 + 1


def test_windows_are_drawn_where_they_are(predictor, photographs):
    """In pixels of a 48² crop: (0.5, 0, 1, 0.5) of the image, then (0.6, 0.1, 0.85, 0.35) of it within that."""
    path = photographs.path(photographs.records[0])
    figure = explanation_figure(predictor.predict(rgb=path, explain=True))

    def corners(title):
        boxes = [patch.get_bbox().extents for patch in panels(figure, title)[0].patches]
        return [tuple(box + 0.5) for box in boxes[1::2]]  # each window has a white rim below it

    assert corners("input") == [pytest.approx((24, 0, 48, 24)), pytest.approx((28.8, 4.8, 40.8, 16.8))]
    assert corners("CAM 1") == [pytest.approx((24, 0, 48, 24))]
    assert corners("CAM 2") == [pytest.approx((9.6, 9.6, 33.6, 33.6))]
    assert corners("CAM 3") == []


def test_overlay_is_hot_where_the_map_is():
    cam = np.zeros((4, 4), np.float32)
    cam[0, 3] = 1.0
    image = np.full((32, 32, 3), 128, np.uint8)
    laid = overlay(image, cam)
    assert laid.shape == (32, 32, 3)
    assert (laid >= 0).all()
    assert (laid <= 1).all()
    change = np.abs(laid - 128 / 255).sum(axis=2)
    assert np.unravel_index(change.argmax(), change.shape)[0] < 8
    assert np.unravel_index(change.argmax(), change.shape)[1] >= 24


def test_figures_are_written_and_show_something(predictor, photographs, tmp_path):
    case = Case("one", rgb=photographs.path(photographs.records[0]), truth="A")
    (path,) = explain_cases(predictor, [case], tmp_path / "out")
    assert path == tmp_path / "out" / "one.png"
    drawn = cv2.imread(str(path))
    assert drawn.shape[1] > 1200
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 100


def test_devices_are_chosen_by_class_and_shown_with_the_same_unit(photographs, radiographs, make_set):
    cases = cases_of_sets(photographs, radiographs, per_class=2, seed=1)
    assert [case.truth for case in cases] == ["A", "A", "B", "B", "C", "C"]
    units = {photographs.path(record): record.unit for record in photographs}
    units |= {radiographs.path(record): record.unit for record in radiographs}
    assert all(units[case.rgb] == units[case.xray] for case in cases)
    assert cases == cases_of_sets(photographs, radiographs, per_class=2, seed=1)

    assert [case.rgb for case in cases_of_sets(None, radiographs, per_class=1)] == [None] * 3
    strangers = make_set("strangers", "xray", [(name, f"{name}-9", name, 90) for name in "ABC"])
    assert all(case.xray for case in cases_of_sets(photographs, strangers, per_class=1))


def test_what_cannot_be_explained_is_said_in_one_sentence(photographs, make_set):
    with pytest.raises(RgbxError, match="nothing to explain"):
        cases_of_sets(None, None, per_class=1)
    with pytest.raises(InputError, match="shows no radiograph of B"):
        cases_of_sets(photographs, make_set("few", "xray", [("A", "A-1", "A", 90)]), per_class=1)


def test_command_explains_sets_and_files(bundle, photographs, radiographs, tmp_path):
    sets = ["--rgb-set", str(photographs.folder), "--xray-set", str(radiographs.folder), "--per-class", "1"]
    result = CliRunner().invoke(app, ["explain", str(bundle), *sets, "--out", str(tmp_path / "many")])
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "many").glob("*.png"))) == 3

    file = photographs.path(photographs.records[0])
    result = CliRunner().invoke(app, ["explain", str(bundle), "--rgb", str(file), "--out", str(tmp_path / "one")])
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["000000.png"]


def test_command_wants_files_or_sets(bundle, photographs, tmp_path):
    for options in ([], ["--rgb", "a.png", "--rgb-set", str(photographs.folder)]):
        result = CliRunner().invoke(app, ["explain", str(bundle), *options, "--out", str(tmp_path / "out")])
        assert isinstance(result.exception, ConfigError)

"""Before a stream is trained, it is found out how its devices are seen."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rgbx.datasets.images import read_photograph
from rgbx.errors import ConfigError, InputError
from rgbx.inference import Predictor
from rgbx.inference.export import export_bundle
from rgbx.modality import Modality
from rgbx.models.header import read_bundle_header
from rgbx.models.localiser import in_torch
from rgbx.samples import SampleKey, SampleRecord, SampleSet, SetHeader, write_image
from rgbx.training import train_stream
from rgbx.training.localiser_stage import LOCALISER_FILE, read_localiser, train_localiser
from rgbx.training.settings import LocaliserTraining, StreamTraining
from rgbx.training.view_stage import fit_view
from rgbx.view.transform import find_in_photograph
from tiny_training import tiny_training

FEW = LocaliserTraining(steps=2, batch_size=4)


def write_devices(
    folder: Path,
    modality: Modality,
    size: tuple[float, float],
    outlined: bool = True,
    count: int = 6,
    tones: tuple[float, float] = (0.5, 0.2),
) -> SampleSet:
    """Write a set of two classes of devices of a (width, height) in pixels, at any angle in images of 96 pixels."""
    header = SetHeader(
        modality=modality, origin="drawn by a test", seed=0, classes=("A", "B"), config={}, source="0", version="0"
    )
    samples = SampleSet.create(folder, header)
    rng = np.random.default_rng(0)
    for number in range(count):
        for name, tone in zip("AB", tones, strict=True):
            corners = cv2.boxPoints((rng.uniform(40, 56, 2).tolist(), size, rng.uniform(0, 180)))
            image = np.full((96, 96), 0.9, np.float32)
            cv2.fillPoly(image, [np.rint(corners * 16).astype(np.int32)], tone, cv2.LINE_AA, 4)
            key = SampleKey(name, number)
            pixels = image * 60000 if modality == "xray" else image[..., None] * np.array([200, 255, 255])
            write_image(folder / f"{key.stem}.png", pixels.astype(np.uint16 if modality == "xray" else np.uint8))
            draw = {"outline": ((corners + 0.5) / 96).tolist()} if outlined and modality == "rgb" else {}
            samples.add(
                SampleRecord(file_name=f"{key.stem}.png", label=name, unit=f"{name}{number % 2}", seed=0, draw=draw)
            )
    samples.finish()
    return SampleSet.open(folder)


def upright(modality: Modality, **changes: object) -> StreamTraining:
    return tiny_training(modality, **{"stream.transform.view": "upright", "localiser": FEW, **changes})


@pytest.mark.parametrize(("size", "view"), [((20, 60), "upright"), ((40, 44), "square")])
def test_radiographs_of_long_devices_are_seen_upright_and_of_round_ones_in_a_square(size, view, tmp_path, capsys):
    samples = write_devices(tmp_path / "set", "xray", size)
    config, transform, localiser = fit_view(upright("xray"), [samples], tmp_path / "run")
    assert localiser is None
    found = config.stream.transform
    assert found.view == transform.config.view == view
    if view == "upright":
        assert found.aspect == pytest.approx(60 / 20, rel=0.2)
        assert config.augment.rotation == (-6, 6)
        assert (config.augment.half_turn, config.augment.flip) == (0.0, False)
        assert found.references
    else:
        assert config.augment.rotation == (-180, 180)
        assert config.augment.half_turn == 0.5
        assert not found.references
    height, width = found.source_shape
    assert f"xray images are seen {view}, {height} × {width} pixels" in capsys.readouterr().err


def test_a_network_to_go_on_from_keeps_the_ways_that_it_knows(tmp_path):
    samples = write_devices(tmp_path / "set", "xray", (20, 60))
    begun = fit_view(upright("xray"), [samples], tmp_path / "run").config.stream.transform
    other = write_devices(tmp_path / "other", "xray", (20, 60), tones=(0.4, 0.3))
    again = fit_view(upright("xray"), [other], tmp_path / "run", start=begun).config.stream.transform
    assert again.references not in ("", begun.references)
    earlier = begun.updated({"references": ""})  # a network that saw the heavier end down
    kept, transform, _ = fit_view(upright("xray"), [other], tmp_path / "run", start=earlier)
    assert kept.stream.transform.references == ""
    assert transform.references is None
    assert kept.augment.flip


def test_where_no_device_is_found_radiographs_are_seen_whole(tmp_path, capsys):
    samples = write_devices(tmp_path / "set", "xray", (20, 60), tones=(0.9, 0.9))
    assert fit_view(upright("xray"), [samples], tmp_path / "run").config.stream.transform.view == "none"
    assert "are seen whole" in capsys.readouterr().err


def test_places_are_not_measured_in_radiographs_of_round_devices(tmp_path):
    samples = write_devices(tmp_path / "set", "xray", (40, 44))
    config = upright("xray", **{"stream.icam.window": "measured"})
    with pytest.raises(ConfigError, match="window=measured is for upright radiographs"):
        train_stream(config, [samples], [], tmp_path / "run")


def test_what_is_set_stays(tmp_path):
    samples = write_devices(tmp_path / "set", "xray", (20, 60))
    config = upright("xray", **{"stream.transform.aspect": 2.0, "augment.rotation": (-90, 90)})
    found = fit_view(config, [samples], tmp_path / "run").config
    assert found.updated({"stream.transform.references": ""}) == config


def test_photographs_without_outlines_are_seen_whole_and_a_line_says_so(tmp_path, capsys):
    samples = write_devices(tmp_path / "set", "rgb", (20, 60), outlined=False)
    config, transform, localiser = fit_view(upright("rgb"), [samples], tmp_path / "run")
    assert config.stream.transform.view == transform.config.view == "none"
    assert localiser is None
    assert "no photograph says where its device is" in capsys.readouterr().err


def test_a_localiser_is_trained_once_the_same_for_the_same_seed(tmp_path):
    samples = write_devices(tmp_path / "set", "rgb", (20, 60))
    first, again = (train_localiser(FEW, [samples], tmp_path / name) for name in ("one", "two"))
    for name, weight in first.state_dict().items():
        torch.testing.assert_close(weight, again.state_dict()[name])
    written = (tmp_path / "one" / LOCALISER_FILE).stat().st_mtime_ns
    kept = train_localiser(FEW, [samples], tmp_path / "one")
    assert (tmp_path / "one" / LOCALISER_FILE).stat().st_mtime_ns == written
    photograph = torch.rand(1, 3, 96, 96)
    torch.testing.assert_close(kept(photograph), first(photograph))


@pytest.mark.slow
def test_photographs_without_outlines_are_seen_upright_by_the_localiser_of_an_earlier_run(tmp_path):
    rendered = write_devices(tmp_path / "rendered", "rgb", (20, 60))
    line = write_devices(tmp_path / "line", "rgb", (20, 60), outlined=False)
    config = upright("rgb", **{"stream.transform.aspect": 3.0, "validation_units": 0})
    first = train_stream(config, [rendered], [], tmp_path / "first")
    gone_on = train_stream(config, [line], [], tmp_path / "on", start=first)
    (first / LOCALISER_FILE).unlink()  # a bundle that was shipped has its weights alone
    shared = train_stream(config, [line], [], tmp_path / "shared", localiser=first)
    for run in (gone_on, shared):
        assert read_bundle_header(run).streams["rgb"].transform.view == "upright"
        for name, weight in read_localiser(first).state_dict().items():
            torch.testing.assert_close(read_localiser(run).state_dict()[name], weight)


def test_a_localiser_is_refused_where_there_is_none_to_take_or_no_use_for_it(tmp_path):
    samples = write_devices(tmp_path / "set", "rgb", (20, 60))
    whole = train_stream(tiny_training("rgb", validation_units=0), [samples], [], tmp_path / "whole")
    with pytest.raises(InputError, match="has no localiser"):
        train_stream(upright("rgb"), [samples], [], tmp_path / "run", localiser=whole)
    with pytest.raises(ConfigError, match="leave it out"):
        train_stream(tiny_training("rgb"), [samples], [], tmp_path / "run", localiser=whole)


@pytest.mark.slow
def test_a_stream_that_sees_upright_photographs_predicts_the_same_everywhere(tmp_path):
    samples = write_devices(tmp_path / "set", "rgb", (20, 60), count=40)
    config = upright("rgb", localiser=LocaliserTraining(steps=250, batch_size=8), validation_units=0)
    run = train_stream(config, [samples], [], tmp_path / "run")
    transform = read_bundle_header(run).streams["rgb"].transform
    assert transform.view == "upright"
    assert transform.aspect == pytest.approx(3, rel=0.25)

    localise = in_torch(train_localiser(config.localiser, [samples], run))
    turns, overlaps = [], []
    for record in samples:
        found = find_in_photograph(read_photograph(samples.path(record)), localise)
        true = cv2.minAreaRect(np.array(record.draw["outline"], np.float32) * 96 - 0.5)
        kind, points = cv2.rotatedRectangleIntersection(
            true, ((found.x, found.y), (found.width, found.height), found.turn)
        )
        shared = cv2.contourArea(cv2.convexHull(points)) if kind else 0.0
        overlaps.append(shared / (20 * 60 + found.width * found.height - shared))
        turn = true[2] + (90 if true[1][0] > true[1][1] else 0)
        turns.append(abs((found.turn - turn + 90) % 180 - 90))
    assert np.median(overlaps) > 0.75
    assert np.median(turns) < 3

    export_bundle(run, ("onnx", "openvino"))
    paths = [samples.path(record) for record in samples]
    answers = {name: Predictor.load(run, name).encode("rgb", paths) for name in ("torch", "onnx", "openvino")}
    for name in ("onnx", "openvino"):
        for ours, theirs in zip(answers["torch"], answers[name], strict=True):
            np.testing.assert_allclose(theirs.logits, ours.logits, atol=0.05)
    empty = np.full((96, 96, 3), (180, 230, 230), np.uint8)
    (encoded,) = Predictor.load(run).encode("rgb", [empty])
    assert not encoded.found
    assert "shows no device" in encoded.warnings[0]

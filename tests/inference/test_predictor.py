import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
import torch
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import InputError, RgbxError
from rgbx.inference import Predictor
from rgbx.inference import predictor as predictor_module
from rgbx.models import bundle
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.processes import cores
from rgbx.view.transform import TransformConfig

CLASSES = ("SP1", "SP2", "SP10")
RADIOGRAPH = np.random.default_rng(0).integers(0, 65535, (40, 50)).astype(np.uint16)
PHOTOGRAPH = np.random.default_rng(1).integers(0, 255, (50, 40, 3)).astype(np.uint8)


def _config(modality: str) -> StreamConfig:
    return StreamConfig(
        modality=modality,
        transform=TransformConfig(source_size=96, view="none" if modality == "rgb" else "square"),
        backbone=BackboneConfig(name="test_efficientnet", weights="none"),
        icam=ICamConfig(input_size=64),
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _save(tmp_path_factory.mktemp("models") / "both", ("rgb", "xray"))


def _save(folder: Path, modalities: tuple[str, ...]) -> Path:
    torch.manual_seed(0)
    streams = {modality: _config(modality) for modality in modalities}
    network = RgbXNetwork({name: build_stream(each, 3) for name, each in streams.items()}, fused=len(streams) == 2)
    bundle.save_bundle(folder, network, CLASSES, streams, training={}, sources={}, metrics={})
    return folder


def test_either_modality_or_both(model: Path) -> None:
    predictor = Predictor.load(model)
    assert predictor.classes == CLASSES
    assert set(predictor.modalities) == {"rgb", "xray"}
    both = predictor.predict(PHOTOGRAPH, RADIOGRAPH)
    assert list(both.probabilities) == list(CLASSES)
    assert sum(both.probabilities.values()) == pytest.approx(1, abs=1e-9)
    assert both.label == max(both.probabilities, key=both.probabilities.__getitem__)
    alone = predictor.predict(xray=RADIOGRAPH)
    expected = torch.softmax(torch.from_numpy(alone.streams["xray"].logits).double(), 0)
    assert list(alone.probabilities.values()) == pytest.approx(expected.tolist())
    with pytest.raises(RgbxError, match="no image to classify"):
        predictor.predict()
    with pytest.raises(RgbxError, match="no image to classify"):
        predictor.combine(None, None)


def test_a_batch_equals_its_images_one_by_one(model: Path) -> None:
    predictor = Predictor.load(model)
    images = [np.roll(RADIOGRAPH, shift, 1) for shift in range(5)]
    together = predictor.encode("xray", images)
    for image, encoded in zip(images, together, strict=True):
        alone = predictor.encode("xray", [image])[0]
        np.testing.assert_allclose(alone.logits, encoded.logits, rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(alone.fused_input, encoded.fused_input, rtol=1e-3, atol=1e-4)


def test_images_are_read_by_the_same_few_threads(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV keeps some memory of each thread that it has met, for good: a line that runs for months meets few."""
    threads = set()

    def seen(pixels: np.ndarray) -> np.ndarray:
        threads.add(threading.current_thread().name)
        return pixels

    monkeypatch.setattr(predictor_module, "as_radiograph", seen)
    monkeypatch.setattr(predictor_module, "as_photograph", seen)
    predictor = Predictor.load(model)
    for _ in range(3 * cores()):
        predictor.encode_each("xray", [RADIOGRAPH, RADIOGRAPH])
        predictor.predict(PHOTOGRAPH, RADIOGRAPH)
    assert len(threads) <= cores()


def test_views_say_what_each_iteration_saw(model: Path) -> None:
    views = Predictor.load(model).predict(PHOTOGRAPH, explain=True).streams["rgb"].views
    assert [view.window[2] - view.window[0] for view in views] == pytest.approx([1, 0.5, 0.25], abs=1e-5)
    for view in views:
        assert view.crop.shape == (64, 64, 3)
        assert view.crop.dtype == np.uint8
        assert view.cam.dtype == np.float32
        assert view.cam.min() == 0
        assert view.cam.max() == pytest.approx(1)


def test_every_kind_of_file_gives_what_its_array_gives(model: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(model)
    expected = predictor.predict(xray=RADIOGRAPH).probabilities
    cv2.imwrite(str(tmp_path / "deep.png"), RADIOGRAPH)
    tifffile.imwrite(tmp_path / "deep.tiff", RADIOGRAPH)
    for name in ("deep.png", "deep.tiff"):
        assert predictor.predict(xray=tmp_path / name).probabilities == pytest.approx(expected)
    cv2.imwrite(str(tmp_path / "shallow.png"), (RADIOGRAPH >> 8).astype(np.uint8))
    assert sum(predictor.predict(xray=tmp_path / "shallow.png").probabilities.values()) == pytest.approx(1)
    cv2.imwrite(str(tmp_path / "photo.png"), PHOTOGRAPH[..., ::-1])
    cv2.imwrite(str(tmp_path / "photo.jpg"), PHOTOGRAPH[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])
    expected = predictor.predict(rgb=PHOTOGRAPH).probabilities
    assert predictor.predict(rgb=tmp_path / "photo.png").probabilities == pytest.approx(expected)
    assert predictor.predict(rgb=tmp_path / "photo.jpg").probabilities == pytest.approx(expected, abs=0.05)


def test_swapped_modalities_are_refused(model: Path, tmp_path: Path) -> None:
    predictor = Predictor.load(model)
    cv2.imwrite(str(tmp_path / "photo.png"), PHOTOGRAPH)
    cv2.imwrite(str(tmp_path / "radiograph.png"), RADIOGRAPH)
    with pytest.raises(InputError):
        predictor.predict(xray=tmp_path / "photo.png")
    with pytest.raises(InputError):
        predictor.predict(rgb=tmp_path / "radiograph.png")


def test_a_single_stream_refuses_the_other_modality(tmp_path: Path) -> None:
    predictor = Predictor.load(_save(tmp_path / "xray", ("xray",)))
    assert predictor.predict(xray=RADIOGRAPH).label in CLASSES
    with pytest.raises(RgbxError, match="knows xray images only"):
        predictor.predict(rgb=PHOTOGRAPH)


def test_the_verb_prints_a_table_or_json_and_writes_crops(model: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), RADIOGRAPH)
    cv2.imwrite(str(tmp_path / "r.png"), PHOTOGRAPH)
    files = ["--rgb", str(tmp_path / "r.png"), "--xray", str(tmp_path / "x.png")]
    runner = CliRunner()
    table = runner.invoke(app, ["predict", str(model), *files, "--crops", str(tmp_path / "crops")])
    assert table.exit_code == 0, table.output
    assert "SP10" in table.output
    crops = {entry.name for entry in (tmp_path / "crops").iterdir()}
    assert crops == {f"{modality}-{number}.png" for modality in ("rgb", "xray") for number in (1, 2, 3)}
    answer = json.loads(runner.invoke(app, ["predict", str(model), *files, "--json"]).output)
    assert answer["label"] in CLASSES
    assert answer["probability"] == max(answer["probabilities"].values())
    assert set(answer["streams"]) == {"rgb", "xray"}
    nothing = runner.invoke(app, ["predict", str(model)])
    assert isinstance(nothing.exception, RgbxError)

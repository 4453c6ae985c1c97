"""Networks, training, calibrating, testing and exporting from Python: the objects that the command line uses."""

import numpy as np
import pytest
import torch

import rgbx
from learning_sets import write_set
from rgbx.config import load_config
from rgbx.models.header import read_bundle_header
from rgbx.models.stream_config import ICamConfig
from rgbx.training import StreamTraining
from tiny_bundle import write_untrained_bundle
from tiny_training import tiny_sets, tiny_training

CLASSES = ("A", "B", "C")
sets = pytest.fixture(scope="module")(tiny_sets)


def _stream(**settings):
    torch.manual_seed(0)
    return rgbx.create_stream("test_resnet", classes=3, input_size=32, **settings)


@pytest.fixture(scope="module")
def other_sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    return {each: write_set(folder / each, each, per_class=12, units=4, seed=5) for each in ("rgb", "xray")}


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return {
        "rgb": rng.integers(0, 255, (50, 40, 3), np.uint8),
        "xray": rng.integers(0, 65535, (40, 50), np.uint16),
    }


@pytest.mark.parametrize("channels", [1, 3])
def test_a_stream_looks_closer(channels):
    stream = _stream(iterations=3, crop_fraction=0.6)
    output = stream(torch.rand(4, channels, 96, 96))
    assert output.logits.shape == (4, 3)
    assert output.iteration_logits.shape == (4, 3, 3)
    assert output.cams.shape[:2] == (4, 3)
    assert output.windows.shape == (4, 3, 3)
    assert output.windows[0, :, 2].tolist() == pytest.approx([1, 0.6, 0.36])
    output.logits.sum().backward()
    assert stream.classifier.weight.grad is not None


def test_embedded_weights_come_with_the_default_backbone():
    one, other = (rgbx.create_stream(classes=2, weights="embedded").backbone.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"backbone": "resnet1"}, "'resnet1' is no network of timm"),
        ({"backbone": "vit_tiny_patch16_224"}, "is not convolutional"),
        ({"classes": 1}, "'classes': input should be greater than or equal to 2"),
        ({"classes": "ten"}, "'classes': input should be a valid integer"),
        ({"weights": "embedded", "backbone": "resnet18"}, "has no embedded weights"),
        ({"weights": "nowhere.pth"}, "nowhere.pth does not exist"),
        ({"frozen_stages": -1}, "frozen_stages"),
        ({"iterations": 0}, "ICamConfig has settings that cannot be used"),
        ({"iteration": 2}, "ICamConfig has settings that cannot be used"),
    ],
)
def test_what_makes_no_stream_is_refused(wrong, said):
    with pytest.raises(rgbx.RgbxError, match=said) as caught:
        rgbx.create_stream(**{"backbone": "test_resnet", "classes": 3, **wrong})
    assert "\n" not in str(caught.value)


def test_the_loop_is_refused_as_on_the_command_line():
    with pytest.raises(rgbx.ConfigError) as direct:
        rgbx.create_stream("test_resnet", classes=3, iterations=0)
    with pytest.raises(rgbx.ConfigError) as typed:
        load_config(ICamConfig, overrides=["iterations=0"])
    assert str(direct.value) == str(typed.value)


@pytest.mark.parametrize("modality", ["rgb", "xray"])
def test_a_network_in_memory_predicts(modality, images):
    stream = _stream()
    predictor = rgbx.predictor_of({modality: stream}, classes=CLASSES, transforms={modality: {"source_size": 64}})
    prediction = predictor.predict(**{modality: images[modality]}, explain=True)
    prepared = predictor.prepare(modality, images[modality])
    assert prepared.shape[:2] == (64, 64)
    expected = torch.softmax(stream.cpu()(torch.from_numpy(_as_input(prepared))).logits, 1)[0]
    assert list(prediction.probabilities.values()) == pytest.approx(expected.tolist(), abs=1e-5)
    assert prediction.label == CLASSES[int(expected.argmax())]
    assert prediction.decision is None
    assert len(prediction.streams[modality].views) == 3


def _as_input(prepared):
    scaled = prepared.astype(np.float32) / np.iinfo(prepared.dtype).max
    return scaled[None, None] if scaled.ndim == 2 else scaled.transpose(2, 0, 1)[None]


def test_a_network_in_memory_answers_as_its_bundle_does(tmp_path, images):
    from rgbx.models.bundle import load_bundle

    folder = write_untrained_bundle(tmp_path / "model")
    header, network = load_bundle(folder)
    transforms = {modality: config.transform for modality, config in header.streams.items()}
    given = {"streams": dict(network.streams.items()), "classes": header.classes, "transforms": transforms}
    expected = rgbx.load(folder).predict(**images).probabilities
    for fusion in (network.fusion, None):  # of an untrained one: the sum of both
        assert rgbx.predictor_of(**given, fusion=fusion).predict(**images).probabilities == pytest.approx(expected)


def test_a_prediction_shows_what_was_looked_at(images):
    predictor = rgbx.predictor_of({"rgb": _stream(), "xray": _stream(iterations=2)}, classes=CLASSES)
    prediction = predictor.predict(**images)
    for modality, iterations in (("rgb", 3), ("xray", 2)):
        cams, crops = prediction.cams[modality], prediction.crops[modality]
        assert (cams.dtype, crops.dtype) == (np.float32, np.uint8)
        assert cams.ndim == 3
        assert len(cams) == iterations
        assert 0 <= cams.min() <= cams.max() <= 1
        assert crops.shape == (iterations, 32, 32, 3)


@pytest.mark.parametrize(
    ("streams", "given", "said"),
    [
        ((), {}, "no stream"),
        (("xray",), {"classes": "AB"}, "tells 3 classes apart, but 2 names were given"),
        (("uv",), {}, "modality"),
        (("xray",), {"transforms": {"xray": {"source_size": 1}}}, r"'transform\.source_size'"),
    ],
)
def test_what_makes_no_predictor_is_refused(streams, given, said):
    with pytest.raises(rgbx.ConfigError, match=said):
        rgbx.predictor_of({name: _stream() for name in streams}, **{"classes": CLASSES, **given})


def test_streams_and_their_fusion_are_trained_calibrated_and_tested(sets, other_sets, tmp_path):
    runs = {}
    for modality, given in (("xray", rgbx.open_set(sets["xray"])), ("rgb", [sets["rgb"]])):
        runs[modality] = rgbx.train_stream(
            given,
            tmp_path / modality,
            validation=str(other_sets[modality]),
            settings=tiny_training(modality),
            epochs=1,
            warmup_epochs=0,
        )
        training = read_bundle_header(runs[modality]).training[modality]
        expected = tiny_training(modality, epochs=1, warmup_epochs=0)
        assert training == expected.updated({"augment.rotation": (-180, 180)}).model_dump(mode="json")
    fused = rgbx.train_fusion(
        **runs, rgb_sets=sets["rgb"], xray_sets=[sets["xray"]], out=tmp_path / "fused", mode="product"
    )
    evaluation = rgbx.evaluate(fused, **other_sets, pairings=1)
    assert 0 <= evaluation.rgbx.low <= evaluation.rgbx.accuracy <= evaluation.rgbx.high <= 1
    written = rgbx.evaluate(str(fused), **other_sets, out=tmp_path / "evaluation", pairings=1)
    assert written == evaluation
    assert (tmp_path / "evaluation/metrics.json").exists()

    photograph = next((other_sets["rgb"] / "A").glob("*.png"))
    assert rgbx.load(fused).predict(rgb=str(photograph)).decision is None
    calibrated = rgbx.calibrate(
        fused, rgb=rgbx.open_set(other_sets["rgb"]), xray=str(other_sets["xray"]), bins=dict.fromkeys(CLASSES, "any"),
        settings={"false_sorts": 0.2}, confidence=0.9,
    )  # fmt: skip
    assert calibrated.config.confidence == 0.9
    decision = rgbx.load(fused).predict(rgb=photograph).decision
    assert decision.bin in ("any", None)
    with pytest.raises(rgbx.ConfigError, match="Bins are needed"):
        rgbx.calibrate(fused, **other_sets, bins={"A": "left"})


def test_keywords_beat_settings_which_beat_the_preset(sets, tmp_path):
    (tmp_path / "tiny.yaml").write_text(
        "stream:\n  backbone: {name: test_resnet, weights: none, frozen_stages: 0}\n  icam: {input_size: 32}\n"
        "epochs: 5\nwarmup_epochs: 0\nseed: 3\n"
    )
    run = rgbx.train_stream(sets["xray"], tmp_path / "run", settings=tmp_path / "tiny.yaml", epochs=1)
    training = StreamTraining.model_validate(read_bundle_header(run).training["xray"])
    assert (training.epochs, training.seed, training.optimizer) == (1, 3, "adamw")
    assert training.stream.icam.input_size == 32


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sets": []}, "no set of images"),
        ({"sets": "nowhere"}, "nowhere does not exist"),
        ({"epochs": 0}, "'epochs': input should be greater than or equal to 1"),
        ({"epoch": 1}, "'epoch': extra inputs are not permitted"),
        ({"settings": {"stream.icam.iterations": 9}}, r"'stream\.icam\.iterations'"),
        ({"settings": ICamConfig()}, "give a StreamTraining, a mapping or a file"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(sets, tmp_path, wrong, said):
    with pytest.raises(rgbx.RgbxError, match=said):
        rgbx.train_stream(**{"sets": sets["xray"], "out": tmp_path / "run", **wrong})
    assert not (tmp_path / "run").exists()


def test_sets_of_two_modalities_are_refused(sets, tmp_path):
    with pytest.raises(rgbx.InputError, match="holds 'rgb' images, not 'xray'"):
        rgbx.train_stream([sets["xray"], sets["rgb"]], tmp_path / "run")
    with pytest.raises(rgbx.InputError, match="holds 'xray' images, not 'rgb'"):
        rgbx.train_fusion(
            rgb=tmp_path, xray=tmp_path, rgb_sets=sets["xray"], xray_sets=sets["xray"], out=tmp_path / "run"
        )


@pytest.mark.slow
def test_a_bundle_is_exported_and_checked_with_sets(tmp_path, other_sets):
    folder = write_untrained_bundle(tmp_path / "model")
    graphs = rgbx.export(folder, runtimes=["onnx"], **other_sets)
    assert {name.rsplit("/", 1)[-1] for name in graphs.files} == {"rgb.onnx", "xray.onnx", "rgbx.onnx"}
    assert graphs.parity["rgb.onnx"]["images"] == 36
    assert rgbx.load(folder, runtime="onnx").classes == CLASSES


def test_half_of_the_sets_is_refused(tmp_path, other_sets):
    folder = write_untrained_bundle(tmp_path / "model")
    with pytest.raises(rgbx.ConfigError, match="give a set of xray images as well, or neither"):
        rgbx.export(folder, rgb=other_sets["rgb"])
    with pytest.raises(rgbx.ConfigError, match="int8"):
        rgbx.export(folder, int8=True)
    assert not (folder / "graphs").exists()

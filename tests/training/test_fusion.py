import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from learning_sets import write_set
from rgbx.datasets.labelled import load_images, open_sets
from rgbx.errors import InputError
from rgbx.models import bundle
from rgbx.models.header import BUNDLE_FILE, WEIGHTS
from rgbx.models.network import FusionHead
from rgbx.training import FusionTraining, train_fusion, train_stream
from rgbx.training.augmentation import AugmentConfig, augment, batch_generator
from rgbx.training.fusion_stage import FEATURES, draw_kept, encode_features, load_streams
from rgbx.view.transform import Transform, as_input
from tiny_training import tiny_sets, tiny_training

sets = pytest.fixture(scope="session")(tiny_sets)


@pytest.fixture(scope="session")
def runs(sets: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    return {
        modality: train_stream(
            tiny_training(modality, epochs=1, warmup_epochs=0),
            open_sets([sets[modality]], modality),
            [],
            folder / modality,
        )
        for modality in ("rgb", "xray")
    }


def opened(sets: dict[str, Path]) -> dict:
    return {modality: open_sets([folder], modality) for modality, folder in sets.items()}


def test_cached_features_equal_recomputed_ones(sets: dict[str, Path], runs: dict[str, Path]) -> None:
    loaded = bundle.load_bundle(runs["xray"])
    stream = loaded.network.streams["xray"]
    transform = loaded.header.streams["xray"].transform
    images = load_images(open_sets([sets["xray"]], "xray"), Transform("xray", transform))
    config = AugmentConfig(flip=True)
    cached = encode_features(stream, images, config, views=2, seed=5)
    assert cached.shape == (2, len(images), stream.classifier.in_features)
    device = next(stream.parameters()).device  # a GPU where there is one
    with torch.no_grad():
        pixels = augment(torch.from_numpy(as_input(images.images)).to(device), config, batch_generator(5, 1, 0))
        again = stream.aggregate(stream(pixels).features).cpu()
    torch.testing.assert_close(cached[1], again, rtol=1e-4, atol=1e-5)


def test_baselines_train_nothing(sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path) -> None:
    made = {
        mode: bundle.load_bundle(train_fusion(FusionTraining(mode=mode), runs, opened(sets), tmp_path / mode)).network
        for mode in ("product", "mean")
    }
    classes = made["mean"].fusion.fusion.out_features
    logits = {modality: torch.randn(5, classes) for modality in ("rgb", "xray")}
    both = torch.cat([logits["rgb"], logits["xray"]], 1)
    torch.testing.assert_close(made["product"].fusion.fusion(both), logits["rgb"] + logits["xray"])
    torch.testing.assert_close(made["mean"].fusion.fusion(both), (logits["rgb"] + logits["xray"]) / 2)
    for modality in ("rgb", "xray"):
        alone = bundle.load_bundle(runs[modality]).network.streams[modality].classifier
        assert torch.equal(made["mean"].fusion.classifiers[modality].weight, alone.weight)


def test_streams_and_sets_of_the_same_classes_fuse_in_any_order(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    trained = bundle.load_bundle(runs["xray"])
    known = trained.header.classes
    weight = trained.network.streams["xray"].classifier.weight.clone()
    with torch.no_grad():
        for values in trained.network.streams["xray"].classifier.parameters():
            values.copy_(values.flip(0))
    header = trained.header
    bundle.save_bundle(
        tmp_path / "xray", trained.network, known[::-1], header.streams,
        training=header.training, sources=header.sources, metrics=header.metrics,
    )  # fmt: skip
    other_order = write_set(tmp_path / "set", "xray", per_class=2, classes=known[::-1])
    given = {"rgb": open_sets([sets["rgb"]], "rgb"), "xray": open_sets([other_order], "xray")}
    loaded = load_streams({**runs, "xray": tmp_path / "xray"}, given)["xray"]
    assert loaded.header.classes == known
    torch.testing.assert_close(loaded.network.streams["xray"].classifier.weight, weight)


def test_modality_dropout_silences_one_of_both_in_its_share_of_pairs() -> None:
    kept = draw_kept(4000, 0.3, torch.Generator().manual_seed(0))
    assert set(kept.flatten().tolist()) == {0.0, 1.0}
    assert kept.sum(1).min() == 1.0, "never both"
    silent = (kept == 0).double().mean(0)
    torch.testing.assert_close(silent, torch.tensor([0.15, 0.15], dtype=torch.double), atol=0.02, rtol=0)
    assert torch.all(draw_kept(50, 0.0, torch.Generator()) == 1.0)


def test_a_silenced_modality_says_nothing() -> None:
    classifiers = {modality: torch.nn.Linear(4, 3) for modality in ("rgb", "xray")}
    head = FusionHead(classifiers)
    features = {modality: torch.randn(2, 4) for modality in ("rgb", "xray")}
    logits = head(features, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(logits[0], classifiers["rgb"](features["rgb"])[0])
    torch.testing.assert_close(logits[1], classifiers["xray"](features["xray"])[1])


@pytest.mark.parametrize("mode", ["fast", pytest.param("slow", marks=pytest.mark.slow)])
def test_fusion_trains_with_modality_dropout(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path, mode: str
) -> None:
    made = {
        dropout: train_fusion(
            FusionTraining(mode=mode, epochs=1, batch_size=8, modality_dropout=dropout),
            runs, opened(sets), tmp_path / str(dropout),
        )
        for dropout in (0.0, 1.0)
    }  # fmt: skip
    losses = {dropout: json.loads((run / "metrics.json").read_text())[0]["train_loss"] for dropout, run in made.items()}
    assert losses[0.0] != losses[1.0]


def test_fast_fusion_moves_the_heads_only(sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path) -> None:
    out = train_fusion(FusionTraining(epochs=3), runs, opened(sets), tmp_path / "model")
    fused = bundle.load_bundle(out).network
    for modality in ("rgb", "xray"):
        alone = bundle.load_bundle(runs[modality]).network.streams[modality].state_dict()
        for name, value in fused.streams[modality].state_dict().items():
            assert torch.equal(value, alone[name]), name
        assert not torch.equal(fused.fusion.classifiers[modality].weight, alone["classifier.weight"])
    # from the cache, without encoding again, the same heads come out
    first = safetensors.torch.load_file(out / WEIGHTS)
    (out / BUNDLE_FILE).unlink()
    assert (out / FEATURES).exists()
    train_fusion(FusionTraining(epochs=3), runs, opened(sets), out)
    again = safetensors.torch.load_file(out / WEIGHTS)
    for name in first:
        torch.testing.assert_close(first[name], again[name], rtol=1e-5, atol=1e-6)


def test_slow_fusion_moves_the_extractors_but_not_statistics_or_the_w_of_the_crops(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    config = FusionTraining(mode="slow", epochs=1, batch_size=8)
    fused = bundle.load_bundle(train_fusion(config, runs, opened(sets), tmp_path / "model")).network
    before = bundle.load_bundle(runs["xray"]).network.streams["xray"].state_dict()
    after = fused.streams["xray"].state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("backbone") for name in moved)
    assert not {name for name in moved if "running" in name or name.startswith("classifier")}


def test_swapped_streams_and_foreign_classes_are_refused(
    sets: dict[str, Path], runs: dict[str, Path], tmp_path: Path
) -> None:
    swapped = {"rgb": runs["xray"], "xray": runs["rgb"]}
    with pytest.raises(InputError, match="holds xray, not the stream 'rgb'"):
        train_fusion(FusionTraining(), swapped, opened(sets), tmp_path / "model")
    foreign = write_set(tmp_path / "foreign", "xray", per_class=2, classes=("A", "B", "Z"))
    with pytest.raises(InputError, match="other classes"):
        train_fusion(FusionTraining(), runs, opened({**sets, "xray": foreign}), tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert np.all([not (runs[modality] / "checkpoint/features.safetensors").exists() for modality in runs])

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from learning_sets import write_set
from rgbx.datasets.labelled import open_sets
from rgbx.errors import InputError
from rgbx.models.header import BUNDLE_FILE, WEIGHTS, read_bundle_header
from rgbx.training import train_stream
from rgbx.training.run import CHECKPOINT, fit_module
from rgbx.training.settings import StreamTraining, stream_training
from rgbx.training.stream_stage import StreamData, StreamModule, load_split, rate_factor
from rgbx.view.transform import Transform
from tiny_training import tiny_sets, tiny_training

sets = pytest.fixture(scope="session")(tiny_sets)


def seen(config: StreamTraining) -> Transform:
    return Transform(config.stream.modality, config.stream.transform)


def weights(run: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(run / WEIGHTS)


def test_a_run_leaves_all_that_describes_it_and_is_not_done_twice(
    sets: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tiny_training("xray")
    out = train_stream(config, open_sets([sets["xray"]], "xray"), [], tmp_path / "run")
    assert {entry.name for entry in out.iterdir()} >= {
        "run.json", "bundle.json", "weights.safetensors", "metrics.csv", "metrics.json", "curves.png"
    }  # fmt: skip
    history = json.loads((out / "metrics.json").read_text())
    assert [row["epoch"] for row in history] == [1, 2]
    assert 0 <= history[-1]["validation_accuracy"] <= 1
    assert "validation_accuracy_iteration_3" in history[1]
    assert "epoch 2/2" in capsys.readouterr().err
    changed = (out / WEIGHTS).stat().st_mtime_ns
    train_stream(config, open_sets([sets["xray"]], "xray"), [], out)
    assert (out / WEIGHTS).stat().st_mtime_ns == changed
    with pytest.raises(InputError, match=r"training\.seed: 0 there, 1 now"):
        train_stream(config.updated({"seed": 1}), open_sets([sets["xray"]], "xray"), [], out)


def test_same_seed_same_weights_other_seed_others(sets: dict[str, Path], tmp_path: Path) -> None:
    runs = [
        train_stream(
            tiny_training("rgb", epochs=1, warmup_epochs=0, seed=seed),
            open_sets([sets["rgb"]], "rgb"),
            [],
            tmp_path / str(place),
        )
        for place, seed in enumerate((0, 0, 1))
    ]
    first, again, other = map(weights, runs)
    for name in first:
        torch.testing.assert_close(first[name], again[name], rtol=1e-5, atol=1e-6)
    assert any(not torch.allclose(first[name], other[name]) for name in first if "weight" in name)


def test_labels_of_both_sides_mean_the_same_classes(sets: dict[str, Path], tmp_path: Path) -> None:
    other_order = open_sets([write_set(tmp_path / "set", "xray", per_class=2, classes=("C", "A", "B"))], "xray")
    training, validation = load_split(
        tiny_training("xray"), open_sets([sets["xray"]], "xray"), other_order, seen(tiny_training("xray"))
    )
    assert training.classes == validation.classes
    for images in (training, validation):
        assert all(unit[0] == images.classes[label] for unit, label in zip(images.units, images.labels, strict=True))


def test_an_extractor_frozen_when_iterations_join_keeps_its_weights(sets: dict[str, Path], tmp_path: Path) -> None:
    config = tiny_training("xray", epochs=2, warmup_epochs=1, join_frozen=True, schedule="constant")
    states: list[dict[str, torch.Tensor]] = []

    class Watched(StreamModule):
        def on_train_epoch_end(self) -> None:
            states.append({name: each.clone() for name, each in self.stream.state_dict().items()})
            super().on_train_epoch_end()

    training, _ = load_split(config, open_sets([sets["xray"]], "xray"), [], seen(config))
    fit_module(Watched(config, 3), StreamData(config, training, None), 2, tmp_path, "training")
    alone, joined = states
    moved = {name for name in alone if not torch.allclose(alone[name], joined[name], rtol=1e-4, atol=1e-5)}
    assert any("running_mean" in name for name in moved)
    assert any("classifier" in name for name in moved)
    assert not [name for name in moved if "backbone" in name and "running" not in name and "tracked" not in name]


@pytest.mark.parametrize(
    ("changes", "still"),
    [({"stream.icam.batch_norm": "frozen"}, ""), ({"stream.backbone.frozen_stages": 1}, "backbone.bn1.")],
)
def test_frozen_statistics_stay_as_they_were(
    sets: dict[str, Path], tmp_path: Path, changes: dict[str, object], still: str
) -> None:
    config = tiny_training("xray", **{"stream.icam.iterations": 1, "warmup_epochs": 0, **changes})
    data = open_sets([sets["xray"]], "xray")
    training, _ = load_split(config, data, [], seen(config))
    module = StreamModule(config, 3)
    before = {name: each.clone() for name, each in module.stream.named_buffers() if "running" in name}
    fit_module(module, StreamData(config, training, None), 1, tmp_path, "training")
    moved = {
        name for name, each in module.stream.named_buffers() if name in before and not torch.equal(each, before[name])
    }
    assert not [name for name in moved if name.startswith(still)]
    assert bool(moved) == ("stream.backbone.frozen_stages" in changes)


def test_extractors_of_their_own_join_one_after_the_other(sets: dict[str, Path], tmp_path: Path) -> None:
    config = tiny_training("xray", epochs=3, warmup_epochs=1, join_frozen=True, **{"stream.icam.extractors": "own"})
    states: list[list[dict[str, torch.Tensor]]] = []

    class Watched(StreamModule):
        def on_train_epoch_start(self) -> None:
            super().on_train_epoch_start()
            states.append(self.weights())

        def on_train_epoch_end(self) -> None:
            super().on_train_epoch_end()
            states.append(self.weights())

        def weights(self) -> list[dict[str, torch.Tensor]]:
            return [
                {name: each.detach().clone() for name, each in extractor.named_parameters()}
                for extractor in self.stream.extractors
            ]

    data = open_sets([sets["xray"]], "xray")
    training, _ = load_split(config, data, [], seen(config))
    fit_module(Watched(config, 3), StreamData(config, training, None), 3, tmp_path, "training")
    learnt = [
        [
            any(not torch.equal(each, after[name]) for name, each in before.items())
            for before, after in zip(*epoch, strict=True)
        ]
        for epoch in zip(states[::2], states[1::2], strict=True)
    ]
    assert learnt == [[True, False, False], [False, True, False], [False, False, True]]


@pytest.mark.parametrize("changes", [{"warmup_epochs": 0}, {"stream.icam.iterations": 1}])
def test_without_iterations_that_join_the_extractor_learns(
    sets: dict[str, Path], tmp_path: Path, changes: dict[str, int]
) -> None:
    config = tiny_training("xray", epochs=2, join_frozen=True, schedule="constant", **changes)
    frozen = []

    class Watched(StreamModule):
        def on_train_epoch_end(self) -> None:
            super().on_train_epoch_end()
            frozen.append(not any(parameter.requires_grad for parameter in self.stream.backbone.parameters()))

    training, _ = load_split(config, open_sets([sets["xray"]], "xray"), [], seen(config))
    fit_module(Watched(config, 3), StreamData(config, training, None), 2, tmp_path, "training")
    assert frozen == [False, False]


def test_attention_drop_and_counterfactual_attention_add_to_the_loss(sets: dict[str, Path], tmp_path: Path) -> None:
    losses = {}
    for name in ("", "attention_drop", "counterfactual"):
        config = tiny_training("xray", epochs=1, warmup_epochs=0, extra_losses={name: 1.0} if name else {})
        run = train_stream(config, open_sets([sets["xray"]], "xray"), [], tmp_path / f"run{name}")
        losses[name] = json.loads((run / "metrics.json").read_text())[0]["train_loss"]
    assert losses["attention_drop"] > losses[""] + 0.3
    assert losses["counterfactual"] > losses[""] + 0.3


def test_a_run_goes_on_from_another_one(sets: dict[str, Path], tmp_path: Path) -> None:
    data = open_sets([sets["xray"]], "xray")
    one = train_stream(
        tiny_training("xray", **{"stream.icam.iterations": 1, "warmup_epochs": 0}), data, [], tmp_path / "1"
    )
    still = {"epochs": 1, "warmup_epochs": 0, "learning_rate": 1e-12, "weight_decay": 0.0}
    three = train_stream(tiny_training("xray", **still), data, [], tmp_path / "3", start=one)
    assert read_bundle_header(three).sources["start"] == read_bundle_header(one).weights_sha256
    torch.testing.assert_close(
        weights(three)["streams.xray.classifier.weight"], weights(one)["streams.xray.classifier.weight"]
    )
    with pytest.raises(InputError, match=r"start: .* there, None now"):
        train_stream(tiny_training("xray", **still), data, [], three)
    with pytest.raises(InputError, match="has no stream 'rgb'"):
        train_stream(tiny_training("rgb"), open_sets([sets["rgb"]], "rgb"), [], tmp_path / "rgb", start=one)
    other = tiny_training("xray", **{"stream.backbone.name": "test_convnext"})
    with pytest.raises(InputError, match="start from a stream 'xray' on test_convnext"):
        train_stream(other, data, [], tmp_path / "other", start=one)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_ends_like_an_undisturbed_one(sets: dict[str, Path], tmp_path: Path) -> None:
    config = tiny_training("xray", epochs=3)
    (tmp_path / "config.json").write_text(config.model_dump_json())
    program = (
        "import sys; from pathlib import Path\n"
        "from rgbx.datasets.labelled import open_sets\n"
        "from rgbx.training import StreamTraining, train_stream\n"
        "from rgbx.training.stream_stage import StreamModule\n"
        "step = StreamModule.training_step\n"
        "def slowed(self, batch, index):\n"
        "    import time\n"
        "    if self.current_epoch == 2: time.sleep(60)\n"
        "    return step(self, batch, index)\n"
        "StreamModule.training_step = slowed\n"
        "config = StreamTraining.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "train_stream(config, open_sets([Path(sys.argv[2])], 'xray'), [], Path(sys.argv[3]))\n"
    )
    arguments = [str(tmp_path / "config.json"), str(sets["xray"]), str(tmp_path / "killed")]
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 2/3" in line:
            break
    deadline = time.monotonic() + 60
    while not _second_epoch_is_saved(tmp_path / "killed" / CHECKPOINT) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    assert not (tmp_path / "killed" / BUNDLE_FILE).exists()

    train_sets = open_sets([sets["xray"]], "xray")
    resumed = weights(train_stream(config, train_sets, [], tmp_path / "killed"))
    undisturbed = weights(train_stream(config, train_sets, [], tmp_path / "whole"))
    for name in undisturbed:
        torch.testing.assert_close(resumed[name], undisturbed[name], rtol=1e-4, atol=1e-5)
    histories = [json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("killed", "whole")]
    assert [row["epoch"] for row in histories[0]] == [1, 2, 3]
    assert histories[0][-1]["train_loss"] == pytest.approx(histories[1][-1]["train_loss"], rel=1e-3)


def _second_epoch_is_saved(checkpoint: Path) -> bool:
    try:
        return torch.load(checkpoint, weights_only=True)["epoch"] >= 1
    except (FileNotFoundError, EOFError, RuntimeError):
        return False


def test_one_unit_a_class_trains_without_validation_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from learning_sets import write_set

    folder = write_set(tmp_path / "set", "xray", per_class=6, units=1)
    config = tiny_training("xray", epochs=1, warmup_epochs=0)
    out = train_stream(config, open_sets([folder], "xray"), [], tmp_path / "run")
    assert "too few to hold out" in capsys.readouterr().err
    assert "validation_accuracy" not in json.loads((out / "metrics.json").read_text())[0]


def test_learning_rates() -> None:
    cycle = tiny_training("xray", epochs=10)
    rates = [rate_factor(cycle, step, 100, steps_per_epoch=10) for step in range(101)]
    assert max(rates) == 1
    assert rates.index(max(rates)) == 20
    assert rates[-1] == pytest.approx(0, abs=1e-9)
    steps = stream_training("xray", "paper")
    assert rate_factor(steps, 6, 40, steps_per_epoch=1) == 1
    assert rate_factor(steps, 7, 40, steps_per_epoch=1) == pytest.approx(0.1)
    assert rate_factor(steps, 14, 40, steps_per_epoch=1) == pytest.approx(0.01)


def test_a_schedule_begins_again_until_its_images_are_learnt(sets: dict[str, Path], tmp_path: Path) -> None:
    images = open_sets([sets["xray"]], "xray")
    config = tiny_training("xray", restarts=2, learnt=1.0, learning_rate=0.01, validation_units=0)
    run = train_stream(config, images, [], tmp_path / "run")
    history = json.loads((run / "metrics.json").read_text())
    # One epoch of one iteration, once more twice as long, perhaps four times; then one of all iterations.
    assert len(history) in (1 + 2 + 1, 1 + 2 + 4 + 1)
    enough = config.updated({"learnt": 0.0})
    once = json.loads((train_stream(enough, images, [], tmp_path / "once") / "metrics.json").read_text())
    assert len(once) == 2
    assert once[0]["train_loss"] == history[0]["train_loss"]

"""Training shared by processes: two on gloo do what one does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from rgbx.datasets.labelled import LabelledImages
from rgbx.errors import ConfigError
from rgbx.training.batches import BatchShare, training_batches
from tiny_training import tiny_sets, tiny_training

sets = pytest.fixture(scope="session")(tiny_sets)

PROGRAM = """
import sys
from pathlib import Path
from rgbx.datasets.labelled import open_sets
from rgbx.training import StreamTraining, train_stream
config = StreamTraining.model_validate_json(Path(sys.argv[1]).read_text())
train_stream(config, open_sets([Path(sys.argv[2])], "xray"), [], Path(sys.argv[3]))
"""
UNCHANGED = {
    "flip": False, "rotation": (0.0, 0.0), "scale": (1.0, 1.0), "shift": (0.0, 0.0), "gamma": (1.0, 1.0),
    "contrast": (1.0, 1.0), "brightness": (0.0, 0.0), "noise": (0.0, 0.0), "blur": 0.0, "cutout": 0.0,
}  # fmt: skip


def images(count: int) -> LabelledImages:
    pixels = np.arange(count, dtype=np.uint16)[:, None, None]
    return LabelledImages("xray", ("a", "b"), pixels, np.arange(count) % 2, tuple(map(str, range(count))))


def test_processes_share_each_batch():
    whole = [batch[1].flatten().tolist() for batch in training_batches(images(12), 4, 0, 0)]
    parts = [
        [batch[1].flatten().tolist() for batch in training_batches(images(12), 4, 0, 0, BatchShare(k, 2))]
        for k in (0, 1)
    ]
    assert [sorted(a + b) for a, b in zip(*parts, strict=True)] == [sorted(batch) for batch in whole]
    with pytest.raises(ConfigError, match="batches of 4 cannot be shared by 3"):
        training_batches(images(12), 4, 0, 0, BatchShare(0, 3))


@pytest.mark.slow
def test_two_processes_train_as_one_does(sets: dict[str, Path], tmp_path: Path) -> None:
    # Without statistics of batches and random numbers, which processes draw by themselves, the two are the same sums.
    config = tiny_training(
        "xray",
        epochs=3,
        augment=UNCHANGED,
        optimizer="sgd",  # AdamW makes much of the sign of gradients that are rounding errors
        learning_rate=0.01,
        **{"stream.icam.batch_norm": "frozen", "stream.icam.dropout": 0.0},
    )
    (tmp_path / "config.json").write_text(config.model_dump_json())
    (tmp_path / "train.py").write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    together = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1",
        "--master-port", str(port),
    ]  # fmt: skip
    for name, launcher in (("one", [sys.executable]), ("two", together)):
        command = [*launcher, str(tmp_path / "train.py"), str(tmp_path / "config.json"), str(sets["xray"])]
        ran = subprocess.run(
            [*command, str(tmp_path / name)],
            capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr[-3000:]
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    for ours, theirs in zip(one, two, strict=True):
        assert theirs["train_loss"] == pytest.approx(ours["train_loss"], rel=1e-3)
        assert theirs["validation_loss"] == pytest.approx(ours["validation_loss"], rel=1e-3)
    first, second = (safetensors.torch.load_file(tmp_path / name / "weights.safetensors") for name in ("one", "two"))
    for name in first:
        torch.testing.assert_close(second[name], first[name], rtol=1e-2, atol=1e-4)

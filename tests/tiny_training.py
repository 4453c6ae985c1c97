"""Training small enough for tests: a tiny network, tiny sets, a few steps."""

from pathlib import Path

import pytest

from learning_sets import write_set
from rgbx.modality import Modality
from rgbx.models.stream_config import BackboneConfig
from rgbx.training import StreamTraining, stream_training


def tiny_sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write one set of each modality; wrap it as a fixture of session scope."""
    folder = tmp_path_factory.mktemp("sets")
    return {
        "xray": write_set(folder / "xray", "xray"),
        "rgb": write_set(folder / "rgb", "rgb", seed=77),
    }


def tiny_training(modality: Modality, **changes: object) -> StreamTraining:
    settings = {
        "stream.transform.source_size": 48,
        "stream.transform.view": "none",
        "stream.icam.input_size": 32,
        "stream.icam.iterations": 3,
        "stream.icam.dropout": 0.2,
        "epochs": 2,
        "restarts": 0,
        "warmup_epochs": 1,
        "join_frozen": False,
        "batch_size": 6,
        **changes,
    }
    base = stream_training(modality)
    backbone = BackboneConfig(name="test_efficientnet", weights="none", frozen_stages=0)
    return base.model_copy(update={"stream": base.stream.model_copy(update={"backbone": backbone})}).updated(settings)

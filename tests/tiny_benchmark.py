"""Sizes of the embedded benchmark that take seconds."""

import json
from collections.abc import Mapping

_NETWORK = {
    "epochs": 1,
    "warmup_epochs": 0,
    "join_frozen": False,
    "batch_size": 4,
    "localiser.steps": 3,
    "stream.transform.source_size": 48,
    "stream.icam.input_size": 48,
    "stream.backbone.name": "test_resnet",
    "stream.backbone.weights": "none",
    "stream.backbone.frozen_stages": 0,
}
TINY = {
    "classes": ["SP1", "SP9"],
    "scanned_units": 1,
    "voxel_size_mm": 1.5,
    "radiographs_per_class": 4,
    "photographs_per_class": 4,
    "xray.size": 48,
    "xray.acceptance.keypoints": 5,
    "rgb.size": 48,
    **{
        f"{training}.{name}": value
        for training in ("xray_training", "rgb_training")
        for name, value in _NETWORK.items()
    },
    "epochs_from_scratch": 1,
    "labelled_units": 1,
    "calibration_units": 2,
    "test_units": 2,
    "test_image_size": 64,
}
CLOSER = {
    f"{training}.{modality}.{name}": value
    for training in ("first_look", "looking_closer")
    for modality in ("xray", "rgb")
    for name, value in {"stream.modality": modality, **_NETWORK}.items()
}
"""Of comparisons of iterations, which the demo has none of."""
TINY_REVISIONS = {
    "sizes_mm": [4, 8],
    "revisions": [0, 8],
    **{f"benchmark.{name}": value for name, value in TINY.items() if name != "classes"},
    "benchmark.views_per_test_unit": 1,
    "benchmark.xray_training.stream.transform.source_size": 96,
}


def options(sizes: Mapping[str, object]) -> list[str]:
    """Return sizes as options of the command line."""
    return [part for key, value in sizes.items() for part in ("--set", f"{key}={json.dumps(value)}")]

"""A bundle of both modalities that no training has touched: right in form, not in its answers."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from rgbx.inference.export import export_bundle
from rgbx.models import bundle
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.models.transforms import TransformConfig

CLASSES = ("A", "B", "C")


def write_untrained_bundle(folder: Path) -> Path:
    torch.manual_seed(0)
    configs = {
        modality: StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=64),
            backbone=BackboneConfig(name="test_resnet", weights="none"),
            icam=ICamConfig(input_size=64),
        )
        for modality in ("rgb", "xray")
    }
    network = RgbXNetwork({name: build_stream(config, 3) for name, config in configs.items()}, fused=True)
    bundle.save_bundle(folder, network, CLASSES, configs, training={}, sources={}, metrics={})
    return folder


def write_exported_bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the same with graphs for both runtimes; exporting takes a minute, so all tests share one export."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            made = write_untrained_bundle(shared.with_name("exporting"))
            export_bundle(made, ("onnx", "openvino"))
            made.rename(shared)
    return shutil.copytree(shared, folder)


if __name__ == "__main__":
    export_bundle(write_untrained_bundle(Path(sys.argv[1])), ("onnx", "openvino"))

"""A bundle of both modalities that no training has touched: right in form, not in its answers."""

import os
import shutil
import sys
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from typer.testing import CliRunner

import tiny_networks  # noqa: F401 (timm gets to know its network)
from rgbx.cli import app
from rgbx.inference import export
from rgbx.models import bundle
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import BackboneConfig, ICamConfig, StreamConfig
from rgbx.view.transform import TransformConfig

CLASSES = ("A", "B", "C")


def write_untrained_bundle(folder: Path, backbone: str = "test_resnet", iterations: int = 3) -> Path:
    torch.manual_seed(0)
    configs = {
        modality: StreamConfig(
            modality=modality,
            transform=TransformConfig(source_size=64, view="none" if modality == "rgb" else "square"),
            backbone=BackboneConfig(name=backbone, weights="none"),
            icam=ICamConfig(input_size=64, iterations=iterations),
        )
        for modality in ("rgb", "xray")
    }
    network = RgbXNetwork({name: build_stream(config, 3) for name, config in configs.items()}, fused=True)
    bundle.save_bundle(folder, network, CLASSES, configs, training={}, sources={}, metrics={})
    return folder


def export_untrained_bundle(folder: Path) -> Path:
    """Write one that looks twice with a network of two convolutions, with graphs for both runtimes."""
    write_untrained_bundle(folder, "two_convolutions", iterations=2)
    ran = CliRunner().invoke(app, ["export", str(folder)])
    assert ran.exit_code == 0, ran.output
    assert "100.00%" in ran.output
    return folder


def write_exported_bundle(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a copy of one; exporting takes half a minute, so all tests share one export."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            export_untrained_bundle(shared.with_name("exporting")).rename(shared)
    return shutil.copytree(shared, folder)


def export_again(folder: Path, patch: pytest.MonkeyPatch) -> None:
    """Let further exports of a bundle check, quantise and seal the graphs that it has, not trace them once more."""

    def copy(_loaded: object, _images: object, formats: tuple[str, ...], out: Path, _early_exit: bool) -> list[str]:
        suffixes = {suffix for name in formats for suffix in ((".onnx",) if name == "onnx" else (".xml", ".bin"))}
        for path in (folder / "graphs").iterdir():
            if path.suffix in suffixes:
                shutil.copy(path, out)
        return ["rgb", "xray", "rgbx"]

    patch.setattr(export, "_write_graphs", copy)


if __name__ == "__main__":
    export_untrained_bundle(Path(sys.argv[1]))

"""Photographs of devices that are no phones: small, long, thin, in parts, of glass; through every verb."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from any_devices import SHAPES, box
from mesh_files import Glb
from rgbx.cli import app
from rgbx.samples import SampleSet
from rgbx_render.devices.library import Library
from rgbx_render.photography.photographs import render_photographs
from rgbx_render.photography.randomisation import RgbRandomisation
from scan_files import write_unit_file

pytestmark = [pytest.mark.slow, pytest.mark.blender]

STUDIO = RgbRandomisation(
    size=64, camera="fixed", lights="fixed", background="fixed", materials="fixed"
).updated({"film.noise": (0.0, 0.0), "pose.free": 0.0, "samples": 16})  # fmt: skip
NETWORK = [
    "--backbone", "test_resnet", "--weights", "none", "--epochs", "1", "--set", "stream.backbone.frozen_stages=0",
    "--set", "restarts=0", "--set", "warmup_epochs=0", "--set", "join_frozen=false", "--set", "batch_size=4",
]  # fmt: skip
ALIKE = ("two loose parts", "round", "one part, of one material", "of metal alone")
"""Near enough in size for one set of radiographs."""


def run(*words: object) -> str:
    ran = CliRunner().invoke(app, [str(word) for word in words])
    assert ran.exit_code == 0, (ran.output, ran.exception)
    return ran.output


def pictures(library: Path, out: Path, config: RgbRandomisation, count: int) -> list[np.ndarray]:
    samples = render_photographs(Library.open(library), out, config, images_per_class=count, workers=0)
    return [cv2.imread(str(samples.path(record))) for record in samples]


def test_a_small_device_is_photographed_as_a_large_one(tmp_path: Path) -> None:
    """Nothing is cut away where the camera is a few millimetres from it."""
    near = STUDIO.updated({"camera.focal_length": (18.0, 18.0), "camera.off_axis": (25.0, 25.0)})
    shown = []
    for side in (5, 50):
        folder = tmp_path / str(side) / "A" / "1"
        write_unit_file(folder, mesh_unit="mm")
        box((side, side, side)).export(folder / "mesh.stl")
        shown.append(pictures(tmp_path / str(side), tmp_path / f"set-{side}", near, 4))
    for small, large in zip(*shown, strict=True):
        assert np.abs(small.astype(int) - large).mean() < 6


def test_glass_is_seen_by_its_reflections(tmp_path: Path) -> None:
    glass = Glb()
    glass.material(
        pbrMetallicRoughness={"metallicFactor": 0.0, "roughnessFactor": 0.1},
        extensions={"KHR_materials_transmission": {"transmissionFactor": 1.0}},
    )
    (tmp_path / "library/A/1").mkdir(parents=True)
    glass.write(tmp_path / "library/A/1")
    for picture in pictures(tmp_path / "library", tmp_path / "set", STUDIO, 3):
        grey = cv2.GaussianBlur(picture, (0, 0), 1.0).mean(axis=2)
        assert np.ptp(grey - cv2.GaussianBlur(grey, (0, 0), 16)) > 6, "not the bare background"


@pytest.mark.parametrize("name", ["a metre long", "5 mm long", "thin as paper"])
def test_a_device_of_any_size_goes_through_the_renderers(name: str, tmp_path: Path) -> None:
    unit = tmp_path / "library/A/1"
    SHAPES[name].write_scan(unit)
    SHAPES[name].write_mesh(unit)
    assert "1 of 1 units can be used" in run("devices", "check", tmp_path / "library")
    for verb in ("xray", "rgb"):
        run("render", verb, tmp_path / "library", "--out", tmp_path / verb, "--per-class", 2, "--workers", 0)
        for record in SampleSet.open(tmp_path / verb):
            image = cv2.imread(str(tmp_path / verb / record.file_name), cv2.IMREAD_UNCHANGED)
            assert 0.02 < image.mean() / np.iinfo(image.dtype).max < 0.98


def test_devices_of_any_shape_go_through_every_verb(tmp_path: Path) -> None:
    for name in ALIKE:
        unit = tmp_path / "library" / name / "1"
        SHAPES[name].write_scan(unit)
        SHAPES[name].write_mesh(unit)
    run("devices", "check", tmp_path / "library", "--out", tmp_path / "check")
    for verb in ("xray", "rgb"):
        run("render", verb, tmp_path / "library", "--out", tmp_path / verb, "--per-class", 2, "--workers", 0)
        run("train", verb, "--data", tmp_path / verb, "--out", tmp_path / f"run-{verb}", *NETWORK)
    run("train", "fusion", "--rgb", tmp_path / "run-rgb", "--xray", tmp_path / "run-xray", "--rgb-data",
        tmp_path / "rgb", "--xray-data", tmp_path / "xray", "--out", tmp_path / "fused", "--epochs", 1,
        "--set", "batch_size=4")  # fmt: skip
    for name in ALIKE:
        images = [tmp_path / verb / name / "000001.png" for verb in ("rgb", "xray")]
        assert name in run("predict", tmp_path / "fused", "--rgb", images[0], "--xray", images[1])

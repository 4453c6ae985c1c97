"""Bad input, as a user meets it: one sentence that names the file and the remedy, exit code 2, nothing half-written."""

import errno
import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import SimpleITK as sitk
import torch
import trimesh

import rgbx.cli
import rgbx.files
from learning_sets import write_set
from scan_files import phantom, write_dicom, write_itk, write_unit_file
from tiny_bundle import write_untrained_bundle

SPACING = (1.0, 1.0, 1.0)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line; return its exit code and what it said on stderr, on one line."""

    def _run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["rgbx", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            rgbx.cli.main()
        return int(stopped.value.code or 0), " ".join(capsys.readouterr().err.split())

    return _run


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_untrained_bundle(tmp_path_factory.mktemp("model") / "bundle")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets")
    return {modality: write_set(folder / modality, modality) for modality in ("rgb", "xray")}


def unit(library: Path) -> Path:
    folder = library / "A" / "A-1"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def no_library(library: Path) -> str:
    library.mkdir()
    return "library"


def empty_class(library: Path) -> str:
    write_itk(unit(library) / "scan.nrrd", phantom(), SPACING)
    (library / "B").mkdir()
    return "B"


def empty_unit(library: Path) -> str:
    unit(library)
    return "A-1"


def nan_volume(library: Path) -> str:
    values = phantom("float32")
    values[3, 3, 3] = np.nan
    write_itk(unit(library) / "scan.nrrd", values, SPACING)
    return "scan.nrrd"


def constant_volume(library: Path) -> str:
    write_itk(unit(library) / "scan.nrrd", np.zeros((6, 14, 9), np.uint16), SPACING)
    return "scan.nrrd"


def truncated_nrrd(library: Path) -> str:
    path = write_itk(unit(library) / "scan.nrrd", phantom(), SPACING)
    path.write_bytes(path.read_bytes()[:-20])
    return "scan.nrrd"


def colour_volume(library: Path) -> str:
    image = sitk.GetImageFromArray(np.zeros((6, 14, 9, 3), np.uint8), isVector=True)
    sitk.WriteImage(image, str(unit(library) / "scan.mha"))
    return "scan.mha"


def tiff_without_voxel_size(library: Path) -> str:
    cv2.imwritemulti(str(unit(library) / "scan.tif"), list(phantom()))
    return "scan.tif"


def raw_of_wrong_size(library: Path) -> str:
    folder = unit(library)
    (folder / "scan.raw").write_bytes(b"\0" * 100)
    write_unit_file(folder, shape=[9, 14, 6], dtype="uint16", voxel_size_mm=1.0)
    return "scan.raw"


def raw_without_sidecar(library: Path) -> str:
    (unit(library) / "scan.raw").write_bytes(b"\0" * 100)
    return "scan.raw"


def two_scans(library: Path) -> str:
    write_itk(unit(library) / "scan.nrrd", phantom(), SPACING)
    write_itk(unit(library) / "scan.mha", phantom(), SPACING)
    return "A-1"


def unknown_key(library: Path) -> str:
    write_itk(unit(library) / "scan.nrrd", phantom(), SPACING)
    write_unit_file(unit(library), voxelsize=1.0)
    return "unit.yaml"


def truncated_dicom(library: Path) -> str:
    slices = sorted(write_dicom(unit(library) / "dicom", phantom(), SPACING))
    slices[2].write_bytes(slices[2].read_bytes()[:-60])
    return slices[2].name


def missing_slice(library: Path) -> str:
    sorted(write_dicom(unit(library) / "dicom", phantom(), SPACING))[2].unlink()
    return "dicom"


BAD_SCANS = (
    no_library, empty_class, empty_unit, nan_volume, constant_volume, truncated_nrrd, colour_volume,
    tiff_without_voxel_size, raw_of_wrong_size, raw_without_sidecar, two_scans, unknown_key, truncated_dicom,
    missing_slice,
)  # fmt: skip


@pytest.mark.parametrize("make", BAD_SCANS, ids=lambda make: make.__name__)
def test_bad_scan(make, tmp_path, run):
    named = make(tmp_path / "library")
    code, said = run(
        "render", "xray", tmp_path / "library", "--out", tmp_path / "out", "--per-class", 1, "--workers", 0
    )
    assert code == 2
    assert named in said
    assert ": " in said
    assert not list((tmp_path / "out").rglob("*.png"))


def test_mesh_without_unit(tmp_path, run):
    trimesh.creation.box((70, 140, 8)).export(unit(tmp_path / "library") / "mesh.stl")
    code, said = run("render", "rgb", tmp_path / "library", "--out", tmp_path / "out", "--per-class", 1, "--workers", 0)
    assert code == 2
    assert "mesh.stl" in said
    assert "mesh_unit" in said


@pytest.mark.parametrize(
    ("option", "content", "expected"),
    [
        ("--rgb", None, "photo.png"),
        ("--rgb", b"", "photo.png"),
        ("--rgb", b"no image at all", "photo.png"),
        ("--rgb", "truncated", "photo.png"),
        ("--rgb", "radiograph", "--xray"),
        ("--xray", "photograph", "--rgb"),
    ],
)
def test_bad_image(option, content, expected, tmp_path, bundle, run):
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    if content == "truncated":
        path.write_bytes(cv2.imencode(".png", noise)[1].tobytes()[:500])
    elif content == "radiograph":
        cv2.imwrite(str(path), noise[..., 0].astype(np.uint16) * 200)
    elif content == "photograph":
        cv2.imwrite(str(path), noise)
    elif content is not None:
        path.write_bytes(content)
    code, said = run("predict", bundle, option, path)
    assert code == 2
    assert "photo.png" in said
    assert expected in said


def test_no_image_at_all(bundle, run):
    code, said = run("predict", bundle)
    assert code == 2
    assert "--rgb" in said
    assert "--xray" in said


def test_wrong_bundle(tmp_path, run):
    (tmp_path / "bundle").mkdir()
    code, said = run("predict", tmp_path / "bundle", "--rgb", tmp_path / "photo.png")
    assert code == 2
    assert "bundle" in said


def test_tampered_bundle(tmp_path, run):
    folder = write_untrained_bundle(tmp_path / "bundle")
    weights = folder / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, said = run("predict", folder, "--rgb", tmp_path / "photo.png")
    assert code == 2
    assert "weights.safetensors" in said


def test_swapped_sets(tmp_path, sets, run):
    code, said = run("train", "xray", "--data", sets["rgb"], "--out", tmp_path / "run")
    assert code == 2
    assert str(sets["rgb"]) in said
    assert not (tmp_path / "run").exists()


def test_sets_of_other_classes(tmp_path, bundle, sets, run):
    other = write_set(tmp_path / "other", "xray", classes=("A", "B", "D"))
    code, said = run("evaluate", bundle, "--rgb", sets["rgb"], "--xray", other, "--out", tmp_path / "out")
    assert code == 2
    assert "D" in said
    assert not (tmp_path / "out" / "metrics.json").exists()


def test_unfinished_set(tmp_path, bundle, run):
    folder = write_set(tmp_path / "set", "xray")
    (folder / "metadata.jsonl").unlink()
    code, said = run("evaluate", bundle, "--xray", folder, "--out", tmp_path / "out")
    assert code == 2
    assert "is not finished" in said


def test_damaged_image_in_a_set(tmp_path, run):
    folder = write_set(tmp_path / "set", "xray")
    (folder / "A" / "000003.png").write_bytes(b"torn")
    code, said = run("train", "xray", "--data", folder, "--out", tmp_path / "run")
    assert code == 2
    assert "000003.png" in said


def test_library_without_part_lists(tmp_path, run):
    write_itk(unit(tmp_path / "library") / "scan.nrrd", phantom(), SPACING)
    code, said = run("scan", tmp_path / "library", "--out", tmp_path / "line")
    assert code == 2
    assert "A-1" in said
    assert not (tmp_path / "line" / "xray").exists()


@pytest.mark.parametrize("setting", ["size=10000000", "colour=red", "projector.tilt=[40,-40]", "size"])
def test_bad_setting(setting, tmp_path, run):
    write_itk(unit(tmp_path / "library") / "scan.nrrd", phantom(), (3.0, 3.0, 3.0))
    code, said = run("render", "xray", tmp_path / "library", "--out", tmp_path / "out", "--set", setting)
    assert code == 2
    assert setting.split("=")[0] in said


def test_full_disk(tmp_path, monkeypatch, run):
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    code, said = run(
        "devices", "family", "sp10", "--out", tmp_path / "phones", "--classes", "SP1", "--units", 1, "--voxel-size", 2,
        "--no-mesh", "--workers", 0,
    )  # fmt: skip
    assert code == 2
    assert "disk is full" in said
    assert not (tmp_path / "phones" / "SP1" / "SP1-001" / "parts.json").exists()
    assert not list((tmp_path / "phones").rglob(".*"))  # no temporary file


def test_weights_that_are_a_pickle_are_never_run(tmp_path, sets, run):
    weights = tmp_path / "weights.pt"
    torch.save({"conv.weight": Payload(tmp_path / "executed")}, weights)
    code, said = run("train", "xray", "--data", sets["xray"], "--out", tmp_path / "run", "--weights", weights)
    assert code == 2
    assert "weights.pt" in said
    assert not (tmp_path / "executed").exists()

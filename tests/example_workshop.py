"""A folder with everything that the examples of the verbs name, tiny, and how the verbs are made to take seconds."""

import os
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from filelock import FileLock

from birds import write_birds
from learning_sets import write_set
from rgbx.datasets.flat_field import make_flat_field
from rgbx.evaluation.classes import add_class
from rgbx.samples import SampleSet, Shard
from rgbx.samples.sets import read_set_header
from rgbx.training import FusionTraining, train_fusion, train_stream
from rgbx_line.template import write_template
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.sp10.family import SP10
from rgbx_render.devices.library import Library
from rgbx_render.photography.photographs import PHOTOGRAPHS_ORIGIN
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation
from rgbx_render.radiography.transfer import PRESETS
from tiny_benchmark import CLOSER, TINY, TINY_REVISIONS, options
from tiny_training import tiny_training

CLASSES = ("SP1", "SP9")
SIDE = 48
TINY_NETWORK = {
    "stream.backbone.name": "test_resnet",
    "stream.backbone.weights": "none",
    "stream.backbone.frozen_stages": 0,
    "stream.transform.source_size": 64,
    "stream.transform.view": "none",
    "stream.icam.input_size": 64,
    "epochs": 1,
    "restarts": 0,
    "warmup_epochs": 0,
    "join_frozen": False,
    "batch_size": 6,
}
VOLUME_PROPERTY = "1 1 0.9 0.1 0.2 10\n6 -3024 0 -16 0 1000 0.5\n4 0 1 255 1\n8 -3024 0 0 0 3071 1 1 1\n"
SMALLER = {
    "devices family sp10": "--classes SP1,SP9 --units 2 --voxel-size 2 --workers 0",
    "devices family rc6": "--classes RC1,RC5 --units 2 --voxel-size 2 --workers 0",
    "devices family rev-4": "--classes REV0-4mm,REV8-4mm --units 2 --voxel-size 2 --workers 0",
    "render xray": "--per-class 4 --size 48 --workers 0 --set acceptance.keypoints=0",
    "render rgb": "--per-class 4 --size 48 --workers 0 --set samples=1",
    "render materials": "--workers 0",
    "transfer sheet": "--draws 1 --tile 64",
    "train xray": options(TINY_NETWORK),
    "train rgb": options(TINY_NETWORK),
    "train fusion": "--epochs 1 --set batch_size=6",
    "classes add": "--radiographs 16 --photographs 16 --workers 0",
    "evaluate": "--pairings 1",
    "export": "--int8-loss 100 --int8-crops 0",
    "scan": "--views 1 --size 48 --workers 0",
    "demo": [*options(TINY), "--workers", "0"],
    "reproduce revisions": [*options(TINY_REVISIONS), "--seeds", "1", "--workers", "0"],
    "reproduce": [*options(TINY | CLOSER), "--seeds", "1", "--workers", "0"],
}
"""What is put behind a verb's options (of one of its arguments, where it depends on that), since it takes minutes or
hours as it stands; what was said before gives way. Nothing behind those of the others."""


def shared_workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder, made once for all tests, which work on copies of it."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "workshop"
    with FileLock(shared.with_suffix(".lock")):
        if not shared.exists():
            _write_workshop(shared.with_name("building")).rename(shared)
    return shared


def smaller(words: list[str]) -> list[str]:
    """Return what is put behind the words of a command."""
    more = next((more for verb, more in SMALLER.items() if words[: len(verb.split())] == verb.split()), [])
    return shlex.split(more) if isinstance(more, str) else more


def _write_workshop(folder: Path) -> Path:
    library = folder / "library"
    keys = [UnitKey(name, number) for name in CLASSES for number in (1, 2)]
    write_units(library, SP10, keys, scan_spacing_mm=1.5, mesh=True, labels=True, workers=0)
    shutil.copytree(library, folder / "phones")
    shutil.copy(library / "SP1/SP1-001/scan.nrrd", folder / "scan.nrrd")
    _write_sets(folder)
    _write_runs(folder)
    _write_new_class(folder)
    _write_line(folder)
    for name in ("line.yaml", "hall-2.yaml"):
        write_template(folder / name, folder / "model", Path("service"))
        text = (folder / name).read_text().replace(str(folder / "model"), "model")
        (folder / name).write_text(text.replace("8080", "0").replace("1502", "0").replace("free_gb: 5", "free_gb: 0.1"))
    shutil.copytree(PRESETS, folder / "my-curves")
    (folder / "bones.vp").write_text(VOLUME_PROPERTY)
    nodes = [f"<VolumeProperty name='{name}' scalarOpacity='4 0 0 900 0.5'/>" for name in ("CT-Bone", "CT-Air")]
    (folder / "presets.xml").write_text(f"<MRML>{''.join(nodes)}</MRML>")
    write_birds(folder / "CUB_200_2011")
    write_birds(folder / "downloads/CUB_200_2011")
    return folder


def _write_sets(folder: Path) -> None:
    library = Library.open(folder / "library")
    config = XrayRandomisation(size=SIDE).updated({"acceptance.keypoints": 0})
    render_radiographs(library, folder / "sets/xray", config, images_per_class=6, workers=0)
    for names in (("part-1", "part-2"), ("machine-a", "machine-b", "machine-c")):
        for number, name in enumerate(names, start=1):
            shard = Shard(number, len(names))
            render_radiographs(library, folder / name, config, images_per_class=3, workers=0, shard=shard)
    _write_like_rendered(folder / "sets/rgb", CLASSES, seed=0)
    for modality, seed in (("rgb", 5), ("xray", 6)):
        write_set(folder / "line" / modality, modality, classes=CLASSES, per_class=12, units=4, seed=seed)
    for name, modality in (("photographs", "rgb"), ("radiographs", "xray")):
        for each in CLASSES:
            shutil.copytree(folder / "line" / modality / each, folder / name / each)


def _write_like_rendered(folder: Path, classes: tuple[str, ...], seed: int) -> None:
    """Write drawn photographs that say they were rendered, so that none has to be where Blender is missing."""
    write_set(folder, "rgb", classes=classes, seed=seed)
    rendered = RgbRandomisation(size=SIDE, samples=1).model_dump(mode="json")
    header = read_set_header(folder).updated({"origin": PHOTOGRAPHS_ORIGIN, "config": rendered})
    (folder / "dataset.json").write_text(header.model_dump_json())


def _write_new_class(folder: Path) -> None:
    """Write scanned units and sets of a class that the model does not know, and a model that does."""
    library = folder / "new"
    write_units(library, SP10, [UnitKey("SP3", number) for number in (1, 2)], scan_spacing_mm=1.5, mesh=True, workers=0)
    _write_like_rendered(folder / "new-sets/rgb", ("SP1", "SP3"), seed=700)
    config = XrayRandomisation(size=SIDE).updated({"acceptance.keypoints": 0})
    render_radiographs(Library.open(library), folder / "new-sets/xray", config, images_per_class=6, workers=0)
    sets = {modality: [SampleSet.open(folder / "new-sets" / modality)] for modality in ("rgb", "xray")}
    add_class(folder / "model", "SP3", sets, folder / "three-classes")


def _write_runs(folder: Path) -> None:
    sets = {modality: [SampleSet.open(folder / "sets" / modality)] for modality in ("rgb", "xray")}
    runs = {modality: folder / "runs" / modality for modality in sets}
    for modality, run in runs.items():
        train_stream(tiny_training(modality).updated(TINY_NETWORK), sets[modality], [], run)
    shutil.copytree(runs["rgb"], folder / "runs/rgb-synthetic")
    train_fusion(FusionTraining(mode="product"), runs, sets, folder / "model")
    (folder / "bins.yaml").write_text("bins: {SP1: left, SP9: right}\ncosts: {SP9: {left: 50}}\n")


def _write_line(folder: Path) -> None:
    rng = np.random.default_rng(0)
    for name, level in (("open-beam", 60_000), ("tube-off", 200)):
        (folder / name).mkdir()
        for number in range(2):
            frame = rng.integers(level, level + 100, (SIDE, SIDE)).astype(np.uint16)
            cv2.imwrite(str(folder / name / f"{number}.png"), frame)
    frames = {name: sorted((folder / name).iterdir()) for name in ("open-beam", "tube-off")}
    make_flat_field(frames["open-beam"], frames["tube-off"], folder / "fields")
    for place in ("today", "camera", "detector"):
        (folder / place).mkdir()
    for number in (0, 1):
        photograph = cv2.imread(str(folder / f"line/rgb/SP1/00000{number}.png"))
        radiograph = cv2.imread(str(folder / f"line/xray/SP1/00000{number}.png"), cv2.IMREAD_UNCHANGED)
        for name, image in (("today/{}_rgb.png", photograph), ("camera/{}.png", photograph), ("phone.png", photograph),
                            ("today/{}_xray.png", radiograph), ("detector/{}.png", radiograph),
                            ("phone.tiff", radiograph)):  # fmt: skip
            cv2.imwrite(str(folder / name.format(number)), image)

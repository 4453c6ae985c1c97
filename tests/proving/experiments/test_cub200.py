from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from birds import BIRDS, write_birds
from rgbx.cli import app
from rgbx.datasets.labelled import load_images, open_sets
from rgbx.errors import InputError
from rgbx.samples import SampleSet
from rgbx_proving.experiments.cub200 import import_birds, read_cub200


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_birds(tmp_path / "CUB_200_2011")


def test_the_official_split_becomes_two_sets(folder, tmp_path):
    ran = CliRunner().invoke(app, ["sets", "import-cub200", str(folder), "--out", str(tmp_path / "birds")])
    assert ran.exit_code == 0, ran.output
    assert "2 images to train on" in ran.output
    train, test = (SampleSet.open(tmp_path / "birds" / part) for part in ("train", "test"))
    albatross, laysan = BIRDS
    assert [(record.label, record.unit) for record in train] == [
        (albatross, BIRDS[albatross][0]), (laysan, BIRDS[laysan][1])
    ]  # fmt: skip
    assert [record.draw["image"] for record in test] == [2, 3]
    assert next(iter(test)).draw["box"] == [2.0, 2.0, 20.0, 30.0]
    assert train.header.classes == test.header.classes == tuple(BIRDS)


def test_sets_load_like_any_other_grey_birds_included(folder, tmp_path):
    import_birds(folder, tmp_path / "birds")
    images = load_images(
        open_sets([tmp_path / "birds/train"], "rgb"), lambda image: np.resize(image, (16, 16, 3)).astype(np.uint8)
    )
    assert images.labels.tolist() == [0, 1]


def test_an_import_that_was_stopped_goes_on(folder, tmp_path, monkeypatch):
    whole, _ = import_birds(folder, tmp_path / "whole")
    real = SampleSet.add

    def stop_at_the_second(samples, record):
        if len(samples) == 1:
            raise KeyboardInterrupt
        real(samples, record)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SampleSet, "add", stop_at_the_second)
        import_birds(folder, tmp_path / "stopped")
    stopped, _ = import_birds(folder, tmp_path / "stopped")
    assert stopped.records == whole.records


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda root: (root / "classes.txt").unlink(), r"classes\.txt is missing"),
        (lambda root: (root / "images.txt").write_text(""), r"images\.txt names no image"),
        (lambda root: (root / "images.txt").write_text("one two\n"), "does not begin with a number"),
        (lambda root: (root / "train_test_split.txt").write_text("1 1\n"), "does not say all about image 2"),
        (lambda root: next((root / "images").rglob("*.jpg")).unlink(), r"\.jpg is missing"),
    ],
)
def test_faults_name_the_file(folder, spoil, message):
    spoil(folder)
    with pytest.raises(InputError, match=message):
        read_cub200(folder)


def test_an_image_that_is_none_is_named(folder, tmp_path):
    next((folder / "images").rglob("*.jpg")).write_bytes(b"no image")
    with pytest.raises(InputError, match=r"Albatross.*\.jpg is damaged"):
        import_birds(folder, tmp_path / "birds")

"""`rgbx classes`, as a user meets it."""

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rgbx.cli
from learning_sets import CLASSES, write_set
from rgbx.datasets.labelled import open_sets
from rgbx.evaluation.unit_images import RENDERER, UNIT_RENDERERS
from rgbx.models.bundle import load_bundle
from rgbx.models.header import check_weights, read_bundle_header
from rgbx.models.memory import ImageSource
from rgbx.training.remember import remember
from tiny_bundle import write_untrained_bundle

FOUR = (*CLASSES, "D")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("sets")
    return {m: write_set(folder / m, m, classes=FOUR, seed=5000) for m in ("rgb", "xray")}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that no training has touched and that remembers two sets all the same."""
    folder = tmp_path_factory.mktemp("model")
    model = write_untrained_bundle(folder / "bundle", "two_convolutions", iterations=1)
    loaded = load_bundle(model)
    old = {m: open_sets([write_set(folder / m, m)], m) for m in ("rgb", "xray")}
    remember(loaded.network, loaded.header.streams, CLASSES, old).write(model, check_weights(model).weights_sha256)
    return model


def run(*words: object) -> str:
    ran = CliRunner().invoke(rgbx.cli.app, ["classes", *map(str, words)], env={"COLUMNS": "200"})
    assert ran.exit_code == 0, f"{ran.output}\n{ran.exception!r}"
    return ran.output


@pytest.fixture
def refused(monkeypatch, capsys):
    """Run a verb that has to fail; return the one sentence that it says."""

    def _refused(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["rgbx", "classes", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            rgbx.cli.main()
        assert stopped.value.code == 2
        return " ".join(capsys.readouterr().err.split())

    return _refused


def test_a_class_is_added_from_sets_and_what_was_found_is_said(bundle, sets, tmp_path):
    out = tmp_path / "candidate"
    said = run("add", bundle, "--rgb", sets["rgb"], "--xray", sets["xray"], "--name", "D", "--out", out)
    assert "D found" in said
    assert all(title in said for title in ("RGB-X", "X-ray", "held-out units"))
    assert str(out) in said.replace("\n", "")
    header = read_bundle_header(out)
    assert header.classes == FOUR
    assert ("is not told well enough" in said) == header.changes[0].proposes_full


def test_a_class_is_added_from_units_by_what_renders_them(bundle, sets, tmp_path, monkeypatch):
    asked = {}

    def render(units, name, sources, out, wanted, seed, workers):
        asked.update(units=units, name=name, sources=sources, out=out, wanted=wanted, seed=seed, workers=workers)
        out.mkdir()
        return {modality: [folder] for modality, folder in sets.items()}

    monkeypatch.setitem(UNIT_RENDERERS._registered, RENDERER, render)
    options = ("--name", "D", "--out", tmp_path / "candidate", "--radiographs", 20, "--photographs", 30)
    run("add", bundle, "--unit", "u/1", "--unit", "u/2", *options, "--minutes", 4, "--seed", 7, "--workers", 0)
    assert asked["units"] == [Path("u/1"), Path("u/2")]
    assert (asked["name"], asked["seed"], asked["workers"]) == ("D", 7, 0)
    assert tuple(asked["wanted"]) == (20, 30, 4)
    assert asked["sources"]["xray"] == (ImageSource(origin="drawn by a test", config={}),)
    assert read_bundle_header(tmp_path / "candidate").classes == FOUR
    assert [path.name for path in tmp_path.iterdir()] == ["candidate"], "rendered sets go where nobody asked for them"
    run("add", bundle, "--unit", "u/1", *options[:3], tmp_path / "other", "--images", tmp_path / "kept")
    assert (tmp_path / "kept").exists()


def test_nothing_is_rendered_for_what_is_refused(bundle, tmp_path, refused, monkeypatch):
    monkeypatch.setitem(UNIT_RENDERERS._registered, RENDERER, lambda *_: pytest.fail("it was rendered"))
    said = refused("add", bundle, "--unit", "u/1", "--name", "A", "--out", tmp_path / "candidate")
    assert "has a class 'A' already" in said
    without = write_untrained_bundle(tmp_path / "without", "two_convolutions", iterations=1)
    said = refused("add", without, "--unit", "u/1", "--name", "D", "--out", tmp_path / "candidate")
    assert "remembers nothing" in said
    assert "--old-rgb" in said


def test_without_what_renders_there_is_a_sentence(bundle, tmp_path, refused, monkeypatch):
    monkeypatch.setattr(UNIT_RENDERERS, "names", list)
    said = refused("add", bundle, "--unit", "u/1", "--name", "D", "--out", tmp_path / "candidate")
    assert "pip install rgbx[render]" in said


def test_options_that_contradict_each_other(bundle, sets, tmp_path, refused):
    where = ("--name", "D", "--out", tmp_path / "candidate")
    given = ("--rgb", sets["rgb"], "--xray", sets["xray"])
    assert "--unit" in refused("add", bundle, *where)
    assert "--unit" in refused("add", bundle, *given, "--unit", "u/1", *where)
    assert "--old-rgb" in refused("add", bundle, *given, *where, "--full")
    assert "leave out --bin" in refused("add", bundle, *given, *where, "--full", "--bin", "left")
    assert "no bins" in refused("add", bundle, *given, *where, "--bin", "left")
    assert not (tmp_path / "candidate").exists()


def test_classes_are_removed_and_renamed(bundle, tmp_path, refused):
    assert "A is removed" in run("remove", bundle, "--name", "A", "--out", tmp_path / "two")
    assert read_bundle_header(tmp_path / "two").classes == ("B", "C")
    said = run("rename", tmp_path / "two", "--name", "B", "--to", "Phone 7", "--out", tmp_path / "named")
    assert "B is called Phone 7" in said
    assert read_bundle_header(tmp_path / "named").classes == ("Phone 7", "C")
    said = refused("remove", tmp_path / "two", "--name", "A", "--out", tmp_path / "none")
    assert "has no class 'A': name one of B, C" in said

"""`rgbx transfer`, from the command line."""

import sys

import cv2
import numpy as np
import pytest

import rgbx.cli
from rgbx.samples import SampleSet
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume
from rgbx_render.radiography.transfer import read_presets

PRESET = "1 1 0.9 0.1 0.2 10\n6 -3024 0 -16 0 1000 0.5\n4 0 1 255 1\n8 -3024 0 0 0 3071 1 1 1\n"


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line; return its exit code and what it said."""

    def _run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["rgbx", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            rgbx.cli.main()
        said = capsys.readouterr()
        return int(stopped.value.code or 0), " ".join((said.out + said.err).split())

    return _run


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    values = np.full((14, 80, 50), -1000, np.int16)
    values[3:11, 6:74, 6:44] = 200
    values[5:9, 20:40, 15:30] = 3000
    write_volume(folder / "A" / "A-1" / "scan.nrrd", Volume(values, (1.0, 1.0, 0.8)))
    return folder


def test_five_are_listed(run):
    code, said = run("transfer", "list")
    assert code == 0
    assert all(name in said for name in read_presets())


def test_what_is_exported_can_be_edited_and_rendered_with(tmp_path, library, run):
    mine = tmp_path / "mine"
    assert run("transfer", "export", mine)[0] == 0
    assert read_presets(mine) == read_presets()
    code, said = run("transfer", "export", mine)
    assert code == 2
    assert "is there already" in said
    for path in mine.glob("[!s]*.yaml"):
        path.unlink()
    (mine / "soft.yaml").rename(mine / "my-soft.yaml")
    code, said = run(
        "render", "xray", library, "--out", tmp_path / "set", "--per-class", 2, "--size", 32, "--workers", 0,
        "--set", f"transfer.presets={mine}", "--set", "acceptance.keypoints=0",
    )  # fmt: skip
    assert code == 0, said
    records = SampleSet.open(tmp_path / "set").records
    assert [record.draw["transfer"]["name"] for record in records] == ["my-soft"] * 2


def test_one_transfer_function_is_used_as_it_is(tmp_path, library, run):
    (tmp_path / "dark.yaml").write_text("about: a shadow\npoints: [[0.03, 0.0], [1.0, 2.0]]\n")
    code, said = run(
        "render", "xray", library, "--out", tmp_path / "set", "--per-class", 1, "--size", 32, "--workers", 0,
        "--set", f"transfer.presets={tmp_path / 'dark.yaml'}", "--set", "transfer.use=dark",
        "--set", "transfer.jitter=none", "--set", "transfer.guard=[0,1]",
        "--set", "acceptance.keypoints=0", "--set", "acceptance.dark_share=1",
    )  # fmt: skip
    assert code == 0, said
    (record,) = SampleSet.open(tmp_path / "set").records
    assert record.draw["transfer"]["points"][-1][1] == 2.0, "the guard would make it weaker"


def test_a_preset_of_slicer_becomes_a_file(tmp_path, library, run):
    (tmp_path / "bones.vp").write_text(PRESET)
    scan = library / "A" / "A-1" / "scan.nrrd"
    out = tmp_path / "mine" / "bones.yaml"
    code, said = run("transfer", "import", tmp_path / "bones.vp", "--scan", scan, "--out", out)
    assert code == 0, said
    points = read_presets(out)["bones"].points
    assert points[0] == (0, 0)
    assert points[1] == pytest.approx((984 / 4000, 0), rel=1e-3)
    assert points[2] == pytest.approx((2000 / 4000, np.log(2)), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "problem"), [([], "choose one with --name: a, b"), (["--name", "c"], "holds no preset 'c'")]
)
def test_of_several_presets_one_is_chosen(tmp_path, library, run, options, problem):
    nodes = [f"<VolumeProperty name='{name}' scalarOpacity='4 0 0 900 0.5'/>" for name in "ab"]
    (tmp_path / "presets.xml").write_text(f"<MRML>{''.join(nodes)}</MRML>")
    command = ["transfer", "import", tmp_path / "presets.xml", "--scan", library / "A/A-1/scan.nrrd"]
    code, said = run(*command, "--out", tmp_path / "x.yaml", *options)
    assert code == 2
    assert problem in said
    assert not (tmp_path / "x.yaml").exists()
    assert run(*command, "--out", tmp_path / "x.yaml", "--name", "b")[0] == 0


@pytest.mark.parametrize("whole_library", [True, False])
def test_a_sheet_has_a_row_for_each_and_is_darker_where_the_unit_is(tmp_path, library, run, whole_library):
    source = library if whole_library else library / "A" / "A-1" / "scan.nrrd"
    code, said = run("transfer", "sheet", source, "--out", tmp_path / "sheet.png", "--draws", 2, "--tile", 80)
    assert code == 0, said
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    step = 80 + 4  # of a column: picture and margin
    assert sheet.shape[1] == 4 + 4 * step
    rows = np.array_split(sheet[4:], 5)
    for row in rows:
        for column in (1, 2, 3):
            picture = row[16:, 4 + column * step : 4 + column * step + 80]
            assert picture[40, 40].mean() < picture[2, 2].mean() == 255


def test_a_library_without_scans_is_named(tmp_path, run):
    (tmp_path / "library" / "A" / "A-1").mkdir(parents=True)
    code, said = run("transfer", "sheet", tmp_path / "library", "--out", tmp_path / "sheet.png")
    assert code == 2
    assert "A-1" in said or "library" in said
    assert not (tmp_path / "sheet.png").exists()

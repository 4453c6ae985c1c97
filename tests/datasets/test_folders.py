import os

import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.datasets.folders import import_folder
from rgbx.datasets.labelled import load_images
from rgbx.errors import InputError
from rgbx.samples import SampleSet, write_image

RADIOGRAPH = np.full((20, 30), 40000, np.uint16)
PHOTOGRAPH = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)


@pytest.fixture
def radiographs(tmp_path):
    for name in ("SP1/a.png", "SP1/b.tiff", "SP2/one/front.png", "SP2/one/back.png", "SP2/two/front.png"):
        write_image(tmp_path / "mine" / name, RADIOGRAPH)
    (tmp_path / "mine/SP1/notes.txt").write_text("no image")
    return tmp_path / "mine"


def test_folders_say_class_and_unit(radiographs, tmp_path):
    samples = import_folder(radiographs, "xray", tmp_path / "set")
    assert samples.header.classes == ("SP1", "SP2")
    assert {record.file_name: record.unit for record in SampleSet.open(tmp_path / "set")} == {
        "SP1/a.png": "a",
        "SP1/b.tiff": "b",
        "SP2/one-back.png": "one",
        "SP2/one-front.png": "one",
        "SP2/two-front.png": "two",
    }
    images = load_images([samples], lambda image: image)
    assert images.images.max() == pytest.approx(40000 / 65535)


def test_a_stopped_import_goes_on(radiographs, tmp_path):
    (radiographs / "SP2/two/front.png").write_bytes(b"\x89PNG cut off")
    with pytest.raises(InputError, match=r"two.front.png"):
        import_folder(radiographs, "xray", tmp_path / "set")
    with pytest.raises(InputError, match="is not finished"):
        SampleSet.open(tmp_path / "set")
    ran = CliRunner().invoke(
        app, ["sets", "import", str(radiographs), "--modality", "xray", "--out", str(tmp_path / "set")]
    )
    assert "two/front.png" in str(ran.exception)
    write_image(radiographs / "SP2/two/front.png", RADIOGRAPH)
    ran = CliRunner().invoke(
        app, ["sets", "import", str(radiographs), "--modality", "xray", "--out", str(tmp_path / "set")]
    )
    assert "5 images of 2 classes" in ran.output


def test_each_fault_names_the_place(radiographs, tmp_path):
    write_image(radiographs / "SP3/photo.png", PHOTOGRAPH)
    with pytest.raises(InputError, match=r"photo\.png is a colour photograph"):
        import_folder(radiographs, "xray", tmp_path / "a")
    (radiographs / "SP3/photo.png").unlink()
    with pytest.raises(InputError, match="SP3 holds no image"):
        import_folder(radiographs, "xray", tmp_path / "b")
    with pytest.raises(InputError, match="fewer than two folders"):
        import_folder(radiographs / "SP2" / "one", "xray", tmp_path / "c")
    with pytest.raises(InputError, match="does not exist"):
        import_folder(tmp_path / "none", "xray", tmp_path / "d")
    (radiographs / "SP3").rmdir()
    write_image(radiographs / "SP2/one-front.png", RADIOGRAPH)
    with pytest.raises(InputError, match="would be named as"):
        import_folder(radiographs, "xray", tmp_path / "e")


def test_what_is_left_out_is_counted(radiographs, tmp_path, capsys):
    (tmp_path / "elsewhere").mkdir()
    write_image(tmp_path / "elsewhere/a.png", RADIOGRAPH)
    (radiographs / "SP1/linked").symlink_to(tmp_path / "elsewhere")
    write_image(radiographs / "__MACOSX/SP1/a.png", RADIOGRAPH)
    write_image(radiographs / "SP1/@eaDir/a.png", RADIOGRAPH)
    for name in (".DS_Store", "SP1/Thumbs.db", "SP1/._a.png", "a.png", "SP2/one/raw.heic"):
        (radiographs / name).write_bytes(b"not read")
    assert len(import_folder(radiographs, "xray", tmp_path / "set")) == 5
    said = capsys.readouterr().err
    assert "5 hidden or of the system, " in said
    for rest in ("1 linked folders", "1 in no folder of a class", "1 files .txt", "1 files .heic"):
        assert rest in said


def test_classes_are_in_natural_order(tmp_path):
    for name in ("SP10", "SP9", "SP2"):
        write_image(tmp_path / "mine" / name / "a.png", RADIOGRAPH)
    assert import_folder(tmp_path / "mine", "xray", tmp_path / "set").header.classes == ("SP2", "SP9", "SP10")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SP1/a.png", "SP1/A.png"),
        ("SP1/a.png", "SP1/a.PNG"),
        ("SP1/\u00e4.png", "SP1/a\u0308.png"),
        ("SP1/a.png", "sp1/b.png"),
        ("\u00c4/a.png", "a\u0308/b.png"),
    ],
)
def test_names_that_are_one_on_some_systems_are_refused(one, other, tmp_path):
    for name in (one, other, "SP2/a.png", "SP3/a.png"):
        write_image(tmp_path / "mine" / name, RADIOGRAPH)
    with pytest.raises(InputError, match="would be named as"):
        import_folder(tmp_path / "mine", "xray", tmp_path / "set")


def test_names_that_are_no_utf_8_are_written_as_they_can_be(radiographs, tmp_path):
    name = os.fsdecode(b"caf\xe9")
    write_image(radiographs / name / name / f"{name}.png", RADIOGRAPH)
    import_folder(radiographs, "xray", tmp_path / "set")
    samples = SampleSet.open(tmp_path / "set")
    assert "caf\\udce9/caf\\udce9.png" in samples.file_names
    assert load_images([samples], lambda image: image).classes == ("SP1", "SP2", "caf\\udce9")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_a_folder_that_may_not_be_read_is_named(radiographs, tmp_path):
    (radiographs / "SP2/one").chmod(0)
    try:
        with pytest.raises(InputError, match="one cannot be read"):
            import_folder(radiographs, "xray", tmp_path / "set")
    finally:
        (radiographs / "SP2/one").chmod(0o700)

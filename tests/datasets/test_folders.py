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

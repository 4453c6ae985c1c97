import json
import tarfile

import cv2
import numpy as np
import pytest
from dotted import DOTS, HEADER, KEYS, contents

from rgbx.errors import InputError
from rgbx.samples import SampleRecord, SampleSet, choose_executor, render_samples
from rgbx.samples.webdataset import export_webdataset


@pytest.fixture
def samples(tmp_path):
    samples = SampleSet.create(tmp_path / "set", HEADER)
    render_samples(samples, KEYS, DOTS, choose_executor(0))
    return SampleSet.open(tmp_path / "set")


def test_the_webdataset_library_reads_all_of_it(samples, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    tars = export_webdataset(samples, tmp_path / "tars", images_per_tar=4)
    assert [tar.name for tar in tars] == ["xray-000000.tar", "xray-000001.tar", "xray-000002.tar"]
    read = {}
    for tar in tars:
        for item in webdataset.WebDataset(str(tar), shardshuffle=False):
            record = SampleRecord.model_validate_json(item["json"])
            image = cv2.imdecode(np.frombuffer(item["png"], np.uint8), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(image, cv2.imread(str(samples.path(record)), cv2.IMREAD_UNCHANGED))
            assert HEADER.classes[int(item["cls"])] == record.label
            assert item["__key__"] == record.file_name.removesuffix(".png")
            read[record.file_name] = record
    assert [read[name] for name in sorted(read)] == samples.records


def test_the_same_set_gives_the_same_bytes(samples, tmp_path):
    for name in ("a", "b"):
        export_webdataset(samples, tmp_path / name, images_per_tar=7)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_tars_hold_all_classes_and_say_nothing_of_the_machine(samples, tmp_path):
    first = export_webdataset(samples, tmp_path / "tars", images_per_tar=2)[0]
    with tarfile.open(first) as tar:
        members = tar.getmembers()
    assert [member.name for member in members] == [
        f"{label}/000000.{extension}" for label in "AB" for extension in ("cls", "json", "png")
    ]
    assert {(member.mtime, member.uid, member.gid, member.uname) for member in members} == {(0, 0, 0, "")}


def test_the_header_says_what_the_tars_are(samples, tmp_path):
    export_webdataset(samples, tmp_path / "tars", images_per_tar=8)
    header = json.loads((tmp_path / "tars/dataset.json").read_text())
    assert header.pop("shards") == [
        {"name": "xray-000000.tar", "samples": 8},
        {"name": "xray-000001.tar", "samples": 2},
    ]
    assert header == samples.header.model_dump(mode="json")


def test_nothing_is_half_written(samples, tmp_path):
    (samples.folder / "B/000004.png").unlink()
    with pytest.raises(InputError, match=r"000004\.png is missing: render the set again"):
        export_webdataset(samples, tmp_path / "tars")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]

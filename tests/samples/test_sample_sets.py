import errno
import re

import pytest
from dotted import DOTS, HEADER, KEYS, DotRenderer, contents

from rgbx.errors import InputError, RgbxError
from rgbx.files import write_bytes
from rgbx.samples import SampleSet, choose_executor, render_samples
from rgbx.samples.sets import read_set_header


def start(folder, count):
    """Render the first samples and stop as a killed run would."""
    samples = SampleSet.create(folder, HEADER)
    renderer = DotRenderer()
    for key in KEYS[:count]:
        record, image = renderer(key)
        write_bytes(samples.path(record), image)
        samples.add(record)
    return samples


def resume(folder):
    samples = SampleSet.create(folder, HEADER)
    missing = samples.missing(KEYS, ".png")
    render_samples(samples, KEYS, DOTS, choose_executor(0))
    return missing


@pytest.fixture
def whole(tmp_path):
    resume(tmp_path / "whole")
    return contents(tmp_path / "whole")


def test_only_what_is_missing_is_rendered(tmp_path, whole):
    start(tmp_path / "x", 4)
    assert resume(tmp_path / "x") == KEYS[4:]
    assert contents(tmp_path / "x") == whole
    assert resume(tmp_path / "x") == []
    assert contents(tmp_path / "x") == whole


def test_a_record_torn_by_a_kill_is_rendered_again(tmp_path, whole):
    start(tmp_path / "x", 4)
    journal = tmp_path / "x" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-20])
    assert resume(tmp_path / "x") == KEYS[3:]
    assert contents(tmp_path / "x") == whole


def test_a_record_added_after_a_torn_one_has_a_line_of_its_own(tmp_path, whole):
    start(tmp_path / "x", 4)
    journal = tmp_path / "x" / "journal.jsonl"
    journal.write_text(journal.read_text()[:-20])
    start(tmp_path / "x", 5)
    assert resume(tmp_path / "x") == KEYS[5:]
    assert contents(tmp_path / "x") == whole


def test_an_image_that_was_deleted_or_half_written_is_rendered_again(tmp_path, whole):
    start(tmp_path / "x", 4)
    (tmp_path / "x" / "A" / "000001.png").unlink()
    (tmp_path / "x" / "A" / ".000001-torn.png").write_bytes(b"half")
    assert resume(tmp_path / "x") == [KEYS[2], *KEYS[4:]]
    assert contents(tmp_path / "x") == whole


def test_a_set_with_other_settings_is_refused_with_what_differs(tmp_path):
    start(tmp_path / "x", 1)
    other = HEADER.updated({"config.size": 16, "seed": 2})
    with pytest.raises(InputError, match=r"other settings \(seed: 0 there, 2 now; size: 8 there, 16 now\)"):
        SampleSet.create(tmp_path / "x", other)


def test_a_header_alone_is_no_wall_to_other_settings(tmp_path):
    failed = SampleSet.create(tmp_path / "x", HEADER)
    other = HEADER.updated({"seed": 2})
    assert SampleSet.create(tmp_path / "x", other).header == read_set_header(tmp_path / "x") == other

    (result,) = choose_executor(0).run(DOTS, KEYS[:1])
    with pytest.raises(InputError, match=r"other settings \(seed: 2 there, 0 now\)"):
        failed.add(result.record)
    SampleSet.create(tmp_path / "x", other).add(result.record)
    with pytest.raises(InputError, match=r"other settings \(seed: 2 there, 0 now\)"):
        SampleSet.create(tmp_path / "x", HEADER)


def test_a_file_of_the_same_name_that_is_no_header_is_not_replaced(tmp_path):
    (tmp_path / "dataset.json").write_text('{"images": []}')
    with pytest.raises(RgbxError, match="images"):
        SampleSet.create(tmp_path, HEADER)
    assert (tmp_path / "dataset.json").read_text() == '{"images": []}'


def test_a_folder_with_other_things_in_it_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(InputError, match="is not empty and holds no set"):
        SampleSet.create(tmp_path, HEADER)


def test_reading_says_what_is_wrong(tmp_path):
    with pytest.raises(InputError, match="nowhere does not exist"):
        SampleSet.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"holds no dataset\.json"):
        SampleSet.open(tmp_path)
    start(tmp_path / "x", 1)
    with pytest.raises(InputError, match="is not finished: run the command"):
        SampleSet.open(tmp_path / "x")
    resume(tmp_path / "x")
    metadata = tmp_path / "x" / "metadata.jsonl"
    metadata.write_text(re.sub('"label":"B"', '"label":"B', metadata.read_text(), count=1))
    with pytest.raises(InputError, match=r"metadata\.jsonl has a damaged line 6"):
        SampleSet.open(tmp_path / "x")


def test_a_finished_set_reads_back_sorted(tmp_path):
    resume(tmp_path / "x")
    samples = SampleSet.open(tmp_path / "x")
    assert samples.header == HEADER
    assert [record.file_name for record in samples] == [f"{c}/{n:06d}.png" for c in "AB" for n in range(5)]
    assert all(samples.path(record).is_file() for record in samples)


def test_a_disk_that_fills_up_is_said_in_a_sentence_and_the_run_goes_on_later(tmp_path, whole, monkeypatch):
    written = 0

    def full_after_three(self, target):
        nonlocal written
        written += self.suffix == ".png"
        if written > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(self, target)

    from pathlib import Path

    original = Path.replace
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full_after_three)
        with pytest.raises(RgbxError, match=r"png could not be written because the disk is full: free some space"):
            resume(tmp_path / "x")
    assert len(list((tmp_path / "x").rglob("*.png"))) == 3, "nothing half-written"
    assert resume(tmp_path / "x") == KEYS[3:]
    assert contents(tmp_path / "x") == whole


def test_classes_whose_names_are_one_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"would be named as .*: rename one of the two classes"):
        SampleSet.create(tmp_path / "x", HEADER.updated({"classes": ("A", "B", "b")}))
    assert not (tmp_path / "x").exists()

import json

import pytest
from dotted import DOTS, HEADER, KEYS, contents

from learning_sets import write_set
from rgbx.errors import InputError
from rgbx.files import write_json
from rgbx.samples import SampleSet, Shard, choose_executor, render_samples
from rgbx.samples.join import join, leave_out
from rgbx.samples.sets import find_record


def render(folder, *shards, header=HEADER):
    for shard in shards or (Shard(1, 1),):
        render_samples(SampleSet.create(folder, header, shard), KEYS, DOTS, choose_executor(0))
    return folder


@pytest.fixture
def parts(tmp_path):
    return [render(tmp_path / "a", Shard(1, 3)), render(tmp_path / "b", Shard(3, 3), Shard(2, 3))]


def test_parts_in_separate_folders_join_to_the_same_set(tmp_path, parts):
    samples = join(parts, tmp_path / "joined")
    assert len(samples) == len(KEYS)
    assert contents(tmp_path / "joined") == contents(render(tmp_path / "whole"))
    assert find_record(tmp_path / "joined/B/000003.png").label == "B"


def test_parts_can_be_joined_where_files_cannot_be_linked(tmp_path, parts, monkeypatch):
    def refused(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refused)
    join(parts, tmp_path / "joined")
    assert contents(tmp_path / "joined") == contents(render(tmp_path / "whole"))


def refuse(parts, out, match):
    with pytest.raises(InputError, match=match):
        join(parts, out)
    assert not out.exists()
    assert not list(out.parent.glob(f".{out.name}*"))


def test_gaps_are_refused(tmp_path, parts):
    refuse(parts[1:], tmp_path / "x", r"b and the other parts lack the shards 1/3: give their folders too")
    (parts[0] / "A/000003.png").unlink()
    refuse(parts, tmp_path / "x", r"A/000003\.png is missing: render its shard again")


def test_a_record_that_is_gone_is_refused(tmp_path, parts):
    path = parts[0] / "shard-1-of-3.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    refuse(parts, tmp_path / "x", r"would have 4 images of class B, not 5")


def test_duplicates_are_refused(tmp_path, parts):
    again = render(tmp_path / "again", Shard(2, 3))
    refuse([*parts, again], tmp_path / "x", r"again holds shard 2/3, as does .*b: leave one of them out")


def test_other_divisions_and_settings_are_refused(tmp_path, parts):
    halves = render(tmp_path / "half", Shard(1, 2))
    refuse([*parts, halves], tmp_path / "x", r"half belongs to another division \(1/2, 1/3, 2/3, 3/3\)")
    other = render(tmp_path / "other", Shard(2, 3), header=HEADER.updated({"seed": 1}))
    refuse([parts[0], other, render(tmp_path / "c", Shard(3, 3))], tmp_path / "x", r"other .*seed: 1 there, 0 now")


def test_what_is_no_part_is_refused(tmp_path, parts):
    refuse([*parts, render(tmp_path / "whole")], tmp_path / "x", "whole is a whole set")
    write_json(tmp_path / "begun/dataset.json", json.loads(HEADER.model_dump_json()))
    refuse([*parts, tmp_path / "begun"], tmp_path / "x", "begun holds no complete shard")
    refuse([*parts, tmp_path / "nowhere"], tmp_path / "x", "nowhere does not exist")


def test_nothing_is_overwritten(tmp_path, parts):
    (tmp_path / "there").mkdir()
    (tmp_path / "there/thesis.txt").write_text("")
    with pytest.raises(InputError, match="there is there already"):
        join(parts, tmp_path / "there")


def test_a_class_is_left_out(tmp_path):
    whole = SampleSet.open(write_set(tmp_path / "whole", "rgb", per_class=2))
    fewer = leave_out(whole, "B", tmp_path / "fewer")
    assert fewer.header.classes == ("A", "C")
    assert fewer.file_names == [name for name in whole.file_names if not name.startswith("B/")]
    record = fewer.records[0]
    assert fewer.path(record).read_bytes() == whole.path(record).read_bytes()
    with pytest.raises(InputError, match="has no class 'D'"):
        leave_out(whole, "D", tmp_path / "none")
    assert not (tmp_path / "none").exists()

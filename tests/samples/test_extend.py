from pathlib import Path

import pytest

from learning_sets import write_set
from rgbx.errors import InputError
from rgbx.samples import SampleSet
from rgbx.samples.extend import set_with_class


@pytest.fixture
def old(tmp_path: Path) -> SampleSet:
    return SampleSet.open(write_set(tmp_path / "old", "xray", per_class=3))


@pytest.fixture
def new(tmp_path: Path) -> list[SampleSet]:
    folders = [write_set(tmp_path / name, "xray", per_class=2, classes=("C", "D"), seed=9) for name in ("one", "two")]
    return [SampleSet.open(folder) for folder in folders]


def test_a_set_has_all_of_the_old_one_and_the_class_of_the_others(old, new, tmp_path):
    longer = set_with_class(old, "D", new, tmp_path / "longer")
    assert longer.header.classes == ("A", "B", "C", "D")
    labels = [record.label for record in longer]
    assert {name: labels.count(name) for name in "ABCD"} == {"A": 3, "B": 3, "C": 3, "D": 4}
    kept = {record.file_name: old.path(record).read_bytes() for record in old}
    for record in longer:
        content = longer.path(record).read_bytes()
        if record.label == "D":
            assert content in {each.path(of).read_bytes() for each in new for of in each if of.label == "D"}
        else:
            assert content == kept[record.file_name]
    assert longer.header.source != old.header.source


def test_a_set_may_list_a_class_that_it_does_not_show(old, tmp_path):
    longer = set_with_class(old, "D", [], tmp_path / "longer")
    assert longer.header.classes[-1] == "D"
    assert len(longer) == len(old)


def test_a_class_that_is_there_and_an_image_that_is_not_are_refused(old, new, tmp_path):
    with pytest.raises(InputError, match="has a class 'C' already"):
        set_with_class(old, "C", new, tmp_path / "longer")
    new[1].path(next(record for record in new[1] if record.label == "D")).unlink()
    with pytest.raises(InputError, match="is missing"):
        set_with_class(old, "D", new, tmp_path / "longer")
    assert not (tmp_path / "longer").exists()

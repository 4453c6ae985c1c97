from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learning_sets import write_set
from rgbx.datasets.labelled import LabelledImages, load_images, open_sets, sets_digest, split_by_unit
from rgbx.datasets.partners import draw_partners
from rgbx.errors import InputError, RgbxError


def as_it_is(image: np.ndarray) -> np.ndarray:
    return image


def test_several_sets_are_read_in_full_with_labels_and_units(tmp_path: Path) -> None:
    sets = open_sets(
        [write_set(tmp_path / "a", "xray", per_class=3), write_set(tmp_path / "b", "xray", per_class=2, seed=5)], "xray"
    )
    images = load_images(sets, as_it_is)
    assert images.images.shape == (15, 48, 48)
    assert np.bincount(images.labels).tolist() == [5, 5, 5]
    assert all(unit[0] == images.classes[label] for unit, label in zip(images.units, images.labels, strict=True))
    assert np.bincount(load_images(sets, as_it_is, per_class=2).labels).tolist() == [2, 2, 2]


def test_faults_are_named(tmp_path: Path) -> None:
    xray = write_set(tmp_path / "xray", "xray", per_class=2)
    with pytest.raises(InputError, match="swapped"):
        open_sets([xray], "rgb")
    other = write_set(tmp_path / "other", "xray", per_class=2, classes=("A", "B", "Z"))
    with pytest.raises(InputError, match="differ in C, Z"):
        open_sets([xray, other], "xray")
    image = xray / "B" / "000001.png"
    image.write_bytes(image.read_bytes()[:100])
    with pytest.raises(InputError, match=r"000001\.png"):
        load_images(open_sets([xray], "xray"), as_it_is)
    empty = write_set(tmp_path / "empty", "xray", per_class=2)
    lines = (empty / "metadata.jsonl").read_text().splitlines(keepends=True)
    (empty / "metadata.jsonl").write_text("".join(line for line in lines if '"label":"C"' not in line))
    with pytest.raises(InputError, match="no image of class 'C'"):
        load_images(open_sets([empty], "xray"), as_it_is)


def test_sets_of_the_same_classes_combine_in_any_order(tmp_path: Path) -> None:
    one = write_set(tmp_path / "one", "xray", per_class=2)
    other = write_set(tmp_path / "other", "xray", per_class=2, classes=("C", "A", "B"))
    for folders, classes in (([one, other], None), ([other, one], ("B", "C", "A"))):
        images = load_images(open_sets(folders, "xray"), as_it_is, classes=classes)
        assert images.classes == (classes or ("A", "B", "C"))
        assert all(unit[0] == images.classes[label] for unit, label in zip(images.units, images.labels, strict=True))


def test_digest_follows_the_records(tmp_path: Path) -> None:
    one = open_sets([write_set(tmp_path / "one", "rgb", per_class=2)], "rgb")
    more = open_sets([write_set(tmp_path / "more", "rgb", per_class=3)], "rgb")
    assert sets_digest(one) == sets_digest(one) != sets_digest(more)


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 5), st.integers(0, 100), st.data())
def test_a_split_never_shares_a_unit(units: int, seed: int, data: st.DataObject) -> None:
    held = data.draw(st.integers(1, units - 1))
    labels = np.repeat([0, 1, 2], 2 * units)
    names = tuple(f"{label}-{place % units}" for place, label in enumerate(labels))
    images = LabelledImages("xray", ("A", "B", "C"), np.zeros((len(labels), 2, 2), np.uint16), labels, names)
    training, validation = split_by_unit(images, held, seed)
    assert not set(training.units) & set(validation.units)
    assert len(training) + len(validation) == len(images)
    assert len(set(validation.units)) == 3 * held


def test_a_class_with_too_few_units_cannot_be_split() -> None:
    images = LabelledImages("rgb", ("A", "B"), np.zeros((2, 2, 2, 3), np.uint8), np.array([0, 1]), ("u", "v"))
    with pytest.raises(RgbxError, match="class 'A' has 1 unit"):
        split_by_unit(images, 1, 0)


def test_pairs_share_the_class_and_change_with_the_seed() -> None:
    rgb, xray = np.repeat([2, 0, 1], 10), np.tile([0, 1, 2], 7)
    partners = draw_partners(rgb, xray, np.random.default_rng(0))
    assert np.array_equal(xray[partners], rgb)
    assert not np.array_equal(partners, draw_partners(rgb, xray, np.random.default_rng(1)))

import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from rgbx.errors import InputError
from rgbx.models.header import WEIGHTS, read_bundle_header
from rgbx.models.memory import MEMORY_FILE, MEMORY_TENSORS, ImageSource, LineImages, Memory, Remembered
from rgbx.models.seal import SUMS, seal, sealed_names
from rgbx.training.remember import thumbnail
from tiny_bundle import CLASSES, write_untrained_bundle

SOURCES = {m: (ImageSource(origin="drawn", config={"size": 8}),) for m in ("rgb", "xray")}


def remembered(count: int = 6, channels: int = 4, seed: int = 0) -> Remembered:
    rng = np.random.default_rng(seed)
    return Remembered(
        rng.normal(size=(count, channels)).astype(np.float16).astype(np.float32),
        np.arange(count) % len(CLASSES),
        tuple(f"unit-{number % 2}" for number in range(count)),
        tuple(rng.bytes(32).hex() for _ in range(count)),
        tuple(rng.bytes(5 + number) for number in range(count)),
    )


def memory(**changes: int) -> Memory:
    return Memory(CLASSES, {"rgb": remembered(**changes), "xray": remembered(seed=1)}, SOURCES)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = write_untrained_bundle(tmp_path / "model", "two_convolutions", iterations=1)
    memory().write(folder, read_bundle_header(folder).weights_sha256)
    return folder


def assert_same(one: Memory, other: Memory) -> None:
    assert (one.classes, one.sources) == (other.classes, other.sources)
    for modality, images in one.images.items():
        for ours, theirs in zip(images, other.images[modality], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_memory_is_read_as_it_was_written_and_is_sealed(bundle: Path) -> None:
    found = Memory.read(bundle)
    assert found is not None
    assert_same(found, memory())
    assert {MEMORY_FILE, MEMORY_TENSORS} <= set(sealed_names(bundle))


def seen_on_line(count: int = 9, seed: int = 5) -> LineImages:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, 4)).astype(np.float16).astype(np.float32)
    return LineImages(features, np.arange(count) % 3, tuple(f"worn-{number % 2}" for number in range(count)))


def assert_same_line(one: Memory, other: Memory) -> None:
    assert one.line.keys() == other.line.keys()
    for modality, images in one.line.items():
        for ours, theirs in zip(images, other.line[modality], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_images_of_a_line_are_read_as_they_were_written(bundle: Path) -> None:
    known = memory()._replace(line={"rgb": seen_on_line(), "xray": seen_on_line(6)})
    known.write(bundle, read_bundle_header(bundle).weights_sha256)
    found = Memory.read(bundle)
    assert found is not None
    assert_same(found, known)
    assert_same_line(found, known)


def test_a_memory_that_was_written_before_lines_were_remembered_is_read(bundle: Path) -> None:
    record = json.loads((bundle / MEMORY_FILE).read_text())
    del record["line_units"]
    (bundle / MEMORY_FILE).write_text(json.dumps(record))
    seal(bundle, (MEMORY_FILE,))
    found = Memory.read(bundle)
    assert found is not None
    assert not found.line


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_that_goes_goes_from_the_line_too(name: str) -> None:
    gone = CLASSES.index(name)
    line = seen_on_line()
    left = memory(count=9)._replace(line={"rgb": line}).without(name).line["rgb"]
    names = [each for each in CLASSES if each != name]
    of_before = [CLASSES[label] for label in line.labels if label != gone]
    assert [names[label] for label in left.labels] == of_before
    np.testing.assert_array_equal(left.features, line.features[line.labels != gone])


def test_each_unit_of_a_line_is_remembered_before_any_is_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rgbx.models.memory.LINE_BYTES_PER_CLASS", 3 * 2 * 4)
    labels = np.repeat([0, 1], [8, 2])
    units = ("a", "a", "a", "b", "b", "b", "c", "c", "z", "z")
    features = np.arange(40, dtype=np.float32).reshape(10, 4)
    kept = LineImages.of(features, labels, units)
    assert kept.units == ("a", "b", "c", "z", "z")
    np.testing.assert_array_equal(kept.features, features[[0, 3, 6, 8, 9]])
    assert kept.labels.tolist() == [0, 0, 0, 1, 1]


def test_a_bundle_of_an_earlier_version_remembers_nothing(tmp_path: Path) -> None:
    assert Memory.read(write_untrained_bundle(tmp_path / "model", "two_convolutions", iterations=1)) is None


def test_a_damaged_or_foreign_memory_is_refused(bundle: Path) -> None:
    good = {name: (bundle / name).read_bytes() for name in (MEMORY_FILE, MEMORY_TENSORS, SUMS)}

    def refused(match: str) -> None:
        with pytest.raises(InputError, match=match):
            Memory.read(bundle)
        for name, content in good.items():
            (bundle / name).write_bytes(content)

    (bundle / MEMORY_TENSORS).write_bytes(good[MEMORY_TENSORS][:-1])
    refused("is damaged, was changed")
    (bundle / MEMORY_TENSORS).unlink()
    refused("is missing")
    (bundle / MEMORY_TENSORS).write_bytes(b"nothing")
    seal(bundle, (MEMORY_TENSORS,))
    refused("is damaged or cut off")
    (bundle / MEMORY_FILE).write_text("{}")
    refused(MEMORY_FILE)
    memory().write(bundle, "0" * 64)
    refused("is of another bundle")
    memory()._replace(classes=("A", "C", "B")).write(bundle, read_bundle_header(bundle).weights_sha256)
    refused("is of another bundle")
    assert Memory.read(bundle) is not None


def test_the_nearest_image_is_of_the_class_and_the_most_like() -> None:
    known = memory(count=12)
    images = known.images["rgb"]
    for place in range(12):
        label = CLASSES[images.labels[place]]
        found = known.nearest("rgb", 3 * images.features[place], label)
        assert found is not None
        assert found.fingerprint == images.fingerprints[place]
        assert (found.thumbnail, found.unit) == (images.thumbnails[place], images.units[place])
        assert found.distance == pytest.approx(0, abs=1e-6)
        other = known.nearest("rgb", images.features[place], CLASSES[(images.labels[place] + 1) % 3])
        assert other is not None
        assert other.fingerprint != found.fingerprint
    assert known.nearest("rgb", images.features[0], "Z") is None
    assert known._replace(images={}).nearest("rgb", images.features[0], "A") is None


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(CLASSES), st.integers(3, 20))
def test_a_class_that_is_added_and_removed_leaves_no_trace(name: str, count: int) -> None:
    known = memory(count=count)
    more = {m: remembered(count=4, seed=7) for m in ("rgb", "xray")}
    longer = known.with_class("D", more, SOURCES)
    assert longer.classes == (*CLASSES, "D")
    assert (longer.images["rgb"].labels == 3).sum() == 4
    assert_same(longer.without("D"), known)
    shorter = longer.without(name)
    for modality, images in shorter.images.items():
        kept = [CLASSES[label] for label in known.images[modality].labels if CLASSES[label] != name]
        assert [shorter.classes[label] for label in images.labels] == [*kept, "D", "D", "D", "D"]


def test_sources_are_kept_once_each_and_without_how_many() -> None:
    one = ImageSource.of("drawn", {"size": 8, "images_per_class": 5, "units": None})
    assert one == SOURCES["rgb"][0]
    other = ImageSource.of("drawn", {"size": 9})
    more = {m: remembered() for m in ("rgb", "xray")}
    assert memory().with_class("D", more, {"rgb": (one, other)}).sources["rgb"] == (one, other)


@pytest.mark.parametrize("shape", [(272, 136), (40, 20), (64, 64, 3)])
def test_a_thumbnail_shows_the_image_small(shape: tuple[int, ...]) -> None:
    kind = np.uint8 if len(shape) == 3 else np.uint16
    image = np.zeros(shape, kind)
    image[: shape[0] // 2] = np.iinfo(kind).max
    if len(shape) == 3:
        image[..., 1:] = 0
    shown = np.asarray(Image.open(io.BytesIO(thumbnail(image))))
    assert max(shown.shape[:2]) == 160
    assert shown.shape[0] / shown.shape[1] == pytest.approx(shape[0] / shape[1], rel=0.02)
    first = shown[..., 0] if shown.ndim == 3 else shown
    assert first[:60].mean() > 230
    assert first[100:].mean() < 25
    if shown.ndim == 3:
        assert shown[:60, :, 2].mean() < 40


def test_weights_that_changed_take_the_memory_with_them(bundle: Path, tmp_path: Path) -> None:
    other = write_untrained_bundle(tmp_path / "other", "two_convolutions", iterations=2)
    for name in (WEIGHTS, "bundle.json"):
        (bundle / name).write_bytes((other / name).read_bytes())
    seal(bundle, (WEIGHTS, "bundle.json"))
    with pytest.raises(InputError, match="is of another bundle"):
        Memory.read(bundle)

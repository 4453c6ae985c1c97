"""Which of four ways an upright radiograph lies: one of them is the class's own, wherever it was before."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import ConfigError
from rgbx.view.transform import Transform, TransformConfig
from rgbx.view.ways import References, four_ways

SIZE = (120, 60)


def device(kind: int, way: int = 0, noise: int = 0) -> np.ndarray:
    """An upright radiograph of a device with three parts, no two of the four ways alike."""
    rng = np.random.default_rng(noise)
    image = np.full(SIZE, 0.2)
    image[10:35, 8:30] = 0.9
    image[70:80, 35:50] = 0.6 if kind else 0.8
    image[90:100, 10 + 20 * kind : 20 + 20 * kind] = 0.7
    image += rng.normal(0, 0.03, SIZE)
    return (np.clip(four_ways(image)[way], 0, 1) * 65535).astype(np.uint16)


def images_any_way(count: int = 12) -> tuple[list[np.ndarray], list[str]]:
    rng = np.random.default_rng(1)
    labels = ["AB"[number % 2] for number in range(count)]
    return [device("AB".index(name), int(rng.integers(4)), number) for number, name in enumerate(labels)], labels


def test_all_devices_of_all_classes_come_to_lie_the_same_way() -> None:
    references = References.fit(*images_any_way())
    expected = {references.way_of(device(kind)) for kind in (0, 1)}
    assert len(expected) == 1
    (expected_way,) = expected
    for kind in (0, 1):
        for way in range(4):
            turned = four_ways(device(kind, way, noise=50))[references.way_of(device(kind, way, noise=50))]
            assert np.array_equal(turned, four_ways(device(kind, 0, noise=50))[expected_way])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.integers(0, 1), st.integers(0, 1000))
def test_ways_are_kept_in_text(way: int, kind: int, noise: int) -> None:
    references = References.fit(*images_any_way())
    again = References.of(references.to_text())
    assert np.abs(again.pictures - references.pictures).max() < 0.05
    assert again.way_of(device(kind, way, noise)) == references.way_of(device(kind, way, noise))


def test_references_of_other_sets_lie_as_those_that_were_known_before() -> None:
    images, labels = images_any_way()
    before = References.fit(images, labels)
    turned = [four_ways(image)[3] for image in images]
    for start in range(4):  # whichever image the search begins with
        after = References.fit(turned[start:], labels[start:], before)
        assert all(after.way_of(image) == before.way_of(image) for image in images)


def test_a_transform_turns_pixels_and_their_place_alike() -> None:
    radiograph = np.full((200, 220), 0.95, np.float32)
    radiograph[40:160, 70:130] -= device(0).astype(np.float32) / 65535 * 0.8
    known = Transform("xray", TransformConfig(source_size=85, aspect=2.0))
    references = References.fit([known(radiograph)], ["A"])
    config = known.config.updated({"references": references.to_text()})
    for flipped in (radiograph, radiograph[:, ::-1], radiograph[::-1], radiograph[::-1, ::-1]):
        seen = Transform("xray", config).see(np.ascontiguousarray(flipped))
        assert references.way_of(seen.pixels) == 0
        height, width = seen.pixels.shape
        for x, y in ((width // 4, height // 4), (width - 12, height // 3), (20, height - 20)):
            column, row = np.rint(seen.place @ (x, y, 1)).astype(int)
            near = flipped[row - 1 : row + 2, column - 1 : column + 2].mean()
            dark = seen.pixels[y - 1 : y + 2, x - 1 : x + 2].mean() / 65535
            assert (near < 0.7) == (dark > 0.3), (x, y)


def test_text_that_is_no_references_is_refused() -> None:
    for text in ("x", "AAAA"):
        with pytest.raises(ConfigError, match="references"):
            TransformConfig(references=text)

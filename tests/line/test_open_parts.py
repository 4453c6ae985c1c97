"""Which part images belong to, and that no part has two answers."""

import contextlib
import weakref
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import RgbxError
from rgbx.inference.arrivals import Arrival
from rgbx_line.contract import PART_SEQ_MODULUS
from rgbx_line.inference.open_parts import OpenParts

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def images_of(name: str) -> Arrival:
    return Arrival(name, {"rgb": Path(f"{name}.png")}, 10.0, 11.0)


def test_images_belong_to_the_part_of_their_name():
    parts = OpenParts(5.0)
    first, second = parts.trigger("A", 10.0, NOW), parts.trigger("B", 10.5, NOW)
    assert parts.arrived(images_of("B"), 11.0, 11.5) is second
    assert first.arrival is None
    assert (second.due, second.seen) == (15.5, 11.5)


def test_images_without_a_trigger_open_a_part_due_from_the_first_of_them():
    parts = OpenParts(5.0)
    part = parts.arrived(images_of("A"), 10.0, 11.0)
    assert part is not None
    assert (part.seq, part.due, part.triggered) == (1, 15.0, None)


def test_a_name_that_is_open_or_answered_is_refused():
    parts = OpenParts(5.0)
    part = parts.trigger("A", 10.0, NOW)
    with pytest.raises(RgbxError, match="is open already"):
        parts.trigger("a", 11.0, NOW)
    parts.close(part)
    with pytest.raises(RgbxError, match="was answered already"):
        parts.trigger("A", 20.0, NOW)


def test_images_that_come_after_the_answer_open_no_second_part():
    parts = OpenParts(5.0)
    part = parts.trigger("A", 10.0, NOW)
    parts.close(part)
    assert parts.arrived(images_of("A"), 16.0, 16.0) is part
    assert parts.arrived(images_of("A"), 17.0, 17.0) is None
    assert len(parts) == 0


def test_images_of_a_part_that_was_answered_with_its_own_open_none():
    parts = OpenParts(5.0)
    part = parts.arrived(images_of("A"), 10.0, 10.0)
    parts.close(part)
    assert parts.arrived(images_of("a"), 11.0, 11.0) is None
    assert parts.seq_of("A") == part.seq
    with pytest.raises(RgbxError, match="was answered already"):
        parts.trigger("A", 12.0, NOW)


def test_of_answered_parts_only_names_and_numbers_are_kept():
    """A line keeps thousands of them for as long as it runs."""
    parts = OpenParts(5.0)
    kept = []
    for number in range(3):
        part = parts.arrived(images_of(f"P{number}"), 10.0, 10.0)
        kept.append(weakref.ref(part))
        parts.close(part)
    del part
    assert [each() for each in kept] == [None] * 3


@pytest.mark.parametrize("name", ["../A", "A/B", "A\\B", "A\nB", "A\0", "x" * 201, "  "])
def test_a_name_that_cannot_be_a_files_is_refused(name):
    with pytest.raises(RgbxError, match="cannot be called"):
        OpenParts(5.0).trigger(name, 0.0, NOW)


def test_numbers_begin_again_where_a_controller_ends():
    parts = OpenParts(5.0, last_seq=PART_SEQ_MODULUS - 1)
    assert parts.trigger(None, 0.0, NOW).seq == 0


@given(st.lists(st.tuples(st.sampled_from("tia"), st.sampled_from("ABCD")), max_size=40))
def test_whatever_comes_a_name_is_answered_once(steps):
    parts, answered = OpenParts(5.0), []
    for time, (what, name) in enumerate(steps):
        if what == "t":
            with contextlib.suppress(RgbxError):
                parts.trigger(name, time, NOW)
        elif what == "i":
            parts.arrived(images_of(name), time, time)
        else:
            for part in parts.all():
                if part.name == name:
                    answered.append(part.name)
                    parts.close(part)
    assert len(answered) == len(set(answered))

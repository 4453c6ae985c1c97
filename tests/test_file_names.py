"""How names are shown, compared and sorted."""

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.names import natural_key, printable, same_name

LATIN_1 = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    "in_order",
    [
        ["SP1", "SP2", "SP10", "SP10a"],
        ["a01", "a1", "a2"],
        ["²", "³"],
        ["a2²", "a10²"],
        ["٢", "١٠"],
        ["9" * 5000, "1" + "0" * 5000],
        ["", "0", "a"],
    ],
)
def test_numbers_sort_by_value(in_order):
    backwards = list(reversed(in_order))
    assert sorted(backwards, key=natural_key) == in_order


@given(st.text(), st.text())
def test_only_equal_texts_have_equal_keys(one, other):
    assert (natural_key(one) == natural_key(other)) == (one == other)
    assert (natural_key(one) < natural_key(other)) != (natural_key(other) <= natural_key(one))


def test_bytes_that_are_no_utf_8_can_be_printed():
    assert printable(LATIN_1) == "caf\\udce9"
    assert printable("café ✓") == "café ✓"
    for error in (InputError(LATIN_1, "is empty", "copy it"), RgbxError(LATIN_1), ConfigError(LATIN_1)):
        assert str(error).encode().startswith(b"caf\\udce9")


def test_names_are_one_in_any_case_and_composition():
    decomposed = unicodedata.normalize("NFD", "Gehäuse")
    assert same_name(decomposed) == same_name("GEHÄUSE") == same_name("gehäuse") != same_name("Gehause")
    assert same_name(LATIN_1) == same_name(LATIN_1.upper())

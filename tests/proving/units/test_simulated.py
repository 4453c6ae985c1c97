"""Libraries of simulated units are found by their part lists."""

import pytest

from rgbx.errors import InputError
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.parts import write_parts
from rgbx_proving.units.simulated import open_simulated, parts_digest, parts_of


def _write(folder, *numbers):
    for number in numbers:
        for label in ("SP2", "SP10"):
            parts = SP10.make_unit(label, number, 0)
            write_parts(folder / label / parts.unit / "parts.json", parts)
    return folder


def test_units_come_in_natural_order_and_give_their_parts(tmp_path):
    library = open_simulated(_write(tmp_path, 1, 2))
    assert library.classes == ("SP2", "SP10")
    assert [unit.name for unit in library.units] == ["SP2-001", "SP2-002", "SP10-001", "SP10-002"]
    assert parts_of(library.units[3]) == SP10.make_unit("SP10", 2, 0)


def test_the_digest_changes_with_a_part(tmp_path):
    library = open_simulated(_write(tmp_path, 1))
    before = parts_digest(library)
    assert parts_digest(library) == before
    write_parts(tmp_path / "SP2" / "SP2-001" / "parts.json", SP10.make_unit("SP2", 3, 0))
    assert parts_digest(library) != before


def test_a_unit_that_was_really_scanned_is_refused(tmp_path):
    _write(tmp_path, 1)
    (tmp_path / "SP2" / "mine").mkdir()
    with pytest.raises(InputError, match=r"mine has no parts\.json, so it was really scanned .* own radiographs"):
        open_simulated(tmp_path)


def test_a_folder_without_units_is_refused(tmp_path):
    with pytest.raises(InputError, match="holds no units"):
        open_simulated(tmp_path)


def test_a_damaged_part_list_is_named(tmp_path):
    (tmp_path / "A" / "1").mkdir(parents=True)
    (tmp_path / "A" / "1" / "parts.json").write_text('{"parts": 3}')
    with pytest.raises(InputError, match=r"parts\.json is no part list"):
        parts_of(open_simulated(tmp_path).units[0])

"""Entries of the log by number: whatever lines are like, each is found, and nothing else."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx_line.log import LineLog
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.settings import LineFolder
from rgbx_line.web.pages import entries
from rgbx_line.web.pages.entries import find_entry


@settings(max_examples=30, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 3000), min_size=1, max_size=60),
    segment=st.integers(1, 60_000),
    read_through=st.integers(2, 5000),
)
def test_each_entry_is_found_and_no_other(lengths: list[int], segment: int, read_through: int) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(entries, "_READ_THROUGH", read_through)
        folder = LineFolder(Path(place))
        with LineLog(folder.log, segment_bytes=segment) as log:
            written = [log.append([("result", {"number": 7, "text": "x" * length})])[0] for length in lengths]
        last = written[-1].number
        assert [find_entry(folder, entry.number, last) for entry in written] == written
        assert [find_entry(folder, number, last + 5) for number in (-1, 0, last + 1)] == [None, None, None]
        assert find_entry(folder, last, last - 1) is None, "it has not been announced"


@pytest.mark.parametrize("damage", [b"{", b"\0", b"\n"])
@pytest.mark.parametrize("damaged", [1, 20, 39])
def test_lines_beside_a_damaged_one_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: bytes, damaged: int
) -> None:
    monkeypatch.setattr(entries, "_READ_THROUGH", 200)
    folder = LineFolder(tmp_path)
    with LineLog(folder.log) as log:
        log.append([("result", {"text": "x" * 100})] * 40)
    path = segment_path(folder.log, segment_numbers(folder.log)[0])
    lines = path.read_bytes().splitlines(keepends=True)
    lines[damaged - 1] = damage * 20 + lines[damaged - 1][20:]
    path.write_bytes(b"".join(lines))
    found = {number for number in range(1, 41) if find_entry(folder, number, 40) is not None}
    assert found == set(range(1, 41)) - {damaged}


def test_what_has_gone_for_its_age_is_not_there(tmp_path: Path) -> None:
    folder = LineFolder(tmp_path)
    with LineLog(folder.log, segment_bytes=500) as log:
        for _ in range(10):
            log.append([("result", {"text": "x" * 300})])
    first = segment_numbers(folder.log)[0]
    segment_path(folder.log, first).unlink()
    assert find_entry(folder, first, 10) is None
    assert find_entry(folder, 10, 10) is not None

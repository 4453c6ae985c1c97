"""What the log says of a part: the right lines, the newest first, whatever became of the log or the index."""

import json
import shutil
import sqlite3
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx_line.history import PartIndex, find_part, results_after
from rgbx_line.log import LineLog
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.settings import LineFolder


@pytest.fixture
def folder(tmp_path: Path) -> LineFolder:
    return LineFolder(tmp_path)


def write(folder: LineFolder, *parts: str, kind: str = "result", segment_bytes: int = 1000) -> None:
    with LineLog(folder.log, segment_bytes=segment_bytes) as log:
        for part in parts:
            log.append([(kind, {"seq": log.number, "part_id": part, "result": {"part_id": "inner", "text": part}})])


def numbers(folder: LineFolder, part: str, limit: int = 10, **options: object) -> list[int]:
    return [entry.number for entry in find_part(folder, part, limit, **options)]  # type: ignore[arg-type]


def test_the_newest_come_first(folder: LineFolder) -> None:
    write(folder, "A", "B", "A", "C", "A")
    assert numbers(folder, "A") == [5, 3, 1]
    assert numbers(folder, "A", limit=2) == [5, 3]
    assert numbers(folder, "A", through=4) == [3, 1]
    assert numbers(folder, "nobody") == []
    assert numbers(folder, "inner") == []
    assert find_part(folder, "B", 1)[0].content["seq"] == 1


def test_an_empty_line_has_no_parts(folder: LineFolder) -> None:
    assert numbers(folder, "A") == []
    assert results_after(folder, 0, 100, 10) == ([], 0)


def test_what_comes_later_is_found_too(folder: LineFolder) -> None:
    write(folder, *"ABC" * 20)
    assert len(segment_numbers(folder.log)) > 5
    assert numbers(folder, "B", 2) == [59, 56]
    write(folder, *"ABC" * 20)
    assert numbers(folder, "B", 2) == [119, 116]


def test_entries_of_other_kinds_are_told_apart(folder: LineFolder) -> None:
    write(folder, "A", kind="trigger")
    write(folder, "A")
    write(folder, "A", kind="late_answer")
    assert numbers(folder, "A") == [2]
    assert numbers(folder, "A", kind="trigger") == [1]
    assert numbers(folder, "A", kind=None) == [3, 2, 1]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    parts=st.lists(
        st.text(st.characters(codec="utf-8"), max_size=8)
        | st.sampled_from(['"', "\\", '","part_id":"A', "../A", "\0"]),
        min_size=1,
        max_size=6,
    )
)
def test_odd_names_are_found_and_no_others(tmp_path: Path, parts: list[str]) -> None:
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    write(LineFolder(tmp_path), *parts)
    for part in {*parts, "A", "\udce9", "part_id"}:
        expected = [place for place, name in enumerate(parts, start=1) if name == part]
        assert numbers(LineFolder(tmp_path), part) == expected[::-1]


def test_a_line_that_is_being_written_is_left_out(folder: LineFolder) -> None:
    write(folder, "A", "A", segment_bytes=10**6)
    path = segment_path(folder.log, 1)
    content = path.read_bytes()
    path.write_bytes(content[:-5])
    assert numbers(folder, "A") == [1]
    path.write_bytes(content)
    assert numbers(folder, "A") == [2, 1]


def test_segments_that_were_retired_are_forgotten(folder: LineFolder) -> None:
    write(folder, *"AB" * 20)
    assert numbers(folder, "A", 100)[-1] == 1
    segments = segment_numbers(folder.log)
    for first in segments[:3]:
        segment_path(folder.log, first).unlink()
    assert numbers(folder, "A", 100)[-1] in (segments[3], segments[3] + 1)
    with PartIndex(folder) as index, sqlite3.connect(index.path) as database:
        assert database.execute("SELECT min(segment) FROM lines").fetchone() == (segments[3],)


@pytest.mark.parametrize("left", [0, 1, 5])
def test_a_log_from_a_backup_is_read_anew(folder: LineFolder, left: int) -> None:
    write(folder, *"ABABAB", segment_bytes=10**6)
    lines = segment_path(folder.log, 1).read_bytes().splitlines(keepends=True)
    assert numbers(folder, "B") == [6, 4, 2]
    shutil.rmtree(folder.log)
    folder.log.mkdir()
    segment_path(folder.log, 1).write_bytes(b"".join(lines[:left]))
    write(folder, *"CBCBCBCBCB", segment_bytes=10**6)
    assert numbers(folder, "A") == [n for n in (5, 3, 1) if n <= left]
    assert numbers(folder, "C")[-1] == left + 1


def test_a_damaged_index_is_made_again(folder: LineFolder) -> None:
    write(folder, *"AB")
    with PartIndex(folder) as index:
        path = index.path
    path.write_bytes(b"no database" * 1000)
    assert numbers(folder, "B") == [2]


def test_an_index_that_cannot_be_made_is_said(folder: LineFolder) -> None:
    write(folder, "A")
    (folder.folder / "parts.sqlite").mkdir()
    with pytest.raises(InputError, match=r"parts\.sqlite cannot be used"):
        find_part(folder, "A", 1)


def test_a_damaged_line_is_said(folder: LineFolder) -> None:
    write(folder, "A")
    path = segment_path(folder.log, 1)
    path.write_bytes(path.read_bytes().replace(b'"text":"A"', b'"text":"B"'))
    with pytest.raises(InputError, match="is damaged"):
        find_part(folder, "A", 1)


def test_several_may_ask_at_once(folder: LineFolder) -> None:
    write(folder, *"ABCD" * 50)
    found: list[list[int]] = []
    threads = [threading.Thread(target=lambda: found.append(numbers(folder, "C", 3))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[199, 195, 191]] * 4


def test_results_are_told_by_number(folder: LineFolder) -> None:
    write(folder, *"AB" * 10)
    write(folder, "T", kind="trigger")
    write(folder, *"CD" * 10)

    def told(after: int, through: int, limit: int) -> tuple[list[int], int]:
        found, reached = results_after(folder, after, through, limit)
        return [entry.number for entry in found], reached

    assert told(0, 100, 100) == ([*range(1, 21), *range(22, 42)], 41)
    assert told(0, 100, 3) == ([1, 2, 3], 3)
    assert told(19, 100, 2) == ([20, 22], 22)
    assert told(19, 21, 9) == ([20], 21)
    assert told(41, 100, 9) == ([], 41)
    assert told(10**20, 100, 9) == ([], 10**20)
    seen: list[int] = []
    after = 0
    while (step := told(after, 41, 7))[0]:
        seen, after = seen + step[0], step[1]
    assert seen == [*range(1, 21), *range(22, 42)]


def test_the_index_needs_no_wal(folder: LineFolder) -> None:
    write(folder, "A")
    find_part(folder, "A", 1)
    with sqlite3.connect(folder.folder / "parts.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert json.loads(segment_path(folder.log, 1).read_text())["content"]["part_id"] == "A"

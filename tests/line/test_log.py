"""The log of a line: whole or not at all, chained, found again wherever it was cut off."""

import json
import os
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rgbx.errors import InputError, RgbxError
from rgbx_line.log import LineLog, Position, read_entries, verify
from rgbx_line.log.cursor import Cursor, begin_at_last
from rgbx_line.log.retention import Retention, retire
from rgbx_line.log.segments import segment_numbers, segment_path


def write(folder: Path, count: int, **options: Any) -> None:
    with LineLog(folder, **options) as log:
        for number in range(count):
            log.append([("result", {"part": f"P{number}", "text": "Gerät\n\u2028\0"})])


def numbers(folder: Path, **options: Any) -> list[int]:
    return [entry.number for entry, _ in read_entries(folder, **options)]


def test_entries_are_numbered_chained_and_read_back(tmp_path: Path) -> None:
    write(tmp_path, 3)
    entries = [entry for entry, _ in read_entries(tmp_path)]
    assert [entry.number for entry in entries] == [1, 2, 3]
    assert [entry.previous for entry in entries[1:]] == [entry.hash for entry in entries[:-1]]
    assert entries[2].content == {"part": "P2", "text": "Gerät\n\u2028\0"}
    assert all(abs(entry.time - datetime.now(UTC)) < timedelta(minutes=1) for entry in entries)
    assert verify(tmp_path).faults == ()
    assert verify(tmp_path).entries == 3


def test_a_log_goes_on_over_segments_and_runs(tmp_path: Path) -> None:
    for _ in range(3):
        write(tmp_path, 5, segment_bytes=700)
    assert numbers(tmp_path) == list(range(1, 16))
    assert len(segment_numbers(tmp_path)) > 2
    assert verify(tmp_path).faults == ()


def test_reading_goes_on_from_any_place(tmp_path: Path) -> None:
    write(tmp_path, 7, segment_bytes=700)
    places = [place for _, place in read_entries(tmp_path)]
    for done, place in enumerate(places, start=1):
        assert numbers(tmp_path, after=place) == list(range(done + 1, 8))
    assert numbers(tmp_path, through=4) == [1, 2, 3, 4]
    assert numbers(tmp_path, after=places[1], through=4) == [3, 4]


def test_a_segment_that_goes_for_its_age_while_a_log_is_read_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 7, segment_bytes=700)
    first, second, third, *_ = segment_numbers(tmp_path)
    reading = read_entries(tmp_path)
    assert [next(reading)[0].number for _ in range(second - first)] == list(range(first, second))
    next(reading)  # by now the folder was listed
    segment_path(tmp_path, third).unlink()
    left = [entry.number for entry, _ in reading]
    assert left
    assert third not in left


def test_only_one_process_writes_a_log(tmp_path: Path) -> None:
    with LineLog(tmp_path), pytest.raises(InputError, match="another line"):
        LineLog(tmp_path)
    LineLog(tmp_path).close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(segment=st.integers(0, 1), where=st.floats(0, 1, exclude_max=True), flipped=st.integers(1, 255))
def test_any_altered_byte_is_found_and_its_line_named(tmp_path: Path, segment: int, where: float, flipped: int) -> None:
    folder = Path(tempfile.mkdtemp(dir=tmp_path))
    write(folder, 4, segment_bytes=500)
    path = segment_path(folder, segment_numbers(folder)[segment])
    content = bytearray(path.read_bytes())
    place = int(where * len(content))
    content[place] ^= flipped
    line = bytes(path.read_bytes()[:place]).count(b"\n") + 1
    path.write_bytes(content)
    faults = verify(folder).faults
    assert any(f"{path}: line {line} " in fault for fault in faults), faults


def test_a_line_left_out_exchanged_or_copied_in_is_found(tmp_path: Path) -> None:
    write(tmp_path, 4)
    path = segment_path(tmp_path, 1)
    lines = path.read_bytes().splitlines(keepends=True)
    for forged in ([0, 2, 3], [0, 2, 1, 3], [0, 1, 1, 2, 3], [1, 2, 3]):
        path.write_bytes(b"".join(lines[place] for place in forged))
        assert verify(tmp_path).faults, forged


def test_lines_cut_off_at_the_end_are_missed_by_who_was_told_of_them(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    write(folder, 4)
    cursor = Cursor(tmp_path / "cursors" / "mqtt.json")
    for entry, place in read_entries(folder):
        cursor.move(entry, place)
    cursor.save()
    path = segment_path(folder, 1)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    assert verify(folder).faults == ()
    assert "mqtt has been told of line 4" in verify(folder, tmp_path / "cursors").faults[0]
    with pytest.raises(InputError, match="line 4 was announced"):
        LineLog(folder, announced=4)


@pytest.mark.parametrize("kept", [1, 40, 150])
def test_what_a_power_cut_left_half_written_is_kept_aside(tmp_path: Path, kept: int) -> None:
    write(tmp_path, 2)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    first = whole.splitlines(keepends=True)[0]
    path.write_bytes(whole[: len(first) + kept])
    assert verify(tmp_path).unfinished == kept
    write(tmp_path, 1)
    entries = [entry for entry, _ in read_entries(tmp_path)]
    assert [entry.kind for entry in entries] == ["result", "recovered", "result"]
    assert (tmp_path / entries[1].content["kept_in"]).read_bytes() == whole[len(first) : len(first) + kept]
    assert verify(tmp_path).faults == ()


def test_zeros_at_the_end_are_what_a_power_cut_leaves(tmp_path: Path) -> None:
    write(tmp_path, 2)
    with segment_path(tmp_path, 1).open("ab") as file:
        file.write(bytes(300) + b"\n")
    write(tmp_path, 1)
    assert numbers(tmp_path) == [1, 2, 3, 4]


def test_a_new_segment_of_which_nothing_was_written_is_begun_anew(tmp_path: Path) -> None:
    write(tmp_path, 3, segment_bytes=100)
    segment_path(tmp_path, 4).write_bytes(b'{"numb')
    write(tmp_path, 1)
    assert numbers(tmp_path) == [1, 2, 3, 4, 5]
    assert verify(tmp_path).faults == ()


def test_an_altered_last_segment_is_refused_not_cut(tmp_path: Path) -> None:
    write(tmp_path, 3)
    path = segment_path(tmp_path, 1)
    whole = path.read_bytes()
    for altered in (whole.replace(b'"P1"', b'"P7"'), whole.replace(b'"P2"', b'"P7"'), whole[:-1] + b"x"):
        path.write_bytes(altered)
        with pytest.raises(InputError, match="damaged in line"):
            LineLog(tmp_path)
        assert path.read_bytes() == altered


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LineLog(tmp_path) as log:
        log.append([("result", {"part": "P0"})])
        write_some = os.write

        def write_half(file: int, content: memoryview) -> int:
            if len(content) < 100:
                raise OSError(28, "No space left on device")
            return write_some(file, content[: len(content) // 2])

        monkeypatch.setattr(os, "write", write_half)
        with pytest.raises(RgbxError, match="disk is full"):
            log.append([("result", {"part": "P1"}), ("result", {"part": "P2"})])
        monkeypatch.undo()
        log.append([("result", {"part": "P1"})])
    assert [entry.content["part"] for entry, _ in read_entries(tmp_path)] == ["P0", "P1"]
    assert verify(tmp_path).faults == ()


def test_what_is_no_json_is_not_written(tmp_path: Path) -> None:
    with LineLog(tmp_path) as log:
        with pytest.raises(ValueError, match="JSON"):
            log.append([("result", {"p": float("nan")})])
        assert log.append([]) == []
        log.append([("result", {})])
    assert numbers(tmp_path) == [1]


def test_opening_a_log_reads_its_last_segment_alone(tmp_path: Path) -> None:
    write(tmp_path, 9, segment_bytes=300)
    for first in segment_numbers(tmp_path)[:-1]:
        segment_path(tmp_path, first).write_bytes(b"nobody reads this")
    with LineLog(tmp_path) as log:
        assert log.number == 9


def test_a_cursor_outlives_its_process(tmp_path: Path) -> None:
    write(tmp_path / "log", 3)
    cursor = Cursor(tmp_path / "cursors" / "opcua.json")
    assert (cursor.number, cursor.position) == (0, Position(0))
    entry, place = next(read_entries(tmp_path / "log"))
    cursor.move(entry, place)
    cursor.save()
    again = Cursor(cursor.path)
    assert (again.number, again.position) == (1, place)
    assert numbers(tmp_path / "log", after=again.position) == [2, 3]
    cursor.path.write_text(json.dumps({"number": "x"}))
    with pytest.raises(InputError, match="is no cursor"):
        Cursor(cursor.path)


def test_old_segments_go_once_all_sinks_have_them_and_the_log_says_so(tmp_path: Path) -> None:
    later = datetime.now(UTC) + timedelta(days=400)
    with LineLog(tmp_path, segment_bytes=300) as log:
        for number in range(9):
            log.append([("result", {"part": f"P{number}", "text": 100 * "x"})])
        keep = Retention(days=365, free_gb=0.1)
        before = segment_numbers(tmp_path)
        assert retire(log, keep, [9]) is None
        assert retire(log, keep, [9, before[1] - 2], later) is None
        entry = retire(log, keep, [9, before[3] - 1], later)
        assert entry is not None
        assert entry.content["through"] == before[3] - 1
    assert segment_numbers(tmp_path)[0] == before[3]
    assert verify(tmp_path).faults == ()
    segment_path(tmp_path, before[3]).unlink()
    assert "missing" in verify(tmp_path).faults[0]


def test_a_full_disk_lets_young_segments_go(tmp_path: Path) -> None:
    with LineLog(tmp_path, segment_bytes=300) as log:
        for number in range(4):
            log.append([("result", {"part": f"P{number}", "text": 300 * "x"})])
        entry = retire(log, Retention(free_gb=1e9), [4])
        assert entry is not None
        assert entry.content["through"] == 3  # the one that is written never goes
    assert verify(tmp_path).faults == ()


def test_a_new_cursor_begins_at_the_last_entry_of_a_kind_and_an_old_one_stays(tmp_path: Path) -> None:
    log, path = tmp_path / "log", tmp_path / "cursors/mqtt.json"
    begin_at_last(path, log, "result")
    assert Cursor(path).number == 0
    path.unlink()
    write(log, 9, segment_bytes=700)
    with LineLog(log, segment_bytes=700) as open_log:
        open_log.append([("audit", {"text": "x" * 400})] * 5)
        open_log.append([("audit", {})])
    assert segment_numbers(log)[-1] > 9  # the last segment has no result
    begin_at_last(path, log, "result")
    cursor = Cursor(path)
    assert cursor.number == 8
    assert numbers(log, after=cursor.position)[0] == 9
    write(log, 1)
    begin_at_last(path, log, "result")
    assert Cursor(path).number == 8
    other = tmp_path / "cursors/other.json"
    begin_at_last(other, log, "none")
    assert (Cursor(other).number, Cursor(other).position) == (0, Position(0))

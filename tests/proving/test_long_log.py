"""A log as long as a month of a line's: any byte that is altered is found, and its line is named."""

import random
from bisect import bisect_right
from itertools import accumulate

import pytest

from rgbx_line.history import find_part
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.log.verify import verify
from rgbx_line.settings import LineFolder
from rgbx_proving.plant.history import write_earlier_results

LINES = 100_000
ALTERED = 12
RANDOM = random.Random(20)


@pytest.mark.slow
def test_an_altered_byte_among_a_hundred_thousand_lines_is_found_and_named(tmp_path):
    folder = LineFolder(tmp_path)
    write_earlier_results(folder, LINES, lambda _: None)
    assert verify(folder.log).faults == ()
    assert find_part(folder, f"H{LINES:07d}", 1)[0].number == LINES
    segments = [segment_path(folder.log, first) for first in segment_numbers(folder.log)]
    assert len(segments) > 3
    ends = list(accumulate(path.stat().st_size for path in segments))
    for _ in range(ALTERED):
        place = RANDOM.randrange(ends[-1])
        segment = bisect_right(ends, place)
        path, offset = segments[segment], place - (ends[segment - 1] if segment else 0)
        whole = path.read_bytes()
        other = RANDOM.choice([byte for byte in range(256) if byte != whole[offset]])
        path.write_bytes(whole[:offset] + bytes([other]) + whole[offset + 1 :])
        line = whole.count(b"\n", 0, offset) + 1
        assert any(f"{path}: line {line} " in fault for fault in verify(folder.log).faults), (path, offset, other)
        path.write_bytes(whole)
    assert verify(folder.log).faults == ()

"""What the pages keep in memory: the last parts, the last hour, who did what, and whether the log is as it was."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_inference import part_result
from rgbx.errors import InputError
from rgbx_line.channel import Link
from rgbx_line.contract import LineState, ReasonCode
from rgbx_line.log import line_log
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.retention import Retention, retire
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.settings import LineFolder
from rgbx_line.web.pages import ledger, recent
from rgbx_line.web.pages.ledger import Ledger
from rgbx_line.web.pages.recent import MINUTES, SHOWN, Recent


class Line:
    """A log, and a link that says how far it may be read."""

    def __init__(self, folder: Path, segment_bytes: int = 4000) -> None:
        self.folder = LineFolder(folder)
        self.log = LineLog(self.folder.log, segment_bytes=segment_bytes)
        self.link = Link(self.folder.socket)

    def append(self, *seqs: int, told: bool = True) -> None:
        self.log.append([("result", part_result(seq).model_dump(mode="json")) for seq in seqs])
        if told:
            self.tell()

    def note(self, what: str, who: str) -> None:
        self.log.append([("audit", {"what": what, "who": who, "number": 2})])
        self.tell()

    def tell(self, through: int | None = None) -> None:
        self.link.state = LineState(announced=self.log.number if through is None else through)


@pytest.fixture
def line() -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder))
        yield line
        line.log.close()


class _Then(datetime):
    """What the log takes for the time."""

    ago = timedelta()

    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) - cls.ago


@pytest.fixture
def then(monkeypatch: pytest.MonkeyPatch) -> type[_Then]:
    monkeypatch.setattr(line_log, "datetime", _Then)
    monkeypatch.setattr(_Then, "ago", timedelta())
    return _Then


def walked(line: Line) -> Ledger:
    found = Ledger(line.folder, line.link)
    walk_to_the_end(found)
    return found


def walk_to_the_end(found: Ledger) -> None:
    for _ in range(10_000):
        if found.chain().through == found.chain().announced:
            return
        found.walk_on()
    raise AssertionError("it comes to no end")


# The last parts


def test_what_was_announced_is_shown_and_no_more(line: Line) -> None:
    parts = Recent(line.folder, line.link)
    parts.keep_up()
    assert parts.last == []
    line.append(1, 2)
    line.append(3, told=False)
    parts.keep_up()
    assert [each.part.seq for each in parts.last] == [2, 1]
    version = parts.version
    parts.keep_up()
    assert parts.version == version
    line.tell()
    parts.keep_up()
    assert [each.part.seq for each in parts.last] == [3, 2, 1]
    assert parts.version != version


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(0, 40), max_size=8), late=st.booleans())
def test_following_shows_what_starting_anew_shows(batches: list[int], late: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder), segment_bytes=2500)
        following = Recent(line.folder, line.link)
        seq = 0
        for count in batches:
            line.append(*range(seq, seq + count))
            seq += count
            if not late:
                following.keep_up()
        following.keep_up()
        anew = Recent(line.folder, line.link)
        anew.keep_up()
        assert following.last == anew.last
        assert [each.part.seq for each in anew.last] == list(range(seq))[::-1][:SHOWN]
        line.log.close()


def test_an_hour_is_counted_by_minute(line: Line, then: type[_Then]) -> None:
    late = part_result(1).model_copy(
        update={"bin": None, "bin_code": 0, "reason": "late", "reason_code": ReasonCode.LATE, "latency_ms": None}
    )
    for ago, result in ((58, late), (61, part_result(2)), (30, part_result(3)), (0, part_result(4))):
        then.ago = timedelta(minutes=ago)
        line.log.append([("result", result.model_dump(mode="json"))])
    line.tell()
    parts = Recent(line.folder, line.link)
    parts.keep_up()
    hour = parts.hour()
    assert (hour.parts, hour.late, dict(hour.bins), dict(hour.reasons)) == (
        3,
        1,
        {"mixed": 2, "aside": 1},
        {"late": 1},
    )
    assert len(hour.minutes) == MINUTES
    assert hour.minutes[-1].latencies == [12.5]
    assert hour.counted_from is None
    assert parts.hour(datetime.now(UTC) + timedelta(hours=2)).parts == 0


def test_a_long_log_is_not_read_to_its_beginning(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    for seq in range(200):
        line.append(seq)
    monkeypatch.setattr(recent, "MOST_SEGMENTS", 2)
    parts = Recent(line.folder, line.link)
    parts.keep_up()
    hour = parts.hour()
    assert 0 < hour.parts < 200
    assert hour.counted_from is not None, "the page says that the hour is not whole"
    monkeypatch.setattr(recent, "MOST_SEGMENTS", 10_000)
    whole = Recent(line.folder, line.link)
    whole.keep_up()
    assert (whole.hour().parts, whole.hour().counted_from) == (200, None)


def test_a_damaged_log_is_said(line: Line) -> None:
    line.append(1, 2)
    parts = Recent(line.folder, line.link)
    parts.keep_up()
    before = parts.version
    line.append(3)
    path = segment_path(line.folder.log, segment_numbers(line.folder.log)[-1])
    path.write_bytes(path.read_bytes().replace(b'"P3"', b'"Q3"'))
    with pytest.raises(InputError):
        parts.keep_up()
    assert "damaged" in parts.trouble
    assert parts.version != before, "open pages hear of it"
    assert [each.part.seq for each in parts.last] == [2, 1]


# Who did what


def test_deeds_are_listed_the_newest_first(line: Line) -> None:
    line.append(*range(30))
    line.note("halted", "Ada")
    line.append(*range(30, 60))
    line.note("resumed", "Grace")
    found = walked(line)
    assert [(deed.what, deed.who, deed.more) for deed in found.deeds()] == [
        ("resumed", "Grace", {"number": 2}),
        ("halted", "Ada", {"number": 2}),
    ]
    line.note("halted", "Ada")
    walk_to_the_end(found)
    assert len(found.deeds()) == 3


def test_a_log_that_nobody_altered_is_found_to_be_so(line: Line) -> None:
    line.append(*range(100))
    chain = walked(line).chain()
    assert (chain.first, chain.through, chain.announced, chain.faults) == (1, 100, 100, ())
    assert chain.checked is not None


def test_a_walk_takes_as_many_steps_as_it_needs(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    line.append(*range(100))
    line.note("halted", "Ada")
    whole = walked(line)
    by_lines = Ledger(line.folder, line.link)
    monkeypatch.setattr(ledger, "time", SimpleNamespace(monotonic=iter(range(10**6)).__next__))
    monkeypatch.setattr(ledger, "STEP_S", 1.5)  # a line for each step
    walk_to_the_end(by_lines)
    assert by_lines.deeds() == whole.deeds()
    assert by_lines.chain().faults == ()


@settings(max_examples=40, deadline=None)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255))
def test_any_altered_byte_is_found(place: int, byte: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        line = Line(Path(folder))
        line.append(*range(20))
        line.log.close()
        paths = [segment_path(line.folder.log, first) for first in segment_numbers(line.folder.log)]
        path = paths[place % len(paths)]
        content = bytearray(path.read_bytes())
        at = place % len(content)
        if content[at] in (byte, ord("\n")) or byte == ord("\n"):
            return
        content[at] = byte
        path.write_bytes(content)
        assert walked(line).chain().faults != ()


def test_a_line_that_is_left_out_is_missed(line: Line) -> None:
    line.append(*range(10))
    path = segment_path(line.folder.log, segment_numbers(line.folder.log)[0])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], *lines[3:]]))
    assert walked(line).chain().faults == ("Line 4 does not follow on the line before it.",)


def test_a_log_whose_beginning_went_for_its_age_is_whole_and_one_without_a_reason_is_not(line: Line) -> None:
    for seq in range(60):
        line.append(seq)
    retire(line.log, Retention(), [line.log.number], now=datetime.now(UTC) + timedelta(days=400))
    for seq in range(60, 80):
        line.append(seq)
    found = walked(line)
    assert found.chain().first > 1
    assert found.chain().faults == ()
    assert [deed.what for deed in found.deeds()] == ["retired"]
    segment_path(line.folder.log, segment_numbers(line.folder.log)[0]).unlink()
    assert "are missing" in walked(line).chain().faults[0]


def test_another_log_is_walked_from_its_beginning(line: Line) -> None:
    line.append(*range(30))
    line.note("halted", "Ada")
    found = walked(line)
    line.tell(through=5)
    walk_to_the_end(found)
    assert found.deeds() == []
    assert (found.chain().through, found.chain().faults) == (5, ())

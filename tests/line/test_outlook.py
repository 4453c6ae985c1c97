"""What retention is going to delete is known before it does."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_inference import part_result
from rgbx_line import outlook as outlook_module
from rgbx_line.archive import prune
from rgbx_line.contract import RESULT
from rgbx_line.log import LineLog
from rgbx_line.log.retention import Ahead, Retention
from rgbx_line.outlook import Outlook, foresee, keep_foreseen, read_outlook
from rgbx_line.settings import LineFolder, LineSettings

NOW = datetime(2026, 3, 20, 12, 0, tzinfo=UTC)
FLOOR = 1.0


@pytest.fixture
def folder(tmp_path: Path) -> LineFolder:
    return LineFolder(tmp_path / "line")


def write_images(folder: LineFolder, days: int, size: int = 1000, parts: int = 2) -> None:
    """Write images of parts on each of so many days before today, as they were archived."""
    for back in range(days, 0, -1):
        day = NOW.date() - timedelta(days=back)
        for number in range(parts):
            path = folder.archive / day.isoformat() / f"{100 * back + number:010d}_A.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(bytes(size))
            taken = datetime(day.year, day.month, day.day, 10, tzinfo=UTC).timestamp()
            os.utime(path, (taken, taken))


def seen(folder: LineFolder, free: float, monkeypatch: pytest.MonkeyPatch, **keep: object) -> Outlook:
    """Return what is foreseen with so many bytes of room."""

    class Usage:
        free = FLOOR * 1e9

    Usage.free += free
    monkeypatch.setattr(outlook_module.shutil, "disk_usage", lambda _: Usage)
    folder.folder.mkdir(exist_ok=True)
    return foresee(folder, Retention.model_validate({"free_gb": FLOOR, "warn": {"gb": 0.0}, **keep}), NOW)


def test_what_becomes_too_old_is_said_before(folder, monkeypatch):
    write_images(folder, 30)
    found = seen(folder, 1e12, monkeypatch, days=40, warn={"days": 14, "gb": 0})
    (going,) = found.going
    assert (going.what, going.because, going.oldest) == ("images", "age", date(2026, 2, 18))
    assert going.when == datetime(2026, 3, 31, tzinfo=UTC)
    assert found.images_going == found.unreviewed_going == 2 * 4  # of 18, 19, 20 and 21 February
    assert found.sentences()[0] == "images from 2026-02-18 on go on 2026-03-31 for their age."
    assert seen(folder, 1e12, monkeypatch, days=40, warn={"days": 9, "gb": 0}).going == ()


def test_days_go_when_it_was_said_that_they_would(folder, monkeypatch):
    write_images(folder, 30)
    (going,) = seen(folder, 1e12, monkeypatch, days=30, warn={"days": 14, "gb": 0}).going
    settings = LineSettings.model_validate(
        {"folder": folder.folder, "bundle": "m", "bins": {}, "keep": {"days": 30, "free_gb": 0.1}}
    )
    oldest = folder.archive / going.oldest.isoformat()
    prune(settings, (going.when - timedelta(seconds=1)).date())
    assert oldest.exists()
    prune(settings, going.when.date())
    assert not oldest.exists()


def test_lack_of_room_is_foreseen_by_the_rate_of_the_last_days(folder, monkeypatch):
    write_images(folder, 30)  # 2000 bytes a day; in the last seven times 24 hours those of six days
    found = seen(folder, 9_000, monkeypatch, days=365)
    assert found.bytes_a_day == pytest.approx(6 * 2000 / 7)
    (going,) = found.going
    assert (going.because, going.oldest) == ("room", date(2026, 2, 18))
    assert (going.when - NOW) / timedelta(days=1) == pytest.approx(9000 / found.bytes_a_day)
    assert found.images_going == 2 * (1 + int((14 * found.bytes_a_day - 9000) / 2000))
    assert not found.short
    assert seen(folder, 100_000, monkeypatch, days=365).going == ()


def test_what_goes_by_age_makes_room(folder, monkeypatch):
    """Else a line whose oldest day goes each night would be warned of a full disk for ever."""
    write_images(folder, 30)
    found = seen(folder, 5_000, monkeypatch, days=30)
    assert [each.because for each in found.going] == ["age"]
    assert found.images_going == 2 * 14


def test_little_room_is_said_whatever_the_rate(folder, monkeypatch):
    found = seen(folder, 2e9, monkeypatch, warn={"gb": 5})
    assert found.short
    assert found.sentences() == ("the disk has 2.0 GB more than what has to stay free.",)
    assert not seen(folder, 6e9, monkeypatch, warn={"gb": 5}).short


def test_images_that_somebody_reviewed_are_not_counted(folder, monkeypatch):
    write_images(folder, 30)
    with LineLog(folder.log) as log:
        first = (NOW - timedelta(days=30)).replace(hour=10)
        monkeypatch.setattr("rgbx_line.log.line_log.datetime", _Clock(first))
        (entry,) = log.append([(RESULT, part_result(3000, "A").model_dump(mode="json"))])
        review = {"number": entry.number, "part_id": "A", "label": "SP1", "who": "Ada", "why": "random"}
        log.append([("review", review)])
    found = seen(folder, 1e12, monkeypatch, days=30)
    assert found.images_going - found.unreviewed_going == 1


class _Clock:
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self, _: object) -> datetime:
        return self._now


def test_segments_of_the_log_are_warned_of_but_for_the_last(folder, monkeypatch):
    with LineLog(folder.log, segment_bytes=100) as log:
        for seq in range(6):
            monkeypatch.setattr("rgbx_line.log.line_log.datetime", _Clock(NOW - timedelta(days=60 - 10 * seq)))
            log.append([(RESULT, part_result(seq).model_dump(mode="json"))])
    (going,) = seen(folder, 1e12, monkeypatch, days=65).going
    assert (going.what, going.because, going.oldest) == ("log", "age", date(2026, 1, 19))
    assert going.when == NOW + timedelta(days=5)
    assert seen(folder, 1e12, monkeypatch, days=80).going == ()
    (going,) = seen(folder, -1, monkeypatch, days=80).going
    assert (going.what, going.because) == ("log", "room")


@given(
    days=st.integers(0, 9),
    room=st.floats(-1e4, 1e5),
    keep=st.integers(1, 40),
    ahead=st.integers(1, 30),
)
def test_nothing_goes_out_of_order_or_beyond_what_is_warned_of(tmp_path_factory, days, room, keep, ahead):
    folder = LineFolder(tmp_path_factory.mktemp("line"))
    write_images(folder, days)
    with pytest.MonkeyPatch.context() as patch:
        found = seen(folder, room, patch, days=keep, warn={"days": ahead, "gb": 0})
    end = NOW + timedelta(days=ahead)
    assert all(NOW <= each.when < end for each in found.going)
    assert 0 <= found.unreviewed_going <= found.images_going <= 2 * days
    assert bool(found.images_going) == any(each.what == "images" for each in found.going)


def test_it_is_kept_for_whoever_asks(folder):
    assert read_outlook(folder) is None
    write_images(folder, 3)
    keep_foreseen(folder, Retention(days=1, free_gb=0.1, warn=Ahead(days=10_000)))
    found = read_outlook(folder)
    assert found is not None
    assert found.going[0].what == "images"

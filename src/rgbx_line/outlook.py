"""What will go, and when: images and segments of the log that are going to be too old, or that the disk has no room
for. Said before it happens."""

import math
import re
import shutil
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal, NamedTuple

import structlog

from rgbx.config import Config, build_record
from rgbx.files import read_json, write_json
from rgbx_line.contract import RESULT, REVIEW
from rgbx_line.history import PartIndex
from rgbx_line.log.entry import decode
from rgbx_line.log.retention import Retention, last_entry
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.settings import LineFolder

LOOKED_BACK = timedelta(days=7)
"""Over which it is measured how much is written a day."""
SHORTEST = timedelta(hours=1)
"""Over which less is not taken for a rate."""
DAY = timedelta(days=1)
FAR = 36500.0
"""Days from which on nothing is foreseen."""
_SEQ = re.compile(r"(\d{10})_")
_log = structlog.get_logger("rgbx.line.archive")


class Going(Config):
    """Something that is going to be deleted within the days that are warned of."""

    what: Literal["images", "log"]
    because: Literal["age", "room"]
    oldest: date
    """Day of the oldest that goes."""
    when: datetime
    """It goes, as far as the rate of the last days says."""


class Outlook(Config):
    """What will go."""

    format: int = 1
    made: datetime
    bytes_a_day: float
    """That images and log take together, by the last days."""
    room_bytes: float
    """That is left above the least that stays free; below 0 when there is less."""
    short: bool
    """Whether that is less than what is warned of."""
    going: tuple[Going, ...]
    images_going: int
    """Parts whose images go within the days that are warned of."""
    unreviewed_going: int
    """Those of them that nobody has reviewed."""

    def sentences(self) -> tuple[str, ...]:
        """Return what is to be warned of, for people."""
        said = [
            f"{_TITLES[each.what]} from {each.oldest} on go on {each.when:%Y-%m-%d} {_WHY[each.because]}."
            for each in self.going
        ]
        if self.short:
            said.append(f"the disk has {self.room_bytes / 1e9:.1f} GB more than what has to stay free.")
        if self.unreviewed_going:
            said.append(
                f"nobody has reviewed {self.unreviewed_going} of the {self.images_going} parts whose images go."
            )
        return tuple(said)


_TITLES = {"images": "images", "log": "lines of the log"}
_WHY = {"age": "for their age", "room": "for lack of room"}


class _Day(NamedTuple):
    """Archived images of one day."""

    path: Path
    goes: datetime
    """By age."""


def foresee(folder: LineFolder, keep: Retention, now: datetime | None = None) -> Outlook:
    """Estimate what will go within the days that the settings want to be warned of.

    The disk is taken to fill at the rate of the last seven days, less what goes by age meanwhile.

    Args:
        folder: of the line.
        keep: how much is kept.
        now: the time; the machine's when None.

    Raises:
        InputError: the log is damaged, or the index of parts cannot be used.
    """
    now = now or datetime.now(UTC)
    end = now + timedelta(days=keep.warn.days)
    days = _image_days(folder, keep)
    rate = _bytes_a_day(folder, days, now)
    room = shutil.disk_usage(folder.folder).free - keep.free_gb * 1e9
    going, lack = _images_that_go(days, rate, room, now, end)
    reasons = [Going(what="images", because=why, oldest=_date(day), when=when) for day, when, why in going[:1]]
    reasons += _log_that_goes(folder, keep, lack, end)
    parts = {(_date(day), seq) for day, _, _ in going for seq in _seqs(day.path)}
    return Outlook(
        made=now,
        bytes_a_day=rate,
        room_bytes=room,
        short=room < keep.warn.gb * 1e9,
        going=tuple(reasons),
        images_going=len(parts),
        unreviewed_going=len(parts - _reviewed(folder)) if parts else 0,
    )


def keep_foreseen(folder: LineFolder, keep: Retention) -> None:
    """Keep the outlook for whoever asks (:func:`read_outlook`), and log what is to be warned of.

    Raises:
        InputError: as :func:`foresee`.
        RgbxError: the disk is full or the folder cannot be written.
    """
    outlook = foresee(folder, keep)
    for said in outlook.sentences():
        _log.warning("going", said=said)
    write_json(folder.outlook, outlook.model_dump(mode="json"))


def read_outlook(folder: LineFolder) -> Outlook | None:
    """Return what was foreseen last; None before the first time.

    Raises:
        InputError: its file is damaged.
    """
    if not folder.outlook.exists():
        return None
    return build_record(Outlook, read_json(folder.outlook), folder.outlook, "delete it: it is made again")


def _image_days(folder: LineFolder, keep: Retention) -> list[_Day]:
    """Return the days of which there are images, the oldest first."""
    kept = timedelta(days=math.floor(keep.days) + 1)
    paths = sorted(path for path in folder.archive.glob("????-??-??") if path.is_dir())
    return [_Day(path, _midnight(date.fromisoformat(path.name)) + kept) for path in paths]


def _bytes_a_day(folder: LineFolder, days: Sequence[_Day], now: datetime) -> float:
    since = now - LOOKED_BACK
    segments = [segment_path(folder.log, first) for first in segment_numbers(folder.log)]
    recent = [path for day in days if _date(day) >= since.date() for path in day.path.iterdir()]
    sizes = [
        status.st_size
        for status in (path.stat() for path in (*segments, *recent))
        if since.timestamp() <= status.st_mtime <= now.timestamp()
    ]
    began = min((*(_midnight(_date(day)) for day in days[:1]), *map(_begun, segments[:1])), default=now)
    return sum(sizes) / (max(now - max(since, began), SHORTEST) / DAY)


def _images_that_go(
    days: Iterable[_Day], rate: float, room: float, now: datetime, end: datetime
) -> tuple[list[tuple[_Day, datetime, Literal["age", "room"]]], datetime | None]:
    """Return the days whose images go before ``end``, when and why, in order; and when the disk is full at first."""
    waiting = deque(days)
    going: list[tuple[_Day, datetime, Literal["age", "room"]]] = []
    time, lack = now, None
    while True:
        full = time + DAY * _full_in(room, rate)
        aged = max(waiting[0].goes, time) if waiting else datetime.max.replace(tzinfo=UTC)
        if min(aged, full) >= end:
            return going, lack
        why: Literal["age", "room"] = "room" if full < aged else "age"
        lack = full if why == "room" and lack is None else lack
        if why == "room" and len(waiting) < 2:  # the last day never goes for room
            return going, lack
        when = min(aged, full)
        going.append((waiting[0], when, why))
        room += _size(waiting.popleft().path) - rate * ((when - time) / DAY)
        time = when


def _full_in(room: float, rate: float) -> float:
    """Return in how many days there will be no room."""
    if room <= 0:
        return 0.0
    return min(room / rate, FAR) if rate > 0 else FAR


def _log_that_goes(folder: LineFolder, keep: Retention, full: datetime | None, end: datetime) -> list[Going]:
    """Return whether segments go before ``end``; the one that is being written never does."""
    segments = segment_numbers(folder.log)
    if len(segments) < 2:
        return []
    first = segment_path(folder.log, segments[0])
    aged = last_entry(first).time + timedelta(days=keep.days)
    when, why = (aged, "age") if full is None or aged <= full else (full, "room")
    if when >= end:
        return []
    return [Going.model_validate({"what": "log", "because": why, "oldest": _begun(first).date(), "when": when})]


def _reviewed(folder: LineFolder) -> set[tuple[date, int]]:
    """Return day and ``PartSeq`` of the parts that somebody has reviewed."""
    with PartIndex(folder) as index:
        index.update()
        parts = index.parts(REVIEW)
        results = (entry for part in parts for entry in index.find(part, 1, RESULT))
        return {(entry.time.date(), entry.content["seq"]) for entry in results}


def _seqs(day: Path) -> set[int]:
    return {int(found[1]) for path in day.iterdir() if (found := _SEQ.match(path.name))}


def _size(day: Path) -> int:
    return sum(path.stat().st_size for path in day.iterdir())


def _date(day: _Day) -> date:
    return date.fromisoformat(day.path.name)


def _midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def _begun(segment: Path) -> datetime:
    """Return when the first line of a segment was written."""
    with segment.open("rb") as file:
        return decode(file.readline()).time

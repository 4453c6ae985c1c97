"""How long a log is kept: by age, and by the room that there is."""

import os
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from pydantic import Field, PositiveFloat

from rgbx.config import Config
from rgbx.files import readable_os_errors
from rgbx_line.log.entry import Entry, decode
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.log.verify import RETIRED


class Ahead(Config):
    """When what is going to be deleted is warned of."""

    days: PositiveFloat = 14.0
    """Before it goes by age or, at the rate of the last days, for lack of room."""
    gb: float = Field(default=5.0, ge=0.0)
    """With less room than this above what stays free, in 10⁹ bytes, whatever the rate."""


class Retention(Config):
    """How much is kept."""

    days: PositiveFloat = 365.0
    """Older results may go, whole segments at a time."""
    free_gb: float = Field(default=2.0, ge=0.1)
    """With less room than this, in 10⁹ bytes, old segments go before they are that old; when nothing more may go, the
    line stops with a fault."""
    warn: Ahead = Ahead()
    """How long before something goes that is said."""


def retire(log: LineLog, retention: Retention, reached: Iterable[int], now: datetime | None = None) -> Entry | None:
    """Delete the segments that may go; an entry says so first.

    A segment may go when every sink has delivered all of it, and it is too old or the disk too full. The one that is
    being written never goes.

    Args:
        log: open.
        retention: how much is kept.
        reached: number of the last entry that each sink is done with.
        now: the time; the machine's when None.

    Returns:
        The entry that says what went; None when nothing did.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    oldest_kept = (now or datetime.now(UTC)) - timedelta(days=retention.days)
    numbers = segment_numbers(log.folder)
    delivered = min(reached, default=log.number)
    missing = retention.free_gb * 1e9 - shutil.disk_usage(log.folder).free
    going: list[Path] = []
    last: Entry | None = None
    for first, following in pairwise(numbers):
        path = segment_path(log.folder, first)
        end = last_entry(path)
        if following - 1 > delivered or (end.time >= oldest_kept and missing <= 0):
            break
        missing -= path.stat().st_size
        going.append(path)
        last = end
    if last is None:
        return None
    (entry,) = log.append([(RETIRED, {"through": last.number, "hash": last.hash, "files": [p.name for p in going]})])
    for path in going:
        with readable_os_errors(path):
            path.unlink()
    return entry


def last_entry(path: Path) -> Entry:
    """Return the last entry of a segment that is closed."""
    with path.open("rb") as file:
        step = 2**16
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - step))
            lines = list(file)
            if len(lines) > 1 or step >= size:
                return decode(lines[-1])
            step *= 4

"""What becomes of image files once their part is answered: hot folders stay short, so that a look stays quick."""

import asyncio
import shutil
import time
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import structlog

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import LATE_ANSWER, LEFT_OUT, RESULT, images_in
from rgbx_line.history import PartIndex
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import read_entries
from rgbx_line.outlook import keep_foreseen
from rgbx_line.settings import LineFolder, LineSettings

TIDY_EVERY_S = 0.5
PRUNE_EVERY_S = 600.0
FORESEE_EVERY_S = 24 * 3600.0
UPLOAD_LEFT_S = 24 * 3600.0
_log = structlog.get_logger("rgbx.line.archive")


async def keep_archiving(settings: LineSettings, link: Link) -> None:
    """Archive or delete the files of answered parts, and drop archived ones that are too old, until cancelled."""
    folder = LineFolder(settings.folder)
    cursor = Cursor(folder.cursors / "archive.json")
    pruned = foreseen = float("-inf")
    loop = asyncio.get_running_loop()
    while True:
        try:
            if cursor.number < link.state.announced:
                await asyncio.to_thread(tidy, settings, cursor, link.state.announced)
            if loop.time() - pruned > PRUNE_EVERY_S:
                pruned = loop.time()
                await asyncio.to_thread(prune, settings)
                await asyncio.to_thread(_update_index, folder)
            if loop.time() - foreseen > FORESEE_EVERY_S:
                foreseen = loop.time()
                await asyncio.to_thread(keep_foreseen, folder, settings.keep)
        except (RgbxError, OSError) as error:
            _log.warning("cannot tidy up", error=str(error))
        await asyncio.sleep(TIDY_EVERY_S)


def tidy(settings: LineSettings, cursor: Cursor, through: int) -> None:
    """Do with the files of results what the settings say, from a cursor on through an entry.

    A file that cannot be moved now, since its share is away, keeps the cursor where it is.
    """
    folder = LineFolder(settings.folder)
    for entry, position in read_entries(folder.log, cursor.position, through):
        images = images_in(entry.content) if entry.kind in (RESULT, LEFT_OUT, LATE_ANSWER) else {}
        for image in images.values():
            _put_away(settings, folder, Path(image), archived(folder, entry, Path(image)))
        cursor.move(entry, position)
    cursor.save()


def prune(settings: LineSettings, today: date | None = None) -> None:
    """Delete archived images that are older than the settings keep, and more, oldest first, while the disk is short."""
    folder = LineFolder(settings.folder)
    oldest = (today or datetime.now(UTC).date()) - timedelta(days=settings.keep.days)
    _drop_left_uploads(folder)
    days = sorted(path for path in folder.archive.glob("????-??-??") if path.is_dir())
    for day in days:
        short = shutil.disk_usage(folder.folder).free < settings.keep.free_gb * 1e9
        if date.fromisoformat(day.name) >= oldest and not (short and day != days[-1]):
            break
        shutil.rmtree(day)
        _log.warning("archived images deleted", day=day.name, disk_short=short)


def archived(folder: LineFolder, entry: Entry, image: Path) -> Path:
    """Return where an image is kept once its part is answered, by the entry with the answer.

    One that was left out never takes the place of the image that was looked at.
    """
    again = f"{entry.number}_" if entry.kind == LEFT_OUT else ""
    return folder.archive / entry.time.date().isoformat() / f"{entry.content['seq']:010d}_{again}{image.name}"


def found_image(folder: LineFolder, entry: Entry, image: Path) -> Path | None:
    """Return where an image of an answered part is: archived, or where it came; None when it is gone."""
    kept = archived(folder, entry, image)
    # The archive once more in the end: the file may be moved between the first two looks.
    return next((path for path in (kept, image, kept) if path.is_file()), None)


def _put_away(settings: LineSettings, folder: LineFolder, image: Path, target: Path) -> None:
    own = image.is_relative_to(folder.uploads) or image.is_relative_to(folder.driven)
    if not image.exists() or (settings.images.answered == "keep" and not own):
        return
    if settings.images.answered == "delete":
        image.unlink()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileNotFoundError):
        shutil.move(image, target)


def _drop_left_uploads(folder: LineFolder) -> None:
    """Delete uploads that no part was answered by: of a process that died between writing and asking."""
    for path in folder.uploads.glob("*"):
        if path.stat().st_mtime < time.time() - UPLOAD_LEFT_S:
            path.unlink()


def _update_index(folder: LineFolder) -> None:
    """Keep the index of parts short of catching up, also where no web process does."""
    with PartIndex(folder) as index:
        index.update()

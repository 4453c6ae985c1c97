"""The process for work that may wait: rendering, training, calibrating, and tidying up.

A job is a command of ``rgbx``, run one after the other, at low priority and never on inference's cores. One that was
stopped is run again, and goes on where it was, as those commands do.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from rgbx.config import Config, build_record
from rgbx.errors import RgbxError
from rgbx.files import read_json, write_json
from rgbx_line.archive import keep_archiving
from rgbx_line.channel import Link
from rgbx_line.lifeline import die_with
from rgbx_line.settings import LineFolder, LineSettings

ALLOWED = ("render", "train", "calibrate", "evaluate", "export", "explain", "sets", "devices", "demo", "scan")
"""First words of the commands that may be jobs."""
JOBS_EVERY_S = 0.5
STOPS_WITHIN_S = 5.0
_log = structlog.get_logger("rgbx.line.jobs")


class LineJob(Config):
    """A command that waits, runs, or has ended."""

    format: int = 1
    number: int
    arguments: tuple[str, ...]
    """Of ``rgbx``."""
    who: str
    """Asked for it."""
    added: datetime
    started: datetime | None = None
    ended: datetime | None = None
    code: int | None = None
    """Of its exit."""


def add_job(folder: LineFolder, arguments: Sequence[str], who: str) -> LineJob:
    """Put a job behind those that wait.

    Raises:
        RgbxError: it is no command that may be a job.
    """
    if not arguments or arguments[0] not in ALLOWED:
        raise RgbxError(f"a job is a command of rgbx that begins with one of {', '.join(ALLOWED)}.")
    number = max((job.number for job in read_jobs(folder)), default=0) + 1
    job = LineJob(number=number, arguments=tuple(arguments), who=who, added=datetime.now(UTC))
    _write(folder, job)
    return job


def read_jobs(folder: LineFolder) -> list[LineJob]:
    """Return all jobs, the oldest first.

    Raises:
        InputError: the file of one is damaged.
    """
    paths = sorted(folder.jobs.glob("*.json"))
    return [build_record(LineJob, read_json(path), path, "delete it: the job is gone then") for path in paths]


def output_of(folder: LineFolder, job: LineJob) -> Path:
    """Return the file that a job's output goes to."""
    return folder.jobs / f"{job.number:06d}.log"


async def run_jobs(settings: LineSettings, stop: asyncio.Event) -> None:
    """Run jobs, and tidy up answered files, until ``stop`` is set."""
    folder = LineFolder(settings.folder)
    folder.jobs.mkdir(parents=True, exist_ok=True)
    async with Link(folder.socket) as link:
        tidying = asyncio.create_task(keep_archiving(settings, link))
        try:
            while not stop.is_set():
                waiting = [job for job in read_jobs(folder) if job.ended is None]
                if waiting:
                    await _run(folder, waiting[0], stop)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), JOBS_EVERY_S)
        finally:
            tidying.cancel()


async def _run(folder: LineFolder, job: LineJob, stop: asyncio.Event) -> None:
    job = job.updated({"started": datetime.now(UTC)})
    _write(folder, job)
    _log.info("job", number=job.number, arguments=job.arguments)
    with output_of(folder, job).open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rgbx", *job.arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=partial(die_with, os.getpid()),  # else it would go on beside its own second run
        )
        ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
        await asyncio.wait([ended, stopped], return_when=asyncio.FIRST_COMPLETED)
        if not ended.done():
            process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(ended, STOPS_WITHIN_S)
            if process.returncode is None:
                process.kill()
            return
        stopped.cancel()
    _write(folder, job.updated({"ended": datetime.now(UTC), "code": process.returncode}))
    _log.info("job ended", number=job.number, code=process.returncode)


def _write(folder: LineFolder, job: LineJob) -> None:
    folder.jobs.mkdir(parents=True, exist_ok=True)
    write_json(folder.jobs / f"{job.number:06d}.json", job.model_dump(mode="json"))

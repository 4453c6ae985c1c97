"""The process for work that may wait: rendering, training, calibrating, tidying up, and the drift alarm.

A job is a command of ``rgbx``, run one after the other, at low priority and never on inference's cores. One that was
stopped is run again, and goes on where it was, as those commands do.
"""

import asyncio
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog

from rgbx_line.archive import keep_archiving
from rgbx_line.channel import Link
from rgbx_line.drift.watch import keep_watching
from rgbx_line.job_list import LineJob, job_files, output_of, read_job, write_job
from rgbx_line.lifeline import die_with
from rgbx_line.settings import LineFolder, LineSettings

JOBS_EVERY_S = 0.5
STOPS_WITHIN_S = 5.0
_log = structlog.get_logger("rgbx.line.jobs")


async def run_jobs(settings: LineSettings, stop: asyncio.Event) -> None:
    """Run jobs, tidy up answered files, and watch for drift, until ``stop`` is set."""
    folder = LineFolder(settings.folder)
    folder.jobs.mkdir(parents=True, exist_ok=True)
    async with Link(folder.socket) as link:
        beside = [asyncio.create_task(keep(settings, link)) for keep in (keep_archiving, keep_watching)]
        ended: set[Path] = set()
        try:
            while not stop.is_set():
                job = _first_waiting(folder, ended)
                if job is not None:
                    await _run(folder, job, stop)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), JOBS_EVERY_S)
        finally:
            for task in beside:
                task.cancel()


def _first_waiting(folder: LineFolder, ended: set[Path]) -> LineJob | None:
    """Return the first job that has not ended; files of those that have are noted, and not read again."""
    for path in job_files(folder):
        if path not in ended:
            job = read_job(path)
            if job.ended is None:
                return job
            ended.add(path)
    return None


async def _run(folder: LineFolder, job: LineJob, stop: asyncio.Event) -> None:
    job = job.updated({"started": datetime.now(UTC)})
    write_job(folder, job)
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
    write_job(folder, job.updated({"ended": datetime.now(UTC), "code": process.returncode}))
    _log.info("job ended", number=job.number, code=process.returncode)

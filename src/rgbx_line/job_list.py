"""Jobs of a line, a file each: commands of ``rgbx`` that wait, run, or have ended."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from rgbx.config import Config, build_record
from rgbx.errors import RgbxError
from rgbx.files import read_json, write_json
from rgbx_line.settings import LineFolder

ALLOWED = (
    "render",
    "train",
    "classes",
    "calibrate",
    "evaluate",
    "export",
    "explain",
    "sets",
    "devices",
    "demo",
    "scan",
)
"""First words of the commands that may be jobs."""


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
    write_job(folder, job)
    return job


def read_jobs(folder: LineFolder) -> list[LineJob]:
    """Return all jobs, the oldest first.

    Raises:
        InputError: the file of one is damaged.
    """
    return [read_job(path) for path in job_files(folder)]


def output_of(folder: LineFolder, job: LineJob) -> Path:
    """Return the file that a job's output goes to."""
    return folder.jobs / f"{job.number:06d}.log"


def job_files(folder: LineFolder) -> list[Path]:
    """Return the file of each job, the oldest first."""
    return sorted(folder.jobs.glob("*.json"))


def read_job(path: Path) -> LineJob:
    """Return a job.

    Raises:
        InputError: its file is damaged.
    """
    return build_record(LineJob, read_json(path), path, "delete it: the job is gone then")


def write_job(folder: LineFolder, job: LineJob) -> None:
    """Keep what became of a job."""
    folder.jobs.mkdir(parents=True, exist_ok=True)
    write_json(folder.jobs / f"{job.number:06d}.json", job.model_dump(mode="json"))

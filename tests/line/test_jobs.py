"""Jobs wait for their turn; those that have ended cost nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rgbx.errors import RgbxError
from rgbx.files import write_json
from rgbx_line import job_list, jobs
from rgbx_line.job_list import add_job, read_jobs
from rgbx_line.settings import LineFolder


@pytest.fixture
def folder(tmp_path: Path) -> LineFolder:
    return LineFolder(tmp_path)


def end(folder: LineFolder, number: int) -> None:
    (job,) = [job for job in read_jobs(folder) if job.number == number]
    ended = job.updated({"ended": datetime.now(UTC), "code": 0})
    write_json(folder.jobs / f"{number:06d}.json", ended.model_dump(mode="json"))


def test_files_of_jobs_that_have_ended_are_read_once(folder, monkeypatch):
    for _ in range(5):
        add_job(folder, ["sets", "--help"], "Ada")
    for number in (1, 2, 4):
        end(folder, number)
    read: list[str] = []
    read_json = job_list.read_json
    monkeypatch.setattr(job_list, "read_json", lambda path: (read.append(path.name), read_json(path))[1])
    ended: set[Path] = set()
    for _ in range(3):
        job = jobs._first_waiting(folder, ended)
        assert job is not None
        assert job.number == 3
    assert read == ["000001.json", "000002.json", *["000003.json"] * 3]
    end(folder, 3)
    assert (job := jobs._first_waiting(folder, ended)) is not None
    assert job.number == 5
    end(folder, 5)
    assert jobs._first_waiting(folder, ended) is None
    read.clear()
    assert jobs._first_waiting(folder, ended) is None
    assert read == []


def test_only_commands_of_its_own_are_jobs(folder):
    with pytest.raises(RgbxError, match="begins with one of"):
        add_job(folder, ["line", "run"], "Ada")
    assert read_jobs(folder) == []

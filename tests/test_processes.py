"""Work shared between processes."""

from pathlib import Path

import pytest

from rgbx.processes import in_processes


def square(number: int) -> int:
    return number * number


def touch_or_fail(path: Path) -> None:
    if path.name == "0":
        raise ValueError(path.name)
    path.touch()


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_every_job_is_done_once(workers):
    assert sorted(in_processes(square, list(range(9)), workers)) == [number**2 for number in range(9)]


@pytest.mark.parametrize("workers", [0, 2, None])
def test_without_jobs_nothing_is_started(workers):
    assert list(in_processes(square, [], workers)) == []


@pytest.mark.parametrize("workers", [0, 1])
def test_the_first_error_is_raised_and_ends_the_work(workers, tmp_path):
    jobs = [tmp_path / str(number) for number in range(200)]
    with pytest.raises(ValueError, match="0"):
        list(in_processes(touch_or_fail, jobs, workers))
    assert len(list(tmp_path.iterdir())) < len(jobs) - 1

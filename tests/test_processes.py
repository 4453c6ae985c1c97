"""Work shared between processes or threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rgbx.processes import cores, cpu_quota, in_processes, in_threads


def square(number: int) -> int:
    return number * number


def touch_or_fail(path: Path) -> None:
    if path.name == "0":
        raise ValueError(path.name)
    path.touch()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to a core")
def test_a_process_bound_to_one_core_has_one():
    bind = f"import os; os.sched_setaffinity(0, {{{min(os.sched_getaffinity(0))}}})"
    said = subprocess.check_output([sys.executable, "-c", f"{bind}; from rgbx.processes import cores; print(cores())"])
    assert int(said) == 1 <= cores()


@pytest.mark.parametrize(
    ("group", "files", "quota"),
    [
        ("0::/", {"cpu.max": "150000 100000"}, 1.5),
        ("0::/", {"cpu.max": "max 100000"}, None),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "50000 100000"}, 0.5),
        ("0::/not/there", {"cpu.max": "300000 100000"}, 3),
        ("3:cpu,cpuacct:/a", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, 2.5),
        ("3:cpu,cpuacct:/a", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, None),
        ("4:memory:/a", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("", {}, None),
    ],
)
def test_the_quota_of_a_container(group: str, files: dict[str, str], quota: float | None, tmp_path: Path):
    written = {"proc/self/cgroup": group, **{f"sys/fs/cgroup/{name}": text for name, text in files.items()}}
    for name, text in written.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert cpu_quota(tmp_path) == (quota or pytest.approx(1e6))


def test_a_quota_counts_as_cores(monkeypatch: pytest.MonkeyPatch):
    for quota, expected in ((0.5, 1), (1.5, 1), (1e6, cores())):
        monkeypatch.setattr("rgbx.processes.cpu_quota", lambda quota=quota: quota)
        assert cores() == expected


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


def test_threads_answer_in_order():
    assert in_threads(square, list(range(9))) == [number**2 for number in range(9)]
    assert in_threads(square, [3]) == [9]
    assert in_threads(square, []) == []


def test_the_first_failure_in_a_thread_is_raised(tmp_path: Path):
    with pytest.raises(ValueError, match="0"):
        in_threads(touch_or_fail, [tmp_path / name for name in ("a", "0", "b")])

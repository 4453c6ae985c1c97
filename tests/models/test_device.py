"""What a process does with memory it has freed."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from rgbx.models.device import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.zeros(64 * 2**20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(min(faults() for _ in range(30)))  # other objects settle in the first gaps
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mallopt is glibc's")
def test_freed_memory_is_kept_for_the_next_batch() -> None:
    # 256 MB are 65,536 pages of 4 KiB: each of them faults when it is given back and fetched again.
    run = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100

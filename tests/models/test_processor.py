"""Number formats and memory on this machine's processor."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from rgbx.models.processor import Processor, pick_processor, spare_depthwise

FAULTS = """
import resource, torch
from rgbx.models.processor import keep_freed_memory
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


def test_only_depthwise_convolutions_leave_bf16() -> None:
    depthwise, dense = nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 1)
    network = nn.Sequential(depthwise, dense)
    images = torch.rand(1, 4, 8, 8)
    alone = depthwise(images)
    spare_depthwise(network, Processor(accelerator="cpu", precision="bf16-mixed"))
    with torch.autocast("cpu", torch.bfloat16):
        spared, after = depthwise(images.bfloat16()), network(images)
    assert spared.dtype == torch.float32
    assert after.dtype == torch.bfloat16  # autocast goes on behind it
    torch.testing.assert_close(depthwise(images), alone)
    assert list(network.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


@pytest.mark.parametrize(
    ("amx", "capabilities", "precision"),
    [
        (True, {"avx512_bf16": True, "cpu_name": "Intel Xeon Platinum 8481C"}, "bf16-mixed"),
        (False, {"avx512_bf16": True, "cpu_name": "Intel Xeon Platinum 8481C"}, "32-true"),
        (False, {"avx512_bf16": True, "cpu_name": "AMD EPYC"}, "bf16-mixed"),
        (False, {"avx512_bf16": False, "cpu_name": "AMD EPYC 7543"}, "32-true"),
        (False, {"bf16": True, "architecture": "aarch64"}, "32-true"),
        (False, None, "32-true"),
    ],
)
def test_a_cpu_trains_in_bf16_where_that_is_faster(
    amx: bool, capabilities: dict[str, object] | None, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    if capabilities is None:
        monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    else:
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert pick_processor().precision == precision

"""Where networks run: the one place that knows about devices and number formats."""

import ctypes
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from rgbx.config import Config

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
"""Parameters of glibc's ``mallopt``."""


class Processor(Config):
    """A processor and the arithmetic that is fastest on it."""

    accelerator: str
    """Name for Lightning: ``"cuda"`` or ``"cpu"``."""
    precision: str
    """Name for Lightning: ``"bf16-mixed"`` or ``"32-true"``."""

    @property
    def torch(self) -> torch.device:
        """The device as torch names it."""
        return torch.device(self.accelerator)


def pick_processor() -> Processor:
    """Return the GPU where there is one, else the CPU; bf16 where the processor multiplies it faster than fp32."""
    if torch.cuda.is_available():
        return Processor(accelerator="cuda", precision="bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true")
    return Processor(accelerator="cpu", precision="bf16-mixed" if _cpu_is_faster_in_bf16() else "32-true")


def _cpu_is_faster_in_bf16() -> bool:
    """Return whether the CPU has AMX, or AMD's AVX-512 BF16: Intel's without AMX gains nothing.

    docs/results/training.md has what was measured.
    """
    if torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        return False
    if torch.cpu._is_amx_tile_supported():
        return True
    has: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # torch 2.9 lacks it
    return bool(has.get("avx512_bf16")) and "AMD" in has.get("cpu_name", "")


def spare_depthwise(network: nn.Module, device: Processor) -> None:
    """Have depthwise convolutions compute in float32 on a CPU, though autocast to bf16 surrounds them.

    There the bf16 gradient of one with a stride or a 5 × 5 kernel takes five to eight times as long as the float32
    one, which makes networks of the EfficientNet family slower in bf16 than in float32 (docs/results/training.md).
    """
    if device.accelerator != "cpu" or device.precision == "32-true":
        return
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == module.in_channels > 1:
            module.__class__ = _in_float32(type(module))


def _in_float32(kind: type[nn.Conv2d]) -> type[nn.Conv2d]:
    class InFloat32(kind):  # type: ignore[valid-type,misc]
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", enabled=False):
                return super().forward(features.float())

    return InFloat32


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Flush denormal numbers to zero meanwhile: they carry nothing and are up to a hundred times slower."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)  # it is a state of the processor, which other code must not inherit


def keep_freed_memory() -> None:
    """Have the C library keep what is freed for the next batch, for the rest of the process.

    It returns blocks as large as activations to the system at once, which clears every page before it hands it out
    again: a fifth of a training step on two cores (docs/results/training.md). Only glibc has the switch; elsewhere
    nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(M_TOP_PAD, 64 * 2**20)

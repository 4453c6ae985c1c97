"""Run rgbx's command line as on a system that is no POSIX: ``python without_posix.py VERB …``.

What Windows lacks is taken away, what it does otherwise is done so, and a text file whose encoding is left to the
system is an error. Packages that rgbx stands on look after themselves: they are imported before.
"""

import os
import signal
import sys
import time
import warnings
from importlib import import_module
from pathlib import Path

THIRD_PARTY = """
    cv2 filelock imagecodecs numpy PIL.Image pydantic pydicom rich.console rich.progress
    safetensors.numpy tifffile typer yaml
"""
for package in THIRD_PARTY.split():
    import_module(package)

LACKING = {
    os: ("fork", "getpgid", "getuid", "killpg", "sched_getaffinity", "sched_setaffinity", "setsid", "sysconf", "wait3"),
    signal: ("SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1"),
}
MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios")
LOOKS = 3
"""How often ``watch`` finds nothing new until somebody stops it."""

_rename, _sleep, _slept = os.rename, time.sleep, 0


def rename(source: str | Path, target: str | Path) -> None:
    """Refuse to put anything in the place of something, as Windows does."""
    if Path(target).exists():
        raise FileExistsError(183, "Cannot create a file when that file already exists", str(target))
    _rename(source, target)


def sleep(seconds: float) -> None:
    """Wait, and press Ctrl-C in the end."""
    global _slept
    _slept += 1
    if _slept == LOOKS:
        raise KeyboardInterrupt
    _sleep(seconds)


for module, names in LACKING.items():
    for name in names:
        if hasattr(module, name):
            delattr(module, name)
for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
os.rename, time.sleep = rename, sleep
warnings.filterwarnings("error", category=EncodingWarning, module="rgbx")

if __name__ == "__main__":
    from rgbx.cli import main

    main()

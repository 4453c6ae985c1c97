"""A process that dies with the one that started it."""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Of Linux's ``prctl``."""


def die_with(parent: int) -> None:
    """Have Linux kill this process when its parent dies: nothing may go on beside what is started anew.

    Args:
        parent: its id; when that is not the parent any more, this process ends at once.
    """
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process is gone")

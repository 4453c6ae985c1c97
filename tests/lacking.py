"""Running Python as if packages were not installed: what an install target does without the others."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from rgbx.extras import INSTALLS

OPTIONAL = {package for target, packages in INSTALLS.items() if target != "rgbx" for package in packages}
"""Packages that the base install leaves out."""
NAMELESS = {"ray", "vtk", "vtkmodules"}
"""Further ones, which say by themselves how to get them."""


def preamble(allowed: Iterable[str] = ()) -> str:
    """Return code that makes every optional package but the ``allowed`` ones impossible to import."""
    return f"""
import sys

class Without:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        lacks = name.partition(".")[0] in {(OPTIONAL | NAMELESS) - set(allowed)!r}
        return None if lacks else self.finder.find_spec(name, path, target)

sys.meta_path[:] = map(Without, sys.meta_path)
"""


def run_python(code: str, *arguments: Path | str) -> subprocess.CompletedProcess[str]:
    """Run code in a Python of its own."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)

"""A line in processes of its own, as `rgbx line run` starts it."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from rgbx.samples import write_image
from rgbx_line.contract import RESULT, PartResult
from rgbx_line.log.segments import read_entries
from rgbx_line.settings import LineFolder


class RunningLine:
    """`rgbx line run` in a process of its own; ``settings`` beside a bundle in ``model``."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.file = folder / "line.yaml"
        self.paths = LineFolder(folder / "line")
        self.process: subprocess.Popen[bytes] | None = None
        every = {"folder": "line", "bundle": "model", "bins": {"A": 1}, "web": None, "restart_within": 6, **settings}
        self.file.write_text(yaml.safe_dump(every))

    def start(self) -> None:
        with (self.folder / "run.log").open("ab") as output:
            command = [sys.executable, "-m", "rgbx", "line", "run", str(self.file)]
            self.process = subprocess.Popen(command, stdout=output, stderr=output)

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(12)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def take(self, name: str) -> None:
        rng = np.random.default_rng(0)
        write_image(self.folder / f"camera/{name}_rgb.png", rng.integers(0, 255, (40, 50, 3)).astype(np.uint8))
        write_image(self.folder / f"detector/{name}_xray.png", rng.integers(2000, 40000, (40, 50)).astype(np.uint16))

    def results(self) -> list[PartResult]:
        entries = (entry for entry, _ in read_entries(self.paths.log))
        return [PartResult.model_validate(entry.content) for entry in entries if entry.kind == RESULT]

    def status(self) -> dict[str, Any]:
        return json.loads(self.paths.status.read_text())["processes"] if self.paths.status.exists() else {}

    def wait_for(self, what: Callable[[], Any], seconds: float = 40.0) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert self.process is not None
            assert time.monotonic() < end, (self.folder / "run.log").read_text()[-2000:]
            time.sleep(0.05)

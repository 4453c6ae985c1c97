"""The drift alarm of a line in processes of its own, with a real (untrained) model: from images to the alarm's end."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drift_line import calibrate_by_hand
from rgbx.samples import write_image
from rgbx_line.channel import Link
from rgbx_line.contract import AUDIT
from rgbx_line.drift.report import ACKNOWLEDGED, ALARMED, read_drift
from rgbx_line.log.segments import read_entries
from running_line import RunningLine
from tiny_bundle import write_exported_bundle

DRIFT = {"devices_a_day": 1, "false_alarms_a_year": 0.365, "tolerance": 1.0, "reference": "line"}
"""An alarm takes a few devices that are stranger than some dozens before."""


@pytest.fixture
def line(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLine]:
    calibrate_by_hand(write_exported_bundle(tmp_path / "model", tmp_path_factory))
    for name in ("camera", "detector"):
        (tmp_path / name).mkdir()
    images = {"rgb": "camera", "xray": "detector", "pairing": {"settle": 0.0}}
    running = RunningLine(tmp_path, images=images, drift=DRIFT, deadline=60.0, restart_within=60)
    yield running
    running.end()


def show(line: RunningLine, names: range, brighter: int = 0) -> None:
    """Show the same device again and again, and wait for the answers."""
    rng = np.random.default_rng(0)
    photograph, radiograph = rng.integers(0, 250, (40, 50, 3)) + brighter, rng.integers(2000, 40000, (40, 50))
    for name in names:
        write_image(line.folder / f"detector/P{name}_xray.png", radiograph.astype(np.uint16))
        write_image(line.folder / f"camera/P{name}_rgb.png", photograph.astype(np.uint8))
    line.wait_for(lambda: len(line.results()) == names.stop, 120.0)


def deeds(line: RunningLine, what: str) -> int:
    entries = (entry for entry, _ in read_entries(line.paths.log) if entry.kind == AUDIT)
    return sum(entry.content["what"] == what for entry in entries)


def test_brighter_photographs_give_one_alarm_that_outlives_a_restart_until_a_person_ends_it(line: RunningLine) -> None:
    line.start()
    line.wait_for((line.paths.drift / "report.json").exists)  # from here on it watches
    show(line, range(60))
    line.wait_for(lambda: bool(read_drift(line.paths).levels))
    assert not read_drift(line.paths).alarms
    show(line, range(60, 85), brighter=3)
    line.wait_for(lambda: any(alarm.signal == "rgb brightness" for alarm in read_drift(line.paths).alarms))
    line.wait_for(lambda: deeds(line, ALARMED) >= len(read_drift(line.paths).alarms))
    assert line.stop() == 0

    line.start()
    before = read_drift(line.paths)
    assert {alarm.cause for alarm in before.alarms} == {"camera"}
    show(line, range(85, 90), brighter=3)
    line.wait_for(lambda: read_drift(line.paths).number > before.number)
    after = {alarm.signal: alarm.number for alarm in read_drift(line.paths).alarms}
    assert after.items() >= {alarm.signal: alarm.number for alarm in before.alarms}.items()
    line.wait_for(lambda: deeds(line, ALARMED) == len(read_drift(line.paths).alarms))

    async def acknowledge() -> None:
        async with Link(line.paths.socket) as link:
            await link.connected(10.0)
            await link.ask("audit", what=ACKNOWLEDGED, who="Ada", signals=after, anew=True)

    asyncio.run(acknowledge())
    line.wait_for(lambda: not read_drift(line.paths).alarms)
    assert deeds(line, ACKNOWLEDGED) == 1

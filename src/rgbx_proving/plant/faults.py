"""What goes wrong in a plant, on a schedule that a seed makes the same again."""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.resources import as_file, files
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import PositiveFloat, PositiveInt

from rgbx.config import Config
from rgbx.errors import InputError, RgbxError
from rgbx.files import read_json
from rgbx_line.channel import Link
from rgbx_line.settings import LineFolder
from rgbx_proving.plant.conveyor import Mix
from rgbx_proving.plant.process import KeptProcess

FaultKind = Literal[
    "kill child", "kill supervisor", "hang child", "share gone", "client gone", "broker gone", "disk full",
    "clock back", "model change"
]  # fmt: skip
FAULT_KINDS: tuple[FaultKind, ...] = (
    "kill child", "kill supervisor", "hang child", "share gone", "client gone", "broker gone", "disk full",
    "clock back", "model change"
)  # fmt: skip
"""A change of the model is no fault, but comes at the worst time as these do."""
SMALL_DISK = 2 * 10**9
"""Bytes: a larger disk is not filled, others may need it."""
CLOCK_BACK_S = 3600
REACHED_WITHIN_S = 5.0
WHO = "plant twin"
"""In whose name models change."""
_FILLED_AT_ONCE = 2**20
_SECONDS = struct.Struct("@q")


class FaultSettings(Config):
    """What goes wrong, and how often."""

    seed: int = 0
    every: PositiveFloat = 8.0
    """Seconds from one fault to the next."""
    kinds: tuple[FaultKind, ...] = FAULT_KINDS
    """All of them come, in another order each round; one that is named twice comes twice as often."""
    most: PositiveInt | None = None
    """How many; until all parts were given when None."""
    away: PositiveFloat = 10.0
    """Seconds that a share, a client, a broker or the room on the disk is gone."""
    other_model: Path | None = None
    """Bundle that becomes active at a change of the model; at the next one the line rolls back."""
    mix: Mix = Mix(alone=0.03, garbage=0.03, again=0.03)


class MadeFault(NamedTuple):
    """A fault that was made. Times are seconds of the steady clock."""

    at: float
    kind: FaultKind
    what: str
    """The process or folder that it befell."""


class Target(NamedTuple):
    """What faults befall."""

    folder: LineFolder
    line: KeptProcess
    broker: KeptProcess | None
    shares: Sequence[Path]
    clients: Mapping[str, "Absence"]
    clock: "FakeClock | None"
    other_model: Path | None


class Absence:
    """A client that can be sent away and come back.

    Args:
        run: what it does while it is there.
    """

    def __init__(self, run: Callable[[], "asyncio.Future[None]"]) -> None:
        self._run = run
        self._task: asyncio.Future[None] | None = None

    def come(self) -> None:
        """Let it listen."""
        self._task = self._run()

    async def go(self) -> None:
        """Send it away."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])


class FakeClock:
    """A clock for the line's processes that can be set back. Files keep the machine's.

    Args:
        folder: for what it consists of.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._library = folder / "clock.so"
        self._seconds = folder / "seconds"
        self._added = 0
        self._seconds.write_bytes(_SECONDS.pack(0))
        with as_file(files("rgbx_proving.plant") / "clock.c") as source:
            subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", self._library, source, "-ldl"], check=True)

    @property
    def environment(self) -> dict[str, str]:
        """What a process has to be started with to have this clock."""
        return {"LD_PRELOAD": str(self._library), "PLANT_CLOCK": str(self._seconds)}

    def set_back(self, seconds: int) -> None:
        """Set it back, by so much more."""
        self._added -= seconds
        with self._seconds.open("r+b") as file:  # in its place: processes have it before their eyes
            file.write(_SECONDS.pack(self._added))


def left_out(kind: FaultKind, target: Target) -> str | None:
    """Return why a kind of fault cannot be made here; None where it can."""
    if kind == "broker gone" and target.broker is None:
        return "the line publishes to no broker, or mosquitto is not installed"
    if kind == "share gone" and not target.shares:
        return "images come over HTTP"
    if kind == "client gone" and not target.clients:
        return "the line serves no protocol"
    if kind == "disk full" and shutil.disk_usage(target.folder.folder).total > SMALL_DISK:
        return "the disk is too large to fill: mount a small one at OUT/line (mount -t tmpfs -o size=256M)"
    if kind == "model change" and target.other_model is None:
        return "there is no other model: name one as faults.other_model"
    if kind == "clock back" and target.clock is None:
        return "there is no C compiler to make a clock of the line's own, and no test may set the machine's"
    return None


def fake_clock(folder: Path) -> FakeClock | None:
    """Return a clock that can be set back; None where there is no C compiler to make one."""
    return FakeClock(folder) if shutil.which("cc") else None


def planned(settings: FaultSettings, possible: Sequence[FaultKind]) -> Iterator[FaultKind]:
    """Yield kinds of faults without end, each round in another order."""
    rounds = random.Random(settings.seed)
    while possible:
        yield from rounds.sample(possible, len(possible))


async def make_faults(settings: FaultSettings, target: Target, made: list[MadeFault]) -> None:
    """Make one fault after the other until cancelled.

    Args:
        settings: what goes wrong.
        target: what it befalls.
        made: takes what was made.
    """
    chance = random.Random(settings.seed)
    possible = [kind for kind in settings.kinds if left_out(kind, target) is None]
    back: set[asyncio.Task[None]] = set()
    try:
        for kind in islice(planned(settings, possible), settings.most):
            await asyncio.sleep(settings.every * chance.uniform(0.5, 1.5))
            what, restore = await _make(kind, target, chance)
            made.append(MadeFault(time.monotonic(), kind, what))
            if restore is not None:
                task = asyncio.create_task(_later(restore, settings.away))
                back.add(task)
                task.add_done_callback(back.discard)
    finally:
        await asyncio.shield(asyncio.gather(*back))  # whoever stops this finds all as it was


async def _make(kind: FaultKind, target: Target, chance: random.Random) -> tuple[str, Callable[[], None] | None]:
    """Make a fault; return what it befell, and what undoes it."""
    match kind:
        case "kill supervisor":
            target.line.kill()
            return "supervisor", None
        case "kill child" | "hang child":
            number = signal.SIGKILL if kind == "kill child" else signal.SIGSTOP
            return _signal_one(target.folder, number, chance), None
        case "share gone":
            share = chance.choice(target.shares)
            aside = share.with_name(f"{share.name}-away")
            if not share.exists():  # it is away already
                return share.name, None
            share.rename(aside)
            return share.name, lambda: _move_back(aside, share)
        case "client gone":
            name = chance.choice(sorted(target.clients))
            await target.clients[name].go()
            return name, target.clients[name].come
        case "broker gone":
            assert target.broker is not None
            target.broker.take_away()
            return "broker", target.broker.bring_back
        case "disk full":
            filler = target.folder.folder / ".filler"
            await asyncio.to_thread(_fill, filler)
            return str(target.folder.folder), lambda: filler.unlink(missing_ok=True)
        case "clock back":
            assert target.clock is not None
            target.clock.set_back(CLOCK_BACK_S)
            return f"{CLOCK_BACK_S} s", None
        case "model change":
            assert target.other_model is not None
            return await _change_model(target.folder, target.other_model), None


def running_processes(folder: LineFolder) -> dict[str, int]:
    """Return the line's processes by name, as its supervisor says."""
    try:
        said = read_json(folder.status)["processes"]
    except (InputError, KeyError, OSError):
        return {}
    return {name: each["pid"] for name, each in said.items() if each["alive"] and each["pid"]}


def _signal_one(folder: LineFolder, number: signal.Signals, chance: random.Random) -> str:
    running = running_processes(folder)
    if not running:
        return "none"
    name = chance.choice(sorted(running))
    with contextlib.suppress(ProcessLookupError):  # it has ended since
        if _is_of_a_line(running[name]):
            os.kill(running[name], number)
    return name


def _is_of_a_line(pid: int) -> bool:
    """Say whether a process is what the status says: its number may be another's by now."""
    try:
        return b"rgbx_line.child" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


async def _change_model(folder: LineFolder, other: Path) -> str:
    """Make the other model active, or roll back to the first; return what was done, or why nothing was."""
    try:
        async with Link(folder.socket) as link:
            await link.connected(REACHED_WITHIN_S)
            models = (await link.ask("models"))["models"]
            if len(models) == 1:
                models.append({**await link.ask("add_model", folder=str(other), who=WHO), "role": "stored"})
            if models[1]["role"] == "active":
                await link.ask("roll_back", who=WHO)
                return "rolled back"
            await link.ask("activate", number=models[1]["number"], who=WHO)
            return "activated"
    except RgbxError as error:  # the line may be down at this moment
        return str(error)


def _move_back(aside: Path, share: Path) -> None:
    if share.exists():  # somebody made it anew
        shutil.rmtree(share)
    aside.rename(share)


def _fill(filler: Path) -> None:
    with filler.open("wb") as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * _FILLED_AT_ONCE)
            file.flush()


async def _later(work: Callable[[], None], seconds: float) -> None:
    await asyncio.sleep(seconds)
    work()

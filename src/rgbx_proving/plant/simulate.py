"""A line run for a while in a plant that is not there, and what became of each part."""

import asyncio
import contextlib
import hashlib
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from rgbx.config import Config
from rgbx.errors import RgbxError
from rgbx.files import read_json, write_text
from rgbx.modality import Modality
from rgbx_line.archive import found_image
from rgbx_line.contract import RESULT, PartResult
from rgbx_line.job_list import add_job
from rgbx_line.log import Entry
from rgbx_line.log.segments import BEGINNING, Position
from rgbx_line.log.verify import verify
from rgbx_line.settings import LOOPBACK, LineFolder, LineSettings, MqttBroker, WebServer, read_settings
from rgbx_line.users import Role, Users
from rgbx_proving.experiments.results import write_result
from rgbx_proving.plant.clients import LogClient, ModbusPlc, MqttPlc, OpcUaPlc, PlcClient
from rgbx_proving.plant.conveyor import CREDENTIALS, Conveyor, Entrance, HotFolderEntrance, HttpEntrance, stock_of
from rgbx_proving.plant.faults import (
    WHO,
    Absence,
    FakeClock,
    FaultSettings,
    MadeFault,
    Target,
    fake_clock,
    left_out,
    make_faults,
)
from rgbx_proving.plant.findings import SimulationRecord, SimulationResult, latency_figure, result_of, simulation_page
from rgbx_proving.plant.history import write_earlier_results
from rgbx_proving.plant.judge import LoggedAnswer, judge
from rgbx_proving.plant.process import KeptProcess, broker_process
from rgbx_proving.plant.use import Use, measure_use

BEGINS_WITHIN_S = 180.0
CONNECTS_WITHIN_S = 30.0
"""After the line is ready, for the clients."""
SETTLES_WITHIN_S = 60.0
"""After the last part, and when everything is back: what has no answer by then is lost."""
DELIVERED_WITHIN_S = 5.0
ASK_AGAIN_EVERY_S = 0.05
NAME = "simulation"
"""Of the files of results."""


class SimulationSettings(Config):
    """A shift in the plant twin."""

    parts: PositiveInt = 60
    every: PositiveFloat = 1.0
    """Seconds from one part to the next."""
    over: Literal["folders", "http"] = "folders"
    """How images go in."""
    apart: NonNegativeFloat = 0.1
    """Seconds from a part's photograph to its radiograph."""
    heeds_ready: bool = True
    """Whether the conveyor stands still while the line is not ready, as the controls see to it."""
    seed: int = 0
    """Of the order of parts."""
    faults: FaultSettings | None = None
    """None of them when None."""
    beside: tuple[str, ...] = ()
    """A command of ``rgbx``, word by word, that runs meanwhile as a job of the line."""
    history: NonNegativeInt = 0
    """Results that the line's log holds to begin with."""


@dataclass
class _Shift:
    log: LogClient
    clients: dict[str, PlcClient]
    seen: SimulationRecord


def run_simulation(
    line: Path,
    test_line: Path,
    out: Path,
    settings: SimulationSettings,
    tell: Callable[[str], None] = lambda _: None,
) -> SimulationResult:
    """Run a line in the plant twin.

    The line is one of its own: it has the settings of ``line``, but writes to ``out``, watches folders there and
    listens on free ports of this machine, with a broker of its own. A real line is never fed.

    Args:
        line: settings of a line.
        test_line: folder with the sets ``rgb`` and ``xray``, as ``rgbx scan`` writes it.
        out: a new folder, for the line and for what is found: ``simulation.json``, ``.md`` and ``.png``; and
            for ``events.jsonl``, all that happened.
        settings: of the simulation.
        tell: told how it goes, a sentence at a time.

    Raises:
        RgbxError: the settings or the test line cannot be used, or the line does not begin to work.
    """
    stock = stock_of(test_line)
    twin = _twin_of(read_settings(line), out.resolve(), settings)
    folder = LineFolder(twin.folder)
    if folder.log.exists():
        raise RgbxError(f"{out} holds a simulation already: choose another --out folder or delete this one.")
    for each in (twin.folder, twin.images.rgb, twin.images.xray):
        if each is not None:
            each.mkdir(parents=True, exist_ok=True)
    file = out / "line.yaml"
    write_text(file, yaml.safe_dump(twin.model_dump(mode="json"), sort_keys=False))
    if settings.over == "http":
        Users({}).with_user(*CREDENTIALS, Role.OPERATOR).write(folder.users)
    if settings.beside:
        add_job(folder, settings.beside, WHO)
    begin = write_earlier_results(folder, settings.history, tell) if settings.history else BEGINNING

    conveyor = Conveyor(
        stock,
        _entrance(twin),
        settings.seed,
        settings.faults.mix if settings.faults else None,
        settings.apart,
    )
    shift = asyncio.run(_simulate(twin, file, conveyor, settings, begin, tell))
    pairing = twin.images.pairing if settings.over == "folders" else None
    answers = list(_answers(folder, shift.log.entries))
    told = {
        name: (client.every, [each for each in client.told if each.seq > settings.history])
        for name, client in shift.clients.items()
    }
    verdict = judge(conveyor.parts, answers, told, shift.log.ready_since, twin.deadline, pairing)
    write_text(out / "events.jsonl", "".join(f"{json.dumps(event)}\n" for event in _events(conveyor, shift)))
    restarts = {name: each["restarts"] for name, each in read_json(folder.status)["processes"].items()}
    result = result_of(verdict, shift.seen, verify(folder.log, folder.cursors).faults, restarts)
    write_result(out, NAME, result, simulation_page(result), latency_figure(verdict, twin.deadline))
    return result


def _twin_of(settings: LineSettings, out: Path, simulation: SimulationSettings) -> LineSettings:
    """Return settings of a line that is the twin's own, in ``out`` and on free ports."""
    http = simulation.over == "http"
    changes: dict[str, Any] = {
        "folder": out / "line",
        "images": {
            **settings.images.model_dump(),
            "rgb": None if http else out / "camera",
            "xray": None if http else out / "detector",
            "answered": "archive",
        },
        "web": None,
        "mqtt": None,
        "drivers": (),  # the conveyor stands for its cameras
    }
    if http or settings.web is not None:
        upload = (settings.web or WebServer()).upload
        changes["web"] = {"port": _free_port(), "upload": upload.model_dump()}
    if settings.mqtt is not None:
        changes["mqtt"] = {"port": _free_port()}
    if settings.modbus is not None:
        changes["modbus"] = {"port": _free_port(), "unit": settings.modbus.unit}
    if settings.opcua is not None:
        changes["opcua"] = {"port": _free_port(), "nodeset": settings.opcua.nodeset}
    return LineSettings.model_validate({**settings.model_dump(), **changes})


def _entrance(twin: LineSettings) -> Entrance:
    images = twin.images
    if images.rgb is None or images.xray is None:
        assert twin.web is not None
        return HttpEntrance(f"http://{twin.web.host}:{twin.web.port}")
    return HotFolderEntrance({"rgb": images.rgb, "xray": images.xray}, images.pairing)


async def _simulate(
    twin: LineSettings,
    file: Path,
    conveyor: Conveyor,
    settings: SimulationSettings,
    begin: Position,
    tell: Callable[[str], None],
) -> _Shift:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # or the line would go on alone
    folder = LineFolder(twin.folder)
    out = file.parent
    clock = _clock(settings, out)
    line = KeptProcess.line(file, out / "line.log", clock.environment if clock else None)
    broker = broker_process(twin.mqtt.port, out / "broker", out / "broker.log") if twin.mqtt else None
    log, clients = LogClient(folder, begin), _clients(twin, broker)
    absences = {name: _Listening(client) for name, client in clients.items()}
    shares = [path for path in (twin.images.rgb, twin.images.xray) if path is not None]
    other_model = settings.faults.other_model if settings.faults else None
    target = Target(folder, line, broker, shares, absences, clock, other_model)
    made: list[MadeFault] = []
    used: dict[str, list[Use]] = {}
    async with contextlib.AsyncExitStack() as stack:
        if broker is not None:
            broker.start()
            stack.push_async_callback(broker.stop)
        line.start()
        stack.push_async_callback(line.stop)
        for absence in (_Listening(log), *absences.values()):
            absence.come()
            stack.push_async_callback(absence.go)
        await _wait(lambda: log.state.ready, BEGINS_WITHIN_S)
        if not log.state.ready:
            raise RgbxError(f"the line does not begin to work: read {out / 'line.log'}.")
        await _wait(lambda: all(client.connected for client in clients.values()), CONNECTS_WITHIN_S)
        tell("the line is ready.")
        start = time.monotonic()
        measuring = asyncio.create_task(measure_use(folder, used))
        faults = asyncio.create_task(make_faults(settings.faults, target, made)) if settings.faults else None
        await _feed(conveyor, log, settings, tell)
        if faults is not None:
            faults.cancel()
            await asyncio.wait([faults])
            if not faults.cancelled():
                faults.result()
        await _wait(lambda: set(conveyor.parts) <= set(log.results), SETTLES_WITHIN_S + twin.deadline)
        seconds = time.monotonic() - start
        measuring.cancel()
        await _wait(lambda: log.state.ready, SETTLES_WITHIN_S)  # what was killed last comes back, too
        await _wait(lambda: _all_told(log, clients), DELIVERED_WITHIN_S)
        tell("all parts have come.")
        stopped = await line.stop()
    kinds = settings.faults.kinds if settings.faults else ()
    reasons: dict[str, str] = {kind: why for kind in kinds if (why := left_out(kind, target))}
    return _Shift(log, clients, SimulationRecord(log.ready_since, made, reasons, seconds, stopped, used))


def _clock(settings: SimulationSettings, out: Path) -> FakeClock | None:
    if settings.faults is None or "clock back" not in settings.faults.kinds:
        return None
    return fake_clock(out / "clock")


class _Listening(Absence):
    """A client that comes and goes."""

    def __init__(self, client: PlcClient) -> None:
        super().__init__(lambda: asyncio.ensure_future(client.run()))


def _clients(twin: LineSettings, broker: KeptProcess | None) -> dict[str, PlcClient]:
    clients: dict[str, PlcClient] = {}
    if twin.modbus is not None:
        clients["modbus"] = ModbusPlc(twin.modbus)
    if twin.mqtt is not None and broker is not None:
        clients["mqtt"] = MqttPlc(MqttBroker(port=twin.mqtt.port), twin.place)
    if twin.opcua is not None:
        clients["opcua"] = OpcUaPlc(twin.opcua)
    return clients


async def _feed(conveyor: Conveyor, log: LogClient, settings: SimulationSettings, tell: Callable[[str], None]) -> None:
    """Put one part after the other on the conveyor."""
    tenth = max(1, settings.parts // 10)
    due = time.monotonic()
    for number in range(1, settings.parts + 1):
        while settings.heeds_ready and not log.state.ready:
            await asyncio.sleep(ASK_AGAIN_EVERY_S)
        await conveyor.next_part()
        if conveyor.comes_again():
            tidied = [name for name, result in log.results.items() if not any(map(_is_file, result.images.values()))]
            if tidied:
                await conveyor.give_again(tidied[-1])
        if number % tenth == 0:
            tell(f"{number} of {settings.parts} parts given, {len(log.results)} answered.")
        due = max(due + settings.every, time.monotonic())
        await asyncio.sleep(due - time.monotonic())


def _all_told(log: LogClient, clients: Mapping[str, PlcClient]) -> bool:
    seqs = {told.seq for told in log.told}
    return all(seqs <= {told.seq for told in client.told} for client in clients.values() if client.every)


async def _wait(until: Callable[[], bool], seconds: float) -> None:
    """Wait until something is so, or the time is up."""
    end = time.monotonic() + seconds
    while not until() and time.monotonic() < end:
        await asyncio.sleep(ASK_AGAIN_EVERY_S)


def _is_file(path: str) -> bool:
    return Path(path).is_file()


def _answers(folder: LineFolder, entries: Sequence[tuple[float, Entry]]) -> Iterator[LoggedAnswer]:
    for at, entry in entries:
        if entry.kind == RESULT:
            result = PartResult.model_validate(entry.content)
            yield LoggedAnswer(entry.number, at, result, dict(_digests(folder, entry, result)))


def _events(conveyor: Conveyor, shift: _Shift) -> list[dict[str, Any]]:
    """Return all that happened, in order; for whoever looks for the cause of a finding."""
    start = shift.log.ready_since[0][0]
    events = [
        *((part.first, "conveyor", asdict(part)) for part in conveyor.parts.values()),
        *((fault.at, "fault", fault._asdict()) for fault in shift.seen.made),
        *((at, "line", {"ready": ready}) for at, ready in shift.seen.ready_since),
        *((each.at, name, each._asdict()) for name, one in shift.clients.items() for each in one.told),
        *((each.at, "log", each._asdict()) for each in shift.log.told),
    ]
    return [{"s": round(at - start, 3), "who": who, **what} for at, who, what in sorted(events, key=itemgetter(0))]


def _digests(folder: LineFolder, entry: Entry, result: PartResult) -> Iterator[tuple[Modality, str]]:
    for modality, image in result.images.items():
        path = found_image(folder, entry, Path(image))
        if path is not None:
            yield modality, hashlib.sha256(path.read_bytes()).hexdigest()


def _free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])

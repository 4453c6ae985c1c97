"""How soon a controller has a result once it is on the disk: over MQTT, Modbus and OPC UA.

    python benchmarks/wire.py [--quick] [--results N] [--every S] [--kb N] [--without opcua]

prints one JSON object as its last line: for each protocol the median, the 99th percentile and the longest time, in
milliseconds, from the moment the log's line is on the disk and announced to when a client on the same machine has the
result. Beside it stands what this machine needs, at the same moments, for one byte to another process and back
(``echo``): no protocol can be sooner. The line's own gateway runs as its own process; inference is a log and a hub
without a network. Each client is a process of its own. Modbus is asked a thousand times a second, since a
controller's own pause between two questions is not the line's.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from rgbx_line.channel import Hub
from rgbx_line.contract import RESULT, FaultCode, LineState, PartResult, ReasonCode
from rgbx_line.gateway.process import run_gateway
from rgbx_line.log.line_log import LineLog
from rgbx_line.settings import LOOPBACK, LineFolder, LineSettings, MqttBroker, PlantPlace
from rgbx_proving.plant import clients
from rgbx_proving.plant.process import broker_process

CONNECTS_WITHIN_S = 60.0
COMES_WITHIN_S = 5.0
LOADED_AFTER_S = 1.0
POLL_EVERY_S = 0.001
"""Of the Modbus client, which then waits for the line and not for itself."""


def gateway(settings: LineSettings) -> None:
    """Run the gateway until killed."""

    async def run() -> None:
        asyncio.get_running_loop().call_later(LOADED_AFTER_S, gc.freeze)  # as a line's processes do
        await run_gateway(settings, asyncio.Event())

    asyncio.run(run())


def echo(end: socket.socket) -> None:
    """Send back each byte that comes."""
    while byte := end.recv(1):
        end.sendall(byte)


def part_result(seq: int, kilobytes: float) -> PartResult:
    """Return a result whose line is about so long."""
    return PartResult(
        seq=seq,
        part_id=f"P{seq}",
        bin="phones",
        bin_code=seq % 7 + 1,
        reason=None,
        reason_code=ReasonCode.NONE,
        model_number=1,
        latency_ms=100.0,
        result={"ResultContent": [{"label": "phone", "values": [0.125] * round(1000 * kilobytes / 6)}]},
    )


def listen(name: str, settings: LineSettings, asked: Connection) -> None:
    """Be one controller: say when it is served, and all that it was told once anything is asked."""
    clients.POLL_EVERY_S = POLL_EVERY_S
    client: clients.PlcClient
    if name == "modbus" and settings.modbus:
        client = clients.ModbusPlc(settings.modbus)
    elif name == "mqtt" and settings.mqtt:
        client = clients.MqttPlc(settings.mqtt, PlantPlace())
    else:
        assert settings.opcua is not None
        client = clients.OpcUaPlc(settings.opcua)

    async def run() -> None:
        listening = asyncio.create_task(client.run())
        while not client.connected:
            await asyncio.sleep(0.05)
        gc.freeze()  # the client is not what is measured
        asked.send(True)
        await asyncio.to_thread(asked.recv)
        asked.send([(each.seq, each.at) for each in client.told])
        listening.cancel()

    asyncio.run(run())


async def measure(place: Path, protocols: set[str], count: int, every: float, kilobytes: float) -> dict[str, object]:
    """Announce results one after the other, and note when each client had it."""
    settings = LineSettings(
        folder=place / "line",
        bundle=place / "none",
        bins={"phones": 1},
        mqtt=MqttBroker(port=free_port()) if "mqtt" in protocols else None,
        modbus={"port": free_port()} if "modbus" in protocols else None,
        opcua={"port": free_port()} if "opcua" in protocols else None,
    )
    settings.folder.mkdir()
    spawn = multiprocessing.get_context("spawn")
    near, far = socket.socketpair()
    near.setblocking(False)
    processes = [spawn.Process(target=gateway, args=(settings,)), spawn.Process(target=echo, args=(far,))]
    listeners: dict[str, Connection] = {}
    for name in sorted(protocols):
        listeners[name], other = spawn.Pipe()
        processes.append(spawn.Process(target=listen, args=(name, settings, other)))
    async with running_broker(settings, place):
        for process in processes:
            process.start()
        try:
            with LineLog(LineFolder(settings.folder).log) as log:
                found = await announce(settings, log, listeners, near, count, every, kilobytes)
        finally:
            for process in processes:
                process.kill()
    return {name: figures(times, count) for name, times in found.items()}


@contextlib.asynccontextmanager
async def running_broker(settings: LineSettings, place: Path) -> AsyncIterator[None]:
    """Run a broker while it is needed."""
    if settings.mqtt is None:
        yield
        return
    broker = broker_process(settings.mqtt.port, place / "broker", place / "broker.log")
    assert broker is not None
    broker.start()
    try:
        yield
    finally:
        await broker.stop()


async def announce(
    settings: LineSettings,
    log: LineLog,
    listeners: dict[str, Connection],
    near: socket.socket,
    count: int,
    every: float,
    kilobytes: float,
) -> dict[str, list[float]]:
    """Return the times in milliseconds, by client."""
    hub = Hub(LineFolder(settings.folder).socket, refuse)
    await hub.start()
    state = LineState(ready=True, fault=FaultCode.NONE, model_number=1)
    hub.tell(state)
    announced: dict[int, float] = {}
    echoes = []
    try:
        end = time.monotonic() + CONNECTS_WITHIN_S
        for name, listener in listeners.items():
            if not await asyncio.to_thread(listener.poll, end - time.monotonic()):
                sys.exit(f"the client of {name} was not served within {CONNECTS_WITHIN_S:g} s")
            listener.recv()
        for seq in range(1, count + 1):
            await asyncio.sleep(every)
            await asyncio.to_thread(log.append, [(RESULT, part_result(seq, kilobytes).model_dump(mode="json"))])
            announced[seq] = time.monotonic()
            hub.tell(state.model_copy(update={"announced": log.number}))
            await asyncio.get_running_loop().sock_sendall(near, b".")
            await asyncio.get_running_loop().sock_recv(near, 1)
            echoes.append(1e3 * (time.monotonic() - announced[seq]))
        await asyncio.sleep(min(COMES_WITHIN_S, 1.0 + every))
    finally:
        await hub.close()
    times = {}
    for name, listener in listeners.items():
        listener.send(True)
        times[name] = [1e3 * (at - announced[seq]) for seq, at in listener.recv() if seq in announced]
    return {**times, "echo": echoes}


async def refuse(do: str, _: dict[str, object]) -> dict[str, object]:
    """Answer nothing; nobody asks."""
    raise AssertionError(do)


def figures(times: list[float], count: int) -> dict[str, float | int]:
    """Return what counts of the times of one client."""
    if not times:
        return {"told": 0, "of": count}
    return {
        "told": len(times),
        "of": count,
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(float(np.percentile(times, 99)), 2),
        "max_ms": round(max(times), 2),
    }


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100 results, without OPC UA: about 15 s")
    parser.add_argument("--results", type=int, default=1000)
    parser.add_argument("--every", type=float, default=0.1, help="seconds from one to the next")
    parser.add_argument("--kb", type=float, default=3.0, help="length of a line of the log")
    parser.add_argument("--without", action="append", default=[], choices=("mqtt", "modbus", "opcua"))
    given = parser.parse_args()
    if given.quick:
        given.results, given.every = 100, 0.05
        given.without.append("opcua")
    protocols = {"mqtt", "modbus", "opcua"} - set(given.without)
    if "mqtt" in protocols and shutil.which("mosquitto", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        parser.error("mosquitto is not installed: install it, or leave MQTT out by --without mqtt")
    with tempfile.TemporaryDirectory(prefix="wire-") as name:
        found = asyncio.run(measure(Path(name), protocols, given.results, given.every, given.kb))
    print(json.dumps(found))


if __name__ == "__main__":
    main()

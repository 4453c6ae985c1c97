"""Who listens to a line in a plant: a controller over each protocol, and one who reads the log."""

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import aiomqtt
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from rgbx_line.channel import Link
from rgbx_line.contract import RESULT, LineState, PartResult
from rgbx_line.log import Entry, read_entries
from rgbx_line.log.segments import BEGINNING, Position
from rgbx_line.settings import LineFolder, ModbusServer, MqttBroker, OpcUaServer, PlantPlace

POLL_EVERY_S = 0.01
"""Of the Modbus client."""
CONNECT_AGAIN_EVERY_S = 0.3
SILENCE_S = 3.0
"""A line that says nothing for so long counts as not ready: it says its state each second."""
_REGISTERS = 45
_LAST_TAGS = ("PartSeq", "PartId", "BinCode", "ReasonCode", "ResultValid")


class Told(NamedTuple):
    """An answer as a client was told it."""

    at: float
    """Seconds of the steady clock."""
    seq: int
    part_id: str
    bin_code: int
    reason_code: int


class PlcClient(Protocol):
    """A client of one protocol; it connects again by itself."""

    told: list[Told]
    """Every answer, in the order in which it came."""
    every: bool
    """Whether it is promised every answer; else it sees the last one alone, and may miss some that come together."""
    connected: bool
    """Whether it has ever been."""

    async def run(self) -> None:
        """Listen until cancelled."""


class LogClient:
    """Reads the log as far as inference says it may be read, and watches whether the line is ready.

    Args:
        folder: of the line.
        begin: place in the log behind what came before.
    """

    every = True

    def __init__(self, folder: LineFolder, begin: Position = BEGINNING) -> None:
        self.told: list[Told] = []
        self.connected = False
        self.entries: list[tuple[float, Entry]] = []
        """All that was announced, and when."""
        self.ready_since: list[tuple[float, bool]] = [(time.monotonic(), False)]
        """When the line became ready, and when it was no more."""
        self.results: dict[str, PartResult] = {}
        """The last answer for each part."""
        self._folder = folder
        self._position = begin
        self._announced: deque[tuple[float, int]] = deque()
        self._through = 0
        self._heard = time.monotonic()
        self._state = LineState()
        self._news = asyncio.Event()

    @property
    def state(self) -> LineState:
        """What the line said last; not ready when it is silent."""
        silent = time.monotonic() - self._heard > SILENCE_S
        return LineState(announced=self._state.announced) if silent else self._state

    async def run(self) -> None:
        """Read until cancelled."""
        async with Link(self._folder.socket, self._hear):
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SILENCE_S / 10):
                        await self._news.wait()
                self._news.clear()
                self._note_ready()
                while self._announced:
                    at, through = self._announced.popleft()
                    for entry, behind in read_entries(self._folder.log, self._position, through):
                        self._position = behind
                        self._take(at, entry)

    def _hear(self, state: LineState) -> None:
        self._heard = time.monotonic()
        self._state = state
        self.connected = True
        self._note_ready()
        if state.announced > self._through:
            self._through = state.announced
            self._announced.append((self._heard, state.announced))
            self._news.set()

    def _note_ready(self) -> None:
        if self.state.ready != self.ready_since[-1][1]:
            self.ready_since.append((time.monotonic(), self.state.ready))

    def _take(self, at: float, entry: Entry) -> None:
        self.entries.append((at, entry))
        if entry.kind == RESULT:
            result = PartResult.model_validate(entry.content)
            self.results[result.part_id] = result
            self.told.append(Told(at, result.seq, result.part_id, result.bin_code, result.reason_code))


class ModbusPlc:
    """Reads the registers again and again, as controllers do.

    Args:
        server: where the line serves them.
    """

    every = False

    def __init__(self, server: ModbusServer) -> None:
        self.told: list[Told] = []
        self.connected = False
        self._server = server
        self._shown: tuple[int, int] | None = None
        """``PartSeq`` and ``ResultValid``."""

    async def run(self) -> None:
        """Poll until cancelled."""
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # lines that go away are what is tried here
        while True:
            client = AsyncModbusTcpClient(self._server.host, port=self._server.port, timeout=1, retries=0)
            try:
                if await client.connect():
                    await self._poll(client)
            except (ModbusException, OSError, TimeoutError):
                pass
            finally:
                client.close()
            await asyncio.sleep(CONNECT_AGAIN_EVERY_S)

    async def _poll(self, client: AsyncModbusTcpClient) -> None:
        while True:
            answer = await client.read_input_registers(0, count=_REGISTERS, device_id=self._server.unit)
            if answer.isError():
                return
            self.connected = True
            self._take(answer.registers)
            await asyncio.sleep(POLL_EVERY_S)

    def _take(self, words: Sequence[int]) -> None:
        shown = words[3] << 16 | words[4], words[5]
        if shown == self._shown:
            return
        first, self._shown = self._shown is None, shown
        part_id = b"".join(word.to_bytes(2, "big") for word in words[10:42]).partition(b"\0")[0].decode()
        if part_id and not (first and not shown[0]):
            self.told.append(Told(time.monotonic(), shown[0], part_id, words[6], words[7]))


class MqttPlc:
    """Subscribes to the results; the broker keeps them for it while it is away.

    Args:
        broker: where it is.
        place: of the line.
    """

    every = True

    def __init__(self, broker: MqttBroker, place: PlantPlace) -> None:
        self.told: list[Told] = []
        self.connected = False
        self._broker = broker
        self._topic = "/".join((place.enterprise, place.site, place.area, place.line, place.cell, "result"))

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            with suppress(aiomqtt.MqttError):
                async with aiomqtt.Client(
                    self._broker.host, self._broker.port, identifier="plant-twin", clean_session=False, keepalive=5
                ) as client:
                    await client.subscribe(self._topic, qos=1)
                    self.connected = True
                    async for message in client.messages:
                        self._take(json.loads(bytes(message.payload)))
            await asyncio.sleep(CONNECT_AGAIN_EVERY_S)

    def _take(self, result: dict[str, Any]) -> None:
        told = (result["seq"], result["part_id"], result["bin_code"], result["reason_code"])
        self.told.append(Told(time.monotonic(), *told))


class OpcUaPlc:
    """Subscribes to ``ResultValid`` and reads the other tags when it changes.

    Args:
        server: where the line serves them; anonymous clients may read.
    """

    every = False

    def __init__(self, server: OpcUaServer) -> None:
        self.told: list[Told] = []
        self.connected = False
        self._address = f"opc.tcp://{server.host}:{server.port}/rgbx"
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Listen until cancelled."""
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        while True:
            with suppress(Exception):  # the library lets through whatever a connection ends with
                await self._listen()
            await asyncio.sleep(CONNECT_AGAIN_EVERY_S)

    def datachange_notification(self, *_: object) -> None:
        """Take a change, as the library tells it."""
        self._changed.set()

    def status_change_notification(self, *_: object) -> None:
        """Take no notice of what becomes of the subscription: a lost connection is noticed by asking."""

    async def _listen(self) -> None:
        from asyncua import Client

        async with Client(self._address, timeout=2) as client:
            index = await client.get_namespace_index("urn:rgbx:line")
            nodes = [client.get_node(f"ns={index};s=Line.{name}") for name in _LAST_TAGS]
            subscription = await client.create_subscription(10, self)
            await subscription.subscribe_data_change(nodes[-1])
            self.connected = True
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(1.0):
                        await self._changed.wait()
                self._changed.clear()
                await client.check_connection()
                self._take(await client.read_values(nodes))

    def _take(self, tags: list[Any]) -> None:
        told = Told(time.monotonic(), *tags[:4])
        if told.part_id and (not self.told or told[1:] != self.told[-1][1:]):
            self.told.append(told)

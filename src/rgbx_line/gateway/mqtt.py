"""Results and state on an MQTT broker, as plain JSON.

======================= ======== ======================================================================================
Topic, after the place  Retained Content
======================= ======== ======================================================================================
``connected``           yes      ``true``; ``false`` when the gateway has left, or the broker has lost it
``state``               yes      ``Ready``, ``Busy``, ``Heartbeat``, ``ModelNumber``, ``Fault`` and ``FaultText``, at
                                 each change and every ten seconds
``last``                yes      of the last result ``PartSeq``, ``PartId``, ``BinCode``, ``ReasonCode`` and ``id``
``result``              no       each result with all its fields; ``id`` is the number of its line in the log, by which
                                 one that comes twice is known, ``hash`` that line's
======================= ======== ======================================================================================

The place is ``enterprise/site/area/line/cell``. All is sent with QoS 1. Nothing is subscribed to: who can write to the
broker cannot make the line do anything.
"""

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiomqtt
import structlog
from pydantic_core import to_json

from rgbx.errors import InputError
from rgbx.files import digest
from rgbx_line.contract import LineState, PartResult, tags_of
from rgbx_line.log import Entry
from rgbx_line.settings import MqttBroker, PlantPlace

STATE_EVERY_S = 10.0
ACKNOWLEDGED_WITHIN_S = 3.0
"""Later, a message counts as lost and is sent again."""
ALIVE_EVERY_S = 10
"""A broker that has not heard from the gateway for half as long again publishes its last will."""
CONNECT_AGAIN_S = 1.0
GOODBYE_S = 1.0
_STATE_TAGS = {"Ready", "Busy", "Heartbeat", "ModelNumber", "Fault"}
_LAST_TAGS = {"PartSeq", "PartId", "BinCode", "ReasonCode"}
_log = structlog.get_logger("rgbx.line.mqtt")


class MqttSink:
    """Publishes to a broker, and connects again by itself.

    Args:
        broker: where it is.
        place: of the line in the plant.
    """

    def __init__(self, broker: MqttBroker, place: PlantPlace) -> None:
        self._broker = broker
        self._topic = "/".join((place.enterprise, place.site, place.area, place.line, place.cell))
        self._password: str | None = None
        self._tls: ssl.SSLContext | None = None
        self._client: aiomqtt.Client | None = None
        self._connected = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._leaving = asyncio.Event()
        self._state = LineState()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Begin to connect; returns at once, whether the broker is there or not.

        Raises:
            InputError: the file of the password or of the certificates cannot be used.
        """
        if self._broker.password_file is not None:
            self._password = _first_line(self._broker.password_file)
        if self._broker.certificates is not None:
            self._tls = _trusting(self._broker.certificates)
        self._connecting = asyncio.create_task(self._stay_connected())

    async def stop(self) -> None:
        """Tell the broker that nobody is connected any more, and disconnect."""
        self._leaving.set()
        if self._connecting is not None:
            await asyncio.wait({self._connecting}, timeout=GOODBYE_S)
            self._connecting.cancel()

    def tell(self, state: LineState) -> None:
        """Publish what the line says of itself, if it is something new."""
        before, self._state = self._state, state
        if _said(state) != _said(before):
            self._changed.set()

    async def deliver(self, entry: Entry, result: PartResult) -> None:
        """Publish a result, as soon as there is a connection, and wait until the broker has it.

        Raises:
            aiomqtt.MqttError: the broker was lost, or did not acknowledge it.
        """
        while (client := self._client) is None:
            await self._connected.wait()
        whole = {"id": entry.number, "hash": entry.hash, "time": entry.time.isoformat()}
        # One after the other: a broker may hold back the second of two answers until the first one has arrived, which
        # its system says 40 ms later.
        await self._publish(client, "result", whole | entry.content)
        last = tags_of(self._state, result, heartbeat=0, valid=True).model_dump(mode="json", include=_LAST_TAGS)
        await self._publish(client, "last", {"id": entry.number} | last, retain=True)

    async def _stay_connected(self) -> None:
        problem = None
        while not self._leaving.is_set():
            try:
                async with self._new_client() as client:
                    await self._publish(client, "connected", True, retain=True)
                    _log.info("connected to the broker", host=self._broker.host, port=self._broker.port)
                    problem = None
                    await self._use(client)
                    await self._publish(client, "connected", False, retain=True)
            except Exception as error:  # an MqttError, or what the library lets through
                before, problem = problem, str(error)
                if problem != before:
                    _log.warning("no broker", host=self._broker.host, port=self._broker.port, problem=problem)
            with suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_AGAIN_S):
                    await self._leaving.wait()

    async def _use(self, client: aiomqtt.Client) -> None:
        """Publish over a connection until it is time to leave.

        Raises:
            aiomqtt.MqttError: the connection was lost.
        """
        tasks = [
            asyncio.create_task(work) for work in (_lost(client), self._publish_states(client), self._leaving.wait())
        ]
        self._client = client
        self._connected.set()
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            self._connected.clear()
            self._client = None
            for task in tasks:
                task.cancel()

    async def _publish_states(self, client: aiomqtt.Client) -> None:
        while self._client is client:
            self._changed.clear()
            content = _said(self._state, heartbeat=int(time.monotonic()))
            with suppress(aiomqtt.MqttError):  # one that is lost is followed by another
                await self._publish(client, "state", content, retain=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(STATE_EVERY_S):
                    await self._changed.wait()

    async def _publish(self, client: aiomqtt.Client, name: str, content: Any, retain: bool = False) -> None:
        await client.publish(f"{self._topic}/{name}", to_json(content), qos=1, retain=retain)

    def _new_client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._password,
            # Always the same, so that a broker that still holds a lost connection lets go of it now, and does not
            # publish its last will after the new one has said hello.
            identifier=f"rgbx-{digest(self._topic)}",
            will=aiomqtt.Will(f"{self._topic}/connected", "false", qos=1, retain=True),
            tls_context=self._tls,
            timeout=ACKNOWLEDGED_WITHIN_S,
            keepalive=ALIVE_EVERY_S,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )


async def _lost(client: aiomqtt.Client) -> None:
    """Wait until a connection is lost, which is an MqttError."""
    async for _ in client.messages:  # there are none, since nothing is subscribed to
        pass


def _said(state: LineState, heartbeat: int = 0) -> dict[str, Any]:
    tags = tags_of(state, None, heartbeat, valid=False)
    return tags.model_dump(mode="json", include=_STATE_TAGS) | {"FaultText": state.fault_text}


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, "cannot be read", "put the broker's password in its first line") from error


def _trusting(path: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(path))
    except OSError as error:  # ssl.SSLError is one
        raise InputError(path, "holds no certificates", "give a PEM file of who signs for the broker") from error

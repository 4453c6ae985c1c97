"""Results and state on a real broker that goes away and comes back."""

import asyncio
import getpass
import ipaddress
import json
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from fake_inference import FakeInference, part_result
from rgbx.errors import InputError
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode
from rgbx_line.gateway import delivery, mqtt
from rgbx_line.gateway.delivery import Feed, Reader
from rgbx_line.gateway.mqtt import MqttSink
from rgbx_line.log.cursor import Cursor
from rgbx_line.settings import MqttBroker, PlantPlace

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
pytestmark = pytest.mark.skipif(MOSQUITTO is None, reason="Debian's mosquitto is not installed")
PLACE = PlantPlace(enterprise="acme", site="nord", area="sorting", line="7", cell="rgbx")
TOPIC = "acme/nord/sorting/7/rgbx"


class Mosquitto:
    """A broker on a port of its own that remembers sessions and retained messages when it is killed."""

    def __init__(self, folder: Path, *lines: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.config = folder / "mosquitto.conf"
        listener = (f"listener {self.port} 127.0.0.1", *(lines or ("allow_anonymous true",)))
        kept = (
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        )
        self.config.write_text("\n".join((*listener, *kept, f"user {getpass.getuser()}")) + "\n", encoding="utf-8")
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        assert MOSQUITTO is not None
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self.config)], stderr=subprocess.DEVNULL)
        for _ in range(500):
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                return
            await asyncio.sleep(0.01)
        raise AssertionError("mosquitto did not start")

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Subscriber:
    """Somebody else who listens, with a session that the broker keeps for it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any, bool]] = []

    def results(self) -> list[int]:
        return [content["seq"] for topic, content, _ in self.got if topic == "result"]

    def last(self, topic: str) -> Any:
        """Return what a topic said last; None when it said nothing yet."""
        return next((content for name, content, _ in reversed(self.got) if name == topic), None)

    async def listen(self, port: int, **options: Any) -> None:
        while True:
            with suppress(aiomqtt.MqttError):
                session = aiomqtt.Client("127.0.0.1", port, identifier="listener", clean_session=False, **options)
                async with session as client:
                    await client.subscribe(f"{TOPIC}/#", qos=1)
                    async for message in client.messages:
                        name = message.topic.value.removeprefix(f"{TOPIC}/")
                        self.got.append((name, json.loads(message.payload), message.retain))
            await asyncio.sleep(0.02)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "SAVE_EVERY_S", 0.05)
    monkeypatch.setattr(mqtt, "CONNECT_AGAIN_S", 0.05)
    monkeypatch.setattr(mqtt, "ACKNOWLEDGED_WITHIN_S", 0.5)


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:  # a short path, which a socket needs
        yield Path(folder)


@pytest.fixture
def broker(folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder)
    yield broker
    broker.kill()


@asynccontextmanager
async def publishing(line: FakeInference, settings: MqttBroker) -> AsyncIterator[Feed]:
    feed = Feed("mqtt", MqttSink(settings, PLACE), line.folder, Reader(line.folder), history=True)
    async with Link(line.folder.socket, feed.tell), background(feed.run()):
        yield feed


@asynccontextmanager
async def background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=2.5)


async def until(true: Callable[[], bool], within: float = 8.0) -> None:
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.005)


def run(test: Coroutine[None, None, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(25):
            await test

    asyncio.run(bounded())


def test_results_and_state_are_plain_json(folder: Path, broker: Mosquitto) -> None:
    async def test() -> None:
        await broker.start()
        other = Subscriber()
        async with (
            FakeInference(folder) as line,
            background(other.listen(broker.port)),
            publishing(line, MqttBroker(port=broker.port)),
        ):
            await until(lambda: other.last("connected") is True)
            await until(lambda: other.last("state") is not None and other.last("state")["Ready"])
            (entry,) = line.answer(7)
            await until(lambda: other.last("last") is not None and other.results() == [7])
            line.tell(ready=False, fault=FaultCode.LOG, fault_text="the disk is full")
            await until(lambda: other.last("state")["Fault"] == FaultCode.LOG)
        result = part_result(7)
        assert other.last("result") == {
            "id": entry.number,
            "hash": entry.hash,
            "time": entry.time.isoformat(),
            **result.model_dump(mode="json"),
        }
        tags = {"id": 1, "PartSeq": 7, "PartId": "P7", "BinCode": result.bin_code, "ReasonCode": 0}
        assert other.last("last") == tags
        assert set(other.last("state")) == {"Ready", "Busy", "Heartbeat", "ModelNumber", "Fault", "FaultText"}
        assert other.last("state")["FaultText"] == "the disk is full"

    run(test())


def test_who_comes_later_finds_what_is_retained(folder: Path, broker: Mosquitto) -> None:
    async def test() -> None:
        await broker.start()
        late = Subscriber()
        async with FakeInference(folder) as line, publishing(line, MqttBroker(port=broker.port)):
            line.answer(7, 8)
            await delivered(line)
            async with background(late.listen(broker.port)):
                await until(lambda: {"connected", "state", "last"} <= {name for name, *_ in late.got})
        assert late.last("last")["PartSeq"] == 8
        assert late.results() == []
        assert all(retained for *_, retained in late.got)

    run(test())


def test_a_broker_that_is_away_killed_and_back_gets_all_of_it_in_order(folder: Path, broker: Mosquitto) -> None:
    async def test() -> None:
        other = Subscriber()
        async with (
            FakeInference(folder) as line,
            background(other.listen(broker.port)),
            publishing(line, MqttBroker(port=broker.port)) as feed,
        ):
            line.answer(*range(50))  # while it is not there yet
            await until(lambda: feed.lag == 50)
            await broker.start()
            for got in (50, 100):
                await until(lambda got=got: len(set(other.results())) == got)  # type: ignore[misc]
                broker.kill()
                line.answer(*range(got, got + 20))
                await asyncio.sleep(0.1)
                await broker.start()
                for seq in range(got + 20, got + 50):
                    line.answer(seq)
                    await asyncio.sleep(0.001)
            await until(lambda: len(set(other.results())) == 150)
            await delivered(line)
        assert list(dict.fromkeys(other.results())) == list(range(150))

    run(test())


async def delivered(line: FakeInference) -> None:
    """Wait until the cursor says that all of the log is."""
    await until(lambda: Cursor(line.folder.cursors / "mqtt.json").number == line.log.number)


def test_a_gateway_that_dies_is_seen_by_others(folder: Path, broker: Mosquitto) -> None:
    async def test() -> None:
        await broker.start()
        other = Subscriber()
        port, cut = await relay(broker.port)

        def said() -> list[bool]:
            return [content for topic, content, _ in other.got if topic == "connected"]

        async with FakeInference(folder) as line, background(other.listen(broker.port)):
            async with publishing(line, MqttBroker(port=port)):
                await until(lambda: other.last("connected") is True)
                cut()
                print(said())
                await until(lambda: said() == [True, False, True])  # its last will in between
            await until(lambda: said() == [True, False, True, False])  # its goodbye

    run(test())


async def relay(port: int) -> tuple[int, Callable[[], None]]:
    """Return a port that leads to another one, and what cuts off all that goes over it."""
    writers: list[asyncio.StreamWriter] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while content := await reader.read(2**16):
                writer.write(content)
        writer.transport.abort()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        writers.extend((writer, to_writer))
        await asyncio.gather(pass_on(reader, to_writer), pass_on(to_reader, writer))

    server = await asyncio.start_server(connected, "127.0.0.1", 0)

    def cut() -> None:
        for writer in writers:
            writer.transport.abort()
        writers.clear()

    return server.sockets[0].getsockname()[1], cut


def test_a_password_is_asked_for_and_given(folder: Path) -> None:
    passwords, given = folder / "passwords", folder / "given"
    passwords.touch(0o600)
    subprocess.run(["mosquitto_passwd", "-b", passwords, "line", "geheim"], check=True)
    broker = Mosquitto(folder, "allow_anonymous false", f"password_file {passwords}")
    settings = MqttBroker(port=broker.port, username="line", password_file=given)

    async def test() -> None:
        await broker.start()
        other = Subscriber()
        listening = background(other.listen(broker.port, username="line", password="geheim"))
        async with FakeInference(folder) as line, listening:
            line.answer(1)
            given.write_text("falsch\n", encoding="utf-8")
            async with publishing(line, settings):
                await asyncio.sleep(0.3)
                assert other.got == []
            given.write_text("geheim\nanything else\n", encoding="utf-8")
            async with publishing(line, settings):
                await until(lambda: other.results() == [1])

    try:
        run(test())
    finally:
        broker.kill()


def test_over_tls_only_a_broker_whose_signer_is_known_gets_anything(folder: Path) -> None:
    good, bad = certificate(folder / "good"), certificate(folder / "bad")
    broker = Mosquitto(folder, "allow_anonymous true", f"certfile {good}", f"keyfile {good.with_suffix('.key')}")
    tls = ssl.create_default_context(cafile=str(good))

    async def test() -> None:
        await broker.start()
        other = Subscriber()
        async with FakeInference(folder) as line, background(other.listen(broker.port, tls_context=tls)):
            line.answer(1)
            async with publishing(line, MqttBroker(port=broker.port, certificates=bad)):
                await asyncio.sleep(0.3)
                assert other.got == []
            async with publishing(line, MqttBroker(port=broker.port, certificates=good)):
                await until(lambda: other.results() == [1])

    try:
        run(test())
    finally:
        broker.kill()


def certificate(folder: Path) -> Path:
    """Make a certificate that a broker on this machine vouches for itself with, and its key."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, folder.name)])
    here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now - timedelta(1), now + timedelta(1))
    signed = (
        builder.add_extension(here, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder.with_suffix(".pem")
    path.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.with_suffix(".key").write_bytes(private)
    return path


@pytest.mark.parametrize("setting", ["password_file", "certificates"])
def test_a_file_that_cannot_be_used_is_named(folder: Path, setting: str) -> None:
    for path in (folder / "missing", folder):
        sink = MqttSink(MqttBroker.model_validate({setting: path}), PLACE)
        with pytest.raises(InputError, match=str(path)):
            run(sink.start())

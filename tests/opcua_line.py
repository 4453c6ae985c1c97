"""A line that is served over OPC UA, in a thread: the server takes seconds to start, so tests share one."""

import asyncio
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from asyncua import Client, ua
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_private_key, generate_self_signed_app_certificate
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from fake_inference import FakeInference
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode
from rgbx_line.gateway.delivery import Feed, Reader
from rgbx_line.gateway.opcua.server import OpcUaFace
from rgbx_line.settings import LineFolder, LineSettings, OpcUaServer
from rgbx_line.users import Role, Users

PASSWORD = "a long secret"
CLIENT_URI = "urn:test:client"
MODELS = [
    {"number": 2, "name": "older", "role": "previous", "sha256": "22" * 32},
    {"number": 3, "name": "newer", "role": "active", "sha256": "33" * 32},
]
Answer = TypeVar("Answer")


class Inference(FakeInference):
    """Knows two models, and does as it is told."""

    async def _answer(self, do: str, content: dict[str, Any]) -> dict[str, Any]:
        answer = await super()._answer(do, content)
        match do:
            case "models":
                return {"models": MODELS}
            case "halt":
                self.tell(ready=False, fault=FaultCode.HALTED)
            case "resume":
                self.tell(ready=True, fault=FaultCode.NONE)
            case "activate":
                self.tell(model_number=content["number"])
        return answer


class ServedLine:
    """The line, from the outside."""

    def __init__(self, folder: LineFolder) -> None:
        self.folder = folder
        self.inference: Inference
        self.face: OpcUaFace
        self.loop: asyncio.AbstractEventLoop
        self.stop: asyncio.Event
        self.started = threading.Event()

    async def serve(self, settings: LineSettings) -> None:
        self.loop, self.stop = asyncio.get_running_loop(), asyncio.Event()
        feeds: list[Feed] = []
        async with (
            Inference(self.folder.folder) as self.inference,
            Link(self.folder.socket, lambda state: [feed.tell(state) for feed in feeds] and None) as link,
        ):
            self.face = OpcUaFace(settings, self.folder, link)
            feeds.append(Feed("opcua", self.face, self.folder, Reader(self.folder), history=False))
            task = asyncio.create_task(feeds[0].run())
            try:
                while not (self.face.endpoint and link.state.ready) and feeds[0].problem is None:
                    await asyncio.sleep(0.01)
                assert feeds[0].problem is None, feeds[0].problem
                self.started.set()
                await self.stop.wait()
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def do(self, work: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
        """Call something where the line runs."""

        async def call() -> Answer:
            return work(*args, **kwargs)

        return asyncio.run_coroutine_threadsafe(call(), self.loop).result(20)

    def answer(self, seq: int) -> int:
        """Answer a part; return the number of its entry."""
        return self.do(self.inference.answer, seq)[0].number

    def reset(self) -> None:
        """Be ready, without a memory of what was asked."""
        self.inference.asked.clear()
        self.inference.refuses = False
        self.do(self.inference.tell, ready=True, busy=False, fault=FaultCode.NONE, model_number=3)

    def client(self, name: str | None = None, password: str = PASSWORD) -> Client:
        """Return a client without encryption."""
        client = Client(self.face.endpoint, timeout=10)
        client.application_uri = CLIENT_URI
        if name is not None:
            client.set_user(name)
            client.set_password(password)
        return client

    async def encrypted(self, paths: tuple[Path, Path], name: str | None = None, password: str = PASSWORD) -> Client:
        """Return a client that encrypts."""
        client = self.client(name, password)
        await client.set_security(
            SecurityPolicyBasic256Sha256, str(paths[0]), str(paths[1]), mode=ua.MessageSecurityMode.SignAndEncrypt
        )
        return client


def make_certificate(folder: Path, name: str, uri: str = CLIENT_URI) -> tuple[Path, Path]:
    """Make a client's certificate and its key."""
    key = generate_private_key()
    names = [x509.UniformResourceIdentifier(uri)]
    certificate = generate_self_signed_app_certificate(key, name, {}, names, [ExtendedKeyUsageOID.CLIENT_AUTH])
    paths = folder / f"{name}.der", folder / f"{name}.pem"
    paths[0].write_bytes(certificate.public_bytes(Encoding.DER))
    paths[1].write_bytes(dump_private_key_as_pem(key))
    return paths


@contextmanager
def served_line(**opcua: Any) -> Iterator[ServedLine]:
    """Serve a line with three users, on a free port."""
    with tempfile.TemporaryDirectory() as name:  # a short path, which a socket needs
        line = ServedLine(LineFolder(Path(name)))
        server = OpcUaServer(port=0, **opcua)
        settings = LineSettings(folder=line.folder.folder, bundle=Path("model.rgbx"), bins={"mixed": 1}, opcua=server)
        users = Users({}).with_user("olga", PASSWORD, Role.OPERATOR).with_user("emil", PASSWORD, Role.ENGINEER)
        users.with_user("admin", PASSWORD, Role.ADMINISTRATOR).write(line.folder.users)
        thread = threading.Thread(target=lambda: asyncio.run(line.serve(settings)))
        thread.start()
        try:
            assert line.started.wait(60)
            yield line
        finally:
            line.loop.call_soon_threadsafe(line.stop.set)
            thread.join(20)


def run(test: Coroutine[None, None, None]) -> None:
    """Run a test's coroutine, not for ever."""

    async def bounded() -> None:
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


async def until(true: Callable[[], Coroutine[None, None, bool]]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + 5.0
    while not await true():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.01)

"""The OPC UA server of a line."""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from asyncua import Server, ua

from rgbx_line.channel import Link
from rgbx_line.contract import LineState, PartResult, tags_of
from rgbx_line.gateway.opcua.access import GuardedServer
from rgbx_line.gateway.opcua.certificates import TrustList, application_uri, own_certificate, read_certificate, read_key
from rgbx_line.gateway.opcua.tags import FlatTags
from rgbx_line.gateway.opcua.vision import VisionSystem
from rgbx_line.gateway.opcua.vision_types import check_nodeset
from rgbx_line.log import Entry
from rgbx_line.settings import LineFolder, LineSettings, OpcUaServer

_log = structlog.get_logger(__name__)

_ENCRYPTED = [
    ua.SecurityPolicyType.Basic256Sha256_Sign,
    ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_Sign,
    ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
]
_MOST_CONNECTIONS = 100
_ACTIVATED_WITHIN_S = 10.0
"""A connection that is no session by then is closed."""
_LONGEST_REQUEST = 2**22
"""Bytes."""


class OpcUaFace:
    """The line as an OPC UA server: the contract's tags, and, given its nodeset, OPC 40100-1.

    Args:
        settings: of the line; ``settings.opcua`` of the server.
        folder: of the line.
        link: to inference.
    """

    def __init__(self, settings: LineSettings, folder: LineFolder, link: Link) -> None:
        self.endpoint = ""
        """The address that it serves at, once it has started."""
        self._settings = settings
        self._folder = folder
        self._link = link
        self._state = link.state
        self._last: PartResult | None = None
        self._entry = 0
        self._valid = False
        self._began = time.monotonic()
        self._news = asyncio.Event()
        self._showing = asyncio.Lock()
        self._server: Server | None = None
        self._tags: FlatTags | None = None
        self._vision: VisionSystem | None = None
        self._beat: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve.

        Raises:
            InputError: a certificate, its key or a nodeset cannot be used.
            OSError: the port is taken.
        """
        settings = self._settings.opcua or OpcUaServer()
        if settings.nodeset is not None:
            check_nodeset(settings.nodeset)
        await _check_free(settings)
        server = self._server = await self._make_server(settings)
        self._tags = FlatTags(server, self._link)
        await self._tags.build(tags_of(self._state, self._last, self._heartbeat(), self._valid))
        if settings.nodeset is not None:
            self._vision = VisionSystem(self._settings, self._folder, self._link)
            await self._vision.build(server, settings.nodeset)
        else:
            _log.info("OPC UA serves the flat tags alone: opcua.nodeset is not set")
        await server.start()
        for endpoint in server.iserver.endpoints:
            if endpoint.SecurityMode == ua.MessageSecurityMode.None_:
                # Over these a password would be refused, so clients are not asked for one.
                endpoint.UserIdentityTokens = endpoint.UserIdentityTokens[:1]
        assert server.bserver is not None
        self.endpoint = f"opc.tcp://{settings.host}:{server.bserver.port}/rgbx"
        _log.info("OPC UA server started", endpoint=self.endpoint)
        self._beat = asyncio.create_task(self._show_always())

    async def stop(self) -> None:
        """Send everybody away; does nothing where it was not started."""
        if self._beat is not None:
            self._beat.cancel()
            with suppress(asyncio.CancelledError):
                await self._beat
        if self._server is not None and self._server.bserver is not None:
            await self._server.stop()
        self._server = self._tags = self._vision = self._beat = None

    def tell(self, state: LineState) -> None:
        """Show what the line says of itself."""
        if self._beat is not None and self._beat.done():
            self._beat.result()  # raises what ended it
        self._state = state
        self._news.set()

    async def deliver(self, entry: Entry, result: PartResult) -> None:
        """Show a result, and return when clients that watch have been told; nothing happens at a second time."""
        if entry.number <= self._entry:
            return
        self._entry, self._last, self._valid = entry.number, result, not self._valid
        await self._show()
        if self._vision is not None:
            await self._vision.deliver(entry, result)

    async def _make_server(self, settings: OpcUaServer) -> Server:
        certificate, key = settings.certificate, settings.key
        if certificate is None or key is None:
            certificate, key = own_certificate(self._folder)
        inside = GuardedServer(settings, self._folder.users, TrustList(self._folder))
        inside.certificate = read_certificate(certificate)
        inside.private_key = read_key(key)
        inside.max_connections = _MOST_CONNECTIONS
        inside.max_pending_activation_seconds = _ACTIVATED_WITHIN_S
        server = Server(iserver=inside)
        server.name = f"rgbx line {self._settings.place.line}"
        server.application_type = ua.ApplicationType.Server
        server.limits.max_message_size = _LONGEST_REQUEST
        server.socket_address = (settings.host, settings.port)
        server.set_endpoint(f"opc.tcp://{settings.host}:{settings.port}/rgbx")
        await server.init()
        await server.set_application_uri(application_uri(inside.certificate))
        await server.set_build_info("urn:rgbx", "rgbx", "rgbx line", version("rgbx"), "0", datetime.now(UTC))
        # Without it clients may still ask for the endpoints, which all do before they encrypt.
        plain = [ua.SecurityPolicyType.NoSecurity] if settings.unencrypted and settings.anonymous else []
        server.set_security_policy([*plain, *_ENCRYPTED])
        anonymous = [ua.AnonymousIdentityToken] if settings.anonymous else []
        server.set_identity_tokens([*anonymous, ua.UserNameIdentityToken])
        return server

    def _heartbeat(self) -> int:
        return int(time.monotonic() - self._began)

    async def _show(self) -> None:
        async with self._showing:
            if self._tags is not None:
                await self._tags.show(tags_of(self._state, self._last, self._heartbeat(), self._valid))

    async def _show_always(self) -> None:
        while True:
            self._news.clear()
            await self._show()
            if self._vision is not None:
                await self._vision.tell(self._state)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), 1 - (time.monotonic() - self._began) % 1)


async def _check_free(settings: OpcUaServer) -> None:
    """Raise that the port is taken before a server is built, which takes seconds."""
    probe = await asyncio.get_running_loop().create_server(asyncio.Protocol, settings.host, settings.port)
    probe.close()
    await probe.wait_closed()

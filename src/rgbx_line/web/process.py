"""The web process: a server, until it is told to stop."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import structlog
import uvicorn

from rgbx.errors import InputError, RgbxError
from rgbx_line.channel import Link
from rgbx_line.settings import LOOPBACK, LineFolder, LineSettings, WebServer
from rgbx_line.web.app import build_app
from rgbx_line.web.uploads import discard_unfinished

LEAVE_WITHIN_S = 1
"""For requests that are being answered when the process is to stop; then they are cut off."""
CONNECTIONS_AT_ONCE = 200
_log = structlog.get_logger("rgbx.line.web")


async def run_web(settings: LineSettings, stop: asyncio.Event) -> None:
    """Serve until ``stop`` is set, and leave within 2 s then.

    Raises:
        InputError: the certificate or its key cannot be used.
        RgbxError: the port is taken, or the host is not this machine's.
    """
    web = settings.web or WebServer()
    folder = LineFolder(settings.folder)
    discard_unfinished(folder.uploads)
    with _listening(web) as listener:
        async with Link(folder.socket) as link:
            config = uvicorn.Config(
                build_app(settings, folder, link),
                ssl_certfile=web.certificate,
                ssl_keyfile=web.key,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ws="none",
                limit_concurrency=CONNECTIONS_AT_ONCE,
                timeout_graceful_shutdown=LEAVE_WITHIN_S,
            )
            _load(config, web)
            server = _Server(config)
            serving = asyncio.create_task(server.serve([listener]))
            stopping = asyncio.create_task(stop.wait())
            _say(web, listener)
            try:
                await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            finally:
                server.should_exit = True
                stopping.cancel()
                await serving


def at_once(listener: socket.socket) -> socket.socket:
    """Have connections of a listener send what they have at once, and return it.

    An answer goes out in two pieces. The second would wait until the other side has acknowledged the first, 40 ms;
    asyncio sees to this only for sockets that were made with TCP's own number.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


class _Server(uvicorn.Server):
    """Leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listening(web: WebServer) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.host else socket.AF_INET
    try:
        return at_once(socket.create_server((web.host, web.port), family=family))
    except OSError as error:
        raise RgbxError(
            f"The web server cannot listen at {web.host}, port {web.port} ({error.strerror}): choose others with "
            "web.host and web.port."
        ) from error


def _load(config: uvicorn.Config, web: WebServer) -> None:
    try:
        config.load()
    except OSError as error:  # of which OpenSSL's errors are some
        problem = f"or its key cannot be used ({error.strerror})"
        raise InputError(web.certificate or "", problem, "give PEM files that belong together") from error


def _say(web: WebServer, listener: socket.socket) -> None:
    scheme = "https" if web.certificate else "http"
    host = f"[{web.host}]" if ":" in web.host else web.host
    _log.info("web listens", url=f"{scheme}://{host}:{listener.getsockname()[1]}")
    if web.host != LOOPBACK and web.certificate is None:
        _log.warning("passwords cross the network in the clear: give web.certificate and web.key")

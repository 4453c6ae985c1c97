"""Who is let in over HTTP: names and passwords (HTTP Basic), and requests that a foreign page makes a browser send."""

import asyncio
import base64
import binascii
import hashlib
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.users import Role, Users

WRONG_A_MINUTE = 5
"""Failed logins from one address after which it is not listened to for a while."""
MINUTE_S = 60.0
AUDIT_WITHIN_S = 2.0
_READING = ("GET", "HEAD", "OPTIONS")
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_log = structlog.get_logger("rgbx.line.web")


class Refusal(RgbxError):
    """What a client is told instead of an answer.

    Args:
        status: of HTTP.
        sentence: why, and what to do.
        headers: more that belong to it.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = dict(headers or {})


class Caller(NamedTuple):
    """Somebody who has given a name and its password."""

    name: str
    role: Role


class Access:
    """Lets people in.

    Args:
        users: their file; a change of it counts at once.
        link: to inference, whose log failed logins go to.
    """

    def __init__(self, users: Path, link: Link) -> None:
        self._path = users
        self._link = link
        self._users = Users({})
        self._state: tuple[int, ...] | None = None
        self._key = secrets.token_bytes(32)
        self._let_in: dict[bytes, Caller] = {}
        """Who was checked before, by a keyed hash: a check of the password is slow on purpose."""
        self._wrong: deque[tuple[float, str]] = deque()
        """When, and from where, the failed logins of the last minute were."""
        self._told: dict[str, float] = {}
        """When the log was told of a failed login, by name."""
        self._one_at_a_time = asyncio.Lock()

    def needs(self, role: Role) -> Callable[[Request], Awaitable[Caller]]:
        """Return what gives a handler the person who asks, who may do what ``role`` may."""

        async def person(request: Request) -> Caller:
            found = await self.person(request)
            if not found.role.may(role):
                raise Refusal(403, f"{found.name} is {found.role}, and this needs the role {role}: ask one who has it.")
            return found

        return person

    async def person(self, request: Request) -> Caller:
        """Return who sends a request.

        Raises:
            Refusal: nobody who is known, or one who tries too often.
        """
        name, password = _credentials(request.headers.get("authorization", ""))
        person = await self.check(name, password, request)
        if person is None:
            raise _unknown("The name or the password is not right")
        return person

    async def check(self, name: str, password: str, request: Request) -> Caller | None:
        """Return who gives a name and its password; None, and note it, when they are not right.

        Raises:
            Refusal: who sends the request tries too often, or the file of users cannot be read.
        """
        users = self._current()
        given = hashlib.blake2b(f"{name}\0{password}".encode(), key=self._key).digest()
        if given in self._let_in:
            return self._let_in[given]
        address = request.client.host if request.client else ""
        async with self._one_at_a_time:
            self._check_not_too_often(address)
            role = await asyncio.to_thread(users.check, name, password)
            if role is None:
                self._wrong.append((time.monotonic(), address))
        if role is None:
            await self._tell(name, address)
            return None
        person = self._let_in[given] = Caller(name, role)
        return person

    def state_of_users(self) -> object:
        """Return what is another thing as soon as the file of users has changed.

        Raises:
            Refusal: it cannot be read.
        """
        self._current()
        return self._state

    def _current(self) -> Users:
        """Return the users, read again when their file has changed."""
        try:
            status = self._path.stat()
            state: tuple[int, ...] | None = (status.st_mtime_ns, status.st_size, status.st_ino)
        except FileNotFoundError:
            state = None
        if state != self._state:
            self._let_in.clear()
            self._state = None
            try:
                self._users = Users.read(self._path)
            except RgbxError as error:
                self._users = Users({})
                raise Refusal(503, str(error)) from error
            self._state = state
        return self._users

    def _check_not_too_often(self, address: str) -> None:
        while self._wrong and time.monotonic() - self._wrong[0][0] > MINUTE_S:
            self._wrong.popleft()
        if sum(where == address for _, where in self._wrong) >= WRONG_A_MINUTE:
            raise Refusal(
                429,
                "There were too many failed logins from here: try again in a minute.",
                {"Retry-After": str(int(MINUTE_S))},
            )

    async def _tell(self, name: str, address: str) -> None:
        """Note a failed login, in the line's log at most once a minute for a name."""
        _log.warning("login failed", who=name, address=address)
        now = time.monotonic()
        self._told = {told: when for told, when in self._told.items() if now - when < MINUTE_S}
        if name in self._told:
            return
        self._told[name] = now
        with suppress(RgbxError, TimeoutError):
            async with asyncio.timeout(AUDIT_WITHIN_S):
                await self._link.ask("audit", what="login failed", who=name, address=address)


class Guard:
    """Refuses what a page of another origin makes a browser send, and adds the headers that browsers obey.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)  # a page has its own for some
            await send(message)

        app = self._app
        if scope["method"] not in _READING and _is_foreign(Headers(scope=scope)):
            app = JSONResponse({"error": "This was sent by a page of another origin: use the line's own."}, 403)
        await app(scope, receive, send_with_headers)


def _is_foreign(headers: Headers) -> bool:
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _credentials(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise _unknown("This needs a name and a password")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise _unknown("The name and the password cannot be read") from None
    name, separator, password = text.partition(":")
    if not (name and separator):
        raise _unknown("The name or the password is missing")
    return name[:100], password


def _unknown(problem: str) -> Refusal:
    return Refusal(
        401,
        f"{problem}: send those of a user that `rgbx line user add` made, by HTTP Basic.",
        {"WWW-Authenticate": 'Basic realm="rgbx line", charset="UTF-8"'},
    )

"""The page Review alone, for results without a line, on this machine."""

import contextlib
import hmac
import secrets
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.review.desk import ReviewDesk
from rgbx_line.review.known import KnownByModel, KnownInFolder
from rgbx_line.review.lab import LabLog
from rgbx_line.review_mix import ReviewMix
from rgbx_line.settings import LOOPBACK, LineSettings
from rgbx_line.users import Role
from rgbx_line.web.access import Access, Caller, Guard, Refusal
from rgbx_line.web.pages.images import image_routes
from rgbx_line.web.pages.review import desk_pages
from rgbx_line.web.pages.sessions import SignedIn
from rgbx_line.web.pages.site import PAGES_FOLDER, STATIC, LineSite, Section, StaticPages, see_other
from rgbx_line.web.process import at_once

_KEY_BYTES = 32


class LabSite(LineSite):
    """Pages for the one person who has the address with the key, and without a line around them.

    Args:
        log: of the results.
        who: reviews, by name.
    """

    def __init__(self, log: LabLog, who: str) -> None:
        settings = LineSettings(folder=log.folder.folder, bundle=log.bundle, bins={})
        link = Link(log.folder.socket)
        super().__init__(settings, log.folder, link, Access(log.folder.users, link))
        self.key = secrets.token_urlsafe(_KEY_BYTES)
        self._log = log
        self._who = who
        self._templates.globals.update(
            layout="review-lab.html", sections=(Section("Review", "/review"),), line_name=log.folder.folder.stem
        )

    def needs(self, role: Role) -> Callable[[Request], Awaitable[SignedIn]]:  # noqa: ARG002
        """Return what gives a handler the person, if the browser was opened with the key."""

        async def person(request: Request) -> SignedIn:
            found = self.sessions.find(request.cookies.get(self.cookie, ""), None)
            if found is None:
                raise Refusal(401, "This needs the address that 'rgbx review' printed: open that.")
            request.state.person = found
            return found

        return person

    @property
    def announced(self) -> int:
        """Number of the last entry of the log."""
        return self._log.number

    def opened(self, key: str) -> Response:
        """Let a browser in that gives the key.

        Raises:
            Refusal: it does not.
        """
        if not hmac.compare_digest(key.encode(), self.key.encode()):
            raise Refusal(401, "This is not the key that 'rgbx review' printed: open its address.")
        session = self.sessions.begin(Caller(self._who, Role.OPERATOR), None)
        reply = see_other("/review")
        reply.set_cookie(self.cookie, session.token, path="/", httponly=True, samesite="strict")
        return reply


def build_lab(log: LabLog, mix: ReviewMix, site: LabSite) -> FastAPI:
    """Return the application.

    Args:
        log: of the results.
        mix: which of them are asked about.
        site: of the same log.
    """
    desk = ReviewDesk(log.folder, mix, lambda: log.knowledge, log.keep, lambda: log.number)
    others = None if mix.known is None else KnownInFolder(mix.known)
    app = FastAPI(title="rgbx review", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard)
    # A page of another site that has its name point here would be of one origin with this.
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[LOOPBACK, "localhost"])
    for error in (RgbxError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(error, partial(_refuse, site))

    @app.get("/open")
    async def opened(key: str) -> Response:
        return site.opened(key)

    @app.get("/")
    async def first() -> Response:
        return see_other("/review")

    app.mount(STATIC, StaticPages(directory=PAGES_FOLDER / "static"))
    app.include_router(desk_pages(site, desk, KnownByModel(lambda _: log.bundle, others)))
    app.include_router(image_routes(site))
    return app


def serve_lab(log: LabLog, mix: ReviewMix, who: str, port: int, say: Callable[[str], None]) -> None:
    """Serve until Ctrl-C, to this machine alone.

    Args:
        log: of the results.
        mix: which of them are asked about.
        who: reviews, by name.
        port: to listen on; a free one when 0.
        say: told the address to open, with its key.

    Raises:
        RgbxError: the port is taken.
    """
    site = LabSite(log, who)
    try:
        listener = at_once(socket.create_server((LOOPBACK, port)))
    except OSError as error:
        raise RgbxError(f"Port {port} cannot be had ({error.strerror}): give another one with --port.") from error
    config = uvicorn.Config(
        build_lab(log, mix, site),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    with listener, contextlib.suppress(KeyboardInterrupt):
        say(f"http://{LOOPBACK}:{listener.getsockname()[1]}/open?key={site.key}")
        uvicorn.Server(config).run([listener])


async def _refuse(site: LabSite, _: Request, error: Exception) -> Response:
    status, headers = 422, {}
    sentence = str(error)
    match error:
        case Refusal():
            status, headers = error.status, error.headers
        case HTTPException():
            status, sentence = error.status_code, f"{error.detail}."
        case RequestValidationError():
            sentence = "The request cannot be used: load the page again."
        case RgbxError():
            pass
        case _:
            status, sentence = 500, "Something went wrong: what this program prints says what."
    title = HTTPStatus(status).phrase
    reply = site.anonymous_page("review-refused.html", status, sentence=sentence, title=title)
    reply.headers.update(headers)
    return reply

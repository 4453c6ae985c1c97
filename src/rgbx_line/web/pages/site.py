"""What all pages stand on: who is signed in, templates, static files, and what a refusal looks like."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode, images_in, said_in
from rgbx_line.settings import LineFolder, LineSettings
from rgbx_line.users import Role
from rgbx_line.web.access import Access, Refusal
from rgbx_line.web.asking import announced_through, ask_inference
from rgbx_line.web.pages.ledger import Ledger
from rgbx_line.web.pages.pictures import Gallery, heat_url, picture_url, raw_url
from rgbx_line.web.pages.recent import Recent
from rgbx_line.web.pages.sessions import Sessions, SignedIn
from rgbx_line.web.pages.words import FILTERS, banner_of

PAGES_FOLDER = Path(__file__).parent
STATIC = "/static"
LARGEST_FORM = 100_000
"""Bytes."""
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "same-origin",  # without any, browsers call the origin of a form null
}


class Section(NamedTuple):
    """A link in the bar that all pages have."""

    title: str
    path: str


SECTIONS = (
    Section("Line", "/"),
    Section("Review", "/review"),
    Section("Models", "/models"),
    Section("Report", "/report"),
    Section("Audit", "/audit"),
)


class NotSignedIn(Refusal):
    """Nobody is signed in: the person is sent to the page for that, and from there to where they wanted to go."""

    def __init__(self) -> None:
        super().__init__(401, "Nobody is signed in: sign in first.")


class SentForm(NamedTuple):
    """A form that changes something, from somebody who may; its token has been checked."""

    person: SignedIn
    form: FormData

    def field(self, name: str, longest: int = 1000) -> str:
        """Return a field of the form, without spaces around.

        Raises:
            Refusal: it is missing, no text, or too long.
        """
        value = self.form.get(name)
        if not isinstance(value, str) or len(value) > longest:
            raise Refusal(422, f"The form's field {name} cannot be used: load the page again.")
        return value.strip()


class LineSite:
    """One for all pages of a web process.

    Args:
        settings: of the line.
        folder: of the line.
        link: to inference.
        access: who is let in.
    """

    def __init__(self, settings: LineSettings, folder: LineFolder, link: Link, access: Access) -> None:
        self.settings = settings
        self.folder = folder
        self.link = link
        self.access = access
        self.sessions = Sessions()
        self.recent = Recent(folder, link)
        self.ledger = Ledger(folder, link)
        self.gallery = Gallery()
        own = hashlib.sha256(str(folder.folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        # Cookies know no ports: two lines of one machine need two names.
        self.cookie = f"rgbx-{own}"
        self._templates = Environment(
            loader=FileSystemLoader(PAGES_FOLDER / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(FILTERS, part_url=part_url)
        self._templates.globals.update(
            static=static_url,
            picture=picture_url,
            heat=heat_url,
            raw=raw_url,
            images_in=images_in,
            said_in=said_in,
            sections=SECTIONS,
            line_name=settings.place.line,
        )

    def needs(self, role: Role) -> Callable[[Request], Awaitable[SignedIn]]:
        """Return what gives a handler the person who is signed in, who may do what ``role`` may."""

        async def person(request: Request) -> SignedIn:
            found = self.sessions.find(request.cookies.get(self.cookie, ""), self.access.state_of_users())
            if found is None:
                raise NotSignedIn
            request.state.person = found
            if not found.role.may(role):
                raise Refusal(403, f"{found.name} is {found.role}, and this needs the role {role}: ask one who has it.")
            return found

        return person

    def changes(self, role: Role) -> Callable[[Request], Awaitable[SentForm]]:
        """Return what gives a handler a form from somebody who may do what ``role`` may, with the right token.

        The token is the form's field ``csrf`` or the header ``X-CSRF``. The handler must not declare a body of its own.
        """
        needed = self.needs(role)

        async def change(request: Request) -> SentForm:
            person = await needed(request)
            form = await read_form(request)
            given = request.headers.get("x-csrf") or form.get("csrf")
            if not isinstance(given, str) or not hmac.compare_digest(given.encode(), person.csrf.encode()):
                raise Refusal(
                    403, "This form is not from a page of yours, or from before you signed in: load it again."
                )
            return SentForm(person, form)

        return change

    def page(self, person: SignedIn, template: str, section: str = "", status: int = 200, **context: Any) -> Response:
        """Return a page.

        Args:
            person: who reads it.
            template: its file; it extends ``base.html``.
            section: path of the section that it belongs to.
            status: of HTTP.
            context: what the template names beside what all have.
        """
        return self._html(template, status, person=person, section=section, sayings=person.heard(), **context)

    def fragment(self, person: SignedIn, template: str, **context: Any) -> Response:
        """Return a part of a page, for htmx."""
        return self._html(template, 200, person=person, **context)

    def anonymous_page(self, template: str, status: int = 200, **context: Any) -> Response:
        """Return a page for somebody who is not signed in."""
        return self._html(template, status, person=None, section="", sayings=[], **context)

    async def ask(self, do: str, within: float | None = None, **content: Any) -> dict[str, Any]:
        """Ask inference for something.

        Raises:
            Refusal: it refuses, is away or is silent.
        """
        return await ask_inference(self.link, do, within, **content)

    @property
    def announced(self) -> int:
        """Number of the last entry of the log that may be told of.

        Raises:
            Refusal: it is not known yet.
        """
        return announced_through(self.link)

    def refusal(self, request: Request, status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
        """Return the page that says why something was refused."""
        person = getattr(request.state, "person", None)
        context = {"sentence": sentence, "title": HTTPStatus(status).phrase}
        if person is None:
            reply = self.anonymous_page("refusal.html", status, **context)
        else:
            reply = self.page(person, "refusal.html", status=status, **context)
        reply.headers.update(headers or {})
        return reply

    def to_sign_in(self, request: Request) -> Response:
        """Return what leads to the page for signing in."""
        wanted = "/" if is_htmx(request) or request.method != "GET" else _path_of(request)
        target = sign_in_path(wanted)
        if is_htmx(request):  # a redirection would be followed by the script, not by the browser
            return Response(
                status_code=401, headers={"HX-Redirect": sign_in_path(_shown_path(request)), **PAGE_HEADERS}
            )
        return see_other(target)

    def _html(self, template: str, status: int, **context: Any) -> Response:
        state = self.link.state
        context |= {"state": state, "banner": banner_of(state), "halted": state.fault is FaultCode.HALTED}
        text = self._templates.get_template(template).render(context)
        return HTMLResponse(text, status, PAGE_HEADERS)


class StaticPages(StaticFiles):
    """Static files; those that are asked for by their content's hash may be kept for ever."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return a file."""
        reply = await super().get_response(path, scope)
        kept = b"v=" in scope["query_string"] and reply.status_code == HTTPStatus.OK
        reply.headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-cache"
        return reply


@cache
def static_url(name: str) -> str:
    """Return the address of a static file, which another content has another one of."""
    content = (PAGES_FOLDER / "static" / name).read_bytes()
    return f"{STATIC}/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


def part_url(part_id: str) -> str:
    """Return the address of a part's page, whatever the part is called."""
    quoted = quote(part_id, safe="")
    # A browser takes dots for steps between folders, even quoted ones, and some servers a quoted slash for a slash.
    if set(part_id) <= {"."} or "/" in part_id or "\\" in part_id:
        return f"/parts?{urlencode({'part': part_id})}"
    return f"/parts/{quoted}"


def sign_in_path(wanted: str) -> str:
    """Return the address of the page for signing in, which leads on to a wanted one."""
    return "/sign-in" if wanted == "/" else f"/sign-in?{urlencode({'next': wanted})}"


def see_other(path: str) -> Response:
    """Return what leads a browser to a page after a form."""
    return RedirectResponse(path, 303, PAGE_HEADERS)


def local_path(text: str) -> str:
    """Return a path of this site; the first page for what is none, such as another site."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable()
    return text if is_local else "/"


def is_htmx(request: Request) -> bool:
    """Say whether a request is htmx's own."""
    return request.headers.get("hx-request") == "true"


def wants_a_page(request: Request) -> bool:
    """Say whether who asks is a browser that shows a page, and no program."""
    if request.url.path.startswith("/api/"):
        return False
    return is_htmx(request) or "text/html" in request.headers.get("accept", "")


async def read_form(request: Request) -> FormData:
    """Read a small form.

    Raises:
        Refusal: it is too large, or of no stated size.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        raise Refusal(411, "The form does not say how long it is: load the page again.")
    if int(length) > LARGEST_FORM:
        raise Refusal(413, f"The form has more than {LARGEST_FORM} bytes: shorten it.")
    try:
        return await request.form(max_files=0, max_fields=200)
    except HTTPException as error:
        raise Refusal(400, f"The form cannot be read: {error.detail}") from error


def _path_of(request: Request) -> str:
    query = request.url.query
    return local_path(request.url.path + (f"?{query}" if query else ""))


def _shown_path(request: Request) -> str:
    """Return the page that a request of htmx comes from."""
    shown = request.headers.get("hx-current-url", "")
    origin = f"{request.url.scheme}://{request.headers.get('host', '')}"
    return local_path(shown.removeprefix(origin)) if shown.startswith(origin) else "/"

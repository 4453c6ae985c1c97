"""Signing in and out."""

import hmac
import secrets
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from rgbx_line.users import Role
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.sessions import LASTS_S
from rgbx_line.web.pages.site import LineSite, SentForm, local_path, read_form, see_other, sign_in_path

_WRONG = "The name or the password is not right."
_NONCE_BYTES = 32


def signing_in(site: LineSite) -> APIRouter:
    """Return the routes for signing in and out."""
    router = APIRouter()
    nonce_cookie = f"{site.cookie}-form"

    def form(request: Request, wanted: str, status: int = 200, trouble: str = "", name: str = "") -> Response:
        nonce = secrets.token_urlsafe(_NONCE_BYTES)
        reply = site.anonymous_page(
            "sign-in.html", status, csrf=site.sessions.sealed_nonce(nonce), wanted=wanted, trouble=trouble, name=name
        )
        _set_cookie(reply, request, nonce_cookie, nonce, 3600)
        return reply

    @router.get("/sign-in")
    async def ask_who(request: Request, wanted: Annotated[str, Query(alias="next")] = "/") -> Response:
        return form(request, local_path(wanted))

    @router.post("/sign-in")
    async def sign_in(request: Request) -> Response:
        given = await read_form(request)
        name, password, csrf, wanted = (str(given.get(field, "")) for field in ("name", "password", "csrf", "next"))
        wanted = local_path(wanted)
        sealed = site.sessions.sealed_nonce(request.cookies.get(nonce_cookie, ""))
        if not hmac.compare_digest(csrf.encode(), sealed.encode()):
            raise Refusal(403, "This form is too old, or the browser keeps no cookies: load the page again.")
        users = site.access.state_of_users()
        try:
            caller = await site.access.check(name[:100], password, request)
        except Refusal as error:
            if error.status != 429:
                raise
            reply = form(request, wanted, 429, str(error), name)
            reply.headers.update(error.headers)
            return reply
        if caller is None:
            return form(request, wanted, 403, _WRONG, name)
        session = site.sessions.begin(caller, users)
        reply = see_other(wanted)
        _set_cookie(reply, request, site.cookie, session.token, int(LASTS_S))
        reply.delete_cookie(nonce_cookie)
        return reply

    @router.post("/sign-out")
    async def sign_out(change: Annotated[SentForm, Depends(site.changes(Role.OPERATOR))]) -> Response:
        site.sessions.end(change.person)
        reply = see_other(sign_in_path("/"))
        reply.delete_cookie(site.cookie)
        return reply

    return router


def _set_cookie(reply: Response, request: Request, name: str, value: str, seconds: int) -> None:
    secure = request.url.scheme == "https"
    reply.set_cookie(name, value, max_age=seconds, path="/", secure=secure, httponly=True, samesite="strict")

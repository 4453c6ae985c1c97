"""A line's web application before a fake inference, and clients of it."""

import functools
import html
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from PIL import Image

from fake_inference import FakeInference, until
from rgbx_line.channel import Link
from rgbx_line.settings import LineFolder, LineSettings
from rgbx_line.users import Role, Users
from rgbx_line.web.app import build_app
from rgbx_line.web.pages.site import LineSite

OPERATOR, ENGINEER = ("olga", "operators' secret"), ("emil", "engineers' secret")


@functools.cache
def people() -> Users:
    return Users({}).with_user(*OPERATOR, Role.OPERATOR).with_user(*ENGINEER, Role.ENGINEER)


def line_settings(folder: Path, **web: Any) -> LineSettings:
    people().write(LineFolder(folder).users)
    return LineSettings.model_validate(
        {"folder": folder, "bundle": folder / "bundle", "bins": {"mixed": 1}, "web": web}
    )


class Clock:
    """Stands until it is set."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class WebLine(FakeInference):
    """What is told to it, the web application has heard when :meth:`heard` returns."""

    link: Link
    app: FastAPI

    async def _answer(self, do: str, content: dict[str, Any]) -> dict[str, Any]:
        said = await super()._answer(do, content)
        return {"number": 7} if do == "add_model" else said

    @property
    def site(self) -> LineSite:
        """What all pages stand on."""
        return self.app.state.site

    async def heard(self) -> None:
        await until(lambda: self.link.state == self.state)
        self.site.recent.keep_up()
        while self.site.ledger.chain().through < self.site.ledger.chain().announced:
            self.site.ledger.walk_on()

    def addresses(self, method: str) -> list[str]:
        """Return all addresses, with the names of what varies in braces, that take a method."""
        return [path for path, methods in self.app.openapi()["paths"].items() if method.lower() in methods]


@asynccontextmanager
async def web_line(folder: Path, **web: Any) -> AsyncIterator[tuple[WebLine, httpx.AsyncClient]]:
    """Yield an inference that is ready, and a client, the operator's, of the application."""
    settings = line_settings(folder, **web)
    async with WebLine(folder) as inference, Link(inference.folder.socket) as link:
        app = build_app(settings, LineFolder(folder), link)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://line", auth=OPERATOR) as client:
            inference.link, inference.app = link, app
            await inference.heard()
            yield inference, client


async def sign_in(client: httpx.AsyncClient, person: tuple[str, str] = OPERATOR) -> str:
    """Sign somebody in to the pages, as a browser does; return the token that forms send back as ``csrf``."""
    client.auth = None
    client.headers["accept"] = "text/html"
    name, password = person
    form = await client.get("/sign-in")
    data = {"csrf": hidden_field(form.text, "csrf"), "next": "/", "name": name, "password": password}
    reply = await client.post("/sign-in", data=data)
    assert reply.status_code == 303, reply.text
    return hidden_field((await client.get("/")).text, "csrf")


def hidden_field(page: str, name: str) -> str:
    """Return the value of a form's hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', page)
    assert found is not None, page
    return html.unescape(found[1])


def png(width: int = 40, height: int = 30) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(content, "PNG")
    return content.getvalue()

"""A line's web application before a fake inference, and clients of it."""

import functools
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from fake_inference import FakeInference, until
from rgbx_line.channel import Link
from rgbx_line.settings import LineFolder, LineSettings
from rgbx_line.users import Role, Users
from rgbx_line.web.app import build_app

OPERATOR, ENGINEER = ("olga", "operators' secret"), ("emil", "engineers' secret")


@functools.cache
def people() -> Users:
    return Users({}).with_user(*OPERATOR, Role.OPERATOR).with_user(*ENGINEER, Role.ENGINEER)


def line_settings(folder: Path, **web: Any) -> LineSettings:
    people().write(LineFolder(folder).users)
    return LineSettings.model_validate(
        {"folder": folder, "bundle": folder / "bundle", "bins": {"mixed": 1}, "web": web}
    )


class WebLine(FakeInference):
    """What is told to it, the web application has heard when :meth:`heard` returns."""

    link: Link

    async def heard(self) -> None:
        await until(lambda: self.link.state == self.state)


@asynccontextmanager
async def web_line(folder: Path, **web: Any) -> AsyncIterator[tuple[WebLine, httpx.AsyncClient]]:
    """Yield an inference that is ready, and a client, the operator's, of the application."""
    settings = line_settings(folder, **web)
    async with WebLine(folder) as inference, Link(inference.folder.socket) as link:
        app = build_app(settings, LineFolder(folder), link)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://line", auth=OPERATOR) as client:
            inference.link = link
            await inference.heard()
            yield inference, client


def png(width: int = 40, height: int = 30) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(content, "PNG")
    return content.getvalue()

"""The page Report shows what the log says, to who may see it."""

import io
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fake_inference import run
from rgbx_line.web.pages.report import REPORT_POLICY
from web_line import sign_in, web_line

TODAY = {"since": f"{datetime.now(UTC):%Y-%m-%d}", "until": f"{datetime.now(UTC):%Y-%m-%d}"}


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def test_a_report_is_shown_and_its_tables_are_given(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1, 2, 3)
            await line.heard()
            await sign_in(client)
            form = await client.get("/report")
            assert 'action="/report/page"' in form.text
            page = await client.get("/report/page", params={**TODAY})
            assert page.status_code == 200
            assert page.headers["content-security-policy"] == REPORT_POLICY
            assert "<b>3</b><span>devices answered</span>" in page.text
            tables = await client.get("/report/tables", params=TODAY)
            with zipfile.ZipFile(io.BytesIO(tables.content)) as archive:
                assert archive.read("devices.csv").decode().splitlines()[1] == ",3,0,3"

    run(test())


def test_what_was_not_announced_is_not_told(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1)
            line.append(2)
            await line.heard()
            await sign_in(client)
            page = await client.get("/report/page", params=TODAY)
            assert "<b>1</b><span>devices answered</span>" in page.text

    run(test())


@pytest.mark.parametrize("since", ["yesterday", "2026-02-30", "9999-12-31", "<script>"])
def test_a_period_that_is_none_is_refused(folder: Path, since: str) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1)
            await line.heard()
            await sign_in(client)
            reply = await client.get("/report/page", params={"since": since, "until": since})
            assert reply.status_code == 422
            assert "<script>" not in reply.text

    run(test())


def test_nobody_sees_it_without_signing_in(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1)
            await line.heard()
            client.auth = None
            for path in ("/report", "/report/page", "/report/tables"):
                assert (await client.get(path, params=TODAY)).status_code in (303, 401)

    run(test())

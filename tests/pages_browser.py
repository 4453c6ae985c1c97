"""The pages of a line in a real Chromium: the web process as it runs, before a fake inference."""

import asyncio
import importlib.util
import shutil
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from fake_inference import FakeInference, until
from rgbx_line.web.process import run_web
from web_line import OPERATOR, line_settings

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
_LACKING = "Chromium" if CHROMIUM is None else None if importlib.util.find_spec("playwright") else "Playwright"
needs_browser = pytest.mark.skipif(_LACKING is not None, reason=f"{_LACKING} is not installed")
LEAVES_WITHIN_S = 2.0
needs_axe = pytest.mark.skipif(
    importlib.util.find_spec("axe_playwright_python") is None, reason="axe-playwright-python is not installed"
)


def run_in_browser(test: Coroutine[None, None, None]) -> None:
    """Run a test in an event loop, and no longer than two minutes."""

    async def bounded() -> None:
        async with asyncio.timeout(120):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def chromium() -> AsyncIterator["Browser"]:
    """Yield a browser."""
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def served_pages(folder: Path, **web: Any) -> AsyncIterator[tuple[str, FakeInference, asyncio.Event]]:
    """Run the web process; yield its address, its inference, and what stops it."""
    stop = asyncio.Event()
    with capture_logs() as logs:
        async with FakeInference(folder) as inference:
            process = asyncio.create_task(run_web(line_settings(folder, port=0, **web), stop))
            await until(lambda: process.done() or any(log["event"] == "web listens" for log in logs))
            if process.done():
                await process
            try:
                yield next(log["url"] for log in logs if "url" in log), inference, stop
            finally:
                stop.set()
                began = time.monotonic()
                await process
                assert time.monotonic() - began < LEAVES_WITHIN_S


@asynccontextmanager
async def signed_in_page(
    browser: "Browser", url: str, person: tuple[str, str] = OPERATOR, **context: Any
) -> AsyncIterator["Page"]:
    """Yield a page of somebody who has signed in; what a page says in its console as an error is one of the test."""
    shown = await browser.new_context(**{"viewport": {"width": 1024, "height": 768}, **context})
    page = await shown.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    await page.goto(f"{url}/sign-in")
    await page.fill("#name", person[0])
    await page.fill("#password", person[1])
    await page.press("#password", "Enter")
    await page.wait_for_selector("nav")
    try:
        yield page
    finally:
        await shown.close()
    assert errors == []


async def serious_findings(page: "Page") -> list[str]:
    """Return what axe-core finds that is serious or critical, a line each."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
    await page.evaluate(f"() => {{ {axe} }}")
    found: Any = await page.evaluate("() => axe.run()")
    return [
        f"{finding['impact']}: {finding['help']}: {finding['nodes'][0]['html'][:200]}"
        for finding in found["violations"]
        if finding["impact"] in ("serious", "critical")
    ]

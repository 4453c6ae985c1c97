"""The page Review in a real browser, by its keys alone."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_inference import until
from pages_browser import chromium, needs_axe, needs_browser, run_in_browser, serious_findings, served_pages
from review_line import CLASSES, drawn_images, model_answer
from reviewed_line import ReviewedLine, know_classes
from rgbx_line.review.known import KnownInFolder
from web_line import ENGINEER, OPERATOR

pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A line's folder, whose inference keeps opinions, and which has known devices to compare with."""
    know_classes(monkeypatch)
    monkeypatch.setattr("pages_browser.FakeInference", ReviewedLine)
    for label, name in enumerate(CLASSES):
        for modality, path in drawn_images(tmp_path / "drawn", name, label).items():
            (tmp_path / modality / name).mkdir(parents=True)
            path.rename(tmp_path / modality / name / path.name)
    monkeypatch.setattr("rgbx_line.web.pages.review.KnownByModel", lambda *_: KnownInFolder(tmp_path))
    with tempfile.TemporaryDirectory() as name:  # a short path, which a socket needs
        yield Path(name)


@asynccontextmanager
async def browsed(folder: Path) -> AsyncIterator[tuple[ReviewedLine, Any]]:
    """Yield a line and a browser's page, on which an operator has signed in."""
    async with served_pages(folder) as (url, line, _), chromium() as browser:
        assert isinstance(line, ReviewedLine)
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(f"{url}/sign-in")
        await page.fill("#name", OPERATOR[0])
        await page.fill("#password", OPERATOR[1])
        await page.press("#password", "Enter")
        await page.wait_for_selector("nav")
        yield line, page


def devices(folder: Path, count: int) -> list[dict[str, Any]]:
    made = []
    for place in range(count):
        images = drawn_images(folder / "camera", f"D{place}", place % 3)
        made.append(model_answer({"SP1": 0.4, "SP2": 0.35, "SP10": 0.25}, images=images))
    return made


async def opened(page: Any, path: str) -> None:
    await page.goto(page.url.rsplit("/", 1)[0] + path)


async def seen(page: Any) -> int:
    """Wait until the device's images are there; return its number."""
    await page.wait_for_function(
        "() => { const d = document.querySelector('.review-device:not([hidden])');"
        " return d && [...d.querySelectorAll('img')].every((i) => i.complete && i.naturalWidth > 0); }"
    )
    return int(await page.get_attribute(".review-device:not([hidden])", "data-number"))


async def kept(line: ReviewedLine, count: int) -> None:
    await until(lambda: len(line.opinions()) >= count, within=10.0)


def test_twenty_devices_a_minute_and_more(folder: Path, record_property: Any) -> None:
    async def test() -> None:
        async with browsed(folder) as (line, page):
            line.add(*devices(folder, 45))
            await opened(page, "/review")
            expected = []
            began = time.monotonic()
            for place in range(40):
                number = await seen(page)
                key, label = [("1", "SP1"), ("2", "SP2"), ("u", "unknown"), (" ", "skip")][place % 4]
                await page.keyboard.press(key)
                expected.append((number, label, OPERATOR[0]))
            took = time.monotonic() - began
            await kept(line, 40)
            assert line.opinions() == expected
            assert len({number for number, *_ in expected}) == 40
            counts = "document.querySelector('#review-counts').textContent"
            await page.wait_for_function(f"() => {counts}.includes('40, over all time')")
            record_property("devices_a_minute", 40 * 60 / took)
            print(f"{40 * 60 / took:.0f} devices a minute")

    run_in_browser(test())


def test_backspace_brings_the_device_back(folder: Path) -> None:
    async def test() -> None:
        async with browsed(folder) as (line, page):
            line.add(*devices(folder, 8))
            await opened(page, "/review")
            first = await seen(page)
            await page.keyboard.press("1")
            second = await seen(page)
            assert second != first
            await page.keyboard.press("Backspace")
            await page.keyboard.press("2")  # nothing is shown yet, so it is meant for nothing
            await kept(line, 2)
            assert await seen(page) == first
            await page.keyboard.press("2")
            await kept(line, 3)
            assert line.opinions() == [(first, "SP1", "olga"), (first, None, "olga"), (first, "SP2", "olga")]

    run_in_browser(test())


def test_what_is_not_kept_stops_the_page(folder: Path) -> None:
    async def test() -> None:
        async with browsed(folder) as (line, page):
            line.add(*devices(folder, 8))
            await opened(page, "/review")
            await seen(page)
            line.refuses = True
            await page.keyboard.press("1")
            await page.wait_for_selector("#review-trouble:not([hidden])")
            assert "disk is full" in await page.text_content("#review-trouble")
            line.refuses = False
            await page.keyboard.press("1")
            await asyncio.sleep(0.5)
            assert line.opinions() == []

    run_in_browser(test())


def test_a_class_that_has_no_column_is_reached_by_keys(folder: Path) -> None:
    async def test() -> None:
        async with browsed(folder) as (line, page):
            line.add(*devices(folder, 3))
            await opened(page, "/review")
            number = await seen(page)
            await page.keyboard.press("c")
            await page.keyboard.type("SP10")
            await page.keyboard.press("Tab")
            await page.keyboard.press("Enter")
            await kept(line, 1)
            assert line.opinions() == [(number, "SP10", "olga")]
            assert await seen(page) != number
            assert await page.evaluate("document.activeElement.id") == "review-stage"

    run_in_browser(test())


@needs_axe
def test_the_pages_are_for_everybody(folder: Path) -> None:
    async def test() -> None:
        async with browsed(folder) as (line, page):
            strange = [model_answer({"SP1": 0.4, "SP2": 0.35}, reason="unknown", images=drawn_images(folder, "U", 0))]
            numbers = line.add(*devices(folder, 3), *strange * 4)
            for who, label in ((OPERATOR, "SP1"), (ENGINEER, "SP2")):
                content = {"number": numbers[0], "part_id": "P1", "label": label, "who": who[0], "why": "margin"}
                await line._answer("review", content)
            home = page.url
            for path in ("review", "review/groups", "review/disputed"):
                await page.goto(home + path)
                assert await serious_findings(page) == [], path

    run_in_browser(test())

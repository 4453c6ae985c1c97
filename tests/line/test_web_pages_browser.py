"""The pages in a real Chromium: they keep themselves up to date, can be used without a mouse, and are readable."""

import asyncio
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fake_inference import FakeInference, until
from pages_browser import (
    chromium,
    needs_axe,
    needs_browser,
    run_in_browser,
    serious_findings,
    served_pages,
    signed_in_page,
)
from rgbx_line.contract import FaultCode
from rgbx_line.models import ModelStore
from rgbx_line.web.pages.site import part_url
from shown_devices import shown_result
from tiny_bundle import write_untrained_bundle
from web_line import ENGINEER

pytestmark = needs_browser


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def answer(inference: FakeInference, folder: Path, *seqs: int) -> None:
    """Have devices answered that have images."""
    results = [shown_result(folder / "came", seq).model_dump(mode="json") for seq in seqs]
    inference.log.append([("result", result) for result in results])
    inference.tell()


def test_the_line_page_shows_the_next_part_by_itself(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            answer(inference, folder, 1, 2)
            async with signed_in_page(browser, url) as page:
                await page.wait_for_selector("text=A2")
                answer(inference, folder, 3)
                await page.wait_for_selector(".last-name a:text-is('A3')")
                shown = "() => [...document.querySelectorAll('.last-image img')].every(each => each.naturalWidth)"
                await page.wait_for_function(shown)
                assert await page.locator(".last-image img").count() == 4, "both images, and where each stream looked"
                inference.tell(ready=False, fault=FaultCode.HALTED, fault_text="Ada halted the line.")
                await page.wait_for_selector(".banner-headline:text-is('Halted')")
                assert "Resume" in await page.inner_text(".banner")

    run_in_browser(test())


@pytest.mark.parametrize("width", [800, 1024, 1280, 1920])
def test_the_name_of_a_bin_stays_in_one_piece(folder: Path, width: int) -> None:
    """Broken in two, SP10 reads as SP1."""
    names = (
        "SP1",
        "SP10",
        "WWW",
        "WWWW",
        "MMMMM",
        "Tablet",
        "Battery",
        "Grade W",
        "REV0-4mm",
        "Mobile-phone",
        "Hazardous waste bin",
        "Refrigerators",
        "Uninterruptible power supplies",
    )

    async def test() -> None:
        async with (
            served_pages(folder) as (url, inference, _),
            chromium() as browser,
            signed_in_page(browser, url, viewport={"width": width, "height": 880}) as page,
        ):
            for seq, name in enumerate(names, start=1):
                result = shown_result(folder / "came", seq).model_dump(mode="json") | {"bin": name}
                inference.log.append([("result", result)])
                inference.tell()
                await page.wait_for_selector(f".last-bin:text-is('{name}')")
                lines, fits = await page.evaluate(
                    """() => { const shown = document.querySelector('.last-bin');
                    const range = document.createRange(); range.selectNodeContents(shown);
                    const tops = new Set([...range.getClientRects()].map(each => Math.round(each.top)));
                    return [tops.size, shown.scrollWidth <= shown.clientWidth]; }"""
                )
                assert lines <= len(name.split()), name
                assert fits, name

    run_in_browser(test())


@pytest.mark.slow
def test_ten_open_pages_hold_up_no_stop_and_say_that_they_are_old(folder: Path) -> None:
    async def test() -> None:
        async with chromium() as browser, served_pages(folder) as (url, inference, stop):
            answer(inference, folder, *range(1, 30))
            shown = await browser.new_context()
            page = await shown.new_page()
            await page.goto(f"{url}/sign-in")
            await page.fill("#name", "olga")
            await page.fill("#password", "operators' secret")
            await page.press("#password", "Enter")
            await page.wait_for_selector("#banner")
            for _ in range(9):
                await (await shown.new_page()).goto(url)
            assert await page.locator("#no-contact").is_hidden()
            stop.set()
            await until(lambda: not any("run_web" in str(task.get_coro()) for task in asyncio.all_tasks()), within=20)
            await page.bring_to_front()
            await page.wait_for_selector("#no-contact:visible", timeout=30_000)

    run_in_browser(test())


@pytest.mark.slow
def test_signing_in_halting_and_resuming_take_no_mouse(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            page = await (await browser.new_context()).new_page()
            await page.goto(url)
            await page.keyboard.type("olga")
            await page.keyboard.press("Tab")
            await page.keyboard.type("operators' secret")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("#banner")
            await tab_to(page, "Halt")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("dialog[open]")
            await page.keyboard.press("Escape")
            await page.wait_for_selector("dialog", state="detached")
            assert ("halt", {"who": "olga"}) not in inference.asked
            await tab_to(page, "Halt")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("dialog[open]")
            await page.keyboard.press("Enter")
            await page.wait_for_selector("text=The line is halted.")
            assert inference.asked == [("halt", {"who": "olga"})]

    run_in_browser(test())


async def tab_to(page, text: str) -> None:
    """Press Tab until the control with a text has the focus, which can be seen."""
    for _ in range(40):
        await page.keyboard.press("Tab")
        focused = await page.evaluate("document.activeElement.textContent.trim()")
        if focused == text:
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    raise AssertionError(f"no Tab leads to {text}")


@pytest.mark.slow
def test_a_focus_stays_where_it_is_when_the_page_changes(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            answer(inference, folder, 1, 2, 3)
            async with signed_in_page(browser, url) as page:
                await page.focus("#part-1 a, #part-" + str(inference.log.number - 2) + " a")
                focused = await page.evaluate("document.activeElement.getAttribute('href')")
                answer(inference, folder, 4)
                await page.wait_for_selector(".last-name a:text-is('A4')")
                assert await page.evaluate("document.activeElement.getAttribute('href')") == focused

    run_in_browser(test())


@pytest.mark.slow
def test_zoom_window_and_maps_of_a_part(folder: Path) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            answer(inference, folder, 1)
            async with signed_in_page(browser, url) as page:
                await page.goto(url + part_url("A1"))
                await page.wait_for_function(
                    "() => document.querySelectorAll('.viewer-canvas[data-loaded]').length === 2"
                )
                await page.wait_for_timeout(300)
                before = await pixels(page)
                await page.click("#zoom-in")
                await page.wait_for_timeout(100)
                zoomed = await pixels(page)
                assert all(one != other for one, other in zip(before, zoomed, strict=True)), "both are zoomed"
                await page.focus(".viewer-canvas[data-modality=rgb]")
                await page.keyboard.press("ArrowLeft")
                await page.wait_for_timeout(100)
                moved = await pixels(page)
                assert all(one != other for one, other in zip(zoomed, moved, strict=True)), "both are moved"
                await page.keyboard.press("0")
                await page.wait_for_timeout(100)
                assert await pixels(page) == before
                await page.check("#window-invert")
                await page.wait_for_timeout(100)
                inverted = await pixels(page)
                assert (inverted[0] == before[0], inverted[1] == before[1]) == (True, False), "the radiograph alone"
                await page.uncheck("#window-invert")
                await page.fill("#heat-strength", "0")
                await page.wait_for_timeout(100)
                assert all(one != other for one, other in zip(before, await pixels(page), strict=True))

    run_in_browser(test())


async def pixels(page) -> list[str]:
    """Return what both canvases show, the photograph first."""
    return await page.evaluate("[...document.querySelectorAll('.viewer-canvas')].map(each => each.toDataURL())")


@pytest.mark.slow
@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(folder: Path, scheme: str) -> None:
    store = ModelStore(folder / "models")
    store.add(write_untrained_bundle(folder / "one"), "Ada")
    store.activate(1)

    today = f"{datetime.now(UTC):%Y-%m-%d}"
    report = f"/report/page?since={today}&until={today}"

    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            answer(inference, folder, *range(1, 25))
            inference.log.append([("audit", {"what": "halted", "who": "Ada"})])
            inference.tell()
            page = await (await browser.new_context(color_scheme=scheme)).new_page()
            await page.goto(f"{url}/sign-in")
            assert await serious_findings(page) == []
            async with signed_in_page(browser, url, ENGINEER, color_scheme=scheme) as page:
                for path in ("/", "/parts/A14", "/parts", "/models", "/report", report, "/audit"):
                    await page.goto(url + path)
                    await page.wait_for_timeout(700)
                    assert await serious_findings(page) == [], path

    run_in_browser(test())


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1024, 768), (768, 1024), (1920, 1080)])
def test_nothing_is_cut_off_and_all_can_be_touched(folder: Path, width: int, height: int) -> None:
    async def test() -> None:
        async with served_pages(folder) as (url, inference, _), chromium() as browser:
            answer(inference, folder, *range(1, 25))
            size = {"width": width, "height": height}
            async with signed_in_page(browser, url, ENGINEER, viewport=size) as page:
                for path in ("/", "/parts/A14", "/models", "/audit"):
                    await page.goto(url + path)
                    wide = await page.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, path
                    small = await page.evaluate(
                        """[...document.querySelectorAll('button, select, a.button, nav a, .tile, input')]
                        .filter(each => !['checkbox', 'radio', 'range', 'hidden'].includes(each.type))
                        .filter(each => each.offsetParent)
                        .filter(each => each.getBoundingClientRect().height < 44)
                        .map(each => each.outerHTML.slice(0, 100))"""
                    )
                    assert small == [], path

    run_in_browser(test())

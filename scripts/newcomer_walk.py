"""The walk of docs/guides/newcomer.md in a browser, with its pictures: from the first page to a promoted model.

    python scripts/newcomer_walk.py line.yaml --belt belt --unit new/SP11/SP11-001 --unit new/SP11/SP11-002 \
        --name SP11 --person ada --password SECRET [--pictures docs/pictures]

The line runs, with simulated cameras that show the sets ``belt/rgb`` and ``belt/xray``. What a device is, which the
reviewer has to know, is found there: by the pixels of its images. Needs Playwright and a Chromium.
"""

import argparse
import asyncio
import hashlib
import io
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from PIL import Image

from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.modality import MODALITIES, Modality
from rgbx.samples import SampleSet
from rgbx_line.settings import LineFolder, LineSettings, read_settings
from rgbx_line.web.pages.entries import find_entry, image_file

if TYPE_CHECKING:
    from playwright.async_api import Page

VIEWPORT = {"width": 1280, "height": 880}
LARGEST_PICTURE = 150_000
"""Bytes."""
FIRST_REVIEWS = 10
MOST_REVIEWS = 400
"""After which a candidate that is not proven never will be."""
LAST = 10**9


class Walk(NamedTuple):
    """Who walks, where, and what they know.

    The pages let no text run as a script, so what is waited for has to be a function.
    """

    page: "Page"
    url: str
    labels: "BeltLabels"
    picture: Callable[[str], Awaitable[None]]
    say: Callable[[str], None]


class BeltLabels:
    """What the devices on the belt are, as somebody sees who holds one in their hands.

    Args:
        settings: of the line.
        belt: folder with the sets ``rgb`` and ``xray`` that the simulated cameras show.
    """

    def __init__(self, settings: LineSettings, belt: Path) -> None:
        self._folder = LineFolder(settings.folder)
        self._labels: dict[str, str] = {}
        for modality in MODALITIES:
            samples = SampleSet.open(belt / modality)
            self._labels |= {_digest(samples.path(record), modality): record.label for record in samples}

    def of(self, number: int) -> str:
        """Return the class of the device of a line of the log; one that came while a camera started lacks an image."""
        entry = find_entry(self._folder, number, LAST)
        assert entry is not None, number
        seen = {modality: image_file(self._folder, entry, modality) for modality in MODALITIES}
        (label,) = {self._labels[_digest(path, modality)] for modality, path in seen.items() if path is not None}
        return label


async def walk(walker: Walk, person: tuple[str, str], name: str, units: list[Path]) -> None:
    """Go all the way.

    Args:
        walker: who walks.
        person: name and password of an engineer.
        name: of the new class.
        units: folders of its scanned units.
    """
    page = walker.page
    await sign_in(walker, person)
    await page.wait_for_function("() => document.querySelectorAll('.tile').length > 8", timeout=600_000)
    await walker.picture("line")
    await look_at_a_part(walker)
    await review(walker, FIRST_REVIEWS, picture="review")
    walker.say(f"{FIRST_REVIEWS} devices are reviewed.")
    await add_class(walker, name, units)
    await make_candidate(walker)
    walker.say("The candidate shadows the active model.")
    reviews = await review_until_proven(walker)
    walker.say(f"It is proven after {reviews} more reviews.")
    await promote(walker)
    walker.say("It answers.")
    await see_it_audited(walker)
    await page.goto(f"{walker.url}/report")
    await page.click("button:text-is('Show')")
    await page.wait_for_selector("#availability")
    await walker.picture("report")


async def sign_in(walker: Walk, person: tuple[str, str]) -> None:
    """Sign in, once the line's web process is there."""
    page = walker.page
    end = time.monotonic() + 180.0
    while True:
        try:
            await page.goto(f"{walker.url}/sign-in")
            break
        except Exception as error:
            if "ERR_CONNECTION_REFUSED" not in str(error) or time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)
    await page.fill("#name", person[0])
    await page.fill("#password", person[1])
    await page.press("#password", "Enter")
    await page.wait_for_selector("#banner")


async def look_at_a_part(walker: Walk) -> None:
    """Open the page of the part that was answered last."""
    page = walker.page
    await page.click(".last-name a")
    await page.wait_for_function("() => document.querySelectorAll('.viewer-canvas[data-loaded]').length === 2")
    await walker.picture("part")


async def review(walker: Walk, devices: int, picture: str = "") -> None:
    """Say what some devices are, by the keyboard."""
    page = walker.page
    await page.goto(f"{walker.url}/review")
    for place in range(devices):
        shown = await _seen(walker)
        if picture and place == 0:
            await page.wait_for_timeout(1000)
            await walker.picture(picture)
        label = walker.labels.of(int(shown))
        button = page.locator(f'.review-device:not([hidden]) button[data-label="{label}"]')
        if await button.count():
            await page.keyboard.press(str(await button.get_attribute("data-key")))
        else:
            await page.keyboard.press("c")
            await page.select_option("#review-class", label)
            await page.click("#review-other button")
        await page.wait_for_selector(f'.review-device[data-number="{shown}"]', state="detached")
    await page.wait_for_load_state("networkidle")


async def _seen(walker: Walk) -> str:
    """Wait for a device whose images are there; return its number."""
    await walker.page.wait_for_function(
        "() => { const shown = document.querySelector('.review-device:not([hidden])');"
        " return shown && [...shown.querySelectorAll('img[data-needed]')].every((image) => image.complete); }",
        timeout=180_000,
    )
    return str(await walker.page.get_attribute(".review-device:not([hidden])", "data-number"))


async def add_class(walker: Walk, name: str, units: list[Path], within: float = 1800.0) -> None:
    """Have a job add a class to the active model, and put what it made into the store."""
    page = walker.page
    await page.goto(f"{walker.url}/models")
    await page.fill("#class-name", name)
    await page.fill("#class-units", "\n".join(str(unit.resolve()) for unit in units))
    await page.click("text=Add the class")
    await page.wait_for_selector(f"text=makes a model with the class {name}")
    end = time.monotonic() + within
    pictured = False
    while not await page.locator("text=Add its model to the store").count():
        if not pictured and await page.locator("#jobs progress").count():
            await page.locator("#jobs").scroll_into_view_if_needed()
            await walker.picture("models-job")
            pictured = True
        said = (await page.locator("#jobs .job").first.inner_text()).replace("\n", " ")
        assert not said.startswith("failed"), said
        assert time.monotonic() < end, said
        await page.wait_for_timeout(1000)
    await page.click("text=Add its model to the store")
    await page.wait_for_selector("text=The bundle is in the store as model", timeout=120_000)


async def make_candidate(walker: Walk) -> None:
    """Have the newest model shadow the active one."""
    page = walker.page
    await page.goto(f"{walker.url}/models")
    await page.locator(".model").first.locator("text=Make candidate").click()
    await page.wait_for_selector("text=is the candidate.", timeout=180_000)


async def review_until_proven(walker: Walk, at_once: int = 10) -> int:
    """Review until the button may be pressed; return how many devices that took."""
    page = walker.page
    pictured = False
    for reviews in range(0, MOST_REVIEWS, at_once):
        await page.goto(f"{walker.url}/models")
        if await page.locator(".model-candidate button:text-is('Promote')").is_enabled():
            await walker.picture("models-proven")
            return reviews
        if not pictured and "rests on 0 devices" not in await page.inner_text(".models-proof"):
            await walker.picture("models-proof")
            pictured = True
        await review(walker, at_once)
    await page.goto(f"{walker.url}/models")
    said = await page.inner_text(".models-proof")
    raise AssertionError(f"the candidate is not proven after {MOST_REVIEWS} reviews: {said}")


async def promote(walker: Walk) -> None:
    """Press the button, and see the next part answered by the new model."""
    page = walker.page
    await page.goto(f"{walker.url}/models")
    number = await page.inner_text(".model-candidate .model-number")
    await page.click(".model-candidate button:text-is('Promote')")
    await page.click("dialog[open] button[value=yes]")
    await page.wait_for_selector(f"text=Model {number} answers, from the next part on.", timeout=180_000)
    await page.goto(f"{walker.url}/")
    await page.wait_for_function(
        f"() => [...document.querySelectorAll('.last-facts dd')].some((each) => each.textContent === '{number}')",
        timeout=120_000,
    )
    await walker.picture("line-after")


async def see_it_audited(walker: Walk, within: float = 120.0) -> None:
    """Look at the page Audit until the promotion is there: lines come once they are checked."""
    page = walker.page
    await page.goto(f"{walker.url}/audit")
    end = time.monotonic() + within
    while not await page.locator("td:text-is('promotion allowed')").count():
        assert time.monotonic() < end, await page.inner_text("main")
        await page.wait_for_timeout(1000)
        await page.reload()
    await walker.picture("audit")


def keeps_pictures(page: "Page", folder: Path | None) -> Callable[[str], Awaitable[None]]:
    """Return what writes ``newcomer-NAME.webp`` into a folder; it does nothing without one."""

    async def picture(name: str) -> None:
        if folder is None:
            return
        await page.wait_for_timeout(700)  # images that are being loaded, charts that are being drawn
        content = Image.open(io.BytesIO(await page.screenshot()))
        for quality in range(90, 20, -10):
            content.save(folder / f"newcomer-{name}.webp", quality=quality, method=6)
            if (folder / f"newcomer-{name}.webp").stat().st_size <= LARGEST_PICTURE:
                return

    return picture


async def open_browser(
    settings: LineSettings, belt: Path, pictures: Path | None, go: Callable[[Walk], Awaitable[Any]]
) -> None:
    """Walk in a browser that is closed afterwards."""
    from playwright.async_api import async_playwright

    assert settings.web is not None
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = await browser.new_page(viewport=VIEWPORT)
        page.set_default_timeout(60_000)
        url = f"http://{settings.web.host}:{settings.web.port}"
        try:
            await go(
                Walk(page, url, BeltLabels(settings, belt), keeps_pictures(page, pictures), lambda text: print(text))
            )
        except Exception:
            print(f"It ends at {page.url}, which says:\n{await page.inner_text('body', timeout=5000)}")
            raise
        finally:
            await browser.close()


def _digest(path: Path, modality: Modality) -> str:
    pixels = read_photograph(path) if modality == "rgb" else np.rint(read_radiograph(path) * 65535).astype(np.uint16)
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def main() -> None:
    """Walk."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("line", type=Path, help="settings of a line that runs")
    parser.add_argument("--belt", type=Path, required=True, help="folder with the sets that the simulated cameras show")
    parser.add_argument("--unit", type=Path, action="append", required=True, help="folder of a scanned unit")
    parser.add_argument("--name", default="SP11", help="of the new class")
    parser.add_argument("--person", default="ada", help="an engineer")
    parser.add_argument("--password", required=True)
    parser.add_argument("--pictures", type=Path, help="folder for pictures; none are taken without it")
    given = parser.parse_args()
    person = (given.person, given.password)
    asyncio.run(
        open_browser(
            read_settings(given.line),
            given.belt,
            given.pictures,
            lambda walker: walk(walker, person, given.name, given.unit),
        )
    )


if __name__ == "__main__":
    main()

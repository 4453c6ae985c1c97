"""A drift alarm on the page Line: what an operator reads, how an engineer ends it, and its figures."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fake_inference import run
from pages_browser import (
    chromium,
    needs_axe,
    needs_browser,
    run_in_browser,
    serious_findings,
    served_pages,
    signed_in_page,
)
from rgbx_line.drift.report import ACKNOWLEDGED, DriftReport, StandingAlarm, write_drift
from rgbx_line.settings import LineFolder
from web_line import ENGINEER, OPERATOR, sign_in, web_line


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def alarm(signal: str, cause: str, number: int = 340, **changes: Any) -> StandingAlarm:
    found = {
        "signal": signal,
        "cause": cause,
        "number": number,
        "since": 301,
        "since_part": "P301",
        "since_time": datetime(2026, 3, 1, 12, tzinfo=UTC),
        "devices": 40,
        "strange": 36,
        "classes": ("SP5", "SP6"),
    }
    return StandingAlarm.model_validate({**found, **changes})


def say(folder: Path, *alarms: StandingAlarm, **changes: Any) -> None:
    levels = {"rgb warmth": 0.4, "xray": 0.1} | {each.signal: 1.0 for each in alarms}
    write_drift(LineFolder(folder), DriftReport(number=400, usual=0.025, levels=levels, alarms=alarms, **changes))


def test_an_operator_reads_what_to_look_at(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client, OPERATOR)
            assert "Drift alarm" not in (await client.get("/")).text
            say(
                folder,
                alarm("rgb warmth", "camera"),
                alarm("rgb brightness", "camera", 345, since=299, since_part="P299", devices=50),
                alarm("rgbx", "new devices"),
            )
            for path in ("/", "/live/drift"):
                page = " ".join((await client.get(path)).text.split())
                assert page.count('aria-label="Drift alarm') == 2
                assert "Photographs look otherwise than before." in page
                assert 'Since about part <a href="/parts/P299">P299</a>' in page
                assert "36 of 40 devices stand out, where 2.5 % would be usual." in page
                assert "colour of their light, brightness of photographs." in page
                assert "Look at the lamps" in page
                assert page.count("The model takes them for SP5, SP6 above all.") == 1
                assert "/drift/acknowledge" not in page
                assert "An engineer ends this alarm." in page

    run(test())


def test_what_a_part_is_called_is_no_markup(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client, OPERATOR)
            say(folder, alarm("xray", "X-ray tube or detector", since_part="<b>x</b>"))
            page = (await client.get("/")).text
            assert "<b>x" not in page
            assert "&lt;b&gt;x" in page
            say(folder, alarm("xray", "X-ray tube or detector", since_part=None, since_time=None))
            assert "Since longer than the log is kept" in (await client.get("/")).text

    run(test())


@pytest.mark.parametrize(("anew", "is_anew"), [("yes", True), ("no", False)])
def test_an_engineer_ends_what_was_shown(folder: Path, anew: str, is_anew: bool) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            say(
                folder,
                alarm("rgb warmth", "camera"),
                alarm("rgb brightness", "camera", 345),
                alarm("rgbx", "camera", 350),
            )
            assert 'name="last" value="350"' in (await client.get("/")).text
            form = {"csrf": csrf, "cause": "camera", "last": "345", "anew": anew}
            reply = await client.post("/drift/acknowledge", data=form)
            assert (reply.status_code, reply.headers["location"]) == (303, "/")
            signals = {"rgb warmth": 340, "rgb brightness": 345}
            said = {"what": ACKNOWLEDGED, "who": "emil", "signals": signals, "anew": is_anew}
            assert line.asked == [("audit", said)]

    run(test())


@pytest.mark.slow
@needs_browser
@needs_axe
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_open_page_shows_an_alarm_by_itself_and_its_end(folder: Path, scheme: str) -> None:
    async def test() -> None:
        async with (
            served_pages(folder) as (url, inference, _),
            chromium() as browser,
            signed_in_page(browser, url, ENGINEER, color_scheme=scheme, viewport={"width": 800, "height": 900}) as page,
        ):
            await page.wait_for_selector("#drift", state="attached")
            assert await page.locator(".drift-headline").count() == 0
            say(folder, alarm("rgb warmth", "camera"), alarm("rgbx", "new devices"))
            await page.wait_for_selector("text=Photographs look otherwise than before.")
            assert await serious_findings(page) == []
            assert await page.evaluate("document.documentElement.scrollWidth") <= 800
            camera = page.get_by_label("Drift alarm: camera")
            await camera.get_by_role("button", name="As it is now is right").press("Enter")
            await page.wait_for_selector("text=The drift alarm ends within seconds.")
            said = {"what": ACKNOWLEDGED, "who": ENGINEER[0], "signals": {"rgb warmth": 340}, "anew": True}
            assert inference.asked == [("audit", said)]
            say(folder, alarm("rgbx", "new devices"))
            await camera.wait_for(state="detached")
            assert await page.locator(".drift-headline").count() == 1

    run_in_browser(test())


def test_nobody_else_ends_an_alarm_and_no_other_is_ended(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            say(folder, alarm("rgb warmth", "camera"))
            form = {"cause": "camera", "last": "340", "anew": "no"}
            csrf = await sign_in(client, OPERATOR)
            reply = await client.post("/drift/acknowledge", data={**form, "csrf": csrf})
            assert reply.status_code == 403
            assert "this needs the role engineer" in reply.text
            csrf = await sign_in(client, ENGINEER)
            assert (await client.post("/drift/acknowledge", data={**form, "csrf": "guessed"})).status_code == 403
            for changes, status in (
                ({"last": "339"}, 409),
                ({"cause": "new devices"}, 409),
                ({"last": "all"}, 422),
                ({"anew": "perhaps"}, 422),
            ):
                reply = await client.post("/drift/acknowledge", data={**form, "csrf": csrf, **changes})
                assert reply.status_code == status, changes
            assert line.asked == []

    run(test())


def test_that_nobody_watches_is_said(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client, OPERATOR)
            say(folder, trouble="Model 3 is not calibrated.")
            assert "The drift alarm does not watch.</strong> Model 3 is not calibrated." in (await client.get("/")).text
            (folder / "drift" / "report.json").write_text("{")
            assert "The drift alarm does not watch." in (await client.get("/")).text
            assert "rgbx_drift" not in (await client.get("/metrics")).text

    run(test())


def test_alarms_are_figures(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            say(folder, alarm("rgb brightness", "camera"))
            figures = (await client.get("/metrics")).text
            assert 'rgbx_drift_alarm{signal="rgb brightness"} 1.0' in figures
            assert 'rgbx_drift_alarm{signal="rgb warmth"} 0.0' in figures
            assert 'rgbx_drift_level{signal="rgb warmth"} 0.4' in figures

    run(test())

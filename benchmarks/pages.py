"""How soon the line's pages answer with a million results in the log, and what open browsers cost the line.

    python benchmarks/pages.py [--quick] [--results N] [--asked N]
    python benchmarks/pages.py --browsers --line FILE --test-line FOLDER [--turns N] [--parts N] [--every S]

prints one JSON object as its last line. The web process runs as it does on a line, before a stand-in for inference that
answers a part each second. Every page is asked for again and again, all pages in turns, by somebody who is signed in;
times are from asking to the last byte, on the same machine, in milliseconds. ``begun`` is of the first pages after the
process has started, while it still walks through the log. A report reads the log of its period, so it has no part in
``slowest_ms``, the largest median of all pages.

With ``--browsers`` a line runs in the plant twin, several times in turns:

- with no page open;
- with ten browsers ``elsewhere`` that show the page Line, each of somebody else: a process on none of inference's cores
  asks what they would, and draws nothing;
- with ten of Chromium ``here``, of the lowest priority and on none of inference's cores.
"""

import argparse
import asyncio
import html
import json
import multiprocessing
import os
import re
import shutil
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import yaml

from rgbx.errors import RgbxError
from rgbx_line.channel import Hub
from rgbx_line.contract import RESULT, FaultCode, LineState
from rgbx_line.log.line_log import LineLog
from rgbx_line.review.audited import index_path
from rgbx_line.review.index import ReviewIndex
from rgbx_line.settings import LineFolder, LineSettings, WebServer
from rgbx_line.supervisor import core_shares
from rgbx_line.users import Role, Users
from rgbx_line.web.process import run_web
from rgbx_proving.plant.history import earlier_result, write_earlier_results
from rgbx_proving.plant.simulate import SimulationSettings, run_simulation

RESULTS = 1_000_000
ASKED = 100
"""Times that each page is asked for."""
BETWEEN_S = 0.02
"""From one answer to the next question."""
PART_EVERY_S = 1.0
BEGUN_S = 20.0
"""In which a process that has just started is asked; less when it is quick."""
QUICK_BEGUN_S = 8.0
BROWSERS = 10
WHERE = ("none", "elsewhere", "here")
POLLS = re.compile(
    r'<[^>]*hx-get="(?P<path>[^"]+)" hx-trigger="every (?P<every>\d+)s"[^>]*?(?:hx-vals=\'(?P<seen>[^\']*)\')?>'
)
"""What keeps itself up to date in a page, as htmx reads it."""
REPORT = "report: the day"
PERSON = ("bench", "a password for this alone")


def pages_of(results: int) -> dict[str, str]:
    """Return the address of each page, by its name; the report is of the day."""
    today = datetime.now(UTC).date()
    return {
        "line": "/",
        "line: parts": "/live/line",
        "line: banner": "/live/banner",
        "line: hour": "/live/hour",
        "part, new": f"/parts/H{results:07d}",
        "part, old": f"/parts/H{results // 2:07d}",
        "part, unknown": "/parts/nowhere",
        "review": "/review",
        "review: counts": "/review/counts",
        "review: groups": "/review/groups",
        "review: disputed": "/review/disputed",
        "models": "/models",
        "audit": "/audit",
        "report": "/report",
        REPORT: f"/report/page?since={today}&until={today}",
    }


def serve(settings: LineSettings) -> None:
    """Run a web process until it is killed."""
    asyncio.run(run_web(settings, asyncio.Event()))


@asynccontextmanager
async def answering(folder: LineFolder) -> AsyncIterator[None]:
    """Answer a part each second, and tell everybody."""

    async def refuse(do: str, _: dict[str, Any]) -> dict[str, Any]:
        raise RgbxError(f"nobody does '{do}' here.")

    log = LineLog(folder.log)
    hub = Hub(folder.socket, refuse)
    await hub.start()

    async def go_on() -> None:
        while True:
            hub.tell(LineState(ready=True, fault=FaultCode.NONE, model_number=1, announced=log.number))
            await asyncio.sleep(PART_EVERY_S)
            await asyncio.to_thread(log.append, [(RESULT, earlier_result(log.number + 1))])

    going = asyncio.create_task(go_on())
    try:
        yield
    finally:
        going.cancel()
        with suppress(asyncio.CancelledError):
            await going
        await hub.close()
        log.close()


@asynccontextmanager
async def browsing(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client that has signed in."""
    async with httpx.AsyncClient(base_url=url, timeout=120.0, headers={"accept": "text/html"}) as client:
        form = await _patiently(client, "/sign-in")
        found = re.search(r'name="csrf" value="([^"]*)"', form.text)
        assert found is not None
        given = {"csrf": html.unescape(found[1]), "next": "/", "name": PERSON[0], "password": PERSON[1]}
        reply = await client.post("/sign-in", data=given)
        assert reply.status_code == 303, reply.text
        yield client


async def _patiently(client: httpx.AsyncClient, path: str) -> httpx.Response:
    end = time.monotonic() + 60.0
    while True:
        try:
            return await client.get(path)
        except httpx.TransportError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.05)


async def asked(client: httpx.AsyncClient, pages: dict[str, str], until: Callable[[int], bool]) -> dict[str, Any]:
    """Ask for each page in turns until a number of rounds, or a time, is over; return what each took."""
    took: dict[str, list[float]] = {name: [] for name in pages}
    rounds = 0
    while not until(rounds):
        for name, path in pages.items():
            begun = time.perf_counter()
            reply = await client.get(path)
            took[name].append(1e3 * (time.perf_counter() - begun))
            assert reply.status_code == (404 if path.endswith("/nowhere") else 200), (path, reply.text)
            await asyncio.sleep(BETWEEN_S)
        rounds += 1
    return {name: figures(each) for name, each in took.items()}


def figures(took: list[float]) -> dict[str, float]:
    """Return median, 99th percentile and the longest of some milliseconds."""
    p99 = float(np.quantile(took, 0.99, method="higher"))
    return {"median": round(statistics.median(took), 1), "p99": round(p99, 1), "longest": round(max(took), 1)}


async def measure(
    settings: LineSettings, results: int, times: int, begun_s: float, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return what pages take: as soon as the process runs, and when it has settled."""
    pages = pages_of(results)
    at_first = {name: path for name, path in pages.items() if name != REPORT}
    assert settings.web is not None
    async with answering(LineFolder(settings.folder)):
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(settings,))
        process.start()
        try:
            async with browsing(f"http://{settings.web.host}:{settings.web.port}") as client:
                end = time.monotonic() + begun_s
                begun = await asked(client, at_first, lambda _: time.monotonic() > end)
                say(f"begun: {begun}")
                settled = await asked(client, pages, lambda rounds: rounds >= times)
        finally:
            process.kill()
            process.join()
    slowest = max(each["median"] for name, each in settled.items() if name != REPORT)
    return {"slowest_ms": slowest, "pages": settled, "begun": begun}


def with_browsers(
    line: Path, test_line: Path, shift: SimulationSettings, turns: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Return a line's latency in the plant twin without a page open, and with ten, in turns."""
    found: dict[str, list[dict[str, Any]]] = {where: [] for where in WHERE}
    beside = line.resolve().with_name(f".{line.stem}-pages.yaml")
    beside.write_text(yaml.safe_dump({**yaml.safe_load(line.read_text()), "web": {}}))
    try:
        for _ in range(turns):
            for where in WHERE:
                found[where].append(_shift_with_browsers(beside, test_line, shift, where, say))
                say(f"{where}: {found[where][-1]}")
    finally:
        beside.unlink()
    middle = {
        where: {each: statistics.median(turn[each] for turn in found[where]) for each in ("p50_ms", "p99_ms")}
        for where in WHERE
    }
    return {"median_of_turns": middle, "turns": found}


def _shift_with_browsers(
    line: Path, test_line: Path, shift: SimulationSettings, where: str, say: Callable[[str], None]
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "shift"
        ended = threading.Event()
        looking = threading.Thread(target=_look, args=(out, where, ended, shown := [0, 0]))
        looking.start()
        try:
            result = run_simulation(line, test_line, out, shift, say)
        finally:
            ended.set()
            looking.join()
    return {
        "parts": result.parts,
        "p50_ms": result.p50_ms,
        "p99_ms": result.p99_ms,
        "lost": result.lost,
        "late_while_ready": result.late_while_ready,
        "requests": shown[0],
        "refused": shown[1],
    }


def _look(out: Path, where: str, ended: threading.Event, shown: list[int]) -> None:
    """Open pages once the line in a folder has some, in a process off inference's cores."""
    while not (out / "line.yaml").exists():
        if ended.wait(0.2):
            return
    settings = yaml.safe_load((out / "line.yaml").read_text())
    folder = LineFolder(Path(settings["folder"]))
    Users({}).with_user(*PERSON, Role.OPERATOR).write(folder.users)
    if where == "none":
        return
    context = multiprocessing.get_context("spawn")
    stop, told = context.Event(), context.SimpleQueue()
    url = f"http://127.0.0.1:{settings['web']['port']}"
    process = context.Process(target=_browse, args=(url, settings.get("inference_cores", []), where, stop, told))
    process.start()
    ended.wait()
    stop.set()
    shown[:] = told.get()
    process.join()


def _browse(url: str, inference: Sequence[int], where: str, stop: Any, told: Any) -> None:
    counts = [0, 0]
    try:
        # People's browsers run on other machines; here they may have what the line's inference leaves.
        os.nice(19)
        os.sched_setaffinity(0, core_shares(inference, sorted(os.sched_getaffinity(0)))[1])
        asyncio.run((_open_chromium if where == "here" else _ask_as_browsers)(url, stop, counts))
    finally:
        told.put(counts)


async def _open_chromium(url: str, stop: Any, counts: list[int]) -> None:
    from playwright.async_api import async_playwright

    async with httpx.AsyncClient() as client:
        await _patiently(client, f"{url}/healthz")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(BROWSERS):
            page = await (await browser.new_context()).new_page()
            page.on("response", lambda reply: counts.__setitem__(reply.status >= 400, counts[reply.status >= 400] + 1))
            await page.goto(f"{url}/sign-in")
            await page.fill("#name", PERSON[0])
            await page.fill("#password", PERSON[1])
            await page.press("#password", "Enter")
            await page.wait_for_selector("#banner", timeout=120_000)
        while not stop.is_set():
            await asyncio.sleep(0.5)
        await browser.close()


async def _ask_as_browsers(url: str, stop: Any, counts: list[int]) -> None:
    async def browser() -> None:
        async with browsing(url) as client:
            asking = asyncio.create_task(_keep_up_to_date(client, counts))
            while not (stop.is_set() or asking.done()):
                await asyncio.sleep(0.5)
            asking.cancel()
            with suppress(asyncio.CancelledError, httpx.TransportError):  # the line ends before its browsers
                await asking

    await asyncio.gather(*(browser() for _ in range(BROWSERS)))


async def _keep_up_to_date(client: httpx.AsyncClient, counts: list[int]) -> None:
    """Ask for the page Line, and for all that it then asks for by itself, for ever."""
    had: set[str] = set()

    async def ask(path: str, query: dict[str, Any] | None = None) -> str:
        reply = await client.get(path, params=query)
        refused = reply.status_code >= 400
        counts[refused] += 1
        return "" if refused or reply.status_code == 204 else reply.text

    async def show(page: str) -> None:
        """Ask for what a page refers to, unless a browser would have it already."""
        names = {
            html.unescape(each) for each in re.findall(r'<(?:img|link|script)\b[^>]*?(?:src|href)="(/[^"]+)"', page)
        }
        await asyncio.gather(*(ask(each) for each in sorted(names - had)))
        had.update(names)

    async def poll(part: re.Match[str]) -> None:
        while True:
            await asyncio.sleep(int(part["every"]))
            seen = json.loads(html.unescape(part["seen"])) if part["seen"] else None
            if page := await ask(part["path"], seen):
                await show(page)
                part = next(each for each in POLLS.finditer(page) if each["path"] == part["path"])

    page = await ask("/")
    parts = list(POLLS.finditer(page))
    await asyncio.gather(show(page), *map(poll, parts))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="20,000 results, each page ten times")
    parser.add_argument("--results", type=int, help="in the log, default a million")
    parser.add_argument("--asked", type=int, help="times that each page is asked for")
    parser.add_argument("--folder", type=Path, help="for the log, which is kept there and used again")
    parser.add_argument(
        "--browsers", action="store_true", help="measure what ten browsers cost a line, and nothing else"
    )
    parser.add_argument("--line", type=Path, help="settings of a line, for --browsers")
    parser.add_argument("--test-line", type=Path, help="as 'rgbx scan' writes it, for --browsers")
    parser.add_argument("--turns", type=int, default=3, help="of each of: no browser, ten elsewhere, ten here")
    parser.add_argument("--parts", type=int, default=300)
    parser.add_argument("--every", type=float, default=1.0, help="seconds from one part to the next")
    given = parser.parse_args()

    def say(text: str) -> None:
        print(text, flush=True)

    if given.browsers:
        if given.line is None or given.test_line is None:
            parser.error("--browsers needs --line and --test-line")
        shift = SimulationSettings(parts=given.parts, every=given.every)
        print(json.dumps(with_browsers(given.line, given.test_line, shift, given.turns, say)))
        return
    results = given.results or (20_000 if given.quick else RESULTS)
    with tempfile.TemporaryDirectory() as temporary:
        place = given.folder or Path(temporary)
        folder = LineFolder(place)
        with socket.create_server(("127.0.0.1", 0)) as free:
            web = WebServer(port=free.getsockname()[1])
        settings = LineSettings(folder=place, bundle=place / "bundle", bins={"class-00": 1}, web=web)
        if not folder.log.exists():
            write_earlier_results(folder, results, say)
        Users({}).with_user(*PERSON, Role.OPERATOR).write(folder.users)
        begun = time.perf_counter()
        with ReviewIndex(folder.log, index_path(folder), settings.review) as index:
            index.update()
        taken_in = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in folder.log.iterdir())
        times, begun_s = (10, QUICK_BEGUN_S) if given.quick else (ASKED, BEGUN_S)
        found = asyncio.run(measure(settings, results, given.asked or times, begun_s, say))
    print(json.dumps({"results": results, "log_gb": size / 1e9, "review_index_s": round(taken_in, 1), **found}))


if __name__ == "__main__":
    main()

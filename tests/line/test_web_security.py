"""Nobody is let in without a name, nobody does more than a role may, and no foreign page acts in somebody's name."""

import asyncio
import base64
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from fake_inference import run
from rgbx_line.users import Role, Users
from rgbx_line.web.access import WRONG_A_MINUTE
from web_line import ENGINEER, OPERATOR, Clock, WebLine, line_settings, people, png, web_line

WRITING = ["/api/halt", "/api/resume", "/api/models/1/activate", "/api/models/roll-back", "/api/parts"]
READING = ["/api/state", "/api/parts", "/api/parts/P1", "/api/models"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("rgbx_line.web.access.time", clock)
    return clock


def acts(line: WebLine) -> list[str]:
    """Return what inference was asked for, but for what is to be noted."""
    return [do for do, _ in line.asked if do != "audit"]


def test_all_but_health_needs_a_user(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            for method, paths in (("POST", WRITING), ("GET", READING)):
                for path in paths:
                    reply = await client.request(method, path, auth=None)
                    assert reply.status_code == 401, path
                    assert reply.headers["www-authenticate"].startswith("Basic ")
                    assert "rgbx line user add" in reply.json()["error"]
            for path in ("/healthz", "/readyz", "/metrics"):
                assert (await client.get(path, auth=None)).status_code == 200
            assert line.asked == []

    run(test())


def test_there_is_no_default_user(folder: Path, clock: Clock) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            Users({}).write(folder / "users.json")
            for name, password in (("admin", "admin"), ("admin", ""), ("root", "rgbx"), ("rgbx", "rgbx"), OPERATOR):
                clock.now += 61
                assert (await client.get("/api/state", auth=(name, password))).status_code == 401
            (folder / "users.json").unlink()
            clock.now += 61
            assert (await client.get("/api/state", auth=OPERATOR)).status_code == 401

    run(test())


def test_models_are_the_engineers(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            for path in ("/api/models/1/activate", "/api/models/roll-back"):
                reply = await client.post(path, auth=OPERATOR)
                assert reply.status_code == 403
                assert reply.json()["error"] == (
                    "olga is operator, and this needs the role engineer: ask one who has it."
                )
            assert line.asked == []
            for path in (*WRITING[:2], *READING[:2]):
                method = "POST" if path in WRITING[:2] else "GET"
                assert (await client.request(method, path, auth=ENGINEER)).status_code == 200

    run(test())


def test_a_changed_users_file_counts_at_once(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            assert (await client.get("/api/state")).status_code == 200
            people().without("olga").write(folder / "users.json")
            assert (await client.get("/api/state")).status_code == 401
            assert (await client.get("/api/state", auth=ENGINEER)).status_code == 200
            people().with_user("olga", "another secret", Role.OPERATOR).write(folder / "users.json")
            assert (await client.get("/api/state")).status_code == 401
            assert (await client.get("/api/state", auth=("olga", "another secret"))).status_code == 200

    run(test())


def test_a_damaged_users_file_lets_nobody_in(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            assert (await client.get("/api/state")).status_code == 200
            (folder / "users.json").write_text("{")
            for _ in range(2):
                reply = await client.get("/api/state")
                assert reply.status_code == 503
                assert "users.json" in reply.json()["error"]
            people().write(folder / "users.json")
            assert (await client.get("/api/state")).status_code == 200

    run(test())


def test_who_tries_too_often_has_to_wait(folder: Path, clock: Clock) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            assert (await client.get("/api/state")).status_code == 200
            wrong = [await client.get("/api/state", auth=("olga", f"guess {each}")) for each in range(9)]
            assert [reply.status_code for reply in wrong] == [401] * WRONG_A_MINUTE + [429] * (9 - WRONG_A_MINUTE)
            assert wrong[-1].headers["retry-after"] == "60"
            assert (await client.get("/api/state", auth=ENGINEER)).status_code == 429
            assert (await client.get("/api/state")).status_code == 200, "who is in stays in"
            clock.now += 61
            assert (await client.get("/api/state", auth=ENGINEER)).status_code == 200
            assert acts(line) == []

    run(test())


def test_guesses_at_the_same_time_are_no_way_around(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            tries = [client.get("/api/state", auth=("olga", f"guess {each}")) for each in range(20)]
            statuses = [reply.status_code for reply in await asyncio.gather(*tries)]
            assert statuses.count(401) == WRONG_A_MINUTE
            assert statuses.count(429) == 20 - WRONG_A_MINUTE

    run(test())


def test_failed_logins_are_noted_once_a_minute_for_a_name(folder: Path, clock: Clock) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            with capture_logs() as logs:
                for name in ("olga", "olga", "eve"):
                    await client.get("/api/state", auth=(name, "my secret guess"))
            assert [(do, noted["what"], noted["who"]) for do, noted in line.asked] == [
                ("audit", "login failed", "olga"),
                ("audit", "login failed", "eve"),
            ]
            clock.now += 61
            await client.get("/api/state", auth=("olga", "my secret guess"))
            assert len(line.asked) == 3
            assert len([log for log in logs if log["event"] == "login failed"]) == 3
            assert "my secret guess" not in str(logs) + str(line.asked)

    run(test())


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    headers=st.lists(
        st.binary(max_size=40)
        | st.builds(lambda given: b"Basic " + base64.b64encode(given), st.binary(max_size=40) | st.just(b"olga:"))
        | st.sampled_from([b"Basic", b"Basic ", b"Bearer x", b"basic ====", b"Basic b2xnYQ=="]),
        max_size=5,
    )
)
def test_odd_credentials_let_nobody_in(folder: Path, headers: list[bytes]) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            for header in headers:
                reply = await client.get("/api/state", headers=[(b"authorization", header)], auth=None)
                assert reply.status_code == 401

    run(test())


@pytest.mark.parametrize(
    ("headers", "may"),
    [
        ({}, True),
        ({"origin": "http://line"}, True),
        ({"origin": "http://line", "sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"origin": "http://evil"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://line:81"}, False),
        ({"origin": "http://line.evil"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_foreign_pages_change_nothing(folder: Path, headers: dict[str, str], may: bool) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            reply = await client.post("/api/halt", headers=headers)
            assert reply.status_code == (200 if may else 403)
            assert acts(line) == (["halt"] if may else [])
            if not may:
                assert "origin" in reply.json()["error"]
                for path in WRITING:
                    assert (await client.post(path, headers=headers, files={"rgb": png()})).status_code == 403
                assert acts(line) == []
                assert (await client.get("/healthz", headers=headers)).status_code == 200

    run(test())


def test_every_reply_has_the_headers_that_browsers_obey(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            replies: list[httpx.Response] = [
                await client.get("/healthz"),
                await client.get("/api/state", auth=None),
                await client.get("/nowhere"),
                await client.post("/api/halt", headers={"origin": "http://evil"}),
            ]
            for reply in replies:
                assert reply.headers["x-content-type-options"] == "nosniff"
                assert reply.headers["x-frame-options"] == "DENY"
                assert "default-src 'none'" in reply.headers["content-security-policy"]
                assert reply.headers["cache-control"] == "no-store"
                assert "access-control-allow-origin" not in reply.headers

    run(test())


def test_by_default_only_this_machine_is_listened_to(folder: Path) -> None:
    assert line_settings(folder).web is not None
    given: Any = line_settings(folder).web
    assert given.host == "127.0.0.1"

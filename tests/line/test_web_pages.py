"""Pages for people: who is let in, what a role may, and what a foreign page, a form or a name cannot do."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from fake_inference import part_result, run
from rgbx_line.contract import FaultCode
from rgbx_line.users import Role
from rgbx_line.web.access import WRONG_A_MINUTE
from rgbx_line.web.pages import sessions
from rgbx_line.web.pages.site import SECTIONS, local_path, part_url
from web_line import ENGINEER, OPERATOR, Clock, WebLine, hidden_field, people, sign_in, web_line

PAGES = ["/", "/models", "/audit", "/parts/P1", "/parts?part=P1"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("rgbx_line.web.pages.sessions.time", clock)
    monkeypatch.setattr("rgbx_line.web.access.time", clock)
    return clock


def acts(line: WebLine) -> list[str]:
    """Return what inference was asked for, but for what is to be noted and what is only looked up."""
    return [do for do, _ in line.asked if do not in ("audit", "models")]


def test_pages_lead_who_is_not_signed_in_to_the_form_and_back(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            client.auth, client.headers["accept"] = None, "text/html"
            reply = await client.get("/parts/P1?x=1")
            assert (reply.status_code, reply.headers["location"]) == (303, "/sign-in?next=%2Fparts%2FP1%3Fx%3D1")
            form = await client.get(reply.headers["location"])
            assert hidden_field(form.text, "next") == "/parts/P1?x=1"
            data = {name: hidden_field(form.text, name) for name in ("csrf", "next")}
            done = await client.post("/sign-in", data={**data, "name": OPERATOR[0], "password": OPERATOR[1]})
            assert (done.status_code, done.headers["location"]) == (303, "/parts/P1?x=1")
            assert (await client.get("/")).status_code == 200
            assert line.asked == []

    run(test())


def test_the_cookie_is_out_of_reach(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            for scheme in ("http", "https"):
                client.base_url = httpx.URL(f"{scheme}://line")
                client.cookies.clear()
                await sign_in(client)
                form = await client.get("/sign-in")
                data = {"csrf": hidden_field(form.text, "csrf"), "name": OPERATOR[0], "password": OPERATOR[1]}
                reply = await client.post("/sign-in", data=data)
                for cookie in (*form.headers.get_list("set-cookie"), *reply.headers.get_list("set-cookie")[:1]):
                    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
                    assert ("Secure" in cookie.split("; ")) == (scheme == "https")
            assert line.site.cookie in client.cookies

    run(test())


def test_a_wrong_password_is_told_noted_and_slowed_down(folder: Path, clock: Clock) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            client.auth, client.headers["accept"] = None, "text/html"

            async def guess(password: str) -> httpx.Response:
                form = await client.get("/sign-in")
                data = {"csrf": hidden_field(form.text, "csrf"), "name": "olga", "password": password}
                return await client.post("/sign-in", data=data)

            replies = [await guess(f"guess {each}") for each in range(WRONG_A_MINUTE + 2)]
            assert [reply.status_code for reply in replies] == [403] * WRONG_A_MINUTE + [429] * 2
            assert "The name or the password is not right." in replies[0].text
            assert 'value="olga"' in replies[0].text
            assert "guess 0" not in replies[0].text
            assert "www-authenticate" not in replies[0].headers, "a browser would ask in a window of its own"
            assert replies[-1].headers["retry-after"] == "60"
            assert [(do, noted["what"], noted["who"]) for do, noted in line.asked] == [
                ("audit", "login failed", "olga")
            ]
            assert (await client.get("/api/state", auth=ENGINEER)).status_code == 429, "one count for both ways in"
            clock.now += 61
            assert (await guess(OPERATOR[1])).status_code == 303

    run(test())


def test_a_form_from_nowhere_signs_nobody_in(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            client.auth, client.headers["accept"] = None, "text/html"
            data = {"name": OPERATOR[0], "password": OPERATOR[1]}
            assert (await client.post("/sign-in", data=data)).status_code == 403
            csrf = hidden_field((await client.get("/sign-in")).text, "csrf")
            client.cookies.clear()
            assert (await client.post("/sign-in", data={**data, "csrf": csrf})).status_code == 403
            assert (await client.get("/")).status_code == 303

    run(test())


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/models", "/models"),
        ("/parts?part=A%2F7", "/parts?part=A%2F7"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\tx", "/"),
        ("", "/"),
    ],
)
def test_signing_in_leads_to_no_other_site(wanted: str, path: str) -> None:
    assert local_path(wanted) == path


def test_who_is_signed_in_is_not_for_ever(folder: Path, clock: Clock) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client)
            clock.now += sessions.IDLE_S - 1
            assert (await client.get("/")).status_code == 200
            clock.now += sessions.IDLE_S + 1
            assert (await client.get("/")).status_code == 303, "nobody was there for too long"
            await sign_in(client)
            for _ in range(int(sessions.LASTS_S / 3000)):
                clock.now += 3000
                still = (await client.get("/live/banner")).status_code
            assert still == 200
            clock.now += 3000
            assert (await client.get("/")).status_code == 303, "a shift is over"

    run(test())


def test_a_page_that_is_open_leads_to_the_form_when_the_session_is_over(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            headers = {"hx-request": "true", "hx-current-url": "http://line/parts/P1", "accept": "*/*"}
            reply = await client.get("/live/banner", headers=headers, auth=None)
            assert reply.status_code == 401
            assert reply.headers["hx-redirect"] == "/sign-in?next=%2Fparts%2FP1"
            headers["hx-current-url"] = "http://evil/parts/P1"
            reply = await client.get("/live/banner", headers=headers, auth=None)
            assert reply.headers["hx-redirect"] == "/sign-in"

    run(test())


def test_signing_out_ends_it(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client)
            token = client.cookies[line.site.cookie]
            assert (await client.post("/sign-out", data={"csrf": "x"})).status_code == 403
            assert (await client.post("/sign-out", data={"csrf": csrf})).status_code == 303
            client.cookies.set(line.site.cookie, token, domain="line.local")
            assert (await client.get("/", headers={"cookie": f"{line.site.cookie}={token}"})).status_code == 303

    run(test())


def test_a_changed_users_file_signs_everybody_out(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client, ENGINEER)
            people().with_user("emil", "another secret", Role.OPERATOR).write(folder / "users.json")
            assert (await client.get("/")).status_code == 303
            await sign_in(client)
            (folder / "users.json").write_text("{")
            assert (await client.get("/")).status_code == 503

    run(test())


def test_a_restart_signs_everybody_out(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client)
            cookies = client.cookies
        async with web_line(folder) as (_, client):
            client.cookies, client.auth, client.headers["accept"] = cookies, None, "text/html"
            assert (await client.get("/")).status_code == 303

    run(test())


def test_basic_is_no_way_in_to_pages_and_a_cookie_none_to_the_api(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            assert (await client.get("/", auth=OPERATOR)).status_code == 401
            csrf = await sign_in(client)
            assert (await client.post("/api/halt", headers={"x-csrf": csrf})).status_code == 401
            assert acts(line) == []

    run(test())


def test_no_change_without_the_token(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            for path in changing(line):
                for data in ({}, {"csrf": ""}, {"csrf": "guess"}, {"csrf": csrf[:-1]}, {"csrf": "ä"}):
                    assert (await client.post(path, data=data)).status_code == 403, path
                reply = await client.post(path, data={"csrf": csrf}, headers={"origin": "http://evil"})
                assert reply.status_code == 403, path
                if path not in line.addresses("GET"):
                    assert (await client.get(path)).status_code in (404, 405), path
            assert acts(line) == []
            assert (await client.post("/halt", data={"csrf": csrf})).status_code == 303
            assert (await client.post("/resume", headers={"x-csrf": csrf}, data={"a": "b"})).status_code == 303
            assert line.asked[-2:] == [("halt", {"who": "emil"}), ("resume", {"who": "emil"})]

    run(test())


def changing(line: WebLine) -> list[str]:
    """Return the addresses of all pages that change something, one for each route."""
    paths = [path for path in line.addresses("POST") if not path.startswith("/api/") and path != "/sign-in"]
    assert len(paths) >= 3
    return [re.sub(r"\{[^}]*\}", "1", path) for path in paths]


def test_what_is_too_long_is_refused(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client)
            assert (await client.post("/halt", data={"csrf": csrf, "x": "y" * 200_000})).status_code == 413

            async def endless() -> Any:
                yield b"csrf=x"

            assert (await client.post("/halt", content=endless())).status_code == 411
            assert acts(line) == []

    run(test())


def test_pages_have_a_policy_without_inline_scripts(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            line.answer(1)
            await line.heard()
            for path in (*PAGES, "/sign-in", "/nowhere"):
                reply = await client.get(path)
                policy = reply.headers["content-security-policy"]
                assert policy.startswith("default-src 'none'; "), path
                assert "unsafe" not in policy
                assert reply.headers["cache-control"] == "no-store"
                assert reply.headers["x-frame-options"] == "DENY"
                assert reply.headers["referrer-policy"] == "same-origin", "else a browser's form has the origin null"
                assert reply.headers["content-type"].startswith("text/html")
                assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=|\sstyle=|javascript:", reply.text), path
                assert not re.search(r"""(src|href|action)=["'](https?:)?//""", reply.text), path

    run(test())


def test_static_files_are_there_for_everybody(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            client.auth, client.headers["accept"] = None, "text/html"
            page = (await client.get("/sign-in")).text
            files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
            assert len(files) >= 4
            for path in files:
                reply = await client.get(path)
                assert reply.status_code == 200
                assert "immutable" in reply.headers["cache-control"]
            assert (await client.get("/static/pages.css")).headers["cache-control"] == "no-cache"
            for path in ("/static/../site.py", "/static/%2e%2e/site.py", "/static/..%2fsite.py", "/static/"):
                assert (await client.get(path)).status_code == 404

    run(test())


def test_a_name_is_no_script(folder: Path) -> None:
    name = "<script>alert(1)</script>\"'&amp;"

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            line.log.append([("result", part_result(1, name).model_dump(mode="json"))])
            line.tell(fault_text=name, ready=False, fault=FaultCode.SOURCE)
            await line.heard()
            for path in ("/", part_url(name), "/parts", f"/parts?part={quote(name)}", "/live/line", "/live/banner"):
                reply = await client.get(path)
                assert reply.status_code == 200, path
                assert "<script>alert" not in reply.text, path
            assert "&lt;script&gt;alert(1)" in (await client.get(part_url(name))).text

    run(test())


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", ".", "a/b", "a\\b", "%2e%2e%2fx", "ä ö?#&=+", "P1"])
def test_a_name_is_no_path(folder: Path, name: str) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "passwd").write_text("root:secret")

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            missing = await client.get(part_url(name))
            assert missing.status_code == 404
            line.log.append([("result", part_result(1, name).model_dump(mode="json"))])
            line.tell()
            await line.heard()
            reply = await client.get(part_url(name))
            assert reply.status_code == 200
            assert str(reply.url.path) in ("/parts", f"/parts/{name}")
            assert "root:secret" not in reply.text + missing.text

    run(test())


def test_refusals_are_pages_for_people_and_json_for_programs(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            for path in ("/nowhere", "/parts/none"):
                assert "error" in (await client.get(path)).json()
            await sign_in(client)
            for path in ("/nowhere", "/parts/none"):
                reply = await client.get(path)
                assert reply.status_code == 404
                assert "<h1>" in reply.text
            assert "error" in (await client.get("/api/nowhere")).json()

    run(test())


def test_the_bar_leads_to_all_sections(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client)
            page = (await client.get("/")).text
            for section in SECTIONS:
                assert f'href="{section.path}"' in page
            assert 'href="/" aria-current="page"' in page

    run(test())

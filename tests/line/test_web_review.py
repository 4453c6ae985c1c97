"""The page Review and its interface: who may, what is kept, and what a name or a number from outside cannot do."""

import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fake_inference import run, until
from review_line import CLASSES, drawn_images, model_answer
from reviewed_line import ReviewedLine, know_classes
from rgbx_line.contract import FaultCode
from rgbx_line.review.known import KnownImage, KnownInFolder
from rgbx_line.settings import LineSettings
from rgbx_line.web.pages.review import LARGEST_GROUP
from web_line import ENGINEER, OPERATOR, line_settings, sign_in, web_line


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    know_classes(monkeypatch)
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@asynccontextmanager
async def reviewed_line(folder: Path) -> AsyncIterator[tuple[ReviewedLine, httpx.AsyncClient]]:
    """Yield a line that asks nobody for a second opinion: which devices it would ask about is drawn by chance."""

    def settings(folder: Path, **web: Any) -> LineSettings:
        return line_settings(folder, **web).updated({"review": {"second_opinion": 0.0}})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web_line.WebLine", ReviewedLine)
        patch.setattr("web_line.line_settings", settings)
        async with web_line(folder) as (line, client):
            assert isinstance(line, ReviewedLine)
            yield line, client


def near(folder: Path, name: str = "A", label: int = 0, **more: Any) -> dict[str, Any]:
    images = drawn_images(folder / "camera", name, label)
    return model_answer({"SP1": 0.45, "SP2": 0.44, "SP10": 0.11}, images=images, **more)


def numbers_in(page: str) -> list[int]:
    return [int(number) for number in re.findall(r'data-number="(\d+)"', page)]


def test_a_device_is_shown_with_the_classes_it_may_be_and_without_the_models_answer(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            await sign_in(client)
            page = (await client.get("/review")).text
            assert numbers_in(page) == [number]
            assert re.findall(r'data-label="(\w+)" data-key="(\d)"', page) == [
                ("SP1", "1"),
                ("SP2", "2"),
                ("SP10", "3"),
            ]
            assert "0.45" not in page
            for modality in ("rgb", "xray"):
                (address,) = re.findall(rf'src="(/entries/{number}/{modality}\.jpg[^"]*)"', page)
                image = await client.get(address.replace("&amp;", "&"))
                assert (image.status_code, image.content[:3]) == (200, b"\xff\xd8\xff")

    run(test())


def test_an_opinion_is_a_line_of_the_log_in_the_persons_name(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            first, second = line.add(near(folder), near(folder, "B"))
            await line.heard()
            csrf = await sign_in(client)
            data = {"csrf": csrf, "number": first, "label": "SP2", "who": "emil"}
            assert (await client.post("/review/label", data=data)).status_code == 204
            assert line.opinions() == [(first, "SP2", "olga")]
            assert numbers_in((await client.get("/review/devices")).text) == [second]
            assert (await client.post("/review/undo", data={"csrf": csrf})).status_code == 204
            assert line.opinions()[1:] == [(first, None, "olga")]
            assert numbers_in((await client.get("/review/devices")).text) == [first, second]
            counts = (await client.get("/review/counts")).text
            assert "0, over all time" in counts

    run(test())


def test_what_could_not_be_kept_is_said(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            csrf = await sign_in(client)
            client.headers["accept"] = "application/json"
            line.refuses = True
            reply = await client.post("/review/label", data={"csrf": csrf, "number": number, "label": "SP2"})
            assert (reply.status_code, "disk is full" in reply.json()["error"]) == (409, True)
            line.refuses = False
            assert numbers_in((await client.get("/review/devices")).text) == [number]

    run(test())


def test_wrong_forms_change_nothing(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            csrf = await sign_in(client)
            for data in (
                {"csrf": csrf, "number": number, "label": "SP99"},
                {"csrf": csrf, "number": number},
                {"csrf": csrf, "label": "SP1"},
                {"csrf": csrf, "number": "-1", "label": "SP1"},
                {"csrf": csrf, "number": "9" * 40, "label": "SP1"},
                {"csrf": csrf, "number": "²", "label": "SP1"},
                {"csrf": csrf, "number": [str(each) for each in range(LARGEST_GROUP + 1)], "label": "SP1"},
                {"number": number, "label": "SP1"},
                {"csrf": "x", "number": number, "label": "SP1"},
            ):
                assert (await client.post("/review/label", data=data)).status_code >= 400, data
            assert line.opinions() == []

    run(test())


def test_the_review_needs_a_person(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            client.auth = None
            for path in ("/review", "/review/devices", "/review/counts", "/review/groups", "/review/disputed"):
                assert (await client.get(path)).status_code == 401
            assert (await client.get(f"/review/known/{number}/rgb/SP1.jpg?v=1")).status_code == 401
            for path in ("next", "groups", "disputed", "counts"):
                assert (await client.get(f"/api/review/{path}")).status_code == 401
            body = {"numbers": [number], "label": "SP1"}
            assert (await client.post("/api/review/labels", json=body)).status_code == 401
            assert (await client.post("/api/review/undo")).status_code == 401
            assert (await client.post("/review/label", data={"number": number, "label": "SP1"})).status_code == 401
            foreign = {"sec-fetch-site": "cross-site"}
            client.auth = OPERATOR
            assert (await client.post("/api/review/labels", json=body, headers=foreign)).status_code == 403
            assert line.opinions() == []

    run(test())


def test_names_are_shown_and_not_run(folder: Path) -> None:
    evil = '"><script>alert(1)</script>'

    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            line.add(near(folder), part=evil)
            line.add(near(folder, reason="unknown"), part=evil)
            await line.heard()
            await sign_in(client)
            for path in ("/review", "/review/groups"):
                page = (await client.get(path)).text
                assert "<script>alert" not in page
                assert "&lt;script&gt;" in page or path == "/review/groups"

    run(test())


def test_programs_review_too(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            numbers = line.add(*[near(folder, reason="unknown")] * 4)
            await line.heard()
            (device,) = (await client.get("/api/review/next")).json()["devices"]
            assert (device["choices"], set(device["images"])) == (list(CLASSES), {"rgb", "xray"})
            emils = (await client.get("/api/review/next?count=4", auth=ENGINEER)).json()["devices"]
            assert device["number"] not in [each["number"] for each in emils]
            (group,) = (await client.get("/api/review/groups")).json()["groups"]
            assert set(group) <= set(numbers)
            body = {"numbers": group, "label": "unknown"}
            assert (await client.post("/api/review/labels", json=body)).status_code == 200
            assert {opinion[1:] for opinion in line.opinions()} == {("unknown", "olga")}
            assert (await client.get("/api/review/groups")).json() == {"groups": []}
            body = {"numbers": group[:1], "label": "SP1"}
            await client.post("/api/review/labels", json=body, auth=ENGINEER)
            (disputed,) = (await client.get("/api/review/disputed")).json()["devices"]
            assert disputed["votes"] == {"olga": "unknown", "emil": "SP1"}
            counts = (await client.get("/api/review/counts")).json()
            assert (counts["disputed"], counts["mine"]) == (1, len(group))
            assert (await client.post("/api/review/undo", auth=ENGINEER)).json() == {"numbers": group[:1]}
            for wrong in (
                {"numbers": [], "label": "SP1"},
                {"numbers": [1]},
                {"numbers": [1], "label": "SP1", "who": "x"},
            ):
                assert (await client.post("/api/review/labels", json=wrong)).status_code == 422

    run(test())


def test_a_group_is_labelled_at_once_by_a_form(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            line.add(*[near(folder, reason="unknown")] * 5)
            await line.heard()
            csrf = await sign_in(client)
            page = (await client.get("/review/groups")).text
            ticked = re.findall(r'name="number" value="(\d+)"', page)
            assert len(ticked) >= 4
            data = {"csrf": csrf, "back": "groups", "number": ticked[:-1], "label": "unknown"}
            reply = await client.post("/review/label", data=data)
            assert (reply.status_code, reply.headers["location"]) == (303, "/review/groups")
            page = (await client.get("/review/groups")).text
            assert f"{len(ticked) - 1} labelled." in page
            assert re.findall(r'name="number" value="(\d+)"', page) == ticked[-1:]
            reply = await client.post("/review/undo", data={"csrf": csrf, "back": "//evil.example"})
            assert (reply.status_code, reply.headers["location"]) == (303, "/review")

    run(test())


def test_disputed_devices_are_shown_with_who_says_what(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            for person, label in ((OPERATOR, "SP1"), (ENGINEER, "SP2")):
                body = {"numbers": [number], "label": label}
                await client.post("/api/review/labels", json=body, auth=person)
            csrf = await sign_in(client)
            page = (await client.get("/review/disputed")).text
            assert "<dt>olga</dt>" in page
            assert "<dt>emil</dt>" in page
            assert "Disputed (1)" in page
            data = {"csrf": csrf, "back": "disputed", "number": number, "label": "SP2"}
            assert (await client.post("/review/label", data=data)).headers["location"] == "/review/disputed"
            assert "agree about every device" in (await client.get("/review/disputed")).text

    run(test())


def test_known_devices_come_from_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = folder / "known"
    for modality, path in drawn_images(folder / "elsewhere", "K", 1).items():
        (known / modality / "SP2").mkdir(parents=True)
        path.rename(known / modality / "SP2" / path.name)
    monkeypatch.setattr("rgbx_line.web.pages.review.KnownByModel", lambda *_: KnownInFolder(known))

    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            await sign_in(client)
            image = await client.get(f"/review/known/{number}/xray/SP2.jpg?v=1")
            assert (image.status_code, image.headers["x-nearest"]) == (200, "false")
            for path in (f"{number}/xray/SP1", f"{number}/xray/..%2FSP2", f"{number}/xray/SP99", "999/xray/SP2"):
                assert (await client.get(f"/review/known/{path}.jpg?v=1")).status_code == 404
            assert (await client.get(f"/review/known/{number}/infrared/SP2.jpg?v=1")).status_code == 422

    run(test())


def test_a_device_that_is_archived_while_it_is_compared_is_compared_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Slow:
        """Gives a nearest device only of images that are there still when it has loaded its model."""

        def known(self, *asked: Any) -> KnownImage:
            *_, modality, images = asked
            image = images[modality]
            if image.parent != folder / "kept":
                (folder / "kept").mkdir()
                image.rename(folder / "kept" / image.name)
            return KnownImage(b"a picture", "SP2-001", nearest=image.exists())

    monkeypatch.setattr("rgbx_line.web.pages.review.KnownByModel", lambda *_: Slow())
    monkeypatch.setattr("rgbx_line.archive.archived", lambda _, __, image: folder / "kept" / image.name)

    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            (number,) = line.add(near(folder))
            await line.heard()
            await sign_in(client)
            image = await client.get(f"/review/known/{number}/xray/SP2.jpg?v=1")
            assert (image.status_code, image.headers["x-nearest"]) == (200, "true")

    run(test())


def test_while_inference_is_away_the_review_says_so(folder: Path) -> None:
    async def test() -> None:
        async with reviewed_line(folder) as (line, client):
            await sign_in(client)
            line.state = line.state.model_copy(update={"announced": 0, "fault": FaultCode.STARTING, "ready": False})
            line.hub.tell(line.state)
            await until(lambda: line.link.state == line.state)
            assert (await client.get("/review")).status_code == 503

    run(test())

"""Promotion over HTTP: who may, what the server refuses, and that the proof decides it, not the button."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from fake_inference import run
from review_line import drawn_images, model_answer
from reviewed_line import ReviewedLine, know_classes
from rgbx_line.models import ModelStore
from rgbx_line.review.candidates import PROMOTION_ALLOWED
from rgbx_line.settings import LineFolder, LineSettings
from tiny_bundle import write_untrained_bundle
from web_line import ENGINEER, OPERATOR, line_settings, sign_in, web_line

ENOUGH = 11
"""Reviews without an error that the rule takes."""
RULE = {"bound": 0.3, "margin": 0.3}
IN_TURN = {"random": 1.0, **dict.fromkeys(("margin", "unknown", "aside", "disagree", "late"), 0.0)}
"""Weights of queues by which devices are asked about in the order of their draws."""
SETTINGS = {
    "bins": {"SP1": 1, "SP2": 2, "SP10": 3},
    "review": {"random_share": 1.0, "second_opinion": 0.0, "weights": IN_TURN},
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A line's folder with three models: 1 answers, 2 is the candidate."""
    know_classes(monkeypatch)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = ModelStore(LineFolder(folder).models)
        for number in (1, 2, 3):
            store.add(write_untrained_bundle(folder / f"bundle-{number}", iterations=number), "Ada")
        store.activate(1)
        store.shadow(2)
        yield folder


@asynccontextmanager
async def beside(
    folder: Path, promotion: dict[str, Any] | None = RULE
) -> AsyncIterator[tuple["ShadowedLine", httpx.AsyncClient]]:
    def settings(folder: Path, **web: Any) -> LineSettings:
        return line_settings(folder, **web).updated({**SETTINGS, "promotion": promotion})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("web_line.WebLine", ShadowedLine)
        patch.setattr("web_line.line_settings", settings)
        async with web_line(folder) as (line, client):
            assert isinstance(line, ShadowedLine)
            yield line, client


class ShadowedLine(ReviewedLine):
    """Its candidate looks at each device."""

    def both(self, count: int, active: str = "SP1", candidate: str = "SP1") -> list[int]:
        images = drawn_images(self.folder.folder / "camera", "A", 0)
        numbers = []
        for _ in range(count):
            (number,) = self.add(model_answer({active: 0.9, "SP10": 0.1}, images=images), part=f"P{self.log.number}")
            said = model_answer({candidate: 0.9, "SP10": 0.1}, images=images)
            seq = self.log.number
            self.log.append([("shadow", {"seq": seq, "part_id": f"P{seq - 1}", "model_number": 2, "result": said})])
            numbers.append(number)
        self.tell()
        return numbers

    def promoted(self) -> list[dict[str, Any]]:
        return [content for do, content in self.asked if do == "activate"]


async def review(client: httpx.AsyncClient, count: int, label: str = "SP1", person: tuple[str, str] = OPERATOR) -> None:
    """Label the next devices, as the review gives them."""
    for _ in range(count):
        (device,) = (await client.get("/api/review/next", auth=person)).json()["devices"]
        body = {"numbers": [device["number"]], "label": label}
        assert (await client.post("/api/review/labels", json=body, auth=person)).status_code == 200


async def post_activate(client: httpx.AsyncClient, csrf: str, number: int = 2) -> httpx.Response:
    return await client.post(f"/models/{number}/activate", data={"csrf": csrf})


def test_the_server_refuses_until_the_reviews_show_it_and_then_grants_it(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder) as (line, client):
            line.both(ENOUGH)
            await line.heard()
            await review(client, ENOUGH - 1)
            await line.heard()
            csrf = await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert "It takes 1 more reviews" in page
            assert '<button class="primary" disabled>Promote</button>' in page
            for reply in (
                await post_activate(client, csrf),
                await client.post("/api/models/2/activate", auth=ENGINEER),
            ):
                assert reply.status_code == 409, "a grey button is no lock"
                assert "It takes 1 more reviews" in reply.text
            assert line.promoted() == []

            await review(client, 1)
            await line.heard()
            client.auth = None
            page = (await client.get("/models")).text
            assert "11 reviews show it" in page
            assert '<button class="primary">Promote</button>' in page
            assert (await post_activate(client, csrf)).status_code == 303
            assert line.promoted() == [{"number": 2, "who": "emil"}]
            (noted,) = [content for do, content in line.asked if do == "audit"]
            assert (noted["what"], noted["who"], noted["reviews"]) == (PROMOTION_ALLOWED, "emil", ENOUGH)
            assert noted["rule"]["bound"] == 0.3

    run(test())


def test_programs_are_granted_it_too_when_it_holds(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder) as (line, client):
            line.both(ENOUGH)
            await line.heard()
            await review(client, ENOUGH)
            await line.heard()
            assert (await client.post("/api/models/2/activate", auth=ENGINEER)).status_code == 200
            assert line.promoted() == [{"number": 2, "who": "emil"}]

    run(test())


def test_an_operator_promotes_nothing_even_when_it_holds(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder) as (line, client):
            line.both(ENOUGH)
            await line.heard()
            await review(client, ENOUGH)
            await line.heard()
            assert (await client.post("/api/models/2/activate", auth=OPERATOR)).status_code == 403
            csrf = await sign_in(client, OPERATOR)
            assert (await post_activate(client, csrf)).status_code == 403
            page = (await client.get("/models")).text
            assert "11 reviews show it" in page, "anybody may look"
            assert "Promote" not in page
            for path in (*line.addresses("POST"), "/models/2", "/api/models/2", "/parts/P0", "/entries/1"):
                gone = await client.delete(path.replace("{number}", "2"))
                assert gone.status_code in (404, 405), path
            assert line.promoted() == []
            assert (folder / "models" / "00002" / "bundle.json").is_file()

    run(test())


def test_reviewers_who_disagree_count_for_neither_model(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder) as (line, client):
            numbers = line.both(ENOUGH, active="SP2", candidate="SP1")
            await line.heard()
            await review(client, ENOUGH)
            await line.heard()
            body = {"numbers": numbers[:1], "label": "SP2"}
            await client.post("/api/review/labels", json=body, auth=ENGINEER)
            csrf = await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert "1 of them are open" in page
            assert "by the active model alone: 10." in page
            assert "Wrong by the candidate alone: 1;" in page
            assert ">disagree</td>" in page
            assert (await post_activate(client, csrf)).status_code == 409

    run(test())


def test_a_bad_candidate_is_not_promoted_by_many_reviews(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder) as (line, client):
            line.both(3 * ENOUGH, active="SP1", candidate="SP2")
            await line.heard()
            await review(client, 3 * ENOUGH)
            await line.heard()
            csrf = await sign_in(client, ENGINEER)
            reply = await post_activate(client, csrf)
            assert (reply.status_code, line.promoted()) == (409, [])

    run(test())


@pytest.mark.parametrize("number", [2, 3])
def test_no_way_around_by_ending_the_trial(folder: Path, number: int) -> None:
    """A model that is no candidate, or no more, is proven by nothing either."""
    ModelStore(LineFolder(folder).models).shadow(None)

    async def test() -> None:
        async with beside(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            assert "Activate" not in (await client.get("/models")).text
            assert (await post_activate(client, csrf, number)).status_code == 409
            assert (await client.post(f"/api/models/{number}/activate", auth=ENGINEER)).status_code == 409
            assert line.promoted() == []

    run(test())


def test_one_may_always_go_back(folder: Path) -> None:
    ModelStore(LineFolder(folder).models).activate(2)

    async def test() -> None:
        async with beside(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            assert "Roll back to it" in (await client.get("/models")).text
            assert (await client.post("/models/roll-back", data={"csrf": csrf})).status_code == 303
            assert (await post_activate(client, csrf, 1)).status_code == 303
            assert [do for do, _ in line.asked] == ["roll_back", "activate"]

    run(test())


def test_where_nothing_is_asked_a_person_decides(folder: Path) -> None:
    async def test() -> None:
        async with beside(folder, promotion=None) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert "May the candidate be promoted?" not in page
            assert '<button class="primary">Promote</button>' in page
            assert (await post_activate(client, csrf, 3)).status_code == 303
            assert [do for do, _ in line.asked] == ["activate"]

    run(test())


def test_a_part_where_the_two_differ_is_linked_and_its_name_only_shown(folder: Path) -> None:
    evil = '"><script>alert(1)</script>'

    async def test() -> None:
        async with beside(folder) as (line, client):
            images = drawn_images(folder / "camera", "A", 0)
            line.add(model_answer({"SP1": 0.9, "SP2": 0.1}, images=images), part=evil)
            said = model_answer({"SP2": 0.9, "SP1": 0.1}, images=images)
            line.log.append([("shadow", {"seq": 1, "part_id": evil, "model_number": 2, "result": said})])
            line.tell()
            await line.heard()
            await sign_in(client, OPERATOR)
            page = (await client.get("/models")).text
            assert "1 of 1 devices that the candidate saw" in page
            assert "<script>alert" not in page
            assert "&lt;script&gt;" in page
            assert "/parts?part=%22%3E%3Cscript" in page

    run(test())


def test_a_damaged_index_still_lets_one_see_the_models(folder: Path) -> None:
    (folder / "review.sqlite").mkdir()

    async def test() -> None:
        async with beside(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            reply = await client.get("/models")
            assert (reply.status_code, "cannot be used" in reply.text) == (200, True)
            assert (await post_activate(client, csrf)).status_code == 409
            assert line.promoted() == []

    run(test())

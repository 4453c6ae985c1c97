"""The pages Line, Part, Models and Audit: what they say, and who may change what."""

import json
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fake_inference import part_result, run
from rgbx.files import write_json
from rgbx_line.contract import FaultCode, LineState, ReasonCode
from rgbx_line.job_list import LineJob, add_job, read_jobs
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder
from rgbx_line.web.pages import models, proof
from rgbx_line.web.pages.proof import PromotionProof
from rgbx_line.web.pages.words import banner_of, in_words, reason_in_words
from shown_devices import shown_result
from tiny_bundle import write_untrained_bundle
from web_line import ENGINEER, OPERATOR, WebLine, sign_in, web_line

ENGINEERS = [
    ("/models/1/activate", "activate", {"number": 1}),
    ("/models/1/shadow", "shadow", {"number": 1}),
    ("/models/no-candidate", "shadow", {"number": None}),
    ("/models/roll-back", "roll_back", {}),
    ("/models/add", "add_model", {"folder": "/runs/next"}),
]


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def with_models(folder: Path) -> ModelStore:
    """Put two models into a line's store: one is active, one the candidate."""
    store = ModelStore(LineFolder(folder).models)
    for name, iterations in (("one", 3), ("two", 2)):
        store.add(write_untrained_bundle(folder / name, iterations=iterations), "Ada")
    store.activate(1)
    store.shadow(2)
    return store


async def show(line: WebLine, *results: Any) -> None:
    line.log.append([("result", result.model_dump(mode="json")) for result in results])
    line.tell()
    await line.heard()


# Line


def test_the_last_part_is_shown_with_its_answer(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            assert "No part yet" in (await client.get("/")).text
            await show(line, shown_result(folder, 1), shown_result(folder, 7))
            page = (await client.get("/")).text
            assert ">Aside</p>" in page
            assert "It is like nothing that the model knows." in page
            assert 'href="/parts/A7"' in page
            assert 'href="/parts/A1"' in page

    run(test())


@pytest.mark.parametrize("name", ["", " ", "SP10", "Hazardous waste bin", "Uninterruptible power supplies"])
def test_a_bin_of_any_name_is_shown(folder: Path, name: str) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            await show(line, shown_result(folder, 1).model_copy(update={"bin": name}))
            assert f">{name or 'Aside'}</p>" in (await client.get("/")).text

    run(test())


def test_pages_are_told_what_is_new_and_nothing_else(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            await show(line, part_result(1))
            version = line.site.recent.version
            for path in (f"/live/line?seen={version}",):
                assert (await client.get(path)).status_code == 204
            await show(line, part_result(2))
            reply = await client.get(f"/live/line?seen={version}")
            assert reply.status_code == 200
            assert f"hx-vals='{{\"seen\": {line.site.recent.version}}}'" in reply.text

    run(test())


def test_nothing_of_the_log_is_read_to_show_the_line(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            await show(line, *(part_result(seq) for seq in range(60)))
            line.folder.log.rename(folder / "away")
            for path in ("/", "/live/line", "/live/banner", "/live/hour", "/audit"):
                assert (await client.get(path)).status_code == 200, path
            (folder / "away").rename(line.folder.log)

    run(test())


def test_charts_add_up_to_the_tables(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            late = {"bin": None, "bin_code": 0, "reason": "late", "reason_code": ReasonCode.LATE}
            many = [part_result(seq).model_copy(update={"bin": f"bin {seq % 12}"}) for seq in range(60)]
            await show(line, *many, part_result(61).model_copy(update=late))
            page = (await client.get("/live/hour")).text
            charts = json.loads(page.split('data-charts="')[1].split('"')[0].replace("&#34;", '"'))
            assert sum(sum(band["counts"]) for band in charts["bins"]) == 61
            assert [(band["label"], sum(band["counts"])) for band in charts["reasons"]] == [("late", 1)]
            assert len(charts["bins"]) == 9, "as many colours as can be told apart, the others, and aside"
            assert "1.6 %" in page

    run(test())


@pytest.mark.parametrize("fault", list(FaultCode))
def test_every_fault_says_what_to_do(fault: FaultCode) -> None:
    ready = fault is FaultCode.NONE
    banner = banner_of(LineState(ready=ready, fault=fault, model_number=3))
    assert banner.headline
    assert banner.what.endswith(".")
    assert bool(banner.remedy) != ready
    assert (banner.tone == "good") == ready
    stopping = banner_of(LineState(ready=False, fault=FaultCode.NONE))
    assert stopping.tone != "good"


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_is_a_sentence(code: ReasonCode) -> None:
    assert reason_in_words(code).endswith(".") == (code is not ReasonCode.NONE)
    assert reason_in_words(99) == ""


def test_what_an_audited_line_says_is_read_by_people() -> None:
    rule = {"at_most": 0.05, "by_class": True, "classes": ["SP1", "rgb_only"], "until": None}
    assert in_words(rule) == "at most 0.05, by class yes, classes SP1, rgb_only, until –"
    assert in_words("root") == "root"


def test_an_operator_halts_and_resumes_by_name(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, OPERATOR)
            for what in ("halt", "resume"):
                reply = await client.post(f"/{what}", data={"csrf": csrf})
                assert (reply.status_code, reply.headers["location"]) == (303, "/")
            assert line.asked == [("halt", {"who": "olga"}), ("resume", {"who": "olga"})]
            assert "The line takes parts again." in (await client.get("/")).text
            assert "The line takes parts again." not in (await client.get("/")).text, "it is said once"
            line.refuses = True
            reply = await client.post("/halt", data={"csrf": csrf})
            assert reply.status_code == 409
            assert "the line is not ready" in reply.text

    run(test())


# Part


def test_a_part_shows_all_that_the_log_says_of_it(folder: Path) -> None:
    store = with_models(folder)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            result = shown_result(folder / "came", 7)
            shadow = {"seq": 7, "part_id": "A7", "model_number": 2, "result": result.result}
            review = {"number": 2, "part_id": "A7", "label": "SP4", "why": "unknown", "who": "Grace"}
            line.log.append([("trigger", {"seq": 7, "part_id": "A7"}), ("result", result.model_dump(mode="json"))])
            line.log.append([("shadow", shadow), ("review", review)])
            line.tell()
            await line.heard()
            page = (await client.get("/parts/A7")).text
            for words in ("Aside", "It is like nothing", "What the candidate says", "Grace", "SP4", "Stranger than"):
                assert words in page, words
            assert page.count("<details>") == 4
            assert page.count("viewer-canvas") == 2
            assert "number 1, one" in page
            assert "number 2, two" in page
            assert page.count("-heat.png") == 6, "three looks of each stream"
            assert "not calibrated" in page

    assert store.active == 1
    run(test())


def test_a_part_without_images_or_answer_is_shown(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            line.log.append([("trigger", {"seq": 1, "part_id": "A1"})])
            await show(line, shown_result(folder, 17), part_result(3, "old"))
            assert "no answer yet" in (await client.get("/parts/A1")).text
            assert "There was no answer in time." in (await client.get("/parts/A17")).text
            assert "The log names no image" in (await client.get("/parts/old")).text

    run(test())


def test_a_part_whose_images_are_gone_says_so(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            result = shown_result(folder / "came", 1)
            await show(line, result)
            Path(result.images["xray"]).unlink()
            page = (await client.get("/parts/A1")).text
            assert page.count("viewer-canvas") == 1
            assert "not there any more" in page

    run(test())


def test_a_search_finds_and_proposes(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            await show(line, part_result(1, "Alpha-17"))
            assert (await client.get("/parts", params={"part": "Alpha-17"})).status_code == 200
            missing = await client.get("/parts", params={"part": "alpha"})
            assert missing.status_code == 404
            assert "Alpha-17" in missing.text

    run(test())


# Models


def test_models_are_listed_with_what_they_do(folder: Path) -> None:
    with_models(folder)

    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert "active: it answers" in page
            assert "candidate: tried beside" in page
            assert "Promote" in page
            assert "photographs and radiographs" in page

    run(test())


@pytest.mark.parametrize(("path", "do", "content"), ENGINEERS)
def test_an_engineer_changes_models_by_name(folder: Path, path: str, do: str, content: dict[str, Any]) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            reply = await client.post(path, data={"csrf": csrf, **{k: str(v) for k, v in content.items()}})
            assert (reply.status_code, reply.headers["location"]) == (303, "/models")
            assert line.asked == [(do, {**content, "who": "emil"})]

    run(test())


def test_an_operator_changes_no_model(folder: Path) -> None:
    with_models(folder)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, OPERATOR)
            paths = [path for path in line.addresses("POST") if path.startswith("/models")]
            assert len(paths) >= len(ENGINEERS)
            for path in paths:
                reply = await client.post(path.replace("{number}", "2"), data={"csrf": csrf, "folder": "/x"})
                assert reply.status_code == 403, path
                assert "olga is operator, and this needs the role engineer" in reply.text
            assert line.asked == []
            page = (await client.get("/models")).text
            assert "Promote" not in page
            assert "An engineer changes models." in page
            for method in ("DELETE", "PUT", "PATCH"):
                assert line.addresses(method) == [], "nothing can be deleted"

    run(test())


def test_a_candidate_that_is_not_proven_is_not_promoted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_models(folder)
    proofs: dict[int, PromotionProof] = {2: PromotionProof(False, "It takes 40 more reviews.", {})}
    monkeypatch.setattr(models, "promotion_proof", lambda _, number: proofs.get(number))

    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert "It takes 40 more reviews." in page
            assert '<button class="primary" disabled>Promote</button>' in page
            reply = await client.post("/models/2/activate", data={"csrf": csrf})
            assert reply.status_code == 409, "a grey button is no lock"
            assert line.asked == []
            monkeypatch.setattr(proof, "check_promotion", lambda *_: None)
            assert (await client.post("/models/2/activate", data={"csrf": csrf})).status_code == 303

    run(test())


def test_jobs_say_how_far_they_are(folder: Path) -> None:
    line_folder = LineFolder(folder)
    for number in (1, 2, 3):
        add_job(line_folder, ["render", f"set-{number}"], "Ada")
    now = datetime.now(UTC)
    started = LineJob(number=2, arguments=("render", "set-2"), who="Ada", added=now, started=now)
    ended = LineJob(number=1, arguments=("render", "set-1"), who="Ada", added=now, started=now, ended=now, code=3)
    for job in (started, ended):
        write_json(line_folder.jobs / f"{job.number:06d}.json", job.model_dump(mode="json"))
    output = b"begun\r\n\x1b[2Krendering: 35/140, 3 s\rrendering: 70/140, 6 s, about 6 s left\r"
    (line_folder.jobs / "000002.log").write_bytes(output)

    async def test() -> None:
        async with web_line(folder) as (_, client):
            await sign_in(client)
            page = (await client.get("/live/jobs")).text
            assert page.index("3: rgbx") < page.index("2: rgbx") < page.index("1: rgbx")
            assert "waits" in page
            assert "failed (3)" in page
            assert '<progress value="0.5" max="1"' in page
            assert "rendering: 70/140, 6 s, about 6 s left</p>" in page
            assert "\x1b" not in page

    run(test())


@pytest.mark.parametrize(
    "form",
    [
        {"name": "", "units": "/scans/1"},
        {"name": "--full", "units": "/scans/1"},
        {"name": "SP11", "units": ""},
        {"name": "SP11", "units": "--out\n/scans/1"},
        {"name": "SP11", "units": "scans/1"},
        {"name": "SP11"},
    ],
)
def test_a_class_that_cannot_be_is_not_added(folder: Path, form: dict[str, str]) -> None:
    with_models(folder)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            assert (await client.post("/models/classes", data={"csrf": csrf, **form})).status_code == 422
            assert read_jobs(line.folder) == []

    run(test())


def test_a_class_is_added_by_a_job(folder: Path) -> None:
    with_models(folder)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            form = {"csrf": csrf, "name": "SP11", "units": "/scans/1\r\n/scans/2\r\n"}
            assert (await client.post("/models/classes", data=form)).status_code == 303
            (job,) = read_jobs(line.folder)
            assert job.arguments[:2] == ("classes", "add")
            assert {"--name=SP11", "--unit=/scans/1", "--unit=/scans/2"} <= set(job.arguments)
            assert "--full" not in job.arguments
            assert job.who == "emil"
            assert line.asked[0][1]["what"] == "job added"

    run(test())


def test_a_class_is_trained_in_full_with_the_sets_that_line_yaml_names(folder: Path) -> None:
    with_models(folder)
    form = {"name": "SP11", "units": "/scans/1", "full": "yes"}

    async def test() -> None:
        async with web_line(folder) as (line, client):
            csrf = await sign_in(client, ENGINEER)
            page = (await client.get("/models")).text
            assert 'name="full"' not in page
            assert "trained_on" in page
            refused = await client.post("/models/classes", data={"csrf": csrf, **form})
            assert refused.status_code == 409
            assert "trained_on" in refused.text
            assert read_jobs(line.folder) == []
            sets = {"rgb": ("/sets/rgb", "/sets/more"), "xray": ("/sets/xray",)}
            line.site.settings = line.site.settings.updated({"trained_on": sets})
            assert 'name="full"' in (await client.get("/models")).text
            assert (await client.post("/models/classes", data={"csrf": csrf, **form})).status_code == 303
            (job,) = read_jobs(line.folder)
            old = ["--full", "--old-rgb=/sets/rgb", "--old-rgb=/sets/more", "--old-xray=/sets/xray"]
            assert list(job.arguments[-4:]) == old

    run(test())


# Audit


def test_deeds_are_filtered_and_paged(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            line.log.append([("audit", {"what": "halted", "who": f"Ada {each}"}) for each in range(120)])
            line.log.append([("audit", {"what": "model active", "who": "Grace", "number": 2})])
            line.tell()
            await line.heard()
            page = (await client.get("/audit")).text
            assert page.count("<tr>") == 51
            assert page.index("Grace") < page.index("Ada 119") < page.index("Ada 118")
            assert "Older" in page
            older = (await client.get("/audit?before=22")).text
            assert "Ada 20" in older
            assert "Ada 21<" not in older
            assert "Older" not in older
            only = (await client.get("/audit", params={"what": "model active"})).text
            assert only.count("<tr>") == 2
            named = (await client.get("/audit", params={"who": "grace"})).text
            assert named.count("<tr>") == 2
            assert "is as it was written" in page

    run(test())


def test_an_altered_log_is_seen_on_the_page(folder: Path) -> None:
    async def test() -> None:
        async with web_line(folder) as (line, client):
            await sign_in(client)
            line.log.append([("audit", {"what": "halted", "who": "Ada"})])
            (path,) = line.folder.log.glob("*.jsonl")
            path.write_bytes(path.read_bytes().replace(b"Ada", b"Eve"))
            line.tell()
            try:
                await line.heard()
            except Exception as error:
                assert "damaged" in str(error)
            for _ in range(100):
                line.site.ledger.walk_on()
            page = (await client.get("/audit")).text
            assert "The log was altered, or is damaged." in page
            assert "What is shown here may be old." in (await client.get("/")).text

    run(test())

"""The figures of a line are those of its log, its sinks and its processes."""

import json
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import rgbx_line.web
from fake_inference import part_result, run
from rgbx.files import write_json
from rgbx_line.contract import FaultCode, ReasonCode
from rgbx_line.drift.report import DriftReport, write_drift
from rgbx_line.log import Entry, LineLog
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.segments import Position, read_entries
from rgbx_line.outlook import Going, Outlook
from web_line import WebLine, web_line

DASHBOARD = Path(rgbx_line.web.__file__).with_name("grafana.json")


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def figures(line: WebLine, client: httpx.AsyncClient) -> dict[str, float]:
    """Return the samples by name and labels, ``name{label="value"}``."""
    await line.heard()
    reply = await client.get("/metrics", auth=None)
    assert reply.status_code == 200
    assert reply.headers["content-type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(reply.text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def add(line: WebLine, seq: int, **changes: Any) -> None:
    result = part_result(seq).model_copy(update=changes)
    line.log.append([("result", result.model_dump(mode="json"))])
    line.tell()


def test_what_retention_is_going_to_delete_is_a_figure(folder: Path) -> None:
    going = Going(what="images", because="room", oldest=date(2026, 3, 1), when=datetime.now(UTC) + timedelta(days=3))
    foreseen = Outlook(
        made=datetime.now(UTC),
        bytes_a_day=1e9,
        room_bytes=3e9,
        short=True,
        going=(going,),
        images_going=40,
        unreviewed_going=39,
    )

    async def test() -> None:
        async with web_line(folder) as (line, client):
            assert not [name for name in await figures(line, client) if "going" in name]
            write_json(line.folder.outlook, foreseen.model_dump(mode="json"))
            found = await figures(line, client)
            assert found['rgbx_going_days{because="room",what="images"}'] == pytest.approx(3.0, abs=0.01)
            assert found["rgbx_unreviewed_going"] == 39

    run(test())


def test_results_are_counted_by_bin_and_reason(folder: Path) -> None:
    late = {"bin": None, "bin_code": 0, "reason": "late", "reason_code": ReasonCode.LATE, "latency_ms": None}

    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1, 2)
            add(line, 3, **late, result=None)
            line.log.append([("late_answer", {"seq": 3, "part_id": "P3", "result": {}})])
            line.tell()
            found = await figures(line, client)
            assert found['rgbx_parts_total{bin="mixed",reason="none"}'] == 2
            assert found['rgbx_parts_total{bin="aside",reason="late"}'] == 1
            assert found["rgbx_deadline_misses_total"] == 1
            assert found["rgbx_log_announced"] == 4
            line.append(4)  # on the disk, but not announced
            assert (await figures(line, client))['rgbx_parts_total{bin="mixed",reason="none"}'] == 2
            line.answer(5)
            assert (await figures(line, client))['rgbx_parts_total{bin="mixed",reason="none"}'] == 4

    run(test())


def test_latencies_are_seconds(folder: Path) -> None:
    now = datetime.now(UTC)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            times = {"ProcessingTimes": {"ProcessingDuration": 40.0}}
            add(line, 1, latency_ms=250.0, triggered=now - timedelta(seconds=3), first_image=now, result=times)
            add(line, 2, latency_ms=50.0, first_image=now + timedelta(hours=1))  # the clock was set back
            found = await figures(line, client)
            assert found['rgbx_latency_seconds_count{stage="answer"}'] == 2
            assert found['rgbx_latency_seconds_sum{stage="answer"}'] == pytest.approx(0.3)
            assert found['rgbx_latency_seconds_bucket{le="0.1",stage="answer"}'] == 1
            assert found['rgbx_latency_seconds_count{stage="deadline"}'] == 1
            assert found['rgbx_latency_seconds_sum{stage="deadline"}'] == pytest.approx(3, abs=1)
            assert found['rgbx_latency_seconds_sum{stage="processing"}'] == pytest.approx(0.04)

    run(test())


def test_state_sinks_and_processes_are_told(folder: Path) -> None:
    processes = {
        "inference": {"pid": 7, "alive": True, "restarts": 2, "since": "2026-01-01T00:00:00Z"},
        "web": {"pid": None, "alive": False, "restarts": 0, "since": None},
    }

    async def test() -> None:
        async with web_line(folder) as (line, client):
            found = await figures(line, client)
            assert not any("process" in name or "lag" in name for name in found)

            line.answer(1, 2, 3)
            cursor = Cursor(folder / "cursors" / "mqtt.json")
            cursor.move(*next(read_entries(folder / "log")))
            cursor.save()
            (folder / "cursors" / "torn.json").write_text("{")
            (folder / "status.json").write_text(json.dumps({"supervisor": 1, "processes": processes}))
            line.tell(ready=False, fault=FaultCode.HALTED, open_parts=4)
            found = await figures(line, client)
            assert found['rgbx_cursor_lag{sink="mqtt"}'] == 2
            assert found['rgbx_process_restarts_total{process="inference"}'] == 2
            assert found['rgbx_process_alive{process="inference"}'] == 1
            assert found['rgbx_process_alive{process="web"}'] == 0
            assert (found["rgbx_ready"], found["rgbx_fault"], found["rgbx_open_parts"]) == (0, FaultCode.HALTED, 4)
            assert found["rgbx_model_number"] == 3
            assert found["rgbx_disk_free_bytes"] > 0

    run(test())


def test_what_is_older_than_the_process_is_not_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LineLog(folder / "log", segment_bytes=300_000) as log:
        content = part_result(1).model_dump(mode="json")
        log.append([("result", content)] * 20_000)

    read: list[int] = []

    def counted(*place: Any) -> Iterator[tuple[Entry, Position]]:
        for entry, position in read_entries(*place):
            read.append(entry.number)
            yield entry, position

    monkeypatch.setattr("rgbx_line.web.metrics.read_entries", counted)

    async def test() -> None:
        async with web_line(folder) as (line, client):
            line.answer(1)
            found = await figures(line, client)
            assert found['rgbx_parts_total{bin="mixed",reason="none"}'] == 1

    run(test())
    assert 20_001 in read
    assert len(read) < 5000, "of 20,001 lines only the last ones"


def test_the_dashboard_shows_figures_that_there_are(folder: Path) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    named = {name for query in queries for name in re.findall(r"rgbx_\w+", query)}

    async def test() -> None:
        async with web_line(folder) as (line, client):
            cursor = Cursor(folder / "cursors" / "mqtt.json")
            cursor.save()
            (folder / "status.json").write_text('{"processes": {"web": {"alive": true, "restarts": 0}}}')
            write_drift(line.folder, DriftReport(levels={"rgb": 0.5}))
            line.answer(1)
            found = {name.partition("{")[0] for name in await figures(line, client)}
            assert named <= found
            shown = {re.sub("_(bucket|sum|count)$", "", name) for name in found if not name.endswith("_created")}
            assert shown == {re.sub("_(bucket|sum|count)$", "", name) for name in named}

    run(test())


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    cells = [
        (x, y)
        for panel in dashboard["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie over each other"
    assert max(x for x, _ in cells) < 24
    assert "http" not in DASHBOARD.read_text()

"""A report says what the log says, and nothing of a log that was altered."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.errors import ConfigError, InputError, RgbxError
from rgbx.trust.sorting import Sorting
from rgbx_line.contract import FaultCode
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.report import line_report
from rgbx_line.report.line_report import LineReport, report_of
from rgbx_line.report.page import report_page
from rgbx_line.report.period import read_period
from rgbx_line.report.tables import csv_files
from rgbx_line.review.models import ModelFacts, ModelKnowledge
from rgbx_line.settings import LineFolder, LineSettings
from written_log import WrittenLog, written_log

DAY = datetime(2026, 3, 2, tzinfo=UTC)
NOW = datetime(2026, 3, 20, tzinfo=UTC)
MARCH = read_period("2026-03-01", "2026-03-10", "UTC")
BINS = {"SP1": "phones", "SP2": "phones", "SP10": "tablets"}
NASTY = "<script>alert(1)</script>"


def at(hours: float) -> datetime:
    return DAY + timedelta(hours=hours)


@pytest.fixture(autouse=True)
def knowledge(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's models have no bundles here."""
    facts = ModelFacts(tuple(BINS), Sorting.of(tuple(BINS), BINS, None))
    known = ModelKnowledge({1: facts, 2: facts})
    monkeypatch.setattr(line_report, "StoreKnowledge", lambda _: lambda: known)


def settings_of(folder: Path, **more: object) -> LineSettings:
    return LineSettings.model_validate(
        {
            "folder": folder / "line",
            "bundle": folder / "model",
            "bins": {"phones": 1, "tablets": 2},
            "review": {"random_share": 1.0},
            "classes": {
                "SP1": {"battery_g": 45.5, "chemistry": "Li-ion"},
                "SP2": {"battery_g": 20, "chemistry": "NiMH"},
            },
            **more,
        }
    )


def write_week(log: WrittenLog) -> None:
    """Two days of work."""
    log.at(at(6), "started", {"model": 1, "who": "root"})
    log.state(at(6), None)
    first = log.result(at(6.01), "SP1", "phones")
    log.result(at(6.02), "SP2", "phones")
    log.result(at(6.03), "SP10", None, "low confidence")
    log.result(at(6.04), None, None, "late")
    log.result(at(6.05), "SP1", "phones")
    log.review(at(7), first, "SP10")  # in the wrong bin
    log.deed(at(7.1), "model active", "Grace", number=2)
    log.deed(at(7.2), "login failed", "eve", address="10.0.0.1")
    log.state(at(7.3), FaultCode.SOURCE)
    log.at(at(7.4), "stopped", {})
    log.at(at(30), "started", {"model": 2, "who": "root"})
    log.state(at(30), None)
    log.result(at(30.1), "SP10", "tablets", model=2)
    log.at(at(30.2), "stopped", {})


def report(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: object) -> LineReport:
    settings = settings_of(folder, **more)
    with written_log(LineFolder(settings.folder), monkeypatch) as log:
        write_week(log)
    return report_of(settings, MARCH, now=NOW)


def test_it_counts_what_the_log_holds(tmp_path, monkeypatch):
    found = report(tmp_path, monkeypatch)
    assert (found.devices, found.sorted, found.late) == (6, 4, 1)
    assert {(each.label, each.bin): each.devices for each in found.counts} == {
        ("SP1", "phones"): 2,
        ("SP2", "phones"): 1,
        ("SP10", None): 1,
        ("SP10", "tablets"): 1,
        (None, None): 1,
    }
    assert [each.label for each in found.counts] == ["SP1", "SP2", "SP10", "SP10", None]
    assert {each.reason: each.devices for each in found.reasons} == {"late": 1, "low confidence": 1}
    assert sum(each.sorted + each.aside for each in found.spans) == 6
    assert [each.sorted for each in found.spans[:4]] == [0, 3, 1, 0]
    assert found.times is not None
    assert found.times.median == 100.0
    assert found.availability == pytest.approx((1.3 + 0.2) / (1.3 + 0.1 + 0.2))
    assert [(each.label, each.chemistry, each.devices, each.kg) for each in found.batteries] == [
        ("SP1", "Li-ion", 2, pytest.approx(0.091)),
        ("SP2", "NiMH", 1, 0.02),
        ("SP10", None, 1, None),
    ]
    assert [(each.chemistry, each.devices) for each in found.chemistries] == [("Li-ion", 2), ("NiMH", 1)]
    assert [(each.number, each.devices, each.name) for each in found.models] == [(1, 5, None), (2, 1, None)]
    assert [(each.what, each.who, each.more) for each in found.deeds] == [("model active", "Grace", {"number": 2})]
    assert found.failed_logins == 1
    assert found.bounds is not None
    assert found.bounds.first == 1
    assert found.complete
    assert found.is_over


def test_purity_and_recall_come_from_the_reviews(tmp_path, monkeypatch):
    audited = report(tmp_path, monkeypatch).audited
    assert (audited.drawn, audited.reviewed) == (6, 1)
    shares = {each.bin: each.share for each in audited.bins}
    assert (shares["phones"].value, shares["phones"].bad, shares["phones"].open) == (0.0, 1, 2)
    assert shares["tablets"].value is None
    recall = {each.label: each.share.value for each in audited.classes}
    assert recall == {"SP1": None, "SP2": None, "SP10": 0.0, "unknown": None}


def test_only_the_period_counts_and_what_may_be_told_of(tmp_path, monkeypatch):
    settings = settings_of(tmp_path)
    report(tmp_path, monkeypatch)
    second = report_of(settings, read_period("2026-03-03", "2026-03-03", "UTC"), now=NOW)
    assert (second.devices, [each.number for each in second.models]) == (1, [2])
    assert report_of(settings, MARCH, through=4, now=NOW).devices == 2
    empty = report_of(settings, read_period("2026-03-08", "2026-03-09", "UTC"), now=NOW)
    assert (empty.devices, empty.bounds, empty.times, empty.models) == (0, None, None, ())
    assert "There were none." in report_page(empty)
    running = report_of(settings, MARCH, now=at(31))
    assert not running.is_over
    assert running.until == at(31)
    with pytest.raises(RgbxError, match="has not begun"):
        report_of(settings, MARCH, now=DAY - timedelta(days=9))


def test_an_altered_line_makes_no_report(tmp_path, monkeypatch):
    settings = settings_of(tmp_path)
    log = LineFolder(settings.folder).log
    report(tmp_path, monkeypatch)
    path = segment_path(log, segment_numbers(log)[-1])
    content = path.read_bytes()
    path.write_bytes(content + b'{"number":99')  # a line that is being written
    assert report_of(settings, MARCH, now=NOW).devices == 6
    path.write_bytes(content.replace(b'"phones"', b'"scrap!"', 1))
    with pytest.raises(InputError, match="damaged"):
        report_of(settings, MARCH, now=NOW)


def test_lines_that_were_deleted_are_missed(tmp_path, monkeypatch):
    settings = settings_of(tmp_path)
    folder = LineFolder(settings.folder)
    with written_log(folder, monkeypatch, segment_bytes=1500) as log:
        write_week(log)
    whole = report_of(settings, MARCH, now=NOW)
    assert whole.complete
    segment_path(folder.log, 1).unlink()
    (folder.folder / "review.sqlite").unlink(missing_ok=True)
    part = report_of(settings, MARCH, now=NOW)
    assert not part.complete
    assert part.devices < whole.devices
    assert "deleted for their age" in report_page(part)


def test_a_missing_log_is_named(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        report_of(settings_of(tmp_path), MARCH, now=NOW)


@pytest.mark.parametrize(
    "battery", [{"battery_g": 5}, {"chemistry": "Li-ion"}, {"battery_g": -1, "chemistry": "Li-ion"}]
)
def test_half_a_battery_is_refused(tmp_path, battery):
    with pytest.raises(ConfigError, match="classes"):
        settings_of(tmp_path, classes={"SP1": battery})


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_needs_nothing_else_and_runs_nothing(tmp_path, monkeypatch):
    settings = settings_of(tmp_path, place={"line": NASTY.replace("/", "")})
    with written_log(LineFolder(settings.folder), monkeypatch) as log:
        write_week(log)
        log.deed(at(31), NASTY, NASTY, why=NASTY)
        log.result(at(31), NASTY, NASTY)
    page = _Page()
    text = report_page(report_of(settings, MARCH, now=NOW))
    page.feed(text)
    assert "script" not in page.tags
    assert page.links == []
    assert NASTY in "".join(page.text)
    assert not re.search(r"https?://", text)
    assert "not audited" in text
    assert "(UTC)" in text


def test_tables_hold_the_same_and_start_no_formula(tmp_path, monkeypatch):
    settings = settings_of(tmp_path)
    with written_log(LineFolder(settings.folder), monkeypatch) as log:
        write_week(log)
        log.deed(at(31), "=cmd|' /C calc'!A0", "Ada")
    found = report_of(settings, MARCH, now=NOW)
    tables = {name: list(csv.reader(io.StringIO(content))) for name, content in csv_files(found).items()}
    assert tables["devices.csv"][0] == ["class", "phones", "tablets", "aside", "all"]
    assert tables["devices.csv"][1] == ["SP1", "2", "0", "0", "2"]
    assert sum(int(row[-1]) for row in tables["devices.csv"][1:]) == found.devices
    assert tables["purity.csv"][-1] == ["tablets", "", "", "", "0", "0", "1"]
    assert tables["audit.csv"][-1][2].startswith("'=")
    assert {len(row) for rows in tables.values() for row in rows[:1]} > {2}
    assert all(len({len(row) for row in rows}) == 1 for rows in tables.values())


def test_the_verb_writes_a_page_and_tables(tmp_path, monkeypatch):
    report(tmp_path, monkeypatch)
    settings = settings_of(tmp_path, zone="Europe/Berlin")
    (tmp_path / "line.yaml").write_text(json.dumps(settings.model_dump(mode="json")))
    command = ["line", "report", str(tmp_path / "line.yaml"), "--from", "2026-03-01", "--until", "2026-03-10"]
    ran = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert ran.exit_code == 0, ran.output
    assert "6 devices, 4 of them to a bin, 2026-03-01 to 2026-03-10 (Europe/Berlin)" in ran.output
    assert {path.name for path in (tmp_path / "out").iterdir()} > {"report.html", "devices.csv", "batteries.csv"}
    again = CliRunner().invoke(app, [*command, "--out", str(tmp_path / "out")])
    assert "is there already" in str(again.exception)

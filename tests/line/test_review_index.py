"""The index of the review: what it holds is what the log says, however it came about."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from review_line import model_answer, opinion, result_content
from rgbx.errors import InputError
from rgbx_line.log import LineLog
from rgbx_line.log.segments import segment_numbers, segment_path
from rgbx_line.review.index import ReviewIndex
from rgbx_line.review.standing import ReviewState, standing_of
from rgbx_line.review_mix import ReviewMix

ALL = "SELECT * FROM {} ORDER BY 1, 2"
IMAGES = {"rgb": Path("a_rgb.png")}


def sure(label: str = "SP1", **more: Any) -> dict[str, Any]:
    rest = {"SP1": 0.04, "SP2": 0.03, "SP10": 0.03}
    return model_answer({**rest, label: 0.9}, images=IMAGES, **more)


def write(folder: Path, *things: tuple[str, dict[str, Any]], segment_bytes: int = 4000) -> None:
    with LineLog(folder / "log", segment_bytes=segment_bytes) as log:
        for thing in things:
            log.append([thing])


def results(count: int, first: int = 1) -> list[tuple[str, dict[str, Any]]]:
    return [("result", result_content(seq, sure())) for seq in range(first, first + count)]


def index_of(folder: Path, mix: ReviewMix | None = None, name: str = "review.sqlite") -> ReviewIndex:
    index = ReviewIndex(folder / "log", folder / name, mix or ReviewMix())
    index.update()
    return index


def held(index: ReviewIndex) -> dict[str, list[tuple[Any, ...]]]:
    tables = {table: [tuple(row) for row in index.rows(ALL.format(table))] for table in ("results", "votes", "shadows")}
    tables["window"] = [tuple(row) for row in index.rows("SELECT window FROM reached")]
    return tables


def states(index: ReviewIndex) -> dict[int, tuple[str, str | None]]:
    return {row["number"]: (row["state"], row["verdict"]) for row in index.rows("SELECT * FROM results")}


def test_it_holds_what_a_result_says(tmp_path: Path) -> None:
    near = model_answer({"SP1": 0.5, "SP2": 0.4, "SP10": 0.1}, {"rgb": "SP1", "xray": "SP2"}, images=IMAGES)
    write(tmp_path, ("result", result_content(7, near, "A/7")), ("trigger", {"seq": 8, "part_id": "B"}))
    with index_of(tmp_path) as index:
        (row,) = index.rows("SELECT * FROM results")
        entry = index.entry(row)
    assert entry is not None
    assert (row["seq"], row["part"], row["label"], row["bin"], row["disagree"], row["late"]) == (
        7, "A/7", "SP1", "SP1", 1, 0,
    )  # fmt: skip
    assert row["margin"] == pytest.approx(0.1)
    assert row["draw"] == int(entry.hash[:13], 16) / 16**13
    assert row["second"] == int(entry.hash[13:26], 16) / 16**13
    assert entry.content["part_id"] == "A/7"


def test_what_comes_too_late_belongs_to_its_part(tmp_path: Path) -> None:
    write(
        tmp_path,
        ("result", result_content(1, None, "A")),
        ("result", result_content(1, None, "B")),
        ("late_answer", {"seq": 1, "part_id": "A", "model_number": 1, "result": sure("SP2")}),
        ("shadow", {"seq": 1, "part_id": "B", "model_number": 2, "result": sure("SP10")}),
        ("shadow", {"seq": 9, "part_id": "B", "model_number": 2, "result": sure("SP10")}),
    )
    with index_of(tmp_path) as index:
        first, second = index.rows("SELECT * FROM results ORDER BY number")
        late = index.entry(first, late=True)
        assert index.entry(second, late=True) is None
        shadows = held(index)["shadows"]
    assert late is not None
    assert late.content["part_id"] == "A"
    assert (first["late"], first["images"], first["waiting"]) == (1, 1, 1)
    assert (second["late"], second["images"], second["waiting"]) == (1, 0, 0), "there is nothing to look at"
    assert [shadow[:4] for shadow in shadows] == [(2, 2, 4, "SP10")]


def test_opinions_come_to_a_state(tmp_path: Path) -> None:
    write(
        tmp_path,
        *results(6),
        opinion(1, "SP1"),
        opinion(2, "SP1"),
        opinion(2, "SP2", "emil"),
        opinion(3, "skip"),
        opinion(4, "SP1"),
        opinion(4, None),
        opinion(5, "SP2"),
        opinion(5, "unknown"),
    )
    with index_of(tmp_path, ReviewMix(second_opinion=0.0)) as index:
        assert states(index) == {
            1: ("settled", "SP1"),
            2: ("disputed", None),
            3: ("skipped", None),
            4: ("open", None),
            5: ("settled", "unknown"),
            6: ("open", None),
        }
        waiting = {row["number"] for row in index.rows("SELECT number FROM results WHERE waiting")}
        assert waiting == {3, 4, 6}
        assert [(vote.who, vote.label) for vote in index.votes(2)] == [("olga", "SP1"), ("emil", "SP2")]
    write(tmp_path, opinion(2, "SP2"))
    with index_of(tmp_path) as index:
        assert states(index)[2] == ("settled", "SP2")


def test_opinions_of_nothing_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, *results(1), opinion(99, "SP1"), opinion(1, "SP1", part="another"))
    with index_of(tmp_path) as index:
        assert held(index)["votes"] == []


VOTES = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["SP1", "SP2", "unknown", "skip"]))


@given(votes=VOTES)
def test_a_label_needs_everybody_to_say_it(votes: dict[str, str]) -> None:
    standing = standing_of(votes)
    said = {label for label in votes.values() if label != "skip"}
    assert (standing.state is ReviewState.SETTLED) == (len(said) == 1)
    assert standing.label == (next(iter(said)) if len(said) == 1 else None)


STEPS = st.lists(
    st.one_of(
        st.just("result"),
        st.just("late"),
        st.tuples(
            st.integers(1, 12), st.sampled_from(["SP1", "SP2", "unknown", "skip", None]), st.sampled_from(["a", "b"])
        ),
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, cuts=st.sets(st.integers(0, 25), max_size=4), second=st.sampled_from([0.0, 0.5, 1.0]))
def test_one_that_was_kept_is_one_that_is_made_again(
    tmp_path: Path, steps: list[Any], cuts: set[int], second: float
) -> None:
    shutil.rmtree(tmp_path)
    mix = ReviewMix(second_opinion=second)
    things: list[tuple[str, dict[str, Any]]] = []
    for place, step in enumerate(steps, start=1):
        if step == "result":
            things.append(("result", result_content(place, sure(), f"P{place}")))
        elif step == "late":
            things.append(("result", result_content(place, None, f"P{place}")))
            things.append(("late_answer", {"seq": place, "part_id": f"P{place}", "model_number": 1, "result": sure()}))
        else:
            number, label, who = step
            things.append(opinion(number, label, who))
    for place, thing in enumerate(things):
        if place in cuts:
            (tmp_path / "log").mkdir(exist_ok=True, parents=True)
            index_of(tmp_path, mix).close()
        write(tmp_path, thing)
    with index_of(tmp_path, mix) as kept, index_of(tmp_path, mix, "again.sqlite") as again:
        assert held(kept) == held(again)
        assert kept.update() == 0


def test_entries_may_be_taken_in_a_few_at_a_time(tmp_path: Path) -> None:
    write(tmp_path, *results(30), opinion(3, "SP1"))
    with ReviewIndex(tmp_path / "log", tmp_path / "few.sqlite", ReviewMix()) as few:
        assert [few.update(most=10) for _ in range(5)] == [10, 10, 10, 1, 0]
        with index_of(tmp_path) as index:
            assert held(few) == held(index)


def test_segments_that_were_retired_are_forgotten(tmp_path: Path) -> None:
    write(tmp_path, *results(20), opinion(1, "SP1"), opinion(20, "SP1"))
    with index_of(tmp_path) as index:
        segments = segment_numbers(tmp_path / "log")
        for first in segments[:3]:
            segment_path(tmp_path / "log", first).unlink()
        index.update()
        assert min(states(index)) == segments[3]
        with index_of(tmp_path, name="again.sqlite") as again:
            assert held(index)["votes"] == held(again)["votes"]
            assert held(index)["results"] == held(again)["results"]


def test_a_log_from_a_backup_is_read_anew(tmp_path: Path) -> None:
    write(tmp_path, *results(5), opinion(1, "SP1"), segment_bytes=10**6)
    lines = segment_path(tmp_path / "log", 1).read_bytes().splitlines(keepends=True)
    with index_of(tmp_path) as index:
        segment_path(tmp_path / "log", 1).write_bytes(b"".join(lines[:3]))
        write(tmp_path, ("result", result_content(4, sure("SP2"), "other")), segment_bytes=10**6)
        index.update()
        assert [row["part"] for row in index.rows("SELECT part FROM results")] == ["P1", "P2", "P3", "other"]
        assert held(index)["votes"] == []


def test_settings_that_change_change_what_waits(tmp_path: Path) -> None:
    write(tmp_path, *results(40), *[opinion(number, "SP1") for number in range(1, 41)])

    def waiting(second: float) -> set[int]:
        with index_of(tmp_path, ReviewMix(second_opinion=second)) as index:
            return {row["number"] for row in index.rows("SELECT number FROM results WHERE waiting")}

    assert waiting(0.0) == set()
    assert waiting(1.0) == set(range(1, 41))
    assert waiting(0.0) < waiting(0.5) < waiting(1.0)


def test_old_results_wait_no_longer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datetime import datetime as real

    from review_line import at

    class Clock(real):
        day = 1

        @classmethod
        def now(cls, tz: Any = None) -> real:  # noqa: ARG003
            return at(cls.day)

    monkeypatch.setattr("rgbx_line.log.line_log.datetime", Clock)
    with index_of(tmp_path, ReviewMix(days=10)) as index:
        for day, seq in ((1, 1), (5, 2), (12, 3), (30, 4), (2, 5)):
            Clock.day = day
            write(tmp_path, ("result", result_content(seq, sure())))
            index.update()
            waiting = {row["number"] for row in index.rows("SELECT number FROM results WHERE waiting")}
            assert waiting == {1: {1}, 2: {1, 2}, 3: {2, 3}, 4: {4}, 5: {4, 5}}[seq], (
                "one whose clock was set back, too"
            )
        with index_of(tmp_path, ReviewMix(days=10), "again.sqlite") as again:
            assert held(again) == held(index)
    with index_of(tmp_path, ReviewMix(days=1000)) as index:
        assert len(index.rows("SELECT number FROM results WHERE waiting")) == 5


def test_a_damaged_index_is_made_again(tmp_path: Path) -> None:
    write(tmp_path, *results(2))
    index_of(tmp_path).close()
    (tmp_path / "review.sqlite").write_bytes(b"no database" * 1000)
    with index_of(tmp_path) as index:
        assert len(states(index)) == 2
    with sqlite3.connect(tmp_path / "review.sqlite") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        database.execute("PRAGMA user_version = 99")
    with index_of(tmp_path) as index:
        assert len(states(index)) == 2


def test_a_damaged_line_is_said(tmp_path: Path) -> None:
    write(tmp_path, *results(1))
    path = segment_path(tmp_path / "log", 1)
    path.write_bytes(path.read_bytes().replace(b'"P1"', b'"P2"'))
    with pytest.raises(InputError, match="is damaged"):
        index_of(tmp_path)


def test_what_is_drawn_does_not_hang_on_what_a_device_is(tmp_path: Path) -> None:
    """The share is right in every class alike, and reproducible from the log alone."""
    count, share = 6000, 0.2
    things = [("result", result_content(seq, sure(("SP1", "SP2", "SP10")[seq % 3]))) for seq in range(1, count + 1)]
    with LineLog(tmp_path / "log") as log:
        log.append(things)
    with index_of(tmp_path) as index:
        rows = index.rows("SELECT label, draw, second FROM results ORDER BY number")
    draws = np.array([row["draw"] for row in rows])
    for label in ("SP1", "SP2", "SP10"):
        mine = draws[[row["label"] == label for row in rows]]
        sigma = np.sqrt(len(mine) * share * (1 - share))
        assert abs((mine < share).sum() - share * len(mine)) < 4.5 * sigma
    assert 0 <= draws.min() < draws.max() < 1
    seconds = np.array([row["second"] for row in rows])
    assert abs(np.corrcoef(draws, seconds)[0, 1]) < 4.5 / np.sqrt(count)
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "log").glob("*.jsonl"))).splitlines()
    again = np.array([int(json.loads(line)["hash"][:13], 16) / 16**13 for line in lines])
    assert np.array_equal(draws, again)

"""Who is asked about which device: the mix, reviewers beside each other, opinions and what follows from them."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from review_line import KNOWLEDGE, drawn_images, model_answer, opinion, result_content
from rgbx.errors import RgbxError
from rgbx_line.log import LineLog
from rgbx_line.review.audited import audited
from rgbx_line.review.desk import ReviewDesk
from rgbx_line.review.groups import grouped
from rgbx_line.review.index import ReviewIndex
from rgbx_line.review.rates import reviewed_rate
from rgbx_line.review_mix import QueueName, ReviewMix
from rgbx_line.settings import LineFolder

ONE_EACH = dict.fromkeys(get_args(QueueName), 1.0)
NONE = dict.fromkeys(ONE_EACH, 0.0)


def only(**weights: float) -> ReviewMix:
    return ReviewMix.model_validate({"weights": NONE | weights, "second_opinion": 0.0})


class Line:
    """A log that opinions are kept in, and its desk."""

    def __init__(self, folder: Path, mix: ReviewMix) -> None:
        self.folder = LineFolder(folder)
        self.log = LineLog(self.folder.log)
        self.refuses = False
        self.desk = ReviewDesk(self.folder, mix, lambda: KNOWLEDGE, self.keep, lambda: self.log.number)
        self.mix = mix

    async def keep(self, **content: Any) -> None:
        if self.refuses:
            raise RgbxError("the disk is full.")
        self.log.append([("review", content)])

    def add(self, *answers: dict[str, Any] | None) -> list[int]:
        first = self.log.number + 1
        contents = [result_content(first + place, answer) for place, answer in enumerate(answers)]
        return [entry.number for entry in self.log.append([("result", content) for content in contents])]

    def label(self, who: str, numbers: list[int], label: str) -> None:
        asyncio.run(self.desk.label(who, numbers, label))

    def undo(self, who: str) -> list[int]:
        return asyncio.run(self.desk.undo(who))

    def next(self, who: str = "olga", count: int = 1) -> list[int]:
        return [device.number for device in self.desk.next(who, count)]

    def whys(self, who: str = "olga") -> list[str]:
        with ReviewIndex(self.folder.log, self.folder.folder / "review.sqlite", self.mix) as index:
            index.update()
            rows = index.rows("SELECT why FROM votes WHERE who = :who ORDER BY number", who=who)
        return [row["why"] for row in rows]

    def drawn(self) -> set[int]:
        with ReviewIndex(self.folder.log, self.folder.folder / "review.sqlite", self.mix) as index:
            index.update()
            rows = index.rows("SELECT number FROM results WHERE draw < :share", share=self.mix.random_share)
        return {row["number"] for row in rows}


@pytest.fixture
def images(tmp_path: Path) -> dict[str, Path]:
    return drawn_images(tmp_path / "camera", "A", 0)


def answers(images: dict[str, Path], count: int, seed: int = 0, reason: str | None = None) -> list[dict[str, Any]]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([3, 1, 1], count)
    return [
        model_answer({"SP1": float(a), "SP2": float(b), "SP10": float(c)}, reason=reason, images=images)
        for a, b, c in shares
    ]


def test_each_queue_gives_its_own(tmp_path: Path, images: dict[str, Path]) -> None:
    sure = model_answer({"SP1": 0.98, "SP2": 0.01, "SP10": 0.01}, images=images)
    near = model_answer({"SP1": 0.45, "SP2": 0.44, "SP10": 0.11}, images=images)
    nearer = model_answer({"SP1": 0.450, "SP2": 0.449, "SP10": 0.101}, images=images)
    strange = model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, reason="unknown", images=images)
    apart = model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, {"rgb": "SP1", "xray": "SP2"}, images=images)
    doubtful = model_answer({"SP1": 0.5, "SP2": 0.3, "SP10": 0.2}, reason="low confidence", images=images)
    contradicting = model_answer(
        {"SP1": 0.9, "SP2": 0.05, "SP10": 0.05},
        {"rgb": "SP1", "xray": "SP2"},
        reason="modalities disagree",
        images=images,
    )
    late = result_content(6, None) | {"images": {name: str(path) for name, path in images.items()}}
    for queue, expected in {
        "margin": [3, 2],
        "unknown": [4],
        "aside": [7],
        "disagree": [5, 8],
        "late": [6],
    }.items():
        line = Line(tmp_path / queue, only(**{queue: 1.0}))
        line.add(sure, near, nearer, strange, apart)
        line.log.append([("result", late)])
        line.add(doubtful, contradicting)
        assert line.next(count=len(expected)) == expected
    line = Line(tmp_path / "random", only(random=1.0))
    line.add(*[sure] * 500)
    handed = line.next(count=20)
    assert set(handed) == line.drawn() or (len(handed) == 20 and set(handed) < line.drawn())


def test_the_mix_is_as_it_is_set(tmp_path: Path, images: dict[str, Path]) -> None:
    weights = {"random": 3.0, "margin": 4.0, "unknown": 2.0, "disagree": 1.0, "aside": 0.0, "late": 0.0}
    mix = ReviewMix.model_validate({"weights": weights, "random_share": 0.5, "second_opinion": 0.0})
    line = Line(tmp_path, mix)
    apart = model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, {"rgb": "SP1", "xray": "SP2"}, images=images)
    line.add(*answers(images, 200), *answers(images, 50, 1, "unknown"), *[apart] * 50)
    for _ in range(60):
        line.label("olga", line.next(), "SP1")
    counts = Counter(line.whys())
    assert {why: counts[why] for why in weights} == {
        "random": 18,
        "margin": 24,
        "unknown": 12,
        "disagree": 6,
        "aside": 0,
        "late": 0,
    }


def test_an_empty_queue_leaves_its_turn_to_others(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, ReviewMix.model_validate({"weights": ONE_EACH, "second_opinion": 0.0}))
    line.add(*answers(images, 30))
    for _ in range(30):
        line.label("olga", line.next(), "SP1")
    assert line.next() == []
    assert set(line.whys()) <= {"margin", "random"}


def test_nothing_is_asked_twice_and_nobody_waits_for_another(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0))
    line.add(*answers(images, 12))
    olgas = line.next("olga", 3)
    assert line.next("olga", 3) == olgas, "a page that is loaded again shows the same"
    emils = line.next("emil", 3)
    assert not set(olgas) & set(emils)
    line.label("olga", olgas[:1], "SP1")
    assert line.next("olga", 3)[:2] == olgas[1:]
    assert olgas[0] not in line.next("emil", 12)


def test_what_somebody_left_goes_to_others(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0))
    line.add(*answers(images, 4))
    now = 0.0
    line.desk._queue._now = lambda: now
    left = line.next("olga", 4)
    assert line.next("emil", 4) == []
    now = 301.0
    assert line.next("emil", 4) == left


def test_who_skips_is_not_asked_again_and_others_are(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0))
    (number,) = line.add(*answers(images, 1))
    line.label("olga", [number], "skip")
    assert line.next("olga") == []
    assert line.next("emil") == [number]


def test_a_second_opinion_is_asked_of_somebody_else(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0).updated({"second_opinion": 1.0}))
    numbers = line.add(*answers(images, 3))
    assert set(line.next("olga", 3)) == set(line.next("emil", 3)) == set(numbers)
    line.label("olga", [1], "SP1")
    assert 1 not in line.next("olga", 3)
    assert 1 in line.next("emil", 3)
    line.label("emil", [1], "SP2")
    (disputed,) = line.desk.disputed()
    assert disputed.device.number == 1
    assert [(vote.who, vote.label) for vote in disputed.votes] == [("olga", "SP1"), ("emil", "SP2")]
    assert 1 not in line.next("ada", 3), "a third word would settle nothing"
    line.label("emil", [1], "SP1")
    assert line.desk.disputed() == []


def test_taking_back_is_one_more_line(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0))
    line.add(*answers(images, 3))
    first, second, third = line.next(count=3)
    for number, label in ((first, "SP1"), (second, "SP2")):
        line.label("olga", [number], label)
    before = line.log.number
    assert line.undo("olga") == [second]
    assert line.log.number == before + 1
    assert line.next(count=3) == [second, third], "it comes again at once"
    assert line.undo("olga") == [first]
    assert line.next(count=3) == [first, second, third]
    assert line.undo("olga") == []
    assert line.undo("emil") == []


def test_a_group_is_labelled_and_taken_back_at_once(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(unknown=1.0).updated({"random_share": 1e-9}))
    first = model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, reason="unknown", images=images)
    other = model_answer({"SP1": 0.05, "SP2": 0.05, "SP10": 0.9}, reason="unknown", images=images)
    line.add(first, other, first, first, other)
    assert line.desk.groups() == [[4, 3, 1], [5, 2]]
    line.label("olga", [4, 3, 1], "unknown")
    assert line.desk.groups() == [[5, 2]]
    assert set(line.whys()) == {"group 1"}
    line.label("olga", [2], "SP10")
    assert line.undo("olga") == [2]
    assert sorted(line.undo("olga")) == [1, 3, 4]
    assert line.desk.groups() == [[4, 3, 1], [5, 2]]


def test_devices_that_were_drawn_are_looked_at_alone(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(unknown=1.0).updated({"random_share": 0.3}))
    answer = model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, reason="unknown", images=images)
    numbers = line.add(*[answer] * 40)
    drawn = line.drawn()
    assert 0 < len(drawn) < 40
    assert set(line.desk.groups()[0]) == set(numbers) - drawn
    before = line.log.number
    with pytest.raises(RgbxError, match="look at it alone"):
        line.label("olga", numbers, "unknown")
    assert line.log.number == before
    line.label("olga", [min(drawn)], "unknown")


def test_what_cannot_be_said_is_refused(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0).updated({"classes": ("SP11",)}))
    line.add(*answers(images, 2))
    for numbers, label, sentence in (
        ([1], "SP3", "no class 'SP3'"),
        ([9], "SP1", "no result 9"),
        ([1], "", "no class"),
    ):
        with pytest.raises(RgbxError, match=sentence):
            line.label("olga", numbers, label)
    assert line.log.number == 2
    line.label("olga", [1], "SP11")
    line.refuses = True
    with pytest.raises(RgbxError, match="disk is full"):
        line.label("olga", [2], "SP1")
    with pytest.raises(RgbxError, match="no result 99"):
        line.desk.device(99)


def test_the_choices_do_not_give_the_answer_away(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, only(margin=1.0).updated({"columns": 2}))
    line.add(
        model_answer({"SP1": 0.3, "SP2": 0.1, "SP10": 0.6}, images=images),
        model_answer({"SP1": 0.01, "SP2": 0.09, "SP10": 0.9}, images=images),
    )
    assert line.desk.device(1).choices == ("SP1", "SP10")
    assert line.desk.device(2).choices == ("SP2", "SP10"), "one alone would be nodded through"
    assert line.desk.device(1).images == images


def test_no_question_reads_all_results(
    tmp_path: Path, images: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million results would take seconds; each question goes by an index."""
    line = Line(tmp_path, ReviewMix())
    line.add(*answers(images, 50), *answers(images, 20, 1, "unknown"), *answers(images, 20, 2, "low confidence"))
    line.log.append([opinion(1, "SP1"), opinion(2, "SP1"), opinion(2, "SP2", "emil")])
    rows = ReviewIndex.rows
    plans: list[str] = []

    def explained(self: ReviewIndex, question: str, **values: Any) -> Any:
        plans.extend(row["detail"] for row in rows(self, f"EXPLAIN QUERY PLAN {question}", **values))
        return rows(self, question, **values)

    monkeypatch.setattr(ReviewIndex, "rows", explained)
    line.next("olga", 10)
    line.desk.counts("olga")
    line.desk.groups()
    line.desk.disputed()
    line.label("olga", [5], "SP1")
    line.undo("olga")
    audited(line.folder, None, None, line.mix)
    assert len(plans) > 15
    of_some = ("by_margin", "by_aside", "by_unknown", "by_disagree", "by_late", "by_state")
    assert [plan for plan in plans if plan.startswith("SCAN results") and not plan.endswith(of_some)] == []
    assert [plan for plan in plans if "(rowid<?)" in plan] == []
    sought = {plan.partition("INDEX ")[2].partition(" ")[0] for plan in plans}
    assert sought >= {"by_draw", "by_margin", "by_aside", "by_disagree", "by_late", "by_state", "by_who", "by_unknown"}


# What follows


def test_a_rate_counts_what_is_open_for_both_bounds(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, ReviewMix(random_share=0.5, second_opinion=0.0))
    line.add(*[model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, images=images)] * 40)
    drawn = sorted(line.drawn())
    outside = next(number for number in range(1, 41) if number not in drawn)
    for number, label in ((drawn[0], "SP1"), (drawn[1], "SP2"), (drawn[2], "unknown"), (drawn[3], "skip")):
        line.label("olga", [number], label)
    line.label("olga", [outside], "SP2")
    line.label("olga", [drawn[4]], "SP1")
    line.label("emil", [drawn[4]], "SP2")
    counts = line.desk.counts("olga")
    rate = counts.false_sorts
    assert (rate.drawn, rate.wrong, rate.open) == (len(drawn), 2, len(drawn) - 3)
    assert (rate.least, rate.most) == (2 / len(drawn), (len(drawn) - 1) / len(drawn))
    assert (counts.settled, counts.skipped, counts.disputed, counts.drawn_open) == (4, 1, 1, len(drawn) - 3)
    devices = audited(line.folder, None, None, line.mix)
    assert [device.number for device in devices] == sorted({*drawn, outside})
    assert {device.number for device in devices if not device.drawn} == {outside}
    assert sum(device.label is None for device in devices if device.drawn) == rate.open
    assert audited(line.folder, None, None, line.mix, through=0) == []
    assert audited(line.folder, devices[-1].time, devices[-1].time, line.mix) == []


def test_candidates_are_told_beside_the_active_model(tmp_path: Path, images: dict[str, Path]) -> None:
    line = Line(tmp_path, ReviewMix(random_share=1.0))
    line.add(model_answer({"SP1": 0.9, "SP2": 0.05, "SP10": 0.05}, images=images))
    shadow = model_answer({"SP1": 0.1, "SP2": 0.8, "SP10": 0.1}, images=images)
    line.log.append([("shadow", {"seq": 1, "part_id": "P1", "model_number": 2, "result": shadow}), opinion(1, "SP2")])
    (device,) = audited(line.folder, None, None, line.mix)
    assert (device.label, device.active.bin, device.candidates[2].bin) == ("SP2", "SP1", "SP2")


@settings(max_examples=50, deadline=None)
@given(drawn=st.integers(1, 400), wrong=st.integers(0, 20), open=st.integers(0, 20))
def test_the_interval_is_clopper_and_pearsons(drawn: int, wrong: int, open: int) -> None:
    wrong, open = min(wrong, drawn), min(open, drawn - min(wrong, drawn))
    rate = reviewed_rate(drawn, wrong, open)
    low = stats.binomtest(wrong, drawn).proportion_ci(0.95, "exact").low
    high = stats.binomtest(wrong + open, drawn).proportion_ci(0.95, "exact").high
    assert (rate.low, rate.high) == (pytest.approx(low, abs=1e-9), pytest.approx(high, abs=1e-9))


def test_without_a_device_nothing_is_known() -> None:
    rate = reviewed_rate(0, 0, 0)
    assert (rate.low, rate.high, rate.least, rate.most) == (0.0, 1.0, 0.0, 1.0)


def test_alike_is_what_the_model_says_alike_of() -> None:
    one = {"probabilities": {"SP1": 0.9, "SP2": 0.1}, "streams": {"rgb": "SP1", "xray": "SP1"}}
    near = {"probabilities": {"SP1": 0.8, "SP2": 0.2}, "streams": {"rgb": "SP1", "xray": "SP1"}}
    far = {"probabilities": {"SP1": 0.1, "SP2": 0.9}, "streams": {"rgb": "SP2", "xray": "SP2"}}
    alone = {"probabilities": {"SP1": 0.9, "SP2": 0.1}, "streams": {"rgb": "SP1"}}
    first, second, third, fourth = grouped([one, near, far, alone])
    assert first == second != third
    assert fourth != third
    assert grouped([one]) == [0]


@pytest.mark.parametrize(
    "wrong", [{"weights": NONE}, {"random_share": 0.0}, {"classes": ("unknown",)}, {"classes": ("a/b",)}]
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(RgbxError):
        ReviewMix.model_validate(wrong)

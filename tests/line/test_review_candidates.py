"""What reviews say of a candidate: which devices count, and what a promotion rests on."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_line import CLASSES, KNOWLEDGE, drawn_images, model_answer, opinion, result_content
from reviewed_line import know_classes
from rgbx.errors import RgbxError
from rgbx.files import write_json
from rgbx.trust.promotion_rule import PromotionRule
from rgbx_line.log import LineLog
from rgbx_line.review.candidates import (
    CandidateReviews,
    DrawnDevice,
    candidate_reviews,
    check_promotion,
    in_turn,
)
from rgbx_line.review.facts import drawn_at
from rgbx_line.review.models import ModelFacts, ModelKnowledge
from rgbx_line.review.standing import ReviewState
from rgbx_line.settings import LineFolder, LineSettings

RULE = PromotionRule(bound=0.3, margin=0.3)
LEAST = 11
"""Reviews that this takes without an error."""
ENOUGH = LEAST + 3


class Beside:
    """A line whose model 1 answers and whose model 2 shadows it; each device is drawn unless ``share`` is less."""

    def __init__(self, folder: Path, share: float = 1.0, **settings: Any) -> None:
        self.log = LineLog(LineFolder(folder).log)
        every = {"folder": folder, "bundle": folder / "bundle", "bins": dict.fromkeys(CLASSES, 0), "promotion": RULE}
        every["bins"] = {name: code for code, name in enumerate(CLASSES, start=1)}
        every["review"] = {"random_share": share, "second_opinion": 0.0}
        self.settings = LineSettings.model_validate(every | settings)
        self.images = drawn_images(folder / "camera", "A", 0)
        self.roles(active=1, previous=None, candidate=2)

    def roles(self, **roles: int | None) -> None:
        models = [
            {"number": n, "name": str(n), "weights_sha256": "0" * 64, "added": "2026-01-01T00:00:00Z", "who": "Ada"}
            for n in (1, 2, 3)
        ]
        folder = LineFolder(self.settings.folder).models
        folder.mkdir(exist_ok=True)
        write_json(folder / "models.json", {"format": 1, "models": models, **roles})

    def answer(self, active: str | None, candidate: str | None = "", model: int = 1) -> int:
        """Let a device be answered, and looked at by the candidate unless ``candidate`` is empty; return its number."""
        seq = self.log.number + 1
        (entry,) = self.log.append([("result", result_content(seq, self._said(active), model=model))])
        if candidate != "":
            shadow = {"seq": seq, "part_id": f"P{seq}", "model_number": 2, "result": self._said(candidate)}
            self.log.append([("shadow", shadow)])
        self.draws = {**getattr(self, "draws", {}), entry.number: drawn_at(entry)}
        return entry.number

    def _said(self, bin: str | None) -> dict[str, Any]:
        label = bin if bin in CLASSES else "SP1"
        said = model_answer({label: 0.9, "SP2" if label != "SP2" else "SP1": 0.1}, images=self.images)
        decision = said["ResultContent"][0]["decision"]
        decision.update({"bin": bin, "reason": None if bin else "low confidence"})
        return said

    def say(self, number: int, label: str | None, who: str = "olga", why: str = "random") -> None:
        kind, content = opinion(number, label, who)
        self.log.append([(kind, {**content, "why": why})])

    def in_turn(self, labels: dict[int, str]) -> None:
        """Say what devices are, in the order that they are asked about."""
        for number in sorted(labels, key=self.draws.__getitem__):
            self.say(number, labels[number])

    def found(self, candidate: int = 2) -> CandidateReviews | None:
        return candidate_reviews(self.settings, candidate, self.log.number)

    def reviewed(self) -> CandidateReviews:
        found = self.found()
        assert found is not None
        return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    know_classes(monkeypatch)
    return tmp_path


def test_a_candidate_that_is_never_wrong_is_proven_by_enough_reviews_and_not_before(folder: Path) -> None:
    line = Beside(folder)
    numbers = [line.answer("SP1", "SP1") for _ in range(ENOUGH)]
    passes = []
    for number in sorted(numbers, key=line.draws.__getitem__):
        least = line.reviewed().proof.least
        assert least == max(LEAST - len(passes), 0)
        line.say(number, "SP1")
        passes.append(line.reviewed().proof.passes)
    assert passes == [False] * (LEAST - 1) + [True] * (ENOUGH - LEAST + 1)
    assert line.reviewed().sentence.startswith("Yes. 14 reviews show it with 95% confidence")


def test_false_sorts_are_told_by_bins_and_classes(folder: Path) -> None:
    line = Beside(folder)
    both = [line.answer("SP2", "SP2") for _ in range(3)]
    better, worse = line.answer("SP1", "SP2"), line.answer("SP2", "SP10")
    aside, unknown = line.answer("SP2", None), line.answer(None, "SP2")
    line.in_turn(dict.fromkeys([*both, better, worse, aside], "SP2") | {unknown: "unknown"})
    proof = line.reviewed().proof
    assert (proof.active.false_sorts.count, proof.active.false_sorts.devices) == (1, 6)
    assert (proof.candidate.false_sorts.count, proof.candidate.false_sorts.devices) == (2, 6)
    assert (proof.false_sorts.candidate_only, proof.false_sorts.active_only) == (2, 1)
    assert [(each.label, each.reviews, each.candidate.false_sorts.count) for each in proof.classes] == [
        ("SP2", 6, 1),
        ("unknown", 1, 1),
    ]


def test_only_devices_that_both_models_saw_count(folder: Path) -> None:
    line = Beside(folder)
    before = line.answer("SP1")
    other = line.answer("SP1", "SP1", model=3)
    both, missed = line.answer("SP1", "SP1"), line.answer("SP1")
    line.in_turn(dict.fromkeys([before, both, other, missed], "SP1"))
    found = line.reviewed()
    assert (found.proof.reviews, found.seen, found.unseen) == (1, 2, 1)


def test_only_devices_drawn_at_random_count(folder: Path) -> None:
    line = Beside(folder, share=0.5)
    numbers = [line.answer("SP1", "SP1") for _ in range(20)]
    drawn = [number for number in numbers if line.draws[number] < 0.5]
    line.in_turn(dict.fromkeys(numbers, "SP1"))
    assert 0 < len(drawn) < 20
    assert line.reviewed().proof.reviews == len(drawn)


def test_devices_that_were_looked_at_early_count_when_their_turn_comes(folder: Path) -> None:
    """Else the doubtful ones, which people look at first, would be too many or, left out, too few."""
    line = Beside(folder)
    first, second, third = sorted((line.answer("SP1", "SP1") for _ in range(3)), key=lambda n: line.draws[n])
    line.say(second, "SP2", why="margin")
    found = line.reviewed()
    assert (found.proof.reviews, found.early, found.waiting) == (0, 1, 2)
    line.say(first, "SP1")
    found = line.reviewed()
    assert (found.proof.reviews, found.early, found.waiting) == (2, 0, 1)
    assert found.proof.candidate.false_sorts.count == 1
    line.say(third, "SP1", why="margin")
    assert line.reviewed().proof.reviews == 3


def test_taking_a_word_back_or_changing_it_moves_no_turn(folder: Path) -> None:
    line = Beside(folder)
    numbers = sorted((line.answer("SP1", "SP1") for _ in range(2)), key=lambda n: line.draws[n])
    line.in_turn(dict.fromkeys(numbers, "SP1"))
    line.say(numbers[0], None, why="undo")
    proof = line.reviewed().proof
    assert (proof.reviews, proof.open, proof.candidate.false_sorts.count) == (2, 1, 1), "it is open, not forgotten"
    line.say(numbers[0], "SP2", why="chosen")
    proof = line.reviewed().proof
    assert (proof.reviews, proof.open, proof.candidate.false_sorts.count) == (2, 0, 1)


DRAWS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.one_of(st.none(), st.integers(0, 30))), max_size=12)


def drawn_devices(table: list[tuple[float, int | None]]) -> list[DrawnDevice]:
    """Return devices that came one after the other, ten entries apart, and were looked at so many entries later."""
    return [
        DrawnDevice(place, draw, 10 * place, None if later is None else 10 * place + later)
        for place, (draw, later) in enumerate(table)
    ]


@given(DRAWS)
def test_what_counts_is_what_would_have_been_looked_at_in_the_order_of_the_draws(
    table: list[tuple[float, int | None]],
) -> None:
    """A device counts if, at one of the looks after its own, each with a lower draw that was there was looked at."""
    devices = drawn_devices(table)
    looks = [device.looked for device in devices if device.looked is not None]

    def passed(device: DrawnDevice, at: int) -> bool:
        there = [other for other in devices if other.came <= at and other[1::-1] < device[1::-1]]
        return all(other.looked is not None and other.looked <= at for other in there)

    expected = {
        device.number
        for device in devices
        if device.looked is not None and any(passed(device, at) for at in looks if at >= device.looked)
    }
    assert in_turn(devices) == expected


@given(DRAWS, st.integers(0, 150))
def test_what_has_come_to_count_never_ceases_to(table: list[tuple[float, int | None]], now: int) -> None:
    devices = drawn_devices(table)
    before = [
        device._replace(looked=device.looked if device.looked is not None and device.looked <= now else None)
        for device in devices
        if device.came <= now
    ]
    assert in_turn(before) <= in_turn(devices)


def test_reviewers_who_disagree_settle_nothing(folder: Path) -> None:
    line = Beside(folder)
    numbers = [line.answer("SP2", "SP1") for _ in range(ENOUGH)]
    line.in_turn(dict.fromkeys(numbers, "SP1"))
    assert line.reviewed().proof.passes
    assert line.reviewed().proof.false_sorts.active_only == ENOUGH
    for number in numbers:
        line.say(number, "SP2", who="emil", why="chosen")
    proof = line.reviewed().proof
    assert (proof.open, proof.classes, proof.passes) == (ENOUGH, (), False)
    assert proof.false_sorts.active_only == 0, "it does not count as right for the candidate"
    assert proof.active.false_sorts.count == 0, "and not as wrong for the active model"
    assert {each.state for each in line.reviewed().differing} == {ReviewState.DISPUTED}


def test_skipped_devices_are_not_left_out(folder: Path) -> None:
    line = Beside(folder)
    numbers = [line.answer("SP1", "SP1") for _ in range(ENOUGH)]
    line.in_turn(dict.fromkeys(numbers, "skip"))
    assert (line.reviewed().proof.open, line.reviewed().proof.passes) == (ENOUGH, False)


def test_a_bin_that_the_line_has_no_code_for_is_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = KNOWLEDGE._models[1]
    monkeypatch.setattr(
        "rgbx_line.review.models.StoreKnowledge.__call__", lambda _: ModelKnowledge({1: facts, 2: facts})
    )
    line = Beside(folder, bins={"SP1": 1, "SP2": 2})
    line.in_turn({line.answer(None, "SP10"): "SP10", line.answer("SP1", "SP10"): "SP1"})
    found = line.reviewed()
    assert found.lacking_bins == ("SP10",)
    assert (found.proof.candidate.aside.count, found.proof.candidate.false_sorts.devices) == (2, 0)
    assert [(each.active, each.candidate) for each in found.differing] == [("SP1", None)]


def test_where_the_two_differ_is_listed_the_newest_first(folder: Path) -> None:
    line = Beside(folder)
    line.answer("SP1", "SP1")
    first, second = line.answer("SP1", "SP2"), line.answer(None, "SP1")
    line.say(first, "SP2", why="margin")
    found = line.reviewed()
    assert [each.number for each in found.differing] == [second, first]
    newest, oldest = found.differing
    assert (newest.active, newest.candidate, newest.label) == (None, "SP1", None)
    assert (oldest.active, oldest.candidate, oldest.label, oldest.part) == ("SP1", "SP2", "SP2", f"P{first}")
    assert (found.seen, found.differ) == (3, 2)


def test_nothing_is_asked_of_models_that_may_answer_anyway(folder: Path) -> None:
    line = Beside(folder)
    line.answer("SP1", "SP1")
    assert line.found(candidate=1) is None
    assert line.found(candidate=9) is None
    assert line.found(candidate=3) is not None, "a model that was never tried is proven by nothing"
    line.roles(active=1, previous=2, candidate=None)
    assert line.found() is None
    line.roles(active=None, previous=None, candidate=None)
    assert line.found() is None
    line.roles(active=1, previous=None, candidate=2)
    line.settings = line.settings.updated({"promotion": None})
    assert line.found() is None


def test_what_a_promotion_rests_on_is_for_the_log(folder: Path) -> None:
    line = Beside(folder)
    numbers = [line.answer("SP1", "SP1") for _ in range(ENOUGH)]
    with pytest.raises(RgbxError, match=r"Model 2 may not be promoted\. Not yet\. It takes 11 more reviews"):
        check_promotion(line.settings, 2, line.log.number)
    line.in_turn(dict.fromkeys(numbers, "SP1"))
    found = check_promotion(line.settings, 2, line.log.number)
    assert found is not None
    assert found.for_the_log() == {
        "number": 2, "instead_of": 1, "reviews": ENOUGH, "open": 0, "false_sorts": 0, "sorted": ENOUGH,
        "candidate_only": 0, "active_only": 0, "rule": RULE.model_dump(),
    }  # fmt: skip


def test_what_is_not_announced_does_not_count(folder: Path) -> None:
    line = Beside(folder)
    number = line.answer("SP1", "SP1")
    line.in_turn({number: "SP1"})
    found = candidate_reviews(line.settings, 2, number - 1)
    assert found is not None
    assert (found.proof.reviews, found.differing) == (0, [])


def test_a_model_without_a_calibration_is_right_about_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    knowledge = ModelKnowledge({2: ModelFacts(CLASSES, None)})
    monkeypatch.setattr("rgbx_line.review.models.StoreKnowledge.__call__", lambda _: knowledge)
    line = Beside(folder)
    line.in_turn({line.answer("SP1", "SP1"): "SP1"})
    assert line.reviewed().proof.candidate.false_sorts.count == 1
    assert line.reviewed().lacking_bins == ()

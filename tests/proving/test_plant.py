"""The plant twin finds what goes wrong on a line, and a line that is killed answers every part once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from learning_sets import write_set
from rgbx.errors import InputError
from rgbx.inference.arrivals import Pairing
from rgbx.modality import MODALITIES
from rgbx_line.contract import RESULT, PartResult, ReasonCode
from rgbx_line.log import read_entries
from rgbx_line.settings import read_settings
from rgbx_proving.plant.clients import Told
from rgbx_proving.plant.conveyor import Conveyor, FedPart, HotFolderEntrance, Mix, stock_of
from rgbx_proving.plant.faults import FAULT_KINDS, FaultSettings, planned
from rgbx_proving.plant.findings import SimulationRecord, latency_figure, result_of, simulation_page
from rgbx_proving.plant.judge import LoggedAnswer, Verdict, always_ready, judge, ready_again_s
from rgbx_proving.plant.simulate import SimulationSettings, _twin_of, run_simulation
from rgbx_proving.plant.use import Growth, Use, growth
from tiny_bundle import write_exported_bundle

DEADLINE_S = 5.0
ALWAYS = ((0.0, True),)
USED = {"inference": [Use(7, 100.0 + time, 20) for time in range(10)]}


class Shift:
    """A line without fault, made up: a part a second, answered after 0.2 s, and a client that is told at once."""

    def __init__(self, count: int = 6) -> None:
        self.parts = {part.part_id: part for part in map(_part, range(1, count + 1))}
        self.answers = [_answer(part, number) for number, part in enumerate(self.parts.values(), start=1)]
        self.told = [_told(answer) for answer in self.answers]

    def judged(self, every: bool = True, ready=ALWAYS) -> Verdict:
        told = {"plc": (every, self.told)}
        return judge(self.parts, self.answers, told, ready, DEADLINE_S, Pairing())


def _part(number: int) -> FedPart:
    name = f"P{number}"
    digests = {modality: f"{name} {modality}" for modality in MODALITIES}
    return FedPart(name, number % 2, "A", "pair", digests, first=number - 0.1, last=float(number))


def _answer(part: FedPart, seq: int) -> LoggedAnswer:
    said = {"label": f"class {part.stock}", "probability": 0.9}
    result = PartResult(
        seq=seq,
        part_id=part.part_id,
        bin="phones",
        bin_code=seq,
        reason=None,
        reason_code=ReasonCode.NONE,
        model_number=1,
        images={modality: f"/line/{modality}/{part.part_id}_{modality}.png" for modality in MODALITIES},
        latency_ms=150.0,
        result={"ResultContent": [said]},
    )
    return LoggedAnswer(10 * seq, part.last + 0.2, result, dict(part.digests))


def _told(answer: LoggedAnswer) -> Told:
    result = answer.result
    return Told(answer.at + 0.004, result.seq, result.part_id, result.bin_code, result.reason_code)


def _changed(answer: LoggedAnswer, **changes: object) -> LoggedAnswer:
    return replace(answer, result=answer.result.model_copy(update=changes))


def test_a_line_without_fault_is_judged_to_be_one():
    verdict = Shift().judged()
    assert (verdict.parts, verdict.at_deadline) == (6, 6)
    assert not (verdict.lost or verdict.doubled or verdict.unknown or verdict.wrong_part or verdict.late_while_ready)
    assert verdict.latencies_ms == pytest.approx([200.0] * 6)
    assert verdict.engine_latencies_ms == (150.0,) * 6
    plc = verdict.clients["plc"]
    assert (plc.answers, plc.missed, plc.repeated, plc.out_of_order, plc.wrong) == (6, 0, 0, 0, 0)
    assert plc.wire_ms == pytest.approx([4.0] * 6)


@given(st.integers(2, 30), st.data())
def test_what_is_lost_or_doubled_is_found(count, data):
    shift = Shift(count)
    numbers = st.integers(0, count - 1)
    lost = data.draw(st.sets(numbers, max_size=count - 1))
    doubled = data.draw(st.sets(numbers.filter(lambda number: number not in lost)))
    again = [replace(_changed(shift.answers[n], seq=100 + n), number=1000 + n) for n in sorted(doubled)]
    shift.answers = [answer for n, answer in enumerate(shift.answers) if n not in lost] + again
    verdict = shift.judged()
    assert set(verdict.lost) == {f"P{n + 1}" for n in lost}
    assert set(verdict.doubled) == {f"P{n + 1}" for n in doubled}
    assert set(verdict.late_while_ready) == set(verdict.lost)


@given(st.integers(2, 30), st.data(), st.sampled_from(["name", "content", "answer"]))
def test_an_answer_for_a_wrong_part_is_found(count, data, what):
    shift = Shift(count)
    one, other = data.draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=2, unique=True))
    mine, theirs = shift.answers[one], shift.answers[other]
    if what == "name":
        shift.answers[one] = _changed(mine, images=theirs.result.images)
    elif what == "content":  # the files were exchanged behind their names
        shift.answers[one] = replace(mine, digests=theirs.digests)
    else:  # the names are right, but the answer is another's: only who shows the same can tell
        assume((one - other) % 2 == 1 and count >= 4)
        shift.answers[one] = _changed(mine, result=theirs.result.result)
    assert any(f"P{one + 1} " in said or f"P{one + 1}," in said for said in shift.judged().wrong_part)


@pytest.mark.parametrize(
    ("change", "wrong", "missed", "disorder", "repeated"),
    [
        (lambda told: told.pop(2), 0, 1, 0, 0),
        (lambda told: told.append(told[2]), 0, 0, 0, 1),
        (lambda told: told.insert(1, told.pop(4)), 0, 0, 1, 0),
        (lambda told: told.__setitem__(3, told[3]._replace(bin_code=told[2].bin_code)), 1, 1, 0, 0),
        (lambda told: told.__setitem__(3, told[3]._replace(part_id="P1")), 1, 1, 0, 0),
        (lambda told: told.append(told[3]._replace(seq=99)), 1, 0, 0, 0),
    ],
)
def test_what_a_client_is_told_is_checked(change: Callable, wrong, missed, disorder, repeated):
    shift = Shift()
    change(shift.told)
    plc = shift.judged().clients["plc"]
    assert (plc.wrong, plc.missed, plc.out_of_order, plc.repeated) == (wrong, missed, disorder, repeated)


def test_who_is_shown_the_last_answer_alone_misses_none():
    shift = Shift()
    del shift.told[1:3]
    assert shift.judged(every=False).clients["plc"].missed == 0


def test_one_number_for_two_parts_is_found():
    shift = Shift()
    shift.answers[4] = _changed(shift.answers[4], seq=2)
    assert any("PartSeq 2" in said for said in shift.judged().wrong_part)


def test_a_late_answer_counts_against_a_line_that_was_ready_alone():
    shift = Shift()
    shift.answers[2] = replace(shift.answers[2], at=shift.parts["P3"].first + DEADLINE_S + 1)
    assert shift.judged().late_while_ready == ("P3",)
    down = ((0.0, True), (3.0, False), (7.0, True))
    verdict = shift.judged(ready=down)
    assert verdict.late_while_ready == ()
    assert verdict.at_deadline == 5
    assert len(verdict.ready_latencies_ms) == 2, "P1 and P2 were answered before it went down"


def test_an_answer_for_a_part_that_never_came_is_found():
    shift = Shift()
    shift.answers.append(_changed(shift.answers[0], part_id="Q", seq=7))
    assert shift.judged().unknown == ("Q",)


def test_readiness_is_measured_from_the_last_of_several_kills():
    ready = [(0.0, True), (10.1, False), (18.0, True), (30.2, False), (40.0, True)]
    assert ready_again_s(ready, [10.0, 30.0, 33.0]) == [8.0, 7.0]
    assert ready_again_s(ready, [50.0]) == []
    assert always_ready(ready, 1.0, 9.0)
    assert not always_ready(ready, 9.0, 19.0)
    assert not always_ready(ready, 12.0, 13.0)
    assert not always_ready([(5.0, True)], 1.0, 9.0), "nobody knows what was before"


def test_faults_are_the_same_again_with_the_same_seed_and_all_of_them_come():
    kinds = [
        kind for kind, _ in zip(planned(FaultSettings(seed=3), FAULT_KINDS), range(3 * len(FAULT_KINDS)), strict=False)
    ]
    assert kinds == [
        kind for kind, _ in zip(planned(FaultSettings(seed=3), FAULT_KINDS), range(3 * len(FAULT_KINDS)), strict=False)
    ]
    assert kinds != [
        kind for kind, _ in zip(planned(FaultSettings(seed=4), FAULT_KINDS), range(3 * len(FAULT_KINDS)), strict=False)
    ]
    assert {kind: kinds.count(kind) for kind in FAULT_KINDS} == dict.fromkeys(FAULT_KINDS, 3)
    assert list(planned(FaultSettings(), ())) == []


def test_findings_say_what_is_wrong():
    shift = Shift()
    del shift.answers[1]
    record = SimulationRecord(ALWAYS, [], {"disk full": "the disk is large"}, 6.0, 1.0, USED)
    verdict = shift.judged()
    result = result_of(verdict, record, ("log: line 3 is not as it was written.",), {"inference": 1})
    assert (result.lost, result.wrong_part, result.answered_at_deadline) == (1, 1, pytest.approx(5 / 6))
    page = simulation_page(result)
    for said in (
        "P2 was never answered.",
        "line 3 is not as it was written",
        "plc was told 1",
        "disk full",
        "102.5 | 108.5",
    ):
        assert said in page
    assert latency_figure(verdict, DEADLINE_S).axes


@pytest.fixture
def test_line(tmp_path) -> Path:
    for modality in MODALITIES:
        write_set(tmp_path / "test" / modality, modality, per_class=4, size=64)
    return tmp_path / "test"


def test_every_file_on_the_conveyor_is_of_one_part(test_line, tmp_path):
    folders = {modality: tmp_path / modality for modality in MODALITIES}
    for folder in folders.values():
        folder.mkdir()
    stock = stock_of(test_line)
    assert len(stock) == 12
    conveyor = Conveyor(stock, HotFolderEntrance(folders, Pairing()), 1, Mix(alone=0.2, garbage=0.2), apart_s=0.0)

    async def feed() -> None:
        for _ in range(40):
            await conveyor.next_part()

    asyncio.run(feed())
    digests = [digest for part in conveyor.parts.values() for digest in part.digests.values()]
    assert len(set(digests)) == len(digests)
    kinds = [part.kind for part in conveyor.parts.values()]
    assert {"pair", "alone", "garbage"} == set(kinds)
    files = sum(len(list(folder.iterdir())) for folder in folders.values())
    assert files == len(digests) == 80 - kinds.count("alone")
    assert all(part.first <= part.last for part in conveyor.parts.values())


def test_a_test_line_without_pairs_is_refused(tmp_path):
    write_set(tmp_path / "rgb", "rgb", per_class=1)
    write_set(tmp_path / "xray", "xray", per_class=1, classes=("D", "E", "F"))
    with pytest.raises(InputError, match="no unit with a photograph and a radiograph"):
        stock_of(tmp_path)


def test_growth_is_told_of_processes_that_ran_all_the_time():
    steady = [Use(7, 100.0 + (time >= 8), 20) for time in range(10)]
    assert growth(steady) == Growth((100.0, 101.0), (20.0, 20.0))
    assert growth(steady[:4]) is None, "too short a time"
    assert growth([*steady, Use(8, 50.0, 10)]) is None, "it was started again"


def test_the_twin_of_a_line_with_cameras_is_fed_by_the_conveyor(tmp_path):
    file = tmp_path / "line.yaml"
    camera = "{name: top, modality: rgb, kind: simulated, settings: {folder: photographs}}"
    file.write_text(f"{{folder: line, bundle: model, bins: {{A: 1}}, images: {{xray: b}}, drivers: [{camera}]}}")
    twin = _twin_of(read_settings(file), tmp_path / "out", SimulationSettings())
    assert twin.drivers == ()
    assert twin.hot_folders == {"rgb": tmp_path / "out" / "camera", "xray": tmp_path / "out" / "detector"}


def test_a_killed_line_answers_every_part_once(test_line, tmp_path, tmp_path_factory):
    model = write_exported_bundle(tmp_path / "model", tmp_path_factory)
    line = tmp_path / "line.yaml"
    line.write_text(
        f"{{folder: line, bundle: {model}, bins: {{A: 1}}, deadline: 4.0, modbus: {{}}, web: null,"
        " images: {rgb: a, xray: b, pairing: {settle: 0, wait: 1.0}}}"
    )
    faults = FaultSettings(every=1.0, most=1, kinds=("kill supervisor",), mix=Mix(garbage=0.2))
    settings = SimulationSettings(parts=6, every=0.25, faults=faults, history=2500)
    result = run_simulation(line, test_line, tmp_path / "out", settings)
    assert result.findings == ()
    assert (result.parts, result.lost, result.doubled, result.wrong_part) == (6, 0, 0, 0)
    assert result.faults == {"kill supervisor": 1}
    numbers = {
        entry.content["seq"] for entry, _ in read_entries(tmp_path / "out" / "line" / "log") if entry.kind == RESULT
    }
    assert numbers == set(range(1, 2507)), "the parts are counted on from those of the history"
    assert result.ready_after_kill_s is not None
    assert result.stopped_within_s < 10
    assert {path.suffix for path in (tmp_path / "out").glob("simulation.*")} == {".json", ".md", ".png"}

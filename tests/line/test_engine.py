"""One answer for each part, at its deadline at the latest, whatever happens. Networks are stood in for."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fake_inference import until
from rgbx.errors import RgbxError
from rgbx.inference.results import Content, Identifier, ProcessingTimes, Result
from rgbx.samples import write_image
from rgbx.trust.decision import Decision
from rgbx_line.contract import (
    LATE_ANSWER,
    LEFT_OUT,
    RESULT,
    REVIEW,
    SHADOW_ANSWER,
    TRIGGER,
    FaultCode,
    LineState,
    PartResult,
    ReasonCode,
)
from rgbx_line.inference import engine as engine_module
from rgbx_line.inference.engine import Engine
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.segments import read_entries
from rgbx_line.settings import LineFolder, LineSettings

DEADLINE = 0.6


class FakeModel:
    """A model that takes its time and sends every device to a bin."""

    def __init__(self, bin_name: str | None = "phones", reason: str | None = None, seconds: float = 0.0) -> None:
        self.decision = Decision(bin_name, reason) if bin_name or reason else None
        self.seconds = seconds
        self.batches: list[int] = []

    def look(self, arrivals):
        self.batches.append(len(arrivals))
        time.sleep(self.seconds * len(arrivals))
        return [self._result(arrival) for arrival in arrivals]

    def _result(self, arrival) -> Result:
        now = datetime.now(UTC)
        return Result(
            result_id=Identifier(id="r"),
            result_state=1,
            part_id=Identifier(id=arrival.name),
            creation_time=now,
            processing_times=ProcessingTimes(
                start_time=now, end_time=now, acquisition_duration=None, processing_duration=1.0
            ),
            result_content=(
                Content(
                    label="SP1",
                    probability=0.9,
                    probabilities={"SP1": 0.9},
                    decision=self.decision,
                    streams={"rgb": "SP1"},
                    images={modality: str(path) for modality, path in arrival.images.items()},
                    warnings=(),
                    errors=(),
                    model="0" * 64,
                ),
            ),
        )


class Plant:
    """An engine at work, and what happens round it."""

    def __init__(self, folder: Path, engine: Engine, states: list[LineState]) -> None:
        self.folder = folder
        self.engine = engine
        self.states = states

    def ask(self, do: str, **content: Any) -> Coroutine[Any, Any, dict[str, Any]]:
        return self.engine.handle(do, content)

    def take(self, name: str, modality: str = "rgb") -> None:
        pixels = np.zeros((8, 8, 3), np.uint8) if modality == "rgb" else np.zeros((8, 8), np.uint16)
        write_image(self.folder / modality / f"{name}.png", pixels)

    async def results(self, count: int) -> list[PartResult]:
        """Wait for so many results."""
        end = time.monotonic() + 5.0
        while len(found := results_in(self.folder)) < count:
            assert time.monotonic() < end, found
            await asyncio.sleep(0.01)
        return found


def entries_in(folder: Path, kind: str) -> list[dict[str, Any]]:
    return [entry.content for entry, _ in read_entries(LineFolder(folder / "line").log) if entry.kind == kind]


def results_in(folder: Path) -> list[PartResult]:
    return [PartResult.model_validate(content) for content in entries_in(folder, RESULT)]


def run_line(
    folder: Path,
    model: FakeModel,
    what: Callable[[Plant], Coroutine[Any, Any, None]],
    monkeypatch: pytest.MonkeyPatch,
    models: dict[int, FakeModel] | None = None,
    wait_ready: bool = True,
    **changes: object,
) -> None:
    """Run an engine while ``what`` happens; both folders are there, and a bundle that nobody reads."""
    for name in ("rgb", "xray"):
        (folder / name).mkdir(exist_ok=True)
    settings = LineSettings.model_validate(
        {
            "folder": folder / "line",
            "bundle": folder / "model",
            "bins": {"phones": 7},
            "deadline": DEADLINE,
            "images": {
                "rgb": folder / "rgb",
                "xray": folder / "xray",
                "pairing": {"wait": 0.2, "settle": 0.0},
            },
            **changes,
        }
    )
    store = dict({1: model, **(models or {})}.items())

    def load(bundle: Path, *_: object) -> FakeModel:
        found = store[int(bundle.name)]
        if found.seconds == float("inf"):
            raise RgbxError("the model failed its self-test.")
        return found

    monkeypatch.setattr(engine_module, "load_model", load)
    monkeypatch.setattr(engine_module, "look_at", lambda model, arrivals: model.look(arrivals))
    write_store(LineFolder(settings.folder), len(store))

    async def run() -> None:
        states: list[LineState] = []
        with LineLog(LineFolder(settings.folder).log) as log:
            engine = Engine(settings, log, states.append)
            stop = asyncio.Event()
            running = asyncio.create_task(engine.run(stop, "Ada"))
            while wait_ready and not engine.state().ready:
                assert not running.done(), running.result()
                await asyncio.sleep(0.005)
            await what(Plant(folder, engine, states))
            stop.set()
            await running

    asyncio.run(run())


def write_store(folder: LineFolder, count: int) -> None:
    if (folder.models / "models.json").exists():
        return
    folder.models.mkdir(parents=True)
    listed = [
        {"number": n, "name": "m", "weights_sha256": "0", "added": "2026-01-01T00:00:00Z", "who": "Ada"}
        for n in range(1, count + 1)
    ]
    (folder.models / "models.json").write_text(json.dumps({"models": listed, "active": 1}))


def test_a_pair_of_images_is_answered_and_goes_to_its_bin(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")
        plant.take("A", "xray")
        (result,) = await plant.results(1)
        assert (result.part_id, result.bin, result.bin_code, result.reason_code) == ("A", "phones", 7, ReasonCode.NONE)
        assert set(result.images) == {"rgb", "xray"}
        assert result.latency_ms is not None

    run_line(tmp_path, FakeModel(), what, monkeypatch)
    assert [entry["seq"] for entry in entries_in(tmp_path, RESULT)] == [1]


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (FakeModel(None), "no bin"),
        (FakeModel("laptops"), "no bin"),
        (FakeModel(None, "unknown"), "unknown"),
        (FakeModel(None, "modalities disagree"), "modalities disagree"),
    ],
)
def test_what_has_no_bin_goes_aside_with_a_reason(tmp_path, monkeypatch, model, reason):
    async def what(plant: Plant) -> None:
        plant.take("A")
        (result,) = await plant.results(1)
        assert (result.bin, result.bin_code, result.reason) == (None, 0, reason)

    run_line(tmp_path, model, what, monkeypatch)


def test_a_trigger_without_images_is_answered_at_the_deadline(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        start = time.monotonic()
        said = await plant.ask("trigger", part_id="A")
        (result,) = await plant.results(1)
        assert DEADLINE <= time.monotonic() - start < DEADLINE + 0.3
        assert (result.seq, result.part_id, result.reason) == (said["seq"], "A", "late")
        assert result.triggered is not None

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_a_model_that_is_too_slow_is_not_waited_for_and_its_answer_is_kept_as_information(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")
        (result,) = await plant.results(1)
        assert (result.bin_code, result.reason) == (0, "late")
        await asyncio.sleep(1.2)

    run_line(tmp_path, FakeModel(seconds=1.5), what, monkeypatch)
    assert len(results_in(tmp_path)) == 1
    (late,) = entries_in(tmp_path, LATE_ANSWER)
    assert late["part_id"] == "A"


def test_images_after_the_answer_are_no_second_part(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        await plant.ask("trigger", part_id="A")
        await plant.results(1)
        plant.take("A")
        await asyncio.sleep(0.5)

    run_line(tmp_path, FakeModel(), what, monkeypatch)
    assert len(results_in(tmp_path)) == 1
    assert [each["part_id"] for each in entries_in(tmp_path, LATE_ANSWER)] == ["A"]


def test_a_trigger_that_was_told_of_is_answered_after_a_crash(tmp_path, monkeypatch):
    async def crash(plant: Plant) -> None:
        assert (await plant.ask("trigger", part_id="A"))["seq"] == 1
        monkeypatch.setattr(plant.engine, "_finish", _nothing)

    async def what(plant: Plant) -> None:
        (result,) = await plant.results(1)
        assert (result.seq, result.part_id) == (1, "A")
        assert result.reason in ("late", "interrupted")
        assert (await plant.ask("trigger"))["seq"] == 2

    run_line(tmp_path, FakeModel(), crash, monkeypatch)
    assert results_in(tmp_path) == []
    run_line(tmp_path, FakeModel(), what, monkeypatch)
    assert [each["seq"] for each in entries_in(tmp_path, TRIGGER)] == [1, 2]


async def _nothing() -> None:
    """What a process does that was killed."""


def test_an_answered_part_is_not_answered_again_by_the_next_process(tmp_path, monkeypatch):
    async def first(plant: Plant) -> None:
        plant.take("A")
        await plant.results(1)

    async def second(plant: Plant) -> None:
        plant.take("A", "xray")  # the second image, far too late
        plant.take("B")
        await plant.results(2)
        await asyncio.sleep(0.3)

    run_line(tmp_path, FakeModel(), first, monkeypatch)
    run_line(tmp_path, FakeModel(), second, monkeypatch)
    assert [(each.seq, each.part_id) for each in results_in(tmp_path)] == [(1, "A"), (2, "B")]


def test_an_image_that_no_part_takes_is_noted_with_the_part_that_it_names(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")  # alone
        await plant.results(1)
        plant.take("A", "xray")  # after its answer
        await until(lambda: len(left_out()) == 1)

    async def later(plant: Plant) -> None:
        plant.take("B")
        await plant.results(2)

    def left_out() -> list[tuple[int, str, dict[str, str]]]:
        return [(each["seq"], each["part_id"], each["images"]) for each in entries_in(tmp_path, LEFT_OUT)]

    run_line(tmp_path, FakeModel(), what, monkeypatch)
    noted = (1, "A", {"xray": str(tmp_path / "xray/A.png")})
    assert left_out() == [noted]
    run_line(tmp_path, FakeModel(), later, monkeypatch)  # nobody had tidied up
    assert noted in left_out()[1:]
    assert {name for _, name, _ in left_out()} == {"A"}


def test_where_files_stay_nothing_is_noted_of_them(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")
        await plant.results(1)
        plant.take("A", "xray")
        plant.take("B")
        await plant.results(2)

    images = {"rgb": tmp_path / "rgb", "xray": tmp_path / "xray", "pairing": {"wait": 0.2, "settle": 0.0}}
    run_line(tmp_path, FakeModel(), what, monkeypatch, images={**images, "answered": "keep"})
    assert entries_in(tmp_path, LEFT_OUT) == []


def test_a_trigger_reaches_the_driver_and_an_upload_does_not(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        await until(lambda: plant.engine.state().fault is FaultCode.SOURCE)
        assert "driver 'top'" in plant.engine.state().fault_text
        asking = asyncio.create_task(told_of(plant))
        await until(lambda: plant.engine.state().ready)
        write_image(tmp_path / "u.png", np.zeros((8, 8, 3), np.uint8))
        await plant.ask("uploaded", part_id="U", images={"rgb": str(tmp_path / "u.png")})
        await plant.ask("trigger", part_id="A")
        assert await asking == {"part_id": "A"}
        write_image(tmp_path / "line/driven/rgb/A_rgb.tiff", np.zeros((8, 8, 3), np.uint8))
        results = {each.part_id: each.bin_code for each in await plant.results(2)}
        assert results == {"U": 7, "A": 7}

    async def told_of(plant: Plant) -> dict[str, Any]:
        while not (said := await plant.ask("next_trigger", driver="top")):
            pass
        return said

    (tmp_path / "line/driven/rgb").mkdir(parents=True)
    driver = {"name": "top", "modality": "rgb", "kind": "simulated", "within": 5.0}
    run_line(tmp_path, FakeModel(), what, monkeypatch, wait_ready=False, images={}, drivers=[driver])


def test_parts_that_wait_are_computed_together_but_not_beyond_a_deadline(tmp_path, monkeypatch):
    model = FakeModel(seconds=0.15)

    async def what(plant: Plant) -> None:
        for number in range(12):
            plant.take(f"P{number}")
        await plant.results(12)

    run_line(tmp_path, model, what, monkeypatch, deadline=4.0)
    assert len(results_in(tmp_path)) == 12
    assert max(model.batches) > 1


def test_stopping_answers_what_is_begun(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")
        await plant.ask("trigger", part_id="B")
        while len(plant.engine._parts) < 2:
            await asyncio.sleep(0.005)

    run_line(tmp_path, FakeModel(seconds=0.2), what, monkeypatch)
    assert {each.part_id: each.reason for each in results_in(tmp_path)} == {"A": None, "B": "interrupted"}
    assert entries_in(tmp_path, "stopped") == [{}]


def test_a_new_model_answers_from_the_next_part_on_and_the_old_one_can_come_back(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        plant.take("A")
        await plant.results(1)
        await plant.ask("activate", number=2, who="Grace")
        plant.take("B")
        await plant.results(2)
        await plant.ask("roll_back", who="Grace")
        plant.take("C")
        await plant.results(3)

    run_line(tmp_path, FakeModel(), what, monkeypatch, models={2: FakeModel(None, "unknown")})
    assert [(each.model_number, each.bin_code) for each in results_in(tmp_path)] == [(1, 7), (2, 0), (1, 7)]
    said = [(each["what"], each["who"], each.get("number")) for each in entries_in(tmp_path, "audit")]
    assert ("model active", "Grace", 2) in said


def test_a_model_that_fails_its_self_test_never_answers(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        with pytest.raises(RgbxError, match="self-test"):
            await plant.ask("activate", number=2, who="Grace")
        plant.take("A")
        (result,) = await plant.results(1)
        assert result.model_number == 1

    run_line(tmp_path, FakeModel(), what, monkeypatch, models={2: FakeModel(seconds=float("inf"))})


def test_nothing_is_changed_without_a_name(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        with pytest.raises(RgbxError, match="name"):
            await plant.ask("activate", number=1, who="")

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_a_candidate_sees_every_part_and_answers_none(tmp_path, monkeypatch):
    candidate = FakeModel(None, "unknown")

    async def what(plant: Plant) -> None:
        await plant.ask("shadow", number=2, who="Grace")
        for name in "ABC":
            plant.take(name)
        await plant.results(3)
        while len(entries_in(tmp_path, SHADOW_ANSWER)) < 3:
            await asyncio.sleep(0.01)

    run_line(tmp_path, FakeModel(), what, monkeypatch, models={2: candidate})
    assert {each.bin_code for each in results_in(tmp_path)} == {7}
    assert {each["model_number"] for each in entries_in(tmp_path, SHADOW_ANSWER)} == {2}


def test_a_full_disk_is_a_fault_and_no_loss(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        write = LineLog._write
        full = {"is": True}

        def fails(self: LineLog, content: bytes) -> None:
            if full["is"]:
                raise RgbxError("the disk is full: free some of it.")
            write(self, content)

        monkeypatch.setattr(LineLog, "_write", fails)
        plant.take("A")
        while plant.engine.state().fault is not FaultCode.LOG:
            await asyncio.sleep(0.01)
        with pytest.raises(RgbxError, match=r"not ready.*disk is full"):
            await plant.ask("trigger")
        full["is"] = False
        (result,) = await plant.results(1)
        assert result.bin_code == 7
        while not plant.engine.state().ready:
            await asyncio.sleep(0.01)

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_a_folder_that_is_away_is_a_fault_until_it_is_back(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        (tmp_path / "rgb").rename(tmp_path / "away")
        while plant.engine.state().fault is not FaultCode.SOURCE:
            await asyncio.sleep(0.01)
        (tmp_path / "away").rename(tmp_path / "rgb")
        while not plant.engine.state().ready:
            await asyncio.sleep(0.01)
        plant.take("A")
        await plant.results(1)

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_halting_keeps_triggers_out_until_somebody_resumes(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        await plant.ask("halt", who="Ada")
        assert plant.engine.state().fault is FaultCode.HALTED
        with pytest.raises(RgbxError, match="Ada halted the line"):
            await plant.ask("trigger")
        await plant.ask("resume", who="Ada")
        await plant.ask("trigger")

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_a_halted_line_stays_halted_when_it_comes_back(tmp_path, monkeypatch):
    async def halt(plant: Plant) -> None:
        await plant.ask("halt", who="Ada")

    async def what(plant: Plant) -> None:
        while plant.engine.state().fault is not FaultCode.HALTED:
            await asyncio.sleep(0.005)
        await plant.ask("resume", who="Grace")
        while not plant.engine.state().ready:
            await asyncio.sleep(0.005)

    run_line(tmp_path, FakeModel(), halt, monkeypatch)
    run_line(tmp_path, FakeModel(), what, monkeypatch, wait_ready=False)


def test_a_model_that_fails_on_one_part_is_no_end_of_the_line(tmp_path, monkeypatch):
    class Fails(FakeModel):
        def look(self, arrivals):
            if any(arrival.name == "A" for arrival in arrivals):
                raise RuntimeError("of a runtime's own")
            return super().look(arrivals)

    async def what(plant: Plant) -> None:
        plant.take("A")
        await asyncio.sleep(0.3)
        plant.take("B")
        await plant.results(2)

    run_line(tmp_path, Fails(), what, monkeypatch)
    assert {each.part_id: each.reason for each in results_in(tmp_path)} == {"A": "late", "B": None}


def test_late_parts_do_not_make_those_behind_them_late(tmp_path, monkeypatch):
    model = FakeModel(seconds=0.1)

    async def what(plant: Plant) -> None:
        for number in range(12):
            await plant.ask("trigger", part_id=f"P{number}")
        await plant.results(12)
        for number in range(12):
            plant.take(f"P{number}")
        await asyncio.sleep(0.3)
        plant.take("Q")
        await plant.results(13)

    run_line(tmp_path, model, what, monkeypatch)
    assert {each.part_id: each.reason for each in results_in(tmp_path)}["Q"] is None


def test_a_clock_set_back_moves_no_deadline(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        start = time.monotonic()
        await plant.ask("trigger", part_id="A")
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() - 3600)
        await plant.results(1)
        assert time.monotonic() - start < DEADLINE + 0.3

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_uploaded_images_are_a_part(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        write_image(tmp_path / "u.png", np.zeros((8, 8, 3), np.uint8))
        said = await plant.ask("uploaded", part_id="U", images={"rgb": str(tmp_path / "u.png")})
        (result,) = await plant.results(1)
        assert (result.seq, result.part_id, result.bin_code) == (said["seq"], "U", 7)
        again = await plant.ask("uploaded", part_id="U", images={"rgb": str(tmp_path / "u.png")})
        assert again == {"refused": "the part 'U' was answered already: give each part its own name."}
        slash = await plant.ask("uploaded", part_id="a/b", images={"rgb": str(tmp_path / "u.png")})
        assert "cannot be called 'a/b'" in slash["refused"]
        await plant.ask("halt", who="Ada")
        with pytest.raises(RgbxError, match="not ready"):  # which is worth another try
            await plant.ask("uploaded", part_id="V", images={"rgb": str(tmp_path / "u.png")})

    run_line(tmp_path, FakeModel(), what, monkeypatch)


def test_what_a_person_says_of_a_part_is_on_the_disk_before_the_person_is_told(tmp_path, monkeypatch):
    async def what(plant: Plant) -> None:
        with pytest.raises(RgbxError, match="needs a person's name"):
            await plant.ask("review", who="", number=3, part_id="A", label="SP1")
        for count, label in enumerate(("SP1", None), start=1):
            await plant.ask("review", who="ada", number=3, part_id="A", label=label, why="random")
            said = entries_in(tmp_path, REVIEW)
            assert said[-1] == {"number": 3, "part_id": "A", "label": label, "why": "random", "who": "ada"}
            assert len(said) == count, "nothing is taken away"

    run_line(tmp_path, FakeModel(), what, monkeypatch)

"""From triggers and images to one answer for each part, at its deadline at the latest."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from rgbx.errors import RgbxError
from rgbx.inference import Predictor
from rgbx.inference.arrivals import Arrival, Image
from rgbx.inference.results import Result
from rgbx.modality import Modality
from rgbx.names import printable
from rgbx_line.contract import (
    ASIDE,
    AUDIT,
    LATE_ANSWER,
    LEFT_OUT,
    REASONS,
    RESULT,
    REVIEW,
    SHADOW_ANSWER,
    STATE,
    STATE_NOTED_EVERY_S,
    TRIGGER,
    FaultCode,
    LineState,
    PartResult,
    ReasonCode,
)
from rgbx_line.inference.computing import load_model, look_at
from rgbx_line.inference.desk import DriverDesk
from rgbx_line.inference.journal import Journal
from rgbx_line.inference.open_parts import OpenPart, OpenParts, UnusablePart
from rgbx_line.inference.recovery import HALTED, RESUMED, answered_files, left_undone
from rgbx_line.inference.sources import FolderWatch, SteadyClock
from rgbx_line.log.cursor import Cursor
from rgbx_line.log.line_log import LineLog
from rgbx_line.log.retention import retire
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder, LineSettings

MOST_TOGETHER = 8
"""Parts that are computed at once, where so many wait: the first of them waits for the last."""
MOST_FOR_INFORMATION = 100
"""Parts that wait to be looked at though their answer is out: late ones, and those for the candidate."""
FIRST_GUESS_S = 0.5
"""How long a part is thought to take before one has been seen."""
TELL_EVERY_S = 1.0
RETIRE_EVERY_S = 3600.0
SOURCE_HANGS_S = 5.0
"""Without a look into the folders for so long, they count as out of reach."""
WRITES_WITHIN_S = 1.0
FINISHES_WITHIN_S = 7.0
"""What a line that is stopped gives its open parts at most."""
_log = structlog.get_logger("rgbx.line.inference")


class Engine:
    """The line's one place where parts are answered. All of it runs in one event loop; networks and disk in threads.

    Args:
        settings: of the line.
        log: open for writing.
        tell: told the state at each change and once a second.
    """

    def __init__(self, settings: LineSettings, log: LineLog, tell: Callable[[LineState], None]) -> None:
        self._settings = settings
        self._folder = LineFolder(settings.folder)
        self._tell = tell
        self._clock = SteadyClock()
        self._parts = OpenParts(settings.deadline)
        self._desk = DriverDesk(settings.drivers, self._clock.now)
        self._store = ModelStore(self._folder.models)
        self._loaded: dict[int, Predictor] = {}
        self._journal = Journal(log, self._announced, self._log_trouble)
        self._ready_for: deque[OpenPart] = deque()
        self._too_late: deque[OpenPart] = deque(maxlen=MOST_FOR_INFORMATION)
        self._work = asyncio.Event()
        self._shadows: deque[tuple[OpenPart, Arrival]] = deque(maxlen=MOST_FOR_INFORMATION)
        self._compute = ThreadPoolExecutor(1, "networks")
        self._seconds = FIRST_GUESS_S
        self._announced_number = log.number
        self._log_fault = self._model_fault = self._halted = ""
        self._stopping = False
        self._watch: FolderWatch | None = None
        self._noted: tuple[bool, FaultCode] | None = None
        self._noted_at = 0.0

    # What others ask for

    async def handle(self, do: str, content: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of another process.

        Raises:
            RgbxError: it cannot be done, or there is no such request.
        """
        requests: dict[str, Callable[..., Any]] = {
            "trigger": self._trigger,
            "uploaded": self._uploaded,
            "next_trigger": self._desk.next_trigger,
            "driver": self._desk.hear,
            "halt": self._halt,
            "resume": self._resume,
            "models": self._models,
            "add_model": self._add_model,
            "activate": self._activate,
            "roll_back": self._roll_back,
            "shadow": self._shadow,
            "audit": self._audit,
            "review": self._review,
        }
        if do not in requests:
            raise RgbxError(f"the line knows no request '{do}': it knows {', '.join(requests)}.")
        try:
            said = requests[do](**content)
        except TypeError as error:
            raise RgbxError(f"the request '{do}' lacks something or has too much: {error}.") from error
        return await said if asyncio.iscoroutine(said) else said

    async def _trigger(self, part_id: str | None = None) -> dict[str, Any]:
        return await self._open(part_id, self._desk.announce)

    async def _open(self, part_id: str | None, announce: Callable[[OpenPart], None] = lambda _: None) -> dict[str, Any]:
        self._check_ready()
        part = self._parts.trigger(part_id, self._clock.now(), datetime.now(UTC))
        self._expect(part)
        announce(part)  # before the disk has it: the belt moves on
        # Who is told of a number finds it answered, also after a crash.
        await self._journal.note(TRIGGER, {"seq": part.seq, "part_id": part.name})
        return {"seq": part.seq, "part_id": part.name}

    async def _uploaded(self, images: dict[Modality, str], part_id: str | None = None) -> dict[str, Any]:
        self._check_ready()
        now = self._clock.now()
        paths = {modality: Path(path) for modality, path in images.items()}
        name = part_id
        if name is None or not self._parts.waits_for_images(name):
            try:
                name = (await self._open(name))["part_id"]
            except UnusablePart as error:  # no error, which would be tried again
                return {"refused": str(error)}
        part = self._parts.arrived(Arrival(name, paths, now, now), now, now)
        if part is None:
            return {"refused": f"the part '{name}' has its images already: give each part its own name."}
        self._begin(part)
        return {"seq": part.seq, "part_id": part.name}

    def _halt(self, who: str) -> dict[str, Any]:
        self._halted = _halted_by(who)
        return self._audit(HALTED, who)

    def _resume(self, who: str) -> dict[str, Any]:
        self._halted = ""
        return self._audit(RESUMED, who)

    def _audit(self, what: str, who: str, **more: Any) -> dict[str, Any]:
        """Note who changed what."""
        _check_named(who)
        self._journal.note(AUDIT, {"what": what, "who": who, **more})
        self._say()
        return {}

    async def _review(
        self, who: str, number: int, part_id: str, label: str | None, why: str = "", **more: Any
    ) -> dict[str, Any]:
        """Note what a person says a part is; no label takes back what the same person said of it before."""
        _check_named(who)
        said = {"number": number, "part_id": part_id, "label": label, "why": why, "who": who, **more}
        await self._journal.note(REVIEW, said)
        return {}

    def _models(self) -> dict[str, Any]:
        listed = [
            {**model.model_dump(mode="json"), "role": self._store.role(number), "sha256": model.weights_sha256}
            for number, model in self._store.models().items()
        ]
        return {"models": listed}

    async def _add_model(self, folder: str, who: str) -> dict[str, Any]:
        model = await asyncio.to_thread(self._store.add, Path(folder), who)
        self._audit("model added", who, number=model.number, name=model.name, weights_sha256=model.weights_sha256)
        return {"number": model.number}

    async def _activate(self, number: int, who: str) -> dict[str, Any]:
        self._audit("activation asked for", who, number=number)
        await self._load(number)
        self._store.activate(number)  # the next part is the first of the new model
        self._drop_unused()
        self._model_fault = ""
        return self._audit("model active", who, number=number)

    async def _roll_back(self, who: str) -> dict[str, Any]:
        if self._store.previous is None:
            raise RgbxError("there is no previous model to go back to: activate one by its number.")
        return await self._activate(self._store.previous, who)

    async def _shadow(self, who: str, number: int | None = None) -> dict[str, Any]:
        if number is not None:
            await self._load(number)
        self._store.shadow(number)
        self._drop_unused()
        return self._audit("candidate", who, number=number)

    # From start to stop

    async def run(self, stop: asyncio.Event, beginner: str) -> None:
        """Answer parts until ``stop`` is set, and finish what is begun then.

        Args:
            stop: when to end.
            beginner: who started the line; the first model is active in this name.

        Raises:
            RgbxError: the log or the settings cannot be used.
        """
        undone = await asyncio.to_thread(left_undone, self._folder)
        self._parts.last_seq = undone.last_seq
        self._halted = _halted_by(undone.halted_by) if undone.halted_by else ""
        for name, seq in undone.answered.items():
            self._parts.remember_answered(name, seq)
        running = (self._journal.run, self._answer_parts, self._tell_state, self._retire)
        work = [asyncio.create_task(each()) for each in running]
        self._journal.note("started", {"model": self._store.active, "who": beginner})
        for trigger in undone.triggers:
            self._take_up(OpenPart(trigger.seq, trigger.part_id, 0.0, trigger.time))
        # What comes before the model is there is answered when it is due, too.
        self._watch_folders()
        starting = asyncio.create_task(self._first_model(beginner))
        try:
            await _first(asyncio.create_task(stop.wait()), *work)
            self._stopping = True
            self._say()
            await self._finish()
        finally:
            for task in (starting, *work):
                task.cancel()
            if self._watch is not None:
                self._watch.stop()
            self._compute.shutdown(wait=False, cancel_futures=True)

    async def _first_model(self, who: str) -> None:
        try:
            if not self._store.models():
                await self._add_model(str(self._settings.bundle), who)
            if self._store.active is None:
                await self._activate(next(iter(self._store.models())), who)
            for number in (self._store.active, self._store.previous, self._store.candidate):
                if number is not None:
                    await self._load(number)
        except RgbxError as error:
            self._model_fault = str(error)
            _log.error("no model", error=str(error))
        self._say()

    def _watch_folders(self) -> None:
        pairing, folders = self._settings.images.pairing, self._settings.hot_folders
        if not folders:
            return
        if len(folders) == len(self._settings.drivers):  # which rename what they have written
            pairing = pairing.updated({"settle": 0.0})
        loop = asyncio.get_running_loop()

        def found(devices: list[Arrival]) -> None:
            loop.call_soon_threadsafe(self._found, devices)

        def left_out(image: Image) -> None:
            loop.call_soon_threadsafe(self._leave_out, image.device, {image.modality: image.path})

        self._watch = FolderWatch(
            folders,
            pairing,
            partial(answered_files, self._folder, folders, pairing),
            found,
            left_out,
            lambda text: _log.warning("folder", said=text),
            self._clock,
        )
        self._watch.start()

    async def _retire(self) -> None:
        """Let old segments of the log go."""
        while True:
            await asyncio.sleep(RETIRE_EVERY_S)
            try:
                await self._journal.apart(self._retire_now)
            except RgbxError as error:
                _log.warning("the log is too long", error=str(error))

    def _retire_now(self, log: LineLog) -> None:
        reached = [Cursor(path).number for path in self._folder.cursors.glob("*.json")]
        if retire(log, self._settings.keep, reached):
            _log.info("old segments of the log deleted")

    async def _finish(self) -> None:
        """Answer what is open, or say that it was not."""
        if self._watch is not None:
            self._watch.stop()
        end = self._clock.now() + FINISHES_WITHIN_S
        while any(part.arrival is not None for part in self._parts.all()) and self._clock.now() < end:
            await asyncio.sleep(0.02)
        for part in self._parts.all():
            self._close(part, None, "interrupted")
        try:
            await asyncio.wait_for(self._journal.note("stopped", {}), WRITES_WITHIN_S)
        except TimeoutError:
            _log.error("the log cannot be written: what was not in it is answered as interrupted when the line is back")

    # Parts

    def _take_up(self, part: OpenPart) -> None:
        """Go on with a part that was open when the line went down, or say that it was lost."""
        assert part.triggered is not None
        left = self._settings.deadline - (datetime.now(UTC) - part.triggered).total_seconds()
        if 0 < left <= self._settings.deadline:
            part.due = self._clock.now() + left
            self._parts.reopen(part)
            self._expect(part)
        else:
            self._close(part, None, "interrupted")

    def _found(self, devices: Sequence[Arrival]) -> None:
        now = self._clock.now()
        for device in devices:
            part = self._parts.arrived(device, device.arrived or now, device.acquired or now)
            if part is None:
                _log.warning("images of a part that has some", part_id=device.name)
                self._leave_out(device.name, device.images)
                continue
            if part.triggered is None and not part.answered:
                self._expect(part)
            self._begin(part)

    def _leave_out(self, name: str, images: Mapping[Modality, Path]) -> None:
        """Note images that no part takes, so that they are tidied up; where files stay, nothing is to be done."""
        if self._settings.images.answered != "keep":
            paths = {modality: printable(path) for modality, path in images.items()}
            self._journal.note(LEFT_OUT, {"seq": self._parts.seq_of(name), "part_id": printable(name), "images": paths})

    def _expect(self, part: OpenPart) -> None:
        """See to it that a part is answered when it is due."""
        loop = asyncio.get_running_loop()
        loop.call_later(max(0.0, part.due - self._clock.now()), self._expire, part)
        self._say()

    def _expire(self, part: OpenPart) -> None:
        if not part.answered:
            self._close(part, None, "late")

    def _begin(self, part: OpenPart) -> None:
        self._ready_for.append(part)
        self._work.set()

    async def _answer_parts(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._set_late_apart()
            if not self._ready_for and not self._too_late and not self._shadows:
                self._work.clear()
                await self._work.wait()
                continue
            number = self._store.active
            if number is None or number not in self._loaded:
                await asyncio.sleep(0.05)  # until there is a model; parts are answered when they are due
            elif self._ready_for or self._too_late:
                parts = self._batch() if self._ready_for else [self._too_late.popleft()]
                start = loop.time()
                shown = [part.arrival for part in parts if part.arrival is not None]
                try:
                    results = await loop.run_in_executor(self._compute, look_at, self._loaded[number], shown)
                except Exception:  # of a runtime's own: its parts are answered when they are due, and the line goes on
                    _log.exception("the model failed", parts=[part.name for part in parts])
                    continue
                self._seconds = 0.7 * self._seconds + 0.3 * (loop.time() - start) / len(parts)
                for part, result in zip(parts, results, strict=True):
                    self._take(part, result, number)
            else:
                await self._look_as_candidate(*self._shadows.popleft())

    def _set_late_apart(self) -> None:
        """Let parts that have been answered without their images wait until no other does."""
        self._too_late += [part for part in self._ready_for if part.answered]
        self._ready_for = deque(part for part in self._ready_for if not part.answered)

    def _batch(self) -> list[OpenPart]:
        """Take parts that wait: no more than can be done before the first of them is due."""
        left = min(part.due for part in self._ready_for) - self._clock.now()
        count = max(1, min(MOST_TOGETHER, len(self._ready_for), int(left / self._seconds)))
        return [self._ready_for.popleft() for _ in range(count)]

    def _take(self, part: OpenPart, result: Result | None, number: int) -> None:
        """Take what the active model says of a part."""
        images = part.arrival
        if result is None:
            if images is not None and self._watch is not None:
                self._watch.put_back(images)
            part.arrival = part.seen = None
            return
        if part.answered:
            self._note_aside(LATE_ANSWER, part, result, number)
        else:
            self._close(part, result, None, number)
        if images is not None and self._store.candidate in self._loaded:
            self._shadows.append((part, images))

    async def _look_as_candidate(self, part: OpenPart, images: Arrival) -> None:
        number = self._store.candidate
        if number is None or number not in self._loaded or not all(path.exists() for path in images.images.values()):
            return  # files of an answered part may be tidied up
        loop = asyncio.get_running_loop()
        try:
            (result,) = await loop.run_in_executor(self._compute, look_at, self._loaded[number], [images])
        except Exception:  # a candidate is no reason for the line to stop
            _log.exception("the candidate failed", part=part.name)
            return
        if result is not None:
            self._note_aside(SHADOW_ANSWER, part, result, number)

    def _note_aside(self, kind: str, part: OpenPart, result: Result, number: int) -> None:
        """Keep what a model says of a part as information, which is no answer."""
        content = {"seq": part.seq, "part_id": part.name, "model_number": number, "result": _plain(result)}
        self._journal.note(kind, content)

    def _close(self, part: OpenPart, result: Result | None, reason: str | None, number: int | None = None) -> None:
        """Give a part its one answer."""
        bin_name, code, reason = self._sorted(result, reason)
        self._parts.close(part)
        images, now = part.arrival, self._clock.now()
        done = PartResult(
            seq=part.seq,
            part_id=part.name,
            bin=bin_name,
            bin_code=code,
            reason=reason,
            reason_code=REASONS[reason] if reason else ReasonCode.NONE,
            model_number=number or self._store.active or 0,
            triggered=part.triggered,
            images={modality: printable(path) for modality, path in images.images.items()} if images else {},
            first_image=_time(images.arrived if images else None),
            last_image=_time(images.acquired if images else None),
            latency_ms=None if part.seen is None else 1e3 * (now - part.seen),
            result=_plain(result) if result else None,
        )
        self._journal.note(RESULT, done.model_dump(mode="json"))

    def _sorted(self, result: Result | None, reason: str | None) -> tuple[str | None, int, str | None]:
        """Return where a part goes, the code for it, and why it goes nowhere."""
        if reason is None:
            decision = result.content.decision if result else None
            if decision is None:
                reason = "no bin"
            elif decision.reason is not None:
                reason = decision.reason
            elif decision.bin not in self._settings.bins:
                reason = "no bin"
            else:
                return decision.bin, self._settings.bins[decision.bin], None
        return None, ASIDE, reason

    # Models

    async def _load(self, number: int) -> None:
        """Load a model beside the others; parts go on meanwhile.

        Raises:
            RgbxError: there is none, or it fails its self-test.
        """
        if number in self._loaded:
            return
        load = partial(load_model, self._store.bundle(number), self._settings.modalities, self._settings.flat)
        self._loaded[number] = await asyncio.to_thread(load, self._settings.golden)

    def _drop_unused(self) -> None:
        kept = {self._store.active, self._store.previous, self._store.candidate}
        self._loaded = {number: model for number, model in self._loaded.items() if number in kept}

    # State

    def _check_ready(self) -> None:
        state = self.state()
        if not state.ready:
            raise RgbxError(f"the line is not ready: {state.fault_text or 'it is being stopped.'}")

    def state(self) -> LineState:
        """Return what the line says of itself."""
        fault, text = self._fault()
        return LineState(
            ready=fault is FaultCode.NONE and not self._stopping,
            busy=len(self._parts) > 0,
            fault=fault,
            fault_text=text,
            announced=self._announced_number,
            model_number=self._store.active or 0,
            open_parts=len(self._parts),
        )

    def _fault(self) -> tuple[FaultCode, str]:
        if self._log_fault:
            return FaultCode.LOG, self._log_fault
        if self._model_fault:
            return FaultCode.MODEL, self._model_fault
        if self._store.active not in self._loaded:
            return FaultCode.STARTING, "the model is being loaded."
        if self._halted:
            return FaultCode.HALTED, self._halted
        if trouble := self._desk.trouble():
            return FaultCode.SOURCE, trouble
        if self._watch is not None:
            away = self._watch.out_of_reach(SOURCE_HANGS_S)
            if away:
                return FaultCode.SOURCE, f"{' and '.join(map(str, sorted(away)))} cannot be reached."
        return FaultCode.NONE, ""

    def _announced(self, number: int) -> None:
        self._announced_number = number
        self._say()

    def _log_trouble(self, text: str) -> None:
        if text != self._log_fault:
            _log.error("log", said=text or "can be written again")
        self._log_fault = text
        self._say()

    def _say(self) -> None:
        self._tell(self.state())

    async def _tell_state(self) -> None:
        while True:
            self._say()
            self._note_state()
            await asyncio.sleep(TELL_EVERY_S)

    def _note_state(self) -> None:
        """Note in the log whether the line is ready: when that changes, and now and then."""
        state, now = self.state(), self._clock.now()
        said = state.ready, state.fault
        if said != self._noted or now - self._noted_at >= STATE_NOTED_EVERY_S:
            self._noted, self._noted_at = said, now
            content = state.model_dump(mode="json", include={"ready", "fault", "fault_text"})
            self._journal.note(STATE, {**content, "at": datetime.now(UTC).isoformat()})


def _check_named(who: str) -> None:
    if not who:
        raise RgbxError("a change needs a person's name: say who makes it.")


def _halted_by(who: str) -> str:
    return f"{who} halted the line."


async def _first(*tasks: "asyncio.Task[Any]") -> None:
    """Wait for the first of some tasks; one that failed raises."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


def _plain(result: Result) -> dict[str, Any]:
    return result.model_dump(mode="json", by_alias=True)


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)

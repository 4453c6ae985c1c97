"""Reads a line's answers in the order of the log, and watches for drift.

What comes out depends on the log alone, beginning where the watch began. All that it has learnt is kept in the line's
folder with its place in the log, from where it goes on after a restart. It is about the active model: another one has
other scores, so with its first answer the watch begins anew. What a candidate says is never looked at.
"""

import asyncio
from itertools import islice
from typing import Any, Literal

import structlog

from rgbx.config import Config, build_record
from rgbx.errors import RgbxError
from rgbx.files import read_json, write_json
from rgbx.models.header import read_bundle_header
from rgbx.trust.calibration import load_calibration
from rgbx.trust.drift.config import DriftConfig
from rgbx.trust.drift.monitor import STRANGE, DriftAlarm, DriftMonitor, DriftState, Scored
from rgbx_line.channel import Link
from rgbx_line.contract import AUDIT, RESULT, said_in
from rgbx_line.drift.report import ACKNOWLEDGED, ALARMED, DriftReport, StandingAlarm, forget_drift, write_drift
from rgbx_line.history import results_after
from rgbx_line.log.entry import Entry
from rgbx_line.log.segments import BEGINNING, Position, read_entries, segment_numbers
from rgbx_line.models import ModelStore
from rgbx_line.settings import LineFolder, LineSettings

WATCH_EVERY_S = 1.0
REPORT_EVERY_S = 10.0
KEEP_EVERY_S = 60.0
"""What was read since is read again after a crash."""
NOTES_WITHIN_S = 5.0
NOTE_AGAIN_S = 60.0
"""When an alarm that the log does not hold is noted again."""
READ_TOGETHER = 500
"""Entries that are read together."""
MOST_CLASSES = 3
"""That are named with an alarm."""
HIT = 3.0
"""Times as many strange devices as usual that a class has which is named."""
_LINE = "the line"
"""In whose name it is noted that an alarm sounded."""
_log = structlog.get_logger("rgbx.line.drift")


async def keep_watching(settings: LineSettings, link: Link) -> None:
    """Watch the answers that are announced, until cancelled."""
    folder = LineFolder(settings.folder)
    if settings.drift is None:
        forget_drift(folder)
        return
    watch: DriftWatch | None = None
    trouble = ""
    clock = asyncio.get_running_loop().time
    while True:
        announced = link.state.announced
        try:
            if announced and watch is None:
                watch = await asyncio.to_thread(DriftWatch, folder, settings.drift, announced)
            if watch is not None:
                await asyncio.to_thread(watch.read_on, announced)
                if watch.number >= announced:
                    for alarm in watch.unnoted(clock()):
                        await _note(alarm, link)
                await asyncio.to_thread(watch.keep, clock())
            trouble = ""
        except Exception as error:  # whatever is amiss, the process has other work, and people are told
            said = str(error) or type(error).__name__
            if said != trouble:
                trouble = said
                _log.exception("the drift alarm does not watch")
                await asyncio.to_thread(_report_trouble, folder, trouble)
        behind = watch is not None and watch.number < announced and not trouble
        await asyncio.sleep(0.0 if behind else WATCH_EVERY_S)


async def _note(alarm: DriftAlarm, link: Link) -> None:
    said: dict[str, Any] = {"signal": alarm.signal, "cause": alarm.cause, "at": alarm.number, "since": alarm.since}
    _log.warning(ALARMED, **said)
    try:
        async with asyncio.timeout(NOTES_WITHIN_S):
            await link.ask("audit", what=ALARMED, who=_LINE, **said)
    except (RgbxError, TimeoutError) as error:
        _log.warning("the drift alarm is noted later", problem=str(error))


def _report_trouble(folder: LineFolder, trouble: str) -> None:
    try:
        write_drift(folder, DriftReport(trouble=trouble))
    except (RgbxError, OSError) as error:
        _log.error("cannot say so", problem=str(error))


class _Kept(Config):
    """All that is needed to go on."""

    kind: Literal["rgbx drift watch"] = "rgbx drift watch"
    format: Literal[1] = 1
    number: int
    """Of the last entry that was read."""
    model_number: int
    """0 before the first answer."""
    noted: dict[str, int]
    """By signal, at which entry the last alarm sounded that the log holds."""
    monitor: DriftState | None
    """None while the model cannot be watched."""


class DriftWatch:
    """Reads a log and watches its answers; all of it by one thread at a time.

    Args:
        folder: of the line.
        config: what is asked. When the rate, the devices a day or the tolerance are others than before, all that was
            learnt stays; else the watch begins anew.
        announced: number of the log's last entry. Where nothing was kept, the watch begins behind it.

    Raises:
        InputError: what was kept is damaged.
    """

    def __init__(self, folder: LineFolder, config: DriftConfig, announced: int) -> None:
        self.number = announced
        """Of the last entry that was read."""
        self.trouble = ""
        """Why the active model cannot be watched, a sentence; empty when it can."""
        self._folder, self._config = folder, config
        self._path = folder.drift / "state.json"
        self._model = 0
        self._monitor: DriftMonitor | None = None
        self._noted: dict[str, int] = {}
        self._asked: dict[tuple[str, int], float] = {}
        self._since: dict[int, Entry | None] = {}
        self._kept_at = self._reported_at = float("-inf")
        self._urgent = True
        """Whether something is to be kept at once."""
        if self._path.exists():
            self._go_on()
        self._position = self._near(self.number)

    def read_on(self, announced: int) -> None:
        """Read on, some entries at most.

        Args:
            announced: number of the last entry that may be read.

        Raises:
            InputError: a line of the log is not as it was written.
        """
        if announced < self.number:  # the log is another one, such as one from a backup
            self._begin_anew(announced)
        for entry, behind in islice(read_entries(self._folder.log, self._position, announced), READ_TOGETHER):
            if entry.number > self.number:
                self._take(entry)
                self.number = entry.number
            self._position = behind

    def unnoted(self, now: float) -> list[DriftAlarm]:
        """Return the alarms that stand and that the log does not hold; each once in a while, until it does.

        Args:
            now: seconds, of a clock that only runs forward.
        """
        due = [
            alarm
            for alarm in self._alarms()
            if self._noted.get(alarm.signal) != alarm.number
            and now - self._asked.get((alarm.signal, alarm.number), float("-inf")) >= NOTE_AGAIN_S
        ]
        self._asked |= {(alarm.signal, alarm.number): now for alarm in due}
        return due

    def keep(self, now: float) -> None:
        """Write what people are told, and what is needed to go on: at once after an alarm, else now and then.

        Args:
            now: seconds, of a clock that only runs forward.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        if self._urgent or now - self._kept_at >= KEEP_EVERY_S:
            state = self._monitor.state() if self._monitor is not None else None
            kept = _Kept(number=self.number, model_number=self._model, noted=self._noted, monitor=state)
            write_json(self._path, kept.model_dump(mode="json"))
            self._kept_at = now
        if self._urgent or now - self._reported_at >= REPORT_EVERY_S:
            write_drift(self._folder, self.report())
            self._reported_at = now
        self._urgent = False

    def report(self) -> DriftReport:
        """Return what people are told."""
        monitor = self._monitor
        return DriftReport(
            number=self.number,
            usual=STRANGE / self._config.tolerance,
            levels={} if monitor is None else {signal: round(monitor.level(signal), 3) for signal in monitor.signals},
            alarms=tuple(map(self._told, self._alarms())),
            trouble=self.trouble,
        )

    # Entries

    def _take(self, entry: Entry) -> None:
        if entry.kind == AUDIT:
            self._hear(entry.content)
        said = said_in(entry.content) if entry.kind == RESULT else {}
        if not said:  # nothing was looked at
            return
        if entry.content["model_number"] != self._model:
            self._begin_with(entry.content["model_number"], entry.number - 1)
        if self._monitor is not None:
            scored = {name: each for name, each in _scored(said).items() if name in self._monitor.signals}
            self._urgent |= bool(self._monitor.observe(entry.number, scored))

    def _hear(self, content: dict[str, Any]) -> None:
        """Take in that an alarm was noted, or that a person ended some; one that is over ends no other."""
        if content["what"] == ALARMED:
            self._noted[content["signal"]] = content["at"]
        elif content["what"] == ACKNOWLEDGED and self._monitor is not None:
            standing = {alarm.signal: alarm.number for alarm in self._alarms()}
            for signal, number in content["signals"].items():
                if standing.get(signal) == number:
                    self._monitor.acknowledge(signal, content["anew"])
                    self._urgent = True

    def _begin_with(self, number: int, after: int) -> None:
        """Begin to watch the answers of a model behind an entry."""
        if self._alarms():
            _log.warning("drift alarms end, since another model answers", model=number)
        self._model, self._monitor, self.trouble, self._urgent = number, None, "", True
        try:
            bundle = ModelStore(self._folder.models).bundle(number)
            header = read_bundle_header(bundle)
            calibrated = load_calibration(bundle, header.weights_sha256)
        except RgbxError as error:
            self.trouble = str(error)
            return
        if calibrated is None:
            self.trouble = f"Model {number} is not calibrated, so nothing tells how strange a device is to it."
            return
        self._monitor = DriftMonitor.begin(self._config, calibrated, header.classes, str(number), after)

    # What was kept

    def _begin_anew(self, number: int) -> None:
        self.number, self._model, self._monitor, self._noted, self._urgent = number, 0, None, {}, True
        self._position = self._near(number)

    def _go_on(self) -> None:
        remedy = "delete it: the drift alarm then begins anew"
        kept = build_record(_Kept, read_json(self._path), self._path, remedy)
        self.number, self._noted = kept.number, dict(kept.noted)
        if kept.monitor is None:  # what was amiss may be mended
            return
        before = kept.monitor.config
        if (before.looks, before.reference) == (self._config.looks, self._config.reference):
            self._model = kept.model_number
            self._monitor = DriftMonitor(kept.monitor.updated({"config": self._config}))

    def _near(self, number: int) -> Position:
        """Return a place that is not behind an entry, and not long before it."""
        begun = [first for first in segment_numbers(self._folder.log) if first <= number + 1]
        return Position(begun[-1]) if begun else BEGINNING

    # What people are told

    def _alarms(self) -> list[DriftAlarm]:
        return [] if self._monitor is None else self._monitor.alarms()

    def _told(self, alarm: DriftAlarm) -> StandingAlarm:
        first = self._entry(alarm.since)
        least = HIT * STRANGE / self._config.tolerance
        shares = {label: strange / devices for label, (devices, strange) in alarm.by_class.items()}
        hit = sorted((label for label, share in shares.items() if share >= least), key=lambda label: -shares[label])
        return StandingAlarm(
            **{name: getattr(alarm, name) for name in ("signal", "cause", "number", "since", "devices", "strange")},
            since_part=None if first is None else first.content["part_id"],
            since_time=None if first is None else first.time,
            classes=tuple(hit[:MOST_CLASSES]),
        )

    def _entry(self, number: int) -> Entry | None:
        """Return the answer of a number; None when the log has it no more."""
        if number not in self._since:
            found, _ = results_after(self._folder, number - 1, number, 1)
            self._since = {number: found[0] if found else None}
        return self._since[number]


def _scored(said: dict[str, Any]) -> dict[str, Scored]:
    """Return what a model said of a device (:class:`rgbx.inference.results.Content`) by signal."""
    taken_for = {**said["streams"], "rgbx": said["label"]}
    scores = (said["decision"] or {}).get("ood_scores", {})
    found = {channel: Scored(taken_for[channel], score) for channel, score in scores.items()}
    for modality, look in said.get("look", {}).items():
        found |= {f"{modality} {name}": Scored(said["label"], value) for name, value in look.items()}
    return found

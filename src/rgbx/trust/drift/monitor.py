"""The drift alarm of a line: which of its streams find devices stranger than before, and what the fault seems to be."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config, build_record
from rgbx.files import read_json, write_json
from rgbx.modality import Channel
from rgbx.trust.calibration import Calibrated
from rgbx.trust.drift.bets import BETS, Stakes, factors, threshold
from rgbx.trust.drift.reference import GrowingReference, KeptScores, scores_by_label, tie_of

DAYS_A_YEAR = 365
STRANGE = 0.05
"""A device is counted as strange when its p-value is at most this."""
HIT_HARDEST = 2
"""So many of the classes that are hit hardest may be those that a new class is taken for."""
ALL_HIT = 20.0
"""What a bet on all the other classes has to win, for a stake of 1, before a fault is said to hit all."""

DriftCause = Literal["camera", "X-ray tube or detector", "new devices"]
"""``camera``: or its light. ``new devices``: of a kind that the model does not know, or in another state."""


class DriftConfig(Config):
    """What is asked of the drift alarm."""

    false_alarms_a_year: PositiveFloat = 1.0
    """At most so many, on average, while nothing changes; of all streams together."""
    devices_a_day: PositiveInt = 2000
    """That the line sorts, over a year's 365 days."""
    reference: Literal["calibration", "line"] = "calibration"
    """What the first devices are compared with: the calibration's, or none, so that each class's first devices on the
    line make the reference. Choose ``line`` where the calibration was on other devices, or in another light."""


class Scored(NamedTuple):
    """What one stream says of a device."""

    label: str
    """The class that the stream takes it for."""
    score: float
    """Its out-of-distribution score; the higher, the stranger."""


class DriftAlarm(NamedTuple):
    """Devices have come to look stranger."""

    channel: Channel
    number: int
    """Of the entry at which it sounded."""
    since: int
    """Of the entry from which on devices look stranger, as far as can be told."""
    cause: DriftCause
    """As far as can be told; it is judged anew with each device while the alarm stands."""
    devices: int
    """Since then."""
    strange: int
    """Of these, with a p-value of 0.05 or less; one in twenty is usual."""
    by_class: dict[str, tuple[int, int]]
    """The same two numbers for each class that the stream took them for."""


class _Tally(NamedTuple):
    """Devices that a stream took for one class, since a bet last had nothing to show."""

    devices: int = 0
    strange: int = 0
    won: float = 0.0
    """Logarithm of what the bet on these devices has won."""


class _Run(NamedTuple):
    """What one bet has won since it last had nothing to show, which is about when a change began."""

    since: int = 0
    won: float = 0.0
    """Its logarithm."""
    classes: dict[str, _Tally] = {}  # noqa: RUF012 (it is replaced, never changed)


class _Channel(Config):
    """State of a stream."""

    references: dict[str, KeptScores] = Field(default_factory=dict)
    every: tuple[float, ...] = (0.0,) * BETS
    by_class: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    runs: tuple[_Run, ...] = (_Run(),) * BETS
    alarm: int | None = None


class DriftState(Config):
    """All that a monitor needs to go on, as JSON."""

    kind: Literal["rgbx drift"] = "rgbx drift"
    format: Literal[1] = 1
    config: DriftConfig
    model: str
    last: int
    channels: dict[Channel, _Channel]


class DriftMonitor:
    """Watches a line's scores; what it says depends on its beginning and the log alone.

    Feed it every device that was looked at, whether it went to a bin or was put aside: leaving out the strange ones
    breaks the promise on false alarms.
    """

    def __init__(self, state: DriftState) -> None:
        self.config = state.config
        self.model = state.model
        """SHA-256 of the weights that the scores are of; another model needs a monitor of its own."""
        self.last = state.last
        """Number of the last entry taken in."""
        self.threshold = threshold(
            DAYS_A_YEAR * state.config.devices_a_day / state.config.false_alarms_a_year, len(state.channels)
        )
        """Evidence at which an alarm sounds."""
        self._watches = {channel: _Watch(channel, each, self.threshold) for channel, each in state.channels.items()}

    @classmethod
    def begin(
        cls, config: DriftConfig, calibrated: Calibrated, classes: tuple[str, ...], model: str, after: int = 0
    ) -> Self:
        """Begin to watch.

        Args:
            config: what is asked.
            calibrated: the model's calibration. One that was written before it kept the classes of its devices, or
                that is provisional, gives no reference: the line's first devices make it.
            classes: the model's.
            model: SHA-256 of its weights.
            after: number of the last entry of the log that is not to be taken in.
        """
        channels: dict[Channel, _Channel] = {}
        for channel, scores in calibrated.known.items():
            labels = calibrated.known_labels.get(channel)
            known: dict[str, list[float]] = {}
            if config.reference == "calibration" and labels is not None and not calibrated.provisional:
                known = scores_by_label(scores.tolist(), [classes[label] for label in labels])
            references = {label: GrowingReference(each).kept() for label, each in known.items()}
            channels[channel] = _Channel(references=references)
        return cls(DriftState(config=config, model=model, last=after, channels=channels))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the monitor that :meth:`write` wrote.

        Raises:
            InputError: the file is missing, damaged, or of another version of rgbx.
        """
        return cls(build_record(DriftState, read_json(path), path, "delete it: the drift alarm then begins anew"))

    def write(self, path: Path) -> None:
        """Write all that is needed to go on.

        Raises:
            RgbxError: the disk is full or the folder cannot be written.
        """
        write_json(path, self.state().model_dump(mode="json"))

    def state(self) -> DriftState:
        """Return all that is needed to go on."""
        channels = {channel: watch.state() for channel, watch in self._watches.items()}
        return DriftState(config=self.config, model=self.model, last=self.last, channels=channels)

    def observe(self, number: int, scored: Mapping[Channel, Scored]) -> list[DriftAlarm]:
        """Take in a device.

        Args:
            number: of its entry in the log. One that was taken in before changes nothing, so the log may be read again
                from any place that is early enough.
            scored: by channel; what was not seen of it is left out.

        Returns:
            Alarms that sound with this device.
        """
        if number <= self.last:
            return []
        self.last = number
        sounded = [channel for channel, each in scored.items() if self._watches[channel].observe(number, each)]
        return [alarm for alarm in self.alarms() if alarm.channel in sounded]

    def p_value(self, channel: Channel, number: int, scored: Scored) -> float:
        """Return the p-value that a device would get with the next :meth:`observe`."""
        return self._watches[channel].p_value(number, scored)

    def level(self, channel: Channel) -> float:
        """Return how far the logarithm of a stream's evidence is on the way to an alarm, 0..1; 1 while one stands."""
        watch = self._watches[channel]
        so_far = math.log1p(watch.stakes.evidence) / math.log1p(self.threshold)
        return 1.0 if watch.alarm is not None else min(so_far, 1.0)

    def alarms(self) -> list[DriftAlarm]:
        """Return the alarms that stand, the earliest first."""
        standing = [watch for watch in self._watches.values() if watch.alarm is not None]
        return [watch.described(self._cause(watch)) for watch in sorted(standing, key=lambda each: each.alarm or 0)]

    def acknowledge(self, channel: Channel, anew: bool) -> None:
        """End the alarm of a stream; it is watched again from the next device on.

        Args:
            channel: the stream.
            anew: whether what devices look like from here on is how they are to look, as after a new lamp: then they
                make the reference anew. Else the old one stays, as after a repair or a false alarm.
        """
        watch = self._watches[channel]
        self._watches[channel] = _Watch(
            channel, _Channel(references={} if anew else watch.state().references), self.threshold
        )

    def _cause(self, watch: "_Watch") -> DriftCause:
        if not watch.hits_all_classes():
            return "new devices"
        channel = watch.channel
        if channel == "rgbx":  # as strange as the stranger of both
            others = [each for name, each in self._watches.items() if name != "rgbx" and each.hits_all_classes()]
            if not others:
                return "new devices"
            channel = max(others, key=lambda each: (each.alarm is not None, each.stakes.evidence)).channel
        return "camera" if channel == "rgb" else "X-ray tube or detector"


class _Watch:
    """One stream."""

    def __init__(self, channel: Channel, state: _Channel, at: float) -> None:
        self.channel = channel
        self.stakes = Stakes(state.every, state.by_class)
        self.alarm = state.alarm
        self._at = at
        self._references = {label: GrowingReference.of(kept) for label, kept in state.references.items()}
        self._runs = state.runs

    def state(self) -> _Channel:
        return _Channel(
            references={label: reference.kept() for label, reference in self._references.items()},
            every=self.stakes.every,
            by_class=self.stakes.classes,
            runs=self._runs,
            alarm=self.alarm,
        )

    def p_value(self, number: int, scored: Scored) -> float:
        reference = self._references.get(scored.label) or GrowingReference()
        return reference.p_value(scored.score, tie_of(number, self.channel))

    def observe(self, number: int, scored: Scored) -> bool:
        """Take in a device; return whether the alarm sounds."""
        p = self.p_value(number, scored)
        won = factors(p)
        self._runs = tuple(
            _longer(run, number, scored.label, p, math.log(factor), self.alarm is None)
            for run, factor in zip(self._runs, won, strict=True)
        )
        if self.alarm is not None:  # the reference must not learn the fault
            return False
        self._references.setdefault(scored.label, GrowingReference()).add(scored.score)
        self.stakes.take(scored.label, won)
        if self.stakes.evidence < self._at:
            return False
        self.alarm = number
        return True

    @property
    def _best(self) -> _Run:
        return max(self._runs, key=lambda run: run.won)

    def hits_all_classes(self) -> bool:
        """Say whether devices are strange beyond those classes that are hit hardest: a new class is taken for few."""
        won = sorted(each.won for each in self._best.classes.values())
        return math.fsum(won[: max(len(won) - HIT_HARDEST, 1)]) >= math.log(ALL_HIT)

    def described(self, cause: DriftCause) -> DriftAlarm:
        """Return its alarm, which stands."""
        assert self.alarm is not None
        best = self._best
        by_class = {label: (each.devices, each.strange) for label, each in best.classes.items()}
        devices, strange = (sum(each[place] for each in by_class.values()) for place in (0, 1))
        return DriftAlarm(self.channel, self.alarm, best.since, cause, devices, strange, by_class)


def _longer(run: _Run, number: int, label: str, p: float, won: float, may_end: bool) -> _Run:
    """Return a run with one device more; one that has nothing to show begins anew, unless an alarm stands."""
    if may_end and run.won <= 0:
        run = _Run(since=number)
    before = run.classes.get(label, _Tally())
    tally = _Tally(before.devices + 1, before.strange + (p <= STRANGE), before.won + won)
    return _Run(run.since, run.won + won, {**run.classes, label: tally})

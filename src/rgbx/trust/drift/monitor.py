"""The drift alarm of a line: which of its signals find devices stranger than before, and what the fault seems to be."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field

from rgbx.config import Config, build_record
from rgbx.files import read_json, write_json
from rgbx.modality import MODALITIES
from rgbx.trust.calibration import Calibrated
from rgbx.trust.drift.bets import BETS, Stakes, factors, threshold
from rgbx.trust.drift.config import DriftCause, DriftConfig
from rgbx.trust.drift.looks import LOOKS
from rgbx.trust.drift.reference import GrowingReference, KeptScores, scores_by_label, tie_of

DAYS_A_YEAR = 365
STRANGE = 0.05
"""A device is counted as strange when its p-value is at most this."""
HIT_HARDEST = 2
"""So many of the classes that are hit hardest may be those that a new class is taken for."""
ALL_HIT = 20.0
"""What a bet on all the other classes has to win, for a stake of 1, before a fault is said to hit all."""

_LEAST = 1e-12
"""Of p-values, which none may be 0."""

SignalName = str
"""Of scores: a channel, for its out-of-distribution score, or a modality and one of :data:`LOOKS`, ``"rgb warmth"``."""


class Scored(NamedTuple):
    """What one signal says of a device."""

    label: str
    """The class that the channel takes it for; of a look, the class that all that was seen of it is taken for."""
    score: float
    """Its out-of-distribution score, of which the higher is the stranger, or a number of the image's look."""


class DriftAlarm(NamedTuple):
    """Devices have come to look stranger."""

    signal: SignalName
    number: int
    """Of the entry at which it sounded."""
    since: int
    """Of the entry from which on devices look stranger, as far as can be told."""
    cause: DriftCause
    """As far as can be told; it is judged anew with each device while the alarm stands."""
    devices: int
    """Since then."""
    strange: int
    """Of these, with a p-value of 0.05 or less after the tolerance: one in forty is usual with 2."""
    by_class: dict[str, tuple[int, int]]
    """The same two numbers for each class that the signal took them for."""


class _Tally(NamedTuple):
    """Devices that a signal took for one class, since a bet last had nothing to show."""

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


class _SideState(Config):
    """State of the bets on one side of a signal."""

    every: tuple[float, ...] = (0.0,) * BETS
    by_class: dict[str, tuple[float, ...]] = Field(default_factory=dict)
    runs: tuple[_Run, ...] = (_Run(),) * BETS


class _SignalState(Config):
    """State of a signal."""

    references: dict[str, KeptScores] = Field(default_factory=dict)
    sides: tuple[_SideState, ...] = (_SideState(),)
    """High scores, and low ones where these are watched too."""
    alarm: int | None = None


class DriftState(Config):
    """All that a monitor needs to go on, as JSON."""

    kind: Literal["rgbx drift"] = "rgbx drift"
    format: Literal[1] = 1
    config: DriftConfig
    model: str
    """Whose scores these are."""
    last: int
    signals: dict[SignalName, _SignalState]


class DriftMonitor:
    """Watches a line's scores; what it says depends on its beginning and the log alone.

    Feed it every device that was looked at, whether it went to a bin or was put aside: leaving out the strange ones
    breaks the promise on false alarms.
    """

    def __init__(self, state: DriftState) -> None:
        self.config = state.config
        self.model = state.model
        """Whose scores these are, such as a model's number; another model needs a monitor of its own."""
        self.last = state.last
        """Number of the last entry taken in."""
        self.threshold = threshold(
            DAYS_A_YEAR * state.config.devices_a_day / state.config.false_alarms_a_year, len(state.signals)
        )
        """Evidence at which an alarm sounds."""
        self._watches = {name: self._watch(name, each) for name, each in state.signals.items()}

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
            model: its number, or whatever tells it and its calibration from others.
            after: number of the last entry of the log that is not to be taken in.
        """
        signals: dict[SignalName, _SignalState] = {}
        for channel, scores in calibrated.known.items():
            labels = calibrated.known_labels.get(channel)
            known: dict[str, list[float]] = {}
            if config.reference == "calibration" and labels is not None and not calibrated.provisional:
                known = scores_by_label(scores.tolist(), [classes[label] for label in labels])
            references = {label: GrowingReference(each).kept() for label, each in known.items()}
            signals[channel] = _SignalState(references=references)
        if config.looks:
            both = _SignalState(sides=(_SideState(), _SideState()))
            names = [f"{modality} {look}" for modality in MODALITIES if modality in signals for look in LOOKS[modality]]
            signals |= dict.fromkeys(names, both)
        return cls(DriftState(config=config, model=model, last=after, signals=signals))

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
        signals = {name: watch.state() for name, watch in self._watches.items()}
        return DriftState(config=self.config, model=self.model, last=self.last, signals=signals)

    @property
    def signals(self) -> tuple[SignalName, ...]:
        """What is watched."""
        return tuple(self._watches)

    def observe(self, number: int, scored: Mapping[SignalName, Scored]) -> list[DriftAlarm]:
        """Take in a device.

        Args:
            number: of its entry in the log. One that was taken in before changes nothing, so the log may be read again
                from any place that is early enough.
            scored: by signal; what was not seen of it is left out.

        Returns:
            Alarms that sound with this device.
        """
        if number <= self.last:
            return []
        self.last = number
        sounded = [name for name, each in scored.items() if self._watches[name].observe(number, each)]
        return [alarm for alarm in self.alarms() if alarm.signal in sounded] if sounded else []

    def level(self, signal: SignalName) -> float:
        """Return how far the logarithm of a signal's evidence is on the way to an alarm, 0..1; 1 while one stands."""
        watch = self._watches[signal]
        so_far = math.log1p(watch.evidence) / math.log1p(self.threshold)
        return 1.0 if watch.alarm is not None else min(so_far, 1.0)

    def alarms(self) -> list[DriftAlarm]:
        """Return the alarms that stand, the earliest first."""
        standing = [watch for watch in self._watches.values() if watch.alarm is not None]
        return [watch.described(self._cause(watch)) for watch in sorted(standing, key=lambda each: each.alarm or 0)]

    def acknowledge(self, signal: SignalName, anew: bool) -> None:
        """End the alarm of a signal; it is watched again from the next device on.

        Args:
            signal: its name.
            anew: whether what devices look like from here on is how they are to look, as after a new lamp: then they
                make the reference anew. Else the old one stays, as after a repair or a false alarm.
        """
        before = self._watches[signal].state()
        again = _SignalState(
            references={} if anew else before.references, sides=tuple(_SideState() for _ in before.sides)
        )
        self._watches[signal] = self._watch(signal, again)

    def _watch(self, name: SignalName, state: _SignalState) -> "_Watch":
        return _Watch(name, state, self.config.tolerance, self.threshold)

    def _cause(self, watch: "_Watch") -> DriftCause:
        if not watch.hits_all_classes():
            return "new devices"
        name = watch.name
        if name == "rgbx":  # as strange as the stranger of both
            others = [each for each in self._watches.values() if each.name != "rgbx" and each.hits_all_classes()]
            if not others:
                return "new devices"
            name = max(others, key=lambda each: (each.alarm is not None, each.evidence)).name
        return "camera" if name.startswith("rgb") else "X-ray tube or detector"


class _Watch:
    """One signal."""

    def __init__(self, name: SignalName, state: _SignalState, tolerance: float, at: float) -> None:
        self.name = name
        self.alarm = state.alarm
        self._tolerance, self._at = tolerance, at
        self._references = {label: GrowingReference.of(kept) for label, kept in state.references.items()}
        self._sides = [_Side(each) for each in state.sides]

    def state(self) -> _SignalState:
        return _SignalState(
            references={label: reference.kept() for label, reference in self._references.items()},
            sides=tuple(side.state() for side in self._sides),
            alarm=self.alarm,
        )

    @property
    def evidence(self) -> float:
        """The mean of both sides': it grows by 1 with each device at most, as each does."""
        return sum(side.stakes.evidence for side in self._sides) / len(self._sides)

    def observe(self, number: int, scored: Scored) -> bool:
        """Take in a device; return whether the alarm sounds."""
        reference = self._references.setdefault(scored.label, GrowingReference())
        high = reference.p_value(scored.score, tie_of(number, self.name))
        for side, p in zip(self._sides, (high, 1 - high), strict=False):
            side.take(number, scored.label, min(max(p, _LEAST) * self._tolerance, 1.0), self.alarm is None)
        if self.alarm is not None:  # the reference must not learn the fault
            return False
        reference.add(scored.score)
        if self.evidence < self._at:
            return False
        self.alarm = number
        return True

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
        return DriftAlarm(self.name, self.alarm, best.since, cause, devices, strange, by_class)

    @property
    def _best(self) -> _Run:
        return max((run for side in self._sides for run in side.runs), key=lambda run: run.won)


class _Side:
    """Bets on high scores, or on low ones."""

    def __init__(self, state: _SideState) -> None:
        self.stakes = Stakes(state.every, state.by_class)
        self.runs = state.runs

    def state(self) -> _SideState:
        return _SideState(every=self.stakes.every, by_class=self.stakes.classes, runs=self.runs)

    def take(self, number: int, label: str, p: float, quiet: bool) -> None:
        """Take in a device; while an alarm stands, the bets rest and their runs only get longer."""
        won = factors(p)
        self.runs = tuple(
            _longer(run, number, label, p, math.log(factor), quiet) for run, factor in zip(self.runs, won, strict=True)
        )
        if quiet:
            self.stakes.take(label, won)


def _longer(run: _Run, number: int, label: str, p: float, won: float, may_end: bool) -> _Run:
    """Return a run with one device more; one that has nothing to show begins anew, unless an alarm stands."""
    if may_end and run.won <= 0:
        run = _Run(since=number)
    before = run.classes.get(label, _Tally())
    tally = _Tally(before.devices + 1, before.strange + (p <= STRANGE), before.won + won)
    return _Run(run.since, run.won + won, {**run.classes, label: tally})

"""The drift alarm: false alarms over ten simulated years, and after how many devices faults are noticed.

    python benchmarks/drift.py [--quick] [--bundle FOLDER --line FOLDER --images FOLDER] [--runs N] [--picture FILE.png]

prints one JSON object as its last line. Without a bundle, scores and looks are drawn. With one, they are those of
images: other units than the bundle knows come down its line, as it is and with faults: the lamps at a third, the tube's
voltage off by 10 %, a panel that drifts away from its flat field, and a phone that the bundle does not know. Of a line
with several tubes the images of the first one count. Images, and what was found, are kept in ``--images``, so that a
run that was stopped goes on. Devices are drawn from the images with replacement and smoothed, in a mix of classes that
changes from week to week. Which signals a fault changes is said by a rank test within classes.

False alarms are also counted for what the alarm does not do: p-values against the calibration's scores alone, the same
with a band of Dvoretzky, Kiefer and Wolfowitz, a reference of all classes together, one that only devices join that
were taken for known, and no tolerance.
"""

import argparse
import copy
import functools
import json
import math
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu

from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.evaluation.calibrate import calibrate, read_sorting
from rgbx.evaluation.figures import ACCENT, FAINT, SERIES, plain
from rgbx.evaluation.predictions import encode_set
from rgbx.files import write_json
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES, Channel
from rgbx.models.header import read_bundle_header
from rgbx.samples import SampleSet
from rgbx.trust.calibration import Calibrated, load_calibration
from rgbx.trust.drift.bets import BETS, POWERS, SLOPES
from rgbx.trust.drift.config import DriftConfig
from rgbx.trust.drift.looks import LOOKS, look_of
from rgbx.trust.drift.monitor import DriftMonitor, DriftState, Scored
from rgbx.trust.drift.reference import KeptScores, three_digits, tie_of
from rgbx.trust.sorting import TrustConfig
from rgbx_proving.families.design import Rectangle
from rgbx_proving.families.family import FAMILIES, Family
from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.sp10.designs import Cell, Coil, Phone
from rgbx_proving.sp10.family import SP10, build_phone
from rgbx_proving.standin.conveyor import ConveyorConfig, take_photographs
from rgbx_proving.standin.exposures import take_radiographs
from rgbx_proving.standin.machine import MachineConfig
from rgbx_proving.standin.units import worn_library
from rgbx_proving.standin.wear import WearConfig
from rgbx_proving.units.simulated import open_simulated

CHANNELS: tuple[Channel, ...] = ("rgb", "xray", "rgbx")
LOOKED_AT = tuple(f"{modality} {look}" for modality in MODALITIES for look in LOOKS[modality])
SIGNALS = (*CHANNELS, *LOOKED_AT)
LEAST_RATE = 0.01
"""Of false alarms, that the picture can show."""
CHANCE = 0.001
"""Of a rank test, over all signals, below which a fault is said to change something."""
DRIFTS = (2, 4)
"""How far the panel has drifted in a fortnight, and in a month; it is 1 at most while its flat field is new."""
CONFIG = DriftConfig()
YEARS, OTHER_YEARS, QUICK_YEARS = 10, 2, 0.05
"""That the alarm is simulated for, what it does not do, and all when it is quick."""
AFTER_DAYS, QUICK_AFTER_DAYS = (30, 365), (14,)
"""That the line runs well, before something breaks."""
WEEK = 7 * CONFIG.devices_a_day
EVEN, WILD = 20.0, 2.0
"""Of the mix of classes, which changes from week to week: a class's share by a fifth, or by two thirds."""
NEW_SHARES = (0.05, 0.2)
"""Of a new class among all devices."""
FIRST_UNIT = 3001
"""Units from here on were neither trained on, nor calibrated to, nor tested with."""
REPEATS = 3
"""Times as many faults of each kind as runs of ten years."""
LATER = 100
"""Devices, after which the cause is asked for again."""
SCHEMES = (
    "growing",
    "growing, wild mix",
    "growing, no tolerance",
    "fixed",
    "fixed with band",
    "classes together",
    "known only",
)
BAND_DOUBT = 0.05
"""That the band of a class does not hold."""


class Pool(NamedTuple):
    """Devices to draw from."""

    truth: np.ndarray
    """(n,) class indices."""
    labels: Mapping[str, np.ndarray]
    """(n,) what each signal takes them for."""
    scores: Mapping[str, np.ndarray]
    """(n,) how strange they are to it, to three digits."""

    @classmethod
    def of(cls, truth: np.ndarray, labels: Mapping[str, np.ndarray], scores: Mapping[str, np.ndarray]) -> "Pool":
        """Round scores."""
        rounded = {c: np.array([three_digits(score) for score in each.tolist()]) for c, each in scores.items()}
        return cls(truth, labels, rounded)

    def only(self, which: np.ndarray) -> "Pool":
        """Return some of them."""
        labels = {channel: each[which] for channel, each in self.labels.items()}
        return Pool(self.truth[which], labels, {channel: each[which] for channel, each in self.scores.items()})

    def smoothed(self, rng: np.random.Generator, number: int) -> "Pool":
        """Draw devices with replacement, each a little different (a kernel estimate of the density)."""
        drawn = rng.integers(0, len(self.truth), number)
        scores = {
            name: each[drawn] + self._widths(each)[drawn] * rng.standard_normal(number)
            for name, each in self.scores.items()
        }
        return Pool.of(self.truth[drawn], {name: each[drawn] for name, each in self.labels.items()}, scores)

    def _widths(self, scores: np.ndarray) -> np.ndarray:
        """Return (n,) how much a device is smoothed, by the spread of its class."""
        widths = np.zeros(len(scores))
        for label in np.unique(self.truth):
            of = self.truth == label
            widths[of] = np.std(scores[of]) * of.sum() ** -0.2 / 2
        return widths


class Fault(NamedTuple):
    """What goes wrong: from which pools devices come, one after the other, each for so many devices."""

    pools: tuple[Pool, ...]
    each: int
    share: float = 1.0
    """Of devices that come from them; the others are as ever."""
    cause: str = ""
    """What the alarm should say."""


class World(NamedTuple):
    """A line."""

    classes: tuple[str, ...]
    known: Pool
    """The calibration's."""
    healthy: Pool
    faults: Mapping[str, Fault]

    def values(self, channel: str) -> np.ndarray:
        """Return all scores that occur, ascending."""
        pools = [self.known, self.healthy, *(pool for fault in self.faults.values() for pool in fault.pools)]
        return np.unique(np.concatenate([pool.scores[channel] for pool in pools if channel in pool.scores]))


def draw(rng: np.random.Generator, pool: Pool, number: int, mix: np.ndarray) -> np.ndarray:
    """Return indices of devices, by a mix of the true classes."""
    weights = mix[pool.truth] / np.bincount(pool.truth, minlength=len(mix))[pool.truth]
    return rng.choice(len(pool.truth), number, p=weights / weights.sum())


def weeks(rng: np.random.Generator, classes: int, evenness: float = EVEN) -> Iterator[np.ndarray]:
    """Yield a mix of classes for each week."""
    while True:
        yield rng.dirichlet(np.full(classes, evenness))


# --- Ten years, compiled: the same arithmetic as the monitor's, which `notice` checks.


@numba.njit(cache=True)
def watch(
    cells, labels, ties, counts, totals, evidence, alarms, at, mode, band, tolerance, known_below, powers, slopes
):
    """Take in devices; ``counts`` are Fenwick trees over the cells, one for each class. Return the alarms."""
    size, sounded = counts.shape[1], 0
    won = np.empty(len(powers) + len(slopes))
    for i in range(len(cells)):
        label, cell = labels[i], cells[i]
        total = totals[label]
        below, j = 0.0, cell  # of cells 0 … cell − 1
        while j > 0:
            below += counts[label, j]
            j -= j & -j
        through, j = 0.0, cell + 1
        while j > 0:
            through += counts[label, j]
            j -= j & -j
        high = (total - through + ties[i] * (1 + through - below)) / (total + 1)
        for side in range(len(evidence)):
            p = max(high if side == 0 else 1 - high, 1e-12)
            p = min((p + band[label]) * tolerance, 1.0)
            for k in range(len(powers)):
                won[k] = powers[k] * p ** (powers[k] - 1)
            for k in range(len(slopes)):
                won[len(powers) + k] = 1 + slopes[k] * (1 - 2 * p)
            for row in (label, evidence.shape[1] - 1):  # its class, and all
                for k in range(len(won)):
                    evidence[side, row, k] = (evidence[side, row, k] + 1) * won[k]
        if mode == 0 or (mode == 1 and cell <= known_below):
            j = cell + 1
            while j < size:
                counts[label, j] += 1
                j += j & -j
            totals[label] += 1
        if evidence.sum() / (2 * len(evidence) * (len(powers) + len(slopes))) >= at:
            if sounded < len(alarms):
                alarms[sounded] = i
            sounded += 1
            evidence[:] = 0
    return sounded


class Fast:
    """One signal of the simulated years."""

    def __init__(self, scheme: str, world: World, channel: str, at: float) -> None:
        self.values = world.values(channel)
        self.together = scheme == "classes together"
        self.mode = {"fixed": 2, "fixed with band": 2, "known only": 1}.get(scheme, 0)
        self.at = at
        classes = 1 if self.together else len(world.classes)
        flat = np.zeros((classes, len(self.values) + 1))
        known = world.known
        if channel in known.scores:  # a calibration knows no looks
            np.add.at(flat, (self.of(known.labels[channel]), self.cells(known.scores[channel]) + 1), 1)
        self.totals = flat.sum(1)
        self.counts = fenwick(flat)
        self.evidence = np.zeros((1 if channel in CHANNELS else 2, classes + 1, BETS))
        self.tolerance = CONFIG.tolerance if scheme != "growing, no tolerance" else 1.0
        self.band = np.zeros(classes)
        if scheme == "fixed with band":
            self.band = np.sqrt(math.log(1 / BAND_DOUBT) / (2 * np.maximum(self.totals, 1)))
        limit = np.quantile(world.healthy.scores[channel], 1 - TrustConfig().unknown)
        self.known_below = int(np.searchsorted(self.values, limit, side="right")) - 1

    def of(self, labels: np.ndarray) -> np.ndarray:
        return np.zeros_like(labels) if self.together else labels

    def cells(self, scores: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.values, scores)

    def take(self, cells: np.ndarray, labels: np.ndarray, ties: np.ndarray) -> np.ndarray:
        """Return at which of the devices an alarm sounded."""
        alarms = np.zeros(len(cells), np.int64)
        sounded = watch(
            cells, self.of(labels), ties, self.counts, self.totals, self.evidence, alarms, self.at, self.mode,
            self.band, self.tolerance, self.known_below, POWERS, SLOPES,
        )  # fmt: skip
        return alarms[:sounded]

    def anew(self, at: float) -> "Fast":
        """Return a copy that knows what this one has learnt, and has no evidence yet."""
        other = copy.copy(self)
        other.at, other.counts, other.totals = at, self.counts.copy(), self.totals.copy()
        other.evidence = np.zeros_like(self.evidence)
        return other

    def kept(self, classes: Sequence[str]) -> dict[str, KeptScores]:
        """Return the reference as the monitor has it."""
        found = {}
        for name, flat in zip(classes, unfenwick(self.counts)[:, 1:], strict=True):
            there = np.flatnonzero(flat)
            found[name] = KeptScores(
                scores=tuple(self.values[there].tolist()), counts=tuple(np.rint(flat[there]).astype(int).tolist())
            )
        return found


def fenwick(flat: np.ndarray) -> np.ndarray:
    """Return sums of so many cells as the lowest bit of the place says."""
    sums = np.cumsum(flat, 1)
    places = np.arange(flat.shape[1])
    return sums - sums[:, places - (places & -places)]


def unfenwick(trees: np.ndarray) -> np.ndarray:
    """Return what :func:`fenwick` got."""
    sums = np.zeros_like(trees)
    for place in range(1, trees.shape[1]):
        sums[:, place] = trees[:, place] + sums[:, place - (place & -place)]
    return np.diff(sums, axis=1, prepend=0)


def false_alarms(rng: np.random.Generator, world: World, scheme: str, years: float) -> dict[str, int]:
    """Return how many alarms sound in healthy years, by signal."""
    at = 365 * CONFIG.devices_a_day / CONFIG.false_alarms_a_year * len(SIGNALS)
    signals = {channel: Fast(scheme, world, channel, at) for channel in SIGNALS}
    cells = {channel: signals[channel].cells(world.healthy.scores[channel]) for channel in SIGNALS}
    sounded = dict.fromkeys(SIGNALS, 0)
    mixes = weeks(rng, len(world.classes), WILD if scheme == "growing, wild mix" else EVEN)
    for _ in range(round(years * 365 / 7)):
        devices = draw(rng, world.healthy, WEEK, next(mixes))
        for channel, signal in signals.items():
            labels = world.healthy.labels[channel][devices]
            sounded[channel] += len(signal.take(cells[channel][devices], labels, 1 - rng.random(WEEK)))
    return sounded


# --- Delays: when, by the compiled years; what is said, by the monitor itself.


def begun(world: World, signals: Mapping[str, Fast]) -> DriftMonitor:
    """Return a monitor that has learnt what some signals have."""
    states = {
        name: {"references": signal.kept(world.classes), "sides": [{}] * len(signal.evidence)}
        for name, signal in signals.items()
    }
    state = {"config": CONFIG, "model": "benchmark", "last": 0, "signals": states}
    return DriftMonitor(DriftState.model_validate(state))


class Noticed(NamedTuple):
    """When and how a fault was noticed."""

    delay: int | None
    """Devices from its beginning; None where it was not."""
    first: str
    """The signal that gave the first alarm."""
    cause: str
    """As said at the first alarm."""
    later: str
    """As said by the earliest alarm 100 devices later."""


def well(rng: np.random.Generator, world: World, days: int) -> dict[str, Fast]:
    """Let a line run for some days without fault; return its signals, which have learnt what is usual."""
    mixes = weeks(rng, len(world.classes))
    mix = next(mixes)
    drawn = [np.zeros(0, np.int64)]
    for day in range(days):
        mix = next(mixes) if day % 7 == 0 else mix
        drawn.append(draw(rng, world.healthy, CONFIG.devices_a_day, mix))
    devices = np.concatenate(drawn)
    signals = {name: Fast("growing", world, name, math.inf) for name in SIGNALS}
    for name, signal in signals.items():
        cells = signal.cells(world.healthy.scores[name][devices])
        signal.take(cells, world.healthy.labels[name][devices], 1 - rng.random(len(devices)))
    return signals


def notice(rng: np.random.Generator, world: World, fault: Fault, learnt: Mapping[str, Fast]) -> Noticed:
    """Break a line whose signals have learnt what is usual."""
    devices = broken(rng, world, fault)
    number = int(rng.integers(1, 10**9))  # ties are drawn by it
    monitor = begun(world, learnt)
    alarms = {}
    for name, signal in learnt.items():
        ties = np.array([tie_of(number + place, name) for place in range(len(devices.truth))])
        cells = signal.cells(devices.scores[name])
        sounded = signal.anew(monitor.threshold).take(cells, devices.labels[name], ties)
        if len(sounded):
            alarms[name] = int(sounded[0])
    if not alarms:
        return Noticed(None, "", "", "")
    at = min(alarms.values())
    first = None
    for place in range(min(at + LATER, len(devices.truth))):
        seen = {
            name: Scored(world.classes[devices.labels[name][place]], float(devices.scores[name][place]))
            for name in learnt
        }
        sounded_now = monitor.observe(number + place, seen)
        if (place == at) != bool(sounded_now) and place <= at:
            raise SystemExit("The compiled years and the monitor disagree.")
        first = first or next(iter(sounded_now), None)
    assert first is not None
    return Noticed(at + 1, first.signal, first.cause, monitor.alarms()[0].cause)


def broken(rng: np.random.Generator, world: World, fault: Fault) -> Pool:
    """Return the devices of a line with a fault, in order."""
    mix = next(weeks(rng, len(world.classes)))
    parts = []
    for pool in fault.pools:
        strange = rng.random(fault.each) < fault.share
        sources = [each.only(draw(rng, each, fault.each, mix)) for each in (world.healthy, pool)]
        parts.append(
            Pool(
                np.where(strange, sources[1].truth, sources[0].truth),
                {name: np.where(strange, sources[1].labels[name], sources[0].labels[name]) for name in SIGNALS},
                {name: np.where(strange, sources[1].scores[name], sources[0].scores[name]) for name in SIGNALS},
            )
        )
    return Pool(
        np.concatenate([part.truth for part in parts]),
        {name: np.concatenate([part.labels[name] for part in parts]) for name in SIGNALS},
        {name: np.concatenate([part.scores[name] for part in parts]) for name in SIGNALS},
    )


def summary(found: Sequence[Noticed], cause: str, most: int) -> dict[str, Any]:
    """Return median and 90 % of the delays, and how often the cause was named."""
    delays = sorted(most if each.delay is None else each.delay for each in found)
    noticed = [each for each in found if each.delay is not None]
    return {
        "noticed": len(noticed) / len(found),
        "median": delays[len(delays) // 2],
        "90 %": delays[min(math.ceil(0.9 * len(delays)), len(delays) - 1)],
        "cause at once": sum(each.cause == cause for each in noticed) / max(len(noticed), 1),
        "cause 100 later": sum(each.later == cause for each in noticed) / max(len(noticed), 1),
        "first signal": dict(Counter(each.first for each in noticed).most_common(3)),
    }


# --- Drawn scores.


def drawn_world(rng: np.random.Generator, classes: int = 10, known_devices: int = 400, healthy: int = 30_000) -> World:
    """Return a line of which scores are drawn: −log of shares, heavier tails for some classes than for others."""
    tails = rng.uniform(0.7, 1.4, classes)

    def pool(number: int, rgb: float = 1.0, xray: float = 1.0, strange: float = 0.0, **looks: float) -> Pool:
        truth = rng.integers(0, classes, number)
        made = {
            "rgb": rgb * rng.gamma(2, 0.5, number) ** tails[truth] + strange * rng.exponential(1, number),
            "xray": xray * rng.gamma(2, 0.5, number) ** tails[truth] + strange * rng.exponential(1.5, number),
        }
        made["rgbx"] = np.maximum(made["rgb"], made["xray"])
        for name in LOOKED_AT:
            made[name] = rng.normal(looks.get(name.split()[1], 0.0), 1, number) + truth / classes
        return Pool.of(truth, dict.fromkeys(SIGNALS, truth), made)

    new = pool(4000, strange=1.5)
    new = new.only(new.truth < 2)
    known = pool(known_devices)
    known = known._replace(scores={channel: known.scores[channel] for channel in CHANNELS})
    tube = "X-ray tube or detector"
    faults = {
        "lamps: warmth by 1 σ": Fault((pool(4000, warmth=-1.0),), WEEK, cause="camera"),
        "tube: density by 0.7 σ": Fault((pool(4000, density=0.7),), WEEK, cause=tube),
        "photographs 1.5 times as strange": Fault((pool(4000, rgb=1.5),), WEEK, cause="camera"),
        "detector: stripes creep to 2 σ in 10 days": Fault(
            tuple(pool(4000, stripes=step / 5) for step in range(1, 11)), CONFIG.devices_a_day, cause=tube
        ),
        **{f"new class, {share:.0%}": Fault((new,), WEEK, share, "new devices") for share in NEW_SHARES},
    }
    return World(tuple(f"C{each}" for each in range(classes)), known, pool(healthy), faults)


# --- Scores of images.

_SP6 = SP10.designs["SP6"]
_CELLS = ((-13.5, 8.0, 38.0, 60.0), (-0.8, -36.5, 63.5, 28.0))
"""Middle and size, mm."""
SP11 = Family(
    title="SP11",
    things="phones",
    designs={
        "SP11": Phone(
            shell=_SP6.shell.updated({"front.cutout_width": 23.0, "front.camera_x": 5.0, "logo_y": 18.0}),
            inside=_SP6.inside.updated(
                {
                    "cells": [
                        Cell(area=Rectangle(x=x, y=y, width=w, height=h), thickness=3.5) for x, y, w, h in _CELLS
                    ],
                    "coil": Coil(x=0.0, y=-2.0, diameter=44.0, turns=9),
                }
            ),
        )
    },
    build=build_phone,
    tolerances=SP10.tolerances,
)
"""The next of the family, as far from SP6 as that is from SP5."""


def image_world(bundle: Path, line: Path, folder: Path, units: int, family: Family) -> World:
    """Return a line; its images are taken where they are not there yet."""
    own = folder / "bundle"
    if not own.exists():
        shutil.copytree(bundle, own)
    header = read_bundle_header(own)
    classes = header.classes
    sets = {modality: SampleSet.open(line / modality) for modality in MODALITIES}
    calibrated = load_calibration(own, header.weights_sha256)
    if calibrated is None or not calibrated.known_labels:
        calibrated = calibrate(own, sets, read_sorting(None, classes), TrustConfig())
    machine = MachineConfig.model_validate(sets["xray"].header.config["machine"])
    camera = ConveyorConfig.model_validate(sets["rgb"].header.config["conveyor"])

    keys = [UnitKey(name, FIRST_UNIT + place) for name in classes for place in range(units)]
    write_units(folder / "units", family, keys, scan_spacing_mm=None, mesh=False)
    new_keys = [UnitKey("SP11", FIRST_UNIT + place) for place in range(2 * units)]
    write_units(folder / "new-units", SP11, new_keys, scan_spacing_mm=None, mesh=False)
    worn = worn_library(open_simulated(folder / "units"), folder / "worn", 1, WearConfig())
    new = worn_library(open_simulated(folder / "new-units"), folder / "new-worn", 1, WearConfig())

    def radiographs(name: str, config: MachineConfig, library=worn) -> SampleSet:
        return take_radiographs(library, folder / name, config, views_per_unit=1, seed=1)

    def photographs(name: str, config: ConveyorConfig, library=worn) -> SampleSet:
        return take_photographs(library, folder / name, config, views_per_unit=1, seed=1)

    low = machine.updated(
        {"tubes": {name: tube.updated({"kvp": 0.9 * tube.kvp}) for name, tube in machine.tubes.items()}}
    )
    dim = camera.updated({"tube_watts": tuple(each / 3 for each in camera.tube_watts)})
    taken = {
        "xray": radiographs("xray", machine),
        "low": radiographs("xray-low-voltage", low),
        "new xray": radiographs("xray-new", machine, new),
        **{
            f"drift {far}": radiographs(f"xray-drift-{far}", machine.updated({"detector.drift": (far, far)}))
            for far in DRIFTS
        },
        "rgb": photographs("rgb", camera),
        "dim": photographs("rgb-dim", dim),
        "new rgb": photographs("rgb-new", camera, new),
    }
    predictor = Predictor.load(own)
    rng = np.random.default_rng(1)

    def pool(rgb: str, xray: str) -> Pool:
        return scored(predictor, calibrated, taken[rgb], taken[xray], next(iter(machine.tubes)))

    cause = "X-ray tube or detector"
    new_class = pool("new rgb", "new xray")
    faults = {
        "lamps at a third": Fault((pool("dim", "xray"),), WEEK, cause="camera"),
        "tube's voltage off by 10 %": Fault((pool("rgb", "low"),), WEEK, cause=cause),
        "detector drifts in a month": Fault(
            tuple(pool("rgb", f"drift {far}") for far in DRIFTS), 15 * CONFIG.devices_a_day, cause=cause
        ),
        **{f"new class, {share:.0%}": Fault((new_class,), WEEK, share, "new devices") for share in NEW_SHARES},
    }
    healthy = pool("rgb", "xray")
    for name, fault in faults.items():
        print(f"{name}: changes {', '.join(changed(healthy, fault.pools[-1])) or 'nothing'}", flush=True)
    many = healthy.smoothed(rng, 20_000)
    # A calibration on devices of this line knows as many as the bundle's own.
    known = many.only(np.arange(len(calibrated.known["rgbx"])))
    known = known._replace(scores={channel: known.scores[channel] for channel in CHANNELS})
    smoothed = {
        name: fault._replace(pools=tuple(each.smoothed(rng, 4000) for each in fault.pools))
        for name, fault in faults.items()
    }
    return World(classes, known, many, smoothed)


def changed(healthy: Pool, faulty: Pool) -> list[str]:
    """Return the signals that find devices of a class otherwise than before, beyond chance."""
    found = []
    for signal in SIGNALS:
        before, after = healthy.scores[signal], faulty.scores[signal]
        middles = {
            label: np.median(before[healthy.labels[signal] == label]) for label in np.unique(healthy.labels[signal])
        }
        apart = [
            np.array([score - middles[label] for score, label in zip(scores, labels, strict=True) if label in middles])
            for scores, labels in ((before, healthy.labels[signal]), (after, faulty.labels[signal]))
        ]
        if len(apart[1]) and mannwhitneyu(*apart).pvalue < CHANCE / len(SIGNALS):
            found.append(signal)
    return found


def scored(predictor: Predictor, calibrated: Calibrated, rgb: SampleSet, xray: SampleSet, tube: str) -> Pool:
    """Return what the signals say of units that were photographed, and X-rayed with a tube."""
    found = {"rgb": encode_set(predictor, "rgb", rgb), "xray": encode_set(predictor, "xray", xray)}
    read = {"rgb": read_photograph, "xray": read_radiograph}
    truth, labels, scores = [], {name: [] for name in SIGNALS}, {name: [] for name in SIGNALS}
    for photo, radiograph in zip(rgb.records, xray.records, strict=True):
        assert photo.unit == radiograph.unit
        if radiograph.draw["tube"] != tube:
            continue
        given = {"rgb": found["rgb"][photo.file_name], "xray": found["xray"][radiograph.file_name]}
        truth.append(predictor.classes.index(photo.label) if photo.label in predictor.classes else 0)
        for channel in CHANNELS:
            parts = given if channel == "rgbx" else {channel: given[channel]}
            logits = predictor.fuse(parts)
            labels[channel].append(int(np.argmax(logits)))
            shown = {modality: each.shown for modality, each in parts.items()}
            scores[channel].append(float(calibrated.ood_score(logits[None], shown)[0]))
        for modality, path in (("rgb", rgb.folder / photo.file_name), ("xray", xray.folder / radiograph.file_name)):
            for name, value in look_of(modality, read[modality](path)).items():
                labels[f"{modality} {name}"].append(labels["rgbx"][-1])
                scores[f"{modality} {name}"].append(value)
    return Pool.of(
        np.array(truth),
        {name: np.array(each) for name, each in labels.items()},
        {name: np.array(each) for name, each in scores.items()},
    )


class Found:
    """What was found so far, in a file, so that a run that was stopped goes on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.by_name: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}

    def get(self, name: str, find: Callable[[], Any]) -> Any:
        """Return what is called so, found now or before."""
        if name not in self.by_name:
            self.by_name[name] = find()
            write_json(self._path, self.by_name)
        print(f"  {name}: {self.by_name[name]}", flush=True)
        return self.by_name[name]


def count(found: Found, world: World, years: float, runs: int) -> dict[str, dict[str, Any]]:
    """Count false alarms by scheme; ours in more runs."""
    print(f"false alarms, at most {CONFIG.false_alarms_a_year:g} a year on average:", flush=True)
    counted = {}
    for scheme in SCHEMES:
        is_ours = scheme == SCHEMES[0]
        for_years = years if is_ours else min(years, OTHER_YEARS)
        each = [
            found.get(f"{scheme}, run {run}", partial(false_alarms, generator(run), world, scheme, for_years))
            for run in range(runs if is_ours else 1)
        ]
        by_signal = {name: float(np.mean([one[name] for one in each])) for name in SIGNALS}
        counted[scheme] = {
            "years": for_years,
            "runs": len(each),
            "mean": sum(by_signal.values()),
            "by signal": {name: mean for name, mean in by_signal.items() if mean},
        }
    return counted


def delay(found: Found, world: World, days: Sequence[int], runs: int) -> dict[tuple[str, int, bool], dict[str, Any]]:
    """Break the line in each way, after some days each, with looks and without."""
    print("delays, in devices:", flush=True)
    noticed: dict[tuple[str, int, bool], list[Noticed]] = {}
    for day, run in product(days, range(runs)):
        begin = functools.cache(partial(well, generator(run), world, day))
        for (name, fault), looks in product(world.faults.items(), (True, False)):
            break_it = partial(broken_after, generator(run), world, fault, begin, looks)
            one = Noticed(*found.get(f"{_case(name, day, looks)}, run {run}", break_it))
            noticed.setdefault((name, day, looks), []).append(one)
    return {
        case: summary(each, world.faults[case[0]].cause, _most(world.faults[case[0]])) for case, each in noticed.items()
    }


def broken_after(
    rng: np.random.Generator, world: World, fault: Fault, begin: Callable[[], Mapping[str, Fast]], looks: bool
) -> Noticed:
    """Break a line that has run well for a while."""
    learnt = begin()
    return notice(rng, world, fault, learnt if looks else {name: learnt[name] for name in CHANNELS})


def _case(name: str, day: int, looks: bool) -> str:
    return f"{name}, after {day} days{'' if looks else ', without looks'}"


def _most(fault: Fault) -> int:
    """Return after how many devices a fault that was not noticed is given up."""
    return len(fault.pools) * fault.each


def draw_findings(
    counted: Mapping[str, Mapping[str, Any]], delays: Mapping[tuple[str, int, bool], Mapping[str, Any]]
) -> Figure:
    """Return a picture: false alarms of each way to do it, and delays of each fault."""
    figure = Figure((11, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.3))
    names = list(counted)[::-1]
    rates = [counted[name]["mean"] / counted[name]["years"] for name in names]
    left.barh(names, [max(rate, LEAST_RATE) for rate in rates], color=[FAINT] * (len(names) - 1) + [ACCENT])
    for place, rate in enumerate(rates):
        left.text(max(rate, LEAST_RATE) * 1.2, place, f"{rate:.3g}", va="center", fontsize=8)
    left.axvline(CONFIG.false_alarms_a_year, color=SERIES[0], linestyle="--", linewidth=1)
    left.set(xscale="log", xlim=(LEAST_RATE / 2, 1e5), xlabel="false alarms a year (dashed: what is promised)")
    faults = list(dict.fromkeys(name for name, _, _ in delays))[::-1]
    days = sorted({day for _, day, _ in delays})
    for (name, day, looks), found in delays.items():
        height = faults.index(name) + 0.24 * (days.index(day) - (len(days) - 1) / 2) + (0.0 if looks else 0.09)
        colour = (ACCENT, "#62a0ca", "#b5cfe3")[days.index(day)] if looks else FAINT
        seen = found["noticed"] >= 0.5
        right.plot([found["median"], found["90 %"]], [height] * 2, color=colour, linewidth=2 if looks else 1)
        label = f"after {day} days" + ("" if looks else ", without looks")
        right.plot(
            found["median"],
            height,
            "o" if seen else ">",
            color=colour,
            markersize=6 if looks else 4,
            label=label if name == faults[0] and (looks or day == days[0]) else None,
        )
    right.set(
        xscale="log",
        yticks=range(len(faults)),
        yticklabels=faults,
        xlabel="devices until the alarm: median, and line to 90 %\n(▷: most runs noticed nothing)",
    )
    right.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, 1.13), ncols=4)
    for axes in (left, right):
        plain(axes, "x")
    return figure


def generator(run: int) -> np.random.Generator:
    """Return the chance of one run: each has its own, whatever ran before."""
    return np.random.default_rng(run)


def main() -> None:
    """Count false alarms, and break the line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="drawn scores, one run of each: under 45 s")
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--line", type=Path)
    parser.add_argument("--images", type=Path, help="folder of the images that are taken; temporary without")
    parser.add_argument("--units", type=int, default=12, help="of each class")
    parser.add_argument("--family", default="sp10")
    parser.add_argument("--runs", type=int, help="of ten years, and faults of each kind")
    parser.add_argument("--picture", type=Path, help="draw false alarms and delays")
    given = parser.parse_args()
    if (given.bundle is None) != (given.line is None):
        parser.error("--bundle needs --line, whose images it is calibrated to, and --line a bundle")
    with tempfile.TemporaryDirectory(prefix="drift-") as name:
        folder = given.images or Path(name)
        folder.mkdir(parents=True, exist_ok=True)
        if given.bundle is None:
            world = drawn_world(generator(0))
        else:
            world = image_world(given.bundle, given.line, folder, given.units, FAMILIES[given.family])
        runs = given.runs or (1 if given.quick else 10)
        found = Found(folder / "found.json")
        counted = count(found, world, QUICK_YEARS if given.quick else YEARS, runs)
        days, repeats = (QUICK_AFTER_DAYS, 1) if given.quick else (AFTER_DAYS, REPEATS)
        delays = delay(found, world, days, repeats * runs)
    if given.picture:
        draw_findings(counted, delays).savefig(given.picture, dpi=120)
    by_case = {_case(*case): each for case, each in delays.items()}
    print(json.dumps({"config": CONFIG.model_dump(), "false alarms": counted, "delays": by_case}))


if __name__ == "__main__":
    main()

"""The drift alarm: false alarms over ten simulated years, and after how many devices faults are noticed.

    python benchmarks/drift.py [--quick] [--bundle FOLDER --line FOLDER --images FOLDER] [--runs N]

prints one JSON object as its last line. Without a bundle, scores are drawn. With one, they are those of images: a copy
of the bundle is calibrated to the line's, and other units come down the same line, as it is and with faults: the lamps
at a third, the tube's voltage off by 10 %, a panel that drifts away from its flat field, and a phone that the bundle
does not know. Images are kept in ``--images``, so that a run that was stopped goes on. Devices are drawn from these
pools with replacement, in a mix of classes that changes from week to week.

False alarms are also counted for what the alarm does not do: p-values against the calibration's scores alone, the same
with a band of Dvoretzky, Kiefer and Wolfowitz, a reference of all classes together, and one that only devices join that
were taken for known.
"""

import argparse
import json
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numba
import numpy as np

from rgbx.evaluation.calibrate import calibrate, read_sorting
from rgbx.evaluation.predictions import encode_set
from rgbx.inference import Predictor
from rgbx.modality import MODALITIES, Channel
from rgbx.models.header import read_bundle_header
from rgbx.samples import SampleSet
from rgbx.trust.calibration import Calibrated, load_calibration
from rgbx.trust.drift.bets import BETS, POWERS, SLOPES
from rgbx.trust.drift.monitor import DriftConfig, DriftMonitor, DriftState, Scored
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
CONFIG = DriftConfig()
YEARS = 10
WEEK = 7 * CONFIG.devices_a_day
NEW_SHARE = 0.05
"""Of a new class among all devices."""
FIRST_UNIT = 3001
"""Units from here on were neither trained on, nor calibrated to, nor tested with."""
LATER, AT_ONCE = 100, 100
"""Devices: when the cause is asked for again, and drawn together."""
SCHEMES = ("growing", "fixed", "fixed with band", "classes together", "known only")
BAND_DOUBT = 0.05
"""That the band of a class does not hold."""


class Pool(NamedTuple):
    """Devices to draw from."""

    truth: np.ndarray
    """(n,) class indices."""
    labels: Mapping[Channel, np.ndarray]
    """(n,) what each stream takes them for."""
    scores: Mapping[Channel, np.ndarray]
    """(n,) how strange they are to it, to three digits."""

    @classmethod
    def of(
        cls, truth: np.ndarray, labels: Mapping[Channel, np.ndarray], scores: Mapping[Channel, np.ndarray]
    ) -> "Pool":
        """Round scores."""
        rounded = {c: np.array([three_digits(score) for score in each.tolist()]) for c, each in scores.items()}
        return cls(truth, labels, rounded)

    def only(self, which: np.ndarray) -> "Pool":
        """Return some of them."""
        labels = {channel: each[which] for channel, each in self.labels.items()}
        return Pool(self.truth[which], labels, {channel: each[which] for channel, each in self.scores.items()})


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

    def values(self, channel: Channel) -> np.ndarray:
        """Return all scores that occur, ascending."""
        pools = [self.known, self.healthy, *(pool for fault in self.faults.values() for pool in fault.pools)]
        return np.unique(np.concatenate([pool.scores[channel] for pool in pools]))


def draw(rng: np.random.Generator, pool: Pool, number: int, mix: np.ndarray) -> np.ndarray:
    """Return indices of devices, by a mix of the true classes."""
    weights = mix[pool.truth] / np.bincount(pool.truth, minlength=len(mix))[pool.truth]
    return rng.choice(len(pool.truth), number, p=weights / weights.sum())


def weeks(rng: np.random.Generator, classes: int) -> Iterator[np.ndarray]:
    """Yield a mix of classes for each week."""
    while True:
        yield rng.dirichlet(np.full(classes, 2.0))


# --- Ten years, compiled: the same arithmetic as the monitor's, which `agrees` checks.


@numba.njit(cache=True)
def watch(cells, labels, ties, counts, totals, evidence, alarms, at, mode, band, known_below, powers, slopes):
    """Take in devices; ``counts`` are Fenwick trees over the cells, one for each class. Return the alarms."""
    size = counts.shape[1]
    sounded = 0
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
        p = (total - through + ties[i] * (1 + through - below)) / (total + 1)
        p = min(p + band[label], 1.0)
        for row in (label, len(evidence) - 1):  # its class, and all
            for k in range(len(powers)):
                evidence[row, k] = (evidence[row, k] + 1) * powers[k] * p ** (powers[k] - 1)
            for k in range(len(slopes)):
                place = len(powers) + k
                evidence[row, place] = (evidence[row, place] + 1) * (1 + slopes[k] * (1 - 2 * p))
        if mode == 0 or (mode == 1 and cell <= known_below):
            j = cell + 1
            while j < size:
                counts[label, j] += 1
                j += j & -j
            totals[label] += 1
        if evidence.sum() / (2 * (len(powers) + len(slopes))) >= at:
            if sounded < len(alarms):
                alarms[sounded] = i
            sounded += 1
            evidence[:] = 0
    return sounded


class Fast:
    """One stream of the simulated years."""

    def __init__(self, scheme: str, world: World, channel: Channel, at: float) -> None:
        self.values = world.values(channel)
        self.together = scheme == "classes together"
        self.mode = {"fixed": 2, "fixed with band": 2, "known only": 1}.get(scheme, 0)
        self.at = at
        classes = 1 if self.together else len(world.classes)
        flat = np.zeros((classes, len(self.values) + 1))
        known = world.known
        np.add.at(flat, (self.of(known.labels[channel]), self.cells(known.scores[channel]) + 1), 1)
        self.totals = flat.sum(1)
        self.counts = fenwick(flat)
        self.evidence = np.zeros((classes + 1, BETS))
        self.band = np.zeros(classes)
        if scheme == "fixed with band":
            self.band = np.sqrt(math.log(1 / BAND_DOUBT) / (2 * np.maximum(self.totals, 1)))
        limit = np.quantile(known.scores[channel], 1 - TrustConfig().unknown)
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
            self.band, self.known_below, POWERS, SLOPES,
        )  # fmt: skip
        return alarms[:sounded]

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


def false_alarms(rng: np.random.Generator, world: World, scheme: str, years: int) -> dict[Channel, int]:
    """Return how many alarms sound in healthy years, by stream."""
    at = 365 * CONFIG.devices_a_day / CONFIG.false_alarms_a_year * len(CHANNELS)
    streams = {channel: Fast(scheme, world, channel, at) for channel in CHANNELS}
    cells = {channel: streams[channel].cells(world.healthy.scores[channel]) for channel in CHANNELS}
    sounded = dict.fromkeys(CHANNELS, 0)
    mixes = weeks(rng, len(world.classes))
    for _ in range(round(years * 365 / 7)):
        devices = draw(rng, world.healthy, WEEK, next(mixes))
        for channel, stream in streams.items():
            labels = world.healthy.labels[channel][devices]
            sounded[channel] += len(stream.take(cells[channel][devices], labels, 1 - rng.random(WEEK)))
    return sounded


def agrees(world: World, devices: int = 1500) -> bool:
    """Say whether the compiled streams and the monitor say the same of healthy and of faulty devices."""
    rng = np.random.default_rng(5)
    pools = [world.healthy, next(iter(world.faults.values())).pools[-1]]
    numbers = np.arange(1, devices + 1)
    for channel in CHANNELS:
        single = begun(world, {})
        stream = Fast("growing", world, channel, single.threshold)
        scores = np.concatenate([rng.choice(pool.scores[channel], devices // 2) for pool in pools])
        labels = np.concatenate([rng.choice(pool.labels[channel], devices // 2) for pool in pools])
        ties = np.array([tie_of(int(number), channel) for number in numbers])
        alarms = stream.take(stream.cells(scores), labels, ties[: len(scores)])
        first = None
        for number, label, score in zip(numbers.tolist(), labels.tolist(), scores.tolist(), strict=False):
            if single.observe(number, {channel: Scored(world.classes[label], score)}):
                first = number - 1
                break
        if (first is None) != (len(alarms) == 0) or (first is not None and first != alarms[0]):
            return False
    return True


# --- Delays, with the monitor itself.


def begun(world: World, references: Mapping[Channel, Mapping[str, KeptScores]]) -> DriftMonitor:
    """Return a monitor that has seen so much; the calibration alone where nothing is given."""
    channels = {
        channel: {"references": references.get(channel) or calibrated_reference(world, channel)} for channel in CHANNELS
    }
    return DriftMonitor(
        DriftState.model_validate({"config": CONFIG, "model": "benchmark", "last": 0, "channels": channels})
    )


def calibrated_reference(world: World, channel: Channel) -> dict[str, KeptScores]:
    """Return the reference at the beginning."""
    return Fast("growing", world, channel, math.inf).kept(world.classes)


class Noticed(NamedTuple):
    """When and how a fault was noticed."""

    delay: int | None
    """Devices from its beginning; None where it was not."""
    first: str
    """The stream that gave the first alarm."""
    cause: str
    """As said at the first alarm."""
    later: str
    """As said by the earliest alarm 100 devices later."""


def notice(rng: np.random.Generator, world: World, fault: Fault, days: int, most: int) -> Noticed:
    """Let a line run for some days, then break it."""
    references, mixes = {}, weeks(rng, len(world.classes))
    mix = next(mixes)
    healthy = [
        draw(rng, world.healthy, CONFIG.devices_a_day, next(mixes) if day % 7 == 0 else mix) for day in range(days)
    ]
    drawn = np.concatenate([np.zeros(0, np.int64), *healthy])
    for channel in CHANNELS:
        stream = Fast("growing", world, channel, math.inf)
        stream.take(
            stream.cells(world.healthy.scores[channel][drawn]),
            world.healthy.labels[channel][drawn],
            1 - rng.random(len(drawn)),
        )
        references[channel] = stream.kept(world.classes)
    monitor = begun(world, references)
    delay, first, cause = None, "", ""
    number = int(rng.integers(1, 10**9))  # ties are drawn by it
    for done, seen in enumerate(broken(rng, world, fault, mix, most)):
        sounded = monitor.observe(number + done, seen)
        if sounded and delay is None:
            delay, first, cause = done + 1, sounded[0].channel, sounded[0].cause
        if delay is not None and done >= delay + LATER:
            break
    later = monitor.alarms()
    return Noticed(delay, first, cause, later[0].cause if later else "")


def broken(
    rng: np.random.Generator, world: World, fault: Fault, mix: np.ndarray, most: int
) -> Iterator[dict[Channel, Scored]]:
    """Yield the devices of a line with a fault."""
    for begin in range(0, most, AT_ONCE):
        pool = fault.pools[min(begin // fault.each, len(fault.pools) - 1)]
        pairs = [(each, draw(rng, each, AT_ONCE, mix)) for each in (pool, world.healthy)]
        for place, strange in enumerate(rng.random(AT_ONCE) < fault.share):
            source, drawn = pairs[0] if strange else pairs[1]
            one = drawn[place]
            yield {c: Scored(world.classes[source.labels[c][one]], float(source.scores[c][one])) for c in CHANNELS}


def summary(found: Sequence[Noticed], cause: str, most: int) -> dict[str, object]:
    """Return median and 90 % of the delays, and how often the cause was named."""
    delays = sorted(most if each.delay is None else each.delay for each in found)
    noticed = [each for each in found if each.delay is not None]
    return {
        "noticed": len(noticed) / len(found),
        "median": delays[len(delays) // 2],
        "90 %": delays[min(math.ceil(0.9 * len(delays)), len(delays) - 1)],
        "cause at once": sum(each.cause == cause for each in noticed) / max(len(noticed), 1),
        "cause 100 later": sum(each.later == cause for each in noticed) / max(len(noticed), 1),
        "first stream": {c: sum(each.first == c for each in noticed) for c in CHANNELS},
    }


# --- Drawn scores.


def drawn_world(rng: np.random.Generator, classes: int = 10, known: int = 400, healthy: int = 30_000) -> World:
    """Return a line of which scores are drawn: −log of shares, heavier tails for some classes than for others."""
    tails = rng.uniform(0.7, 1.4, classes)

    def pool(number: int, rgb: float = 1.0, xray: float = 1.0, strange: float = 0.0) -> Pool:
        truth = rng.integers(0, classes, number)
        made = {
            "rgb": rgb * rng.gamma(2, 0.5, number) ** tails[truth] + strange * rng.exponential(1, number),
            "xray": xray * rng.gamma(2, 0.5, number) ** tails[truth] + strange * rng.exponential(1.5, number),
        }
        made["rgbx"] = np.maximum(made["rgb"], made["xray"])
        return Pool.of(truth, dict.fromkeys(CHANNELS, truth), made)

    new = pool(4000, strange=1.5)
    new = new.only(new.truth < 2)
    faults = {
        "lamps at a third": Fault((pool(4000, rgb=1.25),), WEEK, cause="camera"),
        "tube voltage off by 10 %": Fault((pool(4000, xray=1.4),), WEEK, cause="X-ray tube or detector"),
        "detector drifts for 30 days": Fault(
            tuple(pool(4000, xray=1 + 0.3 * step / 10) for step in range(1, 11)),
            3 * CONFIG.devices_a_day,
            cause="X-ray tube or detector",
        ),
        "new class": Fault((new,), WEEK, NEW_SHARE, "new devices"),
    }
    return World(tuple(f"C{each}" for each in range(classes)), pool(known), pool(healthy), faults)


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
    """Return a line of which scores are those of images, taken where they are not there yet."""
    copy = folder / "bundle"
    if not copy.exists():
        shutil.copytree(bundle, copy)
    header = read_bundle_header(copy)
    classes = header.classes
    sets = {modality: SampleSet.open(line / modality) for modality in MODALITIES}
    calibrated = load_calibration(copy, header.weights_sha256)
    if calibrated is None or not calibrated.known_labels:
        calibrated = calibrate(copy, sets, read_sorting(None, classes), TrustConfig())
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

    low = {name: tube.updated({"kvp": 0.9 * tube.kvp}) for name, tube in machine.tubes.items()}
    dim = tuple(each / 3 for each in camera.tube_watts)
    taken = {
        "xray": radiographs("xray", machine),
        "low": radiographs("xray-low-voltage", machine.updated({"tubes": low})),
        **{
            f"drift {far}": radiographs(f"xray-drift-{far}", machine.updated({"detector.drift": (far, far)}))
            for far in (2, 4)
        },
        "new xray": radiographs("xray-new", machine, new),
        "rgb": photographs("rgb", camera),
        "dim": photographs("rgb-dim", camera.updated({"tube_watts": dim})),
        "new rgb": photographs("rgb-new", camera, new),
    }
    predictor = Predictor.load(copy)

    def pool(rgb: str, xray: str) -> Pool:
        return scored(predictor, calibrated, taken[rgb], taken[xray])

    tube = "X-ray tube or detector"
    faults = {
        "lamps at a third": Fault((pool("dim", "xray"),), WEEK, cause="camera"),
        "tube voltage off by 10 %": Fault((pool("rgb", "low"),), WEEK, cause=tube),
        "detector drifts for 30 days": Fault(
            tuple(pool("rgb", f"drift {far}") for far in (2, 4)), 15 * CONFIG.devices_a_day, cause=tube
        ),
        "detector drifted so far at once": Fault((pool("rgb", "drift 4"),), WEEK, cause=tube),
        "new class": Fault((pool("new rgb", "new xray"),), WEEK, NEW_SHARE, "new devices"),
    }
    # The calibration's own scores, which were measured with each unit left out.
    known = Pool.of(
        calibrated.known_labels["rgbx"],
        {channel: calibrated.known_labels[channel] for channel in CHANNELS},
        {channel: calibrated.known[channel] for channel in CHANNELS},
    )
    return World(classes, known, pool("rgb", "xray"), faults)


def scored(predictor: Predictor, calibrated: Calibrated, rgb: SampleSet, xray: SampleSet) -> Pool:
    """Return what the streams say of units that were photographed and X-rayed."""
    found = {"rgb": encode_set(predictor, "rgb", rgb), "xray": encode_set(predictor, "xray", xray)}
    truth, labels, scores = [], {c: [] for c in CHANNELS}, {c: [] for c in CHANNELS}
    for photo, radiograph in zip(rgb.records, xray.records, strict=True):
        assert photo.unit == radiograph.unit
        given = {"rgb": found["rgb"][photo.file_name], "xray": found["xray"][radiograph.file_name]}
        shown = {modality: each.shown for modality, each in given.items()}
        known = photo.label in predictor.classes
        truth.append(predictor.classes.index(photo.label) if known else 0)
        for channel in CHANNELS:
            parts = given if channel == "rgbx" else {channel: given[channel]}
            logits = predictor.fuse(parts)
            labels[channel].append(int(np.argmax(logits)))
            scores[channel].append(float(calibrated.ood_score(logits[None], {m: shown[m] for m in parts})[0]))
    return Pool.of(
        np.array(truth), {c: np.array(labels[c]) for c in CHANNELS}, {c: np.array(scores[c]) for c in CHANNELS}
    )


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
    given = parser.parse_args()
    if (given.bundle is None) != (given.line is None):
        parser.error("--bundle needs --line, whose images it is calibrated to, and --line a bundle")
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory(prefix="drift-") as name:
        if given.bundle is None:
            world = drawn_world(rng)
        else:
            world = image_world(
                given.bundle, given.line, given.images or Path(name), given.units, FAMILIES[given.family]
            )
    if not agrees(world):
        raise SystemExit("The compiled years and the monitor disagree.")
    runs = given.runs or (1 if given.quick else 10)
    print(f"false alarms, at most {CONFIG.false_alarms_a_year:g} a year on average:", flush=True)
    counted = {}
    for scheme in SCHEMES:
        ours = scheme == SCHEMES[0]
        years = YEARS if ours or not given.quick else 1
        each = [false_alarms(rng, world, scheme, years) for _ in range(runs if ours else 1)]
        totals = [sum(one.values()) for one in each]
        by_stream = {c: float(np.mean([one[c] for one in each])) for c in CHANNELS}
        counted[scheme] = {"years": years, "mean": float(np.mean(totals)), "each": totals, **by_stream}
        print(f"  {scheme:18s} {counted[scheme]}", flush=True)
    delays: dict[str, dict[str, object]] = {}
    for days in (30,) if given.quick else (0, 30, 365):
        for fault_name, fault in world.faults.items():
            most = len(fault.pools) * fault.each
            repeats = 3 if given.quick else 2 * runs
            found = [notice(rng, world, fault, days, most) for _ in range(repeats)]
            delays[f"{fault_name}, after {days} days"] = summary(found, fault.cause, most)
            print(f"  {fault_name}, after {days} days: {delays[f'{fault_name}, after {days} days']}", flush=True)
    print(json.dumps({"config": CONFIG.model_dump(), "false alarms": counted, "delays": delays}))


if __name__ == "__main__":
    main()

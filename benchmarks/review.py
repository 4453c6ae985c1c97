"""What a hundred reviews find on a line with known truth: devices that the mix chooses, or any drawn at random.

    python benchmarks/review.py [--quick] [--lines N] [--reviews N] [--picture FILE.png]

prints one JSON object as its last line. Each simulated line sorts some thousand devices of ten classes, each of which
has a twin that it is hard to tell from, and some of a new class that the model does not know. Two streams say how
likely each class is, the answers are fused, calibrated and decided upon as a bundle does it. Then somebody reviews.

- *found*: devices in a wrong bin, and devices of the new class.
- *rate of false sorts*: from the mix's random share alone, from a random sample as large as all of the mix, and, for
  comparison, from all that the mix chose, as if it were a sample.
- *left open*: a reviewer skips half of the devices that are hard. What an estimate does that leaves them out, and
  what one does that counts them for both bounds.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from rgbx.evaluation.figures import ACCENT, FAINT, INK, SERIES, plain
from rgbx_line.review.rates import reviewed_rate
from rgbx_line.review_mix import QueueWeights

CLASSES = 10
"""Known ones, in pairs of twins."""
DEVICES = 8000
NEW = 0.01
"""Share of devices of a class that the model does not know; each resembles a known one."""
LATE = 0.003
UNKNOWN = 0.02
"""Share of known devices that may be put aside as unknown."""
TEMPERATURES = (0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.3)
SURE_ENOUGH = 0.1
"""Highest risk of a device that is sorted: one less the probability of its class."""
NEARLY_EQUAL = 0.2
"""Margin below which a device is hard for a person, too."""


@dataclass(frozen=True)
class SimulatedLine:
    """n devices and what became of them."""

    truth: np.ndarray
    """(n,) class; −1 of the new one."""
    answer: np.ndarray
    """(n,) class that the model names."""
    sorted: np.ndarray
    """(n,) bool, whether it went to a bin."""
    margin: np.ndarray
    unknown: np.ndarray
    """(n,) bool, put aside as unknown."""
    disagree: np.ndarray
    late: np.ndarray

    @property
    def doubtful(self) -> np.ndarray:
        """(n,) bool, put aside since the model could not decide."""
        return ~self.sorted & ~self.unknown & ~self.late

    @property
    def false_sort(self) -> np.ndarray:
        """(n,) bool, in a wrong bin."""
        return self.sorted & (self.answer != self.truth)

    @property
    def found(self) -> np.ndarray:
        """(n,) bool, what a review is to find."""
        return self.false_sort | (self.truth < 0)

    @property
    def rate(self) -> float:
        """Of false sorts among the sorted."""
        return float(self.false_sort.sum() / self.sorted.sum())


def simulated_line(rng: np.random.Generator, devices: int = DEVICES) -> SimulatedLine:
    """Return a line's day."""
    looks_like = rng.integers(0, CLASSES, devices)
    new = rng.random(devices) < NEW
    quality = rng.lognormal(0.0, 0.35, devices)  # some lie badly, or are worn
    logits, alone = np.zeros((devices, CLASSES)), []
    for strength, twin in ((4.5, 0.75), (5.5, 0.45)):  # photographs tell twins apart less well than radiographs
        signal = (strength * quality * np.where(new, 0.8, 1.0))[:, None] * _likeness(looks_like, new, twin, rng)
        said = signal + rng.normal(0, 1.0, (devices, CLASSES))
        alone.append(said.argmax(1))
        logits += said
    shares = _calibrated(logits, looks_like, ~new)
    top = np.sort(shares, 1)[:, ::-1]
    strangeness = rng.normal(0, 1, devices) + np.where(new, 1.8, 0.0)
    unknown = strangeness > np.quantile(strangeness[~new], 1 - UNKNOWN)
    late = rng.random(devices) < LATE
    disagree = alone[0] != alone[1]
    return SimulatedLine(
        truth=np.where(new, -1, looks_like),
        answer=shares.argmax(1),
        sorted=~unknown & ~late & (1 - top[:, 0] < SURE_ENOUGH),
        margin=top[:, 0] - top[:, 1],
        unknown=unknown & ~late,
        disagree=disagree,
        late=late,
    )


def _calibrated(logits: np.ndarray, truth: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return (n, classes) probabilities, at the temperature that suits the known devices best."""

    def at(temperature: float) -> np.ndarray:
        scaled = logits / temperature
        shares = np.exp(scaled - scaled.max(1, keepdims=True))
        return shares / shares.sum(1, keepdims=True)

    places = np.flatnonzero(known)[::4]
    losses = [-np.log(at(t)[places, truth[places]] + 1e-12).mean() for t in TEMPERATURES]
    return at(TEMPERATURES[int(np.argmin(losses))])


def _likeness(looks_like: np.ndarray, new: np.ndarray, twin: float, rng: np.random.Generator) -> np.ndarray:
    """Return (n, classes): 1 for what a device looks like, less for the twin of that."""
    rows = np.arange(len(looks_like))
    likeness = np.zeros((len(looks_like), CLASSES))
    likeness[rows, looks_like] = 1.0
    likeness[rows, looks_like ^ 1] = np.where(new, rng.uniform(0.3, 1.0, len(looks_like)), twin)
    return likeness


def reviewed_by_mix(line: SimulatedLine, draws: np.ndarray, reviews: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the devices that the mix's queues give, and those among them that were drawn at random.

    Args:
        line: of the devices.
        draws: (n,) even in 0..1, what the hashes of the log's lines are.
        reviews: how many.
    """
    order = np.arange(len(draws))
    by_margin = np.argsort(line.margin, kind="stable")
    queues = {
        "random": np.argsort(draws),
        "margin": by_margin[line.sorted[by_margin]],
        "unknown": order[line.unknown][::-1],
        "aside": by_margin[line.doubtful[by_margin]],
        "disagree": np.concatenate([order[line.disagree & went][::-1] for went in (line.sorted, ~line.sorted)]),
        "late": order[line.late][::-1],
    }
    weights: dict[str, float] = QueueWeights().model_dump()
    taken, drawn, places, owed = dict[int, None](), [], dict.fromkeys(queues, 0), dict.fromkeys(queues, 0.0)
    while len(taken) < reviews:
        for name in queues:
            owed[name] += weights[name] / sum(weights.values())
        for name in sorted(queues, key=lambda each: -owed[each]):
            queue = queues[name]
            while places[name] < len(queue) and int(queue[places[name]]) in taken:
                places[name] += 1
            if places[name] < len(queue):
                device = int(queue[places[name]])
                taken[device] = None
                owed[name] -= 1
                if name == "random":
                    drawn.append(device)
                break
            owed[name] = 0.0
    # What another queue gave first was drawn all the same, if its draw is below that of the last one drawn.
    last = draws[drawn[-1]]
    chosen = np.fromiter(taken, int)
    return chosen, order[draws <= last]


def estimates(line: SimulatedLine, sample: np.ndarray) -> tuple[float, bool]:
    """Return a sample's estimate of the rate of false sorts, and whether its interval holds the true one."""
    sorted_ones = sample[line.sorted[sample]]
    wrong = int(line.false_sort[sorted_ones].sum())
    rate = reviewed_rate(len(sorted_ones), wrong, 0)
    return rate.least, rate.low <= line.rate <= rate.high


def left_open(line: SimulatedLine, sample: np.ndarray, rng: np.random.Generator) -> tuple[float, float, bool]:
    """Return the true rate, that of an estimate without what was skipped, and whether the bounds hold the true one."""
    sorted_ones = sample[line.sorted[sample]]
    hard = line.margin[sorted_ones] < 1 - NEARLY_EQUAL / 4
    skipped = (hard | line.false_sort[sorted_ones]) & (rng.random(len(sorted_ones)) < 0.5)
    kept = sorted_ones[~skipped]
    naive = float(line.false_sort[kept].mean()) if len(kept) else 0.0
    rate = reviewed_rate(len(sorted_ones), int(line.false_sort[kept].sum()), int(skipped.sum()))
    return line.rate, naive, rate.low <= line.rate <= rate.high


def runs(lines: int, reviews: int, seed: int = 0) -> Iterator[dict[str, float]]:
    """Yield what was found on each line."""
    for number in range(lines):
        rng = np.random.default_rng([seed, number])
        line = simulated_line(rng)
        draws = rng.random(len(line.truth))
        chosen, drawn = reviewed_by_mix(line, draws, reviews)
        at_random = np.argsort(draws)[:reviews]
        by_share, share_holds = estimates(line, drawn)
        by_random, random_holds = estimates(line, at_random)
        by_all, all_holds = estimates(line, chosen)
        rate, naive, bounds_hold = left_open(line, np.argsort(draws)[: 20 * reviews], rng)
        yield {
            "rate": rate,
            "mix_false_sorts": float(line.false_sort[chosen].sum()),
            "mix_new": float((line.truth[chosen] < 0).sum()),
            "mix_found": float(line.found[chosen].sum()),
            "random_false_sorts": float(line.false_sort[at_random].sum()),
            "random_new": float((line.truth[at_random] < 0).sum()),
            "random_found": float(line.found[at_random].sum()),
            "mix_drawn": float(len(drawn)),
            "share_error": by_share - rate,
            "random_error": by_random - rate,
            "all_error": by_all - rate,
            "share_holds": share_holds,
            "random_holds": random_holds,
            "all_holds": all_holds,
            "skipped_error": naive - rate,
            "bounds_hold": bounds_hold,
        }


def summary(table: list[dict[str, float]], reviews: int) -> dict[str, object]:
    """Return the figures of many lines."""
    mean = {name: float(np.mean([row[name] for row in table])) for name in table[0]}

    def error(name: str) -> dict[str, float]:
        errors = np.array([row[f"{name}_error"] for row in table])
        return {"bias": float(errors.mean()), "rms": float(np.sqrt((errors**2).mean()))}

    return {
        "lines": len(table),
        "devices": DEVICES,
        "reviews": reviews,
        "true_rate_of_false_sorts": mean["rate"],
        "found": {
            way: {what: mean[f"{way}_{what}"] for what in ("false_sorts", "new", "found")} for way in ("mix", "random")
        },
        "estimated_rate": {
            "mix_random_share": {**error("share"), "interval_holds": mean["share_holds"], "devices": mean["mix_drawn"]},
            "random": {**error("random"), "interval_holds": mean["random_holds"], "devices": reviews},
            "mix_as_if_a_sample": {**error("all"), "interval_holds": mean["all_holds"], "devices": reviews},
        },
        "half_of_the_hard_skipped": {
            "left_out": error("skipped"),
            "both_bounds_hold": mean["bounds_hold"],
            "reviews": 20 * reviews,
        },
    }


def draw(table: list[dict[str, float]], reviews: int) -> Figure:
    """Return a picture: what is found on each line, and how far the estimates of the rate are off."""
    figure = Figure(figsize=(9.0, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    ways = (("mix", "the mix", ACCENT), ("random", "all at random", SERIES[0]))
    most = int(max(row["mix_found"] for row in table)) + 1
    for way, title, colour in ways:
        counts = np.bincount([int(row[f"{way}_found"]) for row in table], minlength=most)
        left.plot(np.arange(len(counts)), counts / len(table), "o-", color=colour, label=title, markersize=3)
    left.set(xlabel=f"false sorts and devices of the new class in {reviews} reviews", ylabel="share of lines")
    for name, title, colour in (
        ("random", "all at random", SERIES[0]),
        ("share", "the mix, by its random share", ACCENT),
        ("all", "the mix, taken for a sample", INK),
    ):
        errors = np.sort([100 * row[f"{name}_error"] for row in table])
        right.plot(errors, np.linspace(0, 1, len(errors)), color=colour, label=title)
    right.axvline(0, color=FAINT, linestyle=":")
    right.set(xlabel="estimated less true rate of false sorts, points", ylabel="share of lines below", xlim=(-3, 10))
    for axes in (left, right):
        plain(axes)
        axes.legend(frameon=False, fontsize=8)
    return figure


def main() -> None:
    """Simulate lines and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="300 lines instead of 2000")
    parser.add_argument("--lines", type=int, help="how many lines are simulated")
    parser.add_argument("--reviews", type=int, default=100)
    parser.add_argument("--picture", type=Path, help="draw what was found, and how far estimates are off")
    given = parser.parse_args()
    lines = given.lines or (300 if given.quick else 2000)
    table = list(runs(lines, given.reviews))
    if given.picture:
        draw(table, given.reviews).savefig(given.picture, dpi=120)
    print(json.dumps(summary(table, given.reviews)))


if __name__ == "__main__":
    main()

"""Promotion by proof: how often candidates that are too bad pass, and how many reviews good ones take.

    python benchmarks/promotion.py [--quick] [--runs N] [--reviews N] [--picture FILE.png]

prints one JSON object as its last line. Candidates and active models with known rates of false sorts sort the same
simulated devices. Somebody looks at the proof after every single review, up to so many, and promotes at the first
moment that it allows it. Beside the proof stand what it is not: Clopper and Pearson's bound, looked at as often; the
same looked at once, after a number of reviews that was planned; and a betting test, a beta-binomial mixture.

Reviewers also get devices that look doubtful, in which false sorts are many, and some of these were drawn at random.
*Doubtful ones first* says how many bad candidates pass where all drawn devices count once they are reviewed, where
those count alone that were asked about for having been drawn, and where each counts when its turn comes.
"""

import argparse
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from scipy.special import betaln
from scipy.stats import beta

from rgbx.evaluation.figures import ACCENT, FAINT, INK, SERIES, plain
from rgbx.trust.false_sorts import upper_bound
from rgbx.trust.promotion_rule import PromotionRule
from rgbx.trust.proof import Proof, ReviewedPair, Sent, paired_evidence, review_plan

RULE = PromotionRule()
ASIDE = 0.1
"""Share of devices that each model puts aside."""
RIGHT, WRONG, PUT_ASIDE = Sent("right", True), Sent("wrong", False), Sent(None, False)
OUTCOMES = (RIGHT, WRONG, PUT_ASIDE)
DOUBTFUL = 0.05
"""Share of devices that look doubtful, in which all of a model's false sorts are."""


class Candidate(NamedTuple):
    """Rates, of all devices that are sorted, of false sorts."""

    alone: float
    """Of the candidate alone."""
    active: float
    """Of the active model alone."""
    both: float

    @property
    def rate(self) -> float:
        """The candidate's."""
        return self.alone + self.both


BAD = {
    "rate at the bound": Candidate(0.0, 0.0, RULE.bound),
    "rate 1.2 times the bound": Candidate(0.002, 0.002, 1.2 * RULE.bound - 0.002),
    "rate 1.5 times the bound": Candidate(0.005, 0.005, 1.5 * RULE.bound - 0.005),
    "worse than the active model by the margin": Candidate(RULE.margin / (1 - ASIDE), 0.0, 0.0),
    "the same, models that often differ": Candidate(0.0075, 0.0075 - RULE.margin / (1 - ASIDE), 0.0),
    "worse by 1.5 times the margin": Candidate(0.0015 + 1.5 * RULE.margin / (1 - ASIDE), 0.0015, 0.0),
}
"""Worse than allowed, or exactly as bad as it takes to be so."""
GOOD = {
    "never wrong": Candidate(0.0, 0.002, 0.0),
    "rate 1/10 of the bound": Candidate(0.0005, 0.002, 0.0005),
    "rate 1/5 of the bound": Candidate(0.001, 0.003, 0.001),
    "rate 1/3 of the bound": Candidate(0.0013, 0.004, 0.002),
    "rate 1/2 of the bound": Candidate(0.002, 0.006, 0.003),
    "rate 1/5, the active model as good": Candidate(0.001, 0.001, 0.001),
}


class Counts(NamedTuple):
    """After each review of each run, (runs, reviews)."""

    sorted: np.ndarray
    """By the candidate."""
    errors: np.ndarray
    """Of the candidate."""
    worse: np.ndarray
    """Devices that the candidate alone sorted wrongly."""
    better: np.ndarray


def simulate(rng: np.random.Generator, candidate: Candidate, runs: int, reviews: int) -> tuple[Counts, np.ndarray]:
    """Return counts, and the outcome of each device for the active model and the candidate, (runs, reviews, 2)."""
    drawn, aside = rng.random((runs, reviews)), rng.random((runs, reviews)) < ASIDE
    alone = drawn < candidate.alone
    active = (drawn >= candidate.alone) & (drawn < candidate.alone + candidate.active)
    both = (drawn >= 1 - candidate.both) & ~aside
    alone, active = alone & ~aside, active & ~aside
    outcomes = np.stack([active | both, alone | both], -1).astype(np.int8)
    outcomes[aside] = 2  # by both
    counts = (np.cumsum(each, 1, dtype=np.int32) for each in (~aside, alone | both, alone, active))
    return Counts(*counts), outcomes


def proof_passes(counts: Counts) -> np.ndarray:
    """Return after which reviews the proof allows promotion, (runs, reviews)."""
    return plan(counts) & paired_passes(counts)


def plan(counts: Counts) -> np.ndarray:
    """Return the first requirement alone."""
    needed = np.array([*review_plan(RULE.bound, 1 - RULE.confidence), np.iinfo(np.int32).max])
    return counts.sorted >= needed[counts.errors.clip(max=len(needed) - 1)]


def paired_passes(counts: Counts) -> np.ndarray:
    """Return the same of the second requirement alone: for each pair of counts, from how many reviews on it holds."""
    reviews = counts.sorted.shape[1]
    code = counts.worse.astype(np.int64) * (reviews + 1) + counts.better
    known, place = np.unique(code, return_inverse=True)
    least = np.array([paired_least(*divmod(each, reviews + 1), reviews) for each in known.tolist()])
    return np.arange(1, reviews + 1) >= least[place.reshape(code.shape)]


@cache
def paired_least(worse: int, better: int, reviews: int) -> int:
    """Return after how many reviews so few differences are enough; one more than there are reviews for none."""
    wanted = -math.log(1 - RULE.confidence)
    low, high = 0, reviews + 1
    while low < high:  # evidence only grows while nothing happens
        middle = (low + high) // 2
        enough = middle >= worse + better and paired_evidence(middle, worse, better, RULE.margin) >= wanted
        low, high = (low, middle) if enough else (middle + 1, high)
    return low


def clopper_pearson(counts: Counts) -> np.ndarray:
    """Return the first requirement by a bound for a fixed number."""
    needed = np.array([_least(errors, fixed_enough) for errors in range(int(counts.errors.max()) + 1)])
    return counts.sorted >= needed[counts.errors]


def clopper_pearson_once(counts: Counts) -> np.ndarray:
    """Return the same, looked at once only: when no error, or one, would do."""
    look = _least(1, fixed_enough)
    return clopper_pearson(counts) & (np.diff(counts.sorted >= look, axis=1, prepend=False) > 0)


def mixture(counts: Counts) -> np.ndarray:
    """Return the first requirement by a betting test."""
    needed = np.array([_least(errors, bet_enough) for errors in range(int(counts.errors.max()) + 1)])
    return counts.sorted >= needed[counts.errors]


def fixed_enough(errors: int, devices: int) -> bool:
    """Say whether Clopper and Pearson's bound is low enough."""
    return upper_bound(errors, devices, RULE.confidence) <= RULE.bound


def bet_enough(errors: int, devices: int) -> bool:
    """Say whether a mixture of likelihood ratios over rates below the bound, Jeffreys' prior cut there, is enough."""
    prior = 0.5, 0.5
    after = prior[0] + errors, prior[1] + devices - errors
    worth = betaln(*after) + beta.logcdf(RULE.bound, *after) - betaln(*prior) - beta.logcdf(RULE.bound, *prior)
    worth -= errors * math.log(RULE.bound) + (devices - errors) * math.log1p(-RULE.bound)
    return bool(worth >= -math.log(1 - RULE.confidence))


def _least(errors: int, enough: Callable[[int, int], bool]) -> int:
    low, high = errors, errors + 1
    while not enough(errors, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(errors, middle) else (middle, high)
    return high


def first_pass(passes: np.ndarray) -> np.ndarray:
    """Return after how many reviews each run passes; 0 where it never does."""
    return np.where(passes.any(1), passes.argmax(1) + 1, 0)


def doubtful_first(rng: np.random.Generator, runs: int, reviews: int) -> dict[str, dict[str, float]]:
    """Return how many bad candidates pass by which of the drawn and reviewed devices count.

    Every second review is of a device that looks doubtful, as long as there is one.
    """
    bad = RULE.margin / (1 - ASIDE)
    kinds = {
        # Doubtful is what looks so to the active model; the candidate errs where nothing does.
        "worse than the active model by the margin": Candidate(0.002 + bad, 0.002, 0.0),
        "rate at the bound, in doubtful devices": Candidate(RULE.bound, 0.0, 0.0),
    }
    found: dict[str, dict[str, float]] = {}
    for name, candidate in kinds.items():
        passed = {"all": 0, "asked about as drawn": 0, "in turn": 0}
        for _ in range(runs):
            sorted_ones, worse, better, doubtful = _with_doubtful(rng, candidate, reviews)
            place = np.cumsum(doubtful) - 1
            when = np.where(doubtful, 2 * place, 2 * (np.arange(reviews) - np.cumsum(doubtful)) + 1)
            orders = {
                "all": np.argsort(when, kind="stable"),
                "asked about as drawn": np.flatnonzero(~doubtful),
                "in turn": np.arange(reviews),
            }
            for way, order in orders.items():
                events = (each[order][None] for each in (sorted_ones, worse, worse, better))
                counts = Counts(*(np.cumsum(each, 1, dtype=np.int32) for each in events))
                passed[way] += bool(proof_passes(counts).any())
        found[name] = {way: count / runs for way, count in passed.items()}
        print(f"  doubtful ones first, {name}: {found[name]}", flush=True)
    return found


def _with_doubtful(
    rng: np.random.Generator, candidate: Candidate, devices: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return, in the order of their draws, which devices are sorted, which only one model errs in, and the doubtful."""
    doubtful, sorted_ones = rng.random(devices) < DOUBTFUL, rng.random(devices) >= ASIDE
    drawn = rng.random(devices)
    if candidate.active:
        better = doubtful & (drawn < candidate.active / DOUBTFUL)
        worse = ~doubtful & (drawn < candidate.alone / (1 - DOUBTFUL))
    else:
        better = np.zeros(devices, bool)
        worse = doubtful & (drawn < candidate.alone / DOUBTFUL)
    return sorted_ones, worse & sorted_ones, better & sorted_ones, doubtful


def draw(passed: dict[str, dict[str, np.ndarray]], reviews: int) -> Figure:
    """Return a picture: how many candidates have passed after how many reviews, bad ones and good ones.

    Args:
        passed: by kind, a title and after how many reviews each candidate passed; 0 where it never did.
        reviews: after which one gives up.
    """
    figure = Figure(figsize=(9.0, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    looks = np.unique(np.geomspace(100, reviews, 200).astype(int))
    colours = {"bad": (ACCENT, "#62a0ca", "#b5cfe3", INK, SERIES[0]), "good": (*SERIES, INK, "#8e5ea2", "#b58900")}
    for axes, kind in ((left, "bad"), (right, "good")):
        for (title, at), colour in zip(passed[kind].items(), colours[kind], strict=False):
            shares = [((at > 0) & (at <= look)).mean() for look in looks]
            axes.plot(looks, shares, color=colour, label=title, drawstyle="steps-post")
        axes.set(xscale="log", xlabel="reviews of devices drawn at random")
        plain(axes)
        axes.legend(frameon=False, fontsize=8, loc="upper left")
    left.axhline(1 - RULE.confidence, color=FAINT, linestyle=":")
    left.text(100, 1.06 * (1 - RULE.confidence), "stated: 5 %", color=FAINT, fontsize=8)
    left.set(ylabel="passed so far", ylim=(0, 0.3), title="Candidates that are too bad")
    right.set(ylim=(0, 1.02), title="Good candidates")
    return figure


def agrees(counts: Counts, outcomes: np.ndarray, passes: np.ndarray) -> bool:
    """Say whether the proof itself says the same, about the moment that it first passes and before."""
    for run in range(5):
        at = int(first_pass(passes[run : run + 1])[0]) or passes.shape[1]
        for reviews in {at, at - 1, max(at // 2, 1)}:
            pairs = [ReviewedPair("A", OUTCOMES[a], OUTCOMES[c]) for a, c in outcomes[run, :reviews].tolist()]
            if Proof.of(pairs, RULE).passes != bool(passes[run, reviews - 1]):
                return False
    return bool(counts.sorted.size)


def main() -> None:
    """Simulate promotions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="200 promotions of each kind, 2,000 reviews")
    parser.add_argument("--runs", type=int, help="promotions of each kind")
    parser.add_argument("--reviews", type=int, help="after which one gives up")
    parser.add_argument("--picture", type=Path, help="draw how many have passed after how many reviews")
    given = parser.parse_args()
    runs, reviews = given.runs or (200 if given.quick else 1000), given.reviews or (2000 if given.quick else 10_000)
    rng = np.random.default_rng(0)
    found: dict[str, dict[str, dict[str, float | None]]] = {"bad": {}, "good": {}}
    drawn: dict[str, dict[str, np.ndarray]] = {"bad": {}, "good": {}}
    print(f"{runs} promotions of each, a look after each of {reviews} reviews; rule {RULE.model_dump()}")
    for kind, candidates in (("bad", BAD), ("good", GOOD)):
        for name, candidate in candidates.items():
            counts, outcomes = simulate(rng, candidate, runs, reviews)
            passes = proof_passes(counts)
            if not agrees(counts, outcomes, passes):
                raise SystemExit("The simulated promotions and the proof disagree.")
            at = drawn[kind][name] = first_pass(passes)
            row: dict[str, float | None] = {"passed": float((at > 0).mean())}
            if kind == "bad":
                if name == "rate at the bound":
                    drawn[kind]["… by Clopper and Pearson at each look"] = first_pass(clopper_pearson(counts))
                for other in (plan, clopper_pearson, clopper_pearson_once, mixture):
                    row[f"rate alone: {other.__name__}"] = float(other(counts).any(1).mean())
            else:
                row |= _quantiles(at, "")
                row |= _quantiles(first_pass(plan(counts)), "rate alone: ")
                row |= _quantiles(first_pass(mixture(counts)), "rate alone: mixture ")
            found[kind][name] = row
            print(f"  {name}: {row}", flush=True)
    chosen = doubtful_first(rng, runs, reviews)
    if given.picture:
        draw(drawn, reviews).savefig(given.picture, dpi=120)
    settings = {"runs": runs, "reviews": reviews, "rule": RULE.model_dump()}
    print(json.dumps({**settings, **found, "doubtful_first": chosen}))


def _quantiles(at: np.ndarray, prefix: str) -> dict[str, float | None]:
    """Return after how many reviews half and nine tenths have passed; None where they do not."""
    late = np.sort(np.where(at > 0, at, np.iinfo(np.int64).max))
    places = {"half": math.ceil(0.5 * len(at)) - 1, "90 %": math.ceil(0.9 * len(at)) - 1}
    return {
        f"{prefix}{name}": int(late[place]) if late[place] < np.iinfo(np.int64).max else None
        for name, place in places.items()
    }


if __name__ == "__main__":
    main()

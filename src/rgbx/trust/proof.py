"""Promotion by proof: whether reviewed devices show that a candidate may take the active model's place.

People look at the proof after each review, and press the button at the first moment that it lets them. A bound for a
fixed number of devices, such as Clopper and Pearson's, is wrong in this use: with a look after every review it passes
candidates that are exactly as bad as allowed several times as often as stated. So intervals for a fixed number are here
for showing only, and the decision rests on two tests that hold at every look:

**Rate of false sorts** (:func:`review_plan`). The doubt, 1 − confidence, is spent on ways to pass: half of it on
passing without an error, a sixth on passing with one, 1 / ((k + 1) (k + 2)) on k errors. This fixes, for each number of
errors, after how many devices it is few enough. A candidate can pass at these numbers only, so looking in between costs
nothing. A betting test (a beta-binomial mixture of likelihood ratios, passing at 1 / doubt by Ville's inequality) is
the same kind of rule, a least number of devices for each number of errors, but spends less than the doubt it is given.
The other way round, the plan is a betting test as well: its wager is the chance, at the bound itself, of yet passing,
divided by the doubt. At a bound of 1 % and 95 %, for candidates with a tenth, a fifth and a third of it, the plan takes
476, 645 and 1,038 devices on average, mixtures 468 to 574, 668 to 756 and 1,115 to 1,164. Without an error it takes
368; a single look planned for 299 would do, but lets no error happen and no one look twice.

**Not worse than the active model** (:func:`paired_evidence`). On the same devices, each false sort of the candidate
alone counts 1 and each of the active model alone −1. Bets that the mean is below the margin are worth at most what was
staked if it is not, whatever the rates of the two, and pass when they are worth 1 / doubt times that.

To pass, both have to hold at once, so the doubt is not shared between them. They say what they say of devices that were
drawn at random. A device drawn that nobody can name is counted against the candidate.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Self

import numpy as np
from scipy import stats

from rgbx.config import Config
from rgbx.names import natural_key
from rgbx.trust.false_sorts import trials_needed, upper_bound
from rgbx.trust.promotion_rule import PromotionRule

MOST_ERRORS = 300
"""With more errors than this no candidate passes."""
_STAKES = np.array([0.05, 0.2, 0.4, 0.6, 0.8, 0.999])
"""Shares of the most that can be staked without losing all at once: small ones for models that often differ."""
_WEIGHTS = np.array([0.1, 0.1, 0.15, 0.2, 0.2, 0.25])
"""How the stake of 1 is split among them."""
_MANY = 10**8
"""Reviews: more are as good as never."""


class Sent(NamedTuple):
    """What a model did with a device."""

    bin: str | None
    """None when it was put aside."""
    right: bool
    """Whether the bin is right for what the device is; no matter where it was put aside or nobody can name it."""


class ReviewedPair(NamedTuple):
    """A device of the random share, as both models sorted it."""

    label: str | None
    """What it is by its reviewers: a class, or another word for what is none. None where that stays open, since it was
    skipped or reviewers disagree. Such devices must not be left out; those that nobody was shown yet are to be."""
    active: Sent
    candidate: Sent


class Rate(Config):
    """A rate and Clopper and Pearson's two-sided interval, for showing: it holds at one look planned beforehand."""

    devices: int
    count: int
    low: float
    high: float

    @classmethod
    def of(cls, count: int, devices: int, confidence: float) -> Self:
        """Return it of ``count`` among ``devices``."""
        tail = 1 - (1 - confidence) / 2
        low = 1 - upper_bound(devices - count, devices, tail) if devices else 0.0
        return cls(devices=devices, count=count, low=low, high=upper_bound(count, devices, tail))


class ModelRates(Config):
    """How one model did."""

    false_sorts: Rate
    """Among the devices that it sorted."""
    aside: Rate
    """Among all."""


class ClassProof(Config):
    """Devices of one class."""

    label: str
    reviews: int
    active: ModelRates
    candidate: ModelRates
    too_few: bool
    """Whether there are too few to say anything of the class: see :attr:`PromotionRule.class_bound`."""


class PairedDifference(Config):
    """How many more devices something happens to with the candidate than with the active model."""

    devices: int
    candidate_only: int
    active_only: int
    low: float
    high: float
    """Ends of a confidence interval of the difference as a share of all devices, each at the rule's confidence, that
    holds at every look."""

    @property
    def share(self) -> float:
        """The difference that was observed; 0 without devices."""
        return (self.candidate_only - self.active_only) / self.devices if self.devices else 0.0


class Requirement(Config):
    """One thing that has to be shown."""

    what: str
    """A sentence."""
    holds: bool
    least: int | None
    """More reviews that it takes if no error comes; None where these alone never do."""
    expected: int | None
    """More reviews that it takes, about, if things go on at the rates observed; None where it then never holds."""


class Proof(Config):
    """What the reviews show."""

    rule: PromotionRule
    reviews: int
    open: int
    """Of these, devices that nobody could name: counted against the candidate where it sorted them."""
    active: ModelRates
    candidate: ModelRates
    """Of these rates the open devices count as wrong for the candidate; for the active model they count as right,
    unless both sent them to the same bin."""
    candidate_at_most: float
    """Upper bound of the candidate's rate of false sorts at the rule's confidence, that holds at every look."""
    false_sorts: PairedDifference
    aside: PairedDifference
    requirements: tuple[Requirement, ...]
    classes: tuple[ClassProof, ...]
    """By name; without the open devices."""

    @classmethod
    def of(cls, reviews: Iterable[ReviewedPair], rule: PromotionRule) -> Self:
        """Reckon what reviews show.

        Args:
            reviews: of devices drawn at random and shown to reviewers, all of them, in any order.
            rule: what has to be shown.
        """
        pairs = list(reviews)
        counts = np.array([_counted(pair) for pair in pairs], dtype=np.int64).reshape(-1, 4)
        active, candidate = (_rates(counts[:, place : place + 2], rule) for place in (0, 2))
        false_sorts, aside = (_difference(counts[:, [place, place + 2]], rule) for place in (0, 1))
        requirements = [_rate_requirement(candidate.false_sorts, rule), _paired_requirement(false_sorts, rule)]
        if rule.aside_margin is not None:
            requirements.append(_aside_requirement(aside, rule.aside_margin, rule))
        return cls(
            rule=rule,
            reviews=len(pairs),
            open=sum(pair.label is None for pair in pairs),
            active=active,
            candidate=candidate,
            candidate_at_most=rate_at_most(
                candidate.false_sorts.count, candidate.false_sorts.devices, 1 - rule.confidence
            ),
            false_sorts=false_sorts,
            aside=aside,
            requirements=tuple(requirements),
            classes=_by_class([pair.label for pair in pairs], counts, rule),
        )

    @property
    def passes(self) -> bool:
        """Whether the candidate may be promoted."""
        return all(each.holds for each in self.requirements)

    @property
    def least(self) -> int | None:
        """How many more reviews it takes if no error comes; None where these alone never do."""
        return _latest(each.least for each in self.requirements)

    @property
    def expected(self) -> int | None:
        """How many more reviews it takes, about, at the rates observed; None where it then never passes."""
        return _latest(each.expected for each in self.requirements)

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Classes with too few reviews to say anything."""
        return tuple(each.label for each in self.classes if each.too_few)


@lru_cache(maxsize=256)
def review_plan(bound: float, doubt: float, errors: int = MOST_ERRORS) -> tuple[int, ...]:
    """Return after how many sorted devices 0, 1, 2 … errors are few enough, so many looks as there may be.

    A model whose rate of errors is ``bound`` or more ever passes with a probability of ``doubt`` at most.

    Args:
        bound: of the rate, above 0 and below 1.
        doubt: above 0 and below 1.
        errors: the most to plan for.
    """
    left = np.zeros(errors + 1)  # probability, at the bound, of so many errors without having passed
    left[0] = 1.0
    plan: list[int] = []
    for allowed in range(errors + 1):
        share = doubt / ((allowed + 1) * (allowed + 2))
        more = max(math.ceil(math.log(share / left[allowed]) / math.log1p(-bound)), 0) if left[allowed] > share else 0
        if more:
            left = np.convolve(left, stats.binom.pmf(np.arange(errors + 1), more, bound))[: errors + 1]
        plan.append(plan[-1] + more if plan else more)
        left[: allowed + 1] = 0.0
    return tuple(plan)


def rate_at_most(errors: int, devices: int, doubt: float) -> float:
    """Return the least bound that :func:`review_plan` lets so many errors among so many devices pass by; 1 for none."""
    low, high = 0.0, 1.0
    while high - low > 1e-4 * high and high > 1e-9:
        middle = (low + high) / 2
        few_enough = errors <= MOST_ERRORS and devices >= review_plan(middle, doubt, errors)[errors]
        low, high = (low, middle) if few_enough else (middle, high)
    return high


def paired_evidence(devices: float, worse: float, better: float, margin: float) -> float:
    """Return the logarithm of what bets are worth that a mean difference is below a margin, for a stake of 1.

    Args:
        devices: that both models were tried on.
        worse: of these, how many differ by 1, to the candidate's disadvantage.
        better: how many differ by −1.
        margin: above −1 and below 1.
    """
    stakes = _STAKES / (1 - margin)
    logs = (
        worse * np.log1p(-_STAKES)
        + better * np.log1p(stakes * (1 + margin))
        + (devices - worse - better) * np.log1p(stakes * margin)
    )
    return float(np.logaddexp.reduce(logs + np.log(_WEIGHTS)))


def _counted(pair: ReviewedPair) -> tuple[bool, bool, bool, bool]:
    """Return whether a device was sorted wrongly and was put aside, by the active model and by the candidate."""
    label, active, candidate = pair
    wrong = [each.bin is not None and not each.right for each in (active, candidate)]
    if label is None:
        wrong = [active.bin is not None and active.bin == candidate.bin, candidate.bin is not None]
    return wrong[0], active.bin is None, wrong[1], candidate.bin is None


def _rates(wrong_aside: np.ndarray, rule: PromotionRule) -> ModelRates:
    wrong, aside = (int(each) for each in wrong_aside.sum(0))
    return ModelRates(
        false_sorts=Rate.of(wrong, len(wrong_aside) - aside, rule.confidence),
        aside=Rate.of(aside, len(wrong_aside), rule.confidence),
    )


def _difference(active_candidate: np.ndarray, rule: PromotionRule) -> PairedDifference:
    change = active_candidate[:, 1] - active_candidate[:, 0]
    devices, worse, better = len(change), int((change > 0).sum()), int((change < 0).sum())
    doubt = 1 - rule.confidence
    return PairedDifference(
        devices=devices,
        candidate_only=worse,
        active_only=better,
        low=-_difference_at_most(devices, better, worse, doubt),
        high=_difference_at_most(devices, worse, better, doubt),
    )


def _difference_at_most(devices: int, worse: int, better: int, doubt: float) -> float:
    low, high = -1.0, 1.0
    while high - low > 1e-5:
        middle = (low + high) / 2
        shown = paired_evidence(devices, worse, better, middle) >= -math.log(doubt)
        low, high = (low, middle) if shown else (middle, high)
    return high


def _rate_requirement(rate: Rate, rule: PromotionRule) -> Requirement:
    plan = review_plan(rule.bound, 1 - rule.confidence)
    errors, devices = rate.count, rate.devices
    needed = plan[errors] if errors < len(plan) else None
    expected = None
    for allowed in range(errors, len(plan)):
        at = max(plan[allowed], devices)
        if not errors or errors * at <= (allowed + 0.5) * devices:
            expected = at - devices
            break
    return Requirement(
        what=f"At most {rule.bound:.2%} of the devices that the candidate sorts go to a wrong bin.",
        holds=needed is not None and devices >= needed,
        least=None if needed is None else max(needed - devices, 0),
        expected=expected,
    )


def _paired_requirement(difference: PairedDifference, rule: PromotionRule) -> Requirement:
    more = f"at most {rule.margin:.2%} of all devices more than" if rule.margin else "fewer than"
    return _not_worse(f"The candidate sorts wrongly {more} the active model.", difference, rule.margin, rule)


def _aside_requirement(difference: PairedDifference, margin: float, rule: PromotionRule) -> Requirement:
    what = f"The candidate puts aside at most {margin:.2%} of all devices more than the active model."
    return _not_worse(what, difference, margin, rule)


def _not_worse(what: str, difference: PairedDifference, margin: float, rule: PromotionRule) -> Requirement:
    devices, worse, better = difference.devices, difference.candidate_only, difference.active_only
    wanted = -math.log(1 - rule.confidence)

    def without_error(more: int) -> bool:
        return paired_evidence(devices + more, worse, better, margin) >= wanted

    def as_observed(more: int) -> bool:
        longer = (devices + more) / devices if devices else 1.0
        return paired_evidence(devices + more, worse * longer, better * longer, margin) >= wanted

    return Requirement(what=what, holds=without_error(0), least=_first(without_error), expected=_first(as_observed))


def _first(holds: Callable[[int], bool]) -> int | None:
    """Return the least number of reviews at which something holds that stays so; None where that is too many."""
    high = 0
    while not holds(high):
        high = 2 * high + 1
        if high > _MANY:
            return None
    low = (high - 1) // 2 if high else 0
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return high


def _latest(numbers: Iterable[int | None]) -> int | None:
    found = list(numbers)
    return None if None in found else max(each for each in found if each is not None)


def _by_class(labels: Sequence[str | None], counts: np.ndarray, rule: PromotionRule) -> tuple[ClassProof, ...]:
    needed = trials_needed(rule.class_bound, rule.confidence)
    named = np.array([label or "" for label in labels], dtype=object)
    found = []
    for label in sorted({label for label in labels if label is not None}, key=natural_key):
        own = counts[named == label]
        active, candidate = (_rates(own[:, place : place + 2], rule) for place in (0, 2))
        found.append(
            ClassProof(
                label=label,
                reviews=len(own),
                active=active,
                candidate=candidate,
                too_few=candidate.false_sorts.devices < needed,
            )
        )
    return tuple(found)

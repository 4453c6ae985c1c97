"""Promotion by proof: what reviews have to show, and that looking often passes no bad candidate."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from rgbx.trust.proof import PromotionRule, Proof, ReviewedPair, Sent, paired_evidence, rate_at_most, review_plan

RIGHT, WRONG, ASIDE = Sent("shredder", True), Sent("manual", False), Sent(None, False)
RULE = PromotionRule(bound=0.02, margin=0.01)


def _pairs(*parts: tuple[int, Sent, Sent], label: str | None = "SP1") -> list[ReviewedPair]:
    return [ReviewedPair(label, active, candidate) for count, active, candidate in parts for _ in range(count)]


@pytest.mark.parametrize(("bound", "least"), [(0.002, 0.046), (0.01, 0.045), (0.1, 0.035), (0.5, 0.015)])
def test_a_plan_spends_its_doubt_and_no_more(bound, least):
    """The chance to pass at the bound, reckoned by another way: all counts of errors after each device."""
    plan, errors = review_plan(bound, 0.05), 40
    left, passed, done = np.zeros(errors + 2), 0.0, 0
    left[0] = 1.0
    for allowed in range(errors + 1):
        step = plan[allowed] - done
        if step:
            left = np.convolve(left, stats.binom.pmf(np.arange(errors + 2), step, bound))[: errors + 2]
        done = plan[allowed]
        passed += left[: allowed + 1].sum()
        left[: allowed + 1] = 0.0
    assert least < passed <= 0.05


def test_looking_after_every_review_passes_no_more_than_stated():
    """Candidates exactly as bad as the bound; a fixed bound of Clopper and Pearson fails at the same task."""
    rng, bound, runs, reviews = np.random.default_rng(1), 0.05, 1000, 3000
    errors = np.cumsum(rng.random((runs, reviews)) < bound, axis=1)
    seen = np.arange(1, reviews + 1)
    plan = np.array(review_plan(bound, 0.05))
    passed = (seen >= plan[errors.clip(max=len(plan) - 1)]).any(1).mean()
    most = [stats.binom.ppf(0.05, n, bound) - 1 for n in seen]  # most errors that Clopper and Pearson let pass
    fixed = (errors <= np.array(most)).any(1).mean()
    assert passed <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert fixed > 0.12


@pytest.mark.parametrize(("worse", "better"), [(0.02, 0.01), (0.06, 0.05), (0.01, 0.0)])
def test_paired_bets_pass_no_more_than_stated(worse, better):
    """Candidates exactly the margin worse than the active model, whatever the rates."""
    rng, runs, reviews = np.random.default_rng(2), 400, 1500
    drawn = rng.random((runs, reviews))
    lost, won = np.cumsum(drawn < worse, 1), np.cumsum((drawn >= worse) & (drawn < worse + better), 1)
    passed = 0
    for run in range(runs):
        changes = np.flatnonzero(np.diff(lost[run] + won[run], append=-1))  # evidence grows until something happens
        passed += any(paired_evidence(n + 1, lost[run, n], won[run, n], 0.01) >= math.log(20) for n in changes.tolist())
    assert passed / runs <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


@given(st.floats(-0.5, 0.9), st.floats(0, 1))
def test_paired_bets_are_fair_at_the_margin(margin, share):
    """Their mean over one device is the stake, for every pair of rates whose difference is the margin."""
    better = share * (1 - abs(margin)) / 2 + max(-margin, 0.0)
    worse = better + margin
    outcomes = {(1, 0): worse, (0, 1): better, (0, 0): 1 - worse - better}
    mean = sum(chance * math.exp(paired_evidence(1, *each, margin)) for each, chance in outcomes.items())
    assert mean == pytest.approx(1.0)


@given(st.integers(0, 30), st.integers(1, 2000), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=30, deadline=None)
def test_the_bound_that_is_shown_is_the_one_that_is_decided_by(errors, devices, bound):
    errors = min(errors, devices)
    shown = rate_at_most(errors, devices, 0.05)
    assert shown >= min((errors + 1) / (devices + 1), 1.0) * 0.9
    if abs(shown - bound) > 1e-3 * bound:
        assert (shown < bound) == (devices >= review_plan(bound, 0.05)[errors])


@given(st.integers(0, 600), st.integers(0, 4), st.integers(0, 4), st.integers(0, 60))
@settings(max_examples=40, deadline=None)
def test_errors_never_help(right, worse, both_wrong, aside):
    """One more false sort of the candidate in place of a right one makes nothing easier; nor one less of the active."""

    def proof(right: int, worse: int, both: int) -> Proof:
        parts = (right, RIGHT, RIGHT), (worse, RIGHT, WRONG), (both, WRONG, WRONG), (aside, RIGHT, ASIDE)
        return Proof.of(_pairs(*parts), RULE)

    base = proof(right + 1, worse, both_wrong)
    for harder in (proof(right, worse + 1, both_wrong), proof(right + 1, worse + both_wrong, 0)):
        assert base.passes or not harder.passes
        assert harder.candidate_at_most >= base.candidate_at_most
        assert harder.false_sorts.high >= base.false_sorts.high
        assert harder.least is None or base.least <= harder.least


def test_how_many_more_reviews_it_takes():
    """What is said to be the least is the least, one by one."""
    shown = _pairs((150, RIGHT, RIGHT), (1, RIGHT, WRONG))
    proof = Proof.of(shown, RULE)
    assert not proof.passes
    assert not Proof.of(shown + _pairs((proof.least - 1, RIGHT, RIGHT)), RULE).passes
    assert Proof.of(shown + _pairs((proof.least, RIGHT, RIGHT)), RULE).passes
    assert Proof.of(shown + _pairs((proof.least, RIGHT, RIGHT)), RULE).least == 0
    assert proof.expected >= proof.least
    assert [each.holds for each in Proof.of([], RULE).requirements] == [False, False]
    assert Proof.of([], RULE).least == max(review_plan(0.02, 0.05)[0], Proof.of([], RULE).requirements[1].least)


def test_expected_reviews_are_those_it_takes_at_the_rates_seen():
    shown = [(98, RIGHT, RIGHT), (1, RIGHT, WRONG), (1, WRONG, RIGHT)]
    rule = PromotionRule(bound=0.05, margin=0.02)
    expected = Proof.of(_pairs(*shown), rule).expected
    longer = 1 + expected / 100
    more = _pairs(*((round(count * longer), *sent) for count, *sent in shown))
    fewer = _pairs(*((round(count * longer * 0.7), *sent) for count, *sent in shown))
    assert Proof.of(more, rule).passes
    assert not Proof.of(fewer, rule).passes


def test_a_bad_candidate_is_told_that_it_never_passes():
    proof = Proof.of(_pairs((180, RIGHT, RIGHT), (20, RIGHT, WRONG)), RULE)
    assert proof.expected is None
    assert proof.least > 1000
    assert Proof.of(_pairs((5000, RIGHT, RIGHT), (400, WRONG, WRONG)), RULE).least is None


def test_without_a_margin_the_candidate_has_to_be_better():
    rule = PromotionRule(bound=0.02, margin=0.0)
    same = Proof.of(_pairs((3000, RIGHT, RIGHT)), rule)
    assert [each.holds for each in same.requirements] == [True, False]
    assert same.least is None
    assert Proof.of(_pairs((3000, RIGHT, RIGHT), (20, WRONG, RIGHT)), rule).passes


def test_aside_is_no_false_sort_and_is_counted():
    proof = Proof.of(_pairs((600, RIGHT, RIGHT), (200, RIGHT, ASIDE), (100, ASIDE, RIGHT)), RULE)
    assert proof.candidate.false_sorts.count == 0
    assert proof.candidate.false_sorts.devices == 700
    assert (proof.candidate.aside.count, proof.active.aside.count) == (200, 100)
    assert proof.aside.share == pytest.approx(100 / 900)
    assert proof.aside.low < proof.aside.share < proof.aside.high
    assert proof.passes
    assert not Proof.of(_pairs((600, RIGHT, RIGHT), (200, RIGHT, ASIDE)), RULE.updated({"aside_margin": 0.1})).passes
    assert Proof.of(_pairs((900, RIGHT, RIGHT), (10, RIGHT, ASIDE)), RULE.updated({"aside_margin": 0.1})).passes


def test_what_nobody_can_name_counts_against_the_candidate():
    other = Sent("manual", True)
    named = _pairs((300, RIGHT, RIGHT))
    apart = Proof.of(named + _pairs((3, RIGHT, other), label=None), RULE)
    assert (apart.open, apart.candidate.false_sorts.count, apart.active.false_sorts.count) == (3, 3, 0)
    assert (apart.false_sorts.candidate_only, apart.false_sorts.active_only) == (3, 0)
    together = Proof.of(named + _pairs((3, RIGHT, RIGHT), label=None), RULE)
    assert (together.candidate.false_sorts.count, together.false_sorts.candidate_only) == (3, 0)
    put_aside = Proof.of(named + _pairs((3, RIGHT, ASIDE), label=None), RULE)
    assert (put_aside.candidate.false_sorts.count, put_aside.false_sorts.candidate_only) == (0, 0)
    assert [each.label for each in apart.classes] == ["SP1"]


def test_classes_apart():
    reviews = _pairs((40, RIGHT, RIGHT), (1, RIGHT, WRONG), label="SP10") + _pairs((28, RIGHT, RIGHT), label="SP2")
    proof = Proof.of(reviews, RULE)
    assert [each.label for each in proof.classes] == ["SP2", "SP10"]
    assert proof.unsaid == ("SP2",)  # 29 without an error show 10 %
    interval = stats.binomtest(1, 41).proportion_ci(0.95, method="exact")
    shown = proof.classes[1].candidate.false_sorts
    assert (shown.low, shown.high) == pytest.approx((interval.low, interval.high))


@given(st.permutations(_pairs((3, RIGHT, WRONG), (5, WRONG, RIGHT), (9, RIGHT, RIGHT), (2, ASIDE, RIGHT))))
@settings(max_examples=10, deadline=None)
def test_the_order_does_not_matter_and_a_proof_can_be_kept(reviews):
    proof = Proof.of(reviews, RULE)
    assert proof == Proof.of(sorted(reviews, key=str), RULE)
    assert Proof.model_validate_json(proof.model_dump_json()) == proof

"""Purity and recall say no more than the devices that were drawn and reviewed do."""

from datetime import UTC, datetime

import numpy as np
import pytest
from scipy import stats

from rgbx_line.report.audit_rates import AuditedRates, audited_rates
from rgbx_line.review.audited import AuditedDevice, ModelAnswer
from rgbx_line.review.standing import ReviewState

BINS = {"SP1": "phones", "SP2": "phones", "SP3": "tablets"}


def is_right(_model: int, bin_name: str, label: str) -> bool:
    return BINS.get(label) == bin_name


def device(bin_name: str | None, label: str | None, drawn: bool = True) -> AuditedDevice:
    """A device that went somewhere, and what people say it is."""
    return AuditedDevice(
        number=1,
        part="P",
        time=datetime(2026, 3, 1, tzinfo=UTC),
        drawn=drawn,
        state=ReviewState.OPEN if label is None else ReviewState.SETTLED,
        label=label,
        images=True,
        active=ModelAnswer(1, label, bin_name, None if bin_name else "low confidence"),
        candidates={},
    )


def rates(*devices: AuditedDevice) -> AuditedRates:
    return audited_rates(devices, 0.01, is_right, ["phones", "tablets"], ["SP1", "SP2", "SP3"])


def exact(good: int, trials: int) -> tuple[float, float]:
    """Clopper and Pearson's interval, by another hand."""
    interval = stats.binomtest(good, trials).proportion_ci(0.95, method="exact")
    return interval.low, interval.high


def test_purity_and_recall_are_those_of_the_drawn_devices():
    found = rates(
        *[device("phones", "SP1")] * 18,
        *[device("phones", "SP3")] * 2,  # in the wrong bin
        *[device("tablets", "SP3")] * 7,
        *[device(None, "SP3")] * 3,  # put aside: pure, but not found
        *[device("phones", "SP3", drawn=False)] * 50,  # were looked at since they seemed doubtful
    )
    phones, tablets = (each.share for each in found.bins)
    assert (phones.good, phones.bad, phones.value) == (18, 2, 0.9)
    assert (phones.low, phones.high) == pytest.approx(exact(18, 20))
    assert (tablets.value, tablets.high) == (1.0, 1.0)
    by_class = {each.label: each.share for each in found.classes}
    assert by_class["SP3"].value == 7 / 12
    assert (by_class["SP3"].low, by_class["SP3"].high) == pytest.approx(exact(7, 12))
    assert by_class["SP1"].value == 1.0
    assert found.all_bins.value == 25 / 27
    assert (found.drawn, found.reviewed, found.chosen, found.chosen_wrong) == (30, 30, 50, 50)


def test_what_nobody_audited_has_no_number():
    found = rates(*[device("phones", "SP1", drawn=False)] * 30, *[device("phones", None)] * 4)
    assert found.all_bins.value is None
    assert [each.share.value for each in found.bins] == [None, None]
    assert [each.share.value for each in found.classes] == [None] * 3
    assert (found.drawn, found.reviewed) == (4, 0)
    assert found.bins[0].share.open == 4


def test_open_devices_count_against_the_lower_end_and_for_the_upper_one():
    known = [device("phones", "SP1")] * 40 + [device("phones", "SP3")]
    phones = rates(*known, *[device("phones", None)] * 9).bins[0].share
    assert (phones.value, phones.open) == (40 / 41, 9)
    assert phones.low == pytest.approx(exact(40, 50)[0])
    assert phones.high == pytest.approx(exact(49, 50)[1])
    recall = {each.label: each.share for each in rates(*known, *[device(None, None)] * 9).classes}
    assert recall["SP1"].low == pytest.approx(exact(40, 49)[0])
    assert recall["SP1"].high == 1.0


def test_devices_of_no_known_class_should_go_aside():
    found = rates(*[device(None, "unknown")] * 3, device("phones", "unknown"))
    assert found.classes[-1].label == "unknown"
    assert found.classes[-1].share.value == 0.75
    assert found.bins[0].share.bad == 1


def test_the_intervals_hold_what_they_promise():
    """In 400 audits of a line with known truth, half of each left open at random, the truth is outside in under 5 %."""
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(400):
        right = rng.random(120) < 0.93
        known = rng.random(120) < 0.8
        devices = [device("phones", ("SP1" if r else "SP3") if k else None) for r, k in zip(right, known, strict=True)]
        share = rates(*devices).bins[0].share
        missed += not share.low <= 0.93 <= share.high
    assert missed <= 20

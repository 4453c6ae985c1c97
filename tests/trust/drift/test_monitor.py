"""The drift alarm on made-up signals of scores."""

import json
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx.trust import calibration
from rgbx.trust.calibration import Calibrated
from rgbx.trust.drift.config import DriftConfig
from rgbx.trust.drift.monitor import DriftMonitor, DriftState, Scored
from rgbx.trust.fit import FusedResponses, Responses, fit_calibration
from rgbx.trust.ood import Shown
from rgbx.trust.sorting import Sorting, TrustConfig

CLASSES = tuple("ABCDEFGH")
CONFIG = DriftConfig(devices_a_day=100, tolerance=1.0, looks=False)
SPREAD = np.linspace(0.5, 2.0, len(CLASSES))


def _calibrated(images: int = 40, labelled: bool = True) -> Calibrated:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(len(CLASSES)), images)
    scores = rng.gamma(2, 1, (2, len(labels))) * SPREAD[labels]
    known = {"rgb": scores[0], "xray": scores[1], "rgbx": scores.max(0)}
    return Calibrated(
        TrustConfig(),
        Sorting.of(CLASSES, None, None),
        {},
        {},
        known,
        known_labels=dict.fromkeys(known, labels) if labelled else MappingProxyType({}),
    )


def _device(rng, rgb: float = 1.0, xray: float = 1.0, label: int | None = None) -> dict[str, Scored]:
    place = int(rng.integers(len(CLASSES))) if label is None else label
    name = CLASSES[place]
    photo, radiograph = (rng.gamma(2, 1, 2) * SPREAD[place] * (rgb, xray)).tolist()
    return {"rgb": Scored(name, photo), "xray": Scored(name, radiograph), "rgbx": Scored(name, max(photo, radiograph))}


def _monitor(config: DriftConfig = CONFIG, **calibrated: object) -> DriftMonitor:
    return DriftMonitor.begin(config, _calibrated(**calibrated), CLASSES, "weights")


def _run(monitor: DriftMonitor, rng, count: int, **fault: float) -> int | None:
    """Feed devices; return after how many an alarm sounds."""
    for done in range(1, count + 1):
        if monitor.observe(monitor.last + 1, _device(rng, **fault)):
            return done
    return None


@pytest.mark.parametrize("reference", ["calibration", "line"])
def test_false_alarms_are_as_few_as_promised(reference):
    """One in 100 devices of all three signals, in a mix of classes that comes in lots."""
    rng = np.random.default_rng(1)
    config = CONFIG.updated({"devices_a_day": 1, "false_alarms_a_year": 3.65, "reference": reference})
    monitor, alarms, devices = _monitor(config), 0, 10_000
    for number in range(1, devices + 1):
        for alarm in monitor.observe(number, _device(rng, label=number // 50 % len(CLASSES))):
            monitor.acknowledge(alarm.signal, anew=False)
            alarms += 1
    promised = devices / 100
    assert 0.15 * promised < alarms <= promised


@pytest.mark.parametrize(
    ("fault", "channel", "cause"),
    [
        ({"rgb": 2.5}, "rgb", "camera"),
        ({"xray": 2.5}, "xray", "X-ray tube or detector"),
    ],
)
def test_a_broken_machine_is_named(fault, channel, cause):
    rng, monitor = np.random.default_rng(2), _monitor()
    assert _run(monitor, rng, 500) is None
    assert _run(monitor, rng, 100, **fault) is not None
    for _ in range(60):
        monitor.observe(monitor.last + 1, _device(rng, **fault))
    alarms = {alarm.signal: alarm for alarm in monitor.alarms()}
    assert {channel} <= set(alarms) <= {channel, "rgbx"}
    assert {alarm.cause for alarm in alarms.values()} == {cause}
    assert 480 < alarms[channel].since <= 510
    assert monitor.level(channel) == 1


def test_a_new_class_is_no_broken_machine():
    """One device in ten is of a class that is taken for A or B."""
    rng, monitor = np.random.default_rng(3), _monitor()
    _run(monitor, rng, 500)
    for number in range(500):
        new = {"rgb": 8.0, "xray": 8.0, "label": number // 10 % 2} if number % 10 == 0 else {}
        monitor.observe(monitor.last + 1, _device(rng, **new))
    assert {alarm.cause for alarm in monitor.alarms()} == {"new devices"}
    assert {alarm.signal for alarm in monitor.alarms()} >= {"rgb", "xray"}
    alarm = monitor.alarms()[0]
    assert alarm.strange == sum(strange for _, strange in alarm.by_class.values())
    assert max(alarm.by_class, key=lambda name: alarm.by_class[name][1]) in "AB"


@pytest.mark.parametrize("side", [1, -1])
def test_the_look_of_images_is_watched_on_both_sides(side):
    """A look drifts up, or down; a new bundle's alarm knows no look before."""
    rng, monitor = np.random.default_rng(12), _monitor(DriftConfig(devices_a_day=100))
    assert len(monitor.signals) == 13
    for number in range(1, 701):
        look = Scored(CLASSES[number % 8], rng.normal(0.0 if number <= 500 else 4.0 * side, 1))
        monitor.observe(number, {**_device(rng), "rgb warmth": look, "xray noise": Scored("A", rng.normal())})
        if number == 500:
            assert not monitor.alarms()
            assert 0 <= monitor.level("rgb warmth") < 1
    (alarm,) = monitor.alarms()
    assert (alarm.signal, alarm.cause) == ("rgb warmth", "camera")
    assert 500 < alarm.number < 560


def test_a_tolerance_lets_the_mix_of_devices_change():
    """Half of the devices taken for a class come to be the stranger half; with a tolerance of 2 that is no drift."""

    def alarms(tolerance: float) -> int:
        rng, count = np.random.default_rng(13), 0
        monitor = _monitor(CONFIG.updated({"tolerance": tolerance, "devices_a_day": 1, "reference": "line"}))
        for number in range(1, 6001):
            strange = rng.random() < (0.1 if number <= 3000 else 0.19)
            sounded = monitor.observe(number, {"rgb": Scored("A", rng.normal(5.0 if strange else 0.0, 1))})
            count += len(sounded)
            for alarm in sounded:
                monitor.acknowledge(alarm.signal, anew=False)
        return count

    assert alarms(1.0) > 0
    assert alarms(2.0) == 0


def test_what_is_strange_only_together_is_a_new_device():
    rng, monitor = np.random.default_rng(4), _monitor()
    for number in range(1, 200):
        seen = _device(rng)
        monitor.observe(number, {**seen, "rgbx": Scored(seen["rgbx"].label, seen["rgbx"].score * 5)})
    assert [(alarm.signal, alarm.cause) for alarm in monitor.alarms()] == [("rgbx", "new devices")]


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 400), st.booleans())
def test_it_goes_on_after_a_restart_as_if_there_had_been_none(at, anew):
    """Through JSON at any device, alarms and all."""

    def watched(restart: int | None) -> tuple[list, str]:
        rng, monitor, seen = np.random.default_rng(5), _monitor(), []
        for number in range(1, 402):
            if number == restart:
                monitor = DriftMonitor(DriftState.model_validate_json(monitor.state().model_dump_json()))
            seen += monitor.observe(number, _device(rng, xray=1.0 if number < 200 else 2.0))
            if number == 350 and monitor.alarms():
                monitor.acknowledge(monitor.alarms()[0].signal, anew)
        return seen, monitor.state().model_dump_json()

    assert watched(at) == watched(None)


def test_the_log_may_be_read_again():
    rng, monitor = np.random.default_rng(6), _monitor()
    devices = [_device(rng) for _ in range(50)]
    for _ in range(2):
        for number, device in enumerate(devices, start=1):
            monitor.observe(number, device)
    once = _monitor()
    for number, device in enumerate(devices, start=1):
        once.observe(number, device)
    assert monitor.state() == once.state()


def test_a_fault_is_not_learned_while_its_alarm_stands():
    rng, monitor = np.random.default_rng(7), _monitor()
    _run(monitor, rng, 300)
    assert _run(monitor, rng, 100, xray=4.0) is not None
    _run(monitor, rng, 1000, xray=4.0)
    monitor.acknowledge("xray", anew=False)
    again = _run(monitor, rng, 100, xray=4.0)
    assert again is not None
    monitor.acknowledge("xray", anew=True)
    monitor.acknowledge("rgbx", anew=True)
    assert _run(monitor, rng, 1000, xray=4.0) is None


def test_devices_of_one_image_count_for_its_signal():
    rng, monitor = np.random.default_rng(8), _monitor()
    before = monitor.state().signals
    monitor.observe(1, {"rgb": _device(rng)["rgb"]})
    after = monitor.state().signals
    assert after["rgb"] != before["rgb"]
    assert (after["xray"], after["rgbx"]) == (before["xray"], before["rgbx"])


def test_a_file_keeps_it(tmp_path):
    monitor, path = _monitor(), tmp_path / "drift.json"
    _run(monitor, np.random.default_rng(9), 20)
    monitor.write(path)
    assert DriftMonitor.read(path).state() == monitor.state()
    path.write_text(json.dumps({"kind": "rgbx drift", "format": 9}))
    with pytest.raises(InputError, match="format 9"):
        DriftMonitor.read(path)


def test_where_the_calibration_keeps_no_classes_the_line_makes_the_reference():
    for monitor in (_monitor(labelled=False), _monitor(CONFIG.updated({"reference": "line"}))):
        assert all(not each.references for each in monitor.state().signals.values())
        assert _run(monitor, np.random.default_rng(10), 300) is None
        assert _run(monitor, np.random.default_rng(11), 200, rgb=4.0) is not None
    provisional = DriftMonitor.begin(CONFIG, _calibrated()._replace(provisional=True), CLASSES, "weights")
    assert not provisional.state().signals["rgb"].references
    kept = _monitor().state().signals["rgb"].references
    assert {name: sum(each.counts) for name, each in kept.items()} == dict.fromkeys(CLASSES, 40)


def _responses(seed: int) -> Responses:
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(4), 30)
    features = np.eye(4)[truth] * 3 + rng.normal(0, 0.3, (120, 4))
    units = tuple(f"{label}-{place % 10}" for place, label in enumerate(truth))
    return Responses(features + rng.normal(0, 2, (120, 4)), Shown(features), truth, units)


def test_a_calibration_keeps_the_classes_of_its_scores(tmp_path):
    streams = {"rgb": _responses(0), "xray": _responses(1)}
    pairs = FusedResponses(streams["rgb"].logits + streams["xray"].logits, np.arange(120), np.arange(120))
    config = TrustConfig(ood_score="mahalanobis", false_sorts=0.2)
    fitted = fit_calibration(streams, pairs, Sorting.of(tuple("ABCD"), None, None), config)
    calibration.save_calibration(tmp_path, fitted, "w", {"rgb": "1", "xray": "2"})
    read = calibration.load_calibration(tmp_path, "w")
    for channel, responses in (("rgb", streams["rgb"]), ("xray", streams["xray"]), ("rgbx", pairs)):
        taken_for = responses.logits.argmax(1)
        assert (np.bincount(read.known_labels[channel]) == np.bincount(taken_for)).all()
        assert (np.diff(read.known[channel]) >= 0).all()
    order = np.argsort(fitted.known["rgb"], kind="stable")
    assert (fitted.known_labels["rgb"][order] == read.known_labels["rgb"]).all()
    calibration.save_calibration(tmp_path, fitted._replace(known_labels={}), "w", {"rgb": "1", "xray": "2"})
    assert calibration.load_calibration(tmp_path, "w").known_labels == {}

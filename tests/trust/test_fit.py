"""Calibrating a made-up line whose networks are too sure, and deciding on its devices."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from rgbx.errors import ConfigError, InputError
from rgbx.research.ood import NearestNeighbours
from rgbx.trust import calibration
from rgbx.trust.fit import FusedResponses, Responses, distances_from_others, fit_calibration
from rgbx.trust.judge import Answer, Judge
from rgbx.trust.ood import Shown
from rgbx.trust.sorting import Sorting, TrustConfig

CLASSES = ("A", "B", "C", "D")
CENTRES = {
    modality: np.random.default_rng(place).normal(0, 1, (4, 16)) for place, modality in enumerate(("rgb", "xray"))
}
SHARPNESS, TOO_SURE = 3.0, 4.0


def _responses(modality: str, n: int, seed: int, units: int = 10) -> Responses:
    """Devices whose features lie round their class's centre, and logits that are surer than right."""
    rng = np.random.default_rng((seed, len(modality)))
    truth = np.repeat(np.arange(4), n)
    features = 4 + CENTRES[modality][truth] + rng.normal(0, 0.25, (len(truth), 16))
    logits = (rng.normal(0, 1, (len(truth), 4)) + SHARPNESS * np.eye(4)[truth]) * TOO_SURE
    return Responses(
        logits, Shown(features), truth, tuple(f"{label}-{place % units}" for place, label in enumerate(truth))
    )


def _line(n: int, seed: int) -> tuple[dict, FusedResponses]:
    streams = {modality: _responses(modality, n, seed) for modality in ("rgb", "xray")}
    both = streams["rgb"].logits + streams["xray"].logits
    return streams, FusedResponses(both, np.arange(4 * n), np.arange(4 * n))


SORTING = Sorting.of(CLASSES, None, None)


@pytest.fixture(scope="module")
def judge(tmp_path_factory) -> Judge:
    folder = tmp_path_factory.mktemp("bundle")
    return _judge(folder, TrustConfig(ood_score="mahalanobis", false_sorts=0.02))


def _judge(folder: Path, config: TrustConfig, sorting: Sorting = SORTING) -> Judge:
    streams, pairs = _line(300, 0)
    fitted = fit_calibration(streams, pairs, sorting, config)
    calibration.save_calibration(folder, fitted, "w", {"rgb": "1", "xray": "2"})
    return Judge(CLASSES, calibration.load_calibration(folder, "w"))


def _decide(judge: Judge, streams: dict, place: int, partner: int | None = None):
    partner = place if partner is None else partner
    answers = {
        "rgb": Answer(streams["rgb"].logits[place], streams["rgb"].shown.chosen(slice(place, place + 1))),
        "xray": Answer(streams["xray"].logits[partner], streams["xray"].shown.chosen(slice(partner, partner + 1))),
    }
    return judge.decide("rgbx", answers["rgb"].logits + answers["xray"].logits, answers)


def test_probabilities_become_honest(judge):
    new = _responses("xray", 2000, 5)
    found = np.stack([judge.probabilities("xray", logits) for logits in new.logits])
    right = found.argmax(1) == new.truth
    raw = softmax(new.logits, axis=1)
    assert abs(found.max(1).mean() - right.mean()) < 0.01 < raw.max(1).mean() - right.mean()


def test_most_known_devices_are_sorted_and_few_of_them_wrongly(judge):
    streams, _ = _line(150, 1)
    decisions = [_decide(judge, streams, place) for place in range(600)]
    truth = streams["rgb"].truth
    sorted_to = [(each.bin, CLASSES[label]) for each, label in zip(decisions, truth, strict=True) if each.accepted]
    assert len(sorted_to) > 0.8 * len(decisions)
    assert np.mean([to != label for to, label in sorted_to]) <= 0.02
    assert np.mean([each.reason == "unknown" for each in decisions]) < 0.06
    assert np.mean([CLASSES[label] in each.candidates for each, label in zip(decisions, truth, strict=True)]) > 0.92
    assert all(0 <= each.unknown_score <= 1 for each in decisions)


def test_reasons_are_told_apart(judge):
    streams, _ = _line(50, 2)
    unknown = {
        m: each._replace(shown=Shown(4 + 3 * np.random.default_rng(9).normal(0, 1, each.shown.features.shape)))
        for m, each in streams.items()
    }
    assert {_decide(judge, unknown, place).reason for place in range(20)} == {"unknown"}
    mixed = [_decide(judge, streams, place, (place + 100) % 200) for place in range(200)]
    assert {each.reason for each in mixed} == {"unknown", "modalities disagree"}
    assert not any(each.bin for each in mixed)
    unsure = {m: each._replace(logits=each.logits * 0.02) for m, each in streams.items()}
    assert {_decide(judge, unsure, place).reason for place in range(50)} <= {"low confidence", "unknown"}


@pytest.mark.parametrize("missing", ["rgb", "xray"])
def test_where_no_device_was_found_there_is_no_bin(judge, missing):
    streams, _ = _line(50, 2)
    answers = {
        modality: Answer(each.logits[0], each.shown.chosen(slice(1)), found=modality != missing)
        for modality, each in streams.items()
    }
    decision = judge.decide("rgbx", answers["rgb"].logits + answers["xray"].logits, answers)
    assert (decision.bin, decision.reason) == (None, "no device")


def test_a_class_that_must_not_end_up_in_a_bin(tmp_path):
    """A costly mistake is avoided although it is unlikely."""
    bins = {"A": "shredder", "B": "shredder", "C": "shredder", "D": "battery removal"}
    sorting = Sorting.of(CLASSES, bins, {"D": {"shredder": 1000.0}})
    judge = _judge(tmp_path, TrustConfig(ood_score="energy", false_sorts=0.02), sorting)
    logits = np.log([0.6, 0.2, 0.15, 0.05]) * judge._calibrated.channels["xray"].temperature
    decision = judge.decide("xray", logits, {"xray": Answer(logits, Shown(np.zeros((1, 16))))})
    assert decision.bin != "shredder"
    assert judge.is_right("battery removal", "D") and not judge.is_right("shredder", "D")


def test_too_few_images_are_said_not_to_be_enough():
    streams, pairs = _line(50, 0)
    record = fit_calibration(streams, pairs, SORTING, TrustConfig(ood_score="mahalanobis", false_sorts=0.001)).channels[
        "rgbx"
    ]
    assert not record.supported
    assert record.false_sorts == 0
    assert record.bound > 0.01


def test_distances_are_measured_against_other_units():
    streams, _ = _line(40, 0)
    own = streams["rgb"]
    apart = distances_from_others(own, NearestNeighbours)[np.arange(160), own.truth]
    doubled = own._replace(
        shown=Shown(np.repeat(own.shown.features[::2], 2, axis=0)), units=tuple(np.repeat(own.units[::2], 2))
    )
    again = distances_from_others(doubled, NearestNeighbours)[np.arange(160), own.truth]
    assert again.min() > 0.1 * np.median(apart), "a unit's other view is no neighbour"
    single = own._replace(units=tuple(map(str, own.truth)))
    assert np.isfinite(distances_from_others(single, NearestNeighbours)).all()


def test_damage_and_foreign_weights_are_refused(tmp_path):
    _judge(tmp_path, TrustConfig(ood_score="mahalanobis"))
    assert calibration.load_calibration(tmp_path / "none", "w") is None
    with pytest.raises(InputError, match=r"other weights.*rgbx calibrate"):
        calibration.load_calibration(tmp_path, "v")
    tensors = tmp_path / calibration.TENSORS
    content = tensors.read_bytes()
    tensors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(InputError, match="was changed"):
        calibration.load_calibration(tmp_path, "w")
    tensors.write_bytes(content)
    assert calibration.load_calibration(tmp_path, "w") is not None
    record = (tmp_path / calibration.CALIBRATION).read_text()
    (tmp_path / calibration.CALIBRATION).write_text(record.replace('"false_sorts": 0.001', '"false_sorts": 0.5'))
    with pytest.raises(InputError, match="was changed"):
        calibration.load_calibration(tmp_path, "w")
    (tmp_path / calibration.CALIBRATION).write_text(record.replace('"format": 4', '"format": 2'))
    with pytest.raises(InputError, match=r"has format 2.*rgbx calibrate"):
        calibration.load_calibration(tmp_path, "w")
    (tmp_path / calibration.CALIBRATION).write_text('{"kind": "rgbx calibration"}')
    with pytest.raises(InputError, match="is damaged"):
        calibration.load_calibration(tmp_path, "w")


def test_bins_and_costs_have_to_fit_the_classes():
    with pytest.raises(ConfigError, match="D is missing or unknown"):
        Sorting.of(CLASSES, dict.fromkeys("ABC", "x"), None)
    with pytest.raises(ConfigError, match="no class of the bundle"):
        Sorting.of(CLASSES, None, {"E": {"A": 1}})
    with pytest.raises(ConfigError, match="negative"):
        Sorting.of(CLASSES, None, {"A": {"B": -1}})
    sorting = Sorting.of(CLASSES, {"A": "x", "B": "x", "C": "y", "D": "y"}, {"A": {"y": 7.0, "z": 3.0}})
    assert sorting.bins == ("x", "y", "z")
    np.testing.assert_array_equal(sorting.matrix, [[0, 7, 3], [0, 1, 1], [1, 0, 1], [1, 0, 1]])
    np.testing.assert_array_equal(sorting.right.argmax(1), [0, 0, 1, 1])

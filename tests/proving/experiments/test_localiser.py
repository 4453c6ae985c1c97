"""How well the localiser finds devices in photographs of the line."""

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from rgbx.cli import app
from rgbx.view.find import DeviceRectangle, rectangle_round
from rgbx_proving.experiments.localiser import (
    OF_EACH_KIND,
    LocaliserResult,
    _Case,
    cut,
    held,
    measure_situation,
    overlap,
    side_by_side,
)
from rgbx_proving.units.kinds import DEVICE_KINDS
from tiny_benchmark import TINY, options


def case(turn: float = 20.0) -> _Case:
    corners = cv2.boxPoints(((48.0, 48.0), (20.0, 60.0), turn))
    photograph = np.full((96, 96, 3), 30, np.uint8)
    cv2.fillPoly(photograph, [np.rint(corners).astype(np.int32)], (200, 200, 200))
    return _Case(photograph, corners)


def bright(photograph: np.ndarray) -> np.ndarray:
    return (photograph.mean(2) > 120).astype(np.float32)


def test_the_rectangle_of_a_device_and_its_overlap():
    found = rectangle_round(case().outline)
    assert (found.width, found.height, found.turn) == pytest.approx((20, 60, 20), abs=0.1)
    assert overlap(found, found) == pytest.approx(1)
    assert overlap(found, found._replace(x=found.x + 200)) == 0
    assert overlap(DeviceRectangle(0, 0, 2, 4, 0), DeviceRectangle(0, 1, 2, 4, 0)) == pytest.approx(6 / 10, abs=1e-4)


def test_what_is_found_of_a_device_is_measured():
    result = measure_situation("as it comes", [case(turn) for turn in (-80, -30, 10, 60)], bright)
    assert result.found.value == 1
    assert result.overlap > 0.85
    assert result.turned < 2
    empty = measure_situation("no device", [_Case(np.full((96, 96, 3), 30, np.uint8), None)], bright)
    assert empty.found.value == 0
    assert empty.overlap is empty.turned is empty.well is None


def test_a_device_as_long_as_wide_has_no_angle():
    corners = cv2.boxPoints(((48.0, 48.0), (40.0, 44.0), 20.0))
    photograph = np.full((96, 96, 3), 30, np.uint8)
    cv2.fillPoly(photograph, [np.rint(corners).astype(np.int32)], (200, 200, 200))
    result = measure_situation("coin cell", [_Case(photograph, corners)], bright)
    assert result.well.value == 1
    assert result.turned is result.turned_most is None


@pytest.mark.parametrize("seed", range(4))
def test_a_device_that_is_cut_is_found_as_far_as_it_is_there(seed):
    shown = cut(case(), np.random.default_rng(seed))
    assert shown.photograph.size < case().photograph.size
    assert measure_situation("cut by the border", [shown], bright).overlap > 0.85


def test_two_devices_and_a_hand():
    both = side_by_side(case(), case(-40))
    assert both.photograph.shape == (96, 192, 3)
    assert measure_situation("two devices", [both], bright).overlap > 0.85
    touched = held(case(), np.random.default_rng(0))
    assert (touched.photograph != case().photograph).any()


@pytest.mark.slow
def test_the_localiser_is_measured_on_the_line(workshop):
    ran = CliRunner().invoke(app, ["reproduce", "localiser", "--out", str(workshop), *options(TINY)])
    assert ran.exit_code == 0, ran.output
    result = LocaliserResult.model_validate_json((workshop / "localiser.json").read_text())
    assert [each.images for each in result.situations] == [8] * 5
    assert {each.situation: each.images for each in result.other_kinds} == dict.fromkeys(DEVICE_KINDS, OF_EACH_KIND)
    assert "as it comes" in (workshop / "localiser.md").read_text()
    assert (workshop / "localiser.png").read_bytes().startswith(b"\x89PNG")

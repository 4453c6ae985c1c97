from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from phone_designs import check_cameras
from rgbx.files import digest
from rgbx_proving.sp10.designs import PHONES
from rgbx_proving.sp10.family import SP10
from rgbx_proving.sp10.shell import WALL_MM
from rgbx_proving.units.parts import PartList
from rgbx_proving.units.scanning import SCALE, scan_unit

DOCS = Path(__file__).parents[3] / "docs" / "results" / "sp10.md"

CLASSES = SP10.classes
every_class = pytest.mark.parametrize("device_class", CLASSES)


def _nominal(device_class):
    return list(SP10.nominal_unit(device_class).parts)


def _radiograph(device_class):
    """Transmission through a unit exactly as drawn, from the front."""
    unit = PartList(device_class="X", unit="X-001", parts=tuple(_nominal(device_class)))  # the same noise for all
    scan = scan_unit(unit, 0.8)
    return np.exp(-scan.values.astype(float).sum(axis=0) * 0.08 / SCALE)


@every_class
def test_a_phone_has_what_phones_have(device_class):
    names = [part.name for part in SP10.make_unit(device_class, 7).parts]
    modules = {name.partition("/")[0] for name in names}
    assert {"frame", "display", "battery-1", "board", "camera-1", "haptic", "speaker", "connector", "sim"} <= modules
    assert sum(name.endswith("-chip") for name in names) >= 20
    assert sum(name.endswith("/head") for name in names) >= 20


def test_units_are_the_same_in_every_version():
    """Images of the line were made of these very units; what their digests were when the family was published."""
    text = "".join(SP10.make_unit(name, number, 3).model_dump_json() for name in CLASSES for number in (1, 101))
    assert digest(text) == "e1fabe09ebc41113"


@every_class
def test_the_inside_is_inside(device_class):
    width, height, thickness = PHONES[device_class].shell.size
    limit = np.array([width / 2 - WALL_MM / 2, height / 2 - WALL_MM / 2, thickness / 2])
    for part in SP10.make_unit(device_class, 1).parts:
        if part.outside or part.name == "cavity":
            continue
        half = np.abs(part.rotation_matrix()) @ np.array(part.shape.size) / 2
        assert (np.abs(part.position) + half <= limit + 1e-6).all(), part.name


@every_class
def test_rear_cameras_stand_on_their_island_over_their_modules(device_class):
    check_cameras(PHONES[device_class])


def test_only_pairs_that_share_the_inside_look_alike_to_x_rays():
    images = {name: _radiograph(name) for name in CLASSES}
    # Both scans have the same noise, which cancels.
    assert np.abs(images["SP9"] - images["SP10"]).max() < 0.01
    for first, second in pairwise(CLASSES[:-1]):
        if images[first].shape == images[second].shape:
            changed = np.abs(images[first] - images[second]) > 0.05
            assert changed.mean() > 0.1, (first, second)


def test_colour_alone_is_no_label():
    """Each class has a back that another class has too, within what lighting does to a colour."""

    def channels(colour):
        return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])

    for device_class in CLASSES:
        others = [c.back for name in CLASSES if name != device_class for c in PHONES[name].shell.palette]
        own = [c.back for c in PHONES[device_class].shell.palette]
        nearest = [min(np.abs(channels(a) - channels(b)).max() for b in others) for a in own]
        assert sum(distance <= 12 for distance in nearest) >= 2, device_class

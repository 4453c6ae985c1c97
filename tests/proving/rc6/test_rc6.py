"""RC6 is a family of remote controls that could be built: everything is inside, under its lid, under its keys."""

from itertools import combinations

import numpy as np
import pytest

from rgbx_proving.rc6.casing import CASE_MM
from rgbx_proving.rc6.designs import REMOTES, ButtonGrid
from rgbx_proving.rc6.family import RC6
from rgbx_proving.rc6.innards import AAA
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import PartList
from rgbx_proving.units.scanning import SCALE, scan_unit

every_class = pytest.mark.parametrize("device_class", RC6.classes)


def parts_of_class(device_class, word):
    return [part for part in RC6.nominal_unit(device_class).parts if part.name.partition("/")[0].startswith(word)]


def extent(part):
    """Return the low and the high corner of a part's box."""
    half = np.abs(part.rotation_matrix()) @ np.array(part.shape.size) / 2
    return part.position - half, part.position + half


@every_class
def test_a_remote_control_has_what_remote_controls_have(device_class):
    parts = RC6.make_unit(device_class, 7).parts
    modules = {part.name.partition("/")[0].partition("-")[0] for part in parts}
    assert {"case", "battery", "spring", "contact", "board", "lamp", "mat", "keys", "screw", "lid", "window"} <= modules
    assert not modules & {"frame", "display", "camera", "sim", "haptic", "speaker"}
    assert sum(part.name.startswith("keys/") and part.name.endswith("/cap") for part in parts) >= 10
    outside = {part.material for part in parts if part.outside}
    assert all(MATERIALS[material].metallic == 0 for material in outside), "no metal shell, no glass"


@every_class
def test_the_inside_lies_within_the_case(device_class):
    size = np.array(REMOTES[device_class].shell.size)
    for part in RC6.make_unit(device_class, 1).parts:
        if not part.outside:
            low, high = extent(part)
            limit = size / 2 - (CASE_MM - 0.7)
            assert (low >= -limit).all() and (high <= limit).all(), part.name


@every_class
def test_keys_lie_on_their_contacts(device_class):
    shell, inside = REMOTES[device_class].shell, REMOTES[device_class].inside
    keys = {place for block in shell.keys for place in block.grid.places()} | {(0.0, shell.pad.y)}
    contacts = {place for grid in inside.contacts for place in grid.places()}
    assert keys <= contacts
    ring = shell.pad.diameter / 2
    assert all(np.hypot(x, y - shell.pad.y) < ring for x, y in contacts - keys), "the others are the click pad's"


@every_class
def test_no_two_keys_overlap_and_all_are_on_the_face(device_class):
    shell = REMOTES[device_class].shell
    places = [(np.array(at), np.array(block.size)) for block in shell.keys for at in block.grid.places()]
    places.append((np.array([0, shell.pad.y]), np.full(2, shell.pad.diameter)))
    for (first, size), (second, other) in combinations(places, 2):
        assert (np.abs(first - second) > (size + other) / 2 + 0.8).any(), (first, second)
    for at, size in places:
        assert (np.abs(at) + size / 2 < np.array(shell.size[:2]) / 2 - 1.5).all(), at


@every_class
def test_cells_lie_under_the_lid_and_clear_of_the_board(device_class):
    lid = REMOTES[device_class].shell.lid
    components = [part for part in parts_of_class(device_class, "board") if part.name.startswith("board/laminate")]
    board = min(extent(part)[0][2] for part in components)
    for part in parts_of_class(device_class, "battery"):
        low, high = extent(part)
        assert high[2] < board
        assert (low[:2] > [lid.x - lid.width / 2, lid.y - lid.height / 2]).all(), part.name
        assert (high[:2] < [lid.x + lid.width / 2, lid.y + lid.height / 2]).all(), part.name
    cells = [np.array([cell.x, cell.y]) for cell in REMOTES[device_class].inside.cells]
    assert (np.abs(cells[0] - cells[1]) > AAA).any()


@every_class
def test_lid_and_type_plate_lie_on_the_flat_of_the_back(device_class):
    shell = REMOTES[device_class].shell
    flat = np.array(shell.size[:2]) / 2 - shell.belly[0]
    for area in (shell.lid, shell.label):
        reach = np.abs([area.x, area.y]) + np.array([area.width, area.height]) / 2
        assert (reach <= flat).all()
    assert abs(shell.lid.y - shell.label.y) > (shell.lid.height + shell.label.height) / 2 + 0.8


@every_class
def test_screws_hide_from_the_camera(device_class):
    """They are under the type plate or in the battery compartment, so what holds an inside together is no outside."""
    shell = REMOTES[device_class].shell
    for x, y in REMOTES[device_class].inside.screws:
        hidden = [
            abs(x - area.x) < area.width / 2 and abs(y - area.y) < area.height / 2 for area in (shell.label, shell.lid)
        ]
        assert any(hidden), (x, y)


def test_only_the_pair_that_shares_the_inside_looks_alike_to_x_rays():
    images = {}
    for name in RC6.classes:
        unit = PartList(device_class="X", unit="X-001", parts=RC6.nominal_unit(name).parts)  # the same noise for all
        images[name] = np.exp(-scan_unit(unit, 0.8).values.astype(float).sum(axis=0) * 0.08 / SCALE)
    assert np.abs(images["RC5"] - images["RC6"]).max() < 0.01
    for first, second in combinations(RC6.classes[:-1], 2):
        if images[first].shape == images[second].shape:
            changed = np.abs(images[first] - images[second]) > 0.05
            assert changed.mean() > 0.02, (first, second)


def test_colour_alone_is_no_label():
    """Each class has two bodies that another class has too, within what lighting does to a colour."""

    def channels(colour):
        return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])

    for name in RC6.classes:
        others = [each.body for other in RC6.classes if other != name for each in REMOTES[other].shell.palette]
        own = [each.body for each in REMOTES[name].shell.palette]
        nearest = [min(np.abs(channels(a) - channels(b)).max() for b in others) for a in own]
        assert sum(distance <= 12 for distance in nearest) >= 2, name


def test_a_grid_goes_row_by_row_from_the_upper_left():
    assert list(ButtonGrid(x=1, y=2, columns=2, rows=2, pitch=(10, 6)).places()) == [(-4, 5), (6, 5), (-4, -1), (6, -1)]
    assert list(ButtonGrid(x=1, y=2).places()) == [(1, 2)]

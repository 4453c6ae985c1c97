from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from rgbx_proving.sp10.designs import DESIGNS
from rgbx_proving.sp10.differences import differences_table, differing, shared_table
from rgbx_proving.sp10.family import (
    BATTERY_SHIFT_MM,
    CLASSES,
    COMPONENT_SHIFT_MM,
    SHIFT_MM,
    TURN_DEGREES,
    make_unit,
    nominal_parts,
)
from rgbx_proving.sp10.shell import WALL_MM
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import PartList, Prism, read_parts, write_parts
from rgbx_proving.units.scanning import SCALE, scan_unit

DOCS = Path(__file__).parents[3] / "docs" / "results" / "sp10.md"

every_class = pytest.mark.parametrize("device_class", CLASSES)


def _nominal(device_class):
    design = DESIGNS[device_class]
    return nominal_parts(design, design.shell.palette[0])


def _radiograph(device_class):
    """Transmission through a unit exactly as drawn, from the front."""
    unit = PartList(device_class="X", unit="X-001", parts=tuple(_nominal(device_class)))
    scan = scan_unit(unit, 0.8)
    return np.exp(-scan.values.astype(float).sum(axis=0) * 0.08 / SCALE)


@every_class
def test_a_unit_is_whole(device_class):
    unit = make_unit(device_class, 7)
    names = [part.name for part in unit.parts]
    assert (unit.device_class, unit.unit, unit.wear) == (device_class, f"{device_class}-007", ())
    assert len(set(names)) == len(names)
    assert {part.material for part in unit.parts} <= set(MATERIALS)
    modules = {name.partition("/")[0] for name in names}
    assert {"frame", "display", "battery-1", "board", "camera-1", "haptic", "speaker", "connector", "sim"} <= modules
    assert sum(name.endswith("-chip") for name in names) >= 20
    assert sum(name.endswith("/head") for name in names) >= 20


@every_class
def test_every_part_is_valid_after_tolerance(device_class, tmp_path):
    unit = make_unit(device_class, 3)
    write_parts(tmp_path / "parts.json", unit)
    assert read_parts(tmp_path / "parts.json") == unit


def test_units_are_reproducible_and_differ():
    assert make_unit("SP4", 2) == make_unit("SP4", 2)
    assert make_unit("SP4", 2).parts != make_unit("SP4", 3).parts
    assert make_unit("SP4", 2, seed=1).parts != make_unit("SP4", 2).parts


def test_all_colours_of_a_class_occur():
    frames = {make_unit("SP7", number).parts[0].colour for number in range(1, 40)}
    assert frames == {colourway.frame for colourway in DESIGNS["SP7"].shell.palette}


@every_class
def test_tolerance_is_as_stated(device_class):
    drawn = {part.name: part for part in _nominal(device_class)}
    for part in make_unit(device_class, 5).parts:
        reach = BATTERY_SHIFT_MM if part.name.startswith("battery") else SHIFT_MM
        # A module turns about its first part, at most a board's length away.
        reach += COMPONENT_SHIFT_MM + np.radians(TURN_DEGREES) * 130
        moved = np.abs(np.subtract(part.position, drawn[part.name].position))
        assert moved[:2].max() <= reach
        assert moved[2] <= 0.05


@every_class
def test_the_inside_is_inside(device_class):
    width, height, thickness = DESIGNS[device_class].shell.size
    limit = np.array([width / 2 - WALL_MM / 2, height / 2 - WALL_MM / 2, thickness / 2])
    for part in make_unit(device_class, 1).parts:
        if part.outside or part.name == "cavity":
            continue
        half = np.abs(part.rotation_matrix()) @ np.array(part.shape.size) / 2
        assert (np.abs(part.position) + half <= limit + 1e-6).all(), part.name


@every_class
def test_rear_cameras_stand_on_their_island_over_their_modules(device_class):
    design = DESIGNS[device_class]
    shell = design.shell
    assert [(lens.x, lens.y) for lens in shell.lenses] == [(camera.x, camera.y) for camera in design.inside.cameras]
    if shell.island is not None:
        area = shell.island.area
        for lens in shell.lenses:
            assert abs(lens.x - area.x) + lens.diameter / 2 < area.width / 2
            assert abs(lens.y - area.y) + lens.diameter / 2 < area.height / 2
        assert abs(area.x) + area.width / 2 < shell.size[0] / 2 - 1.3
        assert area.y + area.height / 2 < shell.size[1] / 2 - 1.3


@every_class
def test_no_two_outside_surfaces_lie_in_one_plane(device_class):
    """Faces to the front or back that overlap must be 0.05 mm apart, or renderers flicker between them."""
    flat = [
        part
        for part in make_unit(device_class, 1).parts
        if part.outside and isinstance(part.shape, Prism) and part.rotation[:2] == (0, 0)
    ]
    for first, second in combinations(flat, 2):
        if (first.material, first.colour) == (second.material, second.colour):
            continue
        apart = np.abs(np.subtract(first.position, second.position))[:2]
        if (apart >= (np.array(first.shape.size) + second.shape.size)[:2] / 2).any():
            continue
        for side in (-0.5, 0.5):
            z1 = first.position[2] + side * first.shape.size[2]
            z2 = second.position[2] + side * second.shape.size[2]
            if side * z1 < 0 or side * z2 < 0:  # faces that look into the phone
                continue
            assert abs(z1 - z2) > 0.049, (first.name, second.name)


def test_sp1_and_sp2_share_the_shell_in_every_colour():
    first, second = DESIGNS["SP1"], DESIGNS["SP2"]
    assert first.shell == second.shell
    for colourway in first.shell.palette:
        outsides = [[part for part in nominal_parts(design, colourway) if part.outside] for design in (first, second)]
        assert outsides[0] == outsides[1]


def test_sp9_and_sp10_share_the_inside():
    insides = [[part for part in _nominal(name) if not part.outside] for name in ("SP9", "SP10")]
    assert insides[0] == insides[1]


def test_only_pairs_that_share_the_inside_look_alike_to_x_rays():
    images = {name: _radiograph(name) for name in CLASSES}
    # Both scans have the same noise, which cancels.
    assert np.abs(images["SP9"] - images["SP10"]).max() < 0.01
    for first, second in pairwise(CLASSES[:-1]):
        if images[first].shape == images[second].shape:
            changed = np.abs(images[first] - images[second]) > 0.05
            assert changed.mean() > 0.1, (first, second)


def test_every_other_pair_differs_in_shell_and_inside():
    for first, second in combinations(CLASSES, 2):
        shell = differing(DESIGNS[first].shell, DESIGNS[second].shell)
        inside = differing(DESIGNS[first].inside, DESIGNS[second].inside)
        assert bool(shell) == ((first, second) != ("SP1", "SP2"))
        assert bool(inside) == ((first, second) != ("SP9", "SP10"))


def test_colour_alone_is_no_label():
    """Each class has a back that another class has too, within what lighting does to a colour."""

    def channels(colour):
        return np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)])

    for device_class in CLASSES:
        others = [c.back for name in CLASSES if name != device_class for c in DESIGNS[name].shell.palette]
        own = [c.back for c in DESIGNS[device_class].shell.palette]
        nearest = [min(np.abs(channels(a) - channels(b)).max() for b in others) for a in own]
        assert sum(distance <= 12 for distance in nearest) >= 2, device_class


def test_the_documented_tables_are_the_designs():
    text = DOCS.read_text()
    assert shared_table() in text
    assert differences_table() in text

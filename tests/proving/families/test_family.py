"""What holds for every family: its units are whole and as exact as it says, its pages say what its designs are."""

import pickle
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rgbx.config import Config
from rgbx.errors import ConfigError, MissingPluginError
from rgbx_proving.families.design import Design
from rgbx_proving.families.differences import differences_table, differing, shared_table, tolerance_table
from rgbx_proving.families.family import FAMILIES, Family
from rgbx_proving.families.tolerance import Tolerances
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import Prism, read_parts, solid, write_parts

RESULTS = Path(__file__).parents[3] / "docs" / "results"
NAMES = ("sp10", "rc6")
REVISIONS = ("rev-0.5", "rev-1", "rev-2", "rev-4", "rev-8")
"""Of one phone: they share its outside, and have tests of their own."""
NEW = "sp11"
"""One class, a new one: it has no twin in its family."""

every_family = pytest.mark.parametrize("family", [FAMILIES[name] for name in NAMES], ids=NAMES)
every_class = pytest.mark.parametrize(
    ("family", "device_class"),
    [(FAMILIES[name], device_class) for name in (*NAMES, NEW) for device_class in FAMILIES[name].classes],
    ids=lambda value: value if isinstance(value, str) else value.title,
)


class Dress(Config):
    palette: tuple[str, ...] = ("red",)
    width: float = 1.0


class Works(Config):
    cells: int = 1


def family_of(**designs: tuple[float, int]) -> Family:
    """Return a family by each class's width and number of cells."""
    return Family(
        title="T",
        things="things",
        designs={
            name: Design(shell=Dress(width=width), inside=Works(cells=cells))
            for name, (width, cells) in designs.items()
        },
        build=lambda design, _: [solid("block", (design.shell.width, 1, 1), (0, 0, 0), "abs", outside=True)],
        tolerances=Tolerances(
            shift_mm=0, shift_z_mm=0, turn_degrees=0, component_shift_mm=0, battery_shift_mm=0,
            solder_thickness=(1, 1), shifting_outside=(),
        ),
    )  # fmt: skip


def test_every_family_that_is_there_is_tested():
    assert {*NAMES, *REVISIONS, NEW} == set(FAMILIES.names())


def test_no_two_families_have_a_class_of_one_name():
    names = [name for each in (*NAMES, *REVISIONS, NEW) for name in FAMILIES[each].classes]
    assert len(set(names)) == len(names)


def test_a_family_that_is_not_there_is_refused():
    with pytest.raises(MissingPluginError, match="no family of devices 'rc7'"):
        FAMILIES["rc7"]


def test_twins_are_what_share_a_half():
    family = family_of(A=(1, 1), B=(1, 2), C=(2, 3), D=(3, 3), E=(4, 4))
    assert family.twins("shell") == {"A", "B"}
    assert family.twins("inside") == {"C", "D"}
    assert family.twins("inside", ["A", "D", "X"]) == set()
    assert [family.shares("A", other) for other in "ABC"] == [("shell", "inside"), ("shell",), ()]
    assert differing(Dress(), Dress(width=2)) == ("width",)


@every_family
def test_one_pair_shares_the_shell_another_the_inside(family):
    shared = [set(pair) for pair in combinations(family.classes, 2) if family.shares(*pair)]
    first, last = family.classes[:2], family.classes[-2:]
    assert shared == [set(first), set(last)]
    assert (family.twins("shell"), family.twins("inside")) == (set(first), set(last))


@every_family
def test_what_is_shared_is_the_same_part_by_part(family):
    (first, second), (third, last) = family.classes[:2], family.classes[-2:]
    for colourway in family.designs[first].shell.palette:
        outsides = [
            [part for part in family.build(family.designs[name], colourway) if part.outside] for name in (first, second)
        ]
        assert outsides[0] == outsides[1]
    insides = [[part for part in family.nominal_unit(name).parts if not part.outside] for name in (third, last)]
    assert insides[0] == insides[1]


@every_class
def test_a_unit_is_whole(family, device_class, tmp_path):
    unit = family.make_unit(device_class, 7)
    names = [part.name for part in unit.parts]
    assert (unit.device_class, unit.unit, unit.wear) == (device_class, f"{device_class}-007", ())
    assert len(set(names)) == len(names)
    assert {part.material for part in unit.parts} <= set(MATERIALS)
    write_parts(tmp_path / "parts.json", unit)
    assert read_parts(tmp_path / "parts.json") == unit, "every part is valid after tolerance"


@every_family
def test_units_are_reproducible_and_differ(family):
    name = family.classes[3]
    assert family.make_unit(name, 2) == family.make_unit(name, 2)
    assert family.make_unit(name, 2).parts != family.make_unit(name, 3).parts
    assert family.make_unit(name, 2, seed=1).parts != family.make_unit(name, 2).parts


@every_family
def test_a_family_goes_to_other_processes(family):
    there = pickle.loads(pickle.dumps(family))
    assert there.make_unit(family.classes[0], 1) == family.make_unit(family.classes[0], 1)


@every_family
def test_all_colours_of_a_class_occur(family):
    name = family.classes[3]
    drawn = {family.build(family.designs[name], each)[0].colour for each in family.designs[name].shell.palette}
    assert {family.make_unit(name, number).parts[0].colour for number in range(1, 20)} == drawn


@every_family
def test_a_class_of_another_family_is_refused(family):
    for make in (family.make_unit, lambda name, _: family.nominal_unit(name)):
        with pytest.raises(ConfigError, match=f"{family.title} has no class X1: choose from {family.classes[0]}, "):
            make("X1", 1)


@every_class
def test_tolerance_is_as_stated(family, device_class):
    drawn = {part.name: part for part in family.nominal_unit(device_class).parts}
    made = family.tolerances
    moved_at_all = 0
    for part in family.make_unit(device_class, 5).parts:
        reach = made.battery_shift_mm if part.name.startswith("battery") else made.shift_mm
        # A module turns about its first part, at most a board's length away.
        reach += made.component_shift_mm + np.radians(made.turn_degrees) * 130
        moved = np.abs(np.subtract(part.position, drawn[part.name].position))
        assert moved[:2].max() <= reach
        assert moved[2] <= made.shift_z_mm + 0.01
        moved_at_all += moved.max() > 0
    assert moved_at_all > 50


@every_class
def test_no_two_outside_surfaces_lie_in_one_plane(family, device_class):
    """Faces to the front or back that overlap must be 0.05 mm apart, or renderers flicker between them."""
    flat = [
        part
        for part in family.make_unit(device_class, 1).parts
        if part.outside and part.material != "air" and isinstance(part.shape, Prism) and part.rotation[:2] == (0, 0)
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
            if side * z1 < 0 or side * z2 < 0:  # faces that look into the device
                continue
            assert abs(z1 - z2) > 0.049, (first.name, second.name)


@pytest.mark.parametrize("name", NAMES)
def test_the_documented_tables_are_the_designs(name):
    text = (RESULTS / f"{name}.md").read_text()
    for table in (shared_table, differences_table, tolerance_table):
        assert table(FAMILIES[name]) in text

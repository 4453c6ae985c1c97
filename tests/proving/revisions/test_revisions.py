"""Board revisions differ in one site, by enough to be told apart at every size, and in a way that could be built."""

import pickle
from itertools import combinations

import numpy as np
import pytest

from docs_pages import DOCS
from rgbx_proving.families.differences import differences_table, differing, tolerance_table
from rgbx_proving.families.family import FAMILIES
from rgbx_proving.revisions.designs import SITE_MM, SIZES_MM
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.materials import MATERIALS, attenuation_table
from rgbx_proving.units.parts import ALONG_Y, PartList, disc
from rgbx_proving.units.scanning import EFFECTIVE_ENERGY_KEV, NOISE, scan_unit

every_size = pytest.mark.parametrize("size", SIZES_MM)


def family_of(size):
    return FAMILIES[f"rev-{size:g}"]


def own_parts(unit, word="board-2/back-"):
    """Return the parts that a unit has besides those of its phone."""
    return [part for part in unit.parts if part.name.startswith(word)]


def extent(part):
    """Return the low and the high corner of a part's box."""
    middle, half = np.array(part.position), np.abs(part.rotation_matrix()) @ np.array(part.shape.size) / 2
    return middle - half, middle + half


@every_size
def test_classes_share_all_but_the_site(size):
    family = family_of(size)
    assert len(family.classes) == 10
    assert family.twins("shell") == set(family.classes)
    assert family.twins("inside") == set()
    for first, second in combinations(family.designs.values(), 2):
        assert differing(first.inside, second.inside) == ("site",)


@every_size
def test_no_two_classes_attenuate_alike(size):
    """What a beam from the front loses at the site, point by point, differs by a third of what the component takes."""
    table = attenuation_table(EFFECTIVE_ENERGY_KEV)
    steps = np.arange(-2, 2, 1 / 64) + 1 / 128
    x, y = np.meshgrid(steps * size, steps * size)
    maps = {}
    for name, design in family_of(size).designs.items():
        maps[name] = np.zeros(x.shape)
        for each in design.inside.site.components:
            inside = (np.abs(x - each.x) < each.width / 2) & (np.abs(y - each.y) < each.height / 2)
            maps[name][inside] = table[each.material]
    fitted = next(each for number, each in enumerate(maps.values()) if number == 1).sum()
    for first, second in combinations(maps, 2):
        assert np.abs(maps[first] - maps[second]).sum() > fitted / 3, (first, second)


@every_size
def test_the_rest_is_the_phone_and_components_touch_nothing_but_the_upper_board(size):
    family = family_of(size)
    whole = SP10.nominal_unit("SP6").parts
    phone = [part for part in whole if part.name != "cavity" and not part.outside]
    low, high = (np.array(corner) for corner in zip(*(extent(part) for part in phone), strict=True))
    (board,) = (place for place, part in enumerate(phone) if part.name == "board-2/laminate-0")
    for name in family.classes:
        unit = family.nominal_unit(name)
        own = own_parts(unit)
        assert unit.parts == (*whole, *own)
        for part in own:
            start, end = extent(part)
            assert end[2] == pytest.approx(low[board][2])
            overlap = (start < high - 1e-6) & (low < end - 1e-6)
            assert [phone[place].name for place in np.flatnonzero(overlap.all(axis=1))] == [], part.name
        for first, second in combinations(own, 2):
            apart = np.abs(np.subtract(first.position, second.position))[:2]
            sizes = np.add(first.shape.size, second.shape.size)[:2] / 2
            assert (apart > sizes + 2 * family.tolerances.component_shift_mm).any(), "whatever the tolerance"


def test_a_unit_is_whole_and_its_components_vary_with_the_board():
    family = family_of(0.5)
    unit, drawn = family.make_unit("REV5-0.5mm", 7), family.nominal_unit("REV5-0.5mm")
    names = [part.name for part in unit.parts]
    assert (unit.unit, len(set(names))) == ("REV5-0.5mm-007", len(names))
    assert {part.material for part in unit.parts} <= set(MATERIALS)
    moved = [
        np.subtract(one.position, other.position) for one, other in zip(own_parts(unit), own_parts(drawn), strict=True)
    ]
    assert len(moved) == 6
    apart = np.ptp(moved, axis=0)
    assert 0.01 < np.abs(moved).max() < 0.6
    assert 0.01 < apart[:2].max() < 0.2, "by themselves as well, but less"
    assert pickle.loads(pickle.dumps(family)).make_unit("REV5-0.5mm", 7) == unit


def test_a_scan_shows_what_differs():
    """At the voxels that the smallest d is scanned at; all but the site, and a frame for its place, is left out."""
    family, sums = family_of(0.5), {}
    x, y, z = SITE_MM
    frame = tuple(
        disc(f"bead-{side}", 0.5, 0.5, (x + 2 * side, y + 2 * side, z), "copper", rotation=ALONG_Y) for side in (-1, 1)
    )
    for name in family.classes:
        parts = (*frame, *own_parts(family.nominal_unit(name)))
        moved = tuple(
            part.model_copy(update={"position": tuple(np.subtract(part.position, SITE_MM))}) for part in parts
        )
        scan = scan_unit(PartList(device_class="X", unit="X", parts=moved), 0.15)  # the same noise for all
        sums[name] = scan.values.astype(float).sum(axis=0)
    for first, second in combinations(sums, 2):
        assert np.abs(sums[first] - sums[second]).max() > 5 * NOISE * 3, (first, second)


def test_the_documented_tables_are_the_designs():
    text = (DOCS / "results" / "revisions.md").read_text()
    assert differences_table(family_of(1)) in text
    assert tolerance_table(family_of(1)) in text

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.samples import generator
from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.edits import (
    RANDOM_EDITS,
    Bend,
    EditRandomisation,
    PartEdit,
    Parts,
    PartsStore,
    ScanEdits,
    draw_edits,
    edited,
    find_parts,
)
from rgbx_render.radiography.scans import prepare_scan

SPACING = (0.5, 0.4, 0.6)
STRAIGHT = Bend(sag=0.0, direction=0.0)


def make_scan():
    """A case of plastic with a large and a small block of metal in it, mm-sized along x, y, z."""
    values = np.full((26, 150, 90), 100, np.uint16)
    values[3:23, 8:142, 8:82] = 600
    values[8:16, 40:90, 20:50] = 9000  # 15 x 20 x 4.8 mm
    values[10:16, 110:122, 60:70] = 12000  # 5 x 4.8 x 3.6 mm
    return prepare_scan(Volume(values, SPACING))


SCAN = make_scan()
PARTS = find_parts(SCAN)


def centre_mm(scan, above):
    """Centre of what is above a stored value, in unit coordinates."""
    matrix, offset = scan.index_frame()
    indices = np.argwhere(scan.values > above).mean(axis=0)
    return np.linalg.solve(matrix, indices - offset)


def only(**changes):
    part = PartEdit(which=0.99, missing=False, shift=0.0, direction=0.0, turn=0.0).updated(changes)
    return ScanEdits(parts=(part,), bend=STRAIGHT)


def test_dense_things_within_a_case_are_found_as_parts_the_largest_first():
    assert len(PARTS) == 2
    assert (PARTS.labels == 1).sum() == (50 + 2) * (30 + 2) * (8 + 2), "with a rim of one voxel"
    assert (PARTS.labels == 2).sum() == (12 + 2) * (10 + 2) * (6 + 2)
    assert not PARTS.labels[SCAN.values < 50].any()


def test_parts_of_a_fine_scan_are_found_on_a_thinned_out_one(monkeypatch):
    monkeypatch.setattr("rgbx_render.radiography.edits.SEARCH_VOXELS", SCAN.values.size / 8)
    coarse = find_parts(SCAN)
    assert coarse.step == 2
    assert len(coarse) == 2
    gone = edited(SCAN, coarse, only(missing=True)).values
    assert gone.max() < 11000, "the densest block is gone, as it is without thinning"
    assert (gone > 8000).sum() == 50 * 30 * 8


def test_a_missing_part_leaves_air_and_the_scan_itself_stays_as_it_was():
    before = SCAN.values.copy()
    after = edited(SCAN, PARTS, only(missing=True))
    assert np.array_equal(SCAN.values, before)
    changed = after.values != SCAN.values
    assert np.array_equal(changed, PARTS.labels == 2)
    assert (after.values[changed] == 100).all()


@pytest.mark.parametrize(("direction", "expected"), [(0, (2, 0, 0)), (90, (0, 2, 0)), (180, (-2, 0, 0))])
def test_a_part_moves_by_so_many_mm_in_the_plane_of_the_unit(direction, expected):
    after = edited(SCAN, PARTS, only(shift=2.0, direction=direction))
    moved = centre_mm(after, 11000) - centre_mm(SCAN, 11000)
    assert moved == pytest.approx(expected, abs=0.05)
    assert (after.values > 11000).sum() == (SCAN.values > 11000).sum()


def test_a_part_turns_about_its_centre_anticlockwise():
    after = edited(SCAN, PARTS, only(which=0.0, turn=3.0))
    axes = SCAN.description.axes
    for scan, angle in ((SCAN, 0.0), (after, 3.0 / np.hypot(8.0, 10.8))):
        at = np.argwhere(scan.values == 9000) * np.array([SPACING[axis] for axis in axes])
        x, y = at[:, axes.index(0)], at[:, axes.index(1)]
        (xx, xy), (_, yy) = np.cov(x, y)
        assert 0.5 * np.arctan2(2 * xy, xx - yy) % np.pi == pytest.approx(np.pi / 2 + angle, abs=0.03)
    assert centre_mm(after, 8000)[:2] == pytest.approx(centre_mm(SCAN, 8000)[:2], abs=0.2)


def test_a_part_stops_at_the_case():
    after = edited(SCAN, PARTS, only(shift=500.0, direction=0.0))
    dense = np.argwhere(after.values > 11000)[:, SCAN.description.axes.index(0)]
    assert dense.max() < after.values.shape[SCAN.description.axes.index(0)] - 2.0 / SPACING[0]
    assert (after.values > 11000).sum() == (SCAN.values > 11000).sum()


def test_a_bend_raises_the_ends_over_the_middle_and_loses_nothing():
    bent = edited(SCAN, PARTS, ScanEdits(parts=(), bend=Bend(sag=3.0, direction=90.0)))

    def height(scan, y):
        matrix, offset = scan.index_frame()
        axes = scan.description.axes
        row = round((matrix @ [0, y, 0] + offset)[axes.index(1)])
        plane = np.take(scan.values, row, axis=axes.index(1)).astype(float) - 100
        z = (np.arange(scan.values.shape[axes.index(2)]) - offset[axes.index(2)]) * SPACING[2]
        kept = [axis for axis in axes if axis != 1]
        profile = plane.sum(axis=1 - kept.index(2))
        return (profile * z).sum() / profile.sum()

    rise = [height(bent, y) - height(SCAN, y) for y in (-25, 0, 25)]
    assert rise[0] - rise[1] == pytest.approx(rise[2] - rise[1], abs=0.05), "both ends alike"
    length = SCAN.values.shape[SCAN.description.axes.index(1)] * SPACING[1]
    assert rise[0] - rise[1] == pytest.approx(3.0 * (2 * 25 / length) ** 2, rel=0.05)
    assert (bent.values.astype(float) - 100).sum() == pytest.approx((SCAN.values.astype(float) - 100).sum(), rel=1e-3)
    for axis in range(3):
        assert (bent.values.take([0, -1], axis=axis) == 100).all(), "it ends in air"


@given(st.integers(0, 2**62))
@settings(max_examples=30, deadline=None)
def test_any_edits_are_within_their_ranges_and_keep_the_border_of_air(seed):
    config = EditRandomisation(probability=1, shift=(0, 20), turn=(-20, 20))
    drawn = draw_edits(generator(seed), config)
    assert config.parts[0] <= len(drawn.parts) <= config.parts[1]
    assert config.sag[0] <= drawn.bend.sag <= config.sag[1]
    again = ScanEdits.model_validate_json(drawn.model_dump_json())
    after = edited(SCAN, PARTS, again)
    assert after.values.tobytes() == edited(SCAN, PARTS, drawn).values.tobytes()
    for axis in range(3):
        assert (after.values.take([0, -1], axis=axis) == 100).all()
    assert after.values.max() <= SCAN.description.top


def test_edits_do_not_depend_on_the_order_of_axes_in_memory():
    drawn = draw_edits(generator(3), RANDOM_EDITS.updated({"probability": 1, "parts": (3, 3)}))
    order = (2, 0, 1)
    axes = tuple(SCAN.description.axes[axis] for axis in order)
    turned = type(SCAN)(
        np.ascontiguousarray(SCAN.values.transpose(order)), SCAN.description.model_copy(update={"axes": axes})
    )
    parts = Parts.of(np.ascontiguousarray(PARTS.labels.transpose(order)), 1)
    expected = edited(SCAN, PARTS, drawn).values.transpose(order)
    assert np.array_equal(edited(turned, parts, drawn).values, expected)


def test_how_often_scans_are_edited():
    assert draw_edits(generator(0), EditRandomisation()) is None
    drawn = [draw_edits(generator(seed), RANDOM_EDITS) for seed in range(400)]
    assert 0.4 < np.mean([edits is not None for edits in drawn]) < 0.6
    missing = [part.missing for edits in drawn if edits for part in edits.parts]
    assert 0.2 < np.mean(missing) < 0.4


def test_a_scan_without_parts_is_only_bent():
    values = np.zeros((20, 40, 30), np.uint16)
    values[5:15, 5:35, 5:25] = 700
    scan = prepare_scan(Volume(values, (1.0, 1.0, 1.0)))
    assert len(find_parts(scan)) == 0
    assert np.array_equal(edited(scan, find_parts(scan), only(missing=True)).values, scan.values)


def test_a_store_gives_parts_back(tmp_path):
    store = PartsStore(tmp_path)
    assert "A/1" not in store
    store.add("A/1", PARTS)
    found = store.read("A/1")
    assert "A/1" in store
    assert (found.step, found.boxes) == (PARTS.step, PARTS.boxes)
    assert isinstance(found.labels, np.memmap)
    assert np.array_equal(found.labels, PARTS.labels)

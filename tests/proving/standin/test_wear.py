"""Wear: every damage does what it says, the same each time, and only to what is there."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx.geometry import Vector, rotation_matrix
from rgbx_proving.rc6.family import RC6
from rgbx_proving.standin.bending import bent, euler_degrees, weak_spots
from rgbx_proving.standin.paths import BeamGeometry, Solids, path_lengths
from rgbx_proving.standin.units import worn_library
from rgbx_proving.standin.wear import WearConfig, groups, wear_unit
from rgbx_proving.units.kinds import DEVICE_KINDS, coin_cell, make_kind
from rgbx_proving.units.parts import Ellipsoid, Part, PartList, Prism, write_parts
from rgbx_proving.units.simulated import open_simulated, parts_digest, parts_of

NEVER = {name: 0.0 for name, field in WearConfig.model_fields.items() if field.annotation is float}


def only(**damages: object) -> WearConfig:
    return WearConfig.model_validate(NEVER | damages)


def box(name: str, size: Vector, position: Vector, material: str, radius: float = 0.0, outside: bool = False) -> Part:
    return Part(name=name, shape=Prism(size=size, radius=radius), position=position, material=material, outside=outside)


def phone(unit: str = "SP1-001") -> PartList:
    parts = [
        box("frame", (70, 140, 7), (0, 0, 0), "aluminium", 10, outside=True),
        box("frame/hollow", (66, 136, 5.6), (0, 0, 0), "air", 9),
        box("front/glass", (69, 139, 0.7), (0, 0, 3.15), "cover_glass", 9, outside=True),
        box("back/glass", (69, 139, 0.7), (0, 0, -3.15), "cover_glass", 9, outside=True),
        box("display", (64, 130, 0.6), (0, 0, 2.3), "oled"),
        box("battery/cell", (40, 80, 3), (-10, 0, -0.5), "battery_cell", 2),
        box("battery/tab", (6, 4, 1), (-10, 42, -0.5), "copper"),
        box("board/pcb", (20, 70, 0.8), (22, 10, -1), "circuit_board"),
        *(box(f"board/shield-{i}", (15, 12, 1.5), (22, -10 + 15 * i, 0), "nickel_silver") for i in range(4)),
        *(box(f"board/shield-{i}/inside", (14, 11, 1.2), (22, -10 + 15 * i, 0), "air") for i in range(4)),
        *(box(f"camera-{i}/can", (10, 10, 4), (25 - 15 * i, 60, 0), "steel") for i in range(2)),
        *(box(f"camera-{i}/lens", (5, 5, 4), (25 - 15 * i, 60, 0), "acrylic", 2.5) for i in range(2)),
        box("haptic/mass", (14, 6, 2), (-15, -60, 0), "tungsten_alloy"),
        box("speaker", (20, 10, 3), (15, -60, 0), "polycarbonate"),
        box("sim-tray", (12, 16, 1), (25, -30, 0), "steel"),
        *(box(f"screw-{i:02d}", (1.6, 1.6, 3), (-31, -60 + 10 * i, 0), "steel", 0.8) for i in range(12)),
    ]
    return PartList(device_class="SP1", unit=unit, parts=tuple(parts))


def names(parts: PartList) -> set[str]:
    return {part.name for part in parts.parts}


def by_name(parts: PartList) -> dict[str, Part]:
    return {part.name: part for part in parts.parts}


def test_unit_that_nothing_happens_to_is_as_new():
    assert wear_unit(phone(), 3, only()) == phone()


def test_wear_depends_on_unit_and_seed_alone():
    assert wear_unit(phone(), 1) == wear_unit(phone(), 1)
    lives = {wear_unit(phone(f"SP1-{number:03d}"), seed).wear for number in range(20) for seed in range(2)}
    assert len(lives) > 10


def test_shares_of_damage_follow_the_configuration():
    config = WearConfig()
    lives = [wear_unit(phone(f"u{number}"), 0).wear for number in range(400)]
    for words, chance in (
        ("battery missing", config.battery_missing),
        ("front glass cracked", config.front_cracked),
        ("frame bent", config.frame_bent),
        ("dirty", config.dirty),
    ):
        share = np.mean([words in life for life in lives])
        assert abs(share - chance) < 4 * np.sqrt(chance * (1 - chance) / 400), words
    assert all(sum("battery" in what for what in life) <= 1 for life in lives)


def test_components_are_found_at_any_depth_without_their_holes():
    found = groups(phone().parts, "shield")
    assert sorted(found) == [f"board/shield-{i}" for i in range(4)]
    assert {phone().parts[position].material for members in found.values() for position in members} == {"nickel_silver"}
    assert [len(members) for members in groups(phone().parts, "camera").values()] == [2, 2]
    assert groups([box("dashboard", (1, 1, 1), (0, 0, 0), "steel")], "board") == {}


@pytest.mark.parametrize(
    ("damage", "word", "what"),
    [
        ("battery_missing", "battery", "battery missing"),
        ("haptic_missing", "haptic", "vibration motor missing"),
        ("speaker_missing", "speaker", "speaker missing"),
        ("sim_tray_missing", "sim", "SIM tray missing"),
    ],
)
def test_whole_component_goes(damage, word, what):
    worn = wear_unit(phone(), 0, only(**{damage: 1.0}))
    assert worn.wear == (what,)
    gone = names(phone()) - names(worn)
    assert gone
    assert all(name.startswith(word) for name in gone)
    assert groups(worn.parts, word) == {}


def test_some_screws_and_shields_go_but_holes_stay():
    worn = wear_unit(phone(), 0, only(screws_missing=1.0, shields_missing=1.0))
    lost_screws = len(groups(phone().parts, "screw")) - len(groups(worn.parts, "screw"))
    lost_shields = len(groups(phone().parts, "shield")) - len(groups(worn.parts, "shield"))
    assert worn.wear == (f"{lost_screws} screws missing", f"{lost_shields} shields missing")
    assert lost_screws >= 1
    assert lost_shields >= 1
    assert {f"board/shield-{i}/inside" for i in range(4)} <= names(worn)


def test_one_camera_goes_whole():
    worn = wear_unit(phone(), 0, only(camera_missing=1.0))
    assert len(groups(worn.parts, "camera")) == 1
    assert len(worn.parts) == len(phone().parts) - 2


def test_replaced_battery_is_smaller_and_keeps_its_place_and_its_tab():
    before = by_name(phone())
    after = by_name(wear_unit(phone(), 0, only(battery_replaced=1.0)))
    old, new = before["battery/cell"], after["battery/cell"]
    assert 0.79 < new.shape.size[0] / old.shape.size[0] < 0.97
    assert new.shape.size[2] == pytest.approx(old.shape.size[2])
    gap = after["battery/tab"].position[1] - after["battery/tab"].shape.size[1] / 2
    assert gap == pytest.approx(new.position[1] + new.shape.size[1] / 2, abs=1e-9)


def test_swollen_battery_lifts_what_lies_on_it():
    before, after = by_name(phone()), by_name(wear_unit(phone(), 0, only(battery_swollen=1.0)))
    growth = {after[name].position[2] - before[name].position[2] for name in ("front/glass", "display")}
    assert len({round(one, 9) for one in growth}) == 1
    assert 0.6 <= growth.pop() <= 2.5
    assert {name for name in before if after[name] != before[name]} == {"front/glass", "display"}


def test_cracks_cut_the_pane_on_their_side_and_nothing_else():
    worn = wear_unit(phone(), 0, only(front_cracked=1.0, back_cracked=1.0))
    assert worn.wear == ("front glass cracked", "back glass cracked")
    pane = by_name(worn)["front/glass"]
    cracks = [part for part in worn.parts if part.name.startswith("crack/front")]
    assert len(cracks) > 5
    for crack in cracks:
        assert crack.material == "air"
        assert crack.position[2] == pane.position[2]
        assert crack.shape.size[2] == pytest.approx(pane.shape.size[2])
        reach = np.abs(Solids.of([crack]).corners()[0])
        assert (reach[:, 0] < 35 + 0.1).all()
        assert (reach[:, 1] < 70 + 0.1).all()


def test_metal_back_does_not_crack():
    metal = tuple(part for part in phone().parts if part.name != "back/glass")
    worn = wear_unit(phone().model_copy(update={"parts": metal}), 0, only(back_cracked=1.0))
    assert worn.wear == ()
    assert worn.parts == metal


@cache
def remote() -> PartList:
    return RC6.make_unit("RC4", 1)


@pytest.mark.parametrize(
    ("damage", "words", "prefix"),
    [
        ("battery_missing", "battery missing", "battery-"),
        ("front_cracked", "buttons missing", "keys/button-"),
        ("sim_tray_missing", "battery lid missing", "lid/"),
        ("shields_missing", "1 shields missing", "board/back-radio-shield"),
        ("screws_missing", "1 screws missing", "screw-"),
    ],
)
def test_what_a_remote_control_loses(damage, words, prefix):
    worn = wear_unit(remote(), 0, only(**{damage: 1.0}))
    gone = names(remote()) - names(worn)
    assert len(worn.wear) == 1
    assert worn.wear[0].endswith(words)
    assert gone
    assert all(name.startswith(prefix) for name in gone)
    assert set(worn.parts) <= set(remote().parts), "the rest is as it was"


def test_a_lost_button_leaves_its_hole_and_the_gap_round_it():
    worn = wear_unit(remote(), 0, only(front_cracked=1.0))
    caps, holes = (sum(name.endswith(f"/{what}") for name in names(worn)) for what in ("cap", "hole"))
    assert holes > caps


@pytest.mark.parametrize(
    "damage",
    ["back_cracked", "frame_bent", "camera_missing", "camera_replaced", "haptic_missing", "speaker_missing"],
)
def test_what_a_remote_control_has_not_cannot_break(damage):
    assert wear_unit(remote(), 0, only(**{damage: 1.0})) == remote()


def test_a_round_cell_is_replaced_by_one_of_its_size():
    before, after = by_name(remote()), by_name(wear_unit(remote(), 0, only(battery_replaced=1.0)))
    changed = {name for name in before if after[name] != before[name]}
    assert changed
    assert all(name.startswith("battery-") for name in changed)
    assert all(after[name].shape == before[name].shape for name in changed)
    assert {after[name].material for name in changed} == {"zinc", "black_mix", "graphite"}


def test_a_coin_cell_has_no_other_make():
    coin = tuple(part.model_copy(update={"name": f"cell/{part.name}"}) for part in coin_cell())
    unit = PartList(device_class="A", unit="A-1", parts=coin)
    assert wear_unit(unit, 0, only(battery_replaced=1.0)) == unit
    assert wear_unit(unit, 0, only(battery_missing=1.0)).parts == tuple(part for part in coin if part.material == "air")


def test_a_round_cell_leaks_where_a_pouch_swells():
    worn = wear_unit(remote(), 0, only(battery_swollen=1.0))
    crust = [part for part in worn.parts if part.name.startswith("leak/")]
    assert worn.wear == ("battery leaked",)
    assert names(worn) - {part.name for part in crust} == names(remote())
    assert {part.material for part in crust} == {"potassium_carbonate"}
    order = [part.name.partition("-")[0] for part in worn.parts]
    assert order.index("leak/crust") < order.index("battery"), "what was there stays, in the crust"
    ends = [
        np.array(part.position) + sign * np.array([0, part.shape.size[2] / 2, 0])
        for name, part in by_name(worn).items()
        if name.endswith("/can")
        for sign in (-1, 1)
    ]
    assert min(max(np.linalg.norm(end - part.position) for part in crust) for end in ends) < 12


@pytest.mark.parametrize("name", sorted(DEVICE_KINDS))
def test_any_kind_of_device_takes_all_wear_there_is(name):
    always = WearConfig.model_validate(dict.fromkeys(NEVER, 1.0))
    unit = make_kind(name)
    worn = wear_unit(unit, 0, always)
    assert worn.wear
    assert len({part.name for part in worn.parts}) == len(worn.parts)
    assert PartList.model_validate_json(worn.model_dump_json()) == worn


def test_dirt_lies_on_the_faces():
    worn = wear_unit(phone(), 0, only(dirty=1.0))
    grains = [part for part in worn.parts if part.name.startswith("dirt/")]
    assert worn.wear == ("dirty",)
    assert grains
    for grain in grains:
        assert abs(abs(grain.position[2]) - grain.shape.size[2] / 2) == pytest.approx(3.5)
        assert grain.outside


def test_screws_are_replaced_by_aluminium():
    worn = wear_unit(phone(), 0, only(screws_replaced=1.0))
    materials = [part.material for part in worn.parts if part.name.startswith("screw")]
    assert set(materials) == {"steel", "aluminium"}


def masses(parts: list[Part]) -> np.ndarray:
    """Volumes of three materials, from parallel rays along z."""
    size, step = 400, 0.5
    far = 1e6
    aim = BeamGeometry(
        np.array([0, 0, far]),
        np.array([-step * (size - 1) / 2, step * (size - 1) / 2, -100.0]),
        np.array([step, 0, 0]),
        np.array([0, -step, 0]),
        (size, size),
    )
    lengths = path_lengths(Solids.of(parts), ("aluminium", "battery_cell", "cover_glass"), aim)
    return lengths.sum(axis=(0, 1)) * step**2


@pytest.mark.parametrize("degrees", [-8.0, 5.0])
def test_bending_keeps_the_material_and_bends_by_its_angle(degrees):
    straight = list(phone().parts)
    curved = bent(straight, degrees, middle=5.0, depth=0.0)
    np.testing.assert_allclose(masses(curved), masses(straight), rtol=0.02)
    assert len({part.name for part in curved}) == len(curved)
    frame = [part for part in curved if part.name.startswith("frame:")]
    lowest, highest = (max(frame, key=lambda part: sign * part.position[1]) for sign in (-1, 1))
    slopes = [np.degrees(np.arcsin(part.rotation_matrix()[2, 1])) for part in (lowest, highest)]
    assert slopes[1] - slopes[0] == pytest.approx(degrees, abs=1e-6)
    assert np.sign(highest.position[2]) == np.sign(lowest.position[2]) == np.sign(degrees)


def test_bending_by_nothing_changes_no_path():
    straight = [
        *phone().parts,
        Part(name="rail", shape=Prism(size=(4, 4, 120), radius=2), position=(33, 0, 0), rotation=(90, 0, 0),
             material="steel"),
        Part(name="ball", shape=Ellipsoid(size=(9, 30, 4)), position=(0, 10, 0), material="cover_glass"),
    ]  # fmt: skip
    aim = BeamGeometry(
        np.array([20.0, 30.0, 200.0]),
        np.array([-60.0, 60, -50]),
        np.array([1.5, 0, 0]),
        np.array([0, -1.5, 0]),
        (80, 80),
    )
    materials = sorted({part.material for part in straight})
    found = path_lengths(Solids.of(bent(straight, 0.0, 0.0, 0.0)), materials, aim)
    np.testing.assert_allclose(found, path_lengths(Solids.of(straight), materials, aim), atol=1e-3)  # a few INSET_MM


def test_bend_spares_what_cannot_be_cut():
    coil = [box("frame", (70, 140, 7), (0, 0, 0), "aluminium", 10), box("coil", (50, 50, 1), (0, 5, 0), "copper", 25)]
    spots = weak_spots(coil, np.linspace(-50, 50, 101))
    assert set(np.round(spots)) == {float(y) for y in range(-50, 51) if y <= -28 or y >= 38}
    assert len(weak_spots(coil, np.array([0.0, 5.0]))) == 2  # nowhere is better than elsewhere


@given(st.tuples(*[st.floats(-180, 180) | st.sampled_from([-90.0, 0.0, 90.0, 180.0])] * 3))
def test_angles_of_a_rotation_give_it_back(degrees):
    rotation = rotation_matrix(degrees)
    np.testing.assert_allclose(rotation_matrix(euler_degrees(rotation)), rotation, atol=1e-7)


def test_worn_library_is_written_once(tmp_path):
    write_parts(tmp_path / "new" / "SP1" / "SP1-001" / "parts.json", phone())
    library = open_simulated(tmp_path / "new")
    worn = worn_library(library, tmp_path / "worn", 1, WearConfig())
    assert parts_of(worn.units[0]) == wear_unit(phone(), 1)
    assert parts_digest(worn_library(library, tmp_path / "worn", 1, WearConfig())) == parts_digest(worn)
    with pytest.raises(InputError, match="worn otherwise"):
        worn_library(library, tmp_path / "worn", 1, only(battery_missing=1.0))
    assert parts_of(worn_library(library, tmp_path / "kept", 1, None).units[0]) == phone()

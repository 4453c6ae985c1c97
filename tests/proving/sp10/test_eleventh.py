"""SP11 is a phone like the ten, and none of them."""

import numpy as np

from phone_designs import check_cameras
from rgbx_proving.families.differences import differing
from rgbx_proving.sp10.designs import PHONES
from rgbx_proving.sp10.eleventh import SP11
from rgbx_proving.sp10.family import SP10
from rgbx_proving.sp10.shell import WALL_MM
from rgbx_proving.units.parts import PartList
from rgbx_proving.units.scanning import SCALE, scan_unit

DESIGN = SP11.designs["SP11"]


def test_it_has_what_its_predecessor_has():
    modules = {part.name.partition("/")[0] for part in SP11.nominal_unit("SP11").parts}
    assert modules == {part.name.partition("/")[0] for part in SP10.nominal_unit("SP10").parts}


def test_its_inside_is_inside():
    width, height, thickness = DESIGN.shell.size
    limit = np.array([width / 2 - WALL_MM / 2, height / 2 - WALL_MM / 2, thickness / 2])
    for number in range(1, 4):
        for part in SP11.make_unit("SP11", number).parts:
            if part.outside or part.name == "cavity":
                continue
            half = np.abs(part.rotation_matrix()) @ np.array(part.shape.size) / 2
            assert (np.abs(part.position) + half <= limit + 1e-6).all(), part.name


def test_its_cameras_stand_on_their_island_over_their_modules():
    assert DESIGN.shell.island is not None
    check_cameras(DESIGN)


def test_it_is_none_of_the_ten_to_a_camera_or_to_x_rays():
    for name, phone in PHONES.items():
        assert len(differing(phone.shell, DESIGN.shell)) > 3, name
        assert len(differing(phone.inside, DESIGN.inside)) > 3, name
    own, other = (_radiograph(family, name) for family, name in ((SP11, "SP11"), (SP10, "SP10")))
    rows, columns = (min(sides) for sides in zip(own.shape, other.shape, strict=True))
    changed = np.abs(_middle(own, rows, columns) - _middle(other, rows, columns)) > 0.05
    assert changed.mean() > 0.1


def _radiograph(family, name):
    """Transmission through a unit exactly as drawn, from the front."""
    scan = scan_unit(PartList(device_class="X", unit="X-001", parts=family.nominal_unit(name).parts), 0.8)
    return np.exp(-scan.values.astype(float).sum(axis=0) * 0.08 / SCALE)


def _middle(image, rows, columns):
    top, left = (image.shape[0] - rows) // 2, (image.shape[1] - columns) // 2
    return image[top : top + rows, left : left + columns]

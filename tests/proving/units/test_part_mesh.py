import io

import numpy as np
import pytest
import trimesh

from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.part_mesh import BEVEL_MM, build_mesh, linear_colour, write_mesh
from rgbx_proving.units.parts import Ellipsoid, Part, PartList, Prism


def _scene(shape, **fields) -> trimesh.Scene:
    part = Part(**{"name": "a", "shape": shape, "position": (0, 0, 0), "material": "steel", "outside": True} | fields)
    return build_mesh(PartList(device_class="X", unit="X-001", parts=(part,)))


def _closed(scene: trimesh.Scene) -> trimesh.Trimesh:
    mesh = trimesh.Trimesh(scene.geometry["a"].vertices, scene.geometry["a"].faces)
    mesh.merge_vertices()
    return mesh


@pytest.mark.parametrize("size", [(20.0, 10.0, 0.4), (20.0, 10.0, 4.0)])
@pytest.mark.parametrize("radius", [0.0, 0.1, 3.0, 5.0])
def test_a_prism_is_closed_and_has_its_volume(size, radius):
    mesh = _closed(_scene(Prism(size=size, radius=radius)))
    volume = (size[0] * size[1] - (4 - np.pi) * radius**2) * size[2]
    bevels = 60 * BEVEL_MM**2 if size[2] > 4 * BEVEL_MM else 0.0
    assert mesh.is_watertight
    assert volume * 0.995 - bevels < mesh.volume < volume * 1.0001
    assert np.allclose(mesh.extents, size)


def test_normals_point_outwards_and_are_unit_vectors():
    for shape in (Prism(size=(20, 10, 4), radius=3), Prism(size=(20, 10, 4)), Ellipsoid(size=(20, 10, 4))):
        mesh = _scene(shape).geometry["a"]
        assert np.allclose(np.linalg.norm(mesh.vertex_normals, axis=1), 1)
        assert ((mesh.vertex_normals * mesh.vertices).sum(axis=1) > 0).all()
        corners = mesh.vertex_normals[mesh.faces]
        assert ((corners * mesh.face_normals[:, None]).sum(axis=2) > 0.5).all()


def test_parts_stand_where_their_pose_says():
    scene = _scene(Prism(size=(20, 10, 4)), position=(1.0, 2.0, 3.0), rotation=(0.0, 0.0, 90.0))
    assert np.allclose(scene.bounds, [[-4, -8, 1], [6, 12, 5]])


def test_only_solid_outside_parts_are_in_the_mesh():
    unit = SP10.make_unit("SP5", 1)
    scene = build_mesh(unit)
    assert set(scene.geometry) == {part.name for part in unit.parts if part.outside and part.material != "air"}


def test_materials_carry_name_and_linear_colour():
    material = _scene(Prism(size=(20, 10, 4)), colour="#bc0000").geometry["a"].visual.material
    assert material.name == "steel"
    assert material.roughnessFactor == MATERIALS["steel"].roughness
    # sRGB 0xbc is half the light of white.
    assert np.allclose(np.array(material.baseColorFactor[:3]) / 255, (0.5, 0, 0), atol=0.01)
    assert np.allclose(linear_colour("#ffffff"), 1)


def test_the_glb_is_in_metres_small_and_the_same_each_time(tmp_path):
    unit = SP10.make_unit("SP9", 1)
    for name in ("a.glb", "b.glb"):
        write_mesh(tmp_path / name, build_mesh(unit))
    content = (tmp_path / "a.glb").read_bytes()
    assert content == (tmp_path / "b.glb").read_bytes()
    assert len(content) < 3e6
    loaded = trimesh.load(io.BytesIO(content), file_type="glb")
    assert np.allclose(1000 * loaded.extents, build_mesh(unit).extents, atol=1e-3)
    assert set(loaded.geometry) == set(build_mesh(unit).geometry)

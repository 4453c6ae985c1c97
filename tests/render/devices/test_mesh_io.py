import os
from pathlib import Path

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from rgbx.errors import InputError
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.part_mesh import build_mesh, write_mesh
from rgbx_proving.units.parts import Part, PartList, Prism
from rgbx_render.devices.mesh_io import read_mesh
from scan_files import write_unit_file

MM = {"um": 1e-3, "mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}

sides = st.floats(6.0, 300.0)


def _box(extents=(70.0, 140.0, 8.0), offset=(0.0, 0.0, 0.0)) -> trimesh.Trimesh:
    return trimesh.creation.box(extents).apply_translation(offset)


@pytest.mark.parametrize("suffix", ["obj", "stl", "ply"])
@pytest.mark.parametrize("unit", MM)
@settings(max_examples=5, deadline=None)
@given(extents=st.tuples(sides, sides, sides))
def test_unit_of_length_comes_from_unit_yaml(suffix, unit, extents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("unit")
    _box(np.array(extents) / MM[unit]).export(folder / f"mesh.{suffix}")
    write_unit_file(folder, mesh_unit=unit)
    scene = read_mesh(folder / f"mesh.{suffix}")
    np.testing.assert_allclose(scene.extents, extents, rtol=1e-4)
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == 12


def test_glb_is_in_metres_and_keeps_parts_places_and_materials(tmp_path):
    frame = Part(name="frame", shape=Prism(size=(70, 140, 8)), position=(0, 0, 0), material="aluminium", outside=True)
    lens = Part(
        name="island/lens", shape=Prism(size=(9, 9, 2)), position=(-20, 50, -5), material="sapphire", outside=True
    )
    written = build_mesh(PartList(device_class="A", unit="A-1", parts=(frame, lens)))
    write_mesh(tmp_path / "mesh.glb", written)
    scene = read_mesh(tmp_path / "mesh.glb")
    assert set(scene.geometry) == {"frame", "island/lens"}
    np.testing.assert_allclose(scene.bounds, written.bounds, atol=1e-3)
    np.testing.assert_allclose(scene.geometry["island/lens"].centroid, lens.position, atol=1e-3)
    material = scene.geometry["frame"].visual.material
    assert material.name == MATERIALS["aluminium"].name
    assert material.metallicFactor == pytest.approx(MATERIALS["aluminium"].metallic)


def test_transforms_of_the_file_are_applied_to_each_instance(tmp_path):
    scene = trimesh.Scene()
    shared = _box((0.01, 0.02, 0.03))
    scene.add_geometry(shared, geom_name="screw", node_name="left")
    turned = trimesh.transformations.rotation_matrix(np.pi / 2, (0, 0, 1))
    turned[:3, 3] = (0.1, 0, 0)
    scene.graph.update(frame_to="right", matrix=turned, geometry="screw")
    scene.export(tmp_path / "mesh.glb")
    read = read_mesh(tmp_path / "mesh.glb")
    np.testing.assert_allclose(read.geometry["left"].extents, (10, 20, 30), rtol=1e-5)
    np.testing.assert_allclose(read.geometry["right"].extents, (20, 10, 30), rtol=1e-5)
    np.testing.assert_allclose(read.geometry["right"].centroid, (100, 0, 0), atol=1e-3)


def test_mesh_axes_turn_a_mesh_with_z_up(tmp_path):
    _box((70, 8, 140), offset=(0, -30, 100)).export(tmp_path / "mesh.stl")  # z up, front towards -y
    write_unit_file(tmp_path, mesh_unit="mm", mesh_axes=["x", "z", "-y"])
    scene = read_mesh(tmp_path / "mesh.stl")
    np.testing.assert_allclose(scene.extents, (70, 140, 8), rtol=1e-5)
    np.testing.assert_allclose(scene.centroid, (0, 100, 30), atol=1e-3)


def test_a_turned_mesh_keeps_its_outside_out(tmp_path):
    _box().export(tmp_path / "mesh.stl")
    write_unit_file(tmp_path, mesh_unit="mm", mesh_axes=["-x", "y", "z"])
    (mesh,) = read_mesh(tmp_path / "mesh.stl").geometry.values()
    assert mesh.volume == pytest.approx(70 * 140 * 8, rel=1e-4)


def test_vertex_colours_are_kept(tmp_path):
    mesh = _box()
    mesh.visual.vertex_colors = np.tile([200, 30, 10, 255], (8, 1)).astype(np.uint8)
    mesh.export(tmp_path / "mesh.ply")
    write_unit_file(tmp_path, mesh_unit="mm")
    (read,) = read_mesh(tmp_path / "mesh.ply").geometry.values()
    np.testing.assert_array_equal(read.visual.vertex_colors[:, :3], np.tile([200, 30, 10], (8, 1)))


def _missing(folder: Path) -> Path:
    return folder / "mesh.glb"


def _empty(folder: Path) -> Path:
    (folder / "mesh.glb").touch()
    return folder / "mesh.glb"


def _without_unit(suffix: str):
    def make(folder: Path) -> Path:
        _box().export(folder / f"mesh.{suffix}")
        return folder / f"mesh.{suffix}"

    return make


def _cut(suffix: str, keep: float):
    def make(folder: Path) -> Path:
        path = folder / f"mesh.{suffix}"
        trimesh.creation.icosphere(subdivisions=2, radius=0.05).export(path)
        write_unit_file(folder, mesh_unit="m")
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])
        return path

    return make


def _points(folder: Path) -> Path:
    trimesh.PointCloud(np.random.default_rng(0).random((50, 3)) * 100).export(folder / "mesh.ply")
    write_unit_file(folder, mesh_unit="mm")
    return folder / "mesh.ply"


def _without_faces(folder: Path) -> Path:
    (folder / "mesh.obj").write_text("v 0 0 0\nv 10 0 0\nv 0 10 0\n")
    write_unit_file(folder, mesh_unit="mm")
    return folder / "mesh.obj"


def _not_finite(folder: Path) -> Path:
    (folder / "mesh.obj").write_text("v 0 0 0\nv nan 0 0\nv 0 10 0\nv 0 0 9\nf 1 2 3\nf 1 3 4\n")
    write_unit_file(folder, mesh_unit="mm")
    return folder / "mesh.obj"


def _metres_taken_for_mm(folder: Path) -> Path:
    _box((0.07, 0.14, 0.008)).export(folder / "mesh.stl")
    write_unit_file(folder, mesh_unit="mm")
    return folder / "mesh.stl"


def _glb_in_mm(folder: Path) -> Path:
    _box().export(folder / "mesh.glb")
    return folder / "mesh.glb"


def _unknown_format(folder: Path) -> Path:
    (folder / "mesh.step").write_text("ISO-10303-21;")
    return folder / "mesh.step"


def _text(folder: Path) -> Path:
    (folder / "mesh.glb").write_text("this is no mesh")
    return folder / "mesh.glb"


BAD = {
    "missing": (_missing, "mesh.glb does not exist", "check the path"),
    "empty": (_empty, "mesh.glb is empty", "export it again"),
    "stl-without-unit": (_without_unit("stl"), "mesh.stl says no unit of length", "add 'mesh_unit: mm'"),
    "obj-without-unit": (_without_unit("obj"), "mesh.obj says no unit of length", "add 'mesh_unit: mm'"),
    "ply-without-unit": (_without_unit("ply"), "mesh.ply says no unit of length", "add 'mesh_unit: mm'"),
    "cut-glb": (_cut("glb", 0.6), "mesh.glb is damaged or cut off", "export it again"),
    "cut-stl": (_cut("stl", 0.6), "mesh.stl is damaged or cut off", "export it again"),
    "cut-ply": (_cut("ply", 0.6), "mesh.ply is damaged or cut off", "export it again"),
    "points": (_points, "mesh.ply has no faces", "export a surface of triangles"),
    "no-faces": (_without_faces, "mesh.obj has no faces", "export a surface of triangles"),
    "not-finite": (_not_finite, "mesh.obj has vertices that are NaN", "export it again"),
    "wrong-unit": (
        _metres_taken_for_mm,
        "mesh.stl is 0.14 mm long; it looks as if its numbers are in metres",
        "set 'mesh_unit: m' in",
    ),
    "glb-in-mm": (
        _glb_in_mm,
        "mesh.glb is 140,000 mm long; it looks as if its numbers are in millimetres",
        "set 'mesh_unit: mm'",
    ),
    "unknown-format": (_unknown_format, "mesh.step is no mesh in a format", "give one of .glb"),
    "text": (_text, "mesh.glb is damaged or cut off", "export it again"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence_with_a_remedy(name, tmp_path, capfd):
    make, problem, remedy = BAD[name]
    path = make(tmp_path)
    capfd.readouterr()
    with pytest.raises(InputError) as caught:
        read_mesh(path)
    message = str(caught.value)
    assert str(tmp_path) in message
    assert problem in message
    assert remedy in message
    assert "\n" not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_mesh_that_may_not_be_read(tmp_path):
    path = _glb_in_mm(tmp_path)
    path.chmod(0)
    with pytest.raises(InputError, match="may not be read"):
        read_mesh(path)

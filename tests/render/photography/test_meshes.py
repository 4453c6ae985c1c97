import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from rgbx_render.photography.meshes import _PLAIN, RenderMesh, is_written, read_render_mesh, write_render_mesh


def box(size: tuple[float, float, float], at: tuple[float, float, float], **finish: object) -> trimesh.Trimesh:
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(at)
    if finish:
        mesh.visual = trimesh.visual.TextureVisuals(material=PBRMaterial(**finish))
    return mesh


def write(tmp_path: Path, *meshes: trimesh.Trimesh) -> tuple[RenderMesh, dict[str, np.ndarray]]:
    mesh = write_render_mesh(trimesh.Scene(list(meshes)), tmp_path / "unit.npz")
    with np.load(mesh.path) as arrays:
        return mesh, dict(arrays)


RED = {"name": "glass", "baseColorFactor": [255, 0, 0, 255], "metallicFactor": 0.0, "roughnessFactor": 0.1}
BLUE = {"name": "glass", "baseColorFactor": [0, 0, 255, 255], "metallicFactor": 0.0, "roughnessFactor": 0.1}


def test_vertices_are_centred_and_in_metres(tmp_path: Path) -> None:
    mesh, arrays = write(tmp_path, box((70, 140, 8), (10, 0, 0)), box((10, 10, 2), (10, 50, 5)))
    low, high = arrays["vertices"].min(axis=0), arrays["vertices"].max(axis=0)
    np.testing.assert_allclose(high, [0.035, 0.070, 0.005], atol=1e-6)
    np.testing.assert_allclose(low, -high, atol=1e-6)
    assert mesh.centre == pytest.approx((10, 0, 1))
    np.testing.assert_allclose(np.abs(mesh.hull).max(axis=0), [35, 70, 5])


def test_geometries_of_one_finish_share_a_surface(tmp_path: Path) -> None:
    mesh, arrays = write(tmp_path, box((2, 2, 2), (0, 0, 0), **RED), box((1, 1, 1), (5, 0, 0), **RED),
                         box((1, 1, 1), (9, 0, 0), **BLUE))  # fmt: skip
    assert [surface.name for surface in mesh.surfaces] == ["glass", "glass-2"]
    assert mesh.surfaces[0].colour == (1.0, 0.0, 0.0)
    assert mesh.areas == pytest.approx([30 / 36, 6 / 36])
    assert np.bincount(arrays["surface"]).tolist() == [24, 12]


def test_edges_stay_sharp_and_curves_smooth(tmp_path: Path) -> None:
    _, arrays = write(tmp_path, box((2, 2, 2), (0, 0, 0)))
    assert len(arrays["vertices"]) == 24
    _, arrays = write(tmp_path, trimesh.creation.icosphere(subdivisions=3))
    assert len(arrays["vertices"]) == 642


def test_placement_in_the_scene_counts(tmp_path: Path) -> None:
    scene = trimesh.Scene()
    scene.add_geometry(box((10, 10, 10), (0, 0, 0)), transform=trimesh.transformations.scale_matrix(3))
    mesh = write_render_mesh(scene, tmp_path / "unit.npz")
    assert np.abs(mesh.hull).max() == pytest.approx(15)


def test_texture_and_its_coordinates_are_kept(tmp_path: Path) -> None:
    mesh = trimesh.creation.box((1, 1, 1))
    uv = np.random.default_rng(0).random((len(mesh.vertices), 2))
    image = Image.new("RGB", (4, 4), (200, 10, 20))
    mesh.visual = trimesh.visual.TextureVisuals(uv=uv, material=SimpleMaterial(image=image, name="photo"))
    written, arrays = write(tmp_path, mesh)
    assert written.surfaces[0].texture is not None
    (surface,) = written.job()["mesh_surfaces"]
    assert Image.open(surface["texture"]).getpixel((1, 1)) == (200, 10, 20)
    np.testing.assert_allclose(arrays["uv"], uv, atol=1e-6)


def test_a_mesh_that_was_copied_is_read_with_its_texture(tmp_path: Path) -> None:
    box_of_photos = trimesh.creation.box((1, 2, 3))
    image = Image.new("RGB", (4, 4), (200, 10, 20))
    box_of_photos.visual = trimesh.visual.TextureVisuals(uv=np.zeros((8, 2)), material=SimpleMaterial(image=image))
    written, _ = write(tmp_path / "here", box_of_photos, box((1.1, 0.3, 0.7), (5, 0.1, 0), **RED))
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert not is_written(tmp_path / "here/unit.npz")
    assert is_written(tmp_path / "there/unit.npz")
    read = read_render_mesh(tmp_path / "there/unit.npz")
    assert (read.surfaces, read.centre, read.areas) == (written.surfaces, written.centre, written.areas)
    np.testing.assert_array_equal(read.hull, written.hull)
    job = read.job()
    assert job["mesh"] == str(tmp_path / "there/unit.npz")
    assert Path(job["mesh_surfaces"][0]["texture"]).parent == tmp_path / "there"
    assert Path(job["mesh_surfaces"][0]["texture"]).exists()
    assert job["mesh_surfaces"][1]["texture"] is None


def test_vertex_colours_are_kept_as_linear_light(tmp_path: Path) -> None:
    mesh = trimesh.creation.box((1, 1, 1))
    mesh.visual.vertex_colors = np.tile([188, 188, 188, 255], (8, 1))
    written, arrays = write(tmp_path, mesh)
    assert written.surfaces[0].vertex_colours
    np.testing.assert_allclose(arrays["colours"], 0.5029, atol=1e-3)


def test_a_bare_mesh_is_grey(tmp_path: Path) -> None:
    mesh, _ = write(tmp_path, box((1, 2, 3), (0, 0, 0)))
    assert mesh.surfaces[0].colour == _PLAIN
    assert not mesh.surfaces[0].vertex_colours

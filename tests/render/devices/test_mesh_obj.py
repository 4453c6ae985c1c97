import numpy as np
import pytest
import trimesh
from PIL import Image

from mesh_files import expect_phantom, obj_text, phantom, write_in_mm
from rgbx.errors import InputError
from rgbx_render.devices.mesh_io import mesh_remarks, read_mesh
from rgbx_render.devices.mesh_parts import find_beside, vertex_colours

QUAD = "v 0 0 0\nv 40 0 0\nv 40 90 0\nv 0 90 0\nvt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\n"
FACE = "f 1/1 2/2 3/3 4/4\n"


def read(folder, text: str, name: str = "mesh.obj"):
    return read_mesh(write_in_mm(folder, name, text))


def the_only(scene):
    (mesh,) = scene.geometry.values()
    return mesh


def save_texture(folder, name: str, colour=(200, 100, 50)) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4), colour).save(folder / name)


@pytest.mark.parametrize("name", ["mesh.obj", "mesh.OBJ", "Mesh.Obj"])
def test_the_phantom_is_read_as_it_is(name, tmp_path):
    scene = read(tmp_path, obj_text(), name)
    expect_phantom(scene)
    assert "has no colours for these parts, which become grey" in mesh_remarks(scene)[0]


def test_negative_indices_count_from_where_they_stand(tmp_path):
    vertices, faces = phantom()
    blocks = []
    for start in range(0, 24, 8):
        blocks += ["v {:g} {:g} {:g}".format(*vertex) for vertex in vertices[start : start + 8]]
        own = faces[(faces >= start).all(axis=1) & (faces < start + 8).all(axis=1)]
        blocks += ["f {} {} {}".format(*face) for face in own - start - 8]
    expect_phantom(read(tmp_path, "\n".join(blocks)))


def test_polygons_that_are_not_convex(tmp_path):
    ring = [(0, 0), (40, 0), (40, 10), (10, 10), (10, 90), (0, 90)]
    for start in range(len(ring)):
        turned = ring[start:] + ring[:start]
        lines = [f"v {x} {y} 0" for x, y in turned] + ["f 1 2 3 4 5 6"]
        mesh = the_only(read(tmp_path, "\n".join(lines)))
        assert mesh.area == pytest.approx(400 + 800)
        assert (mesh.face_normals[:, 2] > 0.99).all()


def test_quads_that_are_not_convex(tmp_path):
    for start in range(4):
        ring = np.roll([(0, 0), (40, 0), (10, 10), (0, 40)], -start, axis=0)
        mesh = the_only(read(tmp_path, "\n".join([*(f"v {x} {y} 0" for x, y in ring), "f 1 2 3 4"])))
        assert mesh.area == pytest.approx(400)


def test_names_and_comments_that_look_like_statements(tmp_path):
    text = "# mtllib nothing.mtl\n# f 1 2 3\ng faces\no first\n" + obj_text().replace("f ", "f\t", 3)
    scene = read(tmp_path, text)
    expect_phantom(scene)
    assert list(scene.geometry) == ["first"]


def test_lines_that_go_on(tmp_path):
    expect_phantom(read(tmp_path, obj_text().replace("f 1 ", "f 1 \\\n")))


def test_comments_behind_statements(tmp_path):
    expect_phantom(read(tmp_path, obj_text().replace("\n", " # so it is\n")))


@pytest.mark.parametrize(
    "face", ["f 1 2 25", "f 0 1 2", "f 1 2 -25", "f 1 2 x", "f 1/1 2/1 3/1", "f 1/ 2//1 3", "f 1 2"]
)
def test_faces_of_what_is_not_there_are_refused(face, tmp_path):
    with pytest.raises(InputError, match="is damaged or cut off"):
        read(tmp_path, obj_text() + face)


def test_materials_of_groups(tmp_path):
    (tmp_path / "mesh.mtl").write_text("newmtl a\nKd 1 0 0\nnewmtl b c\nKd 0 0 1\nd 0.5\n")
    scene = read(tmp_path, f"mtllib mesh.mtl\no cover\nusemtl a\n{QUAD}f 1 2 3\nusemtl b c\nf 1 3 4\n")
    colours = {name: mesh.visual.material.diffuse[:3].tolist() for name, mesh in scene.geometry.items()}
    assert colours == {"cover/a": [255, 0, 0], "cover/b c": [0, 0, 255]}
    assert "can be seen through, which are rendered opaque: cover/b c" in mesh_remarks(scene)[0]


@pytest.mark.parametrize(
    ("named", "lies"),
    [
        ("my materials.mtl", "my materials.mtl"),
        ("Mesh.MTL", "mesh.mtl"),
        ("C:\\Users\\me\\mesh.mtl", "mesh.mtl"),
        (".\\parts\\mesh.mtl", "parts/mesh.mtl"),
        ("/home/me/mesh.mtl", "mesh.mtl"),
        ("../elsewhere/mesh.mtl", "mesh.mtl"),
        ("other.mtl mesh.mtl", "mesh.mtl"),
    ],
)
def test_material_files_are_found_as_they_are_written(named, lies, tmp_path):
    (tmp_path / lies).parent.mkdir(exist_ok=True)
    (tmp_path / lies).write_text("newmtl a\nKd 1 0 0\n")
    scene = read(tmp_path, f"mtllib {named}\nusemtl a\n{QUAD}{FACE}")
    assert the_only(scene).visual.material.diffuse[:3].tolist() == [255, 0, 0]
    assert len(mesh_remarks(scene)) == ("other" in named)


def test_several_material_files(tmp_path):
    (tmp_path / "a.mtl").write_text("newmtl a\nKd 1 0 0\n")
    (tmp_path / "b.mtl").write_text("newmtl b\nKd 0 1 0\n")
    for text in ("mtllib a.mtl b.mtl\n", "mtllib a.mtl\nmtllib b.mtl\n"):
        scene = read(tmp_path, f"{text}usemtl a\n{QUAD}f 1 2 3\nusemtl b\nf 1 3 4\n")
        assert [mesh.visual.material.diffuse[:3].tolist() for mesh in scene.geometry.values()] == [
            [255, 0, 0],
            [0, 255, 0],
        ]


@pytest.mark.parametrize(
    ("written", "lies"),
    [
        ("tex.png", "tex.png"),
        ("Tex.PNG", "tex.png"),
        ("my tex.png", "my tex.png"),
        ("textures\\Tex.png", "Textures/tex.png"),
        ("D:\\work\\tex.png", "tex.png"),
        ("-clamp on -s 1 1 1 tex.png", "tex.png"),
        ("-blendu off -mm 0 1 -o 0 0 my tex.png", "my tex.png"),
        ("-bm 0.5 -imfchan r -texres 512 -t 0 tex.png", "tex.png"),
        ("-s 1 1 1 1.png", "1.png"),
    ],
)
def test_textures_are_found_as_they_are_written(written, lies, tmp_path):
    save_texture(tmp_path, lies)
    (tmp_path / "mesh.mtl").write_text(f"newmtl a\nmap_Kd {written}\n")
    scene = read(tmp_path, f"mtllib mesh.mtl\nusemtl a\n{QUAD}{FACE}")
    assert the_only(scene).visual.material.image.getpixel((1, 1)) == (200, 100, 50)
    np.testing.assert_allclose(np.ptp(the_only(scene).visual.uv, axis=0), 1)
    assert mesh_remarks(scene) == ()


def test_textures_that_are_shifted_and_repeated(tmp_path):
    save_texture(tmp_path, "tex.png")
    (tmp_path / "mesh.mtl").write_text("newmtl a\nmap_Kd -o 0.25 -s 2 3 1 tex.png\n")
    uv = the_only(read(tmp_path, f"mtllib mesh.mtl\nusemtl a\n{QUAD}{FACE}")).visual.uv
    np.testing.assert_allclose([uv.min(axis=0), uv.max(axis=0)], [[0.25, 0], [2.25, 3]])


@pytest.mark.parametrize(
    ("materials", "remark"),
    [
        (None, "names the materials mesh.mtl, which are not beside it"),
        ("newmtl a\nmap_Kd tex.png\n", "names the texture tex.png, which is not beside it or cannot be read: mesh"),
        ("newmtl a\nKd 1 0 0\nmap_Kd mesh.mtl\n", "names the texture mesh.mtl, which is not beside it"),
        ("newmtl b\nKd 1 0 0\n", "has no colours for these parts, which become grey: mesh"),
        ("newmtl a\nNs 10\n", "has no colours for these parts, which become grey: mesh"),
    ],
)
def test_what_is_missing_is_remarked_on(materials, remark, tmp_path):
    if materials is not None:
        (tmp_path / "mesh.mtl").write_text(materials)
    scene = read(tmp_path, f"mtllib mesh.mtl\nusemtl a\n{QUAD}{FACE}")
    assert any(remark in text for text in mesh_remarks(scene)), mesh_remarks(scene)
    assert the_only(scene).area == pytest.approx(3600)


def test_a_texture_without_coordinates_is_remarked_on(tmp_path):
    save_texture(tmp_path, "tex.png")
    (tmp_path / "mesh.mtl").write_text("newmtl a\nmap_Kd tex.png\n")
    scene = read(tmp_path, f"mtllib mesh.mtl\nusemtl a\n{QUAD}f 1 2 3 4\n")
    assert "has no texture coordinates for these parts" in mesh_remarks(scene)[0]


@pytest.mark.parametrize("full", [1.0, 255.0])
def test_colours_at_vertices(full, tmp_path):
    colours = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0.2, 0.4, 0.6]])
    rows = np.column_stack([[[0, 0, 0], [40, 0, 0], [40, 90, 0], [0, 90, 0]], colours * full])
    scene = read(tmp_path, "\n".join(["v " + " ".join(map(str, row)) for row in rows] + ["f 1 2 3 4"]))
    np.testing.assert_allclose(vertex_colours(the_only(scene)), colours, atol=2e-3)
    assert mesh_remarks(scene) == ()


def test_a_texture_of_sixteen_bits(tmp_path):
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(tmp_path / "tex.png")
    (tmp_path / "mesh.mtl").write_text("newmtl a\nmap_Kd tex.png\n")
    scene = read(tmp_path, f"mtllib mesh.mtl\nusemtl a\n{QUAD}{FACE}")
    assert the_only(scene).visual.material.image.getpixel((0, 0)) == (128, 128, 128)


def test_no_file_of_another_folder_is_read(tmp_path):
    (tmp_path / "secret.mtl").write_text("newmtl a\n")
    (tmp_path / "unit").mkdir()
    assert find_beside(tmp_path / "unit", "../secret.mtl") is None
    assert find_beside(tmp_path / "unit", "") is None


def test_numbers_far_from_the_origin_are_remarked_on(tmp_path):
    box = trimesh.creation.box((40, 90, 8))
    far = np.add(box.vertices, (2e6, 0, 0))
    faces = ["f {} {} {}".format(*face) for face in box.faces + 1]
    scene = read(tmp_path, "\n".join([*("v {:.0f} {:.0f} {:.0f}".format(*at) for at in far), *faces]))
    assert "lies so far from its origin that its numbers are only good to 1/720 of its length" in mesh_remarks(scene)[1]
    scene = read(tmp_path, "\n".join([*("v {:.4f} {:.4f} {:.4f}".format(*at) for at in far + 0.0101), *faces]))
    np.testing.assert_allclose(scene.extents, (40, 90, 8), rtol=1e-4)
    assert len(mesh_remarks(scene)) == 1

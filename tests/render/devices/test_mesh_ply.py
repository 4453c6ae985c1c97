import numpy as np
import pytest
import trimesh
from PIL import Image

from mesh_files import expect_phantom, phantom, ply_bytes, write_in_mm
from rgbx.errors import InputError
from rgbx_render.devices.mesh_io import mesh_remarks, read_mesh
from rgbx_render.devices.mesh_parts import vertex_colours
from rgbx_render.photography.meshes import write_render_mesh

KINDS = ["ascii", "binary_little_endian", "binary_big_endian"]
SRGB = np.random.default_rng(0).integers(0, 256, (24, 3))


def read(folder, content: str | bytes):
    return read_mesh(write_in_mm(folder, "mesh.ply", content))


def the_only(scene):
    (mesh,) = scene.geometry.values()
    return mesh


@pytest.mark.parametrize("kind", KINDS)
def test_the_phantom_is_read_as_it_is(kind, tmp_path):
    scene = read(tmp_path, ply_bytes(kind))
    expect_phantom(scene)
    assert "has no colours for these parts, which become grey: mesh" in mesh_remarks(scene)[0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "names", [("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b")]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_colours_at_vertices(kind, names, dtype, tmp_path):
    full = {"uint8": 255, "uint16": 65535}.get(dtype, 1.0)
    colours = (SRGB / 255 * full).round(0 if full > 1 else 6).astype(dtype)
    scene = read(tmp_path, ply_bytes(kind, colours, names))
    expect_phantom(scene)
    np.testing.assert_allclose(vertex_colours(the_only(scene)), SRGB / 255, atol=1e-6)
    assert mesh_remarks(scene) == ()


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian"])
def test_bytes_that_are_nearly_black_are_no_shares(kind, tmp_path):
    scene = read(tmp_path, ply_bytes(kind, np.ones((24, 3), np.uint8)))
    np.testing.assert_allclose(vertex_colours(the_only(scene)), 1 / 255)


@pytest.mark.parametrize("kind", KINDS)
def test_colours_of_faces_do_not_run(kind, tmp_path):
    _, faces = phantom()
    colours = np.random.default_rng(1).integers(0, 256, (len(faces), 3)).astype(np.uint8)
    scene = read(tmp_path, ply_bytes(kind, colours, of="face"))
    expect_phantom(scene)
    mesh = the_only(scene)
    np.testing.assert_allclose(vertex_colours(mesh)[mesh.faces], np.repeat(colours[:, None] / 255, 3, axis=1))


def test_colours_are_made_linear_once(tmp_path):
    scene = read(tmp_path, ply_bytes(colours=np.full((24, 3), 188, np.uint8)))
    with np.load(write_render_mesh(scene, tmp_path / "unit.npz").path) as arrays:
        np.testing.assert_allclose(arrays["colours"], 0.5029, atol=1e-3)


def mixed(kind: str) -> bytes:
    """A prism over an L that is not convex: two polygons of six corners, five quads, one of them as two triangles."""
    ring = np.array([(0, 0), (40, 0), (40, 10), (10, 10), (10, 90), (0, 90)], float)
    vertices = np.vstack([np.column_stack([ring, np.full(6, z)]) for z in (0, 8)])
    faces = [[5, 4, 3, 2, 1, 0], [6, 7, 8, 9, 10, 11], [0, 1, 7], [0, 7, 6]]
    faces += [[at, (at + 1) % 6, (at + 1) % 6 + 6, at + 6] for at in range(1, 6)]
    head = (
        f"ply\nformat {kind} 1.0\nelement vertex 12\nproperty float x\nproperty float y\nproperty float z\n"
        f"element face {len(faces)}\nproperty list uchar int vertex_index\nproperty uchar flags\nend_header\n"
    )
    if kind == "ascii":
        lines = [" ".join(f"{value:g}" for value in vertex) for vertex in vertices]
        lines += [" ".join(map(str, [len(face), *face, 0])) for face in faces]
        return (head + "\n".join(lines)).encode()
    order = "<" if "little" in kind else ">"
    body = vertices.astype(f"{order}f4").tobytes()
    for face in faces:
        body += bytes([len(face)]) + np.array(face, f"{order}i4").tobytes() + b"\0"
    return head.encode() + body


@pytest.mark.parametrize("kind", KINDS)
def test_polygons_of_several_sizes(kind, tmp_path):
    mesh = the_only(read(tmp_path, mixed(kind)))
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx((400 + 800) * 8)


def textured(coordinates: str) -> str:
    head = "ply\nformat ascii 1.0\ncomment TextureFile Skin of it.png\nelement vertex 4\n"
    rows = [(0, 0, 0), (40, 0, 0), (40, 90, 0), (0, 90, 0)]
    uv = [(0, 0), (1, 0), (1, 1), (0, 1)]
    if coordinates == "face":
        lines = ["{} {} {}".format(*row) for row in rows] + ["4 0 1 2 3 8 0 0 1 0 1 1 0 1"]
        face = "property list uchar int vertex_indices\nproperty list uchar float texcoord\n"
        vertex = ""
    else:
        lines = ["{} {} {} {} {}".format(*row, *at) for row, at in zip(rows, uv, strict=True)] + ["4 0 1 2 3"]
        face = "property list uchar int vertex_indices\n"
        vertex = "".join(f"property float {name}\n" for name in coordinates.split())
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    return f"{head}{axes}{vertex}element face 1\n{face}end_header\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize("coordinates", ["face", "s t", "u v", "texture_u texture_v"])
def test_textures(coordinates, tmp_path):
    (remark, *_) = mesh_remarks(read(tmp_path, textured(coordinates)))
    assert "names the texture Skin of it.png, which is not beside it or cannot be read" in remark
    Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / "skin of it.png")
    scene = read(tmp_path, textured(coordinates))
    mesh = the_only(scene)
    assert mesh.visual.material.image.getpixel((1, 1)) == (200, 100, 50)
    np.testing.assert_allclose(mesh.visual.uv, mesh.vertices[:, :2] / [40, 90])
    assert mesh_remarks(scene) == ()
    without = textured(coordinates).replace("texcoord", "else").replace("property float s", "property float k")
    without = without.replace("property float u", "property float k").replace("texture_u", "k")
    assert "has no texture coordinates" in mesh_remarks(read(tmp_path, without))[0]


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (b"element vertex 24", b"element vertex 25"),
        (b"element vertex 24", b"element vertex -1"),
        (b"element face 36", b"element face 35"),
        (b"property float x", b"property double x"),
        (b"property float x", b"property float w"),
        (b"format", b"formal"),
        (b"end_header", b"end_heeder"),
        (b"binary_little_endian", b"binary_big_endian"),
        (b"list uchar int", b"list uchar short"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(was, becomes, tmp_path):
    with pytest.raises(InputError, match="is damaged or cut off"):
        read(tmp_path, ply_bytes().replace(was, becomes, 1))


def test_what_other_programs_write_is_read(tmp_path):
    box = trimesh.creation.box((40, 90, 8))
    box.visual.vertex_colors = np.tile([200, 30, 10, 255], (8, 1)).astype(np.uint8)
    for encoding in ("ascii", "binary"):
        mesh = the_only(read(tmp_path, trimesh.exchange.ply.export_ply(box, encoding=encoding)))
        assert mesh.volume == pytest.approx(40 * 90 * 8)
        np.testing.assert_allclose(vertex_colours(mesh), np.tile([200, 30, 10], (8, 1)) / 255)

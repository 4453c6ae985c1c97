import base64
import io
import json
import struct

import DracoPy
import numpy as np
import pytest
from PIL import Image

from mesh_files import VOLUME, Glb, expect_phantom, phantom
from rgbx.errors import InputError
from rgbx_render.devices.mesh_io import mesh_remarks, read_mesh
from rgbx_render.devices.mesh_parts import srgb_to_linear, vertex_colours
from rgbx_render.devices.preview import shade_mesh
from rgbx_render.photography.meshes import write_render_mesh
from scan_files import write_unit_file

RED = np.tile(np.array([[255, 0, 0]], np.uint8), (24, 1))


def picture(colour=(200, 100, 50), kind="PNG") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4), colour).save(file, kind, lossless=True)
    return file.getvalue()


def with_uv(glb: Glb, name: str = "TEXCOORD_0") -> np.ndarray:
    uv = np.random.default_rng(0).random((24, 2)).astype(np.float32)
    glb.attribute(name, uv)
    return uv


def refused(glb: Glb, folder) -> str:
    with pytest.raises(InputError) as caught:
        read_mesh(glb.write(folder))
    return str(caught.value)


def the_only(scene):
    (mesh,) = scene.geometry.values()
    return mesh


def test_the_phantom_is_read_as_it_is(tmp_path):
    scene = read_mesh(Glb().write(tmp_path))
    expect_phantom(scene)
    assert list(scene.geometry) == ["phone"]
    assert the_only(scene).volume == pytest.approx(VOLUME, rel=1e-4)
    assert mesh_remarks(scene) == (f"{tmp_path}/mesh.glb has no colours for these parts, which become grey: phone.",)


# --- extensions ---


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("KHR_texture_basisu", "unpack its textures with 'gltf-transform ktxdecompress mesh.glb unpacked.glb'."),
        ("EXT_meshopt_compression", "unpack it with 'gltfpack -noq -kn -km -i mesh.glb -o unpacked.glb'."),
        ("KHR_meshopt_compression", "unpack it with 'gltfpack -noq -kn -km -i mesh.glb -o unpacked.glb'."),
        ("KHR_some_shape", "export it without."),
    ],
)
def test_what_is_required_and_not_read_is_refused_by_name(name, remedy, tmp_path):
    glb = Glb()
    glb.json["extensionsRequired"] = glb.json["extensionsUsed"] = [name]
    assert f"mesh.glb requires the glTF extension {name}, which is not read: {remedy}" in refused(glb, tmp_path)


@pytest.mark.parametrize("name", ["KHR_materials_clearcoat", "KHR_lights_punctual", "KHR_materials_ior"])
def test_what_only_adds_to_the_looks_may_be_required(name, tmp_path):
    glb = Glb()
    glb.json["extensionsRequired"] = [name]
    expect_phantom(read_mesh(glb.write(tmp_path)))


def test_what_is_used_and_unknown_is_remarked_on(tmp_path):
    glb = Glb()
    glb.json["extensionsUsed"] = ["ACME_curls"]
    assert any("uses the glTF extension ACME_curls" in text for text in mesh_remarks(read_mesh(glb.write(tmp_path))))


def draco(glb: Glb, fallback: bool = False) -> None:
    vertices, faces = phantom()
    uv = np.random.default_rng(0).random((24, 2))
    packed = DracoPy.encode(vertices / 1000, faces, tex_coord=uv, quantization_bits=20, preserve_order=True)
    numbers = {entry["attribute_type"]: entry["unique_id"] for entry in DracoPy.decode(packed).attributes}
    with_uv(glb)
    for accessor in [] if fallback else glb.json["accessors"]:
        del accessor["bufferView"]
    glb.primitive["extensions"] = {
        "KHR_draco_mesh_compression": {
            "bufferView": glb.view(packed),
            "attributes": {
                "POSITION": numbers[DracoPy.AttributeType.POSITION],
                "TEXCOORD_0": numbers[DracoPy.AttributeType.TEX_COORD],
            },
        }
    }


@pytest.mark.parametrize("fallback", [False, True])
def test_draco_is_read_with_its_texture(fallback, tmp_path):
    glb = Glb()
    draco(glb, fallback)
    glb.json["extensionsUsed"] = ["KHR_draco_mesh_compression"]
    glb.json["extensionsRequired"] = [] if fallback else glb.json["extensionsUsed"]
    glb.material(pbrMetallicRoughness={"baseColorTexture": glb.texture(picture())})
    scene = read_mesh(glb.write(tmp_path))
    expect_phantom(scene)
    uv = np.random.default_rng(0).random((24, 2))
    np.testing.assert_allclose(the_only(scene).visual.uv[:, 1], 1 - uv[:, 1], atol=2e-3)
    assert mesh_remarks(scene) == ()


def test_draco_that_is_damaged_is_refused(tmp_path):
    glb = Glb()
    draco(glb)
    start = glb.json["bufferViews"][-1]["byteOffset"]
    glb.binary = glb.binary[: start + 20] + b"\xff" * (len(glb.binary) - start - 20)
    assert "is damaged or cut off" in refused(glb, tmp_path)


def test_an_array_without_data_is_no_mesh_of_zeros(tmp_path):
    glb = Glb()
    del glb.json["accessors"][0]["bufferView"]
    assert "is damaged or cut off" in refused(glb, tmp_path)


def test_meshopt_without_its_fallback_is_refused_by_name(tmp_path):
    glb = Glb()
    glb.json["buffers"] = [{"byteLength": len(glb.binary)}, {"byteLength": 288}]
    glb.json["bufferViews"][0] |= {"buffer": 1, "extensions": {"EXT_meshopt_compression": {"buffer": 0}}}
    assert "requires the glTF extension EXT_meshopt_compression" in refused(glb, tmp_path)


@pytest.mark.parametrize("normalised", [False, True])
def test_quantised_positions(normalised, tmp_path):
    glb = Glb()
    vertices, _ = phantom()
    steps = np.rint(vertices / 70 * np.iinfo(np.int16).max).astype("<i2") if normalised else vertices.astype("<i2")
    glb.attribute("POSITION", steps, **({"normalized": True} if normalised else {}))
    glb.json["extensionsRequired"] = ["KHR_mesh_quantization"]
    glb.node["scale"] = [0.07] * 3 if normalised else [0.001] * 3
    expect_phantom(read_mesh(glb.write(tmp_path)))


def test_instances_are_all_there(tmp_path):
    glb = Glb()
    quarter = np.sqrt(0.5)
    places = glb.array(np.array([[0, 0, 0], [0.2, 0, 0]], "<f4"))
    turns = glb.array(np.array([[0, 0, 0, 1], [0, 0, quarter, quarter]], "<f4"))
    glb.node["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": places, "ROTATION": turns}}}
    first, second = read_mesh(glb.write(tmp_path)).geometry.values()
    np.testing.assert_allclose(first.bounds, [[0, 0, 0], [30, 70, 9]], atol=1e-3)
    np.testing.assert_allclose(second.bounds, [[130, 0, 0], [200, 30, 9]], atol=1e-3)


def test_hidden_nodes_are_not_shown(tmp_path):
    glb = Glb()
    glb.json["nodes"].append({"mesh": 0, "extensions": {"KHR_node_visibility": {"visible": False}}})
    glb.json["scenes"][0]["nodes"] = [0, 1]
    expect_phantom(read_mesh(glb.write(tmp_path)))


def test_textures_are_turned_and_taken_from_the_set_that_the_material_names(tmp_path):
    glb = Glb()
    with_uv(glb)
    uv = np.random.default_rng(1).random((24, 2)).astype(np.float32)
    glb.attribute("TEXCOORD_1", uv)
    transform = {"offset": [0.1, 0.2], "rotation": np.pi / 2, "scale": [2.0, 3.0], "texCoord": 1}
    texture = glb.texture(picture()) | {"extensions": {"KHR_texture_transform": transform}}
    glb.material(pbrMetallicRoughness={"baseColorTexture": texture})
    shown = the_only(read_mesh(glb.write(tmp_path))).visual.uv
    np.testing.assert_allclose(shown, np.column_stack([3 * uv[:, 1] + 0.1, 1 - (-2 * uv[:, 0] + 0.2)]), atol=1e-6)


def test_normalised_texture_coordinates(tmp_path):
    glb = Glb()
    uv = np.random.default_rng(1).integers(0, 65536, (24, 2)).astype("<u2")
    glb.attribute("TEXCOORD_0", uv, normalized=True)
    glb.material(pbrMetallicRoughness={"baseColorTexture": glb.texture(picture())})
    shown = the_only(read_mesh(glb.write(tmp_path))).visual.uv
    np.testing.assert_allclose(shown, [0, 1] + uv / 65535 * [1, -1], atol=1e-6)


def test_webp_is_read_and_ktx2_is_remarked_on(tmp_path):
    glb = Glb()
    with_uv(glb)
    webp = glb.texture(picture(kind="WEBP"), "image/webp", extensions={"EXT_texture_webp": {"source": 0}})
    glb.json["extensionsRequired"] = ["EXT_texture_webp"]
    glb.material(pbrMetallicRoughness={"baseColorTexture": webp})
    scene = read_mesh(glb.write(tmp_path))
    assert the_only(scene).visual.material.baseColorTexture.getpixel((1, 1)) == (200, 100, 50)
    assert mesh_remarks(scene) == ()
    glb.json["textures"] = [{"extensions": {"KHR_texture_basisu": {"source": 0}}}]
    (remark,) = mesh_remarks(read_mesh(glb.write(tmp_path)))
    assert remark.endswith("textures that cannot be read, so that these parts show their plain colour: phone.")


# --- colours ---


def surface(scene, folder):
    written = write_render_mesh(scene, folder / "unit.npz")
    with np.load(written.path) as arrays:
        return written.surfaces[0], dict(arrays), written


def test_base_colour_times_texture(tmp_path):
    glb = Glb()
    with_uv(glb)
    finish = {"baseColorTexture": glb.texture(picture((188, 188, 188))), "baseColorFactor": [1.0, 0.5, 0.0, 1.0]}
    glb.material(pbrMetallicRoughness=finish)
    shown, _, written = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    pixel = np.array(Image.open(written.path.with_name(shown.texture)).getpixel((1, 1)))
    np.testing.assert_allclose(srgb_to_linear(pixel / 255), [0.503, 0.2515, 0.0], atol=3e-3)


@pytest.mark.parametrize("kind", ["float", "byte", "short", "alpha"])
def test_colours_at_vertices_are_linear_and_times_the_base_colour(kind, tmp_path):
    glb = Glb()
    light = np.tile([0.2, 0.4, 0.8], (24, 1))
    values, keys = {
        "float": (light.astype("<f4"), {}),
        "byte": (np.rint(light * 255).astype("u1"), {"normalized": True}),
        "short": (np.rint(light * 65535).astype("<u2"), {"normalized": True}),
        "alpha": (np.column_stack([light, np.zeros(24)]).astype("<f4"), {}),
    }[kind]
    glb.attribute("COLOR_0", values, **keys)
    glb.material(pbrMetallicRoughness={"baseColorFactor": [0.5, 1, 1, 1], "metallicFactor": 0.25})
    shown, arrays, _ = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert shown.vertex_colours
    assert shown.metallic == 0.25
    np.testing.assert_allclose(arrays["colours"], np.tile([0.1, 0.4, 0.8], (24, 1)), atol=5e-3)


def test_colours_at_vertices_without_a_material(tmp_path):
    glb = Glb()
    glb.attribute("COLOR_0", RED, normalized=True)
    scene = read_mesh(glb.write(tmp_path))
    np.testing.assert_allclose(vertex_colours(the_only(scene)), RED / 255)
    assert mesh_remarks(scene) == ()


def test_colours_at_vertices_times_a_texture(tmp_path):
    glb = Glb()
    with_uv(glb)
    glb.attribute("COLOR_0", RED, normalized=True)
    glb.material(pbrMetallicRoughness={"baseColorTexture": glb.texture(picture())})
    shown, arrays, _ = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert shown.vertex_colours
    assert shown.texture is not None
    np.testing.assert_allclose(arrays["colours"], RED / 255)


def test_metal_and_roughness_are_those_of_their_texture(tmp_path):
    glb = Glb()
    with_uv(glb)
    finish = {"metallicRoughnessTexture": glb.texture(picture((0, 128, 0))), "roughnessFactor": 0.5}
    glb.material(pbrMetallicRoughness=finish)
    shown, _, _ = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert shown.metallic == 0.0
    assert shown.roughness == pytest.approx(0.25, abs=2e-3)


def test_specular_glossiness(tmp_path):
    glb = Glb()
    finish = {"diffuseFactor": [0.2, 0.4, 0.6, 1], "specularFactor": [0.04, 0.04, 0.04], "glossinessFactor": 0.7}
    glb.material(extensions={"KHR_materials_pbrSpecularGlossiness": finish})
    shown, _, _ = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert shown.colour == pytest.approx((0.2, 0.4, 0.6), abs=3e-3)
    assert (shown.metallic, shown.roughness) == pytest.approx((0.0, 0.3), abs=1e-3)


def test_specular_glossiness_is_that_of_its_textures(tmp_path):
    glb = Glb()
    with_uv(glb)
    file = io.BytesIO()
    Image.new("RGBA", (4, 4), (56, 56, 56, 128)).save(file, "PNG")  # 4 % of the light, as plastics and glass
    dark, colour = glb.texture(file.getvalue()), glb.texture(picture(), source=0)
    glb.json["textures"][1]["source"] = 1
    finish = {"diffuseTexture": colour, "specularGlossinessTexture": dark}
    glb.material(extensions={"KHR_materials_pbrSpecularGlossiness": finish})
    shown, _, written = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert shown.metallic == pytest.approx(0, abs=0.02)
    assert shown.roughness == pytest.approx(0.5, abs=5e-3)
    assert Image.open(written.path.with_name(shown.texture)).getpixel((1, 1)) == (200, 100, 50)


def test_unlit_is_matt(tmp_path):
    glb = Glb()
    glb.material(pbrMetallicRoughness={"baseColorFactor": [1, 0, 0, 1]}, extensions={"KHR_materials_unlit": {}})
    shown, _, _ = surface(read_mesh(glb.write(tmp_path)), tmp_path)
    assert (shown.colour, shown.metallic, shown.roughness) == ((1, 0, 0), 0, 1)


@pytest.mark.parametrize(
    ("keys", "opacity"),
    [
        ({"alphaMode": "BLEND"}, 0.4),
        ({"alphaMode": "OPAQUE"}, 1.0),
        ({"extensions": {"KHR_materials_transmission": {"transmissionFactor": 0.75}}}, 0.25),
    ],
)
def test_what_can_be_seen_through(keys, opacity, tmp_path):
    glb = Glb()
    glb.material(pbrMetallicRoughness={"baseColorFactor": [0, 0, 1, 0.4]}, **keys)
    scene = read_mesh(glb.write(tmp_path))
    assert surface(scene, tmp_path)[0].opacity == pytest.approx(opacity, abs=2e-3)
    assert shade_mesh(scene, side=32).min() < 255, "what alone is there is drawn"
    assert mesh_remarks(scene) == ()


def test_opacity_of_a_texture(tmp_path):
    glb = Glb()
    with_uv(glb)
    file = io.BytesIO()
    Image.new("RGBA", (4, 4), (10, 20, 30, 51)).save(file, "PNG")
    finish = {"baseColorTexture": glb.texture(file.getvalue()), "baseColorFactor": [1, 1, 1, 0.5]}
    glb.material(pbrMetallicRoughness=finish, alphaMode="BLEND")
    assert surface(read_mesh(glb.write(tmp_path)), tmp_path)[0].opacity == pytest.approx(0.1, abs=2e-3)
    glb.json["materials"][0]["alphaMode"] = "MASK"
    (remark,) = mesh_remarks(read_mesh(glb.write(tmp_path)))
    assert "has parts with holes that only their texture makes, which are rendered closed: phone" in remark


# --- the container ---


def _text(glb: Glb) -> bytes:
    return json.dumps(glb.json).encode()


def _first_version(glb: Glb) -> bytes:
    content = glb.content()
    return content[:4] + struct.pack("<I", 1) + content[8:]


def _outside_buffer(glb: Glb) -> bytes:
    glb.json["buffers"] = [{"byteLength": len(glb.binary), "uri": "mesh.bin"}]
    return glb.content()


def _outside_image(glb: Glb) -> bytes:
    with_uv(glb)
    glb.material(pbrMetallicRoughness={"baseColorTexture": glb.texture(picture())})
    glb.json["images"] = [{"uri": "body.png"}]
    return glb.content()


def _old_asset(glb: Glb) -> bytes:
    glb.json["asset"] = {"version": "1.0"}
    return glb.content()


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (_text, "is a .gltf file by another name"),
        (_first_version, "is a GLB of version 1, which is not read"),
        (_old_asset, "is of glTF version 1.0, which is not read"),
        (_outside_buffer, "keeps part of its content in another file (mesh.bin)"),
        (_outside_image, "keeps part of its content in another file (body.png)"),
    ],
)
def test_other_kinds_of_gltf_are_refused_by_name(make, problem, tmp_path):
    (tmp_path / "mesh.glb").write_bytes(make(Glb()))
    with pytest.raises(InputError) as caught:
        read_mesh(tmp_path / "mesh.glb")
    assert problem in str(caught.value)


def test_data_in_the_json_is_read(tmp_path):
    glb = Glb()
    uri = "data:application/octet-stream;base64," + base64.b64encode(glb.binary).decode()
    glb.json["buffers"] = [{"byteLength": len(glb.binary), "uri": uri}]
    glb.binary = b""
    expect_phantom(read_mesh(glb.write(tmp_path)))


def test_sparse_accessors(tmp_path):
    glb = Glb()
    vertices, _ = phantom()
    moved = np.flatnonzero(vertices[:, 2] == 9)
    sparse = {
        "count": len(moved),
        "indices": {"bufferView": glb.view(moved.astype("<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": glb.view((vertices[moved] * [1, 1, 2] / 1000).astype("<f4").tobytes())},
    }
    glb.json["accessors"][0]["sparse"] = sparse
    expect_phantom(read_mesh(glb.write(tmp_path)), lambda at: np.where(at == 9, at * [1, 1, 2], at))


def test_interleaved_arrays(tmp_path):
    glb = Glb()
    vertices, _ = phantom()
    rows = np.column_stack([vertices / 1000, np.ones((24, 3))]).astype("<f4")
    glb.json["bufferViews"][0] = {"buffer": 0, "byteOffset": len(glb.binary), "byteLength": rows.nbytes}
    glb.json["bufferViews"][0]["byteStride"] = 24
    glb.binary += rows.tobytes()
    expect_phantom(read_mesh(glb.write(tmp_path)))


# --- nodes and triangles ---


@pytest.mark.parametrize("missing", ["scene", "scenes", "nodes"])
def test_a_file_without_a_default_scene(missing, tmp_path):
    glb = Glb()
    for key in {"scene": ["scene"], "scenes": ["scene", "scenes"], "nodes": ["scene", "scenes", "nodes"]}[missing]:
        del glb.json[key]
    expect_phantom(read_mesh(glb.write(tmp_path)))


def test_several_scenes(tmp_path):
    glb = Glb()
    glb.json["scenes"].append({"nodes": []})
    scene = read_mesh(glb.write(tmp_path))
    expect_phantom(scene)
    assert "holds 2 scenes, of which the default one is read" in mesh_remarks(scene)[0]
    del glb.json["scene"]
    assert "holds 2 scenes and does not say which to show" in refused(glb, tmp_path)


def test_a_skeleton_is_refused_and_a_morph_is_applied(tmp_path):
    glb = Glb()
    vertices, _ = phantom()
    glb.primitive["targets"] = [{"POSITION": glb.array((vertices / 1000).astype("<f4"))}]
    expect_phantom(read_mesh(glb.write(tmp_path)))
    glb.json["meshes"][0]["weights"] = [0.5]
    expect_phantom(read_mesh(glb.write(tmp_path)), lambda at: 1.5 * at)
    glb.json["nodes"] = [{"mesh": 0, "weights": [1.0]}, {"mesh": 0}]
    glb.json["scenes"][0]["nodes"] = [0, 1]
    first, second = read_mesh(glb.write(tmp_path)).geometry.values()
    assert (first.extents[1], second.extents[1]) == pytest.approx((140, 105))
    glb.json["nodes"] = [{"name": "phone", "mesh": 0}]
    glb.json["scenes"][0]["nodes"] = [0]
    glb.node["skin"] = 0
    assert "bends the part phone by a skeleton" in refused(glb, tmp_path)


@pytest.mark.parametrize("mode", [5, 6])
def test_strips_and_fans(mode, tmp_path):
    glb = Glb()
    corners = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [9, 9, 1]] if mode == 5 else
                       [[0, 0, 0], [9, 0, 0], [9, 9, 1], [0, 9, 0]], "<f4")  # fmt: skip
    glb.json["meshes"][0]["primitives"] = [{"attributes": {"POSITION": glb.array(corners / 1000)}, "mode": mode}]
    mesh = the_only(read_mesh(glb.write(tmp_path)))
    assert len(mesh.faces) == 2
    assert (mesh.face_normals[:, 2] > 0.9).all()
    assert mesh.area == pytest.approx(81, rel=0.02)


def test_lines_are_left_out_and_what_hangs_on_them_stays_in_place(tmp_path):
    glb = Glb()
    line = glb.array(np.array([[0, 0, 0], [1, 0, 0]], "<f4"))
    glb.json["meshes"].append({"primitives": [{"attributes": {"POSITION": line}, "mode": 1}]})
    glb.json["nodes"].append({"mesh": 1, "translation": [0.1, 0, 0], "children": [0]})
    glb.json["scenes"][0]["nodes"] = [1]
    scene = read_mesh(glb.write(tmp_path))
    expect_phantom(scene, lambda at: np.add(at, (100, 0, 0)))
    assert any("has lines or points, which are left out" in remark for remark in mesh_remarks(scene))


def test_what_hangs_on_a_camera_stays_in_place(tmp_path):
    glb = Glb()
    glb.json["cameras"] = [{"type": "perspective", "perspective": {"yfov": 1, "znear": 0.1}}]
    glb.json["nodes"].append({"camera": 0, "translation": [0, 0.1, 0], "children": [0]})
    glb.json["scenes"][0]["nodes"] = [1]
    expect_phantom(read_mesh(glb.write(tmp_path)), lambda at: np.add(at, (0, 100, 0)))


def test_a_mirrored_node_is_mirrored_with_its_outside_out(tmp_path):
    glb = Glb()
    glb.node["scale"] = [-1, 1, 1]
    scene = read_mesh(glb.write(tmp_path))
    expect_phantom(scene, lambda at: at * [-1, 1, 1])
    assert the_only(scene).volume == pytest.approx(VOLUME, rel=1e-4)


def test_nodes_that_share_a_mesh_or_a_name(tmp_path):
    glb = Glb()
    glb.json["nodes"] = [{"name": "world", "mesh": 0}, {"name": "world", "mesh": 0, "translation": [0.1, 0, 0]}]
    glb.json["scenes"][0]["nodes"] = [0, 1]
    scene = read_mesh(glb.write(tmp_path))
    assert len(scene.geometry) == 2
    np.testing.assert_allclose(scene.bounds, [[0, 0, 0], [130, 70, 9]], atol=1e-3)
    assert len(write_render_mesh(scene, tmp_path / "unit.npz").hull)


def test_a_node_that_holds_itself_is_refused(tmp_path):
    glb = Glb()
    glb.node["children"] = [0]
    assert "is damaged or cut off" in refused(glb, tmp_path)


@pytest.mark.parametrize(
    ("factor", "unit", "says"),
    [
        (
            1000,
            None,
            "is 70,000 mm long; it looks as if its numbers are in millimetres (70 mm): set 'mesh_unit: mm' in",
        ),
        (100, None, "are in centimetres (70 mm) or inches (178 mm): set 'mesh_unit: cm' or 'mesh_unit: inch' in"),
        (1, "mm", "is 0.07 mm long; it looks as if its numbers are in metres (70 mm): set 'mesh_unit: m' in"),
        (
            1e6,
            None,
            "is 70,000,000 mm long; it looks as if its numbers are in micrometres (70 mm): set 'mesh_unit: um'",
        ),
        (1e-3, None, "is 0.07 mm long; in no unit of length is it a device: scale it"),
        (1e30, None, "is 7e+31 mm long; in no unit of length is it a device: scale it"),
    ],
)
def test_the_likely_unit_is_offered(factor, unit, says, tmp_path):
    glb = Glb()
    glb.node["scale"] = [factor] * 3
    if unit is not None:
        write_unit_file(tmp_path, mesh_unit=unit)
    assert says in refused(glb, tmp_path)

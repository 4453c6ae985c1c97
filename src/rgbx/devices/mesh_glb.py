"""Reading GLB, the binary form of glTF 2.0: nodes, triangles and materials."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trimesh.transformations import quaternion_matrix
from trimesh.visual.gloss import specular_to_pbr
from trimesh.visual.material import PBRMaterial

from rgbx.devices.glb_file import GlbFile
from rgbx.devices.mesh_parts import GREY, MeshParts, coloured_mesh, linear_to_srgb, sampled, tinted
from rgbx.errors import InputError
from rgbx.extras import optional_packages

_STRIP, _FAN, _TRIANGLES = 5, 6, 4
_DRACO = "KHR_draco_mesh_compression"
_INSTANCES = "EXT_mesh_gpu_instancing"
_TRANSFORM = "KHR_texture_transform"
_UNLIT = "KHR_materials_unlit"
_GLOSS = "KHR_materials_pbrSpecularGlossiness"
_TRANSMISSIONS = {
    "KHR_materials_transmission": "transmissionFactor",
    "KHR_materials_diffuse_transmission": "diffuseTransmissionFactor",
}
_METAL = 0.5
_NO_TEXTURE = "has textures that cannot be read, so that these parts show their plain colour"

Attributes = dict[str, np.ndarray]


def read_glb(path: Path) -> MeshParts:
    """Read a GLB.

    Returns:
        A part for each primitive of triangles at each node, in metres by the format's standard; colours as glTF
        defines them: base colour × texture × colours at the vertices.

    Raises:
        InputError: it needs what is not read here.
        ValueError: it is damaged; or whatever else a damaged file trips the reader up with.
    """
    file, found = GlbFile(path), MeshParts()
    for name in file.unknown_extensions:
        found.remark(f"uses the glTF extension {name}, which is not read")
    primitives: dict[int, list[tuple[dict[str, Any], np.ndarray, Attributes]]] = {}
    for node, matrix in _placed_nodes(file, found):
        if "mesh" not in node:
            continue
        given = node.get("name") or file.entry("meshes", node["mesh"]).get("name")
        name = str(given or f"part-{len(found.parts) + 1}")
        if "skin" in node:
            raise InputError(path, f"bends the part {name} by a skeleton", "apply it and export it without")
        if "weights" in node or node["mesh"] not in primitives:
            primitives[node["mesh"]] = list(_primitives(file, node, found))
        for number, (primitive, faces, attributes) in enumerate(primitives[node["mesh"]], start=1):
            part = name if number == 1 else f"{name}-{number}"
            look = _look(file, primitive, attributes, part, found)
            mesh = coloured_mesh(attributes["POSITION"], faces, **look)
            found.parts.append((part, mesh.apply_transform(matrix)))
    return found


def _placed_nodes(file: GlbFile, found: MeshParts) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
    """Yield the nodes of the file's scene with their places in it, in the file's order; of instances, each."""
    queue = [(root, np.eye(4)) for root in reversed(_roots(file, found))]
    seen: set[int] = set()
    while queue:
        index, parent = queue.pop()
        node = file.entry("nodes", index)
        if index in seen:
            raise ValueError(f"node {index} has more than one parent")
        seen.add(index)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
            continue
        matrix = parent @ _matrix(node)
        queue.extend((child, matrix) for child in reversed(node.get("children", [])))
        instances = node.get("extensions", {}).get(_INSTANCES)
        if instances is None:
            yield node, matrix
        else:
            for place in _instances({key: file.array(index) for key, index in instances["attributes"].items()}):
                yield node, matrix @ place


def _roots(file: GlbFile, found: MeshParts) -> list[Any]:
    scenes, nodes = file.json.get("scenes", []), file.json.get("nodes", [])
    if not nodes and not scenes:  # a file of meshes that are in no scene
        file.json["nodes"] = [{"mesh": index} for index in range(len(file.json.get("meshes", [])))]
        return list(range(len(file.json["nodes"])))
    if not scenes:
        children = {child for node in nodes for child in node.get("children", [])}
        return [index for index in range(len(nodes)) if index not in children]
    if len(scenes) > 1:
        if "scene" not in file.json:
            raise InputError(
                file.path, f"holds {len(scenes)} scenes and does not say which to show", "export one of them"
            )
        found.remark(f"holds {len(scenes)} scenes, of which the default one is read")
    return list(file.entry("scenes", file.json.get("scene", 0)).get("nodes", []))


def _matrix(node: dict[str, Any]) -> np.ndarray:
    if "matrix" in node:
        matrix = np.array(node["matrix"], float).reshape(4, 4).T
        if not np.allclose(matrix[3], (0, 0, 0, 1)):
            raise ValueError("a matrix that is not affine")
        return matrix
    return _placement(
        np.array(node.get("translation", (0, 0, 0)), float),
        np.array(node.get("rotation", (0, 0, 0, 1)), float),
        np.array(node.get("scale", (1, 1, 1)), float),
    )


def _placement(translation: np.ndarray, rotation: np.ndarray, scale: np.ndarray) -> np.ndarray:
    if translation.shape != (3,) or rotation.shape != (4,) or scale.shape != (3,) or not rotation.any():
        raise ValueError("no placement")
    x, y, z, w = rotation
    matrix: np.ndarray = quaternion_matrix((w, x, y, z)) @ np.diag((*scale, 1.0))
    matrix[:3, 3] = translation
    return matrix


def _instances(attributes: Attributes) -> Iterator[np.ndarray]:
    counts = {len(values) for values in attributes.values()}
    if len(counts) != 1:
        raise ValueError("instances with attributes of different lengths")
    for row in range(counts.pop()):
        defaults = {"TRANSLATION": (0.0, 0.0, 0.0), "ROTATION": (0.0, 0.0, 0.0, 1.0), "SCALE": (1.0, 1.0, 1.0)}
        placed = [np.array(attributes[key][row] if key in attributes else defaults[key], float) for key in defaults]
        yield _placement(*placed)


def _primitives(
    file: GlbFile, node: dict[str, Any], found: MeshParts
) -> Iterator[tuple[dict[str, Any], np.ndarray, Attributes]]:
    """Yield the primitives of a node's mesh that have triangles, with these and the values at their vertices."""
    mesh = file.entry("meshes", node["mesh"])
    for primitive in mesh["primitives"]:
        mode = primitive.get("mode", _TRIANGLES)
        if mode in (0, 1, 2, 3):
            found.remark("has lines or points, which are left out")
            continue
        attributes, faces = _decoded(file, primitive)
        for key, accessor in primitive["attributes"].items():
            if key not in attributes and (key == "POSITION" or key.startswith(("TEXCOORD_", "COLOR_0"))):
                attributes[key] = file.array(accessor)
        if len({len(values) for values in attributes.values()}) != 1 or attributes["POSITION"].shape[1] != 3:
            raise ValueError("attributes of different lengths")
        weights = node.get("weights", mesh.get("weights", []))
        for weight, target in zip(weights, primitive.get("targets", []), strict=False):
            if weight and "POSITION" in target:
                attributes["POSITION"] = attributes["POSITION"] + weight * file.array(target["POSITION"])
        if faces is None:
            faces = _triangles(mode, _indices(file, primitive, len(attributes["POSITION"])))
        if faces.size and not 0 <= faces.min() <= faces.max() < len(attributes["POSITION"]):
            raise ValueError("triangles of vertices that are not there")
        yield primitive, faces, attributes


def _decoded(file: GlbFile, primitive: dict[str, Any]) -> tuple[Attributes, np.ndarray | None]:
    """Decompress what Draco packed, unless the file has it unpacked too."""
    packed = primitive.get("extensions", {}).get(_DRACO)
    if packed is None or file.has_data(primitive["attributes"]["POSITION"]):
        return {}, None
    with optional_packages("rgbx[render]"):
        import DracoPy

    mesh = DracoPy.decode(file.view(packed["bufferView"]))
    values = {entry["unique_id"]: np.asarray(entry["data"]) for entry in mesh.attributes}
    attributes = {
        key: file.as_real(primitive["attributes"][key], values[number]).reshape(len(mesh.points), -1)
        for key, number in packed["attributes"].items()
    }
    return attributes, np.asarray(mesh.faces, np.int64)


def _indices(file: GlbFile, primitive: dict[str, Any], vertices: int) -> np.ndarray:
    if "indices" not in primitive:
        return np.arange(vertices)
    indices = file.array(primitive["indices"])
    if indices.dtype.kind != "u" or indices.shape[1] != 1:
        raise ValueError("indices that are no counts")
    return indices[:, 0].astype(np.int64)


def _triangles(mode: int, corners: np.ndarray) -> np.ndarray:
    if mode == _TRIANGLES:
        return corners.reshape(-1, 3)
    first, second, third = corners[:-2], corners[1:-1], corners[2:]
    if mode == _FAN:
        return np.column_stack([np.full_like(first, corners[0]), second, third])
    if mode == _STRIP:
        odd = np.arange(len(first)) % 2 == 1  # every other triangle of a strip runs the other way round
        return np.column_stack([first, np.where(odd, third, second), np.where(odd, second, third)])
    raise ValueError(f"no primitive is of mode {mode}")


def _look(
    file: GlbFile, primitive: dict[str, Any], attributes: Attributes, part: str, found: MeshParts
) -> dict[str, Any]:
    """Return material, texture coordinates and colours of a primitive."""
    light = _vertex_light(attributes)
    if "material" not in primitive:
        if light is None:
            found.remark(GREY, part)
        return {"colours": None if light is None else linear_to_srgb(light)}
    material = file.entry("materials", primitive["material"])
    extensions = material.get("extensions", {})
    if material.get("alphaMode") == "MASK":
        found.remark("has parts with holes that only their texture makes, which are rendered closed", part)
    finish = _specular_glossiness(extensions[_GLOSS]) if _GLOSS in extensions else material.get(
        "pbrMetallicRoughness", {}
    )  # fmt: skip
    *factor, opacity = np.array(finish.get("baseColorFactor", (1, 1, 1, 1)), float)
    metallic, roughness = float(finish.get("metallicFactor", 1.0)), float(finish.get("roughnessFactor", 1.0))
    if _UNLIT in extensions:
        metallic, roughness = 0.0, 1.0
    elif (shared := _texture(file, finish.get("metallicRoughnessTexture"), attributes, part, found)) is not None:
        _, green, blue = sampled(*shared).mean(axis=0)[:3] / 255
        metallic, roughness = metallic * blue, roughness * green
    texture = _texture(file, finish.get("baseColorTexture"), attributes, part, found)
    if texture is None and light is not None:
        light, factor = light * factor, [1.0, 1.0, 1.0]
    if texture is not None and texture[0].mode == "RGBA":
        opacity *= sampled(*texture)[:, 3].mean() / 255
    if "COLOR_0" in attributes and attributes["COLOR_0"].shape[1] == 4:
        opacity *= float(_shares(attributes["COLOR_0"])[:, 3].mean())
    if material.get("alphaMode", "OPAQUE") != "BLEND":
        opacity = 1.0
    for name, share in _TRANSMISSIONS.items():
        opacity *= 1.0 - float(extensions.get(name, {}).get(share, 0.0))
    if len(factor) != 3 or not np.isfinite((*factor, metallic, roughness, opacity)).all():
        raise ValueError("a material with colours that are no numbers")
    shown = PBRMaterial(
        name=str(material.get("name") or "mesh"),
        baseColorFactor=np.clip((*(factor if texture is None else np.ones(3)), opacity), 0, 1),
        baseColorTexture=None if texture is None else tinted(texture[0], factor),
        metallicFactor=metallic,
        roughnessFactor=roughness,
        alphaMode="BLEND" if opacity < 1 else "OPAQUE",
    )
    return {
        "material": shown,
        "uv": None if texture is None else texture[1],
        "colours": None if light is None else linear_to_srgb(light),
    }


def _vertex_light(attributes: Attributes) -> np.ndarray | None:
    """Return the colours at the vertices, (N, 3) of linear light."""
    if "COLOR_0" not in attributes:
        return None
    return _shares(attributes["COLOR_0"])[:, :3]


def _shares(colours: np.ndarray) -> np.ndarray:
    """Return RGB or RGBA as shares of 1; integers are always meant so here."""
    if colours.shape[1] not in (3, 4):
        raise ValueError("colours that are neither RGB nor RGBA")
    most = 1.0 if colours.dtype.kind == "f" else np.iinfo(colours.dtype).max
    return np.clip(np.nan_to_num(colours.astype(float) / most), 0, 1)


def _specular_glossiness(finish: dict[str, Any]) -> dict[str, Any]:
    """Return the metallic-roughness material that comes nearest."""
    given = {key: finish[key] for key in ("diffuseFactor", "specularFactor", "glossinessFactor") if key in finish}
    nearest = specular_to_pbr(**given)
    metal = nearest["metallicFactor"] > _METAL
    return {
        "metallicFactor": nearest["metallicFactor"],
        "roughnessFactor": nearest["roughnessFactor"],
        "baseColorFactor": [*finish.get("specularFactor", (1, 1, 1)), 1]
        if metal
        else finish.get("diffuseFactor", (1, 1, 1, 1)),
        "baseColorTexture": finish.get("specularGlossinessTexture" if metal else "diffuseTexture"),
    }


def _texture(
    file: GlbFile, info: dict[str, Any] | None, attributes: Attributes, part: str, found: MeshParts
) -> tuple[Image.Image, np.ndarray] | None:
    """Return a texture and the coordinates, v upwards, at which a primitive wants it."""
    if info is None:
        return None
    transform = info.get("extensions", {}).get(_TRANSFORM, {})
    uv = attributes.get(f"TEXCOORD_{transform.get('texCoord', info.get('texCoord', 0))}")
    texture = file.entry("textures", info["index"])
    source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
    if uv is None or source is None:
        found.remark(_NO_TEXTURE, part)
        return None
    try:
        image = file.image(source)
    except OSError:
        found.remark(_NO_TEXTURE, part)
        return None
    (left, top), turn = transform.get("offset", (0, 0)), transform.get("rotation", 0.0)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * transform.get("scale", (1, 1))
    across, down = (uv[:, :2].astype(float) @ turned.T + (left, top)).T
    return image, np.column_stack([across, 1.0 - down])

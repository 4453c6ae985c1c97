"""Reading GLB, the binary form of glTF 2.0: its nodes and triangles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from trimesh.transformations import quaternion_matrix

from rgbx.errors import InputError
from rgbx.extras import optional_packages
from rgbx_render.devices.glb_file import GlbFile
from rgbx_render.devices.glb_look import Attributes, read_look
from rgbx_render.devices.mesh_parts import MeshParts, coloured_mesh

_STRIP, _FAN, _TRIANGLES = 5, 6, 4
_DRACO = "KHR_draco_mesh_compression"
_INSTANCES = "EXT_mesh_gpu_instancing"


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
    primitives: dict[object, list[tuple[dict[str, Any], np.ndarray, Attributes]]] = {}
    for node, matrix in _placed_nodes(file, found):
        if "mesh" not in node:
            continue
        given = node.get("name") or file.entry("meshes", node["mesh"]).get("name")
        name = str(given or f"part-{len(found.parts) + 1}")
        if "skin" in node:
            raise InputError(path, f"bends the part {name} by a skeleton", "apply it and export it without")
        key = node["mesh"], *node.get("weights", ())
        if key not in primitives:
            primitives[key] = list(_primitives(file, node, found))
        for number, (primitive, faces, attributes) in enumerate(primitives[key], start=1):
            part = name if number == 1 else f"{name}-{number}"
            look = read_look(file, primitive, attributes, part, found)
            mesh = coloured_mesh(
                attributes["POSITION"], faces, material=look.material, uv=look.uv, colours=look.colours
            )
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

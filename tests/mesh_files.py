"""A small mesh that no mirroring or turning brings onto itself, and files of it with whatever a test wants in them."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh

from scan_files import write_unit_file

BLOCKS = (((0, 0, 0), (30, 10, 6)), ((0, 10, 0), (10, 60, 6)), ((0, 60, 6), (8, 8, 3)))
"""Corner and size of the blocks of an L with a knob, mm."""
VOLUME = 5592.0
SIZE = (30.0, 70.0, 9.0)


def phantom() -> tuple[np.ndarray, np.ndarray]:
    """Return its vertices, mm, and triangles."""
    boxes = [trimesh.creation.box(size).apply_translation(np.add(at, np.divide(size, 2))) for at, size in BLOCKS]
    mesh = trimesh.util.concatenate(boxes)
    return np.asarray(mesh.vertices), np.asarray(mesh.faces)


def outline(scene: trimesh.Scene) -> np.ndarray:
    """Return the corners of all triangles, (T, 3, 3) mm, in an order of their own."""
    triangles = np.concatenate([mesh.triangles for mesh in scene.geometry.values()])
    first = np.array([np.lexsort(triangle.round(3).T)[0] for triangle in triangles])
    turned = np.array([np.roll(triangle, -at, axis=0) for triangle, at in zip(triangles, first, strict=True)])
    return turned[np.lexsort(turned.round(3).reshape(len(turned), 9).T)]


def expect_phantom(scene: trimesh.Scene, transform: Callable[[np.ndarray], np.ndarray] = lambda at: at) -> None:
    """Check shape, place, size and handedness of a scene, and that its outside is out."""
    vertices, faces = phantom()
    moved = transform(vertices)
    if trimesh.Trimesh(moved, faces, process=False).volume < 0:
        faces = faces[:, ::-1]
    right = trimesh.Scene(trimesh.Trimesh(moved, faces, process=False))
    np.testing.assert_allclose(outline(scene), outline(right), atol=2e-3)


class Glb:
    """A GLB of the phantom in metres, to be changed before it is written."""

    def __init__(self) -> None:
        self.binary = b""
        vertices, faces = phantom()
        self.json: dict[str, Any] = {"asset": {"version": "2.0"}, "buffers": [], "bufferViews": [], "accessors": []}
        position = self.array((vertices / 1000).astype("<f4"))
        indices = self.array(faces.astype("<u2").reshape(-1, 1))
        self.json |= {
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"name": "phone", "mesh": 0}],
            "meshes": [{"primitives": [{"attributes": {"POSITION": position}, "indices": indices}]}],
        }

    @property
    def primitive(self) -> dict[str, Any]:
        return self.json["meshes"][0]["primitives"][0]

    @property
    def node(self) -> dict[str, Any]:
        return self.json["nodes"][0]

    def view(self, data: bytes) -> int:
        """Add bytes; return the number of their view."""
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.binary), "byteLength": len(data)})
        self.binary += data + b"\0" * (-len(data) % 4)
        return len(self.json["bufferViews"]) - 1

    def array(self, values: np.ndarray, **keys: Any) -> int:
        """Add an array, (count, width); return the number of its accessor."""
        kinds = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
        entry = {
            "bufferView": self.view(np.ascontiguousarray(values).tobytes()),
            "componentType": kinds[values.dtype.name],
            "count": len(values),
            "type": {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}[values.shape[1]],
        }
        self.json["accessors"].append(entry | keys)
        return len(self.json["accessors"]) - 1

    def attribute(self, name: str, values: np.ndarray, **keys: Any) -> None:
        """Give the phantom values at its vertices."""
        self.primitive["attributes"][name] = self.array(values, **keys)

    def material(self, **keys: Any) -> dict[str, Any]:
        """Give the phantom a material."""
        self.json["materials"] = [{"name": "glass", **keys}]
        self.primitive["material"] = 0
        return self.json["materials"][0]

    def texture(self, image: bytes, mime: str = "image/png", **keys: Any) -> dict[str, int]:
        """Add an image and a texture of it; return what a material says of it."""
        images = self.json.setdefault("images", [])
        images.append({"bufferView": self.view(image), "mimeType": mime})
        textures = self.json.setdefault("textures", [])
        textures.append(keys or {"source": len(images) - 1})
        return {"index": len(textures) - 1}

    def content(self) -> bytes:
        if self.json.get("buffers") == []:
            self.json["buffers"] = [{"byteLength": len(self.binary)}]
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        binary = self.binary + b"\0" * (-len(self.binary) % 4)
        chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
        return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks

    def write(self, folder: Path) -> Path:
        path = folder / "mesh.glb"
        path.write_bytes(self.content())
        return path


def write_in_mm(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a mesh and that its unit of length is the millimetre."""
    write_unit_file(folder, mesh_unit="mm")
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def obj_text() -> str:
    vertices, faces = phantom()
    lines = [f"v {x:g} {y:g} {z:g}" for x, y, z in vertices] + ["f {} {} {}".format(*face) for face in faces + 1]
    return "\n".join(lines) + "\n"


def stl_bytes(header: bytes = b"") -> bytes:
    vertices, faces = phantom()
    triangles = np.zeros(len(faces), [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    triangles["corners"] = vertices[faces]
    return header.ljust(80, b"\0") + struct.pack("<I", len(faces)) + triangles.tobytes()


def stl_text(names: tuple[str, ...] = ("phone",)) -> str:
    """As text; the triangles are shared out among solids of these names."""
    vertices, faces = phantom()
    solids = []
    for name, part in zip(names, np.array_split(vertices[faces], len(names)), strict=True):
        facets = "".join(
            "facet normal 0 0 0\nouter loop\n"
            + "".join("vertex {:g} {:g} {:g}\n".format(*corner) for corner in triangle)
            + "endloop\nendfacet\n"
            for triangle in part
        )
        solids.append(f"solid {name}\n{facets}endsolid {name}\n")
    return "".join(solids)


def ply_bytes(
    kind: str = "binary_little_endian",
    colours: np.ndarray | None = None,
    names: tuple[str, ...] = ("red", "green", "blue"),
    of: str = "vertex",
) -> bytes:
    """As PLY, with colours at its vertices or faces."""
    vertices, faces = phantom()
    order = ">" if "big" in kind else "<"
    vertex = [(axis, f"{order}f4") for axis in "xyz"]
    face = [("count", "u1"), ("corners", f"{order}i4", (3,))]
    if colours is not None:
        (vertex if of == "vertex" else face).extend((name, colours.dtype.newbyteorder(order)) for name in names)
    rows = np.zeros(len(vertices), vertex)
    for axis, values in zip("xyz", vertices.T, strict=True):
        rows[axis] = values
    cells = np.zeros(len(faces), face)
    cells["count"], cells["corners"] = 3, faces
    declared = ""
    if colours is not None:
        types = {"uint8": "uchar", "uint16": "ushort", "float32": "float", "float64": "double"}
        declared = "".join(f"property {types[colours.dtype.name]} {name}\n" for name in names)
        for name, values in zip(names, colours.T, strict=True):
            (rows if of == "vertex" else cells)[name] = values
    head = (
        f"ply\nformat {kind} 1.0\ncomment made by a test\nelement vertex {len(vertices)}\n"
        f"property float x\nproperty float y\nproperty float z\n{declared if of == 'vertex' else ''}"
        f"element face {len(faces)}\nproperty list uchar int vertex_indices\n{declared if of == 'face' else ''}"
        "end_header\n"
    )
    if kind != "ascii":
        return head.encode() + rows.tobytes() + cells.tobytes()
    lines = [" ".join(str(value) for value in row) for row in rows]
    lines += [" ".join(str(value) for value in np.hstack([np.ravel(entry) for entry in cell])) for cell in cells]
    return (head + "\n".join(lines) + "\n").encode()

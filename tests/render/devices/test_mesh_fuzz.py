"""Meshes with one or two fields changed: read as what they then say, found out by the plainest reader, or refused."""

import json
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh_files import Glb, obj_text, ply_bytes, stl_bytes, stl_text, write_in_mm
from rgbx.errors import InputError
from rgbx_render.devices.mesh_io import read_mesh

Triangles = np.ndarray
"""(T, 3, 3) mm, outside out."""
places = st.integers(0, 10**6)


def fuzzed(quick: int = 40, many: int = 500) -> Callable[[Any], Any]:
    """Run a property a few times, and often where everything is tested."""

    def decorate(test: Any) -> Any:
        examples = pytest.mark.parametrize("examples", [quick, pytest.param(many, marks=pytest.mark.slow)])
        return examples(test)

    return decorate


def expect_what_it_says(path: Path, says: Callable[[], Triangles]) -> None:
    """Check that a file is refused in a sentence, or read as ``says``, which raises where it makes no sense."""
    try:
        scene = read_mesh(path)
    except InputError as error:
        assert re.fullmatch(r"[^\n]+\.", str(error))
        assert len(str(error)) < 400
        return
    expected = says()
    found = np.concatenate([mesh.triangles for mesh in scene.geometry.values()])
    assert found.shape == expected.shape
    turns = [np.abs(np.roll(found, turn, axis=1) - expected).max(axis=(1, 2)) for turn in range(3)]
    assert np.min(turns, axis=0).max() < 1e-5 * np.abs(expected).max()


# --- GLB ---

DELETED = object()
VALUES = [
    DELETED, None, -1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 100, 10**6, 2**31, 2**63, 0.5, -0.5, 1e30, "x", "",
    [], {}, [0], [0, 0, 0], [-1, 1, 1], [2, 2, 2], [1, 0.5, -1.5], [0.6, 0, 0, 0.8], [0, 0, 0, 0], 5120, 5121, 5122,
    5123, 5125, 5126, "SCALAR", "VEC2", "VEC3", "VEC4", True, False,
]  # fmt: skip


def glb() -> Glb:
    made = Glb()
    made.node.update(translation=[0.01, 0.02, 0.03], rotation=[0, 0, 0.6, 0.8], scale=[1, 1, 1])
    made.json["accessors"][0].update(byteOffset=0, normalized=False)
    made.json["bufferViews"][0].update(byteStride=12)
    made.primitive.update(mode=4)
    made.attribute("COLOR_0", np.full((24, 3), 100, np.uint8), normalized=True)
    made.attribute("TEXCOORD_0", np.zeros((24, 2), np.float32))
    made.material(pbrMetallicRoughness={"baseColorFactor": [0.5, 0.5, 0.5, 1], "metallicFactor": 0})
    made.json["buffers"] = [{"byteLength": len(made.binary)}]
    return made


def slots(entry: Any) -> list[tuple[Any, Any]]:
    """Return every container in some JSON with each of its keys."""
    keys = list(entry) if isinstance(entry, dict) else list(range(len(entry))) if isinstance(entry, list) else []
    return [(entry, key) for key in keys] + [slot for key in keys for slot in slots(entry[key])]


def glb_says(header: dict[str, Any], binary: bytes) -> Triangles:
    def numbers(index: int) -> list[tuple[float, ...]]:
        accessor = header["accessors"][index]
        view = header["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        letter = {5120: "b", 5121: "B", 5122: "h", 5123: "H", 5125: "I", 5126: "f"}[accessor["componentType"]]
        stride = view.get("byteStride", width * struct.calcsize(letter))
        most = 2 ** (8 * struct.calcsize(letter) - letter.islower()) - 1
        share = accessor.get("normalized") and letter != "f"
        data = binary[view.get("byteOffset", 0) :][: view["byteLength"]]
        rows = [
            struct.unpack_from(f"<{width}{letter}", data, accessor.get("byteOffset", 0) + row * stride)
            for row in range(accessor["count"])
        ]
        return [tuple(max(value / most, -1) for value in row) for row in rows] if share else rows

    primitive, node = header["meshes"][0]["primitives"][0], header["nodes"][0]
    points = np.array(numbers(primitive["attributes"]["POSITION"]), float)
    order = [row[0] for row in numbers(primitive["indices"])] if "indices" in primitive else list(range(len(points)))
    mode = primitive.get("mode", 4)
    if mode == 4:
        faces = [order[at : at + 3] for at in range(0, len(order), 3)]
    elif mode == 5:
        faces = [[order[at], order[at + 1 + at % 2], order[at + 2 - at % 2]] for at in range(len(order) - 2)]
    else:
        faces = [[order[0], order[at + 1], order[at + 2]] for at in range(len(order) - 2)]
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1))) / np.linalg.norm(node.get("rotation", (0, 0, 0, 1)))
    turn = trimesh.transformations.quaternion_matrix((w, x, y, z))[:3, :3] * node.get("scale", (1, 1, 1))
    corners = 1000 * (points @ turn.T + node.get("translation", (0, 0, 0)))[np.array(faces)]
    return corners[:, ::-1] if np.linalg.det(turn) < 0 else corners


@fuzzed()
def test_glb(examples, tmp_path):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(places, st.sampled_from(VALUES), st.booleans()), min_size=1, max_size=2))
    def run(changes):
        made = glb()
        for place, value, alike in changes:
            chosen = slots(made.json)
            if alike:  # another of the same type gets farther than whatever else
                chosen = [(entry, key) for entry, key in chosen if type(entry[key]) is type(value)] or chosen
            container, key = chosen[place % len(chosen)]
            if value is DELETED:
                del container[key]
            else:
                container[key] = json.loads(json.dumps(value))
        (tmp_path / "mesh.glb").write_bytes(made.content())
        expect_what_it_says(tmp_path / "mesh.glb", lambda: glb_says(made.json, made.binary))

    run()


@fuzzed()
def test_glb_container(examples, tmp_path):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 19), st.integers(0, 255))
    def run(place, value):
        made = glb()
        content = bytearray(made.content())
        content[place] = value
        (tmp_path / "mesh.glb").write_bytes(content)
        expect_what_it_says(tmp_path / "mesh.glb", lambda: glb_says(made.json, made.binary))

    run()


# --- OBJ ---

WORDS = ["", "0", "1", "-1", "-8", "2", "9", "24", "25", "1/1", "1//1", "1/", "v", "f", "vt", "vn", "o", "g", "usemtl",
         "nan", "inf", "1e2", "x", "\\", "#", "\n", "1.5", "mtllib", "-2/-1"]  # fmt: skip


def obj_says(text: str) -> Triangles:
    points: list[list[float]] = []
    rings = []
    for line in text.replace("\\\n", " ").splitlines():
        keyword, *words = line.partition("#")[0].split() or [""]
        if keyword == "v":
            points.append([float(word) for word in words[:3]])
        elif keyword == "f":
            numbers = [int(word.split("/")[0]) for word in words]
            rings.append([number - 1 if number > 0 else len(points) + number for number in numbers])
    fans = [[ring[0], ring[at], ring[at + 1]] for ring in rings for at in range(1, len(ring) - 1)]
    return np.array(points)[np.array(fans)]


def reworded(text: str, changes: list[tuple[int, str]]) -> str:
    """Change some words of a text, its spaces and ends of lines left as they are."""
    parts = re.split(r"(\s+)", text)
    for place, word in changes:
        at = place % len(parts) // 2 * 2
        parts[at] = word
    return "".join(parts)


changed_words = st.lists(st.tuples(places, st.sampled_from(WORDS)), min_size=1, max_size=2)


@fuzzed()
def test_obj(examples, tmp_path):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed_words)
    def run(changes):
        text = reworded("o phone\n" + obj_text(), changes)
        expect_what_it_says(write_in_mm(tmp_path, "mesh.obj", text), lambda: obj_says(text))

    run()


# --- STL ---


def stl_text_says(text: str) -> Triangles:
    lines = [line.split() for line in text.lower().splitlines()]
    corners = [[float(number) for number in words[1:]] for words in lines if words[:1] == ["vertex"]]
    assert sum(words[:1] == ["facet"] for words in lines) == len(corners) / 3
    return np.array(corners).reshape(-1, 3, 3)


def stl_says(content: bytes) -> Triangles:
    (count,) = struct.unpack_from("<I", content, 80)
    assert len(content) == 84 + 50 * count
    return np.array([struct.unpack_from("<9f", content, 84 + 50 * at + 12) for at in range(count)]).reshape(-1, 3, 3)


@fuzzed()
def test_stl(examples, tmp_path):
    words = st.sampled_from([*WORDS, "solid", "endsolid", "vertex", "facet", "endfacet", "endloop", "loop"])

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(places, words), min_size=1, max_size=2))
    def run(changes):
        text = reworded(stl_text(("body", "knob")), changes)
        expect_what_it_says(write_in_mm(tmp_path, "mesh.stl", text), lambda: stl_text_says(text))

    run()


@fuzzed()
def test_binary_stl(examples, tmp_path):
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(st.integers(0, 140), st.integers(0, 255)), min_size=1, max_size=2))
    def run(changes):
        content = bytearray(stl_bytes(b"solid phone"))
        for place, value in changes:
            content[place] = value
        path = write_in_mm(tmp_path, "mesh.stl", bytes(content))
        with np.errstate(all="ignore"):
            expect_what_it_says(path, lambda: stl_says(bytes(content)))

    run()


# --- PLY ---

TYPES = {"char": "b", "uchar": "B", "short": "h", "ushort": "H", "int": "i", "uint": "I", "float": "f", "double": "d",
         "int8": "b", "uint8": "B", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "float32": "f",
         "float64": "d", "int64": "q", "uint64": "Q"}  # fmt: skip
HEADER = [*TYPES, "x", "y", "z", "red", "element", "property", "list", "vertex", "face", "vertex_index", "comment",
          "end_header", "ascii", "binary_little_endian", "binary_big_endian", "1.0", "-1", "0", "1", "23", "24", "25",
          "35", "36", "37", "1000000000000", "", "\n"]  # fmt: skip


def ply_says(content: bytes) -> Triangles:
    head, _, body = content.partition(b"\nend_header\n")
    lines = [line.split() for line in head.decode().splitlines()]
    kind = next(words[1] for words in lines if words[:1] == ["format"])
    numbers = iter(body.split()) if kind == "ascii" else None
    order, start, table = ">" if "big" in kind else "<", 0, {}

    def take(type_name: str) -> float:
        nonlocal start
        if numbers is not None:
            return float(next(numbers))
        (value,) = struct.unpack_from(order + TYPES[type_name], body, start)
        start += struct.calcsize(TYPES[type_name])
        return value

    elements: list[tuple[str, int, list[list[str]]]] = []
    for words in lines:
        if words[:1] == ["element"]:
            elements.append((words[1], int(words[2]), []))
        elif words[:1] == ["property"]:
            elements[-1][2].append(words)
    for name, count, properties in elements:
        table[name] = [
            {
                words[-1]: [take(words[3]) for _ in range(int(take(words[2])))]
                if words[1] == "list"
                else take(words[1])
                for words in properties
            }
            for _ in range(count)
        ]
    points = [[row[axis] for axis in "xyz"] for row in table["vertex"]]
    corners = []
    for row in table["face"]:
        assert all(at == int(at) for at in row.get("vertex_indices", row.get("vertex_index")))
        ring = [points[int(at)] for at in row.get("vertex_indices", row.get("vertex_index"))]
        corners += [[ring[0], ring[at], ring[at + 1]] for at in range(1, len(ring) - 1)]
    return np.array(corners)


@fuzzed()
@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_ply(kind, examples, tmp_path):
    made = ply_bytes(kind, np.full((24, 3), 100, np.uint8))
    head, end, body = made.partition(b"end_header\n")

    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(st.tuples(places, st.sampled_from(HEADER)), min_size=1, max_size=2))
    def run(changes):
        content = reworded((head + end).decode(), changes).encode() + body
        with np.errstate(all="ignore"):
            expect_what_it_says(write_in_mm(tmp_path, "mesh.ply", content), lambda: ply_says(content))

    run()

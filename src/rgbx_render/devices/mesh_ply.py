"""Reading PLY, text or binary, with colours at vertices or faces, or a texture."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from trimesh.visual.material import SimpleMaterial

from rgbx_render.devices.mesh_parts import BECOMES_GREY, MeshParts, coloured_mesh, find_texture, triangulate

_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "float": "f4",
    "double": "f8",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "int64": "i8",
    "uint64": "u8",
    "float32": "f4",
    "float64": "f8",
}
_COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
_COORDINATES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))
_CORNERS = ("vertex_indices", "vertex_index")
_FORMATS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass
class _Element:
    name: str
    count: int
    properties: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Name, type, and for a list the type of its length."""


Column = np.ndarray | list[np.ndarray]
"""A number for each entry; of lists (count, length) where all are equally long, otherwise an array each."""


def read_ply(path: Path) -> MeshParts:
    """Read a PLY.

    Returns:
        One part; several if the file has several textures.

    Raises:
        ValueError: it is damaged; or whatever else a damaged file trips the reader up with.
    """
    elements, byte_order, textures, body = _header(path.read_bytes())
    columns = _read_binary(elements, byte_order, body) if byte_order else _read_text(elements, body)
    found, part = MeshParts(), path.stem
    vertex, face = columns.get("vertex", {}), columns.get("face", {})
    lists = next((face[name] for name in _CORNERS if name in face), [])
    if not len(lists):
        return found
    positions = np.stack([np.asarray(vertex[axis], float).reshape(-1) for axis in "xyz"], axis=1)
    sizes = np.array([len(corners) for corners in lists])
    indices = np.concatenate(list(lists))
    corners = indices.astype(np.int64)
    if sizes.min() < 3 or (corners != indices).any() or not 0 <= corners.min() <= corners.max() < len(positions):
        raise ValueError("faces of vertices that are not there")
    triangles, polygons = triangulate(positions[corners], sizes)

    uv = _coordinates(vertex, face, corners, sizes)
    number = np.asarray(face["texnumber"])[polygons] if "texnumber" in face else np.zeros(len(triangles), int)
    plain = np.ones(len(triangles), bool)
    for index in np.unique(number[number >= 0]) if textures else ():
        image = find_texture(path.parent, textures[index])
        if uv is None:
            found.remark("has no texture coordinates, so that its texture is not shown")
            continue
        if image is None:
            found.remark(f"names the texture {textures[index]}, which is not beside it or cannot be read")
            continue
        rows, faces = np.unique(triangles[number == index], return_inverse=True)
        material = SimpleMaterial(image=image, name=Path(textures[index]).stem)
        mesh = coloured_mesh(positions[corners[rows]], faces.reshape(-1, 3), material=material, uv=uv[rows])
        found.parts.append((part, mesh))
        plain &= number != index
    if not plain.any():
        return found
    faces, at_vertices, at_faces = corners[triangles[plain]], _colours(vertex), _colours(face)
    if at_vertices is not None:
        mesh = coloured_mesh(positions, faces, colours=at_vertices)
    elif at_faces is not None:  # every corner becomes a vertex of its own, so that colours do not run
        apart = np.arange(faces.size).reshape(-1, 3)
        mesh = coloured_mesh(positions[faces.ravel()], apart, colours=np.repeat(at_faces[polygons[plain]], 3, axis=0))
    else:
        mesh = coloured_mesh(positions, faces)
        found.remark(BECOMES_GREY, part)
    found.parts.append((part, mesh))
    return found


def _header(content: bytes) -> tuple[list[_Element], str, list[str], bytes]:
    """Return the elements, the order of bytes (empty for text), the names of textures, and what follows."""
    elements: list[_Element] = []
    byte_order: str | None = None
    textures: list[str] = []
    start, ended = 0, False
    while not ended:
        end = content.index(b"\n", start)
        line = content[start:end].decode("latin-1").strip()
        words, first, start = line.split(), start == 0, end + 1
        match words:
            case ["ply"] if first:
                pass
            case _ if first:
                raise ValueError("no PLY")
            case ["format", kind, "1.0"] if byte_order is None:
                byte_order = _FORMATS[kind]
            case ["comment", "TextureFile" | "texturefile", *_]:
                textures.append(line.split(maxsplit=2)[2])
            case [] | ["comment" | "obj_info", *_]:
                pass
            case ["element", name, count]:
                elements.append(_Element(name, int(count)))
            case ["property", "list", length, kind, name]:
                elements[-1].properties.append((name, _TYPES[kind], _TYPES[length]))
            case ["property", kind, name]:
                elements[-1].properties.append((name, _TYPES[kind], None))
            case ["end_header"]:
                ended = True
            case _:
                raise ValueError(f"no line of a header: {line}")
    if byte_order is None or any(element.count < 0 for element in elements):
        raise ValueError("a header that says too little")
    if len({element.name for element in elements}) < len(elements):
        raise ValueError("an element that comes twice")
    for element in elements:
        if len({name for name, _, _ in element.properties}) < len(element.properties):
            raise ValueError("a property that comes twice")
    return elements, byte_order, textures, content[start:]


def _read_binary(elements: list[_Element], byte_order: str, body: bytes) -> dict[str, dict[str, Column]]:
    columns: dict[str, dict[str, Column]] = {}
    start = 0
    for element in elements:
        lengths = _first_lengths(element, byte_order, body, start)
        layout: list[tuple[str, str, tuple[int, ...]]] = []
        for name, kind, length in element.properties:
            if length is not None:
                layout.append((f"{name} length", byte_order + length, ()))
            layout.append((name, byte_order + kind, () if length is None else (lengths[name],)))
        dtype = np.dtype(layout)
        if element.count * dtype.itemsize <= len(body) - start:
            rows = np.frombuffer(body, dtype, element.count, start)
            if all((rows[f"{name} length"] == length).all() for name, length in lengths.items()):
                columns[element.name] = {name: rows[name] for name, _, _ in element.properties}
                start += rows.nbytes
                continue
        columns[element.name], start = _read_rows(element, byte_order, body, start)
    if body[start:].strip():
        raise ValueError("more than the header says")
    return columns


def _first_lengths(element: _Element, byte_order: str, body: bytes, start: int) -> dict[str, int]:
    """Return how long the lists of an element's first entry are."""
    if element.count == 0:
        return {name: 0 for name, _, length in element.properties if length is not None}
    one = _Element(element.name, 1, element.properties)
    first, _ = _read_rows(one, byte_order, body, start)
    return {name: len(first[name][0]) for name, _, length in element.properties if length is not None}


def _read_rows(element: _Element, byte_order: str, body: bytes, start: int) -> tuple[dict[str, Column], int]:
    """Read an element whose lists differ in length, entry by entry."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in element.properties}
    kinds = [
        (name, np.dtype(byte_order + kind), None if length is None else np.dtype(byte_order + length))
        for name, kind, length in element.properties
    ]
    for _ in range(element.count):
        for name, kind, length in kinds:
            count = 1
            if length is not None:
                count = int(np.frombuffer(body, length, 1, start)[0])
                start += length.itemsize
            if count < 0:
                raise ValueError("a list of negative length")
            columns[name].append(np.frombuffer(body, kind, count, start) if count else np.empty(0, kind))
            start += count * kind.itemsize
    lists = {name for name, _, length in element.properties if length is not None}
    return {name: rows if name in lists else np.concatenate(rows) for name, rows in columns.items()}, start


def _read_text(elements: list[_Element], body: bytes) -> dict[str, dict[str, Column]]:
    numbers = np.array(body.split(), float)
    columns: dict[str, dict[str, Column]] = {}
    start = 0
    for element in elements:
        columns[element.name], start = _text_table(element, numbers, start) or _text_rows(element, numbers, start)
    if start != len(numbers):
        raise ValueError("more than the header says")
    for element in elements:
        for name, kind, _ in element.properties:
            columns[element.name][name] = _typed(columns[element.name][name], np.dtype(kind))
    return columns


def _text_table(element: _Element, numbers: np.ndarray, start: int) -> tuple[dict[str, Column], int] | None:
    """Read an element whose lists are as long as those of its first entry; None if they are not."""
    places: dict[str, slice | int] = {}
    lengths: list[tuple[int, float]] = []
    width = 0
    for name, _, length in element.properties:
        if length is None:
            places[name] = width
            width += 1
        else:
            count = float(numbers[start + width]) if element.count else 0.0
            lengths.append((width, count))
            places[name] = slice(width + 1, width + 1 + int(count))
            width += 1 + int(count)
    end = start + element.count * width
    if width <= 0 or end > len(numbers):
        return None
    table = numbers[start:end].reshape(element.count, width)
    if any((table[:, at] != count).any() or count < 0 for at, count in lengths):
        return None
    return {name: table[:, place] for name, place in places.items()}, end


def _text_rows(element: _Element, numbers: np.ndarray, start: int) -> tuple[dict[str, Column], int]:
    """Read an element whose lists differ in length, entry by entry."""
    entries: dict[str, list[np.ndarray]] = {name: [] for name, _, _ in element.properties}
    for _ in range(element.count if element.properties else 0):
        for name, _, length in element.properties:
            count = 1 if length is None else int(numbers[start])
            start += length is not None
            if count < 0 or start + count > len(numbers):
                raise ValueError("an entry is cut off")
            entries[name].append(numbers[start : start + count])
            start += count
    lists = {name for name, _, length in element.properties if length is not None}
    return {name: rows if name in lists else np.concatenate(rows) for name, rows in entries.items()}, start


def _typed(column: Column, dtype: np.dtype) -> Column:
    """Return numbers of a text as the type that the header says."""
    if isinstance(column, list):
        return [np.asarray(_typed(entry, dtype)) for entry in column]
    if dtype.kind != "f":
        most = np.iinfo(dtype)
        if not ((column == np.rint(column)) & (most.min <= column) & (column <= most.max)).all():
            raise ValueError(f"numbers that are no {dtype}")
    return column.astype(dtype)


def _colours(columns: dict[str, Column]) -> np.ndarray | None:
    """Return colours, (N, 3) sRGB in 0..1, whatever they are called and of whatever type."""
    for names in _COLOURS:
        if all(name in columns for name in names):
            colours = np.column_stack([np.asarray(columns[name]) for name in names])
            most = float(np.nan_to_num(colours).max(initial=0))
            return np.nan_to_num(colours.astype(float)) / (_full(colours.dtype, most))
    return None


def _full(dtype: np.dtype, most: float) -> float:
    """Return the value that stands for 1."""
    if dtype == np.uint8:
        return 255.0
    if dtype.kind == "f" and most <= 1.0:
        return 1.0
    return 255.0 if most <= 255 else 65535.0


def _coordinates(
    vertex: dict[str, Column], face: dict[str, Column], corners: np.ndarray, sizes: np.ndarray
) -> np.ndarray | None:
    """Return the texture coordinates of each corner, v upwards."""
    if "texcoord" in face:
        lists = face["texcoord"]
        if any(len(row) != 2 * size for row, size in zip(lists, sizes, strict=True)):
            return None
        return np.concatenate(list(lists)).reshape(-1, 2).astype(float)
    for across, up in _COORDINATES:
        if across in vertex and up in vertex:
            return np.column_stack([np.asarray(vertex[across]), np.asarray(vertex[up])]).astype(float)[corners]
    return None

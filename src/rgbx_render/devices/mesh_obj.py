"""Reading OBJ with its materials (MTL) and textures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from trimesh.visual.material import SimpleMaterial

from rgbx_render.devices.mesh_parts import (
    BECOMES_GREY,
    MeshParts,
    coloured_mesh,
    distinct_rows,
    find_beside,
    find_texture,
    triangulate,
)

_NUMBERS_OF_OPTIONS = {
    "-blendu": 1,
    "-blendv": 1,
    "-boost": 1,
    "-bm": 1,
    "-cc": 1,
    "-clamp": 1,
    "-imfchan": 1,
    "-mm": 2,
    "-o": 3,
    "-s": 3,
    "-t": 3,
    "-texres": 1,
    "-type": 1,
}
"""How many words may follow an option of a texture; ``-o``, ``-s`` and ``-t`` take one to three."""


@dataclass
class _Material:
    name: str
    colour: tuple[float, ...] | None = None
    """sRGB in 0..1."""
    texture: str | None = None
    """As it is written."""
    offset: tuple[float, float] = (0.0, 0.0)
    scale: tuple[float, float] = (1.0, 1.0)
    image: Image.Image | None = None
    see_through: bool = False


@dataclass
class _Group:
    """Faces of one object that have one material."""

    sizes: list[int] = field(default_factory=list)
    """Corners of each face."""
    corners: list[tuple[int, int, int]] = field(default_factory=list)
    """Indices of vertex, texture coordinate and normal; -1 where there is none."""


def read_obj(path: Path) -> MeshParts:
    """Read an OBJ.

    Returns:
        A part for each object and material in it. A texture takes the place of the material's colour, and both that
        of colours at the vertices, which are shown where there is neither.

    Raises:
        ValueError: it is damaged; or whatever else a damaged file trips the reader up with.
    """
    found = MeshParts()
    vertices, coordinates, normals = _Rows(), _Rows(), _Rows()
    groups: dict[tuple[str, str | None], _Group] = {}
    materials: dict[str, _Material] = {}
    counts = (vertices, coordinates, normals)
    known: dict[str, tuple[int, int, int]] = {}
    name, has_objects = path.stem, False
    material: str | None = None
    for keyword, rest in _statements(path):
        if keyword == "v":
            vertices.add(rest)
        elif keyword == "vt":
            coordinates.add(rest)
        elif keyword == "vn":
            normals.add(rest)
        elif keyword == "f":
            face = [known.get(word) or _corner(word, counts, known) for word in rest.partition("#")[0].split()]
            if len(face) < 3:
                raise ValueError("a face of fewer than three corners")
            group = groups.setdefault((name, material), _Group())
            group.sizes.append(len(face))
            group.corners.extend(face)
        elif keyword == "usemtl":
            material = rest
        elif keyword == "o" or (keyword == "g" and not has_objects):
            name, has_objects = rest or path.stem, keyword == "o"
        elif keyword == "mtllib":
            materials |= _read_libraries(path, rest, found)
        elif keyword in ("p", "l"):
            found.remark("has lines or points, which are left out")
        elif keyword in ("curv", "curv2", "surf"):
            found.remark("has curves or free-form surfaces, which are left out")
    positions, colours = _positions(vertices)
    uv = coordinates.values(2)
    several = len({material for _, material in groups}) > 1
    for (name, material), group in groups.items():
        part = f"{name}/{material}" if several and material is not None else name
        corners = np.array(group.corners, np.int64).reshape(-1, 3)
        if corners.size and (corners.max(axis=0) >= [len(rows) for rows in counts]).any():
            raise ValueError("faces of vertices that are not there")
        triangles, _ = triangulate(positions[corners[:, 0]], group.sizes)
        if len(triangles):
            distinct, faces = distinct_rows(corners)
            look = _look(material, materials, distinct, uv, colours, part, found)
            mesh = coloured_mesh(positions[distinct[:, 0]], faces[triangles], **look)
            found.parts.append((part, mesh))
    return found


class _Rows:
    """The numbers of all statements of one kind."""

    def __init__(self) -> None:
        self.rows: list[list[float]] = []

    def __len__(self) -> int:
        return len(self.rows)

    def add(self, text: str) -> None:
        self.rows.append([float(word) for word in text.partition("#")[0].split()])

    def values(self, width: int) -> np.ndarray:
        return np.array([row[:width] for row in self.rows], float).reshape(len(self.rows), width)


def _statements(path: Path) -> Iterator[tuple[str, str]]:
    """Yield keyword and rest of each line; a backslash at the end of a line joins the next to it."""
    content = path.read_bytes()
    if b"\0" in content:
        raise ValueError("no text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for line in text.replace("\\\r\n", " ").replace("\\\n", " ").splitlines():
        words = line.split(maxsplit=1)
        if words and not words[0].startswith("#"):
            yield words[0].lower(), words[1].strip() if len(words) == 2 else ""


def _corner(
    word: str, counts: tuple[_Rows, _Rows, _Rows], known: dict[str, tuple[int, int, int]]
) -> tuple[int, int, int]:
    """Return the indices of a corner such as ``7/3/2``, ``7//2`` or ``-1``, counted back from the last one so far.

    Those that mean the same wherever they stand are put into ``known``: most come six times.
    """
    given = word.split("/")
    if len(given) > 3 or not given[0]:
        raise ValueError(f"no corner of a face: {word}")
    indices = [-1, -1, -1]
    for place, text in enumerate(given):
        if text:
            number = int(text)
            indices[place] = number - 1 if number > 0 else len(counts[place]) + number
            if number == 0 or indices[place] < 0:
                raise ValueError(f"no corner of a face: {word}")
    corner = indices[0], indices[1], indices[2]
    if "-" not in word:
        known[word] = corner
    return corner


def _positions(vertices: _Rows) -> tuple[np.ndarray, np.ndarray]:
    """Return positions (N, 3) and colours (N, 3), sRGB in 0..1, NaN where a vertex has none.

    After x, y, z may come a weight, a colour, or both.
    """
    colours = np.full((len(vertices), 3), np.nan)
    for place, row in enumerate(vertices.rows):
        if len(row) in (6, 7):
            colours[place] = row[-3:]
        elif len(row) not in (3, 4):
            raise ValueError(f"a vertex of {len(row)} numbers")
    if np.nanmax(colours, initial=0.0) > 1.0:  # some programs write 0..255
        colours /= 255
    return vertices.values(3), colours


def _look(
    material: str | None,
    materials: dict[str, _Material],
    corners: np.ndarray,
    uv: np.ndarray,
    colours: np.ndarray,
    part: str,
    found: MeshParts,
) -> dict[str, Any]:
    """Return material, texture coordinates and colours of a part."""
    known = materials.get(material or "")
    if known is not None and known.see_through:
        found.remark("has parts that can be seen through, which are rendered opaque", part)
    if known is not None and known.image is not None:
        if (corners[:, 1] >= 0).all():
            shown = uv[corners[:, 1]] * known.scale + known.offset
            return {"material": SimpleMaterial(image=known.image, name=known.name), "uv": shown}
        found.remark("has no texture coordinates for these parts, whose texture is not shown", part)
    elif known is not None and known.texture is not None:
        found.remark(f"names the texture {known.texture}, which is not beside it or cannot be read", part)
    if known is not None and known.colour is not None:
        return {"material": SimpleMaterial(diffuse=(*known.colour, 1.0), name=known.name)}
    if np.isfinite(at_vertices := colours[corners[:, 0]]).all():
        return {"colours": at_vertices}
    found.remark(BECOMES_GREY, part)
    return {}


def _read_libraries(path: Path, names: str, found: MeshParts) -> dict[str, _Material]:
    """Read what an ``mtllib`` names: one file, perhaps with spaces in its name, or several."""
    whole = find_beside(path.parent, names)
    materials: dict[str, _Material] = {}
    for name in [names] if whole is not None else names.split():
        library = find_beside(path.parent, name)
        if library is None:
            found.remark(f"names the materials {name}, which are not beside it")
        else:
            materials |= _read_materials(library)
    return materials


def _read_materials(path: Path) -> dict[str, _Material]:
    materials: dict[str, _Material] = {}
    material = _Material("")
    for keyword, rest in _statements(path):
        words = rest.split()
        if keyword == "newmtl":
            material = materials[rest] = _Material(rest)
        elif keyword == "kd" and words and words[0] not in ("spectral", "xyz"):
            red, green, blue = (float(word) for word in (words if len(words) == 3 else words[:1] * 3))
            material.colour = tuple(np.clip((red, green, blue), 0, 1).tolist())
        elif keyword == "map_kd":
            _set_texture(material, path.parent, rest)
        elif keyword in ("d", "tr") and words:
            opacity = float(words[-1])
            material.see_through = (opacity if keyword == "d" else 1 - opacity) < 1
    return materials


def _set_texture(material: _Material, folder: Path, rest: str) -> None:
    """Take in a ``map_Kd``: options, then a name that may have spaces in it."""
    while rest.startswith("-"):
        option, *words = rest.split(maxsplit=1)
        rest = words[0] if words else ""
        numbers: list[str] = []
        while rest and len(numbers) < _NUMBERS_OF_OPTIONS.get(option.lower(), 1):
            word, *words = rest.split(maxsplit=1)
            if not words or (option.lower() in ("-o", "-s", "-t") and not _is_number(word)):
                break
            numbers.append(word)
            rest = words[0]
        if option.lower() == "-o" and numbers:
            material.offset = (float(numbers[0]), float(numbers[1]) if len(numbers) > 1 else 0.0)
        elif option.lower() == "-s" and numbers:
            material.scale = (float(numbers[0]), float(numbers[1]) if len(numbers) > 1 else 1.0)
    material.texture, material.image = rest, find_texture(folder, rest)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True

"""The parts of a mesh, as every reader of a format gives them: triangles, their colours, and what to say of them."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import Material

BECOMES_GREY = "has no colours for these parts, which become grey"

_COLOUR = "color"
"""Where trimesh keeps the colours at the vertices of a mesh that has a material too."""
_ROUNDING = 1e-9
_NAMED = 5
"""Parts that a remark names."""


@dataclass
class MeshParts:
    """What a file holds, in its own frame and unit of length."""

    parts: list[tuple[str, trimesh.Trimesh]] = field(default_factory=list)
    """Name and mesh of each; names may come twice."""
    _remarks: dict[str, list[str]] = field(default_factory=dict)

    def remark(self, text: str, part: str = "") -> None:
        """Note what looks odd, as the end of the sentence "FILE ...", and the part it holds for."""
        self._remarks.setdefault(text, [])
        if part and part not in self._remarks[text]:
            self._remarks[text].append(part)

    @property
    def remarks(self) -> list[str]:
        """One sentence a kind, with the names of the first parts."""
        return [text + _listed(names) for text, names in self._remarks.items()]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f": {', '.join(names[:_NAMED])}{more}" if names else ""


def coloured_mesh(
    vertices: np.ndarray,
    faces: np.ndarray,
    *,
    material: Material | None = None,
    uv: np.ndarray | None = None,
    colours: np.ndarray | None = None,
) -> trimesh.Trimesh:
    """Return a part as it is, no vertex merged or dropped.

    Args:
        vertices: (N, 3).
        faces: (M, 3) indices.
        material: with colour or texture, the latter multiplied by ``colours``.
        uv: (N, 2) texture coordinates, v upwards.
        colours: (N, 3) sRGB in 0..1, at the vertices.
    """
    mesh = trimesh.Trimesh(np.asarray(vertices, np.float64), np.asarray(faces, np.int64), process=False)
    if material is not None:
        mesh.visual = TextureVisuals(uv=uv, material=material)
    if colours is not None:
        eight_bit = np.rint(255 * np.clip(colours, 0, 1)).astype(np.uint8)
        if material is None:
            mesh.visual = ColorVisuals(mesh, vertex_colors=eight_bit)
        else:
            mesh.vertex_attributes[_COLOUR] = eight_bit
    return mesh


def vertex_colours(mesh: trimesh.Trimesh) -> np.ndarray | None:
    """Return the colours at a mesh's vertices, beside whatever material it has.

    Returns:
        (N, 3) sRGB in 0..1; None if it has none.
    """
    if _COLOUR in mesh.vertex_attributes:
        return np.asarray(mesh.vertex_attributes[_COLOUR], float)[:, :3] / 255
    if isinstance(mesh.visual, ColorVisuals) and mesh.visual.kind is not None:
        return np.asarray(mesh.visual.vertex_colors, float)[:, :3] / 255
    return None


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """Return the linear light, 0..1, of values as they are displayed."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return the values to display, 0..1, of linear light."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 0.0) ** (1 / 2.4) - 0.055)


def tinted(image: Image.Image, factor: np.ndarray) -> Image.Image:
    """Return the colours of a texture, RGB, with their linear light multiplied by ``factor``, (3,)."""
    levels = srgb_to_linear(np.arange(256) / 255)
    tables = [np.rint(255 * linear_to_srgb(np.clip(levels * channel, 0, 1))) for channel in factor]
    return image.convert("RGB").point([int(value) for table in tables for value in table])


def sampled(image: Image.Image, uv: np.ndarray) -> np.ndarray:
    """Return the texels, (N, channels) uint8, of an image that repeats, at (N, 2) coordinates with v upwards."""
    texels = np.atleast_3d(np.asarray(image))
    across = np.floor(uv[:, 0] % 1.0 * image.width).astype(int).clip(0, image.width - 1)
    down = np.floor((1.0 - uv[:, 1]) % 1.0 * image.height).astype(int).clip(0, image.height - 1)
    return texels[down, across]


def distinct_rows(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a table that differ, and for each row of it which of these it is."""
    order = np.lexsort(rows.T)
    ordered = rows[order]
    starts = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    numbers = np.empty(len(rows), np.int64)
    numbers[order] = np.cumsum(starts) - 1
    return ordered[starts], numbers


def find_beside(folder: Path, name: str) -> Path | None:
    """Find a file that another one names.

    Names are written on other machines: with backslashes, as absolute paths, in another case.

    Args:
        folder: of the file that names it; no other is looked into, but for folders in it.
        name: as it is written there.

    Returns:
        The file; None if there is none of that name.
    """
    parts = [part for part in name.strip().strip('"').replace("\\", "/").split("/") if part not in ("", ".")]
    for path in (parts, parts[-1:]):
        found: Path | None = folder
        for part in path:
            found = _entry(found, part) if found is not None and part != ".." else None
        if path and found is not None and found.is_file():
            return found
    return None


def _entry(folder: Path, name: str) -> Path | None:
    if not folder.is_dir():
        return None
    alike = [entry for entry in folder.iterdir() if entry.name.lower() == name.lower()]
    exact = [entry for entry in alike if entry.name == name]
    return next(iter(exact or sorted(alike)), None)


def decode_texture(content: bytes) -> Image.Image:
    """Decode a texture.

    Returns:
        In RGB or RGBA, 8 bits, whatever it was.

    Raises:
        OSError: it cannot be decoded.
    """
    try:
        image: Image.Image = Image.open(io.BytesIO(content))
        if image.mode.startswith("I"):  # 16 bits, which Pillow would clip to 8
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise OSError("no image that can be decoded") from error


def find_texture(folder: Path, name: str) -> Image.Image | None:
    """Read a texture that a file in ``folder`` names; None if it is not there or cannot be decoded."""
    path = find_beside(folder, name)
    if path is None:
        return None
    try:
        return decode_texture(path.read_bytes())
    except OSError:
        return None


def triangulate(corners: np.ndarray, sizes: Sequence[int] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cut polygons into triangles, also those that are not convex.

    Args:
        corners: (C, 3) positions, one polygon after the other; each nearly flat and without holes.
        sizes: how many of them each polygon has; those with fewer than three are left out.

    Returns:
        (T, 3) rows of ``corners``, wound as the polygons are and in their order, and (T,) the polygon of each.
    """
    sizes = np.asarray(sizes, np.int64)
    starts = np.cumsum(sizes) - sizes
    triangles, owners = [np.empty((0, 3), np.int64)], [np.empty(0, np.int64)]
    for size in np.unique(sizes[sizes >= 3]):
        polygons = np.flatnonzero(sizes == size)
        rows = starts[polygons][:, None] + np.arange(size)
        fan = np.column_stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)])
        cuts = np.broadcast_to(fan, (len(polygons), *fan.shape)).copy()
        if size > 3:
            spokes = corners[rows] - corners[rows[:, :1]]
            doubled = np.cross(spokes[:, 1:-1], spokes[:, 2:])  # each triangle's area and normal
            normals = doubled.sum(axis=1)
            inward = np.einsum("ptk,pk->pt", doubled, normals) < -_ROUNDING * (normals**2).sum(axis=1, keepdims=True)
            for place in np.flatnonzero(inward.any(axis=1)):
                cuts[place] = _clip_ears(spokes[place], doubled[place].sum(axis=0))
        triangles.append(np.take_along_axis(rows[:, None], cuts, axis=2).reshape(-1, 3))
        owners.append(np.repeat(polygons, size - 2))
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    return np.concatenate(triangles)[order], owner[order]


def _clip_ears(corners: np.ndarray, normal: np.ndarray) -> list[tuple[int, int, int]]:
    """Cut off one corner after the other that has no other corner in its triangle."""
    along = int(np.argmax(np.abs(normal)))
    flat = corners[:, [(along + 1) % 3, (along + 2) % 3]] * [np.sign(normal[along]), 1.0]

    def left_of(start: int, end: int, points: np.ndarray) -> np.ndarray:
        side, to = flat[end] - flat[start], points - flat[start]
        return side[0] * to[..., 1] - side[1] * to[..., 0]

    def is_ear(before: int, here: int, after: int) -> bool:
        if left_of(before, here, flat[after]) <= 0:
            return False
        others = flat[[corner for corner in ring if corner not in (before, here, after)]]
        others = others[~(others[:, None] == flat[[before, here, after]]).all(axis=2).any(axis=1)]
        inside = [left_of(*side, others) >= 0 for side in ((before, here), (here, after), (after, before))]
        return not np.logical_and.reduce(inside).any()

    ring, cut = list(range(len(corners))), []
    while len(ring) > 3:
        triples = [(ring[at - 1], ring[at], ring[(at + 1) % len(ring)]) for at in range(len(ring))]
        ear = next((triple for triple in triples if is_ear(*triple)), triples[0])  # one that crosses itself has none
        cut.append(ear)
        ring.remove(ear[1])
    return [*cut, (ring[0], ring[1], ring[2])]

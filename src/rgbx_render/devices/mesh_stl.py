"""Reading STL, text or binary."""

from pathlib import Path

import numpy as np

from rgbx_render.devices.mesh_parts import MeshParts, coloured_mesh, distinct_rows

_HEADER = 84
_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def read_stl(path: Path) -> MeshParts:
    """Read an STL.

    Returns:
        A part for each solid; corners of triangles that lie in the same place are one vertex.

    Raises:
        ValueError: it is damaged; or whatever else a damaged file trips the reader up with.
    """
    content = path.read_bytes()
    count = int.from_bytes(content[80:_HEADER], "little")
    found = MeshParts()
    # Many programs begin binary files with "solid" too; the length leaves no doubt.
    if len(content) >= _HEADER and len(content) == _HEADER + count * _TRIANGLE.itemsize:
        triangles = np.frombuffer(content, _TRIANGLE, count, _HEADER)
        if b"COLOR=" in content[:80] or triangles["attribute"].any():
            found.remark("has colours that are no part of the format, so that it becomes grey; GLB and PLY keep them")
        solids = [(path.stem, triangles["corners"].astype(float))]
    else:
        solids = _read_text(path.stem, content)
    for name, corners in solids:
        if len(corners):
            vertices, faces = distinct_rows(corners.reshape(-1, 3))
            found.parts.append((name, coloured_mesh(vertices, faces.reshape(-1, 3))))
    return found


def _read_text(stem: str, content: bytes) -> list[tuple[str, np.ndarray]]:
    """Return name and triangles, (N, 3, 3), of each solid."""
    solids: list[tuple[str, np.ndarray]] = []
    open_solid: str | None = None
    corners: list[tuple[float, float, float]] = []
    facets = 0
    for line in content.decode("latin-1").splitlines():
        match line.lower().split():
            case ["vertex", x, y, z] if open_solid is not None:
                corners.append((float(x), float(y), float(z)))
            case ["solid", *_] if open_solid is None:
                open_solid, corners, facets = line.strip()[5:].strip() or stem, [], 0
            case ["facet", "normal", _, _, _] | ["facet"] if open_solid is not None and len(corners) == 3 * facets:
                facets += 1
            case ["endfacet"] if open_solid is not None and len(corners) == 3 * facets:
                pass
            case ["endsolid", *_] if open_solid is not None and len(corners) == 3 * facets:
                solids.append((open_solid, np.array(corners, float).reshape(-1, 3, 3)))
                open_solid = None
            case ["outer", "loop"] | ["endloop"] | ["end", "loop" | "facet"] | []:
                pass
            case ["end", "solid", *_] if open_solid is not None and len(corners) == 3 * facets:
                solids.append((open_solid, np.array(corners, float).reshape(-1, 3, 3)))
                open_solid = None
            case _:
                raise ValueError(f"no line of an STL: {line[:80]}")
    if open_solid is not None or not solids:
        raise ValueError("a solid without an end")
    return solids

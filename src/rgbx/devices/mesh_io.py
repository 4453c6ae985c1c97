"""Reading meshes of devices: GLB, OBJ, STL and PLY, in mm, with their colours and materials."""

from pathlib import Path

import numpy as np
import trimesh

from rgbx.devices.unit_file import UNIT_FILE, UnitFile, read_unit_file, signed_axes
from rgbx.devices.volume_io import check_size
from rgbx.errors import InputError

MESH_SUFFIXES = (".glb", ".obj", ".stl", ".ply")

_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "inch": 25.4}


def read_mesh(path: Path) -> trimesh.Scene:
    """Read a mesh.

    Args:
        path: a file of :data:`MESH_SUFFIXES`. GLB is in metres by its standard; the unit of the others, which
            do not say it, is read from ``unit.yaml`` beside it.

    Returns:
        One geometry for each object of the file, named as there, vertices in mm in the unit frame; all transforms of
        the file's scene graph are applied, so that ``scene.geometry`` needs no graph.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
    """
    suffix = path.suffix.lower()
    if not path.exists():
        raise InputError(path, "does not exist", "check the path of the mesh")
    if suffix not in MESH_SUFFIXES:
        raise InputError(path, "is no mesh in a format that can be read", f"give one of {', '.join(MESH_SUFFIXES)}")
    unit_file = read_unit_file(path.parent)
    unit = unit_file.mesh_unit or ("m" if suffix == ".glb" else None)
    if unit is None:
        raise InputError(
            path, "says no unit of length", f"add 'mesh_unit: mm' (or cm, m, inch) to {path.parent / UNIT_FILE}"
        )
    scene = _placed(path, _load(path), _to_unit_frame(unit_file, _MM[unit]))
    _check(path, scene)
    return scene


def _load(path: Path) -> trimesh.Scene:
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "export it again")
    try:
        scene = trimesh.load_scene(path, process=False)  # which would drop vertices that are NaN without a word
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    except Exception as error:  # trimesh's parsers raise whatever a damaged file trips them up with
        raise InputError(path, "is damaged or cut off", "export it again") from error
    if path.suffix.lower() == ".stl" and scene.is_empty:  # what is no binary STL is read as a text without triangles
        raise InputError(path, "is damaged or cut off", "export it again")
    return scene


def _to_unit_frame(unit_file: UnitFile, scale: float) -> np.ndarray:
    axes, signs = signed_axes(unit_file.mesh_axes)
    transform = np.zeros((4, 4))
    transform[range(3), axes] = np.array(signs) * scale
    transform[3, 3] = 1.0
    return transform


def _placed(path: Path, scene: trimesh.Scene, transform: np.ndarray) -> trimesh.Scene:
    """Apply the scene graph and ``transform`` to each geometry that has faces, and merge equal vertices."""
    placed = trimesh.Scene()
    for node in scene.graph.nodes_geometry:
        to_scene, name = scene.graph[node]
        geometry = scene.geometry[name]
        if isinstance(geometry, trimesh.Trimesh) and len(geometry.faces):
            if not np.isfinite(geometry.vertices).all():
                raise InputError(path, "has vertices that are NaN or infinite", "export it again")
            mesh = geometry.copy().apply_transform(transform @ to_scene).process()
            placed.add_geometry(mesh, geom_name=node, node_name=node)
    return placed


def _check(path: Path, scene: trimesh.Scene) -> None:
    if not scene.geometry:
        raise InputError(path, "has no faces (a point cloud, perhaps)", "export a surface of triangles")
    check_size(path, float(max(scene.extents)), f"correct its unit by 'mesh_unit' in {path.parent / UNIT_FILE}")

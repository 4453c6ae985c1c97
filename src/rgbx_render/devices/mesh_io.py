"""Reading meshes of devices: GLB, OBJ, STL and PLY, in mm, with their colours and materials."""

from pathlib import Path

import numpy as np
import trimesh

from rgbx.errors import InputError, RgbxError
from rgbx_render.devices.length import length_in_mm
from rgbx_render.devices.mesh_glb import read_glb
from rgbx_render.devices.mesh_obj import read_obj
from rgbx_render.devices.mesh_parts import MeshParts
from rgbx_render.devices.mesh_ply import read_ply
from rgbx_render.devices.mesh_stl import read_stl
from rgbx_render.devices.unit_file import UNIT_FILE, UnitFile, read_unit_file, signed_axes
from rgbx_render.devices.volume_io import SIZE_RANGE_MM

_READERS = {".glb": read_glb, ".obj": read_obj, ".stl": read_stl, ".ply": read_ply}
MESH_SUFFIXES = tuple(_READERS)

_OFFERED = {"um": "micrometres", "mm": "millimetres", "cm": "centimetres", "m": "metres", "inch": "inches"}
_LIKELY_MM = (30.0, 600.0)
"""Longest sides of most devices: what is too small or too large is offered the units of length that make it one."""
_COARSE = 1e-4
"""Distance of two 32-bit floats, as a share of the longest side, from which on shapes suffer."""


def read_mesh(path: Path) -> trimesh.Scene:
    """Read a mesh.

    Args:
        path: a file of :data:`MESH_SUFFIXES`. GLB is in metres by its standard; the unit of the others, which
            do not say it, is read from ``unit.yaml`` beside it.

    Returns:
        One geometry for each part of the file, named as there, vertices in mm in the unit frame; all transforms of
        the file's scene graph are applied, so that ``scene.geometry`` needs no graph. What looks odd about the file
        is told by :func:`mesh_remarks`.

    Raises:
        InputError: the file cannot be used; the message says why and what to do.
        MissingToolError: a package that it needs is not installed.
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
            path,
            "says no unit of length",
            f"add 'mesh_unit: mm' (or um, cm, m, inch) to {path.parent / UNIT_FILE}, or to library.yaml for all units",
        )
    scale = length_in_mm(unit)
    assert scale is not None
    found = _load(path)
    transform = _to_unit_frame(unit_file, scale)
    scene = trimesh.Scene()
    for name, part in found.parts:
        scene.add_geometry(part.apply_transform(transform), geom_name=name)
    _check_length(path, float(max(scene.extents)), scale)
    scene.metadata["remarks"] = tuple(f"{path} {remark}." for remark in found.remarks)
    return scene


def mesh_remarks(scene: trimesh.Scene) -> tuple[str, ...]:
    """Return what looks odd about the file that :func:`read_mesh` has read, a sentence each.

    Parts that become grey, textures that are missing, things that are left out: the mesh can be used all the same.
    """
    return tuple(scene.metadata.get("remarks", ()))


def _load(path: Path) -> MeshParts:
    if path.stat().st_size == 0:
        raise InputError(path, "is empty", "export it again")
    try:
        with np.errstate(all="ignore"):
            found = _READERS[path.suffix.lower()](path)
    except RgbxError:
        raise
    except PermissionError as error:
        raise InputError(path, "may not be read", "give yourself the right to read it") from error
    except Exception as error:  # readers raise whatever a damaged file trips them up with
        raise InputError(path, "is damaged or cut off", "export it again") from error
    if not found.parts:
        raise InputError(path, "has no faces (a point cloud, perhaps)", "export a surface of triangles")
    corners = np.concatenate([part.vertices[part.faces].reshape(-1, 3) for _, part in found.parts])
    if not np.isfinite(corners).all():
        raise InputError(path, "has vertices that are NaN or infinite", "export it again")
    _remark_on_precision(found, corners)
    return found


def _remark_on_precision(found: MeshParts, corners: np.ndarray) -> None:
    """Say so if the file's numbers are 32-bit floats so far from the origin that shapes are lost between them."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    with np.errstate(over="ignore"):
        single = corners.astype(np.float32)
    step, longest = float(np.spacing(np.abs(single).max())), float((high - low).max())
    if longest > 0 and step > _COARSE * longest and np.array_equal(corners, single):
        found.remark(
            f"lies so far from its origin that its numbers are only good to 1/{longest / step:.0f} of its length: "
            "move it to the origin before it is exported"
        )


def _to_unit_frame(unit_file: UnitFile, scale: float) -> np.ndarray:
    axes, signs = signed_axes(unit_file.mesh_axes)
    transform = np.zeros((4, 4))
    transform[range(3), axes] = np.array(signs) * scale
    transform[3, 3] = 1.0
    return transform


def _check_length(path: Path, longest: float, scale: float) -> None:
    """Refuse what is too small or too large for a device, and offer the unit of length that would make it one."""
    if SIZE_RANGE_MM[0] <= longest <= SIZE_RANGE_MM[1]:
        return
    shown = f"{longest:,.0f}" if 1000 <= longest < 1e9 else f"{longest:.4g}"
    lengths = {unit: longest / scale * (length_in_mm(unit) or 0) for unit in _OFFERED}
    likely = {unit: length for unit, length in lengths.items() if _LIKELY_MM[0] <= length <= _LIKELY_MM[1]}
    if not likely:
        raise InputError(
            path, f"is {shown} mm long; in no unit of length is it a device", "scale it and export it again"
        )
    names = " or ".join(f"{_OFFERED[unit]} ({length:.3g} mm)" for unit, length in likely.items())
    keys = " or ".join(f"'mesh_unit: {unit}'" for unit in likely)
    raise InputError(
        path,
        f"is {shown} mm long; it looks as if its numbers are in {names}",
        f"set {keys} in {path.parent / UNIT_FILE}, or in library.yaml for all units",
    )

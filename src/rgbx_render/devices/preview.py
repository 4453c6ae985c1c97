"""Pictures of scans and meshes to see at a glance whether they were read as they were meant."""

from typing import Any

import cv2
import numpy as np
import trimesh
from numba import njit
from PIL import Image
from trimesh.visual import ColorVisuals

from rgbx.geometry import rotation_matrix
from rgbx_render.devices.mesh_parts import linear_to_srgb, sampled, srgb_to_linear, vertex_colours
from rgbx_render.devices.volume import Volume

FRONT, BACK = 20.0, 200.0
"""Degrees that a unit is turned about its height to be seen from the front or the back, and a little from the side."""
TILT = 16.0
"""Degrees that it is then tipped over to show its top."""

_PAPER = 255
_PLAIN = (0.62, 0.64, 0.67)
"""sRGB of meshes without colours."""
LIGHT = np.array([-0.55, 0.6, 0.6])
AMBIENT = 0.25
_SUPERSAMPLING = 2


def project_scan(volume: Volume, axis: int, side: int = 320) -> np.ndarray:
    """Show the mean of a scan along an axis: dense is bright, as in a maximum projection, but no part hides another.

    Args:
        volume: the scan.
        axis: 0 along x, 1 along y, 2 along z.
        side: longest side of the picture in pixels.

    Returns:
        (h, w) uint8 in true proportions, y up (x to the right, or z when seen along x).
    """
    mean = volume.values.mean(axis=2 - axis, dtype=np.float64)
    low, high = np.percentile(mean, [1.0, 99.8])
    grey = np.clip((mean - low) / max(high - low, 1e-12), 0, 1) ** 0.7
    across, up = {0: (2, 1), 1: (0, 2), 2: (0, 1)}[axis]
    if axis == 0:
        grey = grey.T  # (z, y) → (y, z): height stays upright
    return _resized((255 * grey[::-1]).astype(np.uint8), volume.size_mm[across], volume.size_mm[up], side)


def shade_mesh(scene: trimesh.Scene, turn: float = FRONT, side: int = 320) -> np.ndarray:
    """Show a mesh in its own colours, in parallel projection along z, on white.

    Args:
        scene: geometries with materials, textures, vertex colours or none of these.
        turn: degrees about y before it is seen from the front, :data:`FRONT` or :data:`BACK`.
        side: of the picture in pixels.

    Returns:
        (side, side, 3) uint8.
    """
    opaque = [mesh for mesh in scene.geometry.values() if not _seen_through(mesh)]
    meshes = opaque or list(scene.geometry.values())
    triangles = np.concatenate([mesh.triangles for mesh in meshes])
    turned = triangles @ (rotation_matrix((TILT, 0.0, 0.0)) @ rotation_matrix((0.0, turn, 0.0))).T
    corners = turned.reshape(-1, 3)
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    pixels = side * _SUPERSAMPLING
    scale = 0.94 * pixels / max(np.ptp(corners[:, :2], axis=0).max(), 1e-12)
    placed = (turned - middle) * [scale, -scale, scale] + [pixels / 2, pixels / 2, 0]
    faces = np.full((pixels, pixels), -1, np.int32)
    _rasterise(placed, np.full((pixels, pixels), -np.inf), faces)

    normals = trimesh.unitize(np.cross(turned[:, 1] - turned[:, 0], turned[:, 2] - turned[:, 0]))
    facing = normals * np.where(normals[:, 2:] < 0, -1.0, 1.0)  # windings of users' meshes cannot be relied on
    brightness = AMBIENT + (1 - AMBIENT) * np.clip(facing @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
    shown = np.ones((pixels, pixels, 3))
    start = 0
    for mesh in meshes:
        mask = (faces >= start) & (faces < start + len(mesh.faces))
        weights = _shares(placed[faces[mask]], np.argwhere(mask)[:, ::-1] + 0.5)
        shown[mask] = _colours(mesh, faces[mask] - start, weights) * brightness[faces[mask], None] ** (1 / 2.2)
        start += len(mesh.faces)
    blocks = shown.reshape(side, _SUPERSAMPLING, side, _SUPERSAMPLING, 3)
    return np.rint(_PAPER * blocks.mean(axis=(1, 3))).astype(np.uint8)


def _seen_through(mesh: trimesh.Trimesh) -> bool:
    """Whether more light passes through a mesh than it stops; it is left out, so that what lies behind is seen."""
    material: Any = getattr(mesh.visual, "material", None)
    blends = getattr(material, "alphaMode", None) == "BLEND" and material.baseColorFactor is not None
    return bool(blends and material.baseColorFactor[3] < 128)


def _shares(triangles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the weights, (N, 3), of the corners of (N, 3, 3) triangles at (N, 2) points in them."""
    first, second, third = (triangles[:, corner, :2] - points for corner in range(3))
    areas = np.column_stack([_cross(second, third), _cross(third, first), _cross(first, second)])
    return areas / areas.sum(axis=1, keepdims=True)


def _cross(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]


def _colours(mesh: trimesh.Trimesh, faces: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return sRGB in 0..1, (N, 3), at places on ``faces`` where their corners have ``weights``."""
    visual: Any = mesh.visual
    if isinstance(visual, ColorVisuals) and visual.kind == "face":
        return np.asarray(visual.face_colors, float)[faces, :3] / 255
    light, at_vertices = _material_light(visual, mesh.faces[faces], weights), vertex_colours(mesh)
    if at_vertices is not None:
        light = light * np.einsum("nc,nck->nk", weights, srgb_to_linear(at_vertices)[mesh.faces[faces]])
    elif isinstance(visual, ColorVisuals):
        return np.tile(_PLAIN, (len(faces), 1))
    return linear_to_srgb(light)


def _material_light(visual: Any, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the linear light, 0..1, of a material alone; white where there is none."""
    material = getattr(visual, "material", None)
    image: Image.Image | None = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is not None and visual.uv is not None:
        uv = np.einsum("nc,nck->nk", weights, np.asarray(visual.uv)[corners])
        return srgb_to_linear(sampled(image.convert("RGB"), uv) / 255)
    factor, diffuse = getattr(material, "baseColorFactor", None), getattr(material, "diffuse", None)
    if factor is not None:
        return np.tile(np.asarray(factor[:3], float) / 255, (len(corners), 1))
    if diffuse is not None:
        return np.tile(srgb_to_linear(np.asarray(diffuse[:3], float) / 255), (len(corners), 1))
    return np.ones((len(corners), 3))


def _resized(image: np.ndarray, width_mm: float, height_mm: float, side: int) -> np.ndarray:
    scale = side / max(width_mm, height_mm)
    size = (max(1, round(width_mm * scale)), max(1, round(height_mm * scale)))
    shrinks = size[0] < image.shape[1] or size[1] < image.shape[0]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


@njit(cache=True)
def _rasterise(triangles: np.ndarray, depths: np.ndarray, faces: np.ndarray) -> None:
    """Write into ``faces`` the index of the triangle nearest to the viewer (largest z) at each pixel's centre."""
    height, width = faces.shape
    for index in range(len(triangles)):
        ax, ay, az = triangles[index, 0]
        bx, by, bz = triangles[index, 1]
        cx, cy, cz = triangles[index, 2]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area == 0.0:
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx) - 0.5))), min(width - 1, int(np.floor(max(ax, bx, cx) - 0.5)))
        top, bottom = max(0, int(np.ceil(min(ay, by, cy) - 0.5))), min(height - 1, int(np.floor(max(ay, by, cy) - 0.5)))
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                x, y = column + 0.5, row + 0.5
                of_a = ((bx - x) * (cy - y) - (cx - x) * (by - y)) / area
                of_b = ((cx - x) * (ay - y) - (ax - x) * (cy - y)) / area
                of_c = 1.0 - of_a - of_b
                if of_a >= 0.0 and of_b >= 0.0 and of_c >= 0.0:
                    depth = of_a * az + of_b * bz + of_c * cz
                    if depth > depths[row, column]:
                        depths[row, column] = depth
                        faces[row, column] = index

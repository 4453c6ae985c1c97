"""The outer mesh of a unit: what a camera sees of its parts, as a GLB with a physically based material a part."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import trimesh
from trimesh.visual.material import PBRMaterial

from rgbx.files import write_bytes
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import Part, PartList, Prism

SPHERE_SUBDIVISIONS = 3
BEVEL_MM = 0.15
"""Edges of parts thicker than four times this are broken, since sharp edges never catch the light."""


def build_mesh(parts: PartList) -> trimesh.Scene:
    """Return the outside parts as a scene in millimetres in the unit frame, one named geometry a part."""
    scene = trimesh.Scene()
    for part in parts.parts:
        if part.outside and part.material != "air":
            scene.add_geometry(_build_part(part), geom_name=part.name, node_name=part.name)
    return scene


def write_mesh(path: Path, scene: trimesh.Scene) -> None:
    """Write a scene in millimetres as GLB, which is in metres by its standard.

    Raises:
        RgbxError: the disk is full or the folder cannot be written.
    """
    metres = scene.copy()
    metres.apply_scale(0.001)
    write_bytes(path, trimesh.exchange.gltf.export_glb(metres, include_normals=True))


def _build_part(part: Part) -> trimesh.Trimesh:
    if isinstance(part.shape, Prism):
        vertices, normals, faces = _prism(part.shape)
    else:
        sphere = trimesh.creation.icosphere(subdivisions=SPHERE_SUBDIVISIONS)
        half = np.array(part.shape.size) / 2
        vertices, faces = sphere.vertices * half, sphere.faces
        normals = trimesh.unitize(sphere.vertices / half)
    rotation = part.rotation_matrix()
    return trimesh.Trimesh(
        vertices=vertices @ rotation.T + part.position,
        vertex_normals=normals @ rotation.T,
        faces=faces,
        visual=trimesh.visual.TextureVisuals(material=_material(part)),
        process=False,
    )


def _material(part: Part) -> PBRMaterial:
    material = MATERIALS[part.material]
    return PBRMaterial(
        name=material.name,
        baseColorFactor=[*linear_colour(part.colour or material.colour), 1.0],
        metallicFactor=material.metallic,
        roughnessFactor=material.roughness,
    )


def linear_colour(colour: str) -> np.ndarray:
    """Return ``#rrggbb`` (sRGB) as the linear red, green, blue in 0..1 that glTF wants."""
    srgb = np.array([int(colour[start : start + 2], 16) for start in (1, 3, 5)]) / 255
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _prism(shape: Prism) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vertices, their normals and faces of a prism with rounded corners and broken edges.

    Four closed rings from the bottom up; each band between two rings and each cap has vertices of its own, so that
    edges stay sharp and corners smooth.
    """
    half_z = shape.size[2] / 2
    bevel = BEVEL_MM if shape.size[2] > 4 * BEVEL_MM and min(shape.size[:2]) > 4 * BEVEL_MM else 0.0
    inner, outer = _outline(shape, bevel), _outline(shape, 0.0)
    sideways = _outline_normals(shape)
    rings = [(inner, -half_z), (outer, -half_z + bevel), (outer, half_z - bevel), (inner, half_z)]
    slopes = [-1.0, 0.0, 1.0]
    if not bevel:
        rings, slopes = rings[1:3], slopes[1:2]

    vertices: list[np.ndarray] = []
    normals: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    count = len(outer)
    around = np.arange(count)
    following = (around + 1) % count
    for (lower, upper), slope in zip(pairwise(rings), slopes, strict=True):
        start = 2 * count * len(faces)
        for outline, z in (lower, upper):
            vertices.append(np.column_stack([outline, np.full(count, z)]))
            normals.append(trimesh.unitize(np.column_stack([sideways, np.full(count, slope)])))
        faces.append(
            start
            + np.concatenate(
                [
                    np.column_stack([around, following, count + following]),
                    np.column_stack([around, count + following, count + around]),
                ]
            )
        )
    fan = np.column_stack([np.zeros(count - 2, int), around[1:-1], around[2:]])
    for (outline, z), up in ((rings[0], -1.0), (rings[-1], 1.0)):
        start = sum(len(block) for block in vertices)
        vertices.append(np.column_stack([outline, np.full(count, z)]))
        normals.append(np.tile([0.0, 0.0, up], (count, 1)))
        faces.append(start + (fan if up > 0 else fan[:, ::-1]))
    points, triangles = np.concatenate(vertices), np.concatenate(faces)
    # At sharp corners two points of the outline are one; the triangles between them have no area.
    broad = trimesh.triangles.area(points[triangles]) > 1e-12
    return points, np.concatenate(normals), triangles[broad]


def _outline(shape: Prism, inset: float) -> np.ndarray:
    """Return the rounded rectangle, counter-clockwise, moved inwards by ``inset``, as (N, 2) points."""
    half = np.array(shape.size[:2]) / 2 - inset
    radius = min(max(shape.radius - inset, 0.0), half.min())
    normals = _outline_normals(shape)
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]], float)
    return np.repeat(corners, len(normals) // 4, axis=0) * (half - radius) + radius * normals


def _outline_normals(shape: Prism) -> np.ndarray:
    """Return the outward normal at each point of the outline.

    A sharp corner is two points in the same place, with the normals of the faces that meet there.
    """
    segments = min(12, int(np.ceil(4 * np.sqrt(shape.radius)))) if shape.radius > 0 else 1
    turn = np.linspace(0, 90, segments + 1)
    degrees = (np.arange(4)[:, None] * 90.0 + turn).ravel()
    return np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])

"""Meshes on their way to Blender: one file a unit, whatever format it came in.

Blender's own importers are slow and know nothing of units of length; so the scene that trimesh has read is
flattened to arrays in metres, centred, its vertices split at sharp edges, with a short list of surfaces.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from rgbx.config import Config
from rgbx.files import atomic_path, digest, read_json, write_json
from rgbx.samples import write_image
from rgbx_render.devices.mesh_parts import srgb_to_linear, vertex_colours

SMOOTH_DEGREES = 35.0
"""Edges that are sharper than this stay sharp."""
_PLAIN = (0.5, 0.5, 0.5)
"""Linear colour of a mesh that has none."""

Colour = tuple[float, float, float]
"""Linear red, green, blue, 0..1."""


class Surface(Config):
    """All parts of a mesh that are made of the same stuff."""

    name: str
    colour: Colour
    metallic: float
    roughness: float
    texture: str | None = None
    """Name of an image beside the mesh's file that replaces ``colour``."""
    opacity: float = 1.0
    """Share of the light that does not pass through."""
    vertex_colours: bool = False
    """The mesh's own colours at its vertices replace ``colour``; they multiply a texture."""

    @property
    def plain(self) -> bool:
        """Whether ``colour`` is the colour everywhere."""
        return self.texture is None and not self.vertex_colours


@dataclass(frozen=True)
class RenderMesh:
    """A mesh that ``worker.py`` can load, and what must be known of it to draw a sample."""

    path: Path
    surfaces: tuple[Surface, ...]
    hull: np.ndarray
    """(N, 3) corners of the convex hull, mm, centred on the bounding box."""
    centre: tuple[float, float, float]
    """Middle of the bounding box in the unit frame, mm; it lies in the origin of the file."""
    areas: tuple[float, ...]
    """Share of the whole area that each surface has; they sum to 1."""

    def job(self) -> dict[str, Any]:
        """Return what a scene script is told of it: the path of its file, and its surfaces with paths of textures."""
        surfaces = [surface.model_dump(mode="json") for surface in self.surfaces]
        for surface in surfaces:
            if surface["texture"] is not None:
                surface["texture"] = str(self.path.with_name(surface["texture"]))
        return {"mesh": str(self.path), "mesh_surfaces": surfaces}


def read_render_mesh(path: Path) -> RenderMesh:
    """Read what :func:`write_render_mesh` wrote to ``path``, or to where it was copied from."""
    known = read_json(_description(path))
    return RenderMesh(
        path=path,
        surfaces=tuple(Surface.model_validate(surface) for surface in known["surfaces"]),
        hull=np.array(known["hull"]),
        centre=tuple(known["centre"]),
        areas=tuple(known["areas"]),
    )


def is_written(path: Path) -> bool:
    """Whether :func:`write_render_mesh` has written a mesh to ``path``, whole."""
    return _description(path).exists()


def write_render_mesh(scene: trimesh.Scene, path: Path) -> RenderMesh:
    """Write a scene in millimetres for Blender.

    Args:
        scene: geometries with PBR or simple materials, textures or vertex colours, or none of these.
        path: of the ``.npz`` file; textures and, last of all, a description are written beside it.

    Returns:
        What to draw samples from; geometries of equal finish share a surface.
    """
    surfaces: dict[tuple[object, ...], Surface] = {}
    geometries: dict[tuple[object, ...], list[trimesh.Trimesh]] = {}
    textures: dict[str, str] = {}
    for geometry in _geometries(scene):
        finish = _finish(geometry, path, textures)
        key = tuple(finish.model_dump().values())
        surfaces.setdefault(key, finish)
        geometries.setdefault(key, []).append(geometry)
    pieces = [
        (mesh, number)
        for number, (key, surface) in enumerate(surfaces.items())
        for mesh in ([_smooth(geometries[key])] if surface.plain else geometries[key])
    ]
    counts = np.cumsum([0, *(len(mesh.vertices) for mesh, _ in pieces)])
    vertices = np.concatenate([mesh.vertices for mesh, _ in pieces])
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    index = np.concatenate([np.full(len(mesh.faces), number) for mesh, number in pieces])
    faces = np.concatenate([mesh.faces + start for (mesh, _), start in zip(pieces, counts[:-1], strict=True)])
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            vertices=((vertices - middle) / 1000).astype(np.float32),
            faces=faces.astype(np.int32),
            surface=index.astype(np.int32),
            uv=np.concatenate([_uv(mesh) for mesh, _ in pieces]).astype(np.float32),
            colours=np.concatenate([_vertex_light(mesh) for mesh, _ in pieces]).astype(np.float32),
        )
    areas = np.bincount(index, np.concatenate([mesh.area_faces for mesh, _ in pieces]), len(surfaces))
    hull = trimesh.convex.convex_hull(vertices).vertices - middle
    description = {
        "surfaces": [surface.model_dump(mode="json") for surface in _named_apart(list(surfaces.values()))],
        "hull": hull.tolist(),
        "centre": middle.tolist(),
        "areas": (areas / areas.sum()).tolist(),
    }
    write_json(_description(path), description)
    return read_render_mesh(path)


def _description(path: Path) -> Path:
    return path.with_suffix(".json")


def _geometries(scene: trimesh.Scene) -> list[trimesh.Trimesh]:
    geometries = []
    for node in scene.graph.nodes_geometry:
        transform, name = scene.graph[node]
        mesh = scene.geometry[name]
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            mesh = mesh.copy()
            mesh.apply_transform(transform)
            geometries.append(mesh)
    return geometries


def _finish(mesh: trimesh.Trimesh, path: Path, textures: dict[str, str]) -> Surface:
    """Return the finish of a mesh, and write its texture if it is not yet in ``textures``, names by digest."""
    visual: Any = mesh.visual
    material = getattr(visual, "material", None)
    image, colour, name, metallic, roughness, opacity = None, np.array(_PLAIN), "mesh", 0.0, 0.5, 1.0
    if isinstance(material, SimpleMaterial):
        image, name = material.image, material.name
        colour = srgb_to_linear(np.asarray(material.diffuse[:3], float) / 255)
    elif isinstance(material, PBRMaterial):
        image, name = material.baseColorTexture, material.name
        factor = np.ones(3) if material.baseColorFactor is None else np.asarray(material.baseColorFactor, float)[:3]
        colour = factor / 255 if np.asarray(material.baseColorFactor).dtype == np.uint8 else factor
        metallic = 1.0 if material.metallicFactor is None else float(material.metallicFactor)
        roughness = 1.0 if material.roughnessFactor is None else float(material.roughnessFactor)
        if material.alphaMode == "BLEND" and material.baseColorFactor is not None:
            opacity = round(float(material.baseColorFactor[3]) / 255, 4)
    texture = None
    if image is not None and visual.uv is not None:
        pixels = np.asarray(image.convert("RGB"))
        key = digest(str(pixels.shape), pixels.tobytes())
        if key not in textures:
            textures[key] = f"{path.stem}-texture-{len(textures)}.png"
            write_image(path.with_name(textures[key]), pixels)
        texture = textures[key]
    red, green, blue = (round(float(channel), 6) for channel in colour)
    return Surface(
        name=name or "mesh",
        colour=(red, green, blue),
        metallic=metallic,
        roughness=roughness,
        texture=texture,
        opacity=opacity,
        vertex_colours=vertex_colours(mesh) is not None,
    )


def _smooth(geometries: list[trimesh.Trimesh]) -> trimesh.Trimesh:
    """Join geometries and split vertices at sharp edges, so that normals are those of smooth surfaces between these.

    Only for plain surfaces: where there is a texture, vertices are already split as it wants it.
    """
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in geometries)])
    faces = [mesh.faces + start for mesh, start in zip(geometries, starts[:-1], strict=True)]
    bare = trimesh.Trimesh(np.concatenate([mesh.vertices for mesh in geometries]), np.concatenate(faces), process=True)
    return trimesh.graph.smooth_shade(bare, angle=np.radians(SMOOTH_DEGREES), facet_minarea=None)


def _uv(mesh: trimesh.Trimesh) -> np.ndarray:
    uv = getattr(mesh.visual, "uv", None)
    return np.zeros((len(mesh.vertices), 2)) if uv is None else np.asarray(uv)[:, :2]


def _vertex_light(mesh: trimesh.Trimesh) -> np.ndarray:
    """Return the linear light of the colours at a mesh's vertices, (N, 3); black where it has none."""
    colours = vertex_colours(mesh)
    return np.zeros((len(mesh.vertices), 3)) if colours is None else srgb_to_linear(colours)


def _named_apart(surfaces: list[Surface]) -> tuple[Surface, ...]:
    """Number the surfaces that share a name: glass, glass-2, …"""
    names = [surface.name for surface in surfaces]
    return tuple(
        surface.model_copy(
            update={"name": name if (earlier := names[:at].count(name)) == 0 else f"{name}-{earlier + 1}"}
        )
        for at, (surface, name) in enumerate(zip(surfaces, names, strict=True))
    )

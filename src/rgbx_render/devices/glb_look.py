"""What the parts of a GLB look like: materials, textures and colours at vertices, as glTF 2.0 defines them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from trimesh.visual.gloss import specular_to_pbr
from trimesh.visual.material import PBRMaterial

from rgbx_render.devices.glb_file import GlbFile
from rgbx_render.devices.mesh_parts import BECOMES_GREY, MeshParts, linear_to_srgb, sampled, srgb_to_linear, tinted

Attributes = dict[str, np.ndarray]
"""Values at the vertices of a primitive, (N, width), by the names of glTF."""

_TRANSFORM = "KHR_texture_transform"
_UNLIT = "KHR_materials_unlit"
_GLOSS = "KHR_materials_pbrSpecularGlossiness"
_TRANSMISSIONS = {
    "KHR_materials_transmission": "transmissionFactor",
    "KHR_materials_diffuse_transmission": "diffuseTransmissionFactor",
}
_METAL = 0.5
_UNREAD = "has textures that cannot be read, so that these parts show their plain colour"
_HOLES = "has parts with holes that only their texture makes, which are rendered closed"


@dataclass(frozen=True)
class GlbLook:
    """What :func:`rgbx_render.devices.mesh_parts.coloured_mesh` is told of a primitive."""

    material: PBRMaterial | None = None
    uv: np.ndarray | None = None
    colours: np.ndarray | None = None


@dataclass(frozen=True)
class _Texture:
    image: Image.Image
    uv: np.ndarray
    """(N, 2), v upwards: where each vertex lies on it."""

    def mean(self) -> np.ndarray:
        """Return the mean over the vertices, RGBA in 0..1, of what is stored."""
        texels = sampled(self.image.convert("RGBA"), self.uv).mean(axis=0) / 255
        return np.asarray(texels)


@dataclass(frozen=True)
class _Finish:
    """The metallic-roughness model: factors and the textures that they multiply."""

    factor: np.ndarray
    """RGBA, linear."""
    texture: _Texture | None
    metallic: float
    roughness: float


def read_look(file: GlbFile, primitive: dict[str, Any], attributes: Attributes, part: str, found: MeshParts) -> GlbLook:
    """Return what a primitive looks like.

    Args:
        file: that it is in.
        primitive: its JSON.
        attributes: the values at its vertices.
        part: its name.
        found: takes the remarks on what is missing.

    Returns:
        Factor, texture and colours at vertices multiplied: the material has the factor, or the texture with the
        factor in it; where there are colours at vertices but no texture, the factor is in these.
    """
    light = _shares(attributes["COLOR_0"]) if "COLOR_0" in attributes else None
    colours = None if light is None else linear_to_srgb(light[:, :3])
    if "material" not in primitive:
        if light is None:
            found.remark(BECOMES_GREY, part)
        return GlbLook(colours=colours)
    material = file.entry("materials", primitive["material"])
    finish = _finish(file, material, attributes, part, found)
    factor, texture = finish.factor[:3], finish.texture
    if texture is None and light is not None:
        colours, factor = linear_to_srgb(light[:, :3] * factor), np.ones(3)
    opacity = _opacity(material, finish, light)
    if material.get("alphaMode") == "MASK":
        found.remark(_HOLES, part)
    if not np.isfinite((*factor, finish.metallic, finish.roughness, opacity)).all():
        raise ValueError("a material with colours that are no numbers")
    shown = PBRMaterial(
        name=str(material.get("name") or "mesh"),
        baseColorFactor=np.clip((*(factor if texture is None else np.ones(3)), opacity), 0, 1),
        baseColorTexture=None if texture is None else tinted(texture.image, factor),
        metallicFactor=finish.metallic,
        roughnessFactor=finish.roughness,
        alphaMode="BLEND" if opacity < 1 else "OPAQUE",
    )
    return GlbLook(shown, None if texture is None else texture.uv, colours)


def _finish(file: GlbFile, material: dict[str, Any], attributes: Attributes, part: str, found: MeshParts) -> _Finish:
    extensions = material.get("extensions", {})

    def texture(info: dict[str, Any] | None) -> _Texture | None:
        return None if info is None else _texture(file, info, attributes, part, found)

    if _GLOSS in extensions:
        given = extensions[_GLOSS]
        return _nearest(given, texture(given.get("diffuseTexture")), texture(given.get("specularGlossinessTexture")))
    given = material.get("pbrMetallicRoughness", {})
    metallic, roughness = float(given.get("metallicFactor", 1.0)), float(given.get("roughnessFactor", 1.0))
    if _UNLIT in extensions:
        metallic, roughness = 0.0, 1.0
    elif (shared := texture(given.get("metallicRoughnessTexture"))) is not None:
        _, green, blue, _ = shared.mean()
        metallic, roughness = metallic * blue, roughness * green
    return _Finish(_rgba(given.get("baseColorFactor")), texture(given.get("baseColorTexture")), metallic, roughness)


def _nearest(given: dict[str, Any], diffuse: _Texture | None, specular: _Texture | None) -> _Finish:
    """Return what comes nearest to a finish of the specular-glossiness model."""
    diffuse_factor = _rgba(given.get("diffuseFactor"))
    specular_factor = _rgba([*given.get("specularFactor", (1, 1, 1)), given.get("glossinessFactor", 1)])
    diffuse_mean, specular_mean = (np.ones(4) if image is None else image.mean() for image in (diffuse, specular))
    glossiness = float(specular_factor[3] * specular_mean[3])
    solved = specular_to_pbr(
        diffuseFactor=[*(diffuse_factor[:3] * srgb_to_linear(diffuse_mean[:3])), 1.0],
        specularFactor=specular_factor[:3] * srgb_to_linear(specular_mean[:3]),
        glossinessFactor=glossiness,
    )
    metallic = float(solved["metallicFactor"])
    if metallic > _METAL:  # metals have the colour of their reflections
        return _Finish(np.append(specular_factor[:3], diffuse_factor[3]), specular, metallic, 1 - glossiness)
    return _Finish(diffuse_factor, diffuse, metallic, 1 - glossiness)


def _opacity(material: dict[str, Any], finish: _Finish, light: np.ndarray | None) -> float:
    opacity = 1.0
    if material.get("alphaMode", "OPAQUE") == "BLEND":
        opacity = float(finish.factor[3])
        if finish.texture is not None:
            opacity *= float(finish.texture.mean()[3])
        if light is not None and light.shape[1] == 4:
            opacity *= float(light[:, 3].mean())
    for name, share in _TRANSMISSIONS.items():
        opacity *= 1.0 - float(material.get("extensions", {}).get(name, {}).get(share, 0.0))
    return opacity


def _rgba(factor: Any) -> np.ndarray:
    values = np.array((1, 1, 1, 1) if factor is None else factor, float)
    if values.shape != (4,):
        raise ValueError("a colour that is not RGBA")
    return values


def _shares(colours: np.ndarray) -> np.ndarray:
    """Return RGB or RGBA as shares of 1; integers are always meant so here."""
    if colours.shape[1] not in (3, 4):
        raise ValueError("colours that are neither RGB nor RGBA")
    most = 1.0 if colours.dtype.kind == "f" else np.iinfo(colours.dtype).max
    return np.clip(np.nan_to_num(colours.astype(float) / most), 0, 1)


def _texture(
    file: GlbFile, info: dict[str, Any], attributes: Attributes, part: str, found: MeshParts
) -> _Texture | None:
    """Return a texture and where the vertices lie on it; None, with a remark, if it cannot be read."""
    transform = info.get("extensions", {}).get(_TRANSFORM, {})
    uv = attributes.get(f"TEXCOORD_{transform.get('texCoord', info.get('texCoord', 0))}")
    texture = file.entry("textures", info["index"])
    source = texture.get("extensions", {}).get("EXT_texture_webp", {}).get("source", texture.get("source"))
    try:
        image = None if uv is None or source is None else file.image(source)
    except OSError:
        image = None
    if uv is None or image is None:
        found.remark(_UNREAD, part)
        return None
    turn = transform.get("rotation", 0.0)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) * transform.get("scale", (1, 1))
    across, down = (uv[:, :2].astype(float) @ turned.T + transform.get("offset", (0, 0))).T
    return _Texture(image, np.column_stack([across, 1.0 - down]))

"""One colour, told in every way that a mesh can tell it, is the same colour in a photograph."""

from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from rgbx.samples import generator
from rgbx_render.devices.mesh_parts import coloured_mesh, srgb_to_linear
from rgbx_render.photography.blender import Blender
from rgbx_render.photography.meshes import write_render_mesh
from rgbx_render.photography.photographs import _SCENE, photograph
from rgbx_render.photography.randomisation import (
    FIXED_BACKGROUND,
    FIXED_LIGHTS,
    FIXED_MATERIALS,
    RgbRandomisation,
    draw_photograph,
)

COLOUR = np.array([188, 100, 30])
BOX = trimesh.creation.box((70, 140, 8))


def told_by_diffuse() -> trimesh.Trimesh:
    return coloured_mesh(BOX.vertices, BOX.faces, material=SimpleMaterial(diffuse=[*COLOUR, 255]))


def told_by_factor() -> trimesh.Trimesh:
    factor = [*srgb_to_linear(COLOUR / 255), 1.0]
    material = PBRMaterial(baseColorFactor=factor, metallicFactor=0.0, roughnessFactor=0.5)
    return coloured_mesh(BOX.vertices, BOX.faces, material=material)


def told_by_vertices() -> trimesh.Trimesh:
    return coloured_mesh(BOX.vertices, BOX.faces, colours=np.tile(COLOUR / 255, (8, 1)))


def told_by_texture() -> trimesh.Trimesh:
    material = SimpleMaterial(image=Image.new("RGB", (4, 4), tuple(COLOUR.tolist())))
    return coloured_mesh(BOX.vertices, BOX.faces, material=material, uv=np.zeros((8, 2)))


def told_by_texture_and_vertices() -> trimesh.Trimesh:
    material = SimpleMaterial(image=Image.new("RGB", (4, 4), (COLOUR[0].item(), 255, 255)))
    tints = np.tile([1.0, *(COLOUR[1:] / 255)], (8, 1))
    return coloured_mesh(BOX.vertices, BOX.faces, material=material, uv=np.zeros((8, 2)), colours=tints)


@pytest.mark.blender
def test_a_colour_is_the_same_however_it_is_told(tmp_path: Path) -> None:
    ways = [told_by_diffuse, told_by_factor, told_by_vertices, told_by_texture, told_by_texture_and_vertices]
    meshes = []
    for number, tell in enumerate(ways):
        mesh = tell()
        if number > 1:  # as a mesh of a single colour is: its sharp edges stay sharp
            mesh.unmerge_vertices()
        meshes.append(write_render_mesh(trimesh.Scene(mesh), tmp_path / f"{number}.npz"))
    config = RgbRandomisation(
        size=32, samples=4, lights=FIXED_LIGHTS, background=FIXED_BACKGROUND, materials=FIXED_MATERIALS
    )
    draw = draw_photograph(generator(1), config, meshes[0])
    with Blender(_SCENE) as blender:
        first, *others = [photograph(blender, mesh, draw).astype(int) for mesh in meshes]
    assert first.std() > 5
    for tell, other in zip(ways[1:], others, strict=True):
        assert np.abs(other - first).max() <= 3, tell.__name__


@pytest.mark.blender
def test_what_lies_behind_glass_is_seen(tmp_path: Path) -> None:
    config = RgbRandomisation(
        size=32, samples=4, lights=FIXED_LIGHTS, background=FIXED_BACKGROUND, materials=FIXED_MATERIALS
    )
    red = []
    with Blender(_SCENE) as blender:
        for opacity in (0.1, 1.0):
            glass = PBRMaterial(
                baseColorFactor=[1.0, 1.0, 1.0, opacity], metallicFactor=0.0, roughnessFactor=0.8, alphaMode="BLEND"
            )
            case = trimesh.creation.box((90, 160, 20))
            case.visual = TextureVisuals(material=glass)
            mesh = write_render_mesh(trimesh.Scene([told_by_diffuse(), case]), tmp_path / f"{opacity}.npz")
            picture = photograph(blender, mesh, draw_photograph(generator(1), config, mesh)).astype(float)
            red.append(picture[12:20, 12:20, 0].mean() - picture[12:20, 12:20, 2].mean())
    assert red[0] > 40
    assert red[0] > 2 * abs(red[1])

"""Scene script of the RGB domain randomisation, run inside Blender by ``worker.py``.

It draws nothing at random: a job is a :class:`rgbx_render.photography.randomisation.RgbDraw` as JSON, with the mesh
and its surfaces, and this script only puts it in place. Lengths in jobs are millimetres, in the scene metres.
"""

from colorsys import hsv_to_rgb, rgb_to_hsv
from math import pi, radians
from typing import Any

import bpy
from mathutils import Euler, Vector

_MM = 0.001
FLOOR_SIDE = 40.0
"""The background is a plane of this side, in metres: more than any camera sees."""
CLIP_START = 0.005
"""Metres before the camera from where on things are seen, unless the device is nearer."""
REFLECTED = 0.04
"""Share of the light that clear plastic and glass (refractive index 1.5) mirror when seen head-on."""


def prepare() -> None:
    """Make every object that any frame may want; a frame shows and moves those it needs."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.clip_end = 100.0
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("world")
    scene.world.cycles.sampling_method = "NONE"  # its importance map would be built anew for every frame

    bpy.ops.mesh.primitive_plane_add(size=FLOOR_SIDE)
    _name_active("floor")
    makers = {
        "cube": lambda: bpy.ops.mesh.primitive_cube_add(size=1.0),
        "cylinder": lambda: bpy.ops.mesh.primitive_cylinder_add(radius=0.5, depth=1.0, vertices=48),
        "cone": lambda: bpy.ops.mesh.primitive_cone_add(radius1=0.5, depth=1.0, vertices=48),
        "sphere": lambda: bpy.ops.mesh.primitive_uv_sphere_add(radius=0.5, segments=48, ring_count=24),
        "torus": lambda: bpy.ops.mesh.primitive_torus_add(major_radius=0.37, minor_radius=0.13),
    }
    for shape, make in makers.items():
        make()
        shaped = _name_active(shape)
        shaped.hide_render = True


def arrange(job: dict[str, Any], device: Any) -> tuple[int, int, int, int]:
    """Set the scene for one draw; see ``worker.py``."""
    device.rotation_euler = _euler(job["rotation"])
    for slot, surface, look in zip(device.material_slots, job["mesh_surfaces"], job["surfaces"], strict=True):
        _dress(slot.material, surface, look)
    _set_floor(job["background"])
    _set_camera(job["camera"], device)
    _set_world(job["world"])
    _set_lights(job["lights"])
    _set_distractors(job["distractors"])
    return job["width"], job["height"], job["samples"], job["render_seed"]


def _name_active(name: str) -> Any:
    shaped = bpy.context.object
    shaped.name = name
    shaped.data.materials.append(bpy.data.materials.new(name))
    return shaped


def _euler(degrees: list[float]) -> Euler:
    return Euler([radians(angle) for angle in degrees], "XYZ")


def _metres(millimetres: list[float]) -> Vector:
    return Vector(millimetres) * _MM


class _Nodes:
    """Builds the node tree of one material or world from scratch."""

    def __init__(self, owner: Any) -> None:
        owner.use_nodes = True
        self._tree = owner.node_tree
        self._tree.nodes.clear()

    def add(self, kind: str, inputs: dict[str, Any] | None = None, **settings: Any) -> Any:
        """Add a node; an input is a value or another node's output socket."""
        node = self._tree.nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in (inputs or {}).items():
            socket = next(entry for entry in node.inputs if name in (entry.name, entry.identifier))
            if isinstance(value, bpy.types.NodeSocket):
                self._tree.links.new(value, socket)
            else:
                socket.default_value = value
        return node

    def mix(self, factor: Any, first: Any, second: Any, how: str = "MIX") -> Any:
        inputs = {"Factor_Float": factor, "A_Color": first, "B_Color": second}
        return self.add("Mix", inputs, data_type="RGBA", blend_type=how).outputs[2]

    def finish(self, bsdf: Any) -> None:
        self.add("OutputMaterial", {"Surface": bsdf.outputs[0]})

    def finish_clear(self, bsdf: Any, opacity: float, roughness: float) -> None:
        """Let light pass a surface, less what it mirrors: clear parts are seen by their reflections."""
        clear = self.add("BsdfTransparent")
        body = self.add("MixShader", {"Fac": opacity, "Shader": clear.outputs[0], "Shader_001": bsdf.outputs[0]})
        # Schlick's approximation, and not the Fresnel node, which needs to know inside from outside.
        facing = self.add("LayerWeight", {"Blend": 0.5}).outputs["Facing"]
        grazing = self.add("Math", {"Value": facing, "Value_001": 5.0}, operation="POWER").outputs[0]
        share = {"Value": grazing, "Value_001": 1 - REFLECTED, "Value_002": REFLECTED}
        mirrored = self.add("Math", share, operation="MULTIPLY_ADD").outputs[0]
        mirror = self.add("BsdfAnisotropic", {"Roughness": roughness})
        self.finish(
            self.add("MixShader", {"Fac": mirrored, "Shader": body.outputs[0], "Shader_001": mirror.outputs[0]})
        )

    def pattern(self, pattern: dict[str, Any]) -> Any:
        """Return the colour socket of a procedural pattern in the object's own coordinates."""
        coordinates = self.add("TexCoord").outputs["Object"]
        feature = 1.0 / (pattern["feature"] * _MM)
        mapping = {
            "Vector": coordinates,
            "Location": pattern["offset"],
            "Rotation": _euler([0.0, 0.0, pattern["turn"]]),
            "Scale": (feature,) * 3,
        }
        vector = self.add("Mapping", mapping).outputs["Vector"]
        kind = pattern["kind"]
        detail = {"Vector": vector, "Scale": 1.0, "Detail": pattern["detail"]}
        distorted = {**detail, "Distortion": pattern["distortion"]}
        if kind == "noise":
            factor = self.add("TexNoise", distorted).outputs[0]
        elif kind == "cells":
            factor = self.add("TexVoronoi", {"Vector": vector, "Scale": 1.0}).outputs["Distance"]
        elif kind == "tiles":
            factor = self.add("TexVoronoi", {"Vector": vector, "Scale": 1.0}, distance="CHEBYCHEV").outputs["Color"]
        elif kind == "stripes":
            factor = self.add("TexWave", {**distorted, "Scale": 0.5}).outputs["Fac"]
        elif kind == "rings":
            factor = self.add("TexWave", {**distorted, "Scale": 0.5}, wave_type="RINGS").outputs["Fac"]
        elif kind == "marble":
            factor = self.add("TexMagic", {"Vector": vector, "Scale": 1.0, "Distortion": pattern["distortion"]})
            factor = factor.outputs["Fac"]
        elif kind == "bricks":
            factor = self.add("TexBrick", {"Vector": vector, "Scale": 1.0, "Color1": _WHITE, "Color2": GREY}).outputs[1]
        elif kind == "checker":
            factor = self.add("TexChecker", {"Vector": vector, "Scale": 1.0}).outputs["Fac"]
        else:
            raise ValueError(f"no pattern is called {kind!r}")
        return self.mix(factor, _rgba(pattern["colours"][0]), _rgba(pattern["colours"][1]))


_PLAIN = "plain"
"""Name of the node of a material that is one colour all over."""
_WHITE = (1.0, 1.0, 1.0, 1.0)
GREY = (0.5, 0.5, 0.5, 1.0)


def _rgba(colour: list[float]) -> tuple[float, ...]:
    return (*colour, 1.0)


def _dress(material: Any, surface: dict[str, Any], look: dict[str, Any]) -> None:
    finish = {"Metallic": look["metallic"], "Roughness": look["roughness"]}
    textured = surface["texture"] is not None or surface["vertex_colours"]
    clear = surface["opacity"] < 1
    plain = look["pattern"] is None and (look["colour"] is not None or not textured)
    if plain:
        colour = _rgba(look["colour"] if look["colour"] is not None else _shifted(surface["colour"], look))
        if not clear:
            _paint(material, {"Base Color": colour, **finish})
            return
    nodes = _Nodes(material)
    if look["pattern"] is not None:
        colour = nodes.pattern(look["pattern"])
    elif not plain:
        own = nodes.add("VertexColor", layer_name="colour").outputs["Color"] if surface["vertex_colours"] else _WHITE
        if surface["texture"] is not None:
            image = bpy.data.images.load(surface["texture"], check_existing=True)
            texture = nodes.add("TexImage", image=image).outputs["Color"]
            own = nodes.mix(1.0, texture, own, "MULTIPLY") if surface["vertex_colours"] else texture
        shift = {"Color": own, "Hue": 0.5 + look["hue"], "Saturation": look["saturation"], "Value": look["value"]}
        colour = nodes.add("HueSaturation", shift).outputs["Color"]
    bsdf = nodes.add("BsdfPrincipled", {"Base Color": colour, **finish}, distribution="GGX")
    if clear:
        nodes.finish_clear(bsdf, surface["opacity"], look["roughness"])
    else:
        nodes.finish(bsdf)


def _paint(material: Any, inputs: dict[str, Any]) -> None:
    """Give a material one colour and finish; nodes of an earlier frame are kept, since making them takes longest."""
    bsdf = material.node_tree.nodes.get(_PLAIN) if material.use_nodes else None
    if bsdf is None:
        nodes = _Nodes(material)
        bsdf = nodes.add("BsdfPrincipled", distribution="GGX", name=_PLAIN)
        nodes.finish(bsdf)
    for name, value in inputs.items():
        bsdf.inputs[name].default_value = value


def _shifted(colour: list[float], look: dict[str, Any]) -> list[float]:
    """What a Hue/Saturation/Value node would do, without the time to build one for each of a device's surfaces."""
    hue, saturation, value = rgb_to_hsv(*colour)
    return list(hsv_to_rgb((hue + look["hue"]) % 1, min(saturation * look["saturation"], 1), value * look["value"]))


def _set_floor(background: dict[str, Any]) -> None:
    floor = bpy.data.objects["floor"]
    floor.location = (0.0, 0.0, background["height"] * _MM)
    nodes = _Nodes(floor.material_slots[0].material)
    pattern = background["pattern"]
    colour = _rgba(background["colour"]) if pattern is None else nodes.pattern(pattern)
    inputs = {"Base Color": colour, "Metallic": background["metallic"], "Roughness": background["roughness"]}
    nodes.finish(nodes.add("BsdfPrincipled", inputs, distribution="GGX"))


def _set_camera(view: dict[str, Any], device: Any) -> None:
    camera = bpy.context.scene.camera
    camera.location = _metres(view["position"])
    camera.rotation_euler = _euler(view["rotation"])
    camera.data.lens = view["focal_length"]
    camera.data.sensor_width = view["sensor_width"]
    camera.data.shift_x, camera.data.shift_y = view["shift"]
    # A camera stands nearer to a small device than Blender is used to, and what is before this plane is cut away.
    camera.data.clip_start = min(CLIP_START, max(_depth(device, camera) / 2, 1e-6))


def _depth(device: Any, camera: Any) -> float:
    """Return how far before the camera the box round the device begins, metres."""
    turn, towards = device.rotation_euler.to_matrix(), camera.rotation_euler.to_matrix().col[2]
    return min(float(towards @ (camera.location - turn @ Vector(corner))) for corner in device.bound_box)


def _set_world(world: dict[str, Any]) -> None:
    nodes = _Nodes(bpy.context.scene.world)
    upward = nodes.add("SeparateXYZ", {"Vector": nodes.add("TexCoord").outputs["Generated"]}).outputs["Z"]
    sky = nodes.mix(upward, _rgba(world["horizon"]), _rgba(world["zenith"]))
    background = nodes.add("Background", {"Color": sky, "Strength": world["strength"]})
    nodes.add("OutputWorld", {"Surface": background.outputs[0]})


def _set_lights(lights: list[dict[str, Any]]) -> None:
    # A light's kind is fixed in Blender's data, so lamps are made afresh; three or four of them cost nothing.
    for lamp in [entry for entry in bpy.data.objects if entry.type == "LIGHT"]:
        bpy.data.lights.remove(lamp.data)
    for number, light in enumerate(lights):
        data = bpy.data.lights.new(f"light {number}", {"point": "POINT", "area": "AREA", "sun": "SUN"}[light["kind"]])
        data.use_temperature = True
        data.temperature = light["temperature"]
        position = _metres(light["position"])
        if light["kind"] == "sun":
            data.energy = light["irradiance"]
            data.angle = light["size"] * _MM / position.length
        else:
            # Both spread their power so that a surface facing the lamp at its distance receives the irradiance.
            solid_angle = 4 * pi if light["kind"] == "point" else pi
            data.energy = light["irradiance"] * solid_angle * position.length_squared
            if light["kind"] == "point":
                data.shadow_soft_size = light["size"] * _MM / 2
            else:
                data.shape = "RECTANGLE"
                data.size, data.size_y = light["size"] * _MM, light["size"] * light["aspect"] * _MM
        lamp = bpy.data.objects.new(f"light {number}", data)
        lamp.location = position
        lamp.rotation_euler = (-position).to_track_quat("-Z", "Y").to_euler()
        bpy.context.scene.collection.objects.link(lamp)


def _set_distractors(distractors: list[dict[str, Any]]) -> None:
    for old in [entry for entry in bpy.data.objects if entry.name.startswith("distractor")]:
        bpy.data.objects.remove(old)
    for number, distractor in enumerate(distractors):
        thing = bpy.data.objects.new(f"distractor {number}", bpy.data.objects[distractor["shape"]].data)
        thing.location = _metres(distractor["position"])
        thing.rotation_euler = _euler(distractor["rotation"])
        thing.scale = _metres(distractor["size"])
        bpy.context.scene.collection.objects.link(thing)
        material = bpy.data.materials.get(thing.name) or bpy.data.materials.new(thing.name)
        thing.material_slots[0].link = "OBJECT"
        thing.material_slots[0].material = material
        nodes = _Nodes(material)
        inputs = {
            "Base Color": _rgba(distractor["colour"]),
            "Metallic": distractor["metallic"],
            "Roughness": distractor["roughness"],
        }
        nodes.finish(nodes.add("BsdfPrincipled", inputs, distribution="GGX"))

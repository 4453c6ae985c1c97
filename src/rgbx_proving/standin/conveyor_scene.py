"""Scene script of the simulated conveyor, run inside Blender by ``photography/worker.py``.

A black rubber belt that runs along x between steel rails, tubes in rows above, windows to one side, and a camera that
looks down. It draws nothing at random: a job is a ``ConveyorDraw`` as JSON. Lengths in
jobs are millimetres, in the scene metres.
"""

from math import radians
from typing import Any

import bpy
from mathutils import Vector

_MM = 0.001
BELT_HALF_WIDTH = 0.4
TUBE_LENGTH, TUBE_WIDTH, TUBE_HEIGHT = 1.2, 0.06, 1.9
SENSOR = 36.0
"""Blender's sensor width in mm; only its ratio to the focal length counts."""
MATT_ROUGHNESS = 0.55
GLOSSY_FLOOR = 0.06
"""Nothing that has been carried in pockets is smoother."""


def prepare() -> None:
    """Build the line; only units, light levels and the belt's position change from frame to frame."""
    scene = bpy.context.scene
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    camera.data.sensor_fit = "HORIZONTAL"
    camera.data.sensor_width = SENSOR
    camera.data.clip_start, camera.data.clip_end = 0.01, 50.0
    scene.collection.objects.link(camera)
    scene.camera = camera
    scene.world = bpy.data.worlds.new("hall")
    scene.world.cycles.sampling_method = "NONE"

    _add_box("belt", (6.0, 2 * BELT_HALF_WIDTH, 0.02), (0.0, 0.0, -0.01))
    for side in (-1, 1):
        rail = _add_box(f"rail {side}", (6.0, 0.04, 0.06), (0.0, side * (BELT_HALF_WIDTH + 0.02), 0.01))
        steel = rail.material_slots[0].material.node_tree.nodes["Principled BSDF"]
        steel.inputs["Base Color"].default_value = (0.5, 0.51, 0.52, 1.0)
        steel.inputs["Metallic"].default_value = 1.0
        steel.inputs["Roughness"].default_value = 0.35
    _add_box("floor", (12.0, 12.0, 0.1), (0.0, 0.0, -0.9))
    for number in range(4):
        _add_area_lamp(f"tube {number}", TUBE_LENGTH, TUBE_WIDTH)
    window = _add_area_lamp("window", 2.5, 1.2)
    window.location = (0.8, -3.2, 1.6)
    window.rotation_euler = (-window.location).to_track_quat("-Z", "Y").to_euler()
    _build_overlay()


def arrange(job: dict[str, Any], device: Any) -> tuple[int, int, int, int]:
    """Set the scene for one draw; see ``worker.py``."""
    device.location = Vector(job["position"]) * _MM
    device.rotation_euler = [radians(angle) for angle in job["rotation"]]
    _load_overlay(job)
    for slot, surface in zip(device.material_slots, job["mesh_surfaces"], strict=True):
        _dress(slot.material, surface)
    _lay_belt(job["belt"])
    _light(job["hall"])
    side = job["crop"]["side"]
    _aim(job["camera"], job["focal"], job["crop"])
    return side, side, job["samples"], job["render_seed"]


def _add_box(name: str, size: tuple[float, float, float], centre: tuple[float, float, float]) -> Any:
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=centre)
    box = bpy.context.object
    box.name, box.scale = name, size
    material = bpy.data.materials.new(name)
    material.use_nodes = True
    box.data.materials.append(material)
    return box


def _add_area_lamp(name: str, length: float, width: float) -> Any:
    data = bpy.data.lights.new(name, "AREA")
    data.shape = "RECTANGLE"
    data.size, data.size_y = length, width
    data.use_temperature = True
    lamp = bpy.data.objects.new(name, data)
    bpy.context.scene.collection.objects.link(lamp)
    return lamp


def _build_overlay() -> None:
    """Make the node group that tells, at a point of a unit, which paint lies there and how matt it is.

    The pictures of front and back are projected along the unit's z onto what faces up or down in its frame.
    """
    group = bpy.data.node_groups.new("overlay", "ShaderNodeTree")
    for name, kind in (("Paint", "NodeSocketColor"), ("Cover", "NodeSocketFloat"), ("Matt", "NodeSocketFloat")):
        group.interface.new_socket(name, in_out="OUTPUT", socket_type=kind)
    nodes, links = group.nodes, group.links
    coordinates = nodes.new("ShaderNodeTexCoord")
    mapping = nodes.new("ShaderNodeMapping")
    mapping.name = "face"
    links.new(coordinates.outputs["Object"], mapping.inputs["Vector"])
    facing = nodes.new("ShaderNodeSeparateXYZ")
    links.new(coordinates.outputs["Normal"], facing.inputs[0])

    def compare(operation: str, first: Any, second: float) -> Any:
        node = nodes.new("ShaderNodeMath")
        node.operation = operation
        links.new(first, node.inputs[0])
        node.inputs[1].default_value = second
        return node.outputs[0]

    def product(first: Any, second: Any) -> Any:
        node = nodes.new("ShaderNodeMath")
        node.operation = "MULTIPLY"
        links.new(first, node.inputs[0])
        links.new(second, node.inputs[1])
        return node.outputs[0]

    def either(factor: Any, first: Any, second: Any, kind: str) -> Any:
        node = nodes.new("ShaderNodeMix")
        node.data_type = kind
        sockets = {"FLOAT": (2, 3, 0), "RGBA": (6, 7, 2)}[kind]
        links.new(factor, node.inputs[0])
        links.new(first, node.inputs[sockets[0]])
        links.new(second, node.inputs[sockets[1]])
        return node.outputs[sockets[2]]

    def picture(name: str) -> Any:
        node = nodes.new("ShaderNodeTexImage")
        node.name = name
        node.extension = "CLIP"
        links.new(mapping.outputs["Vector"], node.inputs["Vector"])
        return node

    back = compare("LESS_THAN", facing.outputs["Z"], 0.0)
    flat = nodes.new("ShaderNodeMath")
    flat.operation = "ABSOLUTE"
    links.new(facing.outputs["Z"], flat.inputs[0])
    flat_enough = compare("GREATER_THAN", flat.outputs[0], 0.5)
    paints = [picture(f"paint_{side}") for side in ("front", "back")]
    matts = [picture(f"matt_{side}") for side in ("front", "back")]
    cover = either(back, paints[0].outputs["Alpha"], paints[1].outputs["Alpha"], "FLOAT")
    matt = either(back, matts[0].outputs["Color"], matts[1].outputs["Color"], "FLOAT")
    output = nodes.new("NodeGroupOutput")
    links.new(either(back, paints[0].outputs["Color"], paints[1].outputs["Color"], "RGBA"), output.inputs["Paint"])
    links.new(product(cover, flat_enough), output.inputs["Cover"])
    links.new(product(matt, flat_enough), output.inputs["Matt"])


def _load_overlay(job: dict[str, Any]) -> None:
    nodes = bpy.data.node_groups["overlay"].nodes
    width, height = job["face"]
    centre = job["mesh_centre"]
    # From metres in the mesh, whose origin is the middle of its bounding box, to 0..1 across the face.
    nodes["face"].inputs["Scale"].default_value = (1 / (width * _MM), 1 / (height * _MM), 1.0)
    nodes["face"].inputs["Location"].default_value = (centre[0] / width + 0.5, centre[1] / height + 0.5, 0.0)
    for name, path in job["overlay"].items():
        old = nodes[name].image
        image = bpy.data.images.load(path)
        image.colorspace_settings.name = "sRGB" if name.startswith("paint") else "Non-Color"
        image.alpha_mode = "CHANNEL_PACKED"
        nodes[name].image = image
        if old is not None:
            bpy.data.images.remove(old)


def _dress(material: Any, surface: dict[str, Any]) -> None:
    material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()
    overlay = nodes.new("ShaderNodeGroup")
    overlay.node_tree = bpy.data.node_groups["overlay"]
    bsdf = nodes.new("ShaderNodeBsdfPrincipled")
    bsdf.distribution = "GGX"
    output = nodes.new("ShaderNodeOutputMaterial")
    links.new(bsdf.outputs[0], output.inputs["Surface"])

    colour = nodes.new("ShaderNodeMix")
    colour.data_type = "RGBA"
    colour.inputs[6].default_value = (*surface["colour"], 1.0)
    links.new(overlay.outputs["Cover"], colour.inputs[0])
    links.new(overlay.outputs["Paint"], colour.inputs[7])
    links.new(colour.outputs[2], bsdf.inputs["Base Color"])
    for factor, own, worn, socket in (
        ("Matt", max(surface["roughness"], GLOSSY_FLOOR), MATT_ROUGHNESS, "Roughness"),
        ("Cover", surface["metallic"], 0.0, "Metallic"),
    ):
        mix = nodes.new("ShaderNodeMix")
        mix.data_type = "FLOAT"
        mix.inputs[2].default_value, mix.inputs[3].default_value = (
            own,
            max(own, worn) if socket == "Roughness" else worn,
        )
        links.new(overlay.outputs[factor], mix.inputs[0])
        links.new(mix.outputs[0], bsdf.inputs[socket])


def _lay_belt(belt: dict[str, Any]) -> None:
    """Rubber: dark, ribbed a little, scuffed along its way, with dust in patches and specks, and a seam across."""
    material = bpy.data.objects["belt"].material_slots[0].material
    nodes, links = material.node_tree.nodes, material.node_tree.links
    nodes.clear()

    def add(kind: str, values: dict[Any, Any] | None = None, **settings: Any) -> Any:
        node = nodes.new(f"ShaderNode{kind}")
        for name, value in settings.items():
            setattr(node, name, value)
        for name, value in (values or {}).items():
            if isinstance(value, bpy.types.NodeSocket):
                links.new(value, node.inputs[name])
            else:
                node.inputs[name].default_value = value
        return node

    def ramp(factor: Any, low: float, high: float, strength: float) -> Any:
        values = {"Value": factor, 1: low, 2: high, 3: 0.0, 4: strength}
        return add("MapRange", values).outputs[0]

    def over(cover: Any, under: Any, colour: tuple[float, float, float]) -> Any:
        node = add("Mix", {0: cover, 7: (*colour, 1.0)}, data_type="RGBA")
        if isinstance(under, bpy.types.NodeSocket):
            links.new(under, node.inputs[6])
        else:
            node.inputs[6].default_value = under
        return node.outputs[2]

    # The box is scaled, so its own coordinates are not lengths; the world's are.
    place = add("NewGeometry").outputs["Position"]
    moved = add("Mapping", {"Vector": place, "Location": (belt["offset"][0] * _MM, belt["offset"][1] * _MM, 0.0)})
    here = moved.outputs["Vector"]
    lengthwise = add("Mapping", {"Vector": here, "Scale": (0.04, 1.0, 1.0)}).outputs["Vector"]
    scuffs = add("TexNoise", {"Vector": lengthwise, "Scale": 260.0, "Detail": 3.0, "Roughness": 0.7}).outputs[0]
    patches = add("TexNoise", {"Vector": here, "Scale": 9.0, "Detail": 4.0, "Roughness": 0.6}).outputs[0]
    specks = add("TexNoise", {"Vector": here, "Scale": 420.0, "Detail": 1.0}).outputs[0]
    dust, rubber = belt["dust"], belt["shade"]
    colour = over(ramp(scuffs, 0.55, 0.75, 0.35), (rubber, rubber, rubber * 1.05, 1.0), (0.09, 0.09, 0.09))
    colour = over(ramp(patches, 0.45, 0.75, 0.30 * dust), colour, (0.20, 0.18, 0.15))
    colour = over(ramp(specks, 0.70 - 0.05 * dust, 0.76, 0.55 * dust), colour, (0.33, 0.30, 0.25))

    along = add("SeparateXYZ", {0: place}).outputs["X"]
    from_seam = add("Math", {0: along, 1: belt["seam"] * _MM}, operation="SUBTRACT").outputs[0]
    near = add("Math", {0: from_seam}, operation="ABSOLUTE").outputs[0]
    colour = over(ramp(near, 0.0035, 0.0020, 0.8), colour, (0.004, 0.004, 0.004))

    rib = add("TexWave", {"Vector": here, "Scale": 38.0, "Distortion": 0.4, "Detail": 1.0}, bands_direction="Y")
    bump = add("Bump", {"Height": rib.outputs["Fac"], "Strength": 0.18, "Distance": 0.0006})
    bsdf = add(
        "BsdfPrincipled", {"Base Color": colour, "Roughness": 0.62, "Normal": bump.outputs[0]}, distribution="GGX"
    )
    add("OutputMaterial", {"Surface": bsdf.outputs[0]})


def _light(hall: dict[str, Any]) -> None:
    x, y, z = (value * _MM for value in hall["tube_offset"])
    for number, watts in enumerate(hall["tubes"]):
        # Two rows of two, end to end along the belt.
        row, place = divmod(number, 2)
        lamp = bpy.data.objects[f"tube {number}"]
        lamp.location = (x + (place - 0.5) * (TUBE_LENGTH + 0.15), y + (row - 0.5) * 1.1, TUBE_HEIGHT + z)
        lamp.data.energy, lamp.data.temperature = watts, hall["tube_kelvin"]
    window = bpy.data.lights["window"]
    window.energy, window.temperature = hall["daylight"], hall["daylight_kelvin"]
    background = bpy.context.scene.world
    background.use_nodes = True
    shader = background.node_tree.nodes.get("Background") or background.node_tree.nodes.new("ShaderNodeBackground")
    shader.inputs["Color"].default_value = (1.0, 0.97, 0.92, 1.0)
    shader.inputs["Strength"].default_value = hall["ambient"]
    output = background.node_tree.nodes.get("World Output") or background.node_tree.nodes.new("ShaderNodeOutputWorld")
    background.node_tree.links.new(shader.outputs[0], output.inputs["Surface"])


def _aim(view: dict[str, Any], focal: float, crop: dict[str, Any]) -> None:
    """Show just the crop: a camera of the same centre and direction, whose sensor is the crop."""
    camera = bpy.context.scene.camera
    camera.location = (0.0, 0.0, view["mount_mm"] * _MM)
    camera.rotation_euler = (radians(view["tilt_degrees"]), 0.0, 0.0)
    camera.data.lens = focal / crop["side"] * SENSOR
    camera.data.shift_x = (crop["centre"][0] - view["width"] / 2) / crop["side"]
    camera.data.shift_y = (view["height"] / 2 - crop["centre"][1]) / crop["side"]

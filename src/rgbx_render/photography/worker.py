"""Runs inside Blender: reads jobs as JSON lines on stdin, renders them, answers in JSON lines on stdout.

Started by :mod:`rgbx_render.photography.blender` as ``python worker.py SCENE.py THREADS`` with a Python that has
``bpy``, or as ``blender -b -P worker.py -- SCENE.py THREADS``. Blender's Python has none of rgbx's dependencies, so
this file and the scene scripts import nothing but the standard library, NumPy and ``bpy``.

A scene script provides ``prepare()``, called once, and ``arrange(job, device) -> (width, height, samples, seed)``,
which sets up everything for one frame around the object ``device``: the mesh of the file ``job["mesh"]`` (see
``meshes.py``), with a material slot for each of its surfaces. Lengths in the scene are metres. The frame, linear
light, float32 (H, W, 3), top row first, is written with ``numpy.save`` to the path in ``job["frame"]``.
"""

import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

MESHES_KEPT = 32
"""Reading a mesh takes some milliseconds, but Blender gets slower with all that it holds."""
meshes: dict[str, Any] = {}
"""Those that Blender holds, by path, the last used last."""


def _main(scene_path: str, threads: int) -> None:
    # Blender prints as it likes; answers get a descriptor of their own, and its chatter goes to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(content: dict[str, str]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    try:
        import bpy
    except ImportError as error:
        answer({"unusable": str(error)})
        return
    scene_script = _load(scene_path)
    _prepare(bpy, threads)
    scene_script.prepare()
    answer({"ready": bpy.app.version_string})
    for line in sys.stdin:
        job = json.loads(line)
        try:
            _render(bpy, scene_script, job)
            answer({"done": job["frame"]})
        except Exception:
            answer({"error": traceback.format_exc()})


def _load(path: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location("scene_script", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _prepare(bpy: Any, threads: int) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.render.threads_mode = "FIXED"
    scene.render.threads = threads
    # What stays from frame to frame reorders lamps and changes grain, and these scenes are built in no time.
    scene.render.use_persistent_data = False
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "OPEN_EXR"  # linear light, as float32
    scene.render.image_settings.color_mode = "RGB"
    scene.render.image_settings.color_depth = "32"
    scene.render.image_settings.exr_codec = "NONE"
    cycles = scene.cycles
    cycles.device = "CPU"
    # Nothing that depends on time, threads or earlier frames: the same job must give the same bytes.
    cycles.use_adaptive_sampling = False
    # The denoiser takes the time of one sample and saves twelve: four cleaned look better than sixteen raw ones.
    cycles.use_denoising = True
    cycles.denoiser = "OPENIMAGEDENOISE"
    cycles.denoising_input_passes = "RGB_ALBEDO_NORMAL"
    cycles.denoising_prefilter = "FAST"
    cycles.denoising_quality = "FAST"
    cycles.sampling_pattern = "BLUE_NOISE"  # its grain is gone after the slight blur of any lens
    cycles.time_limit = 0
    cycles.use_auto_tile = False
    # A few opaque objects under a handful of lamps: what costs time elsewhere gains nothing here.
    cycles.use_light_tree = False
    cycles.max_bounces = 3
    cycles.diffuse_bounces = 1
    cycles.glossy_bounces = 3
    cycles.caustics_reflective = False
    cycles.caustics_refractive = False
    cycles.sample_clamp_indirect = 4.0


def device_object(bpy: Any, path: str) -> Any:
    """Return the object ``device`` with the mesh that ``meshes.write_render_mesh`` wrote to ``path``."""
    mesh = meshes.pop(path, None) or _read_mesh(bpy, path)
    meshes[path] = mesh
    device = bpy.data.objects.get("device")
    if device is None:
        device = bpy.data.objects.new("device", mesh)
        bpy.context.scene.collection.objects.link(device)
    device.data = mesh
    if len(meshes) > MESHES_KEPT:
        oldest = meshes.pop(next(iter(meshes)))
        bpy.data.batch_remove([*oldest.materials, oldest])
    return device


def _read_mesh(bpy: Any, path: str) -> Any:
    with np.load(path) as arrays:
        content = dict(arrays)
    mesh = bpy.data.meshes.new("device")
    mesh.from_pydata(content["vertices"], [], content["faces"])
    corners = content["faces"].ravel()
    mesh.polygons.foreach_set("material_index", content["surface"])
    mesh.polygons.foreach_set("use_smooth", np.ones(len(content["faces"]), bool))  # sharp edges are split
    mesh.uv_layers.new(name="uv").uv.foreach_set("vector", content["uv"][corners].ravel())
    colours = np.column_stack([content["colours"], np.ones(len(content["colours"]), np.float32)])
    mesh.color_attributes.new("colour", "FLOAT_COLOR", "POINT").data.foreach_set("color", colours.ravel())
    for number in range(int(content["surface"].max()) + 1):
        mesh.materials.append(bpy.data.materials.new(f"surface {number}"))
    return mesh


def _render(bpy: Any, scene_script: ModuleType, job: dict[str, Any]) -> None:
    scene = bpy.context.scene
    width, height, samples, seed = scene_script.arrange(job, device_object(bpy, job["mesh"]))
    scene.render.resolution_x = width
    scene.render.resolution_y = height
    scene.cycles.samples = samples
    scene.cycles.seed = seed
    exr = job["frame"] + ".exr"
    scene.render.filepath = exr
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(exr)
    try:
        pixels = np.empty(width * height * image.channels, np.float32)
        image.pixels.foreach_get(pixels)
        frame = pixels.reshape(height, width, image.channels)[::-1, :, :3]
    finally:
        bpy.data.images.remove(image)
        Path(exr).unlink()
    with Path(job["frame"]).open("wb") as file:
        np.save(file, np.ascontiguousarray(frame))


if __name__ == "__main__":
    arguments = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    _main(arguments[0], int(arguments[1]))

"""Sets of photographs by domain randomisation: labelled training images from the meshes of a library."""

import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from rgbx.processes import cores
from rgbx.progress import track
from rgbx.samples import (
    WHOLE,
    RenderedSample,
    RenderJob,
    SampleKey,
    SampleRecord,
    SampleSet,
    SetHeader,
    Shard,
    class_keys,
    generator,
    render_set,
    rendered_sample,
    sample_seed,
)
from rgbx_render.devices.library import Library
from rgbx_render.devices.mesh_io import mesh_remarks
from rgbx_render.devices.selection import by_class, select_units
from rgbx_render.photography.blender import Blender, find_blender, threads_of_each
from rgbx_render.photography.film import develop
from rgbx_render.photography.meshes import RenderMesh, is_written, read_render_mesh, write_render_mesh
from rgbx_render.photography.randomisation import RgbDraw, RgbRandomisation, draw_photograph

PHOTOGRAPHS_ORIGIN = "synthetic: RGB domain randomisation"
_SUFFIX = ".png"
_SCENE = Path(__file__).with_name("scene.py")


def render_photographs(
    library: Library,
    out: Path,
    config: RgbRandomisation,
    *,
    images_per_class: int,
    seed: int = 0,
    units: str | None = None,
    workers: int | None = None,
    shard: Shard = WHOLE,
    ray: str | None = None,
) -> SampleSet | None:
    """Render photographs of the units of ``library``; go on where an interrupted run stopped.

    Args:
        library: units with meshes; those without are left out.
        out: folder of the set of 8-bit PNGs.
        config: how wide to draw.
        images_per_class: for each class; each image shows any of the class's units.
        seed: of the set.
        units: which units to show, see :func:`~rgbx_render.devices.selection.select_units`; all with a mesh when None.
        workers: Blender processes; one for each core when None; 0 works in this process.
        shard: which part of the set to render.
        ray: address of a Ray cluster to render on, or ``"local"``, see :func:`~rgbx.samples.choose_executor`.

    Returns:
        The set; None while other shards of it are missing.

    Raises:
        InputError: a class has no mesh, a mesh cannot be read, or ``out`` holds something else.
        MissingToolError: Blender is not there.
        RgbxError: single images could not be rendered; the others are there.
    """
    find_blender()
    chosen = [unit for unit in select_units(library, units) if unit.mesh_path is not None]
    groups = by_class(library, chosen, "mesh")
    header = SetHeader(
        modality="rgb",
        origin=PHOTOGRAPHS_ORIGIN,
        seed=seed,
        classes=library.classes,
        config={**config.model_dump(mode="json"), "images_per_class": images_per_class, "units": units},
        source=Library(library.path, chosen).digest(("mesh",)),
    )

    def prepare(meshes: Path) -> RenderJob:
        remarks: list[str] = []
        for unit in track(chosen, "reading meshes", total=len(chosen)):
            path = _mesh_path(meshes, unit.device_class, unit.name)
            if not is_written(path):
                scene = unit.read_mesh()
                remarks.extend(mesh_remarks(scene))
                write_render_mesh(scene, path)
        for remark in remarks:
            print(f"remark: {remark}", file=sys.stderr)
        names = {device_class: [unit.name for unit in members] for device_class, members in groups.items()}
        threads = threads_of_each(workers) if ray is None else 1
        return RenderJob(Photographer, (names, config, seed, threads), meshes)

    return render_set(
        out,
        header,
        class_keys(library.classes, images_per_class),
        prepare,
        suffix=_SUFFIX,
        description="photographing",
        workers=workers,
        shard=shard,
        ray=ray,
    )


class Photographer:
    """Renders the photographs of a set one by one; one lives in each process and owns one Blender.

    Args:
        meshes: folder of the units' meshes.
        units: names of those of each class.
        config: how wide to draw.
        seed: of the set.
        threads: of Blender.
    """

    def __init__(
        self,
        meshes: Path,
        units: dict[str, list[str]],
        config: RgbRandomisation,
        seed: int,
        threads: int,
    ) -> None:
        self.meshes, self.units = meshes, units
        self.config, self.seed = config, seed
        self.config_digest = config.digest()
        self.read_mesh = lru_cache(maxsize=None)(read_render_mesh)  # each is shown in many photographs
        self.blender = Blender(_SCENE, threads=threads)

    def __call__(self, key: SampleKey) -> RenderedSample:
        seed = sample_seed(self.seed, key, self.config_digest)
        rng = generator(seed)
        units = self.units[key.label]
        unit = units[rng.integers(len(units))]
        mesh = self.read_mesh(_mesh_path(self.meshes, key.label, unit))
        draw = draw_photograph(rng, self.config, mesh)
        return rendered_sample(key, _SUFFIX, photograph(self.blender, mesh, draw), unit=unit, seed=seed, draw=draw)


def _mesh_path(folder: Path, device_class: str, unit: str) -> Path:
    return folder / device_class / f"{unit}.npz"


def photograph(blender: Blender, mesh: RenderMesh, draw: RgbDraw) -> np.ndarray:
    """Render one draw: the same pixels every time.

    Returns:
        (height, width, 3) uint8, of the draw's shape.
    """
    height, width = draw.shape
    job = {**draw.model_dump(mode="json"), "height": height, "width": width, **mesh.job()}
    return develop(blender.render(job), draw.film, generator)


def replay_photograph(record: SampleRecord, library: Library) -> np.ndarray:
    """Render a record again.

    Args:
        record: of a set made by :func:`render_photographs`.
        library: what the set was rendered from.

    Returns:
        (height, width, 3) uint8, the same pixels as in the file.

    Raises:
        InputError: the library lacks the record's unit or its mesh.
        MissingToolError: Blender is not there.
    """
    unit = library.unit(record.label, record.unit)
    draw = RgbDraw.model_validate(record.draw)
    with tempfile.TemporaryDirectory(prefix="rgbx-meshes-") as folder:
        mesh = write_render_mesh(unit.read_mesh(), Path(folder) / "unit.npz")
        with Blender(_SCENE, threads=cores()) as blender:
            return photograph(blender, mesh, draw)

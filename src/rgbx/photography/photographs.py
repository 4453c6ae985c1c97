"""Sets of photographs by domain randomisation: labelled training images from the meshes of a library."""

import tempfile
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from rgbx import __version__
from rgbx.config import build_config
from rgbx.devices.library import Library
from rgbx.devices.selection import by_class, select_units
from rgbx.photography.blender import Blender, find_blender, threads_of_each
from rgbx.photography.film import develop
from rgbx.photography.meshes import RenderMesh, write_render_mesh
from rgbx.photography.randomisation import RgbDraw, RgbRandomisation, draw_photograph
from rgbx.processes import cores
from rgbx.samples import (
    WHOLE,
    RenderedSample,
    RenderJob,
    SampleKey,
    SampleRecord,
    SampleSet,
    SetHeader,
    Shard,
    choose_executor,
    class_keys,
    encode_image,
    generator,
    render_samples,
    sample_seed,
)
from rgbx.samples.overview import write_overview

_ORIGIN = "synthetic: RGB domain randomisation"
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
        units: which units to show, see :func:`~rgbx.devices.selection.select_units`; all with a mesh when None.
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
    shown = by_class(library, chosen, "mesh")
    header = SetHeader(
        modality="rgb",
        origin=_ORIGIN,
        seed=seed,
        classes=library.classes,
        config={**config.model_dump(mode="json"), "images_per_class": images_per_class, "units": units},
        source=Library(library.path, chosen).digest(("mesh",)),
        version=__version__,
    )
    executor = choose_executor(workers, ray)
    samples = SampleSet.create(out, header, shard)
    keys = class_keys(library.classes, images_per_class)
    if samples.missing(keys, _SUFFIX):
        with tempfile.TemporaryDirectory(prefix="rgbx-meshes-") as folder:
            meshes = {
                label: [
                    (unit.name, write_render_mesh(unit.read_mesh(), Path(folder) / f"{label}-{number}.npz"))
                    for number, unit in enumerate(shown[label])
                ]
                for label in library.classes
            }
            threads = threads_of_each(workers) if ray is None else 1
            job = RenderJob(Photographer, (meshes, config, seed, threads), Path(folder))
            complete = render_samples(samples, keys, job, executor, suffix=_SUFFIX, description="photographing")
    else:
        complete = samples.finish()
    if not complete:
        return None
    write_overview(samples)
    return samples


class Photographer:
    """Renders the photographs of a set one by one; one lives in each process and owns one Blender.

    Args:
        folder: where the files of the meshes are.
        meshes: of each class: unit names with their meshes.
        config: how wide to draw.
        seed: of the set.
        threads: of Blender.
    """

    def __init__(
        self,
        folder: Path,
        meshes: dict[str, list[tuple[str, RenderMesh]]],
        config: RgbRandomisation,
        seed: int,
        threads: int,
    ) -> None:
        self.meshes = {
            label: [(unit, mesh.moved_to(folder)) for unit, mesh in members] for label, members in meshes.items()
        }
        self.config, self.seed = config, seed
        self.config_digest = config.digest()
        self.blender = Blender(_SCENE, threads=threads)

    def __call__(self, key: SampleKey) -> RenderedSample:
        seed = sample_seed(self.seed, key, self.config_digest)
        rng = generator(seed)
        units = self.meshes[key.label]
        unit, mesh = units[rng.integers(len(units))]
        draw = draw_photograph(rng, self.config, mesh)
        image = photograph(self.blender, mesh, draw)
        record = SampleRecord(
            file_name=f"{key.stem}{_SUFFIX}", label=key.label, unit=unit, seed=seed, draw=draw.model_dump(mode="json")
        )
        return RenderedSample(record, encode_image(_SUFFIX, image))


def photograph(blender: Blender, mesh: RenderMesh, draw: RgbDraw) -> np.ndarray:
    """Render one draw: the same pixels every time.

    Returns:
        (size, size, 3) uint8.
    """
    return develop(blender.render(scene_job(mesh, draw)), draw.film, generator)


def scene_job(mesh: RenderMesh, draw: BaseModel) -> dict[str, object]:
    """Return what a scene script gets: the draw, the mesh and its surfaces."""
    return {
        **draw.model_dump(mode="json"),
        "mesh": str(mesh.path),
        "mesh_surfaces": [surface.model_dump(mode="json") for surface in mesh.surfaces],
    }


def replay_photograph(record: SampleRecord, library: Library) -> np.ndarray:
    """Render a record again.

    Args:
        record: of a set made by :func:`render_photographs`.
        library: what the set was rendered from.

    Returns:
        (size, size, 3) uint8, the same pixels as in the file.

    Raises:
        InputError: the library lacks the record's unit or its mesh.
        MissingToolError: Blender is not there.
    """
    unit = library.unit(record.label, record.unit)
    draw = build_config(RgbDraw, record.draw)
    with tempfile.TemporaryDirectory(prefix="rgbx-meshes-") as folder:
        mesh = write_render_mesh(unit.read_mesh(), Path(folder) / "unit.npz")
        with Blender(_SCENE, threads=cores()) as blender:
            return photograph(blender, mesh, draw)

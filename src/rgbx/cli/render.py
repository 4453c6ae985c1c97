"""`rgbx render`: labelled training images from a library of scans and meshes."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rgbx.samples import Shard

app = typer.Typer(
    no_args_is_help=True,
    help="Render labelled training images from a library: radiographs from its scans, photographs from its meshes.",
)


ShardOption = Annotated[
    str | None, typer.Option(metavar="I/N", help="Render only part I of N of the set, e.g. 1/4 (docs/sets.md).")
]
RayOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Render on a Ray cluster: HOST:PORT, 'auto', or 'local' for one on this machine."
    ),
]


class Knob(StrEnum):
    """A knob of domain randomisation: turned at random, or fixed to see what it is good for (paper, Table I)."""

    random = "random"
    fixed = "fixed"


class Extra(StrEnum):
    """A knob beyond the paper: off as there, or turned at random."""

    off = "off"
    random = "random"


class Backend(StrEnum):
    """Of the projection."""

    kernel = "kernel"
    vtk = "vtk"


@app.command("xray")
def xray(
    library: Annotated[Path, typer.Argument(help="Library with scans: LIBRARY/CLASS/UNIT/scan.nrrd, …")],
    out: Annotated[Path, typer.Option(help="Folder of the set; with --replay the image file.")],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 300,
    size: Annotated[int | None, typer.Option(min=16, help="Side of the square images, pixels.")] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Which units to show, e.g. 1-2 (the first two of each class) or SP1-001,SP2-004; else all."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; as many as there are cores when left out.")
    ] = None,
    noise_variance: Annotated[
        float | None,
        typer.Option(min=0, help="Largest variance of the white noise on an 8-bit scale; 1000 as in the paper."),
    ] = None,
    background: Annotated[Knob, typer.Option(help="Level and gradient of the open beam.")] = Knob.random,
    transfer_function: Annotated[
        str, typer.Option(help="'random', or the name of one preset to use as it is (docs/xray-randomisation.md).")
    ] = "random",
    transfer_functions: Annotated[
        Path | None,
        typer.Option(help="Presets of your own: a file NAME.yaml, or a folder of them ('rgbx transfer --help')."),
    ] = None,
    projector: Annotated[Knob, typer.Option(help="Position and orientation of source, detector and unit.")] = (
        Knob.random
    ),
    scatter: Annotated[Extra, typer.Option(help="Scattered radiation, which fogs what is dark.")] = Extra.off,
    blur: Annotated[Extra, typer.Option(help="Blur of focal spot and detector.")] = Extra.off,
    edits: Annotated[Extra, typer.Option(help="Parts moved, turned or missing in half of the images, bent units.")] = (
        Extra.off
    ),
    backend: Annotated[
        Backend | None, typer.Option(help="Who projects: rgbx's own kernel (default), or VTK as in the paper.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, e.g. projector.tilt=[-40,40]; repeatable.")
    ] = None,
    shard: ShardOption = None,
    ray: RayOption = None,
    replay: Annotated[
        Path | None, typer.Option(help="An image of a set: render it again from its record, bit for bit, to --out.")
    ] = None,
) -> None:
    """Render radiographs by domain randomisation: 16-bit PNG, linear in intensity.

    Everything drawn for an image is in metadata.jsonl beside it. A run that was interrupted goes on when the same
    command is given again.

    Example: rgbx render xray library --out sets/xray-train --per-class 300 --units 1-2

    Example: rgbx render xray library --replay sets/xray-train/SP1/000003.png --out again.png
    """
    import time

    from rich.console import Console

    from rgbx.config import load_config
    from rgbx.devices.library import Library
    from rgbx.radiography.edits import RANDOM_EDITS
    from rgbx.radiography.radiographs import render_radiographs
    from rgbx.radiography.radiographs import replay_radiograph as render_again
    from rgbx.radiography.randomisation import (
        FIXED_BACKGROUND,
        FIXED_PROJECTOR,
        RANDOM_BLUR,
        RANDOM_SCATTER,
        XrayRandomisation,
    )
    from rgbx.radiography.transfer import NO_JITTER
    from rgbx.samples import WHOLE, Shard, write_image
    from rgbx.samples.sets import find_record

    console = Console()
    if replay is not None:
        write_image(out, render_again(find_record(replay), Library.open(library)).image)
        console.print(f"{out} shows {replay} again.", soft_wrap=True)
        return

    chosen = load_config(XrayRandomisation, config, settings or ())
    changes: dict[str, object] = {}
    if size is not None:
        changes["size"] = size
    if backend is not None:
        changes["backend"] = backend.value
    if noise_variance is not None:
        changes["noise_variance"] = (0, noise_variance)
    if background is Knob.fixed:
        changes["background"] = FIXED_BACKGROUND.model_dump()
    if projector is Knob.fixed:
        changes["projector"] = FIXED_PROJECTOR.model_dump()
    if scatter is Extra.random:
        changes["scatter"] = RANDOM_SCATTER.model_dump()
    if blur is Extra.random:
        changes["blur"] = RANDOM_BLUR
    if edits is Extra.random:
        changes["edits"] = RANDOM_EDITS.model_dump()
    if transfer_functions is not None:
        changes["transfer.presets"] = str(transfer_functions)
    if transfer_function != "random":
        changes["transfer.use"] = transfer_function
        changes["transfer.jitter"] = NO_JITTER.model_dump()
        changes["transfer.guard"] = (0, 1)

    start = time.monotonic()
    part = WHOLE if shard is None else Shard.parse(shard)
    summary = render_radiographs(
        Library.open(library),
        out,
        chosen.updated(changes),
        images_per_class=per_class,
        seed=seed,
        units=units,
        workers=workers,
        shard=part,
        ray=ray,
    )
    seconds = time.monotonic() - start
    if summary is None:
        console.print(_shard_report(out, part, seconds), soft_wrap=True)
        return
    rates = ", ".join(f"{name} {tally.rate:.0%}" for name, tally in summary.transfer_functions.items() if tally.tried)
    console.print(
        f"{summary.total.kept} radiographs in {out} after {seconds:.0f} s "
        f"({1000 * seconds / summary.total.kept:.0f} ms each); kept {summary.total.rate:.0%} of the draws "
        f"(by transfer function: {rates}).",
        soft_wrap=True,
    )


@app.command("materials")
def materials(
    library: Annotated[Path, typer.Argument(help="The library of the set, with LIBRARY/CLASS/UNIT/labels.nrrd.")],
    images: Annotated[Path, typer.Option(help="A set made by 'rgbx render xray'.")],
    out: Annotated[Path, typer.Option(help="Folder of the maps: OUT/CLASS/NUMBER.npz.")],
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes; as many as there are cores when left out.")
    ] = None,
) -> None:
    """Write how many mm of each material every pixel of a set's radiographs looks through.

    For units with a label volume beside their scan (docs/file-formats.md). Each file holds thickness_mm
    (materials, H, W) and materials, their names. A run that was interrupted goes on when the same command is given
    again.

    Example: rgbx render materials library --images sets/xray-train --out sets/xray-train-materials
    """
    from rich.console import Console

    from rgbx.devices.library import Library
    from rgbx.radiography.materials import render_materials

    written = render_materials(Library.open(library), images, out, workers)
    Console().print(f"{written} thickness maps written to {out}.", soft_wrap=True)


@app.command("rgb")
def rgb(
    library: Annotated[Path, typer.Argument(help="Library with meshes: LIBRARY/CLASS/UNIT/mesh.glb, …")],
    out: Annotated[Path, typer.Option(help="Folder of the set; with --replay the image file.")],
    per_class: Annotated[int, typer.Option(min=1, help="Images of each class.")] = 100,
    size: Annotated[int | None, typer.Option(min=16, help="Side of the square images, pixels.")] = None,
    units: Annotated[
        str | None,
        typer.Option(help="Which units to show, e.g. 1-2 (the first two of each class) or SP1-001,SP2-004; else all."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same images.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Blender processes; as many as there are cores when left out.")
    ] = None,
    camera: Annotated[Knob, typer.Option(help="Focal length, sensor, principal point, place and framing.")] = (
        Knob.random
    ),
    lights: Annotated[Knob, typer.Option(help="Number, kind, place, size, colour and strength of the lamps.")] = (
        Knob.random
    ),
    background: Annotated[Knob, typer.Option(help="What the device lies on, and shapes beside it.")] = Knob.random,
    materials: Annotated[Knob, typer.Option(help="Colour, texture and finish of the device.")] = Knob.random,
    config: Annotated[Path | None, typer.Option(help="YAML file with any of the settings.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="One setting, e.g. camera.off_axis=[0,45]; repeatable.")
    ] = None,
    shard: ShardOption = None,
    ray: RayOption = None,
    replay: Annotated[
        Path | None, typer.Option(help="An image of a set: render it again from its record, bit for bit, to --out.")
    ] = None,
) -> None:
    """Render photographs by domain randomisation, in Blender: 8-bit PNG.

    Everything drawn for an image is in metadata.jsonl beside it. A run that was interrupted goes on when the same
    command is given again.

    Example: rgbx render rgb library --out sets/rgb-train --per-class 100 --units 1-2

    Example: rgbx render rgb library --replay sets/rgb-train/SP1/000003.png --out again.png
    """
    import time

    from rich.console import Console

    from rgbx.config import load_config
    from rgbx.devices.library import Library
    from rgbx.photography.photographs import render_photographs
    from rgbx.photography.photographs import replay_photograph as render_again
    from rgbx.photography.randomisation import FIXED, RgbRandomisation
    from rgbx.samples import WHOLE, Shard, write_image
    from rgbx.samples.sets import find_record

    console = Console()
    if replay is not None:
        write_image(out, render_again(find_record(replay), Library.open(library)))
        console.print(f"{out} shows {replay} again.", soft_wrap=True)
        return

    knobs = {"camera": camera, "lights": lights, "background": background, "materials": materials}
    changes: dict[str, object] = {name: FIXED[name] for name, knob in knobs.items() if knob is Knob.fixed}
    if size is not None:
        changes["size"] = size
    chosen = load_config(RgbRandomisation, config, settings or ()).updated(changes)

    start = time.monotonic()
    part = WHOLE if shard is None else Shard.parse(shard)
    samples = render_photographs(
        Library.open(library),
        out,
        chosen,
        images_per_class=per_class,
        seed=seed,
        units=units,
        workers=workers,
        shard=part,
        ray=ray,
    )
    seconds = time.monotonic() - start
    if samples is None:
        console.print(_shard_report(out, part, seconds), soft_wrap=True)
        return
    console.print(
        f"{len(samples)} photographs in {out} after {seconds:.0f} s ({1000 * seconds / len(samples):.0f} ms each).",
        soft_wrap=True,
    )


def _shard_report(out: Path, shard: "Shard", seconds: float) -> str:
    from rgbx.samples.shards import absent_shards, finished_shards, listed

    absent = listed(absent_shards(finished_shards(out)))
    return (
        f"Shard {shard} in {out} is complete after {seconds:.0f} s; the set will be once {absent} are there: rendered "
        "to the same folder, or to others and joined with 'rgbx sets join'."
    )

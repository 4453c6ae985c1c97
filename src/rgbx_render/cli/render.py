"""`rgbx render`: labelled training images from a library of scans and meshes."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from rgbx.cli.layout import PREPARE
from rgbx.cli.options import ConfigOption, SetOption, SizeOption, WorkersOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings

if TYPE_CHECKING:
    import numpy as np

    from rgbx.samples import SampleRecord, Shard
    from rgbx_render.devices.library import Library

render_app = shown_under(PREPARE)(
    typer.Typer(no_args_is_help=True, help="Render labelled training images from a library.")
)

SetOutOption = Annotated[Path, typer.Option(help="Folder of the set; with --replay the image file.")]
PerClassOption = Annotated[int, typer.Option(min=1, help="Images of each class.")]
UnitsOption = Annotated[
    str | None,
    typer.Option(help="Which units to show, e.g. 1-2 (the first two of each class) or SP1-001,SP2-004; else all."),
]
ImageSeedOption = Annotated[int, typer.Option(help="Same seed, same images.")]
ShardOption = Annotated[
    str | None, typer.Option(metavar="I/N", help="Render only part I of N of the set, e.g. 1/4 (docs/guides/sets.md).")
]
RayOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS", help="Render on a Ray cluster: HOST:PORT, 'auto', or 'local' for one on this machine."
    ),
]
ReplayOption = Annotated[
    Path | None, typer.Option(help="An image of a set: render it again from its record, bit for bit, to --out.")
]

_Made = TypeVar("_Made")


@render_app.command("xray")
def render_xray_command(
    library: Annotated[Path, typer.Argument(help="Library with scans: LIBRARY/CLASS/UNIT/scan.nrrd, …")],
    out: SetOutOption,
    per_class: PerClassOption = 300,
    size: SizeOption = None,
    units: UnitsOption = None,
    seed: ImageSeedOption = 0,
    workers: WorkersOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    shard: ShardOption = None,
    ray: RayOption = None,
    replay: ReplayOption = None,
) -> None:
    """Render radiographs from scans, by domain randomisation.

    16-bit PNG, linear in intensity. Everything drawn for an image is in metadata.jsonl beside it. A run that was
    interrupted goes on when the same command is given again.

    Each knob is a setting (docs/reference/xray-settings.md), and some can be said in a word: `projector=fixed`,
    `background=fixed`, `scatter=random`, `blur=random`, `edits=random`, `transfer.jitter=none`.

    Examples:

    - `rgbx render xray library --out sets/xray --units 1-2 --set scatter=random`
    - `rgbx render xray library --replay sets/xray/SP1/000003.png --out again.png`
    """
    from rgbx_render.radiography.radiographs import render_radiographs, replay_radiograph
    from rgbx_render.radiography.randomisation import XrayRandomisation

    chosen = choose_settings(XrayRandomisation, config, {"size": size}, settings)
    if replay is not None:
        _replay(replay, library, out, lambda record, of: replay_radiograph(record, of).image)
        return
    summary = _render(
        "radiographs",
        render_radiographs,
        library,
        out,
        chosen,
        shard,
        images_per_class=per_class,
        seed=seed,
        units=units,
        workers=workers,
        ray=ray,
    )
    if summary is not None:
        tallies = summary.transfer_functions.items()
        rates = ", ".join(f"{name} {tally.rate:.0%}" for name, tally in tallies if tally.tried)
        typer.echo(f"Kept {summary.total.rate:.0%} of the draws (by transfer function: {rates}).")


@render_app.command("rgb")
def render_rgb_command(
    library: Annotated[Path, typer.Argument(help="Library with meshes: LIBRARY/CLASS/UNIT/mesh.glb, …")],
    out: SetOutOption,
    per_class: PerClassOption = 100,
    size: SizeOption = None,
    units: UnitsOption = None,
    seed: ImageSeedOption = 0,
    workers: WorkersOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    shard: ShardOption = None,
    ray: RayOption = None,
    replay: ReplayOption = None,
) -> None:
    """Render photographs from meshes, by domain randomisation.

    In Blender, to 8-bit PNG. Everything drawn for an image is in metadata.jsonl beside it. A run that was interrupted
    goes on when the same command is given again.

    Each knob is a setting (docs/guides/rgb-randomisation.md), and some can be said in a word: `camera=fixed`,
    `lights=fixed`, `background=fixed`, `materials=fixed`.

    Examples:

    - `rgbx render rgb library --out sets/rgb --units 1-2 --set lights=fixed`
    - `rgbx render rgb library --replay sets/rgb/SP1/000003.png --out again.png`
    """
    from rgbx_render.photography.photographs import render_photographs, replay_photograph
    from rgbx_render.photography.randomisation import RgbRandomisation

    chosen = choose_settings(RgbRandomisation, config, {"size": size}, settings)
    if replay is not None:
        _replay(replay, library, out, replay_photograph)
        return
    _render(
        "photographs",
        render_photographs,
        library,
        out,
        chosen,
        shard,
        images_per_class=per_class,
        seed=seed,
        units=units,
        workers=workers,
        ray=ray,
    )


@render_app.command("materials")
def render_materials_command(
    library: Annotated[Path, typer.Argument(help="The library of the set, with LIBRARY/CLASS/UNIT/labels.nrrd.")],
    images: Annotated[Path, typer.Option(help="A set made by 'rgbx render xray'.")],
    out: Annotated[Path, typer.Option(help="Folder of the maps: OUT/CLASS/NUMBER.npz.")],
    workers: WorkersOption = None,
) -> None:
    """Write the thickness of each material in radiographs.

    How many mm of each material every pixel of a set's radiographs looks through, for units with a label volume beside
    their scan (docs/reference/file-formats.md). Each file holds thickness_mm (materials, H, W) and materials, their
    names. A run that was interrupted goes on when the same command is given again.

    Examples:

    - `rgbx render materials library --images sets/xray --out sets/xray-materials`
    - `rgbx render materials library --images sets/xray --out maps --workers 4`
    """
    from rgbx_render.devices.library import Library
    from rgbx_render.radiography.materials import render_materials

    written = render_materials(Library.open(library), images, out, workers)
    typer.echo(f"{written} thickness maps written to {out}.")


def _render(
    images: str,
    render: "Callable[..., _Made | None]",
    library: Path,
    out: Path,
    chosen: object,
    shard: str | None,
    **options: object,
) -> "_Made | None":
    """Render a set, or a shard of it, and say what came of it."""
    import time

    from rgbx.samples import WHOLE, SampleSet, Shard
    from rgbx_render.devices.library import Library

    part = WHOLE if shard is None else Shard.parse(shard)
    start = time.monotonic()
    made = render(Library.open(library), out, chosen, shard=part, **options)
    seconds = time.monotonic() - start
    if made is None:
        typer.echo(_shard_report(out, part, seconds))
    else:
        count = len(SampleSet.open(out))
        typer.echo(f"{count} {images} in {out} after {seconds:.0f} s ({1000 * seconds / count:.0f} ms each).")
    return made


def _replay(image: Path, library: Path, out: Path, replay: "Callable[[SampleRecord, Library], np.ndarray]") -> None:
    from rgbx.samples import write_image
    from rgbx.samples.sets import find_record
    from rgbx_render.devices.library import Library

    write_image(out, replay(find_record(image), Library.open(library)))
    typer.echo(f"{out} shows {image} again.")


def _shard_report(out: Path, shard: "Shard", seconds: float) -> str:
    from rgbx.samples.shards import absent_shards, finished_shards, listed

    absent = listed(absent_shards(finished_shards(out)))
    return (
        f"Shard {shard} in {out} is complete after {seconds:.0f} s; the set will be once {absent} are there: rendered "
        "to the same folder, or to others and joined with 'rgbx sets join'."
    )

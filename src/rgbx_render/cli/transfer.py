"""`rgbx transfer`: the transfer functions that radiographs are rendered with."""

from pathlib import Path
from typing import Annotated

import typer

from rgbx.cli.layout import PREPARE
from rgbx.cli.options import ConfigOption, SetOption
from rgbx.cli.plugins import shown_under
from rgbx.cli.settings import choose_settings

transfer_app = shown_under(PREPARE)(
    typer.Typer(
        no_args_is_help=True,
        help="List, edit and draw transfer functions.\n\nThey say how strongly each scan intensity attenuates; "
        "render with your own by `rgbx render xray … --set transfer.presets=FOLDER`.",
    )
)


@transfer_app.command("list")
def list_presets_command(
    path: Annotated[
        Path | None, typer.Argument(help="A file NAME.yaml, or a folder of them; rgbx's own if left out.")
    ] = None,
) -> None:
    """List transfer functions, and check them.

    Examples:

    - `rgbx transfer list`
    - `rgbx transfer list my-curves`
    """
    from rich.console import Console
    from rich.table import Table

    from rgbx_render.radiography.transfer import read_presets

    table = Table("name", "intensities", "1/mm up to", "about")
    table.columns[0].no_wrap = True
    for name, preset in read_presets(path).items():
        x, y = zip(*preset.points, strict=True)
        table.add_row(name, f"{x[0]:g} to {x[-1]:g}", f"{max(y):g}", preset.about)
    Console().print(table)


@transfer_app.command("export")
def export_presets_command(
    out: Annotated[Path, typer.Argument(help="A new folder, or one without any of their names.")],
) -> None:
    """Copy the five of rgbx to a folder, to edit them.

    One small file each.

    Examples:

    - `rgbx transfer export my-curves`
    - `rgbx transfer export curves/of-rgbx`
    """
    from rich.console import Console

    from rgbx.errors import InputError
    from rgbx.files import write_bytes
    from rgbx_render.radiography.transfer import PRESETS

    sources = sorted(PRESETS.glob("*.yaml"))
    for source in sources:
        if (out / source.name).exists():
            raise InputError(out / source.name, "is there already", "choose another folder or delete it")
    for source in sources:
        write_bytes(out / source.name, source.read_bytes())
    Console().print(
        f"{len(sources)} transfer functions in {out}: edit them, then look at them with 'rgbx transfer sheet'.",
        soft_wrap=True,
    )


@transfer_app.command("import")
def import_preset_command(
    preset: Annotated[Path, typer.Argument(help="Volume property of 3D Slicer: .vp, .vp.json, or presets in XML.")],
    scan: Annotated[Path, typer.Option(help="A scan that it was made for: its air and metal give the scale.")],
    out: Annotated[Path, typer.Option(help="File to write; its name is the transfer function's, e.g. bones.yaml.")],
    name: Annotated[str | None, typer.Option(help="Which one, where the file holds several.")] = None,
) -> None:
    """Make one from a volume property of 3D Slicer.

    An opacity of a unit distance (1 mm unless the file says otherwise) becomes an attenuation, -ln(1 - opacity) a
    unit distance; an opacity of 1 becomes 4.6. Air becomes transparent.

    Examples:

    - `rgbx transfer import bones.vp --scan scan.nrrd --out my-curves/bones.yaml`
    - `rgbx transfer import presets.xml --name CT-Bone --scan scan.nrrd --out my-curves/bones.yaml`
    """
    from rich.console import Console

    from rgbx.errors import InputError
    from rgbx.files import write_text
    from rgbx_render.devices.volume_io import read_scan
    from rgbx_render.radiography.scans import find_unit
    from rgbx_render.radiography.slicer import read_slicer_presets, to_transfer_preset
    from rgbx_render.radiography.transfer import preset_text

    presets = read_slicer_presets(preset)
    if name is None and len(presets) > 1:
        raise InputError(preset, f"holds {len(presets)} presets", f"choose one with --name: {', '.join(presets)}")
    if name is not None and name not in presets:
        raise InputError(preset, f"holds no preset '{name}'", f"choose from {', '.join(presets)}")
    _, levels = find_unit(read_scan(scan).values)
    made = to_transfer_preset(preset, presets[name or next(iter(presets))], levels)
    write_text(out, preset_text(made))
    Console().print(
        f"{out} has {len(made.points)} points, for scans with air at {levels.air:g} and dense metal at "
        f"{levels.dense:g}.",
        soft_wrap=True,
    )


@transfer_app.command("sheet")
def draw_sheet_command(
    source: Annotated[Path, typer.Argument(help="A scan, or a library (its first scan is shown).")],
    out: Annotated[Path, typer.Option(help="PNG to write.")],
    presets: Annotated[
        Path | None, typer.Option(help="A file NAME.yaml, or a folder of them; rgbx's own by default.")
    ] = None,
    draws: Annotated[int, typer.Option(min=0, max=20, help="Jittered ones of each.")] = 5,
    tile: Annotated[int, typer.Option(min=64, max=1000, help="Side of each picture, pixels.")] = 220,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Draw what each makes of a scan, and its curve.

    A contact sheet: a row for each, as it is and jittered.

    Examples:

    - `rgbx transfer sheet library --out sheet.png`
    - `rgbx transfer sheet scan.nrrd --presets my-curves --out sheet.png`
    """
    from rich.console import Console

    from rgbx.errors import InputError
    from rgbx.samples import write_image
    from rgbx_render.devices.library import Library
    from rgbx_render.devices.volume_io import is_scan_folder, read_scan
    from rgbx_render.radiography.randomisation import XrayRandomisation
    from rgbx_render.radiography.scans import prepare_scan
    from rgbx_render.radiography.transfer_sheet import transfer_sheet

    typed = {"transfer.presets": None if presets is None else str(presets)}
    chosen = choose_settings(XrayRandomisation, config, typed, settings)
    if source.is_dir() and not is_scan_folder(source):
        unit = next((unit for unit in Library.open(source).units if unit.scan_path is not None), None)
        if unit is None:
            raise InputError(source, "is a library without any scan", "add one, or give a scan")
        volume = unit.read_scan()
    else:
        volume = read_scan(source)
    write_image(out, transfer_sheet(prepare_scan(volume), chosen.transfer, draws, tile))
    Console().print(f"{out} shows {len(chosen.transfer.presets)} transfer functions.", soft_wrap=True)

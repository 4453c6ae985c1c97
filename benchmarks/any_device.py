"""How much of what is drawn of any device the filter of X-ray domain randomisation keeps, at its defaults.

Of the seven kinds of device in ``rgbx_proving.units.kinds``, of three phones of SP10, and of scans of your own: the
share of draws kept with each transfer function (95 % intervals by Wilson), the most that the device can show, and how
often the filter keeps what it must not: the same draws burnt out and faint.

    python benchmarks/any_device.py [--quick] [--scan NAME=FILE] [--picture FILE.png]

prints one JSON object as its last line; docs/results/any-device.md has what came out.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from rgbx.evaluation.intervals import wilson
from rgbx.pictures import contact_sheet, write_image
from rgbx.progress import track
from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.kinds import DEVICE_KINDS, make_kind
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import read_scan
from rgbx_render.radiography.filters import Structure
from rgbx_render.radiography.randomisation import (
    ScanStatistics,
    XrayRandomisation,
    clearest_structure,
    draw_radiograph,
    render_radiograph,
)
from rgbx_render.radiography.scans import PreparedScan, prepare_scan

PHONES = ("SP1", "SP5", "SP10")
PHONE_SPACING_MM = 0.3
WRONG = {"burnt out": 100.0, "faint": 0.01}
"""All attenuations of a draw by this; the guard is off."""


def volumes(quick: bool) -> dict[str, Volume]:
    """Scan one of each."""
    coarser = 2.0 if quick else 1.0
    kinds = {name: scan_unit(make_kind(name), coarser * spacing) for name, (_, spacing) in DEVICE_KINDS.items()}
    return kinds | {name: scan_unit(SP10.make_unit(name, 1), coarser * PHONE_SPACING_MM) for name in PHONES}


def kept_of(
    scan: PreparedScan, config: XrayRandomisation, clearest: Structure, strength: float, draws: int
) -> tuple[int, list[np.ndarray]]:
    """Return how many of some draws the filter keeps, and the first few images of those."""
    statistics = ScanStatistics.of([scan.description])
    kept, images = 0, []
    for number in range(draws):
        drawn = draw_radiograph(generator(19, number), config, ["unit"], statistics)
        points = [(x, y * strength) for x, y in drawn.transfer.points]
        drawn = drawn.updated({"transfer": drawn.transfer.updated({"points": points})})
        rendered = render_radiograph(drawn, scan)
        if config.acceptance.accepts(rendered.noise_free, rendered.transmission, lambda: clearest):
            kept += 1
            images.append((rendered.image >> 8).astype(np.uint8))
    return kept, images[:2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="coarse scans, four draws a transfer function")
    parser.add_argument("--scan", metavar="NAME=FILE", action="append", default=[], help="a scan of your own as well")
    parser.add_argument("--picture", type=Path, help="write two kept radiographs of each with each transfer function")
    options = parser.parse_args()
    config = XrayRandomisation()
    presets = list(config.transfer.presets)
    draws = 4 if options.quick else 40

    scans = volumes(options.quick)
    for name, _, path in (each.partition("=") for each in options.scan):
        scans[name] = read_scan(Path(path))
    table = Table("device", "keypoints", "edges", *presets, *WRONG, title=f"kept of {draws} draws each")
    found, rows, captions = {}, [], []
    for name, volume in track(list(scans.items()), "rendering", total=len(scans)):
        scan = prepare_scan(volume)
        clearest = clearest_structure(config, "unit", ScanStatistics.of([scan.description]), scan)
        shares, pictures = {}, []
        for preset in presets:
            kept, images = kept_of(scan, config.updated({"transfer.use": preset}), clearest, 1.0, draws)
            shares[preset] = {"share": kept / draws, **wilson(kept / draws, draws).model_dump()}
            pictures += [*images, *[np.full((config.size, config.size), 255, np.uint8)] * (2 - len(images))]
        unguarded = config.updated({"transfer.guard": (0.0, 1.0)})
        wrong = {label: kept_of(scan, unguarded, clearest, factor, draws)[0] / draws for label, factor in WRONG.items()}
        found[name] = {"keypoints": clearest.keypoints, "edges": clearest.edges, "kept": shares, "wrongly kept": wrong}
        table.add_row(
            name,
            str(clearest.keypoints),
            str(clearest.edges),
            *(f"{shares[preset]['share']:.2f}" for preset in presets),
            *(f"{share:.2f}" for share in wrong.values()),
        )
        rows.append(pictures)
        captions.append([f"{name}, {preset}" for preset in presets for _ in range(2)])
    Console(width=140).print(table)
    if options.picture:
        write_image(options.picture, contact_sheet(rows, captions, tile=160))
    print(json.dumps({"draws": draws, "devices": found}))


if __name__ == "__main__":
    main()

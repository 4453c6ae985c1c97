"""How many draws the filter keeps with and without the guard of transfer functions.

Of one scan of each class in turn: those of a library, or SP10 units scanned at 0.3 mm.

    python benchmarks/transfer_guard.py [LIBRARY] [--quick]

prints one JSON object as its last line; docs/results/radiographs.md has what came out.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.devices.library import Library
from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation, draw_radiograph, render_radiograph
from rgbx_render.radiography.scans import PreparedScan, prepare_scan

CLASSES = [f"SP{number}" for number in range(1, 11)]
STRENGTHS = ((0.6, 1.6), (0.2, 5.0), (0.05, 20.0))
GUARDS = {"off": (0.0, 1.0), "on": XrayRandomisation().transfer.guard}


def library_scans(path: Path) -> dict[str, PreparedScan]:
    """Return the first scan of each class of a library."""
    units = {unit.device_class: unit for unit in reversed(Library.open(path).units) if unit.scan_path is not None}
    return {name: prepare_scan(unit.read_scan()) for name, unit in sorted(units.items())}


def kept(config: XrayRandomisation, scans: dict[str, PreparedScan], statistics: ScanStatistics, draws: int) -> float:
    """Return the share of draws that the filter keeps."""
    accepted = 0
    for number in range(draws):
        name = list(scans)[number % len(scans)]
        rendered = render_radiograph(draw_radiograph(generator(77, number), config, [name], statistics), scans[name])
        accepted += config.acceptance.accepts(rendered.noise_free, rendered.transmission)
    return accepted / draws


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path, nargs="?", help="a library of scans")
    parser.add_argument("--quick", action="store_true", help="three classes, six draws for each seed and row")
    options = parser.parse_args()
    classes, draws = (CLASSES[:3], 6) if options.quick else (CLASSES, 40)
    if options.library:
        scans = library_scans(options.library)
    else:
        scans = {name: prepare_scan(scan_unit(SP10.make_unit(name, 1), spacing_mm=0.3)) for name in classes}
    statistics = ScanStatistics.of([scan.description for scan in scans.values()])
    names = list(XrayRandomisation().transfer.presets)
    table = Table("strength", "guard", *names, "all", title="draws that are kept")
    rows = []
    for strength in STRENGTHS:
        for label, guard in GUARDS.items():
            config = XrayRandomisation().updated({"transfer.jitter.strength": strength, "transfer.guard": guard})
            shares = {name: kept(config.updated({"transfer.use": name}), scans, statistics, draws) for name in names}
            mean = sum(shares.values()) / len(shares)
            rows.append({"strength": strength, "guard": label, "kept": mean, "kept_by_seed": shares})
            table.add_row(str(list(strength)), label, *(f"{share:.0%}" for share in (*shares.values(), mean)))
    Console(stderr=True).print(table)
    print(json.dumps({"benchmark": "transfer_guard", "scans": len(scans), "draws_a_seed": draws, "rows": rows}))


if __name__ == "__main__":
    main()

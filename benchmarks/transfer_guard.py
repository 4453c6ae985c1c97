"""How many draws the filter keeps with and without the guard of transfer functions, as Markdown.

Run it with ``python benchmarks/transfer_guard.py LIBRARY``; docs/xray-randomisation.md has what came out.
"""

import sys
from pathlib import Path

from rgbx.devices.library import Library
from rgbx.radiography.randomisation import ScanStatistics, XrayRandomisation, draw, render
from rgbx.radiography.scans import prepare_scan
from rgbx.samples import generator

STRENGTHS = ((0.6, 1.6), (0.2, 5.0), (0.05, 20.0))
GUARDS = {"off": (0.0, 1.0), "on": XrayRandomisation().transfer.guard}
DRAWS = 40


def main(library: Path) -> None:
    """Print the table: of the first scan of each class, in turn."""
    units = {unit.device_class: unit for unit in reversed(Library.open(library).units) if unit.scan_path is not None}
    scans = {name: prepare_scan(unit.read_scan()) for name, unit in sorted(units.items())}
    statistics = ScanStatistics.of([scan.description for scan in scans.values()])
    names = list(XrayRandomisation().transfer.seeds)
    print("| `strength` | guard |", " | ".join(f"`{name}`" for name in names), "| all |")
    print("| --- | --- |", " --- |" * (len(names) + 1))
    for strength in STRENGTHS:
        for label, guard in GUARDS.items():
            config = XrayRandomisation().updated({"transfer.jitter.strength": strength, "transfer.guard": guard})
            kept = [_kept(config.updated({"transfer.use": name}), scans, statistics) for name in names]
            shares = [*(count / DRAWS for count in kept), sum(kept) / DRAWS / len(names)]
            cells = " | ".join(f"{share:.0%}" for share in shares)
            print(f"| {list(strength)} | {label} | {cells} |", flush=True)


def _kept(config: XrayRandomisation, scans: dict, statistics: ScanStatistics) -> int:
    count = 0
    for number in range(DRAWS):
        name = list(scans)[number % len(scans)]
        rendered = render(draw(generator(77, number), config, [name], statistics), scans[name])
        count += config.acceptance.accepts(rendered.noise_free, rendered.transmission)
    return count


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""How far VTK's transmission is from an accurate integral: RMSE for each transfer function and pose.

    python benchmarks/vtk_backend.py [--quick]

prints one JSON object as its last line; docs/results/radiographs.md has what came out. Needs `pip install rgbx[vtk]`.
"""

import argparse
import json
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.backends import BACKENDS
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER, draw_transfer, read_presets

POSES = {
    "flat": (0, 0, 0),
    "flat, turned": (0, 180, 45),
    "tilted 15°, −20°": (15, -20, 70),
    "tilted 25°, 25°": (25, 25, 200),
    "on its long edge": (0, 90, 30),
    "on its short edge": (88, 3, 10),
    "any": (-130, 40, 200),
}
SUBSAMPLES = 2
PROJECTOR = Projector(
    source_to_centre=400,
    source_to_detector=600,
    pixels=(160, 160),
    pixel_size=1.6,
    principal_point=(12.0, -7.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two poses")
    poses = dict(list(POSES.items())[2:4]) if parser.parse_args().quick else POSES
    scan = prepare_scan(scan_unit(SP10.make_unit("SP5", 1), spacing_mm=0.3))
    project, levels = BACKENDS["vtk"](), scan.description.levels
    transfers = {
        name: draw_transfer(generator(0), name, seed, NO_JITTER, levels) for name, seed in read_presets().items()
    }
    table = Table("pose", *transfers, title="RMSE of transmission, 1e-4")
    errors: dict[str, dict[str, float]] = {}
    seconds, largest = [], 0.0
    for label, rotation in poses.items():
        rays = PROJECTOR.rays(Pose(rotation=rotation, translation=(4.0, -6.0, 3.0)))
        errors[label] = {}
        for name, transfer in transfers.items():
            expected = transmission(scan, transfer, rays, SUBSAMPLES, steps=4)
            start = time.process_time()
            got = project(scan, transfer, rays, SUBSAMPLES)
            seconds.append(time.process_time() - start)
            errors[label][name] = float(np.sqrt(np.mean((got - expected) ** 2)))
            largest = max(largest, float(np.abs(got - expected).max()))
        table.add_row(label, *(f"{1e4 * error:.1f}" for error in errors[label].values()))
    Console(stderr=True).print(table)
    result = {
        "benchmark": "vtk_backend",
        "rmse_transmission": errors,
        "largest_difference": largest,
        "median_cpu_ms_an_image": 1000 * float(np.median(seconds)),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Draws transfer-functions.png: what the five seeds and their jitter do to one scan. Run it with python."""

from pathlib import Path

import numpy as np

from rgbx.devices.scanning import scan_unit
from rgbx.devices.sp10 import make_unit
from rgbx.radiography.kernel import transmission
from rgbx.radiography.projector import Pose, Projector
from rgbx.radiography.scans import prepare_scan
from rgbx.radiography.transfer import NO_JITTER, TransferJitter, draw_transfer, read_seeds
from rgbx.samples import generator, write_image
from rgbx.samples.overview import contact_sheet

PROJECTOR = Projector(source_to_centre=600, source_to_detector=900, pixels=(220, 220), pixel_size=1.03)
JITTERED = 4


def main() -> None:
    """Write the picture beside this file: a row for each seed, first as it is, then jittered."""
    scan = prepare_scan(scan_unit(make_unit("SP7", 1), spacing_mm=0.3))
    rays = PROJECTOR.rays(Pose(rotation=(0, 0, 50)))
    rows, captions = [], []
    for name, seed in read_seeds().items():
        jitters = [NO_JITTER] + [TransferJitter()] * JITTERED
        transfers = [
            draw_transfer(generator(1, number), name, seed, jitter, scan.description.levels)
            for number, jitter in enumerate(jitters)
        ]
        images = [transmission(scan, transfer, rays, subsamples=2) for transfer in transfers]
        rows.append([np.rint(image * 255).astype(np.uint8) for image in images])
        captions.append([name] + ["jittered"] * JITTERED)
    path = Path(__file__).with_name("transfer-functions.png")
    write_image(path, contact_sheet(rows, captions, tile=220))


if __name__ == "__main__":
    main()

"""Draws revisions.png: the site of each board revision, X-rayed by the simulated machine. Run it with python."""

from pathlib import Path

import cv2
import numpy as np

from rgbx.pictures import contact_sheet
from rgbx.samples import generator, write_image
from rgbx_proving.families.family import FAMILIES
from rgbx_proving.revisions.designs import SITE_MM
from rgbx_proving.standin.machine import MachineConfig, XrayMachine, draw_exposure, pixels_of

SIZES_MM = (2.0, 0.5)
SHOWN = 9
"""Lengths d that a tile is wide."""
TILE = 150
FLAT = {"face": "up", "turn_degrees": 0.0, "tilt_degrees": 0.0, "offset": (0.0, 0.0), "exposure_s": 0.2}


def main() -> None:
    """Write the picture beside this file."""
    config = MachineConfig(size=1024)
    machine = XrayMachine(config)
    draw = draw_exposure(generator(0), config).updated(FLAT)
    rows, captions = [], []
    for size in SIZES_MM:
        family, tiles = FAMILIES[f"rev-{size:g}"], []
        for name in family.classes:
            unit = family.make_unit(name, 1)
            ends = np.array(SITE_MM) + SHOWN * size / 2 * np.array([[-1, 1, 0], [1, -1, 0]])
            tiles.append(cropped(machine.radiograph(unit, draw), *pixels_of(ends, unit, draw, config)))
        names = [name.replace("-", ", ") for name in family.classes]
        for start in (0, 5):
            rows.append(tiles[start : start + 5])
            captions.append(names[start : start + 5])
    write_image(Path(__file__).with_suffix(".png"), contact_sheet(rows, captions, tile=TILE))


def cropped(radiograph: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Return what lies between two corners (x, y), attenuation stretched to grey levels, (TILE, TILE, 3) uint8."""
    step = (high - low) / TILE
    place = np.array([[step[0], 0, low[0] + step[0] / 2], [0, step[1], low[1] + step[1] / 2]])
    seen = cv2.warpAffine(
        radiograph.astype(np.float32), place, (TILE, TILE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    )
    attenuation = -np.log(np.maximum(seen, 1.0))
    darkest, lightest = np.percentile(attenuation, [1, 99.5])
    grey = np.clip(255 * (attenuation - darkest) / (lightest - darkest), 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, 2)


if __name__ == "__main__":
    main()

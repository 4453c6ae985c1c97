"""Draws aliasing.png: one ray a pixel, as many as ``Projector.subsamples_for`` says, and the truth.

    python docs/pictures/aliasing.py

The scan is of a phone of SP10 at 0.1 mm, the detector has 299² pixels: rays of neighbouring pixels are six voxels
apart. The errors in the titles are the root mean square of the transmission's over the whole image.
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot

from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER, draw_transfer, read_presets

SPACING_MM = 0.1
TRUTH = 12
SHOWN = (slice(95, 165), slice(110, 180))


def main() -> None:
    scan = prepare_scan(scan_unit(SP10.make_unit("SP5", 1), spacing_mm=SPACING_MM))
    projector = Projector(source_to_centre=600, source_to_detector=900, pixels=(299, 299), pixel_size=175 * 1.5 / 299)
    rays = projector.rays(Pose(rotation=(10, 7, 33)))
    rng = np.random.default_rng(0)
    transfer = draw_transfer(rng, "soft", read_presets()["soft"], NO_JITTER, scan.description.levels)
    chosen = projector.subsamples_for(SPACING_MM)
    truth = transmission(scan, transfer, rays, TRUTH, steps=1, threads=2)
    figure, axes = pyplot.subplots(2, 3, figsize=(9.6, 6.8), layout="constrained")
    for panels, subsamples in zip(axes.T, (1, chosen, TRUTH), strict=True):
        image = transmission(scan, transfer, rays, subsamples, steps=1, threads=2)
        error = np.sqrt(np.mean((image - truth) ** 2))
        title = f"{subsamples}² rays a pixel" + (f", error {error:.1e}" if subsamples < TRUTH else " (truth)")
        panels[0].imshow(image[SHOWN], cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        panels[0].set_title(title, fontsize=10)
        shown = panels[1].imshow((image - truth)[SHOWN], cmap="RdBu", vmin=-0.1, vmax=0.1, interpolation="nearest")
        panels[1].set_title("minus the truth", fontsize=10)
    figure.colorbar(shown, ax=axes[1], shrink=0.8)
    for panel in axes.ravel():
        panel.axis("off")
    figure.savefig(Path(__file__).with_name("aliasing.png"), dpi=90)


if __name__ == "__main__":
    main()

"""What transfer functions and their jitter make of a scan, at a glance."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from rgbx.pictures import contact_sheet
from rgbx.samples import generator
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.randomisation import ScanStatistics, TransferRandomisation
from rgbx_render.radiography.scans import PreparedScan
from rgbx_render.radiography.transfer import NO_JITTER, TransferFunction, draw_transfer, guard

DISTANCE_MM, MAGNIFICATION = 600.0, 1.5
"""Of the source from the unit, and of the picture."""
FILL = 0.95
"""Diagonal of the unit as a share of the picture's side."""
INTENSITIES = (0.03, 6.0)
"""Shown of the curves, on the scale of presets."""
ATTENUATIONS = (0.005, 10.0)
"""The same, 1/mm; the same for all curves, so that they compare."""
AS_IT_IS, JITTERED = "#c0392b", "#9aa5b1"


def transfer_sheet(scan: PreparedScan, config: TransferRandomisation, draws: int = 5, tile: int = 220) -> np.ndarray:
    """Draw a contact sheet: a row for each preset, with its curve, the scan seen with it as it is, and with its jitter.

    Args:
        scan: lies flat, front side up, turned so that it fills the pictures.
        config: presets, jitter and guard.
        draws: how many jittered ones.
        tile: side of the pictures, pixels.

    Returns:
        (height, width, 3) uint8.
    """
    statistics = ScanStatistics.of([scan.description])
    field = statistics.diagonal_mm / FILL
    projector = Projector(
        source_to_centre=DISTANCE_MM,
        source_to_detector=DISTANCE_MM * MAGNIFICATION,
        pixels=(tile, tile),
        pixel_size=field * MAGNIFICATION / tile,
    )
    rays = projector.rays(Pose(rotation=(0, 0, 45)))
    contents = np.array(statistics.contents)
    rows, captions = [], []
    for name, preset in config.presets.items():
        jitters = [NO_JITTER] + [config.jitter] * draws
        drawn = [
            draw_transfer(generator(0, number), name, preset, jitter, statistics.levels)
            for number, jitter in enumerate(jitters)
        ]
        curves = drawn[:1] + [guard(one, contents, statistics.levels, config.guard) for one in drawn[1:]]
        images = [transmission(scan, curve, rays, subsamples=2) for curve in curves]
        shown = [np.rint(image * 255).astype(np.uint8) for image in images]
        rows.append([_plot(curves, statistics, tile), *shown])
        captions.append([name, "as it is", *(f"jitter {number}" for number in range(1, draws + 1))])
    return contact_sheet(rows, captions, tile)


def _plot(curves: Sequence[TransferFunction], statistics: ScanStatistics, side: int) -> np.ndarray:
    """Draw curves on logarithmic scales, the first over the others; (side, side, 3) uint8."""
    levels = statistics.levels
    figure = Figure(figsize=(side / 100, side / 100), dpi=100, layout="constrained")
    axes = figure.subplots()
    relative = np.geomspace(*INTENSITIES, 500)
    intensity = levels.air + relative * (levels.dense - levels.air)
    for curve in curves[1:]:
        axes.plot(relative, curve(intensity), color=JITTERED, linewidth=0.9)
    axes.plot(relative, curves[0](intensity), color=AS_IT_IS, linewidth=1.8)
    axes.set(xscale="log", yscale="log", xlim=INTENSITIES, ylim=ATTENUATIONS)
    axes.set_xticks([0.1, 1], ["0.1", "1"])
    axes.set_yticks([0.01, 0.1, 1, 10], ["0.01", "0.1", "1", "10"])
    axes.tick_params(labelsize=7, pad=1)
    axes.set_xlabel("intensity (1 = dense metal)", fontsize=7, labelpad=1)
    axes.set_ylabel("attenuation, 1/mm", fontsize=7, labelpad=1)
    axes.grid(color="#e4e7eb", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    pixels = io.BytesIO()
    figure.savefig(pixels, format="rgba")
    return np.frombuffer(pixels.getvalue(), np.uint8).reshape(side, side, 4)[..., :3]

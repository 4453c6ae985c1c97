"""Draws edits.png (scans as they are, and edited) and scatter-and-blur.png. Run it with python."""

from pathlib import Path

import numpy as np

from rgbx.pictures import contact_sheet
from rgbx.samples import generator, write_image
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.radiography.detector import Scatter, blurred
from rgbx_render.radiography.edits import Bend, EditRandomisation, ScanEdits, draw_edits, edited, find_parts
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import PreparedScan, prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER, draw_transfer, read_presets

PROJECTOR = Projector(source_to_centre=600, source_to_detector=900, pixels=(260, 260), pixel_size=0.87)
FLAT, EDGE_ON = Pose(rotation=(0, 0, 40)), Pose(rotation=(0, 85, 0))
EDITED = 3
ALWAYS = EditRandomisation(probability=1, parts=(2, 4))
LEVEL = 0.8


def main() -> None:
    """Write the pictures beside this file."""
    rows, captions = [], []
    for device_class in ("SP1", "SP6", "SP9"):
        scan = prepare_scan(scan_unit(SP10.make_unit(device_class, 1), spacing_mm=0.3))
        parts = find_parts(scan)
        row, texts = [radiograph(scan, FLAT)], ["as scanned"]
        for number in range(EDITED):
            drawn = draw_edits(generator(number, 1), ALWAYS)
            assert drawn is not None
            row.append(radiograph(edited(scan, parts, drawn), FLAT))
            missing = sum(edit.missing for edit in drawn.parts)
            texts.append(f"{missing} missing, {len(drawn.parts) - missing} moved, bent {drawn.bend.sag:.1f} mm")
        bent = ScanEdits(parts=(), bend=Bend(sag=1.5, direction=90))
        row += [radiograph(scan, EDGE_ON), radiograph(edited(scan, parts, bent), EDGE_ON)]
        rows.append(row)
        captions.append([*texts, "on edge, as scanned", "on edge, bent 1.5 mm"])
    write("edits.png", rows, captions)

    scan = prepare_scan(scan_unit(SP10.make_unit("SP3", 1), spacing_mm=0.3))
    transfer = draw_transfer(generator(0), "soft", read_presets()["soft"], NO_JITTER, scan.description.levels)
    through = transmission(scan, transfer, PROJECTOR.rays(FLAT), subsamples=2)
    beam = np.full_like(through, LEVEL)
    row, texts = [beam * through], ["primary"]
    for ratio, width in ((0.2, 0.1), (0.4, 0.1), (0.4, 0.35)):
        row.append(np.minimum(beam * through + Scatter(ratio=ratio, width=width).image(through, beam), 1))
        texts.append(f"scatter {ratio} of the primary, width {width}")
    for sigma in (0.6, 1.2):
        row.append(blurred(beam * through, sigma))
        texts.append(f"blur {sigma} pixels")
    write("scatter-and-blur.png", [[grey(image) for image in row]], [texts])


def radiograph(scan: PreparedScan, pose: Pose) -> np.ndarray:
    """Return the (H, W) uint8 radiograph of a scan, through its 'hard' transfer function."""
    transfer = draw_transfer(generator(0), "hard", read_presets()["hard"], NO_JITTER, scan.description.levels)
    return grey(transmission(scan, transfer, PROJECTOR.rays(pose), subsamples=2))


def grey(image: np.ndarray) -> np.ndarray:
    """Return an image in [0, 1] as uint8."""
    return np.rint(255 * image).astype(np.uint8)


def write(name: str, rows: list[list[np.ndarray]], captions: list[list[str]]) -> None:
    """Write a contact sheet beside this file."""
    write_image(Path(__file__).with_name(name), contact_sheet(rows, captions, tile=260))


if __name__ == "__main__":
    main()

"""Draws overview.png: from a scan and a mesh to a decision.

    python docs/pictures/overview.py

The phone is SP10's SP5. Its radiographs and photographs are drawn as `rgbx render` draws them, so Blender is needed.
"""

import tempfile
from pathlib import Path

import cv2
import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from rgbx_proving.families.unit_files import UnitKey, write_units
from rgbx_proving.sp10.family import SP10
from rgbx_render.devices.library import Library
from rgbx_render.devices.preview import BACK, project_scan, shade_mesh
from rgbx_render.photography.photographs import render_photographs
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation

SHOWN, SEED = 4, 3
XRAY, RGB, INK, PAPER = "#1f6f8b", "#b8662b", "#222222", "#ffffff"
WIDTH, HEIGHT = 12.0, 4.0


def main() -> None:
    """Write the picture beside this file."""
    with tempfile.TemporaryDirectory() as folder:
        rows = {XRAY: _xray(Path(folder)), RGB: _rgb(Path(folder))}
    figure = pyplot.figure(figsize=(WIDTH, HEIGHT), facecolor=PAPER)
    page = figure.add_axes((0, 0, 1, 1))
    page.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    page.axis("off")
    words = {
        XRAY: ("CT scan", "radiographs, all random", "X-ray stream"),
        RGB: ("mesh", "photographs, all random", "RGB stream"),
    }
    for colour, bottom in ((XRAY, 2.25), (RGB, 0.35)):
        source, images = rows[colour]
        names = words[colour]
        _picture(page, source, 0.25, bottom, 1.35, colour)
        _word(page, 0.925, bottom + 1.47, names[0])
        _arrow(page, (1.7, bottom + 0.675), (2.3, bottom + 0.675), colour)
        for number, image in enumerate(images):
            _picture(page, image, 2.4 + 1.02 * number, bottom + 0.2, 0.95, colour)
        _word(page, 4.4, bottom + 1.27, names[1])
        _arrow(page, (6.5, bottom + 0.675), (7.1, bottom + 0.675), colour)
        _box(page, 7.15, bottom + 0.2, 1.5, 0.95, f"{names[2]}\niCAM: look,\nlook closer", colour)
        _arrow(page, (8.7, bottom + 0.675), (9.3, 2.0), colour)
    _box(page, 9.3, 1.6, 1.0, 0.8, "fusion", INK)
    _arrow(page, (10.35, 2.0), (10.75, 2.0), INK)
    _box(page, 10.75, 1.4, 1.2, 1.2, "class, and\na bin, or\na reason to\nput it aside", INK)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


def _xray(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    library = _library(folder / "library")
    settings = XrayRandomisation(size=160, noise_variance=(0, 300))
    samples = render_radiographs(library, folder / "xray", settings, images_per_class=SHOWN, seed=SEED, workers=0)
    assert samples is not None
    images = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted((folder / "xray" / "SP5").glob("*.png"))]
    scan = np.sqrt(project_scan(library.units[0].read_scan(), 2) / 255)  # brighter
    return scan, [(image >> 8).astype(np.uint8) for image in images]


def _rgb(folder: Path) -> tuple[np.ndarray, list[np.ndarray]]:
    library = _library(folder / "library")
    settings = RgbRandomisation(size=160, samples=16)
    render_photographs(library, folder / "rgb", settings, images_per_class=SHOWN, seed=SEED, workers=1)
    images = [cv2.imread(str(path))[..., ::-1] for path in sorted((folder / "rgb" / "SP5").glob("*.png"))]
    mesh = shade_mesh(library.units[0].read_mesh(), turn=BACK)
    return mesh[:, (mesh < 255).any(axis=(0, 2))], images


def _library(folder: Path) -> Library:
    write_units(folder, SP10, [UnitKey("SP5", 1)], scan_spacing_mm=0.3, mesh=True, labels=False, seed=0, workers=0)
    return Library.open(folder)


def _picture(page: Axes, image: np.ndarray, left: float, bottom: float, side: float, colour: str) -> None:
    height, width = image.shape[:2]
    scale = side / max(height, width)
    inset = page.inset_axes(
        (left + (side - width * scale) / 2, bottom + (side - height * scale) / 2, width * scale, height * scale),
        transform=page.transData,
    )
    inset.imshow(image, cmap="gray" if image.ndim == 2 else None, aspect="auto")
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set(color=colour, linewidth=1.2)


def _word(page: Axes, x: float, y: float, text: str) -> None:
    page.text(x, y, text, ha="center", va="bottom", fontsize=12, color=INK)


def _box(page: Axes, left: float, bottom: float, width: float, height: float, text: str, colour: str) -> None:
    page.add_patch(
        FancyBboxPatch(
            (left, bottom), width, height, boxstyle="round,pad=0,rounding_size=0.1", fc=PAPER, ec=colour, lw=1.6
        )
    )
    page.text(left + width / 2, bottom + height / 2, text, ha="center", va="center", fontsize=11, color=INK)


def _arrow(page: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    page.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=16, color=colour, lw=1.6))


if __name__ == "__main__":
    main()

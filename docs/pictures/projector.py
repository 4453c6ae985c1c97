"""Draws projector.png: the geometry of rgbx_render.radiography.projector, to scale. Run it with python."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Polygon, Rectangle

from rgbx.geometry import rotation_matrix
from rgbx_render.radiography.projector import Pose, Projector

PROJECTOR = Projector(
    source_to_centre=240, source_to_detector=400, pixels=(8, 8), pixel_size=40, principal_point=(-30, 0)
)
POSE = Pose(rotation=(0, -14, 0), translation=(12, 0, 0))
UNIT = np.array([72, 145, 8])
BEAM, METAL, INK = "#d9a300", "#3b6ea5", "#333333"


def draw_side(axes: Axes) -> None:
    """The x-z plane, y towards the reader's back."""
    source, detector = PROJECTOR.source_to_centre, PROJECTOR.source_to_centre - PROJECTOR.source_to_detector
    half = PROJECTOR.pixels[0] * PROJECTOR.pixel_size / 2
    centre = -PROJECTOR.principal_point[0]
    left, right = centre - half, centre + half
    axes.add_patch(Polygon([(0, source), (left, detector), (right, detector)], color=BEAM, alpha=0.15, lw=0))
    axes.plot([0, 0], [source, detector], color=BEAM, lw=1, ls="--")
    axes.plot(0, source, "o", color=BEAM, ms=9)
    axes.text(8, source + 4, "source", color=INK)
    for column in range(PROJECTOR.pixels[0]):
        x = left + column * PROJECTOR.pixel_size
        axes.add_patch(Rectangle((x, detector - 9), PROJECTOR.pixel_size, 9, fc="#dddddd", ec=INK, lw=0.8))
    axes.plot(centre, detector, "|", color=INK, ms=14)
    axes.annotate("", (0, detector - 24), (centre, detector - 24), arrowprops={"arrowstyle": "<->"})
    axes.text(centre / 2 + 40, detector - 42, "principal_point[0] (here < 0)", ha="center")
    axes.text(right + 6, detector - 10, "detector", color=INK)
    axes.text(left, detector - 42, "pixel_size", ha="left")
    axes.annotate("", (left, detector - 24), (left + 40, detector - 24), arrowprops={"arrowstyle": "<->"})

    corners = np.array([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)]) * UNIT / 2
    placed = corners @ rotation_matrix(POSE.rotation).T + POSE.translation
    axes.add_patch(Polygon(placed[:, [0, 2]], color=METAL, lw=0))
    axes.text(55, 22, "unit in its Pose:\nturned, then moved", color=METAL)

    axes.annotate("", (34, 0), (0, 0), arrowprops={"arrowstyle": "->", "lw": 1.6})
    axes.annotate("", (0, 44), (0, 0), arrowprops={"arrowstyle": "->", "lw": 1.6})
    axes.text(34, -15, "x")
    axes.text(-12, 38, "z")
    axes.text(-52, 8, "origin")
    for x, low, label in ((-150, 0, "source_to_centre"), (-190, detector, "source_to_detector")):
        axes.annotate("", (x, source), (x, low), arrowprops={"arrowstyle": "<->"})
        axes.text(x - 5, (source + low) / 2, label, rotation=90, va="center", ha="right")
    axes.set(xlim=(-225, 260), ylim=(-215, 270), aspect="equal", title="from the side (all lengths in mm)")
    axes.axis("off")


def draw_image(axes: Axes) -> None:
    """The radiograph of a unit in the identity pose."""
    columns, rows = PROJECTOR.pixels
    pitch = PROJECTOR.pixel_size / PROJECTOR.magnification
    for column in range(columns):
        for row in range(rows):
            axes.add_patch(Rectangle((column, row), 1, 1, fc="none", ec="#dddddd", lw=0.8))
    centre = np.array([columns / 2 + PROJECTOR.principal_point[0] / PROJECTOR.pixel_size, rows / 2])
    width, height = UNIT[:2] / pitch
    corner = centre - (width / 2, height / 2)
    axes.add_patch(Rectangle(tuple(corner), width, height, fc=METAL, alpha=0.8, lw=0))
    camera = (corner[0] + width * 0.62, corner[1] + height * 0.05)
    axes.add_patch(Rectangle(camera, width * 0.3, width * 0.3, fc="#16324f", lw=0))
    x, y = centre
    axes.annotate("x", (x, y), (x + 2.6, y), arrowprops={"arrowstyle": "<-", "lw": 1.6}, va="center")
    axes.annotate("y", (x, y), (x, y - 2.6), arrowprops={"arrowstyle": "<-", "lw": 1.6}, ha="center")
    axes.text(0.1, -0.25, "row 0, column 0")
    axes.annotate("column", (3.2, 8.45), (0, 8.45), arrowprops={"arrowstyle": "->"}, va="center")
    axes.annotate("row", (-0.4, 3.2), (-0.4, 0), arrowprops={"arrowstyle": "->"}, ha="center")
    axes.set(xlim=(-0.9, columns + 0.4), ylim=(rows + 0.9, -0.9), aspect="equal")
    axes.set_title("the image: what the source sees\n(identity pose: front up, upright, not mirrored)")
    axes.axis("off")


def main() -> None:
    """Write the picture beside this file."""
    figure, (side, image) = plt.subplots(1, 2, figsize=(13, 6.2), width_ratios=(1.15, 1), layout="constrained")
    draw_side(side)
    draw_image(image)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()

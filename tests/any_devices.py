"""Devices of any shape and size, as scans and as outer meshes: what a rule for phones alone would break on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import trimesh

from rgbx_render.devices.volume import Volume
from rgbx_render.devices.volume_io import write_volume
from scan_files import write_unit_file


def solid(shape, *parts):
    """Plastic in noisy air: a box of slices for each part; the last has a core of metal."""
    values = np.random.default_rng(0).normal(300, 20, shape)
    for part in parts:
        values[part] += 900
    values[tuple(slice((3 * each.start + each.stop) // 4, (each.start + each.stop) // 2) for each in parts[-1])] += 9000
    return values.astype(np.uint16)


def box(size, centre=(0, 0, 0)):
    return trimesh.creation.box(size, trimesh.transformations.translation_matrix(centre))


@dataclass(frozen=True)
class Shape:
    values: np.ndarray
    spacing: float
    mesh: trimesh.Trimesh
    """mm."""

    def write_scan(self, folder: Path) -> None:
        write_volume(folder / "scan.nrrd", Volume(self.values, (self.spacing,) * 3))

    def write_mesh(self, folder: Path) -> None:
        write_unit_file(folder, mesh_unit="mm")
        self.mesh.export(folder / "mesh.stl")


BALL = np.linalg.norm(np.mgrid[-20:20, -30:30, -30:30], axis=0) < 18
SHAPES = {
    "a metre long": Shape(solid((12, 12, 340), np.s_[5:7, 5:7, 4:336]), 3.0, box((996, 6, 6))),
    "5 mm long": Shape(solid((40, 60, 60), np.s_[10:30, 10:50, 10:50]), 0.125, box((5, 5, 2.5))),
    "round": Shape(solid((40, 60, 60), BALL, np.s_[15:25, 25:35, 25:35]), 1.0, trimesh.creation.icosphere(2, 18)),
    "one part, of one material": Shape(np.pad(np.full((10, 40, 30), 800, np.uint16), 5), 1.0, box((30, 40, 10))),
    "two loose parts": Shape(
        solid((20, 60, 90), np.s_[5:15, 10:50, 8:30], np.s_[8:12, 20:40, 60:80]),
        1.0,
        box((22, 40, 10)) + box((20, 20, 4), (51, 0, 0)),
    ),
    "thin as paper": Shape(solid((10, 120, 80), np.s_[5:6, 5:115, 5:75]), 0.2, box((14, 22, 0.1))),
    "of metal alone": Shape(np.pad(np.full((10, 40, 30), 30000, np.uint16), 5), 0.5, box((15, 20, 5))),
}

"""The simulated X-ray machine against gVirtualXray: agreement and time on the same unit, in one run.

The unit's parts are disjoint, because gVirtualXray adds up meshes and knows no displacement; blur, scatter and noise
are off. Both get the same spectrum, in the same bins, and the same response of the scintillator; each takes attenuation
from its own tables (xraydb's Elam tables, gVirtualXray's xraylib).

    python benchmarks/xray_machine.py [--quick]

prints one JSON object as its last line. Needs `pip install rgbx[peers]`.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import trimesh
from gvxrPython3 import gvxr
from shapely.geometry import box

from rgbx.geometry import Vector
from rgbx_proving.standin.attenuation import Beam
from rgbx_proving.standin.machine import TUBES, MachineConfig
from rgbx_proving.standin.paths import BeamGeometry, Solids, path_lengths
from rgbx_proving.standin.spectrum import Spectrum, scintillator_response, tube_spectrum
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import Ellipsoid, Part, Prism

SOURCE_TO_UNIT_MM, UNIT_TO_DETECTOR_MM = 550.0, 550.0
FIELD_MM = 180.0
TILT = (6.0, -9.0, 31.0)


def disjoint_unit(seed: int = 1) -> list[Part]:
    """Return a phone-like unit of which no two parts touch."""
    rng = np.random.default_rng(seed)
    parts: list[Part] = []

    def add(shape: Prism | Ellipsoid, position: Vector, material: str, rotation: Vector = (0.0, 0.0, 0.0)) -> None:
        parts.append(
            Part(name=f"part-{len(parts)}", shape=shape, position=position, rotation=rotation, material=material)
        )

    for z in (-3.4, 3.4):
        add(Prism(size=(70, 146, 0.7), radius=10.5), (0, 0, z), "cover_glass")
    for x in (-35, 35):
        add(Prism(size=(1.5, 120, 5.5)), (x, 0, 0), "aluminium")
    for y in (-72, 72):
        add(Prism(size=(48, 1.5, 5.5)), (0, y, 0), "steel")
    add(Prism(size=(40, 80, 3.5), radius=2), (-12, -10, -0.5), "battery_cell")
    add(Prism(size=(20, 90, 0.8), radius=1), (22, 5, -1), "circuit_board")
    for row in range(14):
        for column in range(3):
            size = (*rng.uniform(1.0, 4.5, 2), rng.uniform(0.3, 0.9))
            material = str(rng.choice(["moulded_chip", "barium_titanate", "nickel_silver", "tantalum", "solder_balls"]))
            add(Prism(size=size), (16 + 6 * column, -34 + 6 * row, 0.2), material)
    for number in range(10):
        add(Prism(size=(1.6, 1.6, 4), radius=0.8), (-31.5, -60 + 13 * number, 0), "steel", (0, 0, 45))
    add(Prism(size=(12, 6, 2.4), radius=1), (-15, -60, 0), "tungsten_alloy", (0, 0, 5))
    add(Prism(size=(10, 10, 2), radius=5), (15, -60, 0), "ndfeb")
    for x in (-20, -8, 4):
        add(Ellipsoid(size=(9, 7, 4)), (x, 55, 0), "sapphire", (10, 20, 30))
    return parts


def mesh_of(part: Part) -> trimesh.Trimesh:
    """Return a fine, closed mesh of a part in the frame of the unit."""
    if isinstance(part.shape, Ellipsoid):
        mesh = trimesh.creation.icosphere(subdivisions=5)
        mesh.apply_scale(np.array(part.shape.size) / 2)
    else:
        width, height, depth = part.shape.size
        radius = part.shape.radius
        inner = box(radius - width / 2, radius - height / 2, width / 2 - radius, height / 2 - radius)
        outline = inner.buffer(radius, quad_segs=64) if radius else inner
        mesh = trimesh.creation.extrude_polygon(outline, depth)
        mesh.apply_translation([0, 0, -depth / 2])
    placed = np.eye(4)
    placed[:3, :3], placed[:3, 3] = part.rotation_matrix(), part.position
    mesh.apply_transform(placed)
    return mesh


def own_image(solids: Solids, beam: Beam, projector: BeamGeometry) -> np.ndarray:
    """Return the transmission that this project computes."""
    return beam.transmission(path_lengths(solids, beam.materials, projector))[0]


class Peer:
    """The same scene in gVirtualXray."""

    def __init__(self, parts: list[Part], turn: np.ndarray, spectrum: Spectrum, size: int) -> None:
        gvxr.createOpenGLContext()
        pitch = FIELD_MM * (SOURCE_TO_UNIT_MM + UNIT_TO_DETECTOR_MM) / SOURCE_TO_UNIT_MM / size
        gvxr.usePointSource()
        gvxr.setSourcePosition(0.0, 0.0, SOURCE_TO_UNIT_MM, "mm")
        gvxr.setDetectorPosition(0.0, 0.0, -UNIT_TO_DETECTOR_MM, "mm")
        gvxr.setDetectorUpVector(0, 1, 0)
        gvxr.setDetectorNumberOfPixels(size, size)
        gvxr.setDetectorPixelSize(pitch, pitch, "mm")
        for energy, photons in zip(spectrum.energies, spectrum.photons, strict=True):
            gvxr.addEnergyBinToSpectrumPerPixelAtSDD(float(energy), "keV", float(photons))
        mean, _ = scintillator_response(MachineConfig().scintillator, spectrum.energies)
        response = np.column_stack([spectrum.energies, mean])
        gvxr.setDetectorEnergyResponse(response.tolist(), "keV")
        for part in parts:
            mesh = mesh_of(part)
            vertices = mesh.vertices @ turn.T
            gvxr.makeTriangularMesh(part.name, vertices.ravel().tolist(), mesh.faces.ravel().tolist(), "mm")
            material = MATERIALS[part.material]
            gvxr.setMixture(part.name, list(material.mass_fractions), list(material.mass_fractions.values()))
            gvxr.setDensity(part.name, material.density, "g/cm3")
            gvxr.addPolygonMeshAsInnerSurface(part.name)

    def image(self) -> np.ndarray:
        """Return the transmission that gVirtualXray computes."""
        image = np.array(gvxr.computeXRayImage(), dtype=float) / gvxr.getTotalEnergyWithDetectorResponse()
        return image[::-1]  # its first row is at the bottom


def coarse(spectrum: Spectrum, bins: int) -> Spectrum:
    """Return a spectrum in ``bins`` equally wide bins, each at its mean energy."""
    width = spectrum.energies[-1] / bins
    index = np.minimum((spectrum.energies / width).astype(int), bins - 1)
    photons = np.bincount(index, spectrum.photons, bins)
    energies = np.bincount(index, spectrum.photons * spectrum.energies, bins)
    seen = photons > 1e-7 * photons.max()
    return Spectrum(energies[seen] / photons[seen], photons[seen])


def best_time(work: Callable[[], object], repeats: int) -> float:
    """Return the shortest of some runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller image and fewer repeats")
    options = parser.parse_args()
    size, repeats = (299, 2) if options.quick else (640, 5)

    parts = disjoint_unit()
    turn = Part(name="turn", shape=Prism(size=(1, 1, 1)), position=(0, 0, 0), rotation=TILT, material="air")
    solids = Solids.of(parts).moved(turn.rotation_matrix(), np.zeros(3))
    step = FIELD_MM * (SOURCE_TO_UNIT_MM + UNIT_TO_DETECTOR_MM) / SOURCE_TO_UNIT_MM / size
    projector = BeamGeometry(
        source=np.array([0.0, 0.0, SOURCE_TO_UNIT_MM]),
        origin=np.array([-step * (size - 1) / 2, step * (size - 1) / 2, -UNIT_TO_DETECTOR_MM]),
        column_step=np.array([step, 0.0, 0.0]),
        row_step=np.array([0.0, -step, 0.0]),
        shape=(size, size),
    )
    config = MachineConfig()
    spectrum = coarse(tube_spectrum(TUBES["nanofocus"]), 60)
    materials = sorted(set(solids.materials))
    beam = Beam.through(materials, spectrum, config.scintillator, bins=10_000)  # every bin stays on its own
    own = own_image(solids, beam, projector)  # compiles as well
    peer = Peer(parts, turn.rotation_matrix(), spectrum, size)
    theirs = peer.image()
    difference = np.abs(own - theirs)
    relative = difference / theirs
    own_seconds = best_time(lambda: own_image(solids, beam, projector), repeats)
    peer_seconds = best_time(peer.image, repeats)
    result = {
        "benchmark": "xray_machine",
        "size": size,
        "parts": len(parts),
        "energy_bins": len(beam.signal),
        "lowest_transmission": float(own.min()),
        "rmse_transmission": float(np.sqrt(np.mean(difference**2))),
        "median_relative_difference": float(np.median(relative[own < 0.999])),
        "share_within_1_percent": float(np.mean(relative <= 0.01)),
        "rgbx_seconds": own_seconds,
        "gvxr_seconds": peer_seconds,
        "gvxr_over_rgbx": peer_seconds / own_seconds,
        "gvxr_renderer": str(gvxr.getOpenGlRenderer()),
    }
    gvxr.destroy()
    print(json.dumps(result))


if __name__ == "__main__":
    main()

"""Scans of real formats, with voxels that are no cubes, come out of the projector in the right proportions.

A box and a ball of known size, in Hounsfield units, as a medical scanner would reconstruct them.
"""

import numpy as np
import pytest

from rgbx_render.devices.volume_io import read_volume
from rgbx_render.radiography.kernel import path_integrals
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import TransferFunction
from scan_files import WRITERS, write_dicom, write_unit_file

SPACING = (0.957, 0.957, 1.5)
SHAPE = (52, 140, 120)
AIR, SOLID = -1000, 600
BOX, BOX_AT = np.array((61.0, 37.0, 24.0)), np.array((-4.0, 33.0, 0.0))
RADIUS, BALL_AT = 16.0, np.array((6.0, -30.0, 4.0))
FINE = 4
"""Points along each edge of a voxel, for partial volume."""

ATTENUATION = TransferFunction(name="water-like", points=((AIR, 0.0), (SOLID, 0.02)))
PROJECTOR = Projector(source_to_centre=3000, source_to_detector=4500, pixels=(420, 420), pixel_size=0.5)


def hounsfield():
    """The box and the ball on SHAPE's grid, centred on the origin; (nz, ny, nx) int16."""
    z, y, x = (
        (np.arange(count * FINE) - (count * FINE - 1) / 2) * step / FINE
        for count, step in zip(SHAPE, SPACING[::-1], strict=True)
    )
    inside = [np.abs(axis - at) <= size / 2 for axis, at, size in zip((x, y, z), BOX_AT, BOX, strict=True)]
    solid = inside[2][:, None, None] & inside[1][None, :, None] & inside[0][None, None, :]
    squares = [(axis - at) ** 2 for axis, at in zip((x, y, z), BALL_AT, strict=True)]
    solid |= squares[2][:, None, None] + squares[1][None, :, None] + squares[0][None, None, :] <= RADIUS**2
    nz, ny, nx = SHAPE
    share = solid.reshape(nz, FINE, ny, FINE, nx, FINE).mean(axis=(1, 3, 5))
    return np.rint(AIR + share * (SOLID - AIR)).astype(np.int16)


VALUES = hounsfield()


def _dicom(folder, values):
    write_dicom(folder / "dicom", values.astype(np.int32) + 1024, SPACING, RescaleSlope=1, RescaleIntercept=-1024)
    return folder / "dicom"


def _raw(folder, values):
    nz, ny, nx = values.shape
    write_unit_file(folder, voxel_size_mm=list(SPACING), shape=[nx, ny, nz], dtype="int16")
    values.astype("<i2").tofile(folder / "scan.raw")
    return folder / "scan.raw"


FORMATS = {
    "dicom": _dicom,
    "raw": _raw,
    **{name: lambda folder, values, name=name: WRITERS[name](folder, values, SPACING) for name in ("nrrd", "mhd")},
}


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scans")
    return {name: prepare_scan(read_volume(write(folder / name, VALUES))) for name, write in FORMATS.items()}


FRONT, SIDE = (0, 0, 0), (-90, -90, 0)


def project(scan, rotation):
    return path_integrals(scan, ATTENUATION, PROJECTOR.rays(Pose(rotation=rotation)))


def run_length(inside, start):
    """How many neighbours in a row are inside, round ``start``."""
    outside = np.flatnonzero(~inside)
    return outside[outside > start].min() - outside[outside < start].max() - 1


def offset_mm(scan):
    """Where the phantom's origin is in the frame of the unit, whose origin is the centre of what is not air."""
    index, matrix_and_offset = np.argwhere(VALUES > (AIR + SOLID) / 2)[:, ::-1], scan.index_frame()
    matrix, offset = matrix_and_offset
    placed = ((index.min(axis=0) + index.max(axis=0)) - np.array(SHAPE[::-1]) + 1) / 2 * SPACING
    stored = np.argwhere(scan.description.offset + scan.description.slope * scan.values > (AIR + SOLID) / 2)
    return np.linalg.solve(matrix, (stored.min(axis=0) + stored.max(axis=0)) / 2 - offset) - placed


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    ("rotation", "right", "up", "depth"), [(FRONT, 0, 1, 2), (SIDE, 1, 2, 0)], ids=["front", "side"]
)
def test_shadows_are_as_large_as_size_times_magnification_along_every_axis(scans, name, rotation, right, up, depth):
    scan = scans[name]
    integral = project(scan, rotation)
    scale = PROJECTOR.magnification / PROJECTOR.pixel_size
    # A box has its full side where the chord is half; a ball's half chord is √¾ of its radius from its centre.
    for at, chord, size in ((BOX_AT, BOX, BOX), (BALL_AT, np.full(3, 2 * RADIUS), np.full(3, np.sqrt(3) * RADIUS))):
        centre = at + offset_mm(scan)
        column, row = round(210 + scale * centre[right] - 0.5), round(210 - scale * centre[up] - 0.5)
        assert integral[row, column] == pytest.approx(0.02 * chord[depth], rel=0.02)
        inside = integral > 0.02 * chord[depth] / 2
        assert run_length(inside[row], column) == pytest.approx(scale * size[right], abs=1)
        assert run_length(inside[:, column], row) == pytest.approx(scale * size[up], abs=1)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_image(scans, name):
    rotation = (20, 30, 40)
    assert project(scans[name], rotation).tobytes() == project(scans["raw"], rotation).tobytes()
    assert scans[name].description.size_mm == pytest.approx(scans["raw"].description.size_mm)


@pytest.mark.parametrize("name", FORMATS)
def test_attenuation_is_zero_in_air_and_that_of_the_solid_within(scans, name):
    """Hounsfield units come through compaction and its table as they were."""
    integral = project(scans[name], FRONT)
    assert np.abs(integral[0]).max() < 1e-4
    assert scans[name].description.levels.air == pytest.approx(AIR, abs=1)
    assert scans[name].description.levels.dense == pytest.approx(SOLID, abs=1)

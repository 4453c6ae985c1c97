"""VTK's volume mapper against chords of known length and against the kernel."""

import importlib.util
import subprocess
import sys
from itertools import product

import numpy as np
import pytest

from rgbx.errors import MissingToolError
from rgbx.samples import generator
from rgbx_proving.sp10.family import SP10
from rgbx_proving.units.scanning import scan_unit
from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.backends import BACKENDS
from rgbx_render.radiography.kernel import transmission
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation, draw_radiograph, render_radiograph
from rgbx_render.radiography.scans import prepare_scan
from rgbx_render.radiography.transfer import NO_JITTER, TransferFunction, draw_transfer, read_presets

vtk = [
    pytest.mark.vtk,
    pytest.mark.skipif(importlib.util.find_spec("vtkmodules") is None, reason="pip install rgbx[vtk]"),
]

LINEAR = TransferFunction(name="linear", points=((0.0, 0.0), (2000.0, 0.2)))
"""0.1 per mm at an intensity of 1000."""
DEVIATION = 1e-3
"""RMSE of transmission; docs/results/radiographs.md says what was measured."""


@pytest.fixture(scope="module")
def project():
    try:
        return BACKENDS["vtk"]()
    except MissingToolError as error:
        pytest.skip(str(error))


def error(got, expected):
    return float(np.sqrt(np.mean((got - expected) ** 2)))


def transfers(scan):
    """The five seeds on the scale of a scan."""
    levels = scan.description.levels
    return [draw_transfer(generator(0), name, seed, NO_JITTER, levels) for name, seed in read_presets().items()]


class TestVtk:
    pytestmark = vtk

    @pytest.mark.parametrize("tilt", [0.0, 30.0, 60.0])
    def test_a_slab_attenuates_by_thickness_over_cosine(self, project, tilt):
        slab = np.zeros((20, 200, 200), np.uint16)
        slab[5:15] = 1000
        scan = prepare_scan(Volume(slab, (0.5, 0.5, 0.4)))
        projector = Projector(source_to_centre=1e4, source_to_detector=1.1e4, pixels=(9, 9), pixel_size=0.1)
        got = project(scan, LINEAR, projector.rays(Pose(rotation=(tilt, 0, 0))), 1)
        assert got == pytest.approx(np.exp(-10 * 0.4 * 0.1 / np.cos(np.radians(tilt))), abs=1e-3)

    @pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (0.957, 0.957, 1.5)])
    @pytest.mark.parametrize("rotation", [(0, 0, 0), (90, 0, 0), (37, -50, 110)])
    def test_a_sphere_attenuates_by_its_chords(self, project, spacing, rotation):
        radius = 20 * spacing[0]
        half = np.array([int(radius / step) + 4 for step in spacing])
        x, y, z = (np.arange(-n, n + 1) * step for n, step in zip(half, spacing, strict=True))
        distance = np.sqrt(x**2 + y[:, None] ** 2 + z[:, None, None] ** 2)
        soft_edge = np.clip((radius - distance) / min(spacing) + 0.5, 0, 1)
        scan = prepare_scan(Volume((1000 * soft_edge).astype(np.uint16), spacing))
        projector = Projector(
            source_to_centre=1e4, source_to_detector=1e4 + 100, pixels=(41, 41), pixel_size=radius / 20
        )
        centres = projector.rays(Pose()).pixel_centres()
        squared = centres[..., 0] ** 2 + centres[..., 1] ** 2
        inside = squared < (0.9 * radius) ** 2
        expected = np.exp(-0.1 * 2 * np.sqrt(radius**2 - squared[inside]))
        got = project(scan, LINEAR, projector.rays(Pose(rotation=rotation)), 1)
        assert error(got[inside], expected) < 0.01
        assert np.all(got[squared > (1.15 * radius) ** 2] == 1)

    def test_it_agrees_with_the_kernel_in_any_pose(self, project):
        scan = prepare_scan(scan_unit(SP10.make_unit("SP5", 1), spacing_mm=0.5))
        projector = Projector(
            source_to_centre=350,
            source_to_detector=600,
            pixels=(72, 60),
            pixel_size=4.6,
            principal_point=(24.0, -31.0),
        )
        rotations = [(0, 0, 0), (15, -20, 70), (90, 5, 10), (-130, 40, 200)]
        for rotation, transfer in product(rotations, transfers(scan)):
            rays = projector.rays(Pose(rotation=rotation, translation=(6.0, -9.0, 12.0)))
            expected = transmission(scan, transfer, rays, subsamples=2, steps=4)
            assert expected.min() < 0.8, "the unit is in the picture"
            assert error(project(scan, transfer, rays, 2), expected) < DEVIATION, (rotation, transfer.name)

    def test_what_is_nearly_black_is_as_black_as_it_should_be(self, project):
        """VTK's rays end at 1/255 of the light unless kept from it."""
        slab = np.zeros((20, 80, 80), np.uint16)
        slab[5:15] = 1000
        scan = prepare_scan(Volume(slab, (0.5, 0.5, 0.5)))
        dense = TransferFunction(name="dense", points=((0.0, 0.0), (1000.0, 2.4)))
        projector = Projector(source_to_centre=1e4, source_to_detector=1.1e4, pixels=(3, 3), pixel_size=0.1)
        assert project(scan, dense, projector.rays(Pose()), 1) == pytest.approx(np.exp(-12), rel=0.02)

    @pytest.mark.parametrize("rotation", [(0, 0, 0), (0, 180, 0), (0, 0, 90), (180, 0, 0), (25, 0, 300)])
    @pytest.mark.parametrize("shape", [(8, 40, 30), (30, 8, 40), (40, 30, 8)])
    def test_an_l_is_not_mirrored(self, project, shape, rotation):
        """Whichever axis is the thinnest, and so stored last."""
        z, y, x = shape
        values = np.zeros(shape, np.uint16)
        values[1 : z // 2 + 1, 1 : y - 1, 1 : x // 3] = 1000
        values[1 : z - 1, 1 : y // 3, 1 : x - 1] = 1000
        scan = prepare_scan(Volume(values, (1.0, 1.0, 1.0)))
        projector = Projector(source_to_centre=400, source_to_detector=500, pixels=(48, 48), pixel_size=1.5)
        rays = projector.rays(Pose(rotation=rotation))
        expected = transmission(scan, LINEAR, rays, subsamples=2, steps=4)
        got = project(scan, LINEAR, rays, 2)
        assert error(got, expected) < DEVIATION
        assert error(got[:, ::-1], expected) > 10 * DEVIATION
        assert error(got[::-1], expected) > 10 * DEVIATION

    def test_nothing_is_behind_the_source_or_the_detector(self, project):
        block = np.zeros((12, 12, 12), np.uint8)
        block[3:9, 3:9, 3:9] = 200
        scan = prepare_scan(Volume(block, (1.0, 1.0, 1.0)))
        projector = Projector(source_to_centre=100, source_to_detector=110, pixels=(8, 8), pixel_size=1.0)
        for pose in (Pose(translation=(50, 0, 0)), Pose(translation=(0, 0, 120)), Pose(translation=(0, 0, -50))):
            assert np.all(project(scan, LINEAR, projector.rays(pose), 1) == 1)
        half_way = projector.rays(Pose(translation=(0, 0, -10)))
        expected = transmission(scan, LINEAR, half_way, 2, steps=4)
        sample_lost = 0.25 * 0.02  # mm times 1/mm, where the detector cuts the block
        assert error(project(scan, LINEAR, half_way, 2), expected) < DEVIATION + sample_lost

    def test_the_same_again_after_another_scan_and_size(self, project):
        first, second = (prepare_scan(scan_unit(SP10.make_unit(label, 1), spacing_mm=1.0)) for label in ("SP1", "SP6"))
        projector = Projector(source_to_centre=400, source_to_detector=600, pixels=(64, 64), pixel_size=4.0)
        transfer = transfers(first)[0]
        once = project(first, transfer, projector.rays(Pose()), 2)
        other = project(second, transfer, projector.rays(Pose(rotation=(0, 90, 0))), 3)
        assert np.array_equal(project(first, transfer, projector.rays(Pose()), 2), once)
        assert not np.array_equal(once, other)

    @pytest.mark.usefixtures("project")
    def test_a_draw_is_rendered_by_the_backend_it_names(self):
        scan = prepare_scan(scan_unit(SP10.make_unit("SP3", 1), spacing_mm=1.0))
        statistics = ScanStatistics.of([scan.description])
        by_kernel, by_vtk = (
            draw_radiograph(generator(2), XrayRandomisation(size=48, backend=name), ["a"], statistics)
            for name in ("kernel", "vtk")
        )
        assert by_vtk == by_kernel.updated({"backend": "vtk"})
        images = [render_radiograph(drawn, scan).transmission for drawn in (by_kernel, by_vtk)]
        assert 0 < error(*images) < 3 * DEVIATION, "draws are rendered with fewer samples than references"


ASK = """
from rgbx_render.radiography.backends import BACKENDS
try:
    BACKENDS["vtk"]()
except Exception as error:
    print(type(error).__name__, error)
"""


def say_without(change):
    """Ask for the backend in a process of its own; return what it says."""
    return subprocess.run([sys.executable, "-c", change + ASK], capture_output=True, text=True, check=True).stdout


def test_without_vtk_the_extra_is_named():
    said = say_without("import sys; sys.modules['vtkmodules'] = None")
    assert said.startswith("MissingToolError")
    assert "pip install rgbx[vtk]" in said


@pytest.mark.vtk
@pytest.mark.skipif(importlib.util.find_spec("vtkmodules") is None or sys.platform != "linux", reason="Linux and VTK")
def test_without_opengl_the_packages_are_named():
    """VTK itself would end the process with a segmentation fault."""
    change = "import os; os.environ['VTK_DEFAULT_OPENGL_WINDOW'] = 'vtkOSOpenGLRenderWindow'"
    finds_osmesa = subprocess.run(["sh", "-c", "ldconfig -p | grep -q libOSMesa"]).returncode == 0
    if finds_osmesa:
        pytest.skip("OSMesa is installed: there is OpenGL")
    assert "apt-get install libegl1" in say_without(change)

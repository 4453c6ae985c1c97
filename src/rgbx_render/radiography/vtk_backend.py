"""Projection with VTK's GPU volume mapper: composite blending of a volume of one colour.

Where a ray has been blended to its end, its opacity is 1 - exp(-∫ μ ds), so transmission is what is left. VTK is made
for looking at; for measuring, three of its habits have to be taken from it:

- Frames have 8 bits: it renders into a frame buffer of 32-bit floats instead.
- Rays end at an opacity of 254/255: the attenuation is divided by :data:`DIVISOR`, the transmission raised to it.
- A tabulated transfer function is read half an entry beside the value: the table is made long.

It needs OpenGL; Mesa's software renderer will do, and no screen. A process may not be forked once it has rendered.
"""

from functools import cache
from typing import Any

import numpy as np

from rgbx.errors import MissingToolError
from rgbx_render.radiography.projector import Rays, pixel_means
from rgbx_render.radiography.scans import PreparedScan
from rgbx_render.radiography.transfer import TransferFunction

try:
    import vtkmodules.vtkRenderingOpenGL2
    import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401  registers the mapper's implementation
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonCore import VTK_FLOAT, vtkFloatArray, vtkLogger
    from vtkmodules.vtkCommonDataModel import vtkImageData, vtkPiecewiseFunction
    from vtkmodules.vtkRenderingCore import vtkRenderer, vtkRenderWindow, vtkVolume, vtkVolumeProperty
    from vtkmodules.vtkRenderingVolume import vtkGPUVolumeRayCastMapper
except ImportError as error:
    raise MissingToolError(
        f"The vtk backend needs VTK, which cannot be imported ({error}): run 'pip install rgbx[vtk]', or use --set "
        "backend=kernel."
    ) from error

NO_OPENGL = (
    "VTK finds no OpenGL that renders into floats without a screen: install Mesa's software renderer (on Debian and "
    "Ubuntu 'apt-get install libegl1 libgl1-mesa-dri'), or use --set backend=kernel."
)

STEP = 0.25
"""Distance between samples along a ray, as a share of the shortest edge of a voxel."""
DIVISOR = 4
"""Transmission is right down to 255^-DIVISOR."""
TABLE_SIZE = 2**13
"""Entries of the tabulated transfer function; VTK takes the next power of two, and graphics cards have 2^14."""


class VtkRenderer:
    """A window without a screen and what stands in it: one volume, seen from the source of the rays.

    It keeps the last scan, on the graphics card too. It belongs to the thread that made it.
    """

    def __init__(self, mapper: Any = None, step: float = STEP) -> None:
        """Make the window.

        Args:
            mapper: another of VTK's volume mappers, to compare with; the one for graphics cards when None.
            step: distance between its samples, as a share of the shortest edge of a voxel.

        Raises:
            MissingToolError: VTK finds no OpenGL it can use.
        """
        vtkLogger.SetStderrVerbosity(vtkLogger.VERBOSITY_ERROR)  # else it warns that there is no screen
        self._mapper, self._step = mapper or vtkGPUVolumeRayCastMapper(), step
        self._mapper.SetBlendModeToComposite()
        self._mapper.SetAutoAdjustSampleDistances(False)
        self._volume = vtkVolume()
        self._volume.SetMapper(self._mapper)
        self._renderer = vtkRenderer()
        self._renderer.SetBackgroundAlpha(0)
        self._window = vtkRenderWindow()
        self._window.SetOffScreenRendering(True)
        self._window.SetAlphaBitPlanes(True)
        self._window.SetMultiSamples(0)
        self._window.AddRenderer(self._renderer)
        self._window.Initialize()
        self._window.MakeCurrent()
        if not self._window.IsCurrent():  # rendering would end the process
            raise MissingToolError(NO_OPENGL)
        self._window.Render()  # makes the frame buffer, with 8 bits
        size = self._window.GetSize()
        floats = self._window.GetRenderFramebuffer().PopulateFramebuffer(*size, True, 1, VTK_FLOAT, True, 32, 0)
        if not floats:
            raise MissingToolError(NO_OPENGL)
        self._renderer.AddVolume(self._volume)
        self._scan: PreparedScan | None = None

    def __call__(self, scan: PreparedScan, transfer: TransferFunction, rays: Rays, subsamples: int) -> np.ndarray:
        """See :class:`~rgbx_render.radiography.backends.ProjectionBackend`."""
        rows, columns = rays.shape
        if not self._look_along(rays, _corners(scan)):
            return np.ones((rows, columns), np.float32)
        if scan is not self._scan:
            self._load(scan)
        self._volume.SetProperty(_volume_property(scan, transfer))
        self._window.SetSize(columns * subsamples, rows * subsamples)
        self._window.Render()
        opacity = self._frame()[::-1, :, 3].astype(np.float64)
        transmission = np.clip(1 - opacity, 0, 1) ** DIVISOR
        return pixel_means(transmission, subsamples).astype(np.float32)

    def _load(self, scan: PreparedScan) -> None:
        """Put a scan's voxels in the unit's frame, its centre at the origin."""
        spacing = scan.description.spacing
        zyx = [scan.description.axes.index(axis) for axis in (2, 1, 0)]
        self._voxels = np.ascontiguousarray(scan.values.transpose(zyx))  # VTK uses this memory
        image = vtkImageData()
        image.SetDimensions(*self._voxels.shape[::-1])
        image.SetSpacing(*spacing)
        image.SetOrigin(*_corners(scan)[0])
        image.GetPointData().SetScalars(numpy_to_vtk(self._voxels.ravel()))
        self._mapper.SetInputData(image)
        self._mapper.SetSampleDistance(self._step * min(spacing))
        self._scan = scan

    def _look_along(self, rays: Rays, corners: np.ndarray) -> bool:
        """Put the camera at the source, square to the detector; False if nothing lies between the two.

        The window is the detector: where that is off the camera's axis, so is the window.
        """
        rows, columns = rays.shape
        width, height = columns * np.linalg.norm(rays.across), rows * np.linalg.norm(rays.down)
        right, up = rays.across / np.linalg.norm(rays.across), -rays.down / np.linalg.norm(rays.down)
        ahead = np.cross(up, right)
        to_centre = rays.corner + columns / 2 * rays.across + rows / 2 * rays.down - rays.source
        distance = to_centre @ ahead

        depths = (corners - rays.source) @ ahead
        margin = 1e-3 * distance
        near, far = max(depths.min() - margin, margin), min(depths.max() + margin, distance)
        if near >= far:
            return False
        camera = self._renderer.GetActiveCamera()
        camera.SetPosition(*rays.source)
        camera.SetFocalPoint(*(rays.source + distance * ahead))
        camera.SetViewUp(*up)
        camera.SetViewAngle(np.degrees(2 * np.arctan(height / 2 / distance)))
        camera.SetWindowCenter(2 * to_centre @ right / width, 2 * to_centre @ up / height)
        camera.SetClippingRange(near, far)
        return True

    def _frame(self) -> np.ndarray:
        """Read the frame: (rows, columns, 4) float32, the lowest row first."""
        columns, rows = self._window.GetSize()
        pixels = vtkFloatArray()
        self._window.GetRGBAPixelData(0, 0, columns - 1, rows - 1, 0, pixels, 0)
        return vtk_to_numpy(pixels).reshape(rows, columns, 4)


@cache
def renderer() -> VtkRenderer:
    """Return this process's renderer.

    Raises:
        MissingToolError: VTK finds no OpenGL it can use.
    """
    return VtkRenderer()


def _corners(scan: PreparedScan) -> np.ndarray:
    """Return the (8, 3) corners of the box of voxel centres in the unit's frame, mm, the lowest first."""
    description = scan.description
    voxels = np.array([scan.values.shape[description.axes.index(axis)] for axis in range(3)])
    half = (voxels - 1) / 2 * np.array(description.spacing)
    return half * (2 * np.indices((2, 2, 2)).reshape(3, 8).T - 1)


def _volume_property(scan: PreparedScan, transfer: TransferFunction) -> Any:
    """Return how a scan is shown: its opacity for each stored value, and nothing else."""
    description = scan.description
    step = STEP * min(description.spacing)
    stored = np.linspace(0, max(1, description.top), TABLE_SIZE + 1)
    attenuation = transfer(description.offset + description.slope * stored) / DIVISOR
    opacity = vtkPiecewiseFunction()
    opacity.FillFromDataPointer(len(stored), np.stack([stored, -np.expm1(-attenuation * step)], axis=1).ravel())
    shown = vtkVolumeProperty()
    shown.SetInterpolationTypeToLinear()
    shown.ShadeOff()
    shown.SetScalarOpacityUnitDistance(step)
    shown.SetScalarOpacity(opacity)
    return shown

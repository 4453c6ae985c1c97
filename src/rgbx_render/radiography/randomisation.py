"""X-ray domain randomisation: what is drawn for a radiograph, and how it is rendered from what was drawn.

:func:`draw_radiograph` draws everything at random, :func:`render_radiograph` is its deterministic twin: the same draw
and scan give the same image, bit for bit. The knobs are those of the paper's Table I: projector, transfer function,
background, noise; and three beyond it, which are off unless asked for: scatter, blur, edits of the scan.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, Field, PositiveInt, model_validator

from rgbx.config import Config, Range, within, words
from rgbx.samples import generator
from rgbx_render.radiography.backends import BACKENDS
from rgbx_render.radiography.detector import Scatter, blurred
from rgbx_render.radiography.edits import (
    RANDOM_EDITS,
    EditRandomisation,
    Parts,
    ScanEdits,
    draw_edits,
    edited,
    find_parts,
)
from rgbx_render.radiography.filters import Acceptance, Structure
from rgbx_render.radiography.projector import Pose, Projector
from rgbx_render.radiography.scans import PreparedScan, ScanDescription, ScanLevels
from rgbx_render.radiography.transfer import (
    NO_JITTER,
    TransferFunction,
    TransferJitter,
    TransferPreset,
    draw_transfer,
    guard,
    read_presets,
)

BackendName = Annotated[str, AfterValidator(BACKENDS.check)]

_WHITE = 65535
"""Value of a pixel that gets the full intensity, in 16 bits."""
EIGHT_BIT_WHITE = 255
"""The same on the scale that noise variances are given in."""


class ProjectorRandomisation(Config):
    """Position and orientation of source, detector and unit. The defaults: a unit lying about flat, anyhow turned."""

    scale: Annotated[Range, within(0.01, 100)] = (0.65, 1.0)
    """Diagonal of the largest unit as a share of the image's side; smaller units appear smaller."""
    source_distance: Annotated[Range, within(1)] = (300.0, 900.0)
    """From source to unit, mm: how much perspective there is. Never less than the diagonal of the largest unit."""
    magnification: Annotated[Range, within(1)] = (1.05, 2.0)
    """Distance of the detector over that of the unit."""
    spin: Range = (0.0, 360.0)
    """In-plane rotation, degrees."""
    tilt: Range = (-25.0, 25.0)
    """About the unit's x and y axes, drawn for each, degrees."""
    faces: tuple[Literal["front", "back"], ...] = Field(default=("front", "back"), min_length=1)
    """Which sides may be towards the source."""
    offset: Range = (-0.06, 0.06)
    """Of the unit from the central ray, for x and y each, as a share of the image's side."""
    detector_shift: Range = (-0.04, 0.04)
    """Of the detector from the central ray, as ``offset``."""


FIXED_PROJECTOR = ProjectorRandomisation(
    scale=(0.8, 0.8),
    source_distance=(600.0, 600.0),
    magnification=(1.5, 1.5),
    spin=(0.0, 0.0),
    tilt=(0.0, 0.0),
    faces=("front",),
    offset=(0.0, 0.0),
    detector_shift=(0.0, 0.0),
)
"""Table I, "simulated projector position and orientation: fixed"."""


def _read(presets: Any) -> Any:
    return read_presets(Path(presets)) if isinstance(presets, str | Path) else presets


class TransferRandomisation(Config):
    """Which transfer functions there are and how they are varied."""

    use: str = "random"
    """Name of the one preset to use, or ``"random"`` for any of them."""
    presets: Annotated[dict[str, TransferPreset], BeforeValidator(_read)] = Field(default_factory=read_presets)
    """By name; the five that come with rgbx unless given. Also the path of a file with one, or of a folder of them."""
    jitter: Annotated[TransferJitter, words(none=NO_JITTER, random=TransferJitter())] = TransferJitter()
    guard: Annotated[Range, within(0, 1)] = (0.2, 0.85)
    """Mean transmission through the units that a draw may come out at: its strength is changed to the nearest that
    does. ``[0, 1]`` switches it off."""

    @model_validator(mode="after")
    def _preset_is_known(self) -> Self:
        if self.use != "random" and self.use not in self.presets:
            raise ValueError(
                f"there is no transfer function '{self.use}': choose from random, {', '.join(self.presets)}"
            )
        return self


class BackgroundRandomisation(Config):
    """The open beam: what a pixel shows with nothing in the way."""

    level: Annotated[Range, within(0, 1)] = (0.5, 0.95)
    """As a share of white."""
    gradient: Annotated[Range, within(0, 1)] = (0.0, 0.2)
    """Loss from the brightest edge of the image to the opposite one, in a random direction."""


FIXED_OPEN_BEAM = BackgroundRandomisation(level=(0.9, 0.9), gradient=(0.0, 0.0))
"""Table I, "background: fixed"."""


class ScatterRandomisation(Config):
    """Scattered radiation; none, unless ``ratio`` says so."""

    ratio: Annotated[Range, within(0)] = (0.0, 0.0)
    """Scatter-to-primary ratio, of the means over the unit's shadow."""
    width: Annotated[Range, within(0.02, 1)] = (0.08, 0.35)
    """Standard deviation of its spread, as a share of the image's side."""


RANDOM_SCATTER = ScatterRandomisation(ratio=(0.0, 0.4))
"""What ``scatter: random`` stands for."""
RANDOM_BLUR = (0.0, 1.2)
"""What ``blur: random`` stands for, pixels."""


class XrayRandomisation(Config):
    """All settings of X-ray domain randomisation.

    A word may stand for a group of them: ``fixed`` or ``random`` for ``projector`` and ``background``, ``none`` or
    ``random`` for ``scatter``, ``blur``, ``edits`` and ``transfer.jitter``.
    """

    size: Annotated[int, Field(ge=16, le=4096)] = 160
    """Side of the square images, pixels."""
    subsamples: PositiveInt | Literal["auto"] = "auto"
    """Rays along each edge of a pixel, averaged in transmission; ``"auto"``: as the scans' voxels need, 2 or more."""
    backend: BackendName = "kernel"
    """Who projects: rgbx itself, ``vtk`` (``pip install rgbx[vtk]``), or another of
    :data:`~rgbx_render.radiography.backends.BACKENDS`."""
    projector: Annotated[ProjectorRandomisation, words(fixed=FIXED_PROJECTOR, random=ProjectorRandomisation())] = (
        ProjectorRandomisation()
    )
    transfer: TransferRandomisation = Field(default_factory=TransferRandomisation)
    background: Annotated[BackgroundRandomisation, words(fixed=FIXED_OPEN_BEAM, random=BackgroundRandomisation())] = (
        BackgroundRandomisation()
    )
    noise_variance: Annotated[Range, within(0)] = (0.0, 1000.0)
    """Variance of the white noise on an 8-bit scale (white = 255); the paper's best is up to 1000."""
    scatter: Annotated[ScatterRandomisation, words(none=ScatterRandomisation(), random=RANDOM_SCATTER)] = (
        ScatterRandomisation()
    )
    blur: Annotated[Range, within(0, 50), words(none=(0.0, 0.0), random=RANDOM_BLUR)] = (0.0, 0.0)
    """Of focal spot and detector: standard deviation of the point spread, pixels."""
    edits: Annotated[EditRandomisation, words(none=EditRandomisation(), random=RANDOM_EDITS)] = EditRandomisation()
    acceptance: Acceptance = Acceptance()
    attempts: PositiveInt = 50
    """Draws that may be rejected for one sample before rendering gives up."""


GUARD_LINES = 400
"""Through the units of a set that the guard of transfer functions goes by, at most."""


class ScanStatistics(Config):
    """What the scans of a set have in common."""

    levels: ScanLevels
    diagonal_mm: float
    """Of the largest unit's two longer sides."""
    voxel_mm: float
    """The shortest distance between voxels across the thin axis in any scan."""
    contents: tuple[tuple[float, ...], ...]
    """Of some lines through the units, as in :class:`~rgbx_render.radiography.scans.ScanDescription`."""

    @classmethod
    def of(cls, descriptions: list[ScanDescription]) -> Self:
        """Summarise scans: medians of their levels, the largest diagonal, the finest voxels, a few hundred lines."""
        air = np.median([description.levels.air for description in descriptions])
        dense = np.median([description.levels.dense for description in descriptions])
        diagonal = max(description.diagonal_mm for description in descriptions)
        voxel = min(description.spacing[axis] for description in descriptions for axis in description.axes[::2])
        lines = [line for description in descriptions for line in description.contents]
        return cls(
            levels=ScanLevels(air=float(air), dense=float(dense)),
            diagonal_mm=diagonal,
            voxel_mm=voxel,
            contents=tuple(lines[:: len(lines) // GUARD_LINES + 1]),
        )


class OpenBeam(Config):
    """The open beam of one image."""

    level: float
    gradient: float
    direction: float
    """In which it falls off, degrees from the image's right, anticlockwise."""

    def image(self, size: int) -> np.ndarray:
        """Return it as a (size, size) float32 image, 1 = white."""
        x = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
        along = np.cos(np.radians(self.direction)) * x[None, :] - np.sin(np.radians(self.direction)) * x[:, None]
        return (self.level * (1 - self.gradient * (0.5 + along / np.sqrt(2)))).astype(np.float32)


class XrayDraw(Config):
    """All that was drawn for one radiograph."""

    unit: str
    projector: Projector
    pose: Pose
    subsamples: int
    backend: BackendName = "kernel"
    transfer: TransferFunction
    background: OpenBeam
    noise_variance: float
    noise_seed: int
    scatter: Scatter | None = None
    blur: float = 0.0
    """Standard deviation, pixels."""
    edits: ScanEdits | None = None


@dataclass(frozen=True)
class Radiograph:
    """A rendered radiograph, at the stages of its making."""

    transmission: NDArray[np.float32]
    """(H, W), in [0, 1]."""
    noise_free: NDArray[np.float32]
    """(H, W), in [0, 1]: transmission times background, with scatter and blur."""
    image: NDArray[np.uint16]
    """(H, W), linear in intensity, 65535 = white: with noise."""
    draw: XrayDraw
    """All that it was rendered from, besides the scan."""


def draw_radiograph(
    rng: np.random.Generator,
    config: XrayRandomisation,
    units: list[str],
    statistics: ScanStatistics,
) -> XrayDraw:
    """Draw a radiograph of one of ``units``."""
    projector, pose = _draw_geometry(rng, config, statistics.diagonal_mm)
    transfer = config.transfer
    name = str(rng.choice(list(transfer.presets))) if transfer.use == "random" else transfer.use
    unit = str(rng.choice(units))
    jittered = draw_transfer(rng, name, transfer.presets[name], transfer.jitter, statistics.levels)
    return XrayDraw(
        unit=unit,
        projector=projector,
        pose=pose,
        subsamples=(
            projector.subsamples_for(statistics.voxel_mm) if config.subsamples == "auto" else config.subsamples
        ),
        backend=config.backend,
        transfer=guard(jittered, np.array(statistics.contents), statistics.levels, transfer.guard),
        background=OpenBeam(
            level=rng.uniform(*config.background.level),
            gradient=rng.uniform(*config.background.gradient),
            direction=rng.uniform(0, 360),
        ),
        noise_variance=rng.uniform(*config.noise_variance),
        noise_seed=int(rng.integers(2**63)),
        scatter=_draw_scatter(rng, config.scatter),
        blur=rng.uniform(*config.blur),
        edits=draw_edits(rng, config.edits),
    )


def clearest_structure(
    config: XrayRandomisation, unit: str, statistics: ScanStatistics, scan: PreparedScan
) -> Structure:
    """Return the most that a unit shows with any of the transfer functions, as they are, seen as it is on average.

    It does not depend on chance.
    """
    projector = {
        name: value[:1] if name == "faces" else (sum(value) / 2,) * 2
        for name, value in config.projector.model_dump().items()
    }
    plain = config.updated(
        {
            "projector": projector,
            "transfer.jitter": "none",
            "background": "fixed",
            "noise_variance": (0.0, 0.0),
            "scatter": "none",
            "blur": "none",
            "edits": "none",
        }
    )
    names = list(config.transfer.presets) if config.transfer.use == "random" else [config.transfer.use]
    shown = []
    for name in names:
        drawn = draw_radiograph(generator(0), plain.updated({"transfer.use": name}), [unit], statistics)
        shown.append(config.acceptance.structure(render_radiograph(drawn, scan).noise_free))
    return Structure(max(each.keypoints for each in shown), max(each.edges for each in shown))


def _draw_scatter(rng: np.random.Generator, config: ScatterRandomisation) -> Scatter | None:
    return Scatter(ratio=rng.uniform(*config.ratio), width=rng.uniform(*config.width)) if any(config.ratio) else None


def _draw_geometry(rng: np.random.Generator, config: XrayRandomisation, diagonal_mm: float) -> tuple[Projector, Pose]:
    knobs = config.projector
    nearest = max(knobs.source_distance[0], diagonal_mm)
    distance, magnification = (
        rng.uniform(nearest, max(nearest, knobs.source_distance[1])),
        rng.uniform(*knobs.magnification),
    )
    field_mm = diagonal_mm / rng.uniform(*knobs.scale)

    shift = rng.uniform(*knobs.detector_shift, size=2) * field_mm * magnification
    projector = Projector(
        source_to_centre=distance,
        source_to_detector=distance * magnification,
        pixels=(config.size, config.size),
        pixel_size=field_mm * magnification / config.size,
        principal_point=(float(shift[0]), float(shift[1])),
    )
    turned = 180.0 if str(rng.choice(knobs.faces)) == "back" else 0.0
    tilt_x, tilt_y = rng.uniform(*knobs.tilt, size=2)
    x, y = rng.uniform(*knobs.offset, size=2) * field_mm
    rotation = (float(tilt_x), float(turned + tilt_y), rng.uniform(*knobs.spin))
    return projector, Pose(rotation=rotation, translation=(float(x), float(y), 0.0))


def render_radiograph(draw: XrayDraw, scan: PreparedScan, parts: Parts | None = None) -> Radiograph:
    """Render what was drawn; no randomness is left.

    Noise is white and Gaussian; intensities beyond black and white are clipped.

    Args:
        draw: what to render.
        scan: of the unit drawn.
        parts: of the scan, for its edits; found when they are needed and not given.

    Raises:
        MissingToolError: the draw's backend is not installed.
    """
    if draw.edits is not None:
        scan = edited(scan, find_parts(scan) if parts is None else parts, draw.edits)
    rays = draw.projector.rays(draw.pose)
    through = BACKENDS[draw.backend]()(scan, draw.transfer, rays, draw.subsamples)
    open_beam = draw.background.image(through.shape[0])
    noise_free = open_beam * through
    if draw.scatter is not None:
        noise_free = np.minimum(noise_free + draw.scatter.image(through, open_beam), 1)
    noise_free = blurred(noise_free, draw.blur)
    noise = generator(draw.noise_seed).standard_normal(through.shape, np.float32)
    noisy = noise_free + np.float32(np.sqrt(draw.noise_variance) / EIGHT_BIT_WHITE) * noise
    return Radiograph(through, noise_free, np.rint(np.clip(noisy, 0, 1) * _WHITE).astype(np.uint16), draw)

"""A simulated X-ray machine: a stand-in for the real one, so that no test radiograph comes from the training renderer.

The unit lies on a plastic tray below the tube and above the panel, as on the belt of an in-line machine. The image
shows a square round the unit, binned from the panel's pixels. Geometry and materials are those of the part list, exact;
no voxel scan is involved. What is simulated and what is not is written in docs/results/stand-in-reality.md.
"""

from typing import Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from rgbx.config import Config, Range
from rgbx.errors import ConfigError
from rgbx.geometry import rotation_matrix
from rgbx.samples import generator
from rgbx_proving.standin.attenuation import Beam
from rgbx_proving.standin.detector import (
    FULL_SCALE,
    FWHM_PER_SIGMA,
    DetectorConfig,
    binned,
    compton_scatter,
    flat_field_residue,
    noisy,
    repaired,
    smeared,
)
from rgbx_proving.standin.paths import AIR, BeamGeometry, Solids, path_lengths
from rgbx_proving.standin.spectrum import ScintillatorConfig, TubeConfig, tube_spectrum
from rgbx_proving.units.materials import MATERIALS
from rgbx_proving.units.parts import PartList

TUBES = {
    "microfocus": TubeConfig(
        kvp=220, target="reflection", filters_mm={"Al": 1.0, "Cu": 1.0}, current_ua=(200, 300), focal_spot_um=(40, 70)
    ),
    "nanofocus": TubeConfig(
        kvp=160, target="transmission", filters_mm={"Be": 0.3, "Cu": 0.5}, current_ua=(280, 280), focal_spot_um=(10, 45)
    ),
}
"""The paper's two: a 300 kV microfocus tube at 220 kV and a 180 kV nanofocus tube at 160 kV (section V-A)."""


class MachineConfig(Config):
    """The machine and how units come to lie in it."""

    size: int = Field(default=320, ge=16, le=4096)
    """Pixels a side of the image."""
    oversampling: int = Field(default=2, ge=1, le=8)
    """Rays a pixel's side, averaged as intensities."""
    tubes: dict[str, TubeConfig] = Field(default=TUBES, min_length=1)
    """One is drawn for each radiograph."""
    scintillator: ScintillatorConfig = ScintillatorConfig()
    detector: DetectorConfig = DetectorConfig()
    energy_bins: int = Field(default=32, ge=4, le=200)
    source_to_detector_mm: Range = (1000, 1200)
    resolution_um: Range = (57.5, 100)
    """Size of a panel pixel at the unit, hence the magnification; coarser where the panel cannot hold the field."""
    exposure_s: Range = (0.03, 0.3)
    field: Range = (1.02, 1.2)
    """Side of the image at the unit, as a multiple of the unit's diagonal."""
    offset: Range = (-0.03, 0.03)
    """Of the unit from the image's centre, as a share of the side."""
    face_down: float = Field(default=0.5, ge=0, le=1)
    """Probability of lying on the display, the back towards the tube."""
    tilt_degrees: Range = (0, 3)
    """Of a unit that lies flat, from bumps and the camera's protrusion."""
    propped: float = Field(default=0.2, ge=0, le=1)
    """Probability of lying on something."""
    prop_degrees: Range = (5, 25)
    tray_mm: Range = (2, 5)
    tray_material: str = "polyethylene"

    @model_validator(mode="after")
    def _materials_known(self) -> "MachineConfig":
        if self.tray_material not in MATERIALS:
            raise ValueError(f"tray material '{self.tray_material}' is unknown")
        return self


class RadiographDraw(Config):
    """All that is drawn for one radiograph."""

    tube: str
    current_ua: float
    focal_spot_um: float
    exposure_s: float
    source_to_detector_mm: float
    resolution_um: float
    field: float
    face: Literal["up", "down"]
    """Which way the display looks; the tube is above."""
    turn_degrees: float
    """In the plane of the tray."""
    tilt_degrees: float
    tilt_towards_degrees: float
    """Direction in the plane of the tray of the axis that the unit is tilted about."""
    propped: bool
    offset: tuple[float, float]
    tray_mm: float
    scatter_strength: float
    glare: float
    open_beam: float
    dark_offset: float
    drift: float
    noise_seed: int


def draw_exposure(rng: np.random.Generator, config: MachineConfig) -> RadiographDraw:
    """Draw how the next unit lies and how it is exposed."""
    name = str(rng.choice(list(config.tubes)))
    tube, detector = config.tubes[name], config.detector
    propped = bool(rng.random() < config.propped)
    return RadiographDraw(
        tube=name,
        current_ua=rng.uniform(*tube.current_ua),
        focal_spot_um=rng.uniform(*tube.focal_spot_um),
        exposure_s=rng.uniform(*config.exposure_s),
        source_to_detector_mm=rng.uniform(*config.source_to_detector_mm),
        resolution_um=rng.uniform(*config.resolution_um),
        field=rng.uniform(*config.field),
        face="down" if rng.random() < config.face_down else "up",
        turn_degrees=rng.uniform(0, 360),
        tilt_degrees=rng.uniform(*(config.prop_degrees if propped else config.tilt_degrees)),
        tilt_towards_degrees=rng.uniform(0, 360),
        propped=propped,
        offset=(rng.uniform(*config.offset), rng.uniform(*config.offset)),
        tray_mm=rng.uniform(*config.tray_mm),
        scatter_strength=rng.uniform(*detector.scatter_strength),
        glare=rng.uniform(*detector.glare),
        open_beam=rng.uniform(*detector.open_beam),
        dark_offset=rng.uniform(*detector.offset),
        drift=rng.uniform(*detector.drift),
        noise_seed=int(rng.integers(2**62)),
    )


class XrayMachine:
    """Takes radiographs; computes the spectra of its tubes once, which takes seconds."""

    def __init__(self, config: MachineConfig) -> None:
        self.config = config
        materials = [name for name in MATERIALS if name != AIR]
        self.beams = {
            name: Beam.through(materials, tube_spectrum(tube), config.scintillator, config.energy_bins)
            for name, tube in config.tubes.items()
        }

    def radiograph(self, parts: PartList, draw: RadiographDraw) -> np.ndarray:
        """Take one radiograph; the same draw gives the same image.

        Args:
            parts: the unit.
            draw: from :func:`draw_exposure` with this machine's configuration.

        Returns:
            (size, size) uint16, linear in detected signal, the open beam at ``draw.open_beam`` of full scale.

        Raises:
            ConfigError: the draw names a tube, or the unit a material, that is not known, or the unit is larger than
                the panel.
        """
        config, detector = self.config, self.config.detector
        place = _place(parts, draw, config)
        beam, signal, variance = self._transmission(parts, place.laid(parts).joined(place.tray), draw, place.projector)
        pitch_mm, magnification = place.pitch_mm, place.magnification

        penumbra_mm = draw.focal_spot_um / 1000 * (magnification - 1) / FWHM_PER_SIGMA
        sigma_mm = np.hypot(penumbra_mm, detector.blur_um / 1000)
        sigma_rays = sigma_mm / pitch_mm * config.oversampling
        primary = binned(smeared(signal, sigma_rays), config.oversampling)
        variance = binned(smeared(variance, sigma_rays), config.oversampling)

        air_gap_mm = draw.source_to_detector_mm * (1 - 1 / magnification)
        scatter = compton_scatter(primary, pitch_mm, air_gap_mm, detector.scatter_energy_kev)
        spread = draw.glare * (smeared(primary, detector.glare_mm / pitch_mm) - primary)
        signal = primary + spread + draw.scatter_strength * scatter
        variance = variance + np.maximum(signal - primary, 0)

        quanta = beam.quanta * draw.current_ua * draw.exposure_s / 1000
        quanta *= (1000 / draw.source_to_detector_mm) ** 2 * pitch_mm**2
        panel_pixels = pitch_mm / (detector.pixel_um / 1000)  # a side, in each pixel of the image
        image = noisy(
            signal, variance, quanta, detector.electronic_noise_quanta * panel_pixels, generator(draw.noise_seed)
        )
        image = repaired(image * flat_field_residue(detector, config.size, draw.drift), detector)
        return np.clip(np.rint(FULL_SCALE * (draw.dark_offset + draw.open_beam * image)), 0, FULL_SCALE).astype(
            np.uint16
        )

    def attenuation(self, parts: PartList, draw: RadiographDraw, laid_as: PartList) -> np.ndarray:
        """Return −log of the transmission through a unit alone: no tray, no scatter, no blur, no noise.

        Args:
            parts: what to look through.
            draw: from :func:`draw_exposure` with this machine's configuration.
            laid_as: the unit that was radiographed, in whose place ``parts`` is put, frame on frame.

        Returns:
            (size, size) float64, 0 where the beam passes by.

        Raises:
            ConfigError: as :meth:`radiograph`.
        """
        place = _place(laid_as, draw, self.config)
        _, signal, _ = self._transmission(parts, place.laid(parts), draw, place.projector)
        return -np.log(np.maximum(binned(signal, self.config.oversampling), 1e-6))

    def _transmission(
        self, parts: PartList, solids: Solids, draw: RadiographDraw, projector: BeamGeometry
    ) -> tuple[Beam, np.ndarray, np.ndarray]:
        """Return the beam for a unit's materials, and the shares of its signal and variance that each ray keeps."""
        materials = sorted({*solids.materials} - {AIR})
        unknown = [name for name in materials if name not in MATERIALS]
        if unknown:
            raise ConfigError(
                f"unit {parts.unit} has the unknown material '{unknown[0]}': use one of {', '.join(MATERIALS)}."
            )
        if draw.tube not in self.beams:
            raise ConfigError(f"The machine has no tube '{draw.tube}': use one of {', '.join(self.beams)}.")
        beam = self.beams[draw.tube].narrowed(materials)
        return beam, *beam.transmission(path_lengths(solids, materials, projector))


def pixels_of(points: np.ndarray, parts: PartList, draw: RadiographDraw, config: MachineConfig) -> np.ndarray:
    """Return where points of a unit are in its radiograph.

    Args:
        points: (..., 3) in the unit's frame, mm.
        parts: the unit.
        draw: of the radiograph.
        config: of the machine that took it.

    Returns:
        (..., 2) x and y in pixels of the image, fractional; the middle of the first pixel is 0.

    Raises:
        ConfigError: the unit is larger than the panel.
    """
    place = _place(parts, draw, config)
    rays = place.projector.pixel_coordinates(points @ place.rotation.T + place.translation)
    return (rays + 0.5) / config.oversampling - 0.5


class _Place(NamedTuple):
    """How a unit lies on the tray and how the machine is aimed at it."""

    rotation: np.ndarray
    translation: np.ndarray
    tray: Solids
    projector: BeamGeometry
    pitch_mm: float
    """Of the image's pixels, on the detector."""
    magnification: float

    def laid(self, parts: PartList) -> Solids:
        """Return a unit's solids in this place."""
        return Solids.of(parts.parts).moved(self.rotation, self.translation)


def _place(parts: PartList, draw: RadiographDraw, config: MachineConfig) -> _Place:
    """Lay the unit on the tray (top at z = 0, tube above, rows of the image along −y) and aim the machine at it."""
    unit = Solids.of(parts.parts)
    corners = unit.corners().reshape(-1, 3)
    low, high = corners.min(axis=0), corners.max(axis=0)
    field_mm = draw.field * float(np.linalg.norm(high - low))
    rotation = _orientation(draw)
    centring = -rotation @ (low + high) / 2
    lift = -unit.moved(rotation, centring).corners()[..., 2].min()
    tray = Solids(
        ellipsoid=np.array([False]),
        half_sizes=np.array([[2 * field_mm, 2 * field_mm, draw.tray_mm / 2]]),
        radii=np.zeros(1),
        rotations=np.eye(3)[None],
        centres=np.array([[0.0, 0.0, -draw.tray_mm / 2]]),
        materials=(config.tray_material,),
    )

    panel_mm = config.detector.panel_pixels * config.detector.pixel_um / 1000
    magnification = min(config.detector.pixel_um / draw.resolution_um, panel_mm / field_mm)
    source_mm = lift + draw.source_to_detector_mm / magnification  # above the tray
    if source_mm > draw.source_to_detector_mm - draw.tray_mm:
        raise ConfigError(
            f"unit {parts.unit} needs a field of {field_mm:.0f} mm, and the panel has {panel_mm:.0f} mm: "
            "give it more pixels with --set xray.detector.panel_pixels."
        )
    source = np.array([0.0, 0.0, source_mm])
    rays = config.size * config.oversampling
    step = field_mm * magnification / rays
    projector = BeamGeometry(
        source=source,
        origin=source + np.array([-step * (rays - 1) / 2, step * (rays - 1) / 2, -draw.source_to_detector_mm]),
        column_step=np.array([step, 0.0, 0.0]),
        row_step=np.array([0.0, -step, 0.0]),
        shape=(rays, rays),
    )
    return _Place(
        rotation=rotation,
        translation=centring + np.array([*(field_mm * np.array(draw.offset)), lift]),
        tray=tray,
        projector=projector,
        pitch_mm=step * config.oversampling,
        magnification=magnification,
    )


def _orientation(draw: RadiographDraw) -> np.ndarray:
    """Return the (3, 3) rotation from the unit's frame to the tray's."""
    face = rotation_matrix((0, 180 if draw.face == "down" else 0, 0))
    turn = rotation_matrix((0, 0, draw.turn_degrees))
    axis = rotation_matrix((0, 0, draw.tilt_towards_degrees))
    tilt = axis @ rotation_matrix((draw.tilt_degrees, 0, 0)) @ axis.T
    return tilt @ turn @ face

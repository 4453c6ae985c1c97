"""What ``rgbx[render]`` does: radiographs of a volume, and sets of labelled images from a library of devices."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, PositiveInt

from rgbx.config import Config
from rgbx.errors import ConfigError, RgbxError
from rgbx.extras import optional_packages

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rgbx.api.settings import Settings
    from rgbx.geometry import Vector
    from rgbx.samples import SampleSet
    from rgbx_render.devices.library import Library
    from rgbx_render.radiography.randomisation import Radiograph, XrayDraw
    from rgbx_render.radiography.scans import PreparedScan
    from rgbx_render.radiography.transfer import TransferPreset

    Volume = NDArray[np.integer[Any] | np.floating[Any]]
    Points = Sequence[tuple[float, float]]

UNIT = "volume"
"""What draws call a unit that is an array and has no name."""
NEAREST_MM, NEAREST = 600.0, 3.0
"""From the source to a unit: so far, and so many times its diagonal, at least."""
FILLED = 0.9
"""Diagonal of the unit as a share of the image's side."""


def _in_plane(value: Any) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value  # numbers of NumPy
    return (0.0, 0.0, plain) if isinstance(plain, int | float) else plain


Angle = Annotated[float, Field(allow_inf_nan=False)]


class RadiographOptions(Config):
    """How :func:`radiograph` looks at a unit."""

    mean_transmission: Annotated[float, Field(gt=0, lt=1)] | None
    rotation: Annotated[tuple[Angle, Angle, Angle], BeforeValidator(_in_plane)]
    noise_variance: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SetOptions(Config):
    """How large a set is."""

    per_class: PositiveInt


@optional_packages("rgbx[render]")
def radiograph(
    volume: "Volume",
    spacing_mm: float | Sequence[float],
    *,
    preset: "str | TransferPreset | Points" = "hard",
    mean_transmission: float | None = 0.5,
    rotation: float | Sequence[float] = 0.0,
    size: int = 512,
    noise_variance: float = 0.0,
    seed: int = 0,
    backend: str = "kernel",
) -> "Radiograph":
    """Render one radiograph (DRR) of a CT volume.

    The unit is found in the volume, whatever air is round it, and fills the image at any rotation. It is seen from
    +z, a point source 600 mm away (farther if it is large), magnified 1.5 times.

    Args:
        volume: (z, y, x), any integer or float type and any scanner's units; more where more is absorbed.
        spacing_mm: from voxel to voxel, mm: one number, or three along (x, y, z).
        preset: how strongly each scan intensity absorbs: ``"hard"``, ``"soft"``, ``"metal"``, ``"low-contrast"``,
            ``"battery-transparent"``, or (intensity, attenuation per mm) points of your own, with intensity 0 in air,
            where nothing is absorbed, and 1 in dense metal.
        mean_transmission: the exposure, in 0..1: attenuations are scaled until so much of the beam passes the unit
            along its thinnest axis, on average. None leaves them as the preset says: thick units come out dark.
        rotation: degrees about x, then y, then z; one number turns the unit within the image, anticlockwise.
        size: side of the square image, pixels, 16 to 4096.
        noise_variance: of white noise, on an 8-bit scale (white = 255); 0 is none.
        seed: of the noise.
        backend: who projects, ``"kernel"`` (rgbx), ``"vtk"`` or a plug-in.

    Returns:
        The radiograph. ``.image`` is (size, size) uint16, linear in intensity, open beam bright; ``.transmission``
        (size, size) float32 in 0..1; ``.noise_free`` the same times the open beam; ``.draw`` says all that it was
        rendered from, for :func:`render_draw`.

    Raises:
        InputError: the volume is not three-dimensional, not of real numbers, not finite, or the same all over.
        ConfigError: another value cannot be used.
        MissingToolError: a package of ``rgbx[render]``, or the backend, is not installed.

    Example:
        >>> drr = rgbx.radiograph(volume, spacing_mm=0.1, rotation=(60, 0, 0))
        >>> drr.image.shape, drr.image.dtype
        ((512, 512), dtype('uint16'))
    """
    from rgbx.samples import generator
    from rgbx_render.radiography.randomisation import (
        FIXED_OPEN_BEAM,
        FIXED_PROJECTOR,
        ScanStatistics,
        TransferRandomisation,
        XrayRandomisation,
        draw_radiograph,
    )
    from rgbx_render.radiography.transfer import NO_JITTER

    asked = RadiographOptions(mean_transmission=mean_transmission, rotation=rotation, noise_variance=noise_variance)
    name, presets = _preset(preset)
    share = asked.mean_transmission
    scan = _prepared(volume, spacing_mm)
    diagonal = math.hypot(*scan.description.size_mm)
    distance = max(NEAREST_MM, NEAREST * diagonal)
    config = XrayRandomisation(
        size=size,
        backend=backend,
        projector=FIXED_PROJECTOR.updated({"scale": (FILLED, FILLED), "source_distance": (distance, distance)}),
        transfer=TransferRandomisation(
            use=name, presets=presets, jitter=NO_JITTER, guard=(0.0, 1.0) if share is None else (share, share)
        ),
        background=FIXED_OPEN_BEAM,
        noise_variance=(asked.noise_variance, asked.noise_variance),
    )
    statistics = ScanStatistics.of([scan.description]).updated({"diagonal_mm": diagonal})
    drawn = draw_radiograph(generator(seed), config, [UNIT], statistics)
    return _rendered(drawn.updated({"pose.rotation": asked.rotation}), scan)


@optional_packages("rgbx[render]")
def random_radiograph(
    volume: "Volume",
    spacing_mm: float | Sequence[float],
    seed: int = 0,
    settings: "Settings" = None,
    **changes: Any,
) -> "Radiograph":
    """Render one radiograph of a CT volume by domain randomisation, as ``rgbx render xray`` does.

    Drawn at random are the projector, the unit's pose, the transfer function, the open beam and the noise; scatter,
    blur and edits too where the settings say so. It is one draw as it comes: the filter that sets go through
    (``acceptance``) is not asked.

    Args:
        volume: (z, y, x), as of :func:`radiograph`.
        spacing_mm: from voxel to voxel, mm: one number, or three along (x, y, z).
        seed: same seed, same image, bit for bit.
        settings: how wide to draw: dotted keys, a YAML file or an ``XrayRandomisation``.
        changes: settings by name, e.g. ``size=256`` or ``noise_variance=(0, 500)``.

    Returns:
        The radiograph, as of :func:`radiograph`; ``.draw`` holds everything that was drawn.

    Raises:
        InputError: the volume cannot be used, as of :func:`radiograph`.
        ConfigError: an unknown setting, or a value out of range.
        RgbxError: the unit is so large that the source would be inside it.
        MissingToolError: a package of ``rgbx[render]``, or the backend, is not installed.

    Example:
        >>> random = rgbx.random_radiograph(volume, spacing_mm=0.1, seed=7, settings={"projector.tilt": (-40, 40)})
        >>> random.draw.pose.rotation, random.draw.transfer.name
        >>> again = rgbx.render_draw(volume, 0.1, random.draw)
    """
    from rgbx.api.settings import chosen
    from rgbx.samples import generator
    from rgbx_render.radiography.randomisation import ScanStatistics, XrayRandomisation, draw_radiograph

    config = chosen(XrayRandomisation(), settings, changes)
    scan = _prepared(volume, spacing_mm)
    drawn = draw_radiograph(generator(seed), config, [UNIT], ScanStatistics.of([scan.description]))
    return _rendered(drawn, scan)


@optional_packages("rgbx[render]")
def render_draw(
    volume: "Volume", spacing_mm: float | Sequence[float], draw: "XrayDraw | dict[str, Any]"
) -> "Radiograph":
    """Render what was drawn for a radiograph again: the same volume gives the same image, bit for bit.

    Args:
        volume: (z, y, x), as of :func:`radiograph`.
        spacing_mm: from voxel to voxel, mm: one number, or three along (x, y, z).
        draw: a radiograph's ``.draw``, perhaps changed by ``draw.updated({"noise_variance": 0})``; or the same as a
            mapping, from JSON or from the record of an image of a set (``record.draw``).

    Returns:
        The radiograph, as of :func:`radiograph`.

    Raises:
        InputError: the volume cannot be used, as of :func:`radiograph`.
        ConfigError: a value of the draw cannot be used.
        MissingToolError: a package of ``rgbx[render]``, or the backend, is not installed.

    Example:
        >>> plain = rgbx.render_draw(volume, 0.1, random.draw.updated({"noise_variance": 0}))
    """
    from rgbx_render.radiography.randomisation import XrayDraw

    return _rendered(XrayDraw.model_validate(draw), _prepared(volume, spacing_mm))


@optional_packages("rgbx[render]")
def open_library(folder: Path | str) -> "Library":
    """Open a library of devices: scans and meshes as ``LIBRARY/CLASS/UNIT/scan.nrrd`` and so on.

    Args:
        folder: of the library.

    Returns:
        The library: ``.classes``, ``.units``; each unit has ``.read_scan()`` (``.values`` (z, y, x), ``.spacing``
        (x, y, z) in mm) and ``.read_mesh()``.

    Raises:
        InputError: it is no library, or a class or unit in it cannot be used.

    Example:
        >>> scan = rgbx.open_library("library").units[0].read_scan()
        >>> drr = rgbx.radiograph(scan.values, scan.spacing)
    """
    from rgbx_render.devices.library import Library

    return Library.open(Path(folder))


@optional_packages("rgbx[render]")
def render_radiographs(
    library: "Library | Path | str",
    out: Path | str,
    *,
    per_class: int = 300,
    seed: int = 0,
    units: str | None = None,
    workers: int | None = None,
    settings: "Settings" = None,
    **changes: Any,
) -> "SampleSet":
    """Render a set of radiographs by domain randomisation, or go on with one that was interrupted.

    Args:
        library: with a scan in every class, or its folder.
        out: folder of the set.
        per_class: images of each class.
        seed: same seed, same images.
        units: which units to show, e.g. ``"1-2"`` (the first two of each class) or ``"SP1-001,SP2-004"``; else all.
        workers: processes; as many as there are cores when None, 0 renders in this one.
        settings: dotted keys, a YAML file or an ``XrayRandomisation``.
        changes: settings by name, e.g. ``size=256``.

    Returns:
        The set of 16-bit PNGs, linear in intensity.

    Raises:
        ConfigError: a setting or ``units`` cannot be used.
        InputError: the library cannot be used, or ``out`` holds something else.
        RgbxError: hardly any draw of a class passes the filter.
        MissingToolError: a package is not installed; the default filter needs torch.

    Example:
        >>> samples = rgbx.render_radiographs("library", "sets/xray", per_class=100, units="1-2")
    """
    from rgbx.api.settings import chosen
    from rgbx.samples import SampleSet
    from rgbx_render.radiography import radiographs
    from rgbx_render.radiography.randomisation import XrayRandomisation

    config = chosen(XrayRandomisation(), settings, changes)
    radiographs.render_radiographs(
        _opened(library),
        Path(out),
        config,
        images_per_class=SetOptions(per_class=per_class).per_class,
        seed=seed,
        units=units,
        workers=workers,
    )
    return SampleSet.open(Path(out))


@optional_packages("rgbx[render]")
def render_photographs(
    library: "Library | Path | str",
    out: Path | str,
    *,
    per_class: int = 100,
    seed: int = 0,
    units: str | None = None,
    workers: int | None = None,
    settings: "Settings" = None,
    **changes: Any,
) -> "SampleSet":
    """Render a set of photographs by domain randomisation, in Blender, or go on with one that was interrupted.

    Args:
        library: with a mesh in every class, or its folder.
        out: folder of the set.
        per_class: images of each class.
        seed: same seed, same images.
        units: which units to show, as of :func:`render_radiographs`.
        workers: Blender processes; as many as there are cores when None.
        settings: dotted keys, a YAML file or an ``RgbRandomisation``.
        changes: settings by name, e.g. ``size=256``.

    Returns:
        The set of 8-bit PNGs.

    Raises:
        ConfigError: a setting or ``units`` cannot be used.
        InputError: the library cannot be used, or ``out`` holds something else.
        MissingToolError: Blender or a package is not installed.

    Example:
        >>> samples = rgbx.render_photographs("library", "sets/rgb", per_class=100, units="1-2")
    """
    from rgbx.api.settings import chosen
    from rgbx.samples import SampleSet
    from rgbx_render.photography import photographs
    from rgbx_render.photography.randomisation import RgbRandomisation

    config = chosen(RgbRandomisation(), settings, changes)
    photographs.render_photographs(
        _opened(library),
        Path(out),
        config,
        images_per_class=SetOptions(per_class=per_class).per_class,
        seed=seed,
        units=units,
        workers=workers,
    )
    return SampleSet.open(Path(out))


def _opened(library: "Library | Path | str") -> "Library":
    return open_library(library) if isinstance(library, str | Path) else library


def _prepared(volume: "Volume", spacing_mm: float | Sequence[float]) -> "PreparedScan":
    import numpy as np

    from rgbx_render.devices.extent import without_padding
    from rgbx_render.devices.volume import Volume, check_voxels
    from rgbx_render.radiography.scans import prepare_scan

    values = np.asarray(volume)
    if values.dtype.kind in "iuf":
        kind = np.float32 if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as infinite
            values = values.astype(kind, copy=False)
    check_voxels(values, "The volume")
    return prepare_scan(without_padding(Volume(values, _spacing(spacing_mm))))


def _spacing(given: float | Sequence[float]) -> "Vector":
    import numpy as np

    try:
        x, y, z = np.broadcast_to(np.asarray(given, float), 3).tolist()
    except (TypeError, ValueError):
        x = y = z = math.nan
    if not all(0 < step < math.inf for step in (x, y, z)):
        raise ConfigError(
            f"'spacing_mm' is {given!r}: give the distance of voxels in mm, a number above 0 or three, for x, y and z."
        )
    return x, y, z


def _rendered(draw: "XrayDraw", scan: "PreparedScan") -> "Radiograph":
    from rgbx_render.radiography.randomisation import render_radiograph

    radius, distance = math.hypot(*scan.description.size_mm) / 2, draw.projector.source_to_centre
    if radius >= distance:
        raise RgbxError(
            f"The unit reaches {radius:.4g} mm from its centre, but the source is {distance:.4g} mm away: correct "
            "spacing_mm, or set projector.source_distance farther."
        )
    return render_radiograph(draw, scan)


def _preset(preset: "str | TransferPreset | Points") -> "tuple[str, dict[str, TransferPreset]]":
    from rgbx_render.radiography.transfer import TransferPreset, read_presets

    if not isinstance(preset, str):
        own = preset if isinstance(preset, TransferPreset) else TransferPreset(about="", points=preset)
        return "own", {"own": own}
    presets = read_presets()
    if preset not in presets:
        raise ConfigError(
            f"There is no transfer function '{preset}': choose from {', '.join(presets)}, or give points."
        )
    return preset, presets

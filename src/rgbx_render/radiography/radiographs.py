"""Rendering a set of radiographs from a library of scans, and rendering any one of them again."""

import math
from collections import Counter
from functools import cache, partial
from pathlib import Path

from rgbx.config import Config
from rgbx.errors import InputError, RgbxError
from rgbx.files import write_json
from rgbx.progress import track
from rgbx.samples import (
    WHOLE,
    RenderedSample,
    RenderJob,
    SampleKey,
    SampleRecord,
    SampleSet,
    SetHeader,
    Shard,
    class_keys,
    generator,
    render_set,
    rendered_sample,
    sample_seed,
)
from rgbx_render.devices.library import Library, Unit
from rgbx_render.devices.selection import by_class, select_units
from rgbx_render.radiography.backends import BACKENDS
from rgbx_render.radiography.edits import PartsStore, find_parts
from rgbx_render.radiography.filters import Structure
from rgbx_render.radiography.randomisation import (
    Radiograph,
    ScanStatistics,
    XrayDraw,
    XrayRandomisation,
    clearest_structure,
    draw_radiograph,
    render_radiograph,
)
from rgbx_render.radiography.scans import ScanStore, prepare_scan

RADIOGRAPHS_ORIGIN = "synthetic: X-ray domain randomisation"
_SUFFIX = ".png"
SUMMARY = "summary.json"
SPECK = 8
"""A unit whose diagonal is fewer pixels cannot be told from another."""


class Tally(Config):
    """How many draws were tried for how many kept samples."""

    kept: int
    tried: int

    @property
    def rate(self) -> float:
        """The share that was kept."""
        return self.kept / max(1, self.tried)


class RenderSummary(Config):
    """``summary.json``: what filters did to a set."""

    total: Tally
    transfer_functions: dict[str, Tally]
    """By name."""


def render_radiographs(
    library: Library,
    out: Path,
    config: XrayRandomisation,
    *,
    images_per_class: int,
    seed: int = 0,
    units: str | None = None,
    workers: int | None = None,
    shard: Shard = WHOLE,
    ray: str | None = None,
) -> RenderSummary | None:
    """Render a set of radiographs by domain randomisation, or go on with one that was interrupted.

    Beside the images it writes ``summary.json`` and ``overview.png``, once all shards are there.

    Args:
        library: with at least one scan in every class.
        out: folder of the set.
        config: what is drawn and how.
        images_per_class: as many for every class.
        seed: of the set.
        units: which units to show, see :func:`~rgbx_render.devices.selection.select_units`; all with a scan when None.
        workers: processes; the number of cores when None, 0 renders in this one.
        shard: which part of the set to render.
        ray: address of a Ray cluster to render on, or ``"local"``, see :func:`~rgbx.samples.choose_executor`.

    Returns:
        The summary; None while other shards of the set are missing.

    Raises:
        RgbxError: a scan or the filter's weights cannot be used, or hardly any draw of a class passes the filter.
        MissingToolError: the backend is not installed.
    """
    BACKENDS[config.backend]()  # if it is missing, say so before anything is written
    config.acceptance.check()
    chosen = [unit for unit in select_units(library, units) if unit.scan_path is not None]
    groups = by_class(library, chosen, "scan")
    header = SetHeader(
        modality="xray",
        origin=RADIOGRAPHS_ORIGIN,
        seed=seed,
        classes=library.classes,
        config={**config.model_dump(mode="json"), "images_per_class": images_per_class, "units": units},
        source=library.digest(["scan"]),
    )

    def prepare(scans: Path) -> RenderJob:
        statistics = _prepare(chosen, scans, config)
        names = {device_class: [unit.name for unit in members] for device_class, members in groups.items()}
        return RenderJob(SampleRenderer, (names, config, seed, statistics), scans)

    samples = render_set(
        out,
        header,
        class_keys(library.classes, images_per_class),
        prepare,
        suffix=_SUFFIX,
        description="rendering radiographs",
        workers=workers,
        shard=shard,
        ray=ray,
    )
    return None if samples is None else write_summary(samples)


def write_summary(samples: SampleSet) -> RenderSummary:
    """Write ``summary.json`` into a finished set: draws and kept samples, counted by transfer function."""
    kept: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for record in samples:
        name = record.draw["transfer"]["name"]
        kept[name] += 1
        tried.update([name, *record.rejected])
    summary = RenderSummary(
        total=Tally(kept=kept.total(), tried=tried.total()),
        transfer_functions={name: Tally(kept=kept[name], tried=tried[name]) for name in _preset_names(samples.header)},
    )
    write_json(samples.folder / SUMMARY, summary.model_dump(mode="json"))
    return summary


def _preset_names(header: SetHeader) -> list[str]:
    transfer = header.config["transfer"]
    return list(transfer["presets"] if "presets" in transfer else transfer["seeds"])  # sets of rgbx 0.1


def replay_radiograph(record: SampleRecord, library: Library) -> Radiograph:
    """Render a sample again, from its record and the scan it shows.

    Raises:
        InputError: the library has not the unit.
    """
    drawn = XrayDraw.model_validate(record.draw)
    return render_radiograph(drawn, prepare_scan(library.unit(record.label, drawn.unit).read_scan()))


class SampleRenderer:
    """Draws and renders samples of a set until the filter accepts one; made once in each process."""

    def __init__(
        self,
        scans: Path,
        units: dict[str, list[str]],
        config: XrayRandomisation,
        seed: int,
        statistics: ScanStatistics,
    ) -> None:
        self._config, self._seed = config, seed
        self._statistics, self._units = statistics, units
        self._digest = config.digest()
        self._scans, self._parts = ScanStore(scans), PartsStore(scans)
        self._clearest = cache(self._measure_clearest)

    def __call__(self, key: SampleKey) -> RenderedSample:
        """Render one sample.

        Raises:
            RgbxError: every draw was rejected.
        """
        seed = sample_seed(self._seed, key, self._digest)
        rejected: list[str] = []
        for attempt in range(self._config.attempts):
            drawn = draw_radiograph(generator(seed, attempt), self._config, self._units[key.label], self._statistics)
            unit = f"{key.label}/{drawn.unit}"
            radiograph = render_radiograph(
                drawn, self._scans.read(unit), self._parts.read(unit) if drawn.edits else None
            )
            clearest = partial(self._clearest, unit)
            if self._config.acceptance.accepts(radiograph.noise_free, radiograph.transmission, clearest):
                return rendered_sample(
                    key, _SUFFIX, radiograph.image, unit=drawn.unit, seed=seed, draw=drawn, rejected=rejected
                )
            rejected.append(drawn.transfer.name)
        raise RgbxError(
            f"All {self._config.attempts} draws for image {key.number} of class {key.label} were rejected: look at its "
            "scans with 'rgbx devices check'; if they are in order, make the unit more or less transparent with "
            "--set transfer.jitter.strength=[low,high], or lower --set acceptance.share."
        )

    def _measure_clearest(self, unit: str) -> Structure:
        return clearest_structure(self._config, unit, self._statistics, self._scans.read(unit))


def _prepare(units: list[Unit], folder: Path, config: XrayRandomisation) -> ScanStatistics:
    """Put every scan that is not there yet into the store at ``folder``, and its parts where edits need them.

    Raises:
        InputError: a unit would be a speck beside the largest one.
    """
    store, parts_store = ScanStore(folder), PartsStore(folder)
    parts = config.edits.probability > 0
    names = [f"{unit.device_class}/{unit.name}" for unit in units]
    for unit, name in track(list(zip(units, names, strict=True)), "reading scans", total=len(units)):
        if name not in store:
            store.add(name, prepare_scan(unit.read_scan()))
        if parts and name not in parts_store:
            parts_store.add(name, find_parts(store.read(name)))
    descriptions = [store.describe(name) for name in names]
    statistics = ScanStatistics.of(descriptions)
    for unit, description in zip(units, descriptions, strict=True):
        if unit.scan_path is not None:
            _check_is_seen(unit.scan_path, description.diagonal_mm, statistics.diagonal_mm, config)
    return statistics


def _check_is_seen(scan: Path, diagonal_mm: float, largest_mm: float, config: XrayRandomisation) -> None:
    """Raise an InputError where a unit is a speck: all of a set lie on one detector, which the largest one fills."""
    share = diagonal_mm / largest_mm * sum(config.projector.scale) / 2
    if share * config.size < SPECK:
        raise InputError(
            scan,
            f"shows a unit of {diagonal_mm:.3g} mm, which would be {share * config.size:.2g} pixels long in a set with "
            f"room for the largest unit, of {largest_mm:.4g} mm",
            f"put its class into a library of its own, or render larger images, of --size {math.ceil(SPECK / share)}",
        )

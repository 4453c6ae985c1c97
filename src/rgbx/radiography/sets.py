"""Rendering a set of radiographs from a library of scans, and rendering any one of them again."""

import shutil
from collections import Counter
from pathlib import Path

from rgbx import __version__
from rgbx.config import Config, build_config
from rgbx.devices.library import Library, Unit
from rgbx.devices.selection import by_class, select_units
from rgbx.errors import RgbxError
from rgbx.files import write_json
from rgbx.progress import track
from rgbx.radiography.randomisation import Radiograph, ScanStatistics, XrayDraw, XrayRandomisation, draw, render
from rgbx.radiography.scans import ScanStore, prepare_scan
from rgbx.samples import (
    SampleKey,
    SampleRecord,
    SampleSet,
    SetHeader,
    generator,
    render_samples,
    sample_seed,
    write_image,
)
from rgbx.samples.overview import write_overview

ORIGIN = "synthetic: X-ray domain randomisation"
SCANS = ".scans"
"""Where prepared scans lie while a set is being rendered."""
SUMMARY = "summary.json"


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
    """For each seed."""


def render_set(
    library: Library,
    out: Path,
    config: XrayRandomisation,
    *,
    images_per_class: int,
    seed: int = 0,
    units: str | None = None,
    workers: int | None = None,
) -> RenderSummary:
    """Render a set of radiographs by domain randomisation, or go on with one that was interrupted.

    Beside the images it writes ``summary.json`` and ``overview.png``.

    Args:
        library: with at least one scan in every class.
        out: folder of the set.
        config: what is drawn and how.
        images_per_class: as many for every class.
        seed: of the set.
        units: which units to show, see :func:`~rgbx.devices.selection.select_units`; all with a scan when None.
        workers: processes; the number of cores when None, 0 renders in this one.

    Raises:
        RgbxError: a scan or the filter's weights cannot be used, or hardly any draw of a class passes the filter.
    """
    config.acceptance.check()
    chosen = [unit for unit in select_units(library, units) if unit.scan_path is not None]
    groups = by_class(library, chosen, "scan")
    header = SetHeader(
        modality="xray",
        origin=ORIGIN,
        seed=seed,
        classes=library.classes,
        config={**config.model_dump(mode="json"), "images_per_class": images_per_class, "units": units},
        source=library.digest(["scan"]),
        version=__version__,
    )
    samples = SampleSet.create(out, header)
    statistics = _prepare(chosen, out / SCANS)
    names = {device_class: [unit.name for unit in members] for device_class, members in groups.items()}
    keys = [SampleKey(device_class, number) for number in range(images_per_class) for device_class in library.classes]
    render_samples(
        samples,
        keys,
        SampleRenderer,
        (out, config, seed, statistics, names),
        workers=workers,
        description="rendering radiographs",
    )
    shutil.rmtree(out / SCANS)
    summary = _summarise(samples, config, statistics, names)
    write_json(out / SUMMARY, summary.model_dump(mode="json"))
    write_overview(samples)
    return summary


def replay(library: Library, record: SampleRecord) -> Radiograph:
    """Render a sample again, from its record and the scan it shows.

    Raises:
        InputError: the library has not the unit.
    """
    drawn = build_config(XrayDraw, record.draw)
    return render(drawn, prepare_scan(library.unit(record.label, drawn.unit).read_scan()))


class SampleRenderer:
    """Draws and renders samples of a set until the filter accepts one; made once in each process."""

    def __init__(
        self,
        out: Path,
        config: XrayRandomisation,
        seed: int,
        statistics: ScanStatistics,
        units: dict[str, list[str]],
    ) -> None:
        self._out, self._config, self._seed = out, config, seed
        self._statistics, self._units = statistics, units
        self._digest = config.digest()
        self._scans = ScanStore(out / SCANS)

    def __call__(self, key: SampleKey) -> SampleRecord:
        """Render one sample and write its image.

        Raises:
            RgbxError: every draw was rejected.
        """
        seed = sample_seed(self._seed, key, self._digest)
        for attempt in range(self._config.attempts):
            drawn = draw(generator(seed, attempt), self._config, self._units[key.label], self._statistics)
            radiograph = render(drawn, self._scans.read(f"{key.label}/{drawn.unit}"))
            if self._config.acceptance.accepts(radiograph.noise_free, radiograph.transmission):
                name = f"{key.stem}.png"
                write_image(self._out / name, radiograph.image)
                return SampleRecord(
                    file_name=name,
                    label=key.label,
                    unit=drawn.unit,
                    seed=seed,
                    attempt=attempt,
                    draw=drawn.model_dump(mode="json"),
                )
        raise RgbxError(
            f"All {self._config.attempts} draws for image {key.number} of class {key.label} were rejected: look at its "
            "scans with 'rgbx devices check'; if they are in order, make the unit more or less transparent with "
            "--set transfer.jitter.strength=[low,high], or lower --set acceptance.keypoints."
        )


def _prepare(units: list[Unit], folder: Path) -> ScanStatistics:
    """Put every scan that is not there yet into the store at ``folder``."""
    store = ScanStore(folder)
    names = [f"{unit.device_class}/{unit.name}" for unit in units]
    for unit, name in track(list(zip(units, names, strict=True)), "reading scans", total=len(units)):
        if name not in store:
            store.add(name, prepare_scan(unit.read_scan()))
    return ScanStatistics.of([store.describe(name) for name in names])


def _summarise(
    samples: SampleSet, config: XrayRandomisation, statistics: ScanStatistics, units: dict[str, list[str]]
) -> RenderSummary:
    """Count draws by transfer function. Those rejected are not on record, but drawing is cheap: draw them again."""
    kept: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for record in samples:
        kept[record.draw["transfer"]["name"]] += 1
        for attempt in range(record.attempt + 1):
            drawn = draw(generator(record.seed, attempt), config, units[record.label], statistics)
            tried[drawn.transfer.name] += 1
    return RenderSummary(
        total=Tally(kept=kept.total(), tried=tried.total()),
        transfer_functions={name: Tally(kept=kept[name], tried=tried[name]) for name in config.transfer.seeds},
    )

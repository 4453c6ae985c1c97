"""Where experiments get what they measure: every set and network is made once, in a folder named by its settings."""

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from rgbx.config import Config, ConfigType
from rgbx.evaluation.predictions import Predictions, cached_predictions
from rgbx.files import digest, link_in_place, read_json, write_json
from rgbx.inference import Predictor
from rgbx.modality import Channel, Modality
from rgbx.models import bundle
from rgbx.models.header import BUNDLE_FILE, WEIGHTS
from rgbx.models.seal import SUMS
from rgbx.samples import SampleSet
from rgbx.samples.join import leave_out
from rgbx.training import FusionTraining, StreamTraining, train_fusion, train_stream
from rgbx.training.localiser_stage import outlined, train_localiser
from rgbx_proving.experiments.benchmark import Benchmark, LineUse, scan_units, write_scanned_units
from rgbx_proving.experiments.cub200 import import_birds
from rgbx_proving.experiments.stages import Made, Stages
from rgbx_proving.units.simulated import open_simulated
from rgbx_render.devices.library import Library
from rgbx_render.photography.photographs import render_photographs
from rgbx_render.photography.randomisation import RgbRandomisation
from rgbx_render.radiography.radiographs import render_radiographs
from rgbx_render.radiography.randomisation import XrayRandomisation

TIMED_IMAGES = 30


class Speed(Config):
    """How large a network is and how long it takes for one device, on the machine that measured it."""

    parameters: int
    passes: int
    """Of an extractor, for one device."""
    inference_ms: float
    """Median over devices, one by one, reading and preparing the images included."""


class Workshop:
    """Makes what experiments ask for; what is there already is not made again, what was stopped goes on.

    Args:
        out: folder for everything.
        benchmark: sizes, and settings that rows of a table change.
        console: where to say what is being done.
        workers: processes for rendering; the number of cores when None.
    """

    def __init__(self, out: Path, benchmark: Benchmark, console: Console, workers: int | None = None) -> None:
        self.out = out
        self.benchmark = benchmark
        self._stages = Stages(out, console)
        self._workers = workers

    def share(self, jobs: Mapping[str, Callable[[], Made]]) -> dict[str, Made]:
        """Run jobs that ask for sets and networks, those last that need what another run is making.

        Args:
            jobs: by what they are for, printed as a heading.
        """
        return self._stages.share(jobs)

    def library(self) -> Library:
        """Return the units that were scanned, with their meshes."""
        config = self.benchmark
        folder = self._folder("library", config.device_classes, config.seed, config.scanned_units, config.voxel_size_mm)
        self._once(folder, "scanned units", lambda: write_scanned_units(folder, config, self._workers))
        return Library.open(folder)

    def line_set(self, use: LineUse, modality: Modality) -> SampleSet:
        """Return images of units that were never scanned, from the simulated line."""
        config, line = self.benchmark, self._line(use)
        self._once(
            line / modality,
            f"{use} units on the line",
            lambda: scan_units(
                line / "units-as-new",
                line,
                config,
                config.line_units[use],
                self._workers,
                xray=modality == "xray",
                rgb=modality == "rgb",
            ),
        )
        return SampleSet.open(line / modality)

    def test_units(self) -> Library:
        """Return the worn units that the images of a test set show, once there is one."""
        return open_simulated(self._line("test") / "units")

    def radiographs(self, config: XrayRandomisation, per_class: int) -> SampleSet:
        """Return a training set of radiographs of the scanned units."""
        return self._rendered("xray", render_radiographs, config, per_class)

    def photographs(self, config: RgbRandomisation, per_class: int) -> SampleSet:
        """Return a training set of photographs of the scanned units."""
        return self._rendered("rgb", render_photographs, config, per_class)

    def without(self, samples: SampleSet, held_out: str) -> SampleSet:
        """Return a set of the same images but for one class."""
        folder = self.out / "sets" / f"{self._name(samples.folder).removeprefix('sets/')}-without-{held_out}"
        self._once(folder, f"the same without {held_out}", lambda: leave_out(samples, held_out, folder))
        return SampleSet.open(folder)

    def localiser(self, config: StreamTraining, sets: Sequence[SampleSet]) -> Path | None:
        """Return where the localiser of all streams on these devices is, where a stream needs one and can have it."""
        told = [samples for samples in sets if outlined([samples])]
        if not (config.stream.localises and told):
            return None
        names = [self._name(samples.folder).removeprefix("sets/") for samples in told]
        folder = self._folder("models/localiser", *names, config.localiser.digest())
        self._once(folder, "training the localiser", lambda: train_localiser(config.localiser, told, folder))
        return folder

    def stream(self, config: StreamTraining, sets: Sequence[SampleSet], start: Path | None = None) -> Path:
        """Return the bundle of a stream trained on sets, from scratch or going on from another stream."""
        modality = config.stream.modality
        names = [self._name(samples.folder).removeprefix("sets/") for samples in sets]
        origin = () if start is None else (start.name,)
        folder = self._folder(f"models/{modality}", *names, config.digest(), *origin)
        localiser = self.localiser(config, sets)
        self._once(folder, f"training {modality}", lambda: train_stream(config, sets, [], folder, start, localiser))
        return folder

    def fusion(
        self, config: FusionTraining, runs: Mapping[Modality, Path], sets: Mapping[Modality, Sequence[SampleSet]]
    ) -> Path:
        """Return the bundle of two streams fused."""
        names = sorted(self._name(samples.folder) for each in sets.values() for samples in each)
        folder = self._folder("models/rgbx", *(runs[each].name for each in sorted(runs)), *names, config.digest())
        self._once(folder, "training fusion", lambda: train_fusion(config, runs, sets, folder))
        return folder

    def copy(self, model: Path, purpose: str) -> Path:
        """Return a copy of a bundle to calibrate or to export, so that the tables' own stays as it was trained.

        A copy that is there keeps what was sealed in it since.
        """
        folder = self.out / purpose / model.name
        if not (folder / SUMS).exists():
            for name in (BUNDLE_FILE, WEIGHTS, SUMS):  # the seal last: with it the copy is whole
                link_in_place(model / name, folder / name)
        return folder

    def predictions(self, model: Path, channel: Channel) -> Predictions:
        """Return what a bundle says of the test sets: of both and their pairs, or of those of its one modality."""
        rgb = None if channel == "xray" else self.line_set("test", "rgb")
        xray = None if channel == "rgb" else self.line_set("test", "xray")
        pairings, seed = self.benchmark.pairings, self.benchmark.seed
        return cached_predictions(model, rgb, xray, self._results(model), pairings, seed)

    def measured(
        self, model: Path, what: str, settings: Config, kind: type[ConfigType], measure: Callable[[], ConfigType]
    ) -> ConfigType:
        """Return what is measured of a bundle on images of the line; measured once, by one run of those at it.

        Args:
            model: the bundle's folder.
            what: is measured, in the name of the file that keeps it.
            settings: that it depends on besides the benchmark's.
            kind: of the result.
            measure: gives it.
        """
        every = self.benchmark.updated({"held_out": ()})
        path = self._results(model) / f"{what}-{digest(every.digest(), settings.digest())}.json"
        self._once(path, f"measuring {what}", lambda: write_json(path, measure().model_dump(mode="json")))
        return kind.model_validate(read_json(path))

    def training_minutes(self, *models: Path) -> float:
        """Return how long networks took to train, all together."""
        return self.seconds(*models) / 60

    def seconds(self, *folders: Path) -> float:
        """Return how long sets and networks took to make, all together, before a stop and after it."""
        return sum(self._stages.seconds.get(self._name(folder), 0.0) for folder in folders)

    def speed(self, model: Path, channel: Channel) -> Speed:
        """Return a bundle's size and how long it takes; measured once."""
        path = self._results(model) / "speed.json"
        if not path.exists():
            write_json(path, self._measure_speed(model, channel).model_dump(mode="json"))
        return Speed.model_validate(read_json(path))

    def _rendered(
        self,
        modality: Modality,
        render: Callable[..., object],
        config: XrayRandomisation | RgbRandomisation,
        per_class: int,
    ) -> SampleSet:
        library, seed = self.library(), self.benchmark.seed
        folder = self._folder(f"sets/{modality}", library.path.name, config.digest(), per_class)
        self._once(
            folder,
            f"training images, {modality}",
            lambda: render(library, folder, config, images_per_class=per_class, seed=seed, workers=self._workers),
        )
        return SampleSet.open(folder)

    def _measure_speed(self, model: Path, channel: Channel) -> Speed:
        loaded = bundle.load_bundle(model)
        predictor = Predictor.load(model, "torch")
        used: tuple[Modality, ...] = ("rgb", "xray") if channel == "rgbx" else (channel,)
        times = []
        for rgb, xray in zip(self._timed("rgb", used), self._timed("xray", used), strict=True):
            start = time.perf_counter()
            predictor.predict(rgb, xray)
            times.append(1000 * (time.perf_counter() - start))
        return Speed(
            parameters=sum(each.numel() for each in loaded.network.parameters()),
            passes=sum(loaded.header.streams[modality].icam.iterations for modality in used),
            inference_ms=statistics.median(times),
        )

    def _timed(self, modality: Modality, used: tuple[Modality, ...]) -> list[Path | None]:
        """Return the images to measure the speed on, or as many times none."""
        if modality not in used:
            return [None] * TIMED_IMAGES
        samples = self.line_set("test", modality)
        return [samples.folder / name for name in itertools.islice(itertools.cycle(samples.file_names), TIMED_IMAGES)]

    def _line(self, use: LineUse) -> Path:
        settings = {"classes", "seed", "test_image_size", "line"}
        if use == "test":
            return self._folder(
                "line", self.benchmark.model_dump_json(include=settings | {"test_units", "views_per_test_unit"})
            )
        return self._folder("sets/line", self.benchmark.model_dump_json(include=settings | {f"{use}_units"}))

    def _folder(self, kind: str, *settings: Any) -> Path:
        return self.out / f"{kind}-{digest(*map(str, settings))}"

    def _results(self, model: Path) -> Path:
        return self.out / "results" / model.relative_to(self.out / "models")

    def _name(self, folder: Path) -> str:
        return str(folder.relative_to(self.out))

    def _once(self, folder: Path, purpose: str, make: Callable[[], object]) -> None:
        if not self._stages.is_done(self._name(folder)):
            with self._stages.stage(self._name(folder), purpose):
                make()


class BirdWorkshop(Workshop):
    """A workshop whose photographs are those of CUB-200-2011, and its tests the official ones.

    Args:
        folder: the official folder, ``CUB_200_2011``.
        out, benchmark, console, workers: as of :class:`Workshop`.
    """

    def __init__(
        self, folder: Path, out: Path, benchmark: Benchmark, console: Console, workers: int | None = None
    ) -> None:
        super().__init__(out, benchmark, console, workers)
        self._training, self._test = import_birds(folder, out / "cub200")

    def photographs(self, config: RgbRandomisation, per_class: int) -> SampleSet:  # noqa: ARG002
        """Return the official training images."""
        return self._training

    def line_set(self, use: LineUse, modality: Modality) -> SampleSet:  # noqa: ARG002
        """Return the official test images."""
        return self._test

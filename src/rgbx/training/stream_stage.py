"""Stage one: train one stream (paper, section III-B.2, Eq. 3)."""

import math
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import safetensors.torch
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader

from rgbx.datasets.labelled import LabelledImages, load_images, sets_digest, split_by_unit
from rgbx.errors import ConfigError, InputError
from rgbx.files import digest
from rgbx.models import bundle
from rgbx.models.header import read_bundle_header
from rgbx.models.icam import ICam, ICamOutput
from rgbx.models.localiser import Localiser
from rgbx.models.network import RgbXNetwork
from rgbx.models.stream import build_stream
from rgbx.models.stream_config import StreamConfig
from rgbx.registry import LOSSES
from rgbx.samples import SampleSet
from rgbx.training.augmentation import augment, batch_generator
from rgbx.training.batches import evaluation_batches, training_batches
from rgbx.training.budget import Budget
from rgbx.training.localiser_stage import read_localiser
from rgbx.training.losses import Step
from rgbx.training.places import measured_places
from rgbx.training.run import batch_share_of, fit_module, start_run, write_history
from rgbx.training.settings import StreamTraining
from rgbx.training.view_stage import fit_view
from rgbx.view.transform import Transform


def train_stream(
    config: StreamTraining,
    train_sets: Sequence[SampleSet],
    validation_sets: Sequence[SampleSet],
    out: Path,
    start: Path | None = None,
    localiser: Path | None = None,
) -> Path:
    """Train a stream and write its bundle; a run that was stopped goes on with the epoch it was in.

    Args:
        config: from :func:`~rgbx.training.settings.stream_training`, perhaps changed.
        train_sets: one or several sets of the stream's modality (from ``open_sets``).
        validation_sets: measured on after each epoch, never trained on; when empty, units of the training sets
            are held out for it (``validation_units``).
        out: the run's folder.
        start: a trained stream to go on from, in place of the backbone's initial weights. It may look more or less
            often and know other classes: what it says of those that both know is kept.
        localiser: run or bundle of a stream of photographs, whose localiser finds the devices in these; by default that
            of ``start``, or one that is trained on what the records say.

    Returns:
        ``out``, now a bundle.

    Raises:
        RgbxError: the data, the weights, the start or the folder cannot be used.
    """
    check_places(config, settled=False)
    header = train_sets[0].header
    sources = {"train": sets_digest(train_sets), "validation": sets_digest(validation_sets)}
    settings = {"training": config.model_dump(mode="json"), "classes": list(header.classes), **sources}
    started = {} if start is None else {"start": read_bundle_header(start).weights_sha256}
    finder = given_localiser(config.stream, localiser, start)
    if localiser is not None and finder is not None:
        started["localiser"] = digest(safetensors.torch.save(finder.state_dict()))
    if start_run(out, {**settings, **started}):
        return out
    known = None if start is None else read_bundle_header(start).streams.get(header.modality)
    seen_before = None if known is None else known.transform
    config, transform, finder = fit_view(config, train_sets, out, finder, seen_before)
    check_places(config, settled=True)
    training, validation = load_split(config, train_sets, validation_sets, transform)
    config = with_places(config, training)
    torch.manual_seed(config.seed)
    module = StreamModule(config, len(header.classes))
    if finder is not None and module.stream.localiser is not None:
        module.stream.localiser.load_state_dict(finder.state_dict())
    if start is not None:
        go_on_from(start, module.stream, config.stream, header.classes)
    fit_module(module, StreamData(config, training, validation), config.epochs, out, f"training {header.modality}")
    if not module.trainer.is_global_zero:
        return out
    write_history(out, module.history)
    bundle.save_bundle(
        out,
        RgbXNetwork({header.modality: module.stream}, fused=False),
        header.classes,
        {header.modality: config.stream},
        training={header.modality: config.model_dump(mode="json")},
        sources={header.modality: sources["train"], **started},
        metrics={f"{header.modality}_{name}": value for name, value in module.history[-1].items()},
    )
    return out


def given_localiser(stream: StreamConfig, localiser: Path | None, start: Path | None) -> Localiser | None:
    """Return the localiser of an earlier run, if one is named, or of the stream to go on from, if it has one.

    Raises:
        ConfigError: one is named for a stream that sees images whole, or radiographs.
        InputError: what is named has none.
    """
    if not stream.localises:
        if localiser is not None:
            raise ConfigError("a localiser finds devices in photographs that are seen upright: leave it out here.")
        return None
    run = localiser or start
    finder = None if run is None else read_localiser(run)
    if localiser is not None and finder is None:
        raise InputError(localiser, "has no localiser", "give the run of a stream that sees photographs upright")
    return finder


def check_places(config: StreamTraining, settled: bool) -> None:
    """Refuse to measure where classes differ in images of devices that do not all lie the same way.

    Args:
        config: of the stream's training.
        settled: whether its view is that of :func:`~rgbx.training.view_stage.fit_view`, which finds the references.

    Raises:
        ConfigError: places are to be measured in such images.
    """
    view = config.stream.transform
    may_lie_alike = config.stream.modality == "xray" and view.view == "upright"
    if measures_places(config) and not (may_lie_alike and (view.references or not settled)):
        raise ConfigError(
            "stream.icam.window=measured is for upright radiographs, whose devices all lie the same way, and these "
            "images are none: set stream.icam.window=square."
        )


def measures_places(config: StreamTraining) -> bool:
    """Return whether the places that a stream looks at more closely are to be measured."""
    loop = config.stream.icam
    return loop.window == "measured" and not loop.window_options and loop.iterations > 1


def with_places(config: StreamTraining, images: LabelledImages) -> StreamTraining:
    """Return a configuration with the places that its stream looks at more closely, where these are to be measured.

    Raises:
        RgbxError: there are none.
    """
    if not measures_places(config):
        return config
    loop = config.stream.icam
    places = measured_places(images, loop.crop_fraction, loop.iterations - 1)
    said = ", ".join(f"{left:.2f} from the left and {top:.2f} from above" for left, top in places)
    print(f"places: looks closer at {said}, {loop.crop_fraction:g} of each side", file=sys.stderr)
    return config.updated({"stream.icam.window_options": {"places": places}})


def go_on_from(start: Path, stream: ICam, config: StreamConfig, classes: tuple[str, ...]) -> None:
    """Give a new stream what a trained one has learnt.

    Raises:
        InputError: ``start`` is no bundle, or has no such stream, or one with another backbone.
    """
    trained = bundle.load_bundle(start)
    theirs = trained.header.streams.get(config.modality)
    if theirs is None or theirs.backbone.name != config.backbone.name:
        found = f"the backbone {theirs.backbone.name}" if theirs else f"no stream '{config.modality}'"
        raise InputError(start, f"has {found}", f"start from a stream '{config.modality}' on {config.backbone.name}")
    known = trained.header.classes
    rows = [(place, known.index(name)) for place, name in enumerate(classes) if name in known]
    stream.start_from(trained.network.streams[config.modality], rows)  # type: ignore[arg-type]


def load_split(
    config: StreamTraining,
    train_sets: Sequence[SampleSet],
    validation_sets: Sequence[SampleSet],
    transform: Transform,
) -> tuple[LabelledImages, LabelledImages | None]:
    """Load training and validation images; the latter None when there is nothing to validate on."""
    training = load_images(train_sets, transform, per_class=config.images_per_class)
    if validation_sets:
        return training, load_images(validation_sets, transform, classes=training.classes)
    if config.validation_units == 0:
        return training, None
    units = Counter(label for label, _ in set(zip(training.labels.tolist(), training.units, strict=True)))
    if min(units.values()) <= config.validation_units:
        few = min(units, key=units.__getitem__)
        print(
            f"warning: class {training.classes[few]} has {units[few]} unit(s), too few to hold out "
            f"{config.validation_units}; training goes on without validation.",
            file=sys.stderr,
        )
        return training, None
    return split_by_unit(training, config.validation_units, config.seed)


class StreamData(L.LightningDataModule):
    """Gives each epoch its own order of batches."""

    def __init__(self, config: StreamTraining, training: LabelledImages, validation: LabelledImages | None) -> None:
        super().__init__()
        self._config = config
        self._training = training
        if validation is not None:  # Lightning validates when this attribute is there
            loader = evaluation_batches(validation, 2 * config.batch_size)
            self.val_dataloader = lambda: loader  # type: ignore[method-assign]

    def train_dataloader(self) -> DataLoader:
        epoch = self.trainer.current_epoch if self.trainer else 0
        config = self._config
        return training_batches(
            self._training, config.batch_size, config.seed, epoch, batch_share_of(self.trainer), config.wear
        )


class StreamModule(L.LightningModule):
    """Loss, optimiser and figures of one stream."""

    def __init__(self, config: StreamTraining, classes: int) -> None:
        super().__init__()
        self.config = config
        self.stream = build_stream(config.stream, classes)
        self.history: list[dict[str, float]] = []
        self.budget = Budget(config)

    def training_step(self, batch: tuple[int, torch.Tensor, torch.Tensor], _index: int) -> torch.Tensor:
        number, images, labels = batch
        generator = batch_generator(self.config.seed, self.current_epoch, number, self.global_rank)
        torch.manual_seed(generator.initial_seed())  # dropout
        augmented = augment(images, self.config.augment, generator)
        label = labels if self.config.crop_by_label else None
        output = self.stream(augmented, label, self._iterations())
        loss = self._loss(output, labels)
        step = Step(self.stream, augmented, output, labels, generator, self._cross_entropy)
        for name, weight in self.config.extra_losses.items():
            loss = loss + weight * LOSSES[name](step)
        size = len(labels)
        correct = (output.logits.argmax(1) == labels).float().mean()
        log = partial(self.log, on_step=False, on_epoch=True, batch_size=size, prog_bar=True, sync_dist=True)
        log("train_loss", loss)
        log("train_accuracy", correct)
        return loss

    def validation_step(self, batch: tuple[int, torch.Tensor, torch.Tensor], _index: int) -> None:
        _, images, labels = batch
        output = self.stream(images, iterations=self._iterations())
        size = len(labels)
        self.log("validation_loss", F.cross_entropy(output.logits, labels), batch_size=size)
        correct = (output.logits.argmax(1) == labels).float().mean()
        self.log("validation_accuracy", correct, batch_size=size, prog_bar=True)
        if output.iteration_logits.shape[1] > 1:
            for place, logits in enumerate(output.iteration_logits.unbind(1), start=1):
                alone = (logits.argmax(1) == labels).float().mean()
                self.log(f"validation_accuracy_iteration_{place}", alone, batch_size=size)

    def on_train_epoch_start(self) -> None:
        if self.config.join_frozen and self.budget.warm_up:
            for extractor in self.stream.extractors[: self._iterations() - 1]:
                extractor.requires_grad_(False)

    def on_train_epoch_end(self) -> None:
        figures = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.history.append({"epoch": float(self.current_epoch + 1), **figures})
        epoch = self.current_epoch
        if self.budget.restarts_after(epoch, figures["train_loss"], figures["train_accuracy"]):
            self.trainer.fit_loop.max_epochs = self.budget.end
        elif self.budget.warm_up and epoch + 1 == self.budget.warm_up_ends:
            self.stream.end_warm_up()

    def configure_optimizers(self) -> Any:
        config = self.config
        aggregating = [each for each in self.stream.aggregator.parameters() if each.requires_grad]
        apart = set(aggregating)
        learning = [each for each in self.stream.parameters() if each.requires_grad and each not in apart]
        parameters: list[dict[str, Any]] = [{"params": learning}]
        if aggregating:
            rate = config.learning_rate * config.aggregation_rate
            parameters.append({"params": aggregating, "lr": rate, "weight_decay": 0.0})
        optimizer: torch.optim.Optimizer
        if config.optimizer == "sgd":
            optimizer = torch.optim.SGD(
                parameters,
                config.learning_rate,
                momentum=config.momentum,
                weight_decay=config.weight_decay,
                nesterov=config.momentum > 0,
            )
        else:
            optimizer = torch.optim.AdamW(
                parameters, config.learning_rate, weight_decay=config.weight_decay, fused=True
            )
        steps = int(self.trainer.estimated_stepping_batches)
        steps_per_epoch = max(steps // (self.trainer.max_epochs or 1), 1)

        def factor(step: int) -> float:
            _, start, end = self.budget.stage(step // steps_per_epoch)
            return rate_factor(config, step - start * steps_per_epoch, (end - start) * steps_per_epoch, steps_per_epoch)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["history"] = self.history
        checkpoint["budget"] = self.budget.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.history = checkpoint["history"]
        self.budget.restore(checkpoint["budget"])
        self.trainer.fit_loop.max_epochs = self.budget.end

    def _loss(self, output: ICamOutput, labels: torch.Tensor) -> torch.Tensor:
        """Return the loss of the aggregated logits (Eq. 3) and, weighted, of each iteration's own."""
        loss = self._cross_entropy(output.logits, labels)
        count = output.iteration_logits.shape[1]
        if self.config.iteration_loss and count > 1:
            each = self._cross_entropy(output.iteration_logits.flatten(0, 1), labels.repeat_interleave(count))
            loss = loss + self.config.iteration_loss * each
        return loss

    def _cross_entropy(self, logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, labels, label_smoothing=self.config.label_smoothing)

    def _iterations(self) -> int:
        return self.budget.stage(self.current_epoch).iterations


def rate_factor(config: StreamTraining, step: int, steps: int, steps_per_epoch: int) -> float:
    """Return the learning rate at ``step`` of a schedule of ``steps``, as a fraction of the configured one.

    One-cycle: up linearly over the first fifth, then down to 0 along a cosine.
    """
    if config.schedule == "step":
        return config.step_factor ** (step // steps_per_epoch // config.step_epochs)
    if config.schedule == "constant":
        return 1.0
    progress = step / steps
    if progress < 0.2:
        return max(progress / 0.2, 0.02)
    return 0.5 * (1 + math.cos(math.pi * min((progress - 0.2) / 0.8, 1.0)))

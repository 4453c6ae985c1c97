"""What can be set about training, and the two presets: the paper's, and one that fits two cores."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rgbx.config import Config
from rgbx.modality import Modality
from rgbx.models.stream_config import Preset, StreamConfig, stream_preset
from rgbx.registry import LOSSES
from rgbx.training.augmentation import AugmentConfig
from rgbx.training.wear import PaintedWear


class LocaliserTraining(Config):
    """Training of what finds the device in photographs."""

    images: int = Field(default=3000, ge=1)
    """Photographs that it is trained on, at most."""
    steps: int = Field(default=900, ge=1)
    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=3e-3, gt=0.0)
    seed: int = 0


class StreamTraining(Config):
    """Training of one stream."""

    stream: StreamConfig
    augment: AugmentConfig = AugmentConfig()
    wear: PaintedWear | None = None
    """Painted on photographs, e.g. ``{}`` for all kinds at their defaults; none when None."""
    localiser: LocaliserTraining = LocaliserTraining()
    epochs: int = Field(default=8, ge=1)
    restarts: int = Field(default=0, ge=0, le=4)
    """How often a schedule that ends before the images have been learnt begins again, each time twice as long."""
    learnt: float = Field(default=0.85, ge=0.0, le=1.0)
    """Training accuracy from which images count as learnt."""
    warmup_epochs: int = Field(default=0, ge=0)
    """The first epochs run one iteration only: activation maps mean little before the network has learnt. However few
    ``epochs`` there are, the last one is left for all iterations, and one for each extractor of its own that joins."""
    join_frozen: bool = False
    """After the warm-up the extractor stays as it is, save for its statistics; the aggregator and the classifier go on
    learning. A third of the time, and at the end of a short schedule the extractor hardly moves anyway. Extractors of
    their own (``stream.icam.extractors``) join one after the other, and those before stay as they are."""
    batch_size: int = Field(default=32, ge=1)
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: float = Field(default=0.05, gt=0.0)
    momentum: float = Field(default=0.9, ge=0.0, lt=1.0)
    weight_decay: float = Field(default=1e-4, ge=0.0)
    schedule: Literal["one_cycle", "step", "constant"] = "one_cycle"
    step_epochs: int = Field(default=7, ge=1)
    """``step``: the rate falls by ``step_factor`` every so many epochs."""
    step_factor: float = Field(default=0.1, gt=0.0)
    iteration_loss: float = Field(default=1.0, ge=0.0)
    """Weight of the loss on each iteration's own logits; 0 as in the paper."""
    extra_losses: dict[Annotated[str, AfterValidator(LOSSES.check)], Annotated[float, Field(gt=0.0)]] = Field(
        default_factory=dict
    )
    """Weights of further losses, by their names in :data:`rgbx.registry.LOSSES`."""
    aggregation_rate: float = Field(default=1.0, gt=0.0)
    """Learning rate of the aggregator's weights as a multiple of the others'."""
    crop_by_label: bool = False
    """Crop round the map of the true class while training, instead of the predicted one's."""
    label_smoothing: float = Field(default=0.05, ge=0.0, lt=1.0)
    validation_units: int = Field(default=1, ge=0)
    """Units of each class held out when no validation set is given; 0 trains on all."""
    images_per_class: int | None = Field(default=None, ge=1)
    """Use only so many images of each class; all when not set."""
    seed: int = 0


def stream_training(modality: Modality, preset: Preset = "small") -> StreamTraining:
    """Return a preset: ``paper`` (Table II's caption) or ``small`` (minutes on two cores, docs/results/training.md)."""
    stream = stream_preset(modality, preset)
    augment = AugmentConfig(flip=modality == "xray")
    if modality == "rgb":  # light and grain vary in the photographs themselves, colours too little
        augment = AugmentConfig(
            gamma=(0.8, 1.25),
            contrast=(0.9, 1.1),
            brightness=(-0.05, 0.05),
            colour_gain=(0.8, 1.2),
            hue=(-180.0, 180.0),
            saturation=(0.0, 1.2),
            noise=(0.0, 0.02),
            blur=0.1,
            cutout=0.2,
        )
    if preset == "paper":
        return StreamTraining(
            stream=stream,
            augment=augment,
            epochs=40,
            batch_size=16,
            learning_rate=0.001,
            schedule="step",
            weight_decay=0.0,
            iteration_loss=0.0,
            label_smoothing=0.0,
        )
    epochs = 16 if modality == "rgb" else 5
    return StreamTraining(
        stream=stream,
        augment=augment,
        epochs=epochs,
        restarts=2,
        warmup_epochs=epochs - 1,
        join_frozen=True,
        batch_size=16,
        optimizer="adamw",
        learning_rate=0.001,
        weight_decay=0.02,
    )


class FusionTraining(Config):
    """Training of the fusion."""

    mode: Literal["fast", "slow", "product", "mean"] = "fast"
    """``fast``: C_R, C_X and FS only, on features computed once. ``slow``: the extractors too. Baselines that learn
    nothing: ``product`` of experts (the sum of both class vectors, which the others start from) and their ``mean``,
    which gives the same answers with less confidence."""
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0.0)
    """Small: the streams know their training images, and a fusion that learns fast learns to trust that."""
    weight_decay: float = Field(default=1e-3, ge=0.0)
    modality_dropout: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of pairs in training in which one modality, either, says nothing, so that FS learns not to lean on one."""
    views: int = Field(default=2, ge=1)
    """``fast``: how many augmented views of each image are encoded; a radiograph is re-oriented in each."""
    images_per_class: int | None = Field(default=None, ge=1)
    label_smoothing: float = Field(default=0.05, ge=0.0, lt=1.0)
    seed: int = 0

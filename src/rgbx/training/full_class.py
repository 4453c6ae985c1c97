"""Adding a class by training on: from the candidate made in closed form, on all images, old ones and new (replay).

The closed form is the probe, and the network is tuned from there, gently: so old classes keep more than if features
moved while the classifier still had everything to learn (Kumar et al., 2022).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from rgbx.config import Config
from rgbx.errors import ConfigError, RgbxError
from rgbx.modality import Modality
from rgbx.models.header import read_bundle_header
from rgbx.samples import SampleSet
from rgbx.samples.extend import set_with_class
from rgbx.training.fusion_stage import train_fusion
from rgbx.training.settings import FusionTraining, StreamTraining
from rgbx.training.stream_stage import train_stream


class FullAddition(Config):
    """How to train on."""

    epochs: int | None = Field(default=None, ge=1)
    """Of each stream; half as many as it was trained for when None."""
    rate: float = Field(default=0.3, gt=0.0, le=1.0)
    """Learning rate, as a share of the one that the stream was trained with."""


def train_with_class(
    candidate: Path,
    name: str,
    old_sets: Mapping[Modality, Sequence[SampleSet]],
    sets: Mapping[Modality, Sequence[SampleSet]],
    out: Path,
    config: FullAddition,
) -> Path:
    """Train a candidate's streams on and fuse them; a run that was stopped goes on.

    Args:
        candidate: bundle that knows the class already, by closed form.
        name: of the class.
        old_sets: what the bundle was trained on before, without the class; each may show some of the other classes.
        sets: images of the class.
        out: folder for all that is made.
        config: how.

    Returns:
        The folder of the bundle within ``out``.

    Raises:
        RgbxError: a set cannot be used, or the bundle does not say how it was trained.
    """
    header = read_bundle_header(candidate)
    trainings = {modality: _training(header.training.get(modality), modality, config) for modality in header.streams}
    joined: dict[Modality, list[SampleSet]] = {}
    runs: dict[Modality, Path] = {}
    for modality, training in trainings.items():
        joined[modality] = [
            _extended(
                samples, header.classes, name, sets[modality] if number == 0 else (), out / f"sets/{modality}-{number}"
            )
            for number, samples in enumerate(old_sets[modality])
        ]
        runs[modality] = train_stream(training, joined[modality], [], out / modality, candidate)
    if not header.fused:
        (run,) = runs.values()
        return run
    return train_fusion(_fusion_training(header.training.get("fusion")), runs, joined, out / "fused")


def _training(kept: object, modality: Modality, config: FullAddition) -> StreamTraining:
    """Return how a stream is trained on; it looks as often as it does, from the first epoch."""
    try:
        before = StreamTraining.model_validate(kept)
    except ConfigError as error:
        raise RgbxError(
            f"The bundle does not say how its {modality} stream was trained, so it cannot be trained on: train one of "
            "all classes with 'rgbx train'."
        ) from error
    epochs = config.epochs or max(1, before.epochs // 2)
    changes = {"epochs": epochs, "learning_rate": config.rate * before.learning_rate, "restarts": 0}
    return before.updated({**changes, "warmup_epochs": 0, "validation_units": 0})


def _fusion_training(kept: object) -> FusionTraining:
    return FusionTraining() if kept is None else FusionTraining.model_validate(kept)


def _extended(samples: SampleSet, classes: Sequence[str], name: str, more: Sequence[SampleSet], out: Path) -> SampleSet:
    """Make a set with the class that lists all others, or return the one that a run before has made."""
    return SampleSet.open(out) if out.exists() else set_with_class(samples, name, more, out, listed=classes)

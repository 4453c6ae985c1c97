"""Which devices people are asked to look at: the section ``review`` of ``line.yaml``."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from rgbx.config import Config

NO_KNOWN_CLASS, PASSED_ON = "unknown", "skip"
"""What a reviewer says instead of a class: it is of none of them; somebody else shall look."""
LONGEST_CLASS = 60
QueueName = Literal["random", "margin", "unknown", "aside", "disagree", "late"]
Weight = Annotated[float, Field(ge=0.0)]


class QueueWeights(Config):
    """How often a device comes from each queue, in proportion; 0 turns one off."""

    random: Weight = 3.0
    """Drawn whatever they look like: the only ones that error rates are estimated from."""
    margin: Weight = 3.0
    """Of the devices that went to a bin, those whose two likeliest classes are nearest: where false sorts are."""
    unknown: Weight = 2.0
    """Put aside as like nothing known."""
    aside: Weight = 1.0
    """Put aside since the model could not decide, the nearest classes first: what it may learn most from."""
    disagree: Weight = 1.0
    """Photograph and radiograph say different classes, each alone; those that went to a bin first."""
    late: Weight = 1.0
    """No answer was there at the deadline."""

    @model_validator(mode="after")
    def _one_is_on(self) -> "QueueWeights":
        if not any(self.model_dump().values()):
            raise ValueError("every queue is turned off: give one a weight above 0")
        return self


class ReviewMix(Config):
    """Which devices people are asked to look at."""

    random_share: float = Field(default=0.01, gt=0.0, le=1.0)
    """Of all devices, drawn by the hash of their line in the log."""
    weights: QueueWeights = QueueWeights()
    days: PositiveFloat = 30.0
    """Older devices are asked about no longer, counted back from the newest."""
    second_opinion: float = Field(default=0.05, ge=0.0, le=1.0)
    """Share of devices that two people are asked about, drawn by the hash too."""
    columns: int = Field(default=3, ge=2, le=9)
    """Classes to choose from at least, though fewer are likely: with one alone nobody would look."""
    known: Path | None = None
    """Folder of known devices to compare with, ``rgb/CLASS/…`` and ``xray/CLASS/…``, or two sets."""
    classes: tuple[str, ...] = ()
    """Classes beside those of the models that a device may be labelled as, such as a new one."""

    @field_validator("classes")
    @classmethod
    def _can_be_names(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        for name in classes:
            problem = label_problem(name)
            if problem:
                raise ValueError(f"'{name}' {problem}")
        return classes


def label_problem(name: str) -> str:
    """Return why a name cannot be a class to label devices as; nothing where it can."""
    if name.strip().lower() in (NO_KNOWN_CLASS, PASSED_ON):
        return "is what reviewers say of devices of no class: call the class something else"
    if name != name.strip() or not name.isprintable() or not 0 < len(name) <= LONGEST_CLASS:
        return f"is no name of a class: take 1 to {LONGEST_CLASS} printable characters, without spaces around"
    if name.startswith(".") or any(sign in name for sign in '/\\:*?"<>|'):
        return 'cannot be the name of a folder: leave out / \\ : * ? " < > | and a leading dot'
    return ""

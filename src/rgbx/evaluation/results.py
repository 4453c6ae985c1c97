"""The figures of an evaluation: what ``metrics.json`` holds."""

from typing import Literal

from pydantic import Field

from rgbx.config import Config
from rgbx.evaluation.intervals import Estimate, Interval, PairedTest
from rgbx.modality import Channel


class ClassScores(Config):
    """Figures of one class."""

    name: str
    n: float
    """Test images (for RGB-X pairs, the mean over pairings) of the class."""
    precision: float
    """0 where the class was never predicted."""
    recall: float
    """0 where the class does not occur."""
    recall_interval: Interval | None
    """Wilson's; None where the class does not occur."""


class TrustScores(Config):
    """What became of devices by a calibrated bundle's decisions."""

    sorted: Estimate
    """Share that was sent to a bin (coverage); bootstrap interval over units."""
    false_sorts: float
    """Devices sent to a wrong bin; for RGB-X the mean over pairings."""
    false_sort_bound: float
    """Clopper and Pearson's upper bound (95 %) of the rate of false sorts among the devices sorted."""
    reasons: dict[str, float]
    """Share of devices put aside, by reason."""
    covered: Estimate
    """Share of devices whose class is among the candidates."""
    candidates: float
    """How many there are on average."""


class Scores(Config):
    """Figures of one modality. For RGB-X they are pooled over the random pairings."""

    accuracy: float
    low: float
    """Wilson's interval of the accuracy, each image one trial."""
    high: float
    n: int
    """Images; for RGB-X the photographs, each of which is in every pairing once."""
    units: int
    """Physical units that the images show."""
    accuracy_by_unit: Interval
    """Bootstrap interval of the accuracy, units drawn anew; the honest one where units have several views."""
    precision: Estimate
    """Macro precision, bootstrap interval over units."""
    recall: Estimate
    """Macro recall, likewise."""
    calibration_error: Estimate
    """Expected calibration error, 15 bins; bootstrap interval over units."""
    trust: TrustScores | None = None
    """None for a bundle that was not calibrated."""
    per_class: tuple[ClassScores, ...]
    confusion: tuple[tuple[int, ...], ...]
    """Rows: truth, columns: prediction; for RGB-X the sum over pairings."""


class PairingScore(Config):
    """Accuracy of RGB-X in one pairing, with Wilson's interval."""

    name: str
    accuracy: float
    low: float
    high: float
    n: int


class Pairings(Config):
    """How much the luck of pairing matters."""

    count: int
    seed: int
    mean: float
    min: float
    max: float
    each: tuple[PairingScore, ...]
    same_unit: PairingScore | None = None
    """Photographs with radiographs of the very same unit, where both exist."""


class Evaluation(Config):
    """What ``metrics.json`` holds; modalities that were not tested are left out of it."""

    rgb: Scores | None = None
    xray: Scores | None = None
    rgbx: Scores | None = None
    tests: dict[Literal["rgb", "xray"], PairedTest] = Field(default_factory=dict)
    """RGB-X against each stream alone."""
    pairings: Pairings | None = None
    classes: tuple[str, ...]
    origin: str
    """How the test images came about: simulated stand-ins, or not."""

    @property
    def scores(self) -> dict[Channel, Scores]:
        """The modalities that were tested, RGB-X last."""
        all_scores: dict[Channel, Scores | None] = {"rgb": self.rgb, "xray": self.xray, "rgbx": self.rgbx}
        return {name: scores for name, scores in all_scores.items() if scores is not None}

"""What is done with a device: sent to a bin, or put aside for a stated reason."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from rgbx.modality import Channel

RejectReason = Literal["no device", "unknown", "low confidence", "modalities disagree", "bad image", "late"]
"""Why a device is put aside. ``no device``: none was found in an image, so all of it was looked at. ``unknown``: it is
like nothing the bundle was trained on. ``bad image``: an image cannot be used. ``late``: the answer came after the
device had passed the sorting gate."""


class AnomalyMap(NamedTuple):
    """Where a device differs from the known ones that it resembles most."""

    label: str
    """Their class."""
    values: np.ndarray
    """(H, W) float32 over the prepared radiograph: 0 where it is as known, about 1 or more where nothing like it."""


@dataclass(frozen=True)
class Decision:
    """What to do with one device."""

    bin: str | None
    """Where it goes; None when it is put aside."""
    reason: RejectReason | None
    """Why it is put aside; None when it is not."""
    candidates: tuple[str, ...] = ()
    """Classes that it may be of, the likelier first; the true one is missing no oftener than the calibration allows."""
    unknown_score: float | None = None
    """0 to 1: the share of known devices that look less strange; None where the bundle was not calibrated."""
    ood_scores: Mapping[Channel, float] = field(default_factory=dict)
    """The out-of-distribution score itself, of each modality alone and of both: what the drift alarm watches."""

    @property
    def accepted(self) -> bool:
        """Whether the device goes to a bin."""
        return self.reason is None

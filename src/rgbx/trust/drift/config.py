"""What is asked of the drift alarm, and what it may say."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from rgbx.config import Config

DriftCause = Literal["camera", "X-ray tube or detector", "new devices"]
"""``camera``: or its light. ``new devices``: of a kind that the model does not know, or in another state."""


class DriftConfig(Config):
    """What is asked of the drift alarm."""

    false_alarms_a_year: PositiveFloat = 1.0
    """At most so many, on average, while nothing changes; of all signals together."""
    devices_a_day: PositiveInt = 2000
    """That the line sorts, over a year's 365 days."""
    reference: Literal["calibration", "line"] = "calibration"
    """What the first devices' out-of-distribution scores are compared with: the calibration's, or none, so that each
    class's first devices on the line make the reference. Choose ``line`` where the calibration was on other devices,
    or in another light."""
    tolerance: float = Field(default=2.0, ge=1.0)
    """So many times as many devices as usual may be strange before it counts as drift. Some of the devices that are
    taken for a class are of others, so when the mix of devices changes, their scores do. With 1 that is drift."""
    looks: bool = True
    """Whether to watch the look of images as well (:mod:`rgbx.trust.drift.looks`)."""

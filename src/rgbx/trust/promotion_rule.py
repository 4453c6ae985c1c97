"""What has to be shown of a candidate: settings, without what reckons with them."""

from pydantic import Field

from rgbx.config import Config
from rgbx.trust.sorting import Fraction


class PromotionRule(Config):
    """What has to be shown of a candidate before it may be promoted."""

    bound: Fraction = 0.01
    """Highest rate of false sorts among the devices that it sorts."""
    margin: float = Field(default=0.005, ge=0.0, lt=1.0)
    """How many more false sorts than the active model it may make, as a share of all devices; 0: fewer are to be shown.
    """
    aside_margin: Fraction | None = None
    """How many more devices than the active model it may put aside, as a share of all; not asked for when None."""
    confidence: Fraction = 0.95
    """Of each of these, however often one looks."""
    class_bound: Fraction = 0.1
    """Classes with fewer devices than it takes to show this rate, without an error, are said to have too few."""

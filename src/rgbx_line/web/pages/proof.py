"""Whether reviews prove that the candidate may be promoted: what the page Models shows of it."""

from typing import Any, NamedTuple

from rgbx_line.web.pages.site import LineSite


class PromotionProof(NamedTuple):
    """What reviews say of the candidate."""

    holds: bool
    """Whether it may be promoted."""
    sentence: str
    """Why, or how many more reviews it takes."""
    context: dict[str, Any]
    """What ``models-proof.html`` shows."""


def promotion_proof(site: LineSite, candidate: int) -> PromotionProof | None:
    """Return what reviews say of the candidate; None where nothing is asked of it, so that nothing is shown.

    Args:
        site: of the pages.
        candidate: its number.
    """
    del site, candidate
    return None

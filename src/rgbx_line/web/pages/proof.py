"""Whether reviews prove that the candidate may be promoted: what the page Models shows of it, and what is refused."""

import asyncio
from typing import Any, NamedTuple

from rgbx.errors import RgbxError
from rgbx_line.review.candidates import PROMOTION_ALLOWED, CandidateReviews, candidate_reviews, check_promotion
from rgbx_line.review.desk import CATCH_UP
from rgbx_line.web.access import Refusal
from rgbx_line.web.pages.site import LineSite


class PromotionProof(NamedTuple):
    """What reviews say of the candidate."""

    holds: bool
    """Whether it may be promoted."""
    sentence: str
    """Why, or how many more reviews it takes."""
    context: dict[str, Any]
    """What ``models-proof.html`` shows: ``reviewed``, unless that cannot be reckoned."""


def promotion_proof(site: LineSite, candidate: int) -> PromotionProof | None:
    """Return what reviews say of the candidate; None where nothing is asked of it, so that nothing is shown.

    Args:
        site: of the pages.
        candidate: its number.
    """
    try:
        found = candidate_reviews(site.settings, candidate, site.link.state.announced, CATCH_UP)
    except RgbxError as error:  # a model may be gone back to all the same
        return PromotionProof(False, str(error), {})
    return None if found is None else PromotionProof(found.proof.passes, found.sentence, {"reviewed": found})


async def hold_unproven(site: LineSite, number: int, who: str) -> None:
    """Refuse to promote a model of which more is asked than reviews prove; else note in the log what they say.

    Raises:
        Refusal: it is not proven, or inference cannot be reached.
    """
    found = await asyncio.to_thread(_checked, site, number, site.announced)
    if found is not None:
        await site.ask("audit", what=PROMOTION_ALLOWED, who=who, **found.for_the_log())


def _checked(site: LineSite, number: int, through: int) -> CandidateReviews | None:
    try:
        return check_promotion(site.settings, number, through)
    except RgbxError as error:
        raise Refusal(409, str(error)) from error

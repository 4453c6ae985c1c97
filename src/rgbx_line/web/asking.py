"""What handlers ask inference for, and how they tell that it refuses, is away or is silent."""

import asyncio
from typing import Any

from rgbx.errors import RgbxError
from rgbx_line.channel import Link
from rgbx_line.contract import FaultCode
from rgbx_line.web.access import Refusal

ANSWER_WITHIN_S = 5.0
LOAD_WITHIN_S = 120.0
"""A model is loaded, and tested on the golden devices, before inference answers."""


async def ask_inference(link: Link, do: str, within: float | None = None, **content: Any) -> dict[str, Any]:
    """Ask inference for something and return its answer.

    Args:
        link: to inference.
        do: the request's name.
        within: seconds; ``ANSWER_WITHIN_S`` when None.
        content: what comes with the request.

    Raises:
        Refusal: 409 when it refuses, 503 when it cannot be reached, 504 when it is silent.
    """
    within = ANSWER_WITHIN_S if within is None else within
    try:
        async with asyncio.timeout(within):
            return await link.ask(do, **content)
    except TimeoutError:
        raise Refusal(504, f"The line's inference has not answered within {within:g} s: see what it did.") from None
    except RgbxError as error:
        raise Refusal(503 if inference_is_away(link) else 409, str(error)) from error


def inference_is_away(link: Link) -> bool:
    """Say whether inference is not there, or not ready yet."""
    return link.state.fault is FaultCode.STARTING


def announced_through(link: Link) -> int:
    """Return how far the log may be told of.

    Raises:
        Refusal: 503, it is not known yet.
    """
    if link.state.announced == 0 and inference_is_away(link):
        raise Refusal(503, why_not_ready(link), {"Retry-After": "1"})
    return link.state.announced


def why_not_ready(link: Link) -> str:
    """Return a sentence for who wants something of a line that is not ready."""
    return link.state.fault_text or "The line is not ready: try again in a moment."

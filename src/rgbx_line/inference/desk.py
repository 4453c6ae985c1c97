"""Where the processes of drivers hear of triggers, and say how they are.

A driver asks for the next trigger and is answered when there is one, or with nothing after a moment, so that inference
knows at any time whether it is there. Each trigger is handed out once, and never late: what lies before the camera by
then may be another part.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from rgbx.errors import RgbxError
from rgbx.modality import TITLES
from rgbx_line.inference.open_parts import OpenPart
from rgbx_line.settings import DriverSettings

ANSWERED_WITHIN_S = 0.5
"""A driver that asks for a trigger, with nothing when there is none."""
DRIVER_SILENT_S = 2.0
"""A driver that has not asked for so long is away."""
TAKES_S = 5.0
"""An image at most; a driver that needs longer is away."""
_log = structlog.get_logger("rgbx.line.inference")


@dataclass
class _Post:
    """One driver."""

    settings: DriverSettings
    waiting: deque[tuple[float, OpenPart]] = field(default_factory=deque)
    """Triggers that it has not heard of, and when they were."""
    news: asyncio.Event = field(default_factory=asyncio.Event)
    asked: int = 0
    """How often it has asked."""
    heard: float = float("-inf")
    """When it last gave a sign of life."""
    takes: bool = False
    """Whether it was told of a trigger, and has not asked for the next one since."""
    problem: str = ""


class DriverDesk:
    """Hands triggers to drivers, in the engine's event loop.

    Args:
        drivers: of the line.
        now: the steady clock, in seconds.
    """

    def __init__(self, drivers: Sequence[DriverSettings], now: Callable[[], float]) -> None:
        self._posts = {each.name: _Post(each) for each in drivers}
        self._now = now

    def announce(self, part: OpenPart) -> None:
        """Have every driver that heeds triggers take an image of a part."""
        for post in self._posts.values():
            if post.settings.on_trigger:
                post.waiting.append((self._now(), part))
                post.news.set()

    async def next_trigger(self, driver: str) -> dict[str, Any]:
        """Return the ``part_id`` that a driver is to take an image of; nothing when there is none for a moment.

        Raises:
            RgbxError: the line has no such driver.
        """
        self.hear(driver)
        post = self._posts[driver]
        post.asked += 1
        mine = post.asked
        post.news.set()  # who asked before has lost its connection, and must not be handed anything
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_WITHIN_S):
                while post.asked == mine:
                    if (part := self._next_part(post)) is not None:
                        post.takes = True
                        return {"part_id": part.name}
                    post.news.clear()
                    await post.news.wait()
        return {}

    def hear(self, driver: str, problem: str = "") -> dict[str, Any]:
        """Take a driver's sign of life, and what keeps it from taking images.

        Raises:
            RgbxError: the line has no such driver.
        """
        if driver not in self._posts:
            raise RgbxError(f"the line has no driver '{driver}': name it in line.yaml, and start the line again.")
        post = self._posts[driver]
        post.heard, post.takes, post.problem = self._now(), False, problem
        return {}

    def trouble(self) -> str:
        """Say which driver is away or failed, a sentence; nothing when all are well."""
        for post in self._posts.values():
            kind = f"the driver '{post.settings.name}' ({TITLES[post.settings.modality]} images)"
            if self._now() - post.heard > (TAKES_S if post.takes else DRIVER_SILENT_S):
                return f"{kind} gives no sign of life: it is started again."
            if post.problem:
                return f"{kind} failed: {post.problem}"
        return ""

    def _next_part(self, post: _Post) -> OpenPart | None:
        while post.waiting:
            since, part = post.waiting.popleft()
            if self._now() - since <= post.settings.within and not part.answered:
                return part
            _log.warning("too late to take an image", driver=post.settings.name, part_id=part.name)
        return None

"""What a line's other processes talk to: a log and a hub, as inference has them, but no network."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from rgbx.errors import RgbxError
from rgbx_line.channel import Hub
from rgbx_line.contract import FaultCode, LineState, PartResult, ReasonCode
from rgbx_line.log import Entry, LineLog
from rgbx_line.settings import LineFolder


def run(test: Coroutine[None, None, None]) -> None:
    """Run a test in an event loop, and no longer than 20 s."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test

    asyncio.run(bounded())


async def until(true: Callable[[], bool], within: float = 5.0) -> None:
    """Wait until something is true, for so many seconds at most."""
    end = time.monotonic() + within
    while not true():
        assert time.monotonic() < end, "it did not come to that"
        await asyncio.sleep(0.002)


def part_result(seq: int, part_id: str | None = None) -> PartResult:
    return PartResult(
        seq=seq,
        part_id=f"P{seq}" if part_id is None else part_id,
        bin="mixed",
        bin_code=seq % 7 + 1,
        reason=None,
        reason_code=ReasonCode.NONE,
        model_number=3,
        latency_ms=12.5,
        result={"label": "Gerät"},
    )


class FakeInference:
    """Appends results, announces them, and takes triggers unless it refuses them."""

    def __init__(self, folder: Path) -> None:
        self.folder = LineFolder(folder)
        self.log = LineLog(self.folder.log, segment_bytes=4000)
        self.hub = Hub(self.folder.socket, self._answer)
        self.state = LineState(ready=True, fault=FaultCode.NONE, model_number=3)
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.refuses = False

    async def __aenter__(self) -> Self:
        await self.hub.start()
        self.tell()
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(OSError):
            await self.hub.close()
        self.log.close()

    def append(self, *seqs: int, kind: str = "result") -> list[Entry]:
        """Write results that nobody has been told of yet."""
        return self.log.append([(kind, part_result(seq).model_dump(mode="json")) for seq in seqs])

    def answer(self, *seqs: int) -> list[Entry]:
        """Write results and announce them."""
        entries = self.append(*seqs)
        self.tell()
        return entries

    def tell(self, **changes: Any) -> None:
        """Tell everybody the state, and how far the log may be read."""
        self.state = self.state.model_copy(update={"announced": self.log.number, **changes})
        self.hub.tell(self.state)

    async def _answer(self, do: str, content: dict[str, Any]) -> dict[str, Any]:
        if self.refuses:
            raise RgbxError("the line is not ready: wait until it is.")
        self.asked.append((do, content))
        seq = 70_000 + len(self.asked)
        return {"seq": seq, "part_id": content.get("part_id", f"line-{seq}")}

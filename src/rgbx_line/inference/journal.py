"""How what happens gets into the log: in order, many at once where they come at once, and never lost to a full disk."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rgbx.errors import RgbxError
from rgbx_line.log.line_log import LineLog

TRY_WRITING_EVERY_S = 1.0


class Journal:
    """Writes to the log from an event loop.

    What cannot be written, since the disk is full, waits in memory and is tried again each second.

    Args:
        log: open; nobody else uses it from now on.
        announce: told the number of the last entry once the disk has it.
        trouble: told why the log cannot be written, and ``""`` when it can again.
    """

    def __init__(self, log: LineLog, announce: Callable[[int], None], trouble: Callable[[str], None]) -> None:
        self._log = log
        self._announce = announce
        self._trouble = trouble
        self._waiting: list[tuple[tuple[str, dict[str, Any]], asyncio.Future[None]]] = []
        self._more = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, "log")

    def note(self, kind: str, content: dict[str, Any]) -> "asyncio.Future[None]":
        """Put an entry behind those that wait; what is returned is done when the disk has it."""
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(((kind, content), written))
        self._more.set()
        return written

    async def apart(self, work: Callable[[LineLog], object]) -> None:
        """Do something else with the log, between two entries.

        Raises:
            RgbxError: the disk is full or the log cannot be written.
        """
        await asyncio.get_running_loop().run_in_executor(self._thread, work, self._log)
        self._announce(self._log.number)

    async def run(self) -> None:
        """Write what is noted, until cancelled."""
        while True:
            await self._more.wait()
            self._more.clear()
            noted, self._waiting = self._waiting, []
            await self._write([thing for thing, _ in noted])
            self._announce(self._log.number)
            for _, written in noted:
                if not written.done():
                    written.set_result(None)

    async def _write(self, things: list[tuple[str, dict[str, Any]]]) -> None:
        failed = False
        while True:
            try:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._log.append, things)
            except (RgbxError, OSError) as error:
                failed = True
                self._trouble(str(error))
                await asyncio.sleep(TRY_WRITING_EVERY_S)
            else:
                break
        if failed:
            self._trouble("")

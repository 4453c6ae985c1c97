"""One of a line's processes, as the supervisor starts it.

``python -m rgbx_line.child NAME FILE PIPE PARENT NICENESS CORES``
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog

from rgbx.errors import RgbxError
from rgbx_line.lifeline import die_with
from rgbx_line.settings import LineSettings, read_settings
from rgbx_line.supervisor import BEAT_EVERY_S, DRIVER

LOADED_AFTER_S = 20.0
"""By then a process has all that it works with."""
_log = structlog.get_logger("rgbx.line")

Run = Callable[[LineSettings, asyncio.Event], Awaitable[None]]


def run_child() -> None:
    """Run the process; 1 when it had to give up."""
    name, file, pipe, parent, niceness, own = sys.argv[1:]
    die_with(int(parent))
    os.nice(int(niceness))
    os.sched_setaffinity(0, map(int, own.split(",")))  # before any library counts the cores
    logging.getLogger().addHandler(OneLine(logging.WARNING))
    try:
        asyncio.run(_run(_named(name), read_settings(Path(file)), int(pipe)))
    except RgbxError as error:
        _log.error("gave up", process=name, error=str(error))
        sys.exit(1)


class OneLine(logging.Handler):
    """Brings what libraries log into the line's own structured log.

    asyncua logs a traceback for each client that it refuses; who was refused, and why, is one line. Of all others a
    traceback stays.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record."""
        error = record.exc_info[1] if record.exc_info else None
        said: dict[str, object] = {"logger": record.name}
        if error is not None and record.name.partition(".")[0] == "asyncua":
            said["problem"] = " ".join(f"{type(error).__name__}: {error}".split())
        elif error is not None:
            said["exc_info"] = error
        _log.log(record.levelno, " ".join(record.getMessage().split()), **said)


def _named(name: str) -> Run:
    if name == "inference":
        from rgbx_line.inference.process import run_inference

        return run_inference
    if name == "gateway":
        from rgbx_line.gateway.process import run_gateway

        return run_gateway
    if name == "web":
        from rgbx_line.web.process import run_web

        return run_web
    if name.startswith(DRIVER):
        from rgbx_line.drivers.process import run_driver

        return partial(run_driver, name.removeprefix(DRIVER))
    from rgbx_line.jobs import run_jobs

    return run_jobs


async def _run(run: Run, settings: LineSettings, pipe: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    # What is there for good is looked through no more: a full collection holds up a loaded process for 0.3 s.
    asyncio.get_running_loop().call_later(LOADED_AFTER_S, gc.freeze)
    beating = asyncio.create_task(_beat(pipe))
    try:
        await run(settings, stop)
    finally:
        beating.cancel()


async def _beat(pipe: int) -> None:
    """Give a sign of life while the event loop turns."""
    while True:
        os.write(pipe, b".")
        await asyncio.sleep(BEAT_EVERY_S)


if __name__ == "__main__":
    run_child()

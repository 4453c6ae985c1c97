"""The gateway's process: brings what inference says and answers to all that the line's settings name."""

import asyncio
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

import structlog

from rgbx_line.channel import Link
from rgbx_line.contract import LineState
from rgbx_line.gateway.delivery import Feed, Reader
from rgbx_line.gateway.modbus import ModbusMirror
from rgbx_line.gateway.mqtt import MqttSink
from rgbx_line.settings import LineFolder, LineSettings

SILENT_S = 5.0
"""Inference says something each second; when it has been silent for so long, the line is not ready."""
SINKS_LEAVE_WITHIN_S = 1.5
_LOOK_EVERY_S = 1.0
_log = structlog.get_logger("rgbx.line.gateway")


async def run_gateway(
    settings: LineSettings, stop: asyncio.Event, report: Callable[[Mapping[str, Feed]], None] = lambda _: None
) -> None:
    """Deliver results and show the state until told to stop.

    Args:
        settings: of the line.
        stop: set to leave, within two seconds.
        report: what is told each second how far each sink is: its :attr:`~Feed.lag` and its :attr:`~Feed.problem`.
    """
    folder = LineFolder(settings.folder)
    listeners = _Listeners()
    async with Link(folder.socket, listeners.hear) as link:
        listeners.feeds = _feeds(settings, folder, link)
        tasks = [asyncio.create_task(feed.run(), name=name) for name, feed in listeners.feeds.items()]
        _log.info("gateway started", sinks=list(listeners.feeds))
        try:
            while not stop.is_set():
                for task in tasks:
                    if task.done():  # never, but for a mistake in here: then all of it is to be started again
                        task.result()
                listeners.notice_silence()
                report(listeners.feeds)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_EVERY_S):
                        await stop.wait()
        finally:
            await _leave(tasks)


class _Listeners:
    """Who is told what inference says; and, when it falls silent, that the line is not ready."""

    def __init__(self) -> None:
        self.feeds: dict[str, Feed] = {}
        self._announced = 0
        self._heard = time.monotonic()

    def hear(self, state: LineState) -> None:
        self._heard = time.monotonic()
        self._announced = state.announced
        self._tell(state)

    def notice_silence(self) -> None:
        if time.monotonic() - self._heard > SILENT_S:
            self._tell(LineState(announced=self._announced, fault_text="inference does not answer"))

    def _tell(self, state: LineState) -> None:
        for feed in self.feeds.values():
            feed.tell(state)


def _feeds(settings: LineSettings, folder: LineFolder, link: Link) -> dict[str, Feed]:
    feeds: list[Feed] = []  # in the order in which they are told: those that keep the others waiting least come first
    reader = Reader(folder)
    if settings.modbus is not None:
        mirror = ModbusMirror(settings.modbus, link, folder.modbus)
        feeds.append(Feed("modbus", mirror, folder, reader, history=False))
    if settings.mqtt is not None:
        feeds.append(Feed("mqtt", MqttSink(settings.mqtt, settings.place), folder, reader, history=True))
    if settings.opcua is not None:
        # Only here, since its library is an extra and takes a second to load.
        from rgbx_line.gateway.opcua.server import OpcUaFace

        feeds.append(Feed("opcua", OpcUaFace(settings, folder, link), folder, reader, history=False))
    return {feed.name: feed for feed in feeds}


async def _leave(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if not tasks:
        return
    _, left = await asyncio.wait(tasks, timeout=SINKS_LEAVE_WITHIN_S)
    for task in left:
        _log.warning("sink did not stop in time", sink=task.get_name())

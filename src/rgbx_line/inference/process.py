"""The inference process."""

import asyncio
import getpass

from rgbx_line.channel import Hub
from rgbx_line.contract import LineState
from rgbx_line.inference.engine import Engine
from rgbx_line.log.cursor import announced
from rgbx_line.log.line_log import LineLog
from rgbx_line.settings import LineFolder, LineSettings


async def run_inference(settings: LineSettings, stop: asyncio.Event) -> None:
    """Answer parts until ``stop`` is set.

    Raises:
        RgbxError: another process writes this line's log, or it is damaged.
    """
    folder = LineFolder(settings.folder)
    with LineLog(folder.log, announced(folder.cursors)) as log:
        hub: Hub | None = None

        def tell(state: LineState) -> None:
            if hub is not None:
                hub.tell(state)

        engine = Engine(settings, log, tell)
        hub = Hub(folder.socket, engine.handle)
        await hub.start()
        try:
            await engine.run(stop, getpass.getuser())
        finally:
            await hub.close()

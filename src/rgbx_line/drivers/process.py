"""The process of one driver: it hears of triggers, and puts each image whole into the folder that the line watches."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import structlog
import tifffile

from rgbx.errors import RgbxError
from rgbx.files import atomic_path
from rgbx.modality import MODALITIES, Modality
from rgbx_line.channel import Link
from rgbx_line.drivers.driver import Driver, TakenImage, made_driver
from rgbx_line.settings import DriverSettings, LineFolder, LineSettings

WAIT_FOR_TRIGGER_S = 0.5
"""For an image that comes by itself, before a sign of life is given."""
REOPEN_EVERY_S = 1.0
ASK_AGAIN_S = 0.1
"""When inference cannot be reached."""
DEPTHS = (np.uint8, np.uint16)
_log = structlog.get_logger("rgbx.line.driver")


async def run_driver(name: str, settings: LineSettings, stop: asyncio.Event) -> None:
    """Take images with one camera or detector until ``stop`` is set.

    Its calls are made in the event loop itself, which gives signs of life: what hangs in one is noticed.

    Args:
        name: of the driver, among those of ``settings``.
        settings: of the line.
        stop: when to end.
    """
    (own,) = [each for each in settings.drivers if each.name == name]
    folder = LineFolder(settings.folder)
    async with Link(folder.socket) as link:
        at_work = _AtWork(own, link, settings)
        (folder.driven / own.modality).mkdir(parents=True, exist_ok=True)
        while not stop.is_set():
            try:
                await at_work.run(stop)
            except Exception as error:  # whatever a camera's library raises
                await at_work.report(str(error) or type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), REOPEN_EVERY_S)


class _AtWork:
    """A driver and what is done with its images."""

    def __init__(self, own: DriverSettings, link: Link, settings: LineSettings) -> None:
        self._own = own
        self._link = link
        self._folder = settings.hot_folders[own.modality]
        self._ending = f"{settings.images.pairing.suffix(own.modality)}.tiff"
        self._by_time = settings.images.pairing.by == "time"
        self._alone = len(settings.hot_folders) < len(MODALITIES)
        self._problem = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Open the camera and take images; whatever is raised, it is closed."""
        driver = made_driver(self._own)
        try:
            driver.connect()
            _log.info("driver works", driver=self._own.name)
            await self.report("")
            while not stop.is_set():
                await (self._on_trigger(driver) if self._own.on_trigger else self._as_it_comes(driver))
        finally:
            driver.close()

    async def report(self, problem: str) -> None:
        """Tell inference how the driver is."""
        if problem not in ("", self._problem):
            _log.error("driver failed", driver=self._own.name, problem=problem)
        self._problem = problem
        with suppress(RgbxError):
            await self._link.ask("driver", driver=self._own.name, problem=problem)

    async def _on_trigger(self, driver: Driver) -> None:
        try:
            trigger = await self._link.ask("next_trigger", driver=self._own.name)
        except RgbxError:
            await asyncio.sleep(ASK_AGAIN_S)
            return
        if trigger:
            self._keep(driver.take(trigger["part_id"]), trigger["part_id"])

    async def _as_it_comes(self, driver: Driver) -> None:
        image = driver.wait(WAIT_FOR_TRIGGER_S)
        if image is not None:
            self._keep(image, image.part_id or self._named_by_time(image))
        await self.report("")
        await asyncio.sleep(0)  # also where inference cannot be reached

    def _named_by_time(self, image: TakenImage) -> str:
        if not (self._by_time or self._alone):
            raise RgbxError("an image came without its part's name: set images.pairing.by to time.")
        return f"{image.taken:%Y%m%dT%H%M%S%f}"

    def _keep(self, image: TakenImage, name: str) -> None:
        keep_image(image, self._folder / f"{name}{self._ending}", self._own.modality)


def keep_image(image: TakenImage, path: Path, modality: Modality) -> None:
    """Write an image as TIFF, whole or not at all; the time at which it was taken is the file's.

    Args:
        image: as a driver gave it.
        path: of the file.
        modality: of the image.

    Raises:
        RgbxError: it is no image of this modality, or cannot be written.
    """
    pixels = image.pixels
    if (
        pixels.dtype not in DEPTHS
        or pixels.ndim != (3 if modality == "rgb" else 2)
        or pixels.shape[2:] not in ((), (3,))
    ):
        wanted = "(H, W, 3) in RGB order" if modality == "rgb" else "(H, W)"
        raise RgbxError(
            f"it gives {pixels.dtype} values in the shape {pixels.shape}: it has to give uint8 or uint16, {wanted}."
        )
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, pixels, photometric="rgb" if modality == "rgb" else "minisblack", metadata=None)
        os.utime(temporary, (image.taken.timestamp(),) * 2)

"""A camera that is none: it shows the images of a folder, such as those of a test line."""

import time
import zlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import PositiveFloat

from rgbx.config import Config
from rgbx.datasets.image_kind import is_image
from rgbx.datasets.images import read_photograph, read_radiograph
from rgbx.errors import InputError
from rgbx.names import natural_key
from rgbx.samples import SampleSet
from rgbx.samples.sets import SET_FILE
from rgbx_line.drivers.driver import Driver, TakenImage


class SimulatedSettings(Config):
    """What a simulated camera shows."""

    folder: Path
    """Of images, or a set as ``rgbx scan`` writes it."""
    every: PositiveFloat = 1.0
    """Seconds from one image to the next, where they come by themselves."""


class SimulatedDriver(Driver):
    """Shows images from a folder, on a trigger or at a steady rate.

    Two of them, over the photographs and the radiographs of one test line, show the same unit for the same part: on a
    trigger the part's name says which one, at a rate the time of day does, and the number of the image is its part.
    """

    Settings = SimulatedSettings
    settings: SimulatedSettings

    def connect(self) -> None:
        """List the images.

        Raises:
            InputError: there are none.
        """
        self._units = _units(self.settings.folder)
        self._last = self._number_now()

    def take(self, part_id: str) -> TakenImage:
        """Return an image that the part's name alone decides on."""
        return TakenImage(self._pixels(zlib.crc32(part_id.encode())), datetime.now(UTC))

    def wait(self, seconds: float) -> TakenImage | None:
        """Return the next image when it is due."""
        number = max(self._last + 1, self._number_now())
        due = number * self.settings.every
        left = due - time.time()
        if left > seconds:
            time.sleep(seconds)
            return None
        time.sleep(max(0.0, left))
        self._last = number
        return TakenImage(self._pixels(number), datetime.fromtimestamp(due, UTC), f"{number}")

    def _number_now(self) -> int:
        return int(time.time() / self.settings.every)

    def _pixels(self, number: int) -> np.ndarray:
        views = self._units[number % len(self._units)]
        path = views[number // len(self._units) % len(views)]
        if self.modality == "rgb":
            return read_photograph(path)
        return np.rint(read_radiograph(path) * 65535).astype(np.uint16)


def _units(folder: Path) -> Sequence[Sequence[Path]]:
    """Return the images of each unit; in a folder that is no set each image is one's only image."""
    if (folder / SET_FILE).exists():
        samples = SampleSet.open(folder)
        units: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for record in samples:
            units[record.label, record.unit].append(samples.path(record))
        return [units[unit] for unit in sorted(units, key=_mixed)]
    images = [path for path in folder.iterdir() if is_image(path)] if folder.is_dir() else []
    if not images:
        raise InputError(folder, "holds no images", "name a folder of images, or a set of 'rgbx scan'")
    return [[path] for path in sorted(images, key=lambda path: natural_key(path.name))]


def _mixed(unit: tuple[str, str]) -> tuple[int, tuple[str, str]]:
    """Return what puts units in an order in which no class comes all at once, the same for both modalities."""
    return zlib.crc32("/".join(unit).encode()), unit
